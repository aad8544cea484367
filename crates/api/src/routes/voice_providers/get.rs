use axum::extract::State;
use domain::LineId;

use super::view::VoiceProviderView;
use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// One voice provider, without its secrets.
#[utoipa::path(get, path = "/api/v2/voice-providers/{tenant_voice_provider_id}", operation_id = "getVoiceProvider", tag = "Voice providers",
    params(("tenant_voice_provider_id" = String, Path, description = "Global id of the voice provider.", example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")),
    responses((status = 200, description = "Voice provider retrieved successfully", body = Success<VoiceProviderView>,
            headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn get_voice_provider(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(line_id): PathId<LineId>,
    _: NoQuery,
) -> ApiResult<Answer> {
    let line = app.store.get_line(caller.tenant_id, line_id).await?;
    let view = VoiceProviderView::of(&app, &line);
    Ok(Answer::ok("Voice provider retrieved successfully", view).with_revision(line.revision))
}

use axum::extract::State;
use domain::LineId;

use crate::answer::{Answer, Done};
use crate::auth::Admin;
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Deletes a voice provider that no campaign, pool or live call uses.
#[utoipa::path(delete, path = "/api/v2/voice-providers/{tenant_voice_provider_id}", operation_id = "deleteVoiceProvider", tag = "Voice providers",
    params(("tenant_voice_provider_id" = String, Path, description = "Global id of the voice provider.", example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM="), IfMatchParam),
    responses((status = 200, description = "Voice provider deleted successfully", body = Done)))]
pub(crate) async fn delete_voice_provider(
    State(app): State<App>,
    Admin(caller): Admin,
    PathId(line_id): PathId<LineId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
) -> ApiResult<Answer> {
    app.store.delete_line(caller, line_id, precondition).await?;
    Ok(Answer::done("Voice provider deleted successfully"))
}

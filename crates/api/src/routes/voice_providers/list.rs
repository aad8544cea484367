use axum::extract::State;

use super::view::VoiceProviderView;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::cursor::{self, ListKind};
use crate::error::ApiResult;
use crate::query::{PageParams, Query};
use crate::state::App;

/// Voice providers, newest first, without their secrets.
#[utoipa::path(get, path = "/api/v2/voice-providers", operation_id = "listVoiceProviders", tag = "Voice providers", params(PageParams),
    responses((status = 200, description = "Voice providers retrieved successfully", body = Listed<VoiceProviderView>)))]
pub(crate) async fn list_voice_providers(
    State(app): State<App>,
    Reader(caller): Reader,
    mut query: Query,
) -> ApiResult<Answer> {
    let page = query.page(ListKind::Lines);
    query.finish()?;
    let page = app.store.list_lines(caller.tenant_id, page).await?;
    let views: Vec<_> = page
        .items
        .iter()
        .map(|line| VoiceProviderView::of(&app, line))
        .collect();
    let next = page
        .next
        .map(|position| cursor::encode(ListKind::Lines, position));
    Ok(Answer::list(
        "Voice providers retrieved successfully",
        views,
        next,
    ))
}

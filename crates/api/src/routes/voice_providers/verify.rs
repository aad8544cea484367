use axum::extract::State;
use domain::LineId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success};
use crate::auth::Admin;
use crate::body::{Nothing, Post};
use crate::error::ApiResult;
use crate::ids::{GlobalId, PathId};
use crate::provider_desk::{LookupFailure, ProviderDesk};
use crate::query::NoQuery;
use crate::state::App;
use crate::wire::instant;

/// That the credentials work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerifiedView {
    /// Always `true`; a refusal is an error with the vendor's words.
    verified: bool,
    /// Global id of the voice provider.
    #[schema(example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")]
    tenant_voice_provider_id: String,
    /// When it was asked.
    #[schema(format = DateTime)]
    verified_at: String,
}

/// Asks the vendor whether the credentials work. Takes at most 5 s and changes nothing.
#[utoipa::path(post, path = "/api/v2/voice-providers/{tenant_voice_provider_id}/verify", operation_id = "verifyVoiceProvider", tag = "Voice providers",
    params(("tenant_voice_provider_id" = String, Path, description = "Global id of the voice provider.", example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")),
    responses(
        (status = 200, description = "The credentials work", body = Success<VerifiedView>),
        (status = 502, description = "The voice provider refuses them; its words are in `message`.", body = crate::error::ErrorEnvelope)))]
pub(crate) async fn verify_voice_provider(
    State(app): State<App>,
    Admin(caller): Admin,
    PathId(line_id): PathId<LineId>,
    _: NoQuery,
    post: Post<Nothing>,
) -> ApiResult<Answer> {
    post.body.parse()?;
    let line = app.store.get_line(caller.tenant_id, line_id).await?;
    let desk = ProviderDesk::new(&app).open(&line)?;
    desk.verify().await.map_err(LookupFailure::into_error)?;
    let view = VerifiedView {
        verified: true,
        tenant_voice_provider_id: line_id.global(),
        verified_at: instant(app.now()),
    };
    let answer = Answer::ok("The credentials work", view);
    post.once.keep(&app, caller, &answer).await?;
    Ok(answer)
}

use axum::extract::State;
use domain::CampaignId;
use domain::campaign::CampaignCommand;

use super::order::{order, perform, ready_to_dial};
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Nothing, Post};
use crate::code;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::provider_desk::{LookupFailure, ProviderDesk};
use crate::query::NoQuery;
use crate::state::App;

/// Starts a DRAFT campaign.
///
/// It needs a number or pool that fits `dialer_type`, a calendar that opens at least once, and
/// credentials that the voice provider accepts; all that is missing is listed. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/start", operation_id = "startCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    responses((status = 200, description = "Campaign started successfully", body = Success<CampaignView>),
        (status = 502, description = "The voice provider is broken; nothing was changed.")))]
pub(crate) async fn start_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    post: Post<Nothing>,
) -> ApiResult<Answer> {
    post.body.parse()?;
    let record = app
        .store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    let (changes, mut faults) =
        ready_to_dial(&app, caller, &record, CampaignCommand::Start).await?;
    if changes {
        let line = app
            .store
            .get_line(caller.tenant_id, record.settings.line_id)
            .await?;
        let verified = ProviderDesk::new(&app).open(&line)?.verify().await;
        let unclear = match verified {
            Ok(()) => None,
            Err(LookupFailure::Unauthorized(words)) => {
                let message = format!("The voice provider refuses the credentials: {words}");
                faults.add(
                    "tenant_voice_provider_id",
                    code::CREDENTIALS_REFUSED,
                    message,
                );
                None
            }
            Err(failure) => Some(failure.into_error()),
        };
        faults.check()?;
        unclear.map_or(Ok(()), Err)?;
    }
    let start = order(campaign_id, CampaignCommand::Start);
    perform(
        &app,
        caller,
        start,
        post.once,
        "Campaign started successfully",
    )
    .await
}

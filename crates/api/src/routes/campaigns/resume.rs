use axum::extract::State;
use domain::CampaignId;
use domain::campaign::CampaignCommand;

use super::order::{order, perform, ready_to_dial};
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Nothing, Post};
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Lets a PAUSED campaign go on where it was. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/resume", operation_id = "resumeCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    responses((status = 200, description = "Campaign resumed successfully", body = Success<CampaignView>)))]
pub(crate) async fn resume_campaign(
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
    // The settings may have lost their number or calendar during the pause.
    let (_, faults) = ready_to_dial(&app, caller, &record, CampaignCommand::Resume).await?;
    faults.check()?;
    let resume = order(campaign_id, CampaignCommand::Resume);
    perform(
        &app,
        caller,
        resume,
        post.once,
        "Campaign resumed successfully",
    )
    .await
}

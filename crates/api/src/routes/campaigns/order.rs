//! The life-cycle commands, each of one of three shapes. A route says which command it is and what
//! its document shows; what it is asked with is read by [`CommandRequest`], and everything else is
//! here.
//!
//! - [`begin`] is for `start` and `resume`: the campaign must be able to dial, judged and begun at
//!   one and the same revision.
//! - [`hold`] is for `pause` and `stop`: they list the calls that are still up, and hang them up
//!   on request.
//! - [`perform`] is for the rest.

use domain::TenantId;
use domain::campaign::{CampaignCommand, Transition};
use serde::Serialize;
use store::{Caller, CampaignOrder, CampaignRecord, Conflict, OrderDone, Precondition, StoreError};
use utoipa::ToSchema;

use super::check::{hindrances, pool_of};
use super::command_request::CommandRequest;
use super::live_calls::{self, LiveCallView};
use super::view::CampaignView;
use crate::answer::Answer;
use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::faults::Faults;
use crate::provider_desk::{LookupFailure, ProviderDesk};
use crate::state::App;

/// How often a campaign is judged anew when others change it meanwhile.
const ATTEMPTS: usize = 5;

/// A campaign with the calls that are still up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HeldCampaignView {
    #[serde(flatten)]
    campaign: CampaignView,
    /// Calls of the campaign that were up when no further call could be placed.
    live_calls: Vec<LiveCallView>,
}

const fn message(command: CampaignCommand) -> &'static str {
    match command {
        CampaignCommand::Start => "Campaign started successfully",
        CampaignCommand::Pause => "Campaign paused successfully",
        CampaignCommand::Resume => "Campaign resumed successfully",
        CampaignCommand::Stop => "Campaign stopped successfully",
        CampaignCommand::Archive => "Campaign archived successfully",
    }
}

/// Performs a command that needs no list of calls.
pub(super) async fn perform(
    command: CampaignCommand,
    request: CommandRequest,
) -> ApiResult<Answer> {
    let (app, caller, order, once) = request.without_query(command)?;
    let render = shown(command);
    let write = |key| app.store.order_campaign(caller, order, key);
    once.write(&app, render, write).await
}

fn shown(command: CampaignCommand) -> impl Fn(&OrderDone) -> Answer + Clone + Send + 'static {
    move |done| {
        let view = CampaignView::of(&done.campaign);
        Answer::ok(message(command), view).with_revision(done.campaign.revision)
    }
}

/// Performs a command after which the campaign dials, unless it never could.
pub(super) async fn begin(command: CampaignCommand, request: CommandRequest) -> ApiResult<Answer> {
    let (app, caller, order, once) = request.without_query(command)?;
    // The provider is asked once, however often the campaign is judged anew.
    let mut judged_line = None;
    for _ in 0..ATTEMPTS {
        let record = app
            .store
            .get_campaign(caller.tenant_id, order.campaign_id)
            .await?;
        order.precondition.check(record.revision)?;
        let transition = record
            .status
            .after(command)
            .map_err(|illegal| StoreError::from(Conflict::from(illegal)))?;
        if transition != Transition::Unchanged {
            let ask =
                command == CampaignCommand::Start && judged_line != Some(record.settings.line_id);
            check_ready(&app, caller, &record, ask).await?;
            judged_line = Some(record.settings.line_id);
        }
        let at_this_revision = CampaignOrder {
            precondition: Precondition::exactly(record.revision),
            ..order.clone()
        };
        let write = |key| app.store.order_campaign(caller, at_this_revision, key);
        match once.write(&app, shown(command), write).await {
            // What was judged is no longer what would begin.
            Err(ApiError::Stale { .. }) if !order.precondition.is_strict() => {}
            answer => return answer,
        }
    }
    Err(ApiError::TooMuchContention)
}

/// Refuses a campaign that could never dial, with everything that is missing. With `ask`, the
/// voice provider must accept the credentials.
async fn check_ready(
    app: &App,
    caller: Caller,
    record: &CampaignRecord,
    ask: bool,
) -> ApiResult<()> {
    let mut faults = Faults::default();
    let pool = pool_of(app, caller.tenant_id, &record.settings).await?;
    let found = hindrances(record.kind, &record.settings, pool.as_ref(), caller.now);
    faults.add_followups(found);
    let unclear = if ask {
        check_credentials(app, caller.tenant_id, record, &mut faults).await?
    } else {
        None
    };
    faults.check()?;
    unclear.map_or(Ok(()), |failure| Err(failure.into_error()))
}

/// Refused credentials are a fault; anything else that went wrong at the provider is answered,
/// because it says nothing about the campaign.
async fn check_credentials(
    app: &App,
    tenant_id: TenantId,
    record: &CampaignRecord,
    faults: &mut Faults,
) -> ApiResult<Option<LookupFailure>> {
    let line = app
        .store
        .get_line(tenant_id, record.settings.line_id)
        .await?;
    match ProviderDesk::new(app).open(&line)?.verify().await {
        Ok(()) => Ok(None),
        Err(LookupFailure::Unauthorized(words)) => {
            let message = format!("The voice provider refuses the credentials: {words}");
            faults.add(
                "tenant_voice_provider_id",
                code::CREDENTIALS_REFUSED,
                message,
            );
            Ok(None)
        }
        Err(failure) => Ok(Some(failure)),
    }
}

/// Performs a command that narrows, and lists the calls that are still up; with `?hang_up=true`
/// it hangs them up.
///
/// The command and its key are one transaction, with an answer that says of each call that its
/// hang-up is unclear; that answer is replaced when all are done. So the command is performed once
/// for each key, whatever happens during the hang-ups: somebody may resume the campaign meanwhile.
pub(super) async fn hold(command: CampaignCommand, request: CommandRequest) -> ApiResult<Answer> {
    let mut hang_up = false;
    let (app, caller, order, once) =
        request.read(command, |query| hang_up = query.flag("hang_up"))?;
    let begun = move |done: &OrderDone| {
        let live_calls = if hang_up {
            live_calls::about_to_be_hung_up(&done.live_calls)
        } else {
            live_calls::listed(&done.live_calls)
        };
        held(command, &done.campaign, live_calls)
    };
    let complete = async |done: OrderDone| {
        let live_calls = if hang_up {
            live_calls::hung_up(&app, caller.tenant_id, &done.live_calls).await
        } else {
            live_calls::listed(&done.live_calls)
        };
        held(command, &done.campaign, live_calls)
    };
    let write = |key| app.store.order_campaign(caller, order, key);
    once.write_and_complete(&app, caller, begun, write, complete)
        .await
}

fn held(
    command: CampaignCommand,
    campaign: &CampaignRecord,
    live_calls: Vec<LiveCallView>,
) -> Answer {
    let view = HeldCampaignView {
        campaign: CampaignView::of(campaign),
        live_calls,
    };
    Answer::ok(message(command), view).with_revision(campaign.revision)
}

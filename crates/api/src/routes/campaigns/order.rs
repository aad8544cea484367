//! What the life-cycle commands have in common.

use std::collections::HashMap;
use std::time::Duration;

use domain::campaign::{CampaignCommand, Transition};
use domain::{CampaignId, LineId, TenantId};
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use store::{
    CallRecord, Caller, CampaignOrder, CampaignRecord, Conflict, OrderDone, StoreError, Written,
};
use utoipa::ToSchema;

use super::check::{hindrances, pool_of};
use super::view::CampaignView;
use crate::answer::Answer;
use crate::error::{ApiError, ApiResult};
use crate::faults::Faults;
use crate::idempotency::Once;
use crate::ids::GlobalId;
use crate::provider_desk::{Desk, LookupFailure, ProviderDesk};
use crate::state::App;

/// Hang-ups sent to providers at the same time.
const HANG_UPS_AT_ONCE: usize = 16;
/// Longest time for all hang-ups of one request.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(20);

/// A campaign with the calls that are still up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HeldCampaignView {
    #[serde(flatten)]
    campaign: CampaignView,
    /// Calls of the campaign that were up when no further call could be placed.
    live_calls: Vec<LiveCallView>,
}

/// A call that is up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LiveCallView {
    /// Global id of the call.
    #[schema(example = "Vm9pY2VDYWxsOjEyMw==")]
    call_id: String,
    /// Global id of its lead; `null` for a test call.
    #[schema(example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA==")]
    campaign_lead_id: Option<String>,
    /// Whom it calls.
    #[schema(example = "+14155552671")]
    phone_number: String,
    /// Where it is.
    state: &'static str,
    /// The voice provider's id of the call.
    provider_call_id: Option<String>,
    /// What became of hanging it up; `null` when that was not asked for.
    hang_up: Option<HangUpView>,
}

/// What became of hanging a call up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HangUpView {
    /// Whether the voice provider took it.
    success: bool,
    /// In words.
    message: String,
}

impl LiveCallView {
    fn of(call: &CallRecord) -> Self {
        Self {
            call_id: call.attempt_id.global(),
            campaign_lead_id: call.lead_id.map(GlobalId::global),
            phone_number: call.phone.to_string(),
            state: call.state.as_str(),
            provider_call_id: call.provider_call_id.clone(),
            hang_up: None,
        }
    }
}

/// Refuses a start or resume that could never dial; answers whether the command changes anything.
/// Listed with the settings is what `more` finds.
pub(crate) async fn ready_to_dial(
    app: &App,
    caller: Caller,
    record: &CampaignRecord,
    command: CampaignCommand,
) -> ApiResult<(bool, Faults)> {
    let transition = record
        .status
        .after(command)
        .map_err(|illegal| StoreError::from(Conflict::from(illegal)))?;
    let mut faults = Faults::default();
    if transition == Transition::Unchanged {
        return Ok((false, faults));
    }
    let pool = pool_of(app, caller.tenant_id, &record.settings).await?;
    faults.add_followups(hindrances(
        record.kind,
        &record.settings,
        pool.as_ref(),
        caller.now,
    ));
    Ok((true, faults))
}

/// Performs a command that needs no list of calls.
pub(crate) async fn perform(
    app: &App,
    caller: Caller,
    order: CampaignOrder,
    once: Once,
    message: &'static str,
) -> ApiResult<Answer> {
    let render = move |done: &OrderDone| {
        Answer::ok(message, CampaignView::of(&done.campaign)).with_revision(done.campaign.revision)
    };
    once.write(app, render, |key| {
        app.store.order_campaign(caller, order, key)
    })
    .await
}

/// Performs a command that narrows, and lists the calls that are still up.
pub(crate) async fn hold(
    app: &App,
    caller: Caller,
    order: CampaignOrder,
    once: Once,
    message: &'static str,
    hang_up: bool,
) -> ApiResult<Answer> {
    if !hang_up {
        let render = move |done: &OrderDone| {
            let live_calls = done.live_calls.iter().map(LiveCallView::of).collect();
            held(message, &done.campaign, live_calls)
        };
        return once
            .write(app, render, |key| {
                app.store.order_campaign(caller, order, key)
            })
            .await;
    }
    // First the command, without the key; then the hang-ups; then the same command, which changes
    // nothing any more but keeps the whole answer under the key. Should this break off in between,
    // a repetition finds no answer and does it again, which harms nobody.
    let Written::Fresh(done) = app.store.order_campaign(caller, order, None).await? else {
        return Err(ApiError::Internal("a replay without a key".to_owned()));
    };
    let live_calls = hang_up_all(app, caller.tenant_id, &done.live_calls).await;
    let render = move |done: &OrderDone| held(message, &done.campaign, live_calls.clone());
    once.write(app, render, |key| {
        app.store.order_campaign(caller, order, key)
    })
    .await
}

fn held(message: &'static str, campaign: &CampaignRecord, live_calls: Vec<LiveCallView>) -> Answer {
    let view = HeldCampaignView {
        campaign: CampaignView::of(campaign),
        live_calls,
    };
    Answer::ok(message, view).with_revision(campaign.revision)
}

/// Hangs calls up as well as it can within [`HANG_UP_PATIENCE`], in the order of the list.
async fn hang_up_all(app: &App, tenant_id: TenantId, calls: &[CallRecord]) -> Vec<LiveCallView> {
    let mut views: Vec<_> = calls.iter().map(LiveCallView::of).collect();
    for view in &mut views {
        let message = "There was no time to hang it up; try again.".to_owned();
        view.hang_up = Some(HangUpView {
            success: false,
            message,
        });
    }
    let desks = open_lines(app, tenant_id, calls).await;
    let mut hang_ups = Vec::with_capacity(calls.len());
    for (index, call) in calls.iter().enumerate() {
        let desk = desks.get(&call.line_id);
        hang_ups.push(async move { (index, hang_up(desk, call).await) });
    }
    let collect = stream::iter(hang_ups)
        .buffer_unordered(HANG_UPS_AT_ONCE)
        .for_each(|(index, result)| {
            if let Some(view) = views.get_mut(index) {
                view.hang_up = Some(result);
            }
            std::future::ready(())
        });
    // Whatever is late keeps the words it was given first.
    let _ = tokio::time::timeout(HANG_UP_PATIENCE, collect).await;
    views
}

async fn open_lines<'a>(
    app: &'a App,
    tenant_id: TenantId,
    calls: &[CallRecord],
) -> HashMap<LineId, Result<Desk<'a>, String>> {
    let mut desks = HashMap::new();
    for call in calls {
        if desks.contains_key(&call.line_id) {
            continue;
        }
        let line = app
            .store
            .get_line(tenant_id, call.line_id)
            .await
            .map_err(|error| error.to_string());
        let desk = line.and_then(|line| {
            ProviderDesk::new(app)
                .open(&line)
                .map_err(|_| "the voice provider cannot be opened".to_owned())
        });
        desks.insert(call.line_id, desk);
    }
    desks
}

async fn hang_up(desk: Option<&Result<Desk<'_>, String>>, call: &CallRecord) -> HangUpView {
    let failed = |message: String| HangUpView {
        success: false,
        message,
    };
    let Some(provider_call_id) = &call.provider_call_id else {
        return failed("The voice provider has not named the call yet; try again.".to_owned());
    };
    let desk = match desk {
        Some(Ok(desk)) => desk,
        Some(Err(reason)) => return failed(reason.clone()),
        None => return failed("the voice provider cannot be opened".to_owned()),
    };
    match desk
        .hang_up(provider_call_id, call.control_url.as_deref())
        .await
    {
        Ok(()) => HangUpView {
            success: true,
            message: "Hung up".to_owned(),
        },
        Err(LookupFailure::NotFound) => {
            failed("The voice provider offers no way to hang this call up.".to_owned())
        }
        Err(LookupFailure::Unauthorized(words) | LookupFailure::Unexpected(words)) => {
            failed(format!("The voice provider refused: {words}"))
        }
        Err(LookupFailure::Unreachable(reason)) => {
            failed(format!("The voice provider cannot be reached: {reason}"))
        }
    }
}

/// The order for a campaign.
pub(crate) const fn order(campaign_id: CampaignId, command: CampaignCommand) -> CampaignOrder {
    CampaignOrder {
        campaign_id,
        command,
    }
}

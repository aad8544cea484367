//! The calls that are up when a campaign was held, and hanging them up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use domain::{LineId, TenantId};
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use store::CallRecord;
use utoipa::ToSchema;

use crate::error::ApiResult;
use crate::hang_up::{self, HungUp};
use crate::ids::GlobalId;
use crate::provider_desk::{Desk, LookupFailure, ProviderDesk};
use crate::state::App;

/// Hang-ups sent to providers at the same time.
const HANG_UPS_AT_ONCE: usize = 16;
/// Longest time for all hang-ups of one request.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(20);

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
    /// Where it was.
    state: &'static str,
    /// The voice provider's id of the call.
    provider_call_id: Option<String>,
    /// What became of hanging it up; `null` when that was not asked for.
    hang_up: Option<HangUpView>,
}

/// What became of hanging a call up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HangUpView {
    /// Whether the voice provider took it, or the call is over.
    success: bool,
    /// In words.
    message: String,
}

impl HangUpView {
    fn failed(message: impl Into<String>) -> Self {
        Self {
            success: false,
            message: message.into(),
        }
    }

    fn done(message: &str) -> Self {
        Self {
            success: true,
            message: message.to_owned(),
        }
    }
}

/// The calls, when nobody asks to hang them up.
pub(super) fn listed(calls: &[CallRecord]) -> Vec<LiveCallView> {
    calls.iter().map(|call| view(call, None)).collect()
}

/// The calls before they are hung up: what a repetition is told when the request broke off.
pub(super) fn about_to_be_hung_up(calls: &[CallRecord]) -> Vec<LiveCallView> {
    let unclear = || {
        HangUpView::failed(
            "The request broke off, so it is not known whether it was hung up; look at the call.",
        )
    };
    calls
        .iter()
        .map(|call| view(call, Some(unclear())))
        .collect()
}

fn view(call: &CallRecord, hang_up: Option<HangUpView>) -> LiveCallView {
    LiveCallView {
        call_id: call.attempt_id.global(),
        campaign_lead_id: call.lead_id.map(GlobalId::global),
        phone_number: call.phone.to_string(),
        state: call.state.as_str(),
        provider_call_id: call.provider_call_id.clone(),
        hang_up,
    }
}

/// Hangs calls up as well as it can within [`HANG_UP_PATIENCE`], in the order of the list.
pub(super) async fn hung_up(
    app: &App,
    tenant_id: TenantId,
    calls: &[CallRecord],
) -> Vec<LiveCallView> {
    let late = || HangUpView::failed("There was no time to hang it up; try again.");
    let mut views: Vec<_> = calls.iter().map(|call| view(call, Some(late()))).collect();
    let desks = open_lines(app, tenant_id, calls).await;
    let mut hang_ups = Vec::with_capacity(calls.len());
    for (index, call) in calls.iter().enumerate() {
        let desk = desks.get(&call.line_id);
        hang_ups.push(async move { (index, hang_up(app, desk, call).await) });
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

/// The lines of the calls, opened once each.
async fn open_lines<'a>(
    app: &'a App,
    tenant_id: TenantId,
    calls: &[CallRecord],
) -> HashMap<LineId, ApiResult<Desk<'a>>> {
    let mut desks = HashMap::new();
    for call in calls {
        if let Entry::Vacant(entry) = desks.entry(call.line_id) {
            entry.insert(open_line(app, tenant_id, call.line_id).await);
        }
    }
    desks
}

async fn open_line(app: &App, tenant_id: TenantId, line_id: LineId) -> ApiResult<Desk<'_>> {
    let line = app.store.get_line(tenant_id, line_id).await?;
    ProviderDesk::new(app).open(&line)
}

async fn hang_up(app: &App, desk: Option<&ApiResult<Desk<'_>>>, call: &CallRecord) -> HangUpView {
    let Some(Ok(desk)) = desk else {
        return HangUpView::failed("The voice provider cannot be opened.");
    };
    match hang_up::hang_up(app, desk, call).await {
        Ok(HungUp::Ordered) => HangUpView::done("Hung up"),
        Ok(HungUp::Over) => HangUpView::done("The call is over"),
        Ok(HungUp::Impossible(why)) => HangUpView::failed(format!("Not hung up: {why}.")),
        Ok(HungUp::Failed(LookupFailure::NotFound)) => {
            HangUpView::failed("The voice provider does not know the call.")
        }
        Ok(HungUp::Failed(
            LookupFailure::Unauthorized(words) | LookupFailure::Unexpected(words),
        )) => HangUpView::failed(format!("The voice provider refused: {words}")),
        Ok(HungUp::Failed(LookupFailure::Unreachable(reason))) => {
            HangUpView::failed(format!("The voice provider cannot be reached: {reason}"))
        }
        Err(error) => {
            tracing::warn!(
                ?error,
                call.id = call.attempt_id.raw(),
                "a call was not hung up"
            );
            HangUpView::failed("Something broke here; try again.")
        }
    }
}

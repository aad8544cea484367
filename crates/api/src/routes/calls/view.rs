use domain::attempt::StateName;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use store::{CallRecord, CallTimes};
use utoipa::ToSchema;

use crate::ids::GlobalId;
use crate::wire::instant;

/// A call: one attempt to reach a lead, or a test call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallView {
    /// Global id of the call.
    #[schema(example = "Vm9pY2VDYWxsOjEyMw==")]
    pub(super) call_id: String,
    /// Global id of its campaign.
    #[schema(example = "Vm9pY2VDYW1wYWlnbjoxMjM=")]
    pub(super) campaign_id: String,
    /// Global id of its lead; `null` for a test call.
    #[schema(example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA==")]
    pub(super) campaign_lead_id: Option<String>,
    /// Whether it is a test call, which counts in no cap.
    pub(super) test: bool,
    /// Number of the attempt for the lead, from 1.
    pub(super) attempt: u32,
    /// Where it is: `DISPATCHING`, `UNKNOWN`, `PLACED`, `RINGING`, `IN_PROGRESS`, `ENDED`,
    /// `REJECTED`, `RELEASED` or `ABSENT`.
    #[schema(example = "ENDED")]
    pub(super) state: &'static str,
    /// How it ended; `null` until it has.
    #[schema(example = "ANSWERED")]
    pub(super) outcome: Option<&'static str>,
    /// The voice provider's own word for the end or the refusal.
    #[schema(example = "customer-ended-call")]
    pub(super) ended_reason: Option<String>,
    /// The voice provider's id of the call.
    pub(super) provider_call_id: Option<String>,
    /// Global id of the voice provider.
    #[schema(example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")]
    pub(super) tenant_voice_provider_id: String,
    /// Whom it called.
    #[schema(example = "+14155552671")]
    pub(super) phone_number: String,
    /// Vendor-native caller number.
    #[schema(example = "pn_abc123")]
    pub(super) phone_number_id: String,
    /// Vendor-native id of what spoke.
    #[schema(example = "asst_abc123")]
    pub(super) assistant_id: String,
    /// Revision of the campaign that judged it.
    pub(super) revision: i64,
    /// When it was decided.
    #[schema(format = DateTime)]
    pub(super) planned_at: String,
    /// When the conversation began.
    #[schema(format = DateTime)]
    pub(super) started_at: Option<String>,
    /// When it was over.
    #[schema(format = DateTime)]
    pub(super) ended_at: Option<String>,
    /// Length of the conversation in whole seconds.
    pub(super) duration_seconds: Option<i64>,
    /// Cost in US dollars, as the voice provider says.
    pub(super) cost_usd: Option<f64>,
    /// Address of the recording.
    pub(super) recording_url: Option<String>,
    /// Summary.
    pub(super) summary: Option<String>,
}

/// A call with everything it left behind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallDetailView {
    #[serde(flatten)]
    call: CallView,
    /// Every state it was in, with the time it entered it.
    states: Vec<StateView>,
    /// The verdict that let it be placed.
    #[schema(value_type = Object)]
    verdict: Value,
    /// Transcript.
    transcript: Option<String>,
    /// What the voice provider extracted.
    structured_data: Option<Value>,
}

/// A state with its time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateView {
    /// The state.
    #[schema(example = "RINGING")]
    state: &'static str,
    /// When it was entered.
    #[schema(format = DateTime)]
    at: String,
}

impl CallView {
    pub(super) fn of(call: &CallRecord) -> Self {
        let details = &call.details;
        let started_at = details.started_at.or(call.times.in_progress_at);
        let ended_at = details.ended_at.or(call.times.ended_at);
        Self {
            call_id: call.attempt_id.global(),
            campaign_id: call.campaign_id.global(),
            campaign_lead_id: call.lead_id.map(GlobalId::global),
            test: call.lead_id.is_none(),
            attempt: call.attempt_number,
            state: call.state.as_str(),
            outcome: call.outcome.map(domain::Outcome::as_str),
            ended_reason: call.ended_reason.clone(),
            provider_call_id: call.provider_call_id.clone(),
            tenant_voice_provider_id: call.line_id.global(),
            phone_number: call.phone.as_str().to_owned(),
            phone_number_id: call.phone_number_id.clone(),
            assistant_id: call.assistant_id.clone(),
            revision: call.revision,
            planned_at: instant(call.times.planned_at),
            started_at: started_at.map(instant),
            ended_at: ended_at.map(instant),
            duration_seconds: started_at
                .zip(ended_at)
                .map(|(from, to)| to.duration_since(from).as_secs().max(0)),
            cost_usd: details.cost_micro_usd.map(dollars),
            recording_url: details.recording_url.clone(),
            summary: details.summary.clone(),
        }
    }
}

impl CallDetailView {
    pub(super) fn of(call: &CallRecord) -> Self {
        Self {
            call: CallView::of(call),
            states: states(call.state, &call.times),
            verdict: call.verdict.clone(),
            transcript: call.details.transcript.clone(),
            structured_data: call.details.structured_data.clone(),
        }
    }
}

/// The states in the order of their times; states that entered at once keep the order of a call.
fn states(present: StateName, times: &CallTimes) -> Vec<StateView> {
    let last = if present.is_live() {
        None
    } else {
        times.ended_at.map(|at| (present, at))
    };
    let passed = [
        (StateName::Dispatching, Some(times.planned_at)),
        (StateName::Unknown, times.unknown_at),
        (StateName::Placed, times.placed_at),
        (StateName::Ringing, times.ringing_at),
        (StateName::InProgress, times.in_progress_at),
    ];
    let passed = passed
        .into_iter()
        .filter_map(|(state, at)| Some((state, at?)));
    let mut states: Vec<(StateName, Timestamp)> = passed.chain(last).collect();
    states.sort_by_key(|(_, at)| *at);
    states
        .into_iter()
        .map(|(state, at)| StateView {
            state: state.as_str(),
            at: instant(at),
        })
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact below nine billion dollars"
)]
fn dollars(micro_usd: i64) -> f64 {
    micro_usd as f64 / 1_000_000.0
}

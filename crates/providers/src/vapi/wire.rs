//! Vapi's objects as far as we read them. Every field may be missing or odd.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::lenient;
use super::words::{cut_bytes, cut_chars};
use crate::model::{CallEnd, CallMade};

/// Longest id that is taken for one; Vapi's are UUIDs.
const MAX_ID_BYTES: usize = 200;
/// Longest attempt key, which is also Vapi's limit for `name` and `externalId`.
const MAX_ATTEMPT_KEY_CHARS: usize = 40;
/// Longest called number that is passed on.
const MAX_NUMBER_CHARS: usize = 40;
/// Longest address of a recording or a control channel; longer ones are dropped, not cut.
const MAX_URL_BYTES: usize = 4_096;
/// Longest reason for the end of a call.
pub(super) const MAX_REASON_CHARS: usize = 200;
/// Longest transcript; what is beyond is cut off.
const MAX_TRANSCRIPT_BYTES: usize = 1024 * 1024;
/// Longest summary; what is beyond is cut off.
const MAX_SUMMARY_BYTES: usize = 64 * 1024;
/// Largest structured data; larger ones are dropped, because half of a JSON text is none.
const MAX_STRUCTURED_DATA_BYTES: usize = 256 * 1024;
/// Dearest call that is believed, in dollars.
const MAX_COST_USD: f64 = 1_000_000.0;

/// A call, as `POST /call`, `GET /call/{id}` and callbacks show it.
#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Call {
    #[serde(deserialize_with = "lenient::text")]
    pub(super) id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(super) ended_reason: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    phone_number_id: Option<String>,
    #[serde(deserialize_with = "lenient::instant")]
    pub(super) created_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::instant")]
    pub(super) started_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::instant")]
    pub(super) ended_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::plain")]
    pub(super) cost: Option<f64>,
    #[serde(deserialize_with = "lenient::part")]
    cost_breakdown: Option<CostBreakdown>,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) customer: Option<Customer>,
    #[serde(deserialize_with = "lenient::part")]
    assistant_overrides: Option<Overrides>,
    #[serde(deserialize_with = "lenient::part")]
    squad_overrides: Option<Overrides>,
    #[serde(deserialize_with = "lenient::part")]
    workflow_overrides: Option<Overrides>,
    #[serde(deserialize_with = "lenient::part")]
    monitor: Option<Monitor>,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) artifact: Option<Artifact>,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) analysis: Option<Analysis>,
    /// Only in the answer to `POST /call`, and not part of the documented object.
    #[serde(deserialize_with = "lenient::part")]
    subscription_limits: Option<SubscriptionLimits>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct CostBreakdown {
    #[serde(deserialize_with = "lenient::plain")]
    total: Option<f64>,
}

/// The callee.
#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Customer {
    #[serde(deserialize_with = "lenient::text")]
    number: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    external_id: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Overrides {
    #[serde(deserialize_with = "lenient::part")]
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "lenient::text")]
    attempt_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    campaign_id: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Monitor {
    #[serde(deserialize_with = "lenient::text")]
    control_url: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct SubscriptionLimits {
    #[serde(deserialize_with = "lenient::plain")]
    concurrency_blocked: Option<bool>,
}

/// What a call left behind.
#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Artifact {
    #[serde(deserialize_with = "lenient::text")]
    transcript: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    recording_url: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    stereo_recording_url: Option<String>,
    #[serde(deserialize_with = "lenient::part")]
    recording: Option<Recording>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Recording {
    #[serde(deserialize_with = "lenient::part")]
    mono: Option<MonoRecording>,
    #[serde(deserialize_with = "lenient::text")]
    stereo_url: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct MonoRecording {
    #[serde(deserialize_with = "lenient::text")]
    combined_url: Option<String>,
}

/// What the vendor made of the transcript.
#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Analysis {
    #[serde(deserialize_with = "lenient::text")]
    summary: Option<String>,
    #[serde(deserialize_with = "lenient::untouched")]
    structured_data: Option<Box<RawValue>>,
    #[serde(deserialize_with = "lenient::text")]
    success_evaluation: Option<String>,
}

impl Call {
    /// The call's id, if it is one.
    pub(super) fn id(&self) -> Option<&str> {
        self.id
            .as_deref()
            .filter(|id| !id.trim().is_empty() && id.len() <= MAX_ID_BYTES)
    }

    /// Our key, from the first place that has one: metadata, name, the customer's external id.
    pub(super) fn attempt_key(&self) -> Option<String> {
        let mut metadata = self.metadata();
        let key = metadata.find_map(|metadata| as_attempt_key(metadata.attempt_id.as_deref()?));
        key.or_else(|| as_attempt_key(self.name.as_deref()?))
            .or_else(|| self.customer.as_ref()?.attempt_key())
    }

    /// What we gave along, from the first place that has any.
    fn metadata(&self) -> impl Iterator<Item = &Metadata> {
        let overrides = [
            &self.assistant_overrides,
            &self.squad_overrides,
            &self.workflow_overrides,
        ];
        let overrides = overrides.into_iter();
        overrides.filter_map(|overrides| overrides.as_ref()?.metadata.as_ref())
    }

    /// How the call was made.
    pub(super) fn made(&self) -> CallMade {
        let short = |text: &String| text.len() <= MAX_ID_BYTES;
        let mut campaigns = self.metadata().filter_map(|it| it.campaign_id.clone());
        CallMade {
            campaign_id: campaigns.find(short),
            phone_number_id: self.phone_number_id.clone().filter(short),
            created_at: self.created_at,
        }
    }

    /// Address to control the call.
    pub(super) fn control_url(&self) -> Option<String> {
        web_address(self.monitor.as_ref()?.control_url.as_deref())
    }

    /// Cost so far.
    pub(super) fn cost_micro_usd(&self) -> Option<i64> {
        let total = || self.cost_breakdown.as_ref()?.total;
        self.cost.or_else(total).and_then(micro_usd)
    }

    /// Whether the vendor says that the account's slots were full when it took the call.
    pub(super) fn concurrency_blocked(&self) -> bool {
        self.subscription_limits
            .as_ref()
            .and_then(|limits| limits.concurrency_blocked)
            == Some(true)
    }
}

impl Customer {
    /// Our key, if the vendor echoes it here.
    pub(super) fn attempt_key(&self) -> Option<String> {
        as_attempt_key(self.external_id.as_deref()?)
    }

    /// The called number.
    pub(super) fn number(&self) -> Option<String> {
        self.number
            .as_deref()
            .map(|number| cut_chars(number, MAX_NUMBER_CHARS).to_owned())
    }
}

/// Moves what a call left behind into its end; tells whether there was anything.
pub(super) fn add_details(
    end: &mut CallEnd,
    artifact: Option<Artifact>,
    analysis: Option<Analysis>,
) -> bool {
    let mut evaluated = false;
    if let Some(artifact) = artifact {
        end.recording_url = artifact.recording_url();
        end.transcript = kept(artifact.transcript, MAX_TRANSCRIPT_BYTES);
    }
    if let Some(analysis) = analysis {
        evaluated = analysis.success_evaluation.is_some();
        end.structured_data = analysis
            .structured_data
            .as_deref()
            .and_then(structured_data);
        end.summary = kept(analysis.summary, MAX_SUMMARY_BYTES);
    }
    evaluated
        || end.recording_url.is_some()
        || end.transcript.is_some()
        || end.structured_data.is_some()
        || end.summary.is_some()
}

impl Artifact {
    fn recording_url(&self) -> Option<String> {
        let recording = self.recording.as_ref();
        let mono = recording.and_then(|recording| recording.mono.as_ref());
        let candidates = [
            self.recording_url.as_deref(),
            mono.and_then(|mono| mono.combined_url.as_deref()),
            self.stereo_recording_url.as_deref(),
            recording.and_then(|recording| recording.stereo_url.as_deref()),
        ];
        candidates.into_iter().find_map(web_address)
    }
}

/// Dollars to micro-dollars, rounded; `None` for what cannot be a price.
pub(super) fn micro_usd(usd: f64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below 10^12, checked in this line"
    )]
    (0.0..=MAX_COST_USD)
        .contains(&usd)
        .then(|| (usd * 1_000_000.0).round() as i64)
}

fn as_attempt_key(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.chars().count() <= MAX_ATTEMPT_KEY_CHARS;
    fits.then(|| text.to_owned())
}

/// Only web addresses: these are shown as links or requested later.
fn web_address(text: Option<&str>) -> Option<String> {
    let text = text.filter(|text| text.len() <= MAX_URL_BYTES)?;
    let web = text.starts_with("https://") || text.starts_with("http://");
    web.then(|| text.to_owned())
}

fn kept(text: Option<String>, limit: usize) -> Option<String> {
    text.filter(|text| !text.is_empty())
        .map(|text| cut_bytes(text, limit))
}

fn structured_data(raw: &RawValue) -> Option<Value> {
    let raw = Some(raw.get()).filter(|raw| raw.len() <= MAX_STRUCTURED_DATA_BYTES)?;
    serde_json::from_str(raw)
        .ok()
        .filter(|value: &Value| !value.is_null())
}

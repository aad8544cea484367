//! What Vapi sends to us: `{"message": {"type": …}}`.

use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::ended_reason::judge;
use super::words::cut_chars;
use super::{lenient, wire};
use crate::model::{CallEnd, CallEvent, CallStatus, CallbackError, RawCallback, VerifiedCallback};

/// The header we ask Vapi to send with each callback (`server.headers` of the call).
const SECRET_HEADER: &str = "x-vapi-secret";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Envelope {
    #[serde(deserialize_with = "lenient::part")]
    message: Option<Message>,
}

/// `status-update` and `end-of-call-report`, whose fields do not contradict each other.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Message {
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    status: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    ended_reason: Option<String>,
    #[serde(deserialize_with = "lenient::instant")]
    timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::instant")]
    started_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::instant")]
    ended_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::plain")]
    cost: Option<f64>,
    #[serde(deserialize_with = "lenient::part")]
    artifact: Option<wire::Artifact>,
    #[serde(deserialize_with = "lenient::part")]
    analysis: Option<wire::Analysis>,
    #[serde(deserialize_with = "lenient::part")]
    call: Option<wire::Call>,
    #[serde(deserialize_with = "lenient::part")]
    customer: Option<wire::Customer>,
}

/// Checks that the callback carries the secret, in constant time: in `X-Vapi-Secret` (what our
/// calls ask for) or, only where that header is missing, as `Authorization: Bearer …` (a bearer
/// credential saved at Vapi). With the first present the second is not looked at, because an
/// account-wide credential of the user may travel along. Where a header comes more than once,
/// every value must match. An empty secret matches nothing.
///
/// Vapi's HMAC credentials are not supported: their timestamp must be compared with the time,
/// which an adapter does not know, and they work only for addresses saved at Vapi anyway.
pub(super) fn verify<'a>(
    raw: RawCallback<'a>,
    secret: &str,
) -> Result<VerifiedCallback<'a>, CallbackError> {
    let mut given: Vec<&[u8]> = raw
        .headers
        .get_all(SECRET_HEADER)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    if given.is_empty() {
        let values = raw.headers.get_all(AUTHORIZATION).iter();
        given = values.map(|value| bearer_token(value.as_bytes())).collect();
    }
    let authentic = !secret.is_empty()
        && !given.is_empty()
        && given
            .iter()
            .all(|value| bool::from(value.ct_eq(secret.as_bytes())));
    if authentic {
        Ok(VerifiedCallback::new(raw.body))
    } else {
        Err(CallbackError::Unauthentic)
    }
}

/// The token of `Bearer <token>`; empty, which matches nothing, for another scheme.
fn bearer_token(value: &[u8]) -> &[u8] {
    const SCHEME: &[u8] = b"bearer ";
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim_ascii(),
        _ => &[],
    }
}

/// The facts of a verified callback.
pub(super) fn read(body: &[u8]) -> Result<Vec<CallEvent>, CallbackError> {
    let text = String::from_utf8_lossy(body);
    let envelope: Envelope = lenient::object(&text).ok_or(CallbackError::Malformed)?;
    let message = envelope.message.ok_or(CallbackError::Malformed)?;
    match message.kind.as_deref() {
        None => Err(CallbackError::Malformed),
        Some("status-update") => status_update(&message).map(|event| vec![event]),
        Some("end-of-call-report") => end_of_call_report(message).map(|event| vec![event]),
        // "hang" only says that the assistant is slow; the rest was not asked for.
        Some(_) => Ok(Vec::new()),
    }
}

fn status_update(message: &Message) -> Result<CallEvent, CallbackError> {
    let status = match message.status.as_deref() {
        Some("ended") => CallStatus::Ended(Box::new(message.end())),
        Some("in-progress" | "forwarding") => CallStatus::InProgress,
        Some("ringing") => CallStatus::Ringing,
        // Also what we do not know: that Vapi speaks of the call proves that it exists, which is
        // all that "queued" claims.
        _ => CallStatus::Queued,
    };
    message.event(status)
}

fn end_of_call_report(mut message: Message) -> Result<CallEvent, CallbackError> {
    let mut end = message.end();
    // The same is found on the call, where some versions alone have it.
    let (artifact, analysis) = match &mut message.call {
        Some(call) => (call.artifact.take(), call.analysis.take()),
        None => (None, None),
    };
    let artifact = message.artifact.take().or(artifact);
    let analysis = message.analysis.take().or(analysis);
    wire::add_details(&mut end, artifact, analysis);
    end.final_report = true;
    message.event(CallStatus::Ended(Box::new(end)))
}

impl Message {
    /// The end without what the call left behind: in a status update that is still growing.
    ///
    /// A message without a reason decides nothing (`outcome: None`): the other message of the
    /// same call or a look-up will, and a guess could contradict it.
    fn end(&self) -> CallEnd {
        let call = self.call.as_ref();
        let reason = self
            .ended_reason
            .as_deref()
            .or_else(|| call?.ended_reason.as_deref());
        let started_at = self.started_at.or_else(|| call?.started_at);
        let cost_of_call = || call?.cost_micro_usd();
        CallEnd {
            outcome: reason.map(|reason| judge(Some(reason), started_at)),
            reason: reason.map(|reason| cut_chars(reason, wire::MAX_REASON_CHARS).to_owned()),
            started_at,
            ended_at: self.ended_at.or_else(|| call?.ended_at),
            cost_micro_usd: self.cost.and_then(wire::micro_usd).or_else(cost_of_call),
            ..CallEnd::default()
        }
    }

    fn event(&self, status: CallStatus) -> Result<CallEvent, CallbackError> {
        let call = self.call.as_ref().ok_or(CallbackError::Malformed)?;
        let id = call.id().ok_or(CallbackError::Malformed)?;
        let customers = [call.customer.as_ref(), self.customer.as_ref()];
        let mut customers = customers.into_iter().flatten();
        let key_of_customer = || self.customer.as_ref()?.attempt_key();
        let ended_at = match &status {
            CallStatus::Ended(end) => end.ended_at,
            _ => None,
        };
        Ok(CallEvent {
            attempt_key: call.attempt_key().or_else(key_of_customer),
            provider_call_id: id.to_owned(),
            status,
            at: ended_at.or(self.timestamp),
            control_url: call.control_url(),
            to: customers.find_map(wire::Customer::number),
            made: call.made(),
        })
    }
}

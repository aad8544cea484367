//! Answers of look-ups.

use domain::PhoneNumber;
use serde::Deserialize;

use super::ended_reason::judge;
use super::requests::PAGE_SIZE;
use super::words::{Words, cut_chars, describe};
use super::{lenient, wire};
use crate::model::{
    Assistant, CallEnd, CallEvent, CallStatus, LookupError, ProviderAnswer, ProviderNumber,
};

/// Longest display name that is passed on.
const MAX_NAME_CHARS: usize = 200;

/// An assistant, workflow, squad or caller number, as far as we read it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    number: Option<String>,
}

/// `GET /call/{id}`.
pub(super) fn call(answer: &ProviderAnswer) -> Result<Vec<CallEvent>, LookupError> {
    let text = one_object(answer)?;
    let call: wire::Call = lenient::object(&text).ok_or_else(unreadable)?;
    // A status, not an error, of calls that were erased.
    if call.status.as_deref() == Some("not-found") {
        return Err(LookupError::NotFound);
    }
    let id = call.id().map(str::to_owned).ok_or_else(unreadable)?;
    Ok(vec![event_of(call, id)])
}

/// `GET /call?…`: the calls, and whether absence from them proves nothing. A row without a
/// readable id may be the one that is looked for, so it counts as cut off.
pub(super) fn calls(answer: &ProviderAnswer) -> Result<(Vec<CallEvent>, bool), LookupError> {
    let text = accepted(answer)?;
    let rows = lenient::array(&text).ok_or_else(unreadable)?;
    let mut cut = rows.len() >= PAGE_SIZE;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let call: Option<wire::Call> = lenient::object(row.get());
        match call.and_then(|call| call.id().map(str::to_owned).map(|id| (call, id))) {
            Some((call, id)) => events.push(event_of(call, id)),
            None => cut = true,
        }
    }
    Ok((events, cut))
}

/// What a call object says.
pub(super) fn event_of(call: wire::Call, id: String) -> CallEvent {
    let attempt_key = call.attempt_key();
    let made = call.made();
    let control_url = call.control_url();
    let to = call.customer.as_ref().and_then(wire::Customer::number);
    let (created_at, started_at, ended_at) = (call.created_at, call.started_at, call.ended_at);
    let over = call.ended_at.is_some() || call.ended_reason.is_some();
    let (status, at) = match call.status.as_deref() {
        Some("ended") => (ended(call), ended_at),
        Some("in-progress" | "forwarding") => (CallStatus::InProgress, started_at),
        Some("ringing") => (CallStatus::Ringing, None),
        Some("scheduled" | "queued") => (CallStatus::Queued, created_at),
        // A status we do not know ("deletion-failed", or a new one): the object's own instants
        // say what may be said; with none, no more is claimed than that the call exists.
        _ if over => (ended(call), ended_at),
        _ if started_at.is_some() => (CallStatus::InProgress, started_at),
        _ => (CallStatus::Queued, created_at),
    };
    CallEvent {
        attempt_key,
        provider_call_id: id,
        status,
        at,
        control_url,
        to,
        made,
    }
}

fn ended(call: wire::Call) -> CallStatus {
    let reason = call.ended_reason.as_deref();
    let mut end = CallEnd {
        outcome: Some(judge(reason, call.started_at)),
        reason: reason.map(|reason| cut_chars(reason, wire::MAX_REASON_CHARS).to_owned()),
        started_at: call.started_at,
        ended_at: call.ended_at,
        cost_micro_usd: call.cost_micro_usd(),
        ..CallEnd::default()
    };
    // The transcript and its analysis appear some time after the end, and then nothing follows.
    end.final_report = wire::add_details(&mut end, call.artifact, call.analysis);
    CallStatus::Ended(Box::new(end))
}

/// The answer of a control address. One that is gone belonged, as a rule, to a call that is over.
pub(super) fn hang_up(answer: &ProviderAnswer) -> Result<(), LookupError> {
    match answer.status {
        200..=299 => Ok(()),
        404 | 410 => Err(LookupError::NotFound),
        _ => Err(fault(answer)),
    }
}

/// `GET /assistant?limit=1`. A list must come back: any web server can answer 200.
pub(super) fn verify(answer: &ProviderAnswer) -> Result<(), LookupError> {
    let text = accepted(answer)?;
    lenient::array(&text).map(|_| ()).ok_or_else(unreadable)
}

/// `GET /assistant/{id}`, `/workflow/{id}`, `/squad/{id}`.
pub(super) fn assistant(answer: &ProviderAnswer) -> Result<Assistant, LookupError> {
    let text = one_object(answer)?;
    lenient::object(&text)
        .and_then(as_assistant)
        .ok_or_else(unreadable)
}

/// `GET /assistant`. Rows that cannot be read are left out.
pub(super) fn assistants(answer: &ProviderAnswer) -> Result<Vec<Assistant>, LookupError> {
    rows(answer, as_assistant)
}

/// `GET /phone-number/{id}`.
pub(super) fn phone_number(answer: &ProviderAnswer) -> Result<ProviderNumber, LookupError> {
    let text = one_object(answer)?;
    lenient::object(&text)
        .and_then(as_number)
        .ok_or_else(unreadable)
}

/// `GET /phone-number`. Rows that cannot be read are left out.
pub(super) fn phone_numbers(answer: &ProviderAnswer) -> Result<Vec<ProviderNumber>, LookupError> {
    rows(answer, as_number)
}

fn rows<T>(
    answer: &ProviderAnswer,
    read: impl Fn(Named) -> Option<T>,
) -> Result<Vec<T>, LookupError> {
    let text = accepted(answer)?;
    let rows = lenient::array(&text).ok_or_else(unreadable)?;
    let objects = rows.iter().filter_map(|row| lenient::object(row.get()));
    Ok(objects.filter_map(read).take(PAGE_SIZE).collect())
}

fn as_assistant(object: Named) -> Option<Assistant> {
    let assistant_id = object.id.filter(|id| !id.is_empty())?;
    Some(Assistant {
        assistant_id,
        name: display_name(object.name.as_deref()),
    })
}

fn as_number(object: Named) -> Option<ProviderNumber> {
    let phone_number_id = object.id.filter(|id| !id.is_empty())?;
    let e164 = object
        .number
        .filter(|number| PhoneNumber::parse(number).is_some());
    Some(ProviderNumber {
        phone_number_id,
        e164,
        name: display_name(object.name.as_deref()),
    })
}

fn display_name(name: Option<&str>) -> Option<String> {
    let name = cut_chars(name?.trim(), MAX_NAME_CHARS).to_owned();
    (!name.is_empty()).then_some(name)
}

/// The body of an answer about one object, which may say that there is none.
fn one_object(answer: &ProviderAnswer) -> Result<std::borrow::Cow<'_, str>, LookupError> {
    match answer.status {
        404 => Err(LookupError::NotFound),
        // An id that is not even in Vapi's form names nothing there.
        400 if Words::of(answer).say(&["uuid"]) => Err(LookupError::NotFound),
        _ => accepted(answer),
    }
}

fn accepted(answer: &ProviderAnswer) -> Result<std::borrow::Cow<'_, str>, LookupError> {
    match answer.status {
        200..=299 => Ok(String::from_utf8_lossy(&answer.body)),
        _ => Err(fault(answer)),
    }
}

fn fault(answer: &ProviderAnswer) -> LookupError {
    match answer.status {
        401 | 403 => LookupError::Unauthorized(describe(answer)),
        _ => LookupError::Unexpected(describe(answer)),
    }
}

fn unreadable() -> LookupError {
    LookupError::Unexpected("the answer is not in the documented form".to_owned())
}

//! The ground truth: which phones rang, and which requests came.

use std::{borrow::Cow, sync::Arc};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::value::RawValue;

use crate::{dice, time};

/// At most this many lines of the ring log are kept; the oldest go first.
pub(crate) const MAX_RINGS: usize = 2_000_000;
/// At most this many lines of the request log are kept; the oldest go first.
pub(crate) const MAX_REQUESTS: usize = 500_000;

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// Calls, `GET /control/rings`.
    Rings,
    /// Requests, `GET /control/requests`.
    Requests,
}

/// One accepted request to call a phone. Requests to invalid or unreachable numbers are here too,
/// with `rang_at` `None`; a call that the vendor's concurrency limit blocked is not, since it never
/// reached the phone network.
#[derive(Clone, Debug)]
pub struct Ring {
    /// The position in the log, from 0.
    pub number: u64,
    /// When the create request was accepted.
    pub received_at: Timestamp,
    /// When the phone began to ring; `None` before that, and for good when it never rings.
    pub rang_at: Option<Timestamp>,
    /// When the call ended.
    pub ended_at: Option<Timestamp>,
    /// The vendor's prefix: `vapi`.
    pub vendor: &'static str,
    /// The API key of the request.
    pub account: Arc<str>,
    /// The saved assistant, squad or workflow.
    pub assistant_id: Option<Box<str>>,
    /// The saved number that called.
    pub phone_number_id: Option<Box<str>>,
    /// The number that was called.
    pub to: Arc<str>,
    /// The caller's own name for this attempt: `metadata.attempt_key`, else the call's name, else
    /// the customer's external id.
    pub attempt_key: Option<Box<str>>,
    /// The vendor's id of the call, as its 128 bits.
    pub provider_call: u128,
    /// How the call came out: a name of [`crate::PhoneOutcome`], a scripted reason, or `CANCELED`
    /// when it was hung up from outside. `None` until the call ended.
    pub outcome: Option<Cow<'static, str>>,
    /// The template variables of the request.
    pub variables: Option<Arc<RawValue>>,
}

impl Ring {
    /// The vendor's id of the call.
    pub fn provider_call_id(&self) -> String {
        dice::uuid_text(self.provider_call)
    }

    /// The id in the log: `ring_` and ten digits.
    pub fn ring_id(&self) -> String {
        format!("ring_{:010}", self.number)
    }
}

/// The number in a ring id.
pub(crate) fn ring_number(ring_id: &str) -> Option<u64> {
    ring_id
        .strip_prefix("ring_")
        .unwrap_or(ring_id)
        .parse()
        .ok()
}

impl Serialize for Ring {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("Ring", 13)?;
        line.serialize_field("ring_id", &self.ring_id())?;
        line.serialize_field("received_at", &time::with_microseconds(self.received_at))?;
        line.serialize_field("rang_at", &self.rang_at.map(time::with_microseconds))?;
        line.serialize_field("ended_at", &self.ended_at.map(time::with_microseconds))?;
        line.serialize_field("vendor", self.vendor)?;
        line.serialize_field("account", &*self.account)?;
        line.serialize_field("assistant_id", &self.assistant_id)?;
        line.serialize_field("phone_number_id", &self.phone_number_id)?;
        line.serialize_field("to", &*self.to)?;
        line.serialize_field("attempt_key", &self.attempt_key)?;
        line.serialize_field("provider_call_id", &self.provider_call_id())?;
        line.serialize_field("outcome", &self.outcome)?;
        line.serialize_field("variables", &self.variables.as_deref())?;
        line.end()
    }
}

/// One request to a vendor's interface, whatever became of it.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// The position in the log, from 0.
    pub number: u64,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The verb.
    pub method: http::Method,
    /// The path with the vendor's prefix, without the query.
    pub path: Box<str>,
    /// The API key, if it had one.
    pub account: Option<Arc<str>>,
    /// The status of the answer, also when it is sent late; `None` when it was withheld.
    pub status: Option<u16>,
    /// Whether the answer was withheld.
    pub is_withheld: bool,
    /// The attempt key in the body, if the request was to make a call.
    pub attempt_key: Option<Box<str>>,
    /// The call that the request made, told or not.
    pub provider_call: Option<u128>,
    /// The fault or limit that struck, by its name in the scenario.
    pub fault: Option<&'static str>,
}

impl Serialize for RequestRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("RequestRecord", 10)?;
        line.serialize_field("request_id", &self.number)?;
        line.serialize_field("time", &time::with_microseconds(self.received_at))?;
        line.serialize_field("method", self.method.as_str())?;
        line.serialize_field("path", &self.path)?;
        line.serialize_field("account", &self.account.as_deref())?;
        line.serialize_field("status", &self.status)?;
        line.serialize_field("withheld", &self.is_withheld)?;
        line.serialize_field("attempt_key", &self.attempt_key)?;
        line.serialize_field("provider_call_id", &self.provider_call.map(dice::uuid_text))?;
        line.serialize_field("fault", &self.fault)?;
        line.end()
    }
}

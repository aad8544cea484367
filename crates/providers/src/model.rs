//! What the host and every adapter say to each other.

use bytes::Bytes;
pub use domain::attempt::{EndFault, Refusal};
pub use domain::settings::CallingEntity;
use domain::{Outcome, PhoneNumber};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::vapi;

/// The vendor's secrets of one line, as the user gave them (`{"api_key": "…"}`).
#[derive(Clone)]
pub struct Credentials(pub Map<String, Value>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(••••)")
    }
}

/// A line as an adapter needs it.
#[derive(Debug, Clone)]
pub struct LineAccess {
    /// Root of the vendor's API, with no trailing slash.
    pub base_url: String,
    /// Secrets of the account.
    pub credentials: Credentials,
}

/// Where the vendor shall report the call.
#[derive(Debug, Clone)]
pub struct CallbackTarget {
    /// Absolute URL that ends in the attempt key.
    pub url: String,
    /// Secret that the vendor sends back with each callback.
    pub secret: String,
}

/// One call to place, fully decided.
#[derive(Debug, Clone)]
pub struct PlaceCall {
    /// Unguessable key of the attempt, at most 40 characters.
    pub attempt_key: String,
    /// Global id of the campaign, for the vendor's metadata.
    pub campaign_id: String,
    /// Which kind of object `assistant_id` names.
    pub entity: CallingEntity,
    /// Vendor-native id of what speaks.
    pub assistant_id: String,
    /// Vendor-native id of the caller number.
    pub phone_number_id: String,
    /// Whom to call.
    pub to: PhoneNumber,
    /// Display name of the callee, if known.
    pub customer_name: Option<String>,
    /// Variables for the assistant: the four standard ones and every custom field.
    pub variables: Map<String, Value>,
    /// Where to report; absent when the server has no address the vendor can reach.
    pub callback: Option<CallbackTarget>,
}

/// An HTTP request to the vendor. `url` is absolute.
#[derive(Clone)]
pub struct ProviderRequest {
    /// HTTP method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// Headers; may hold secrets, so the type has no `Debug`.
    pub headers: HeaderMap,
    /// Body, empty when there is none.
    pub body: Bytes,
}

/// The vendor's whole answer, after the host's size and time caps.
#[derive(Debug, Clone)]
pub struct ProviderAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// What an answer to "place this call" proves.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaceAnswer {
    /// The call exists at the vendor.
    Placed {
        /// Vendor's id of the call.
        provider_call_id: String,
        /// URL to control the call (hang up), where the vendor gives one.
        control_url: Option<String>,
        /// Facts that came with the answer (a call that is over at once), oldest first.
        events: Vec<CallEvent>,
    },
    /// The vendor documents this answer as "no call was made".
    Refused {
        /// Why.
        refusal: Refusal,
        /// The vendor's words, at most 500 characters.
        message: String,
    },
    /// Nothing is proven.
    Unknown {
        /// What made it unreadable, for people.
        message: String,
    },
}

/// One fact about a call at the vendor, from a callback or a look-up.
#[derive(Debug, Clone, PartialEq)]
pub struct CallEvent {
    /// Attempt key the vendor echoed, if any.
    pub attempt_key: Option<String>,
    /// Vendor's id of the call.
    pub provider_call_id: String,
    /// What is known.
    pub status: CallStatus,
    /// When it happened by the vendor's clock, if it said.
    pub at: Option<Timestamp>,
    /// URL to control the call, where the vendor gives one.
    pub control_url: Option<String>,
    /// Called number the vendor reports, to cross-check a match.
    pub to: Option<String>,
    /// What the vendor knows of how the call was made.
    pub made: CallMade,
}

/// How a call was made, as far as the vendor tells: enough to put it on record anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallMade {
    /// The campaign in the metadata we gave.
    pub campaign_id: Option<String>,
    /// Vendor-native id of the caller number.
    pub phone_number_id: Option<String>,
    /// When the vendor made it, by its clock.
    pub created_at: Option<Timestamp>,
}

/// Progress of a call. Ordered: later variants outrank earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub enum CallStatus {
    /// Accepted, not yet ringing.
    Queued,
    /// The phone rings.
    Ringing,
    /// Somebody or something picked up.
    InProgress,
    /// Over.
    Ended(Box<CallEnd>),
}

/// How a call ended and what it left behind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallEnd {
    /// The normalised outcome; `None` when a report only adds details.
    pub outcome: Option<EndOutcome>,
    /// The vendor's own word for the end.
    pub reason: Option<String>,
    /// When the conversation began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Cost in micro-dollars (1 USD = 1,000,000).
    pub cost_micro_usd: Option<i64>,
    /// Transcript as plain text.
    pub transcript: Option<String>,
    /// Summary.
    pub summary: Option<String>,
    /// Address of the recording.
    pub recording_url: Option<String>,
    /// Structured data the vendor extracted.
    pub structured_data: Option<Value>,
    /// True when this is the vendor's last report (nothing more is to be expected).
    pub final_report: bool,
}

/// Outcome of an ended call with what it means for caps and for the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndOutcome {
    /// The normalised outcome.
    pub outcome: Outcome,
    /// Which fault of ours or the vendor's ended it, if one did.
    pub fault: EndFault,
    /// False when the vendor's text was not in the table and was judged by its class.
    pub recognised: bool,
}

/// A callback as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct RawCallback<'a> {
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Raw body, exactly as received.
    pub body: &'a [u8],
}

/// Proof that a callback passed the vendor's own check. Made only by adapters.
#[derive(Debug)]
pub struct VerifiedCallback<'a> {
    body: &'a [u8],
}

impl<'a> VerifiedCallback<'a> {
    pub(crate) const fn new(body: &'a [u8]) -> Self {
        Self { body }
    }

    /// The verified body.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}

/// Why a callback was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// The secret or signature is missing or wrong.
    #[error("the callback's secret or signature is missing or wrong")]
    Unauthentic,
    /// The body is not what the vendor documents.
    #[error("the callback's body is not in the vendor's documented form")]
    Malformed,
}

/// What a look-up (assistant, number, list) said.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LookupError {
    /// The vendor says that there is no such object.
    #[error("the voice provider knows no such object")]
    NotFound,
    /// The key is refused.
    #[error("the voice provider refused the credentials: {0}")]
    Unauthorized(String),
    /// Anything else: a 5xx, rate limit, or an unreadable body.
    #[error("the voice provider answered unexpectedly: {0}")]
    Unexpected(String),
}

/// An assistant, workflow or squad at the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assistant {
    /// Vendor-native id.
    pub assistant_id: String,
    /// Display name.
    pub name: Option<String>,
}

/// A caller number at the vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderNumber {
    /// Vendor-native id.
    pub phone_number_id: String,
    /// The number in E.164, if the vendor says.
    pub e164: Option<String>,
    /// Display name.
    pub name: Option<String>,
}

/// Facts about a vendor that the host must respect.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities {
    /// Calls at once when the user names no limit.
    pub default_max_concurrent_calls: u32,
    /// Calls started per second when the user names no limit.
    pub default_max_calls_per_second: u32,
    /// How long after a create its list is trusted to show the call, milliseconds.
    pub list_settle_ms: u64,
    /// Longest time a placed call may wait and ring before its end is overdue, milliseconds.
    pub max_ring_ms: u64,
    /// Longest conversation, milliseconds.
    pub max_talk_ms: u64,
}

/// A window of the vendor's call list to search for a lost answer.
#[derive(Debug, Clone)]
pub struct CallSearch {
    /// Vendor-native id of what speaks, to narrow the list.
    pub assistant_id: String,
    /// Which kind of object it is.
    pub entity: CallingEntity,
    /// Vendor-native id of the caller number.
    pub phone_number_id: String,
    /// Only calls created at or after this instant.
    pub created_from: Timestamp,
    /// Only calls created at or before this instant.
    pub created_until: Timestamp,
}

/// One vendor. Synchronous and pure.
pub trait Provider: Send + Sync {
    /// Facts about the vendor.
    fn capabilities(&self) -> &Capabilities;

    /// Every fault of the credentials' shape (`field`, message), empty when they can be used.
    fn check_credentials(&self, credentials: &Credentials) -> Vec<(String, String)>;

    /// The request that places a call.
    fn place_call(&self, line: &LineAccess, call: &PlaceCall) -> ProviderRequest;
    /// What its answer proves.
    fn read_place_call(&self, answer: &ProviderAnswer) -> PlaceAnswer;

    /// The request that asks about one call.
    fn get_call(&self, line: &LineAccess, provider_call_id: &str) -> ProviderRequest;
    /// Its facts, oldest first.
    fn read_get_call(&self, answer: &ProviderAnswer) -> Result<Vec<CallEvent>, LookupError>;

    /// The request that lists all calls of the account that were made in a window, both ends
    /// included.
    fn list_calls(
        &self,
        line: &LineAccess,
        created_from: Timestamp,
        created_until: Timestamp,
    ) -> ProviderRequest;
    /// The request that lists calls in a window.
    fn search_calls(&self, line: &LineAccess, search: &CallSearch) -> ProviderRequest;
    /// The calls of that page or of [`Provider::list_calls`], and whether the list may be cut (then
    /// absence proves nothing).
    fn read_search_calls(
        &self,
        answer: &ProviderAnswer,
    ) -> Result<(Vec<CallEvent>, bool), LookupError>;

    /// The request that hangs a call up; `None` when the vendor has no way or no URL is known.
    fn hang_up(
        &self,
        line: &LineAccess,
        provider_call_id: &str,
        control_url: Option<&str>,
    ) -> Option<ProviderRequest>;
    /// Whether the hang-up was taken. `NotFound` says that its address is gone, as it is when the
    /// call is over; any other refusal may mean that too, and a look-up tells.
    fn read_hang_up(&self, answer: &ProviderAnswer) -> Result<(), LookupError>;

    /// The cheapest request that proves the credentials.
    fn verify_credentials(&self, line: &LineAccess) -> ProviderRequest;
    /// What it proved.
    fn read_verify_credentials(&self, answer: &ProviderAnswer) -> Result<(), LookupError>;

    /// The request for one assistant, workflow or squad.
    fn get_assistant(&self, line: &LineAccess, entity: CallingEntity, id: &str) -> ProviderRequest;
    /// That object.
    fn read_get_assistant(&self, answer: &ProviderAnswer) -> Result<Assistant, LookupError>;
    /// The request for all assistants of an account.
    fn list_assistants(&self, line: &LineAccess) -> ProviderRequest;
    /// Those objects.
    fn read_list_assistants(&self, answer: &ProviderAnswer) -> Result<Vec<Assistant>, LookupError>;

    /// The request for one caller number.
    fn get_phone_number(&self, line: &LineAccess, id: &str) -> ProviderRequest;
    /// That number.
    fn read_get_phone_number(&self, answer: &ProviderAnswer)
    -> Result<ProviderNumber, LookupError>;
    /// The request for all caller numbers of an account.
    fn list_phone_numbers(&self, line: &LineAccess) -> ProviderRequest;
    /// Those numbers.
    fn read_list_phone_numbers(
        &self,
        answer: &ProviderAnswer,
    ) -> Result<Vec<ProviderNumber>, LookupError>;

    /// Checks a callback with the vendor's own scheme, in constant time.
    fn verify_callback<'a>(
        &self,
        raw: RawCallback<'a>,
        secret: &str,
    ) -> Result<VerifiedCallback<'a>, CallbackError>;
    /// Its facts, oldest first; empty for messages that are of no interest.
    fn read_callback(
        &self,
        callback: &VerifiedCallback<'_>,
    ) -> Result<Vec<CallEvent>, CallbackError>;
}

/// Which vendor a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// Vapi.
    Vapi,
    /// The simulated world, in Vapi's format.
    Sandbox,
}

impl ProviderKind {
    /// The spelling used in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vapi => "VAPI",
            Self::Sandbox => "SANDBOX",
        }
    }

    /// The vendor with exactly this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "VAPI" => Some(Self::Vapi),
            "SANDBOX" => Some(Self::Sandbox),
            _ => None,
        }
    }

    /// Vendors the contract names that cannot be used yet.
    pub const NOT_YET: &'static [&'static str] = &[
        "RETELL",
        "ELEVENLABS",
        "BLAND",
        "BOLNA",
        "ULTRAVOX",
        "SYNTHFLOW",
        "TWILIO",
    ];

    /// Root of the vendor's API when a line names none; `None` for the sandbox, which then runs
    /// in process.
    pub const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::Vapi => Some("https://api.vapi.ai"),
            Self::Sandbox => None,
        }
    }

    /// The part of the callback path that names the vendor.
    pub const fn hook_segment(self) -> &'static str {
        match self {
            Self::Vapi => "vapi",
            Self::Sandbox => "sandbox",
        }
    }

    /// The adapter.
    pub fn adapter(self) -> &'static dyn Provider {
        match self {
            Self::Vapi => &vapi::VAPI,
            Self::Sandbox => &vapi::SANDBOX,
        }
    }
}

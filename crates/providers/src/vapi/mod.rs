//! Vapi (`https://api.vapi.ai`), and the simulated world that speaks its format.
//!
//! Facts come from the official SDK and OpenAPI document. What they leave open is decided here on
//! the safe side: Vapi knows no idempotency key, so whatever is not documented as "no call was
//! made" is unknown, and the attempt key travels as the call's name, as the customer's external id
//! and in the metadata of the overrides.
//!
//! - `requests`: every request but the one that places a call.
//! - `place`: that one, and what its answer proves.
//! - `read`: the answers of look-ups.
//! - `callback`: what Vapi sends to us.
//! - `ended_reason`: what the hundreds of `endedReason` texts mean.
//! - `wire` and `lenient`: Vapi's objects, read so that a strange detail loses only itself.
//! - `words`: the vendor's error texts, for classification and for people.

mod callback;
mod ended_reason;
mod lenient;
mod place;
mod read;
mod requests;
mod wire;
mod words;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::model::{
    Assistant, CallEvent, CallSearch, CallbackError, CallingEntity, Capabilities, Credentials,
    LineAccess, LookupError, PlaceAnswer, PlaceCall, Provider, ProviderAnswer, ProviderNumber,
    ProviderRequest, RawCallback, VerifiedCallback,
};

/// Concurrent calls of an account that bought no more ("10 concurrent per subscription").
const DEFAULT_CONCURRENT_CALLS: u32 = 10;
/// Vapi publishes no figure; this stays below every limit users report.
const DEFAULT_CALLS_PER_SECOND: u32 = 5;
/// Waiting for a worker and ringing until the carrier gives up (Twilio's default is 60 s), doubled.
const MAX_RING_MS: u64 = 120_000;
/// `maxDurationSeconds` is 600 unless the assistant says otherwise; an hour covers the assistants
/// that do.
const MAX_TALK_MS: u64 = 3_600_000;
/// Nothing is documented about how soon a new call is listed, so the general bound holds.
const VAPI_LIST_SETTLE_MS: u64 = 900_000;
/// The simulated world's list is measured to be read-your-writes; this is reserve only.
const SANDBOX_LIST_SETTLE_MS: u64 = 30_000;

/// The key used against the simulated world when a line has none.
const SANDBOX_API_KEY: &str = "sandbox";
/// Longest secret a line may hold.
const MAX_CREDENTIAL_CHARS: usize = 500;

/// Vapi itself.
pub static VAPI: Vapi = Vapi::new(VAPI_LIST_SETTLE_MS, None);

/// The simulated world in Vapi's format.
pub static SANDBOX: Vapi = Vapi::new(SANDBOX_LIST_SETTLE_MS, Some(SANDBOX_API_KEY));

/// The adapter for everything that speaks Vapi's format.
#[derive(Debug)]
pub struct Vapi {
    capabilities: Capabilities,
    /// Key for lines that have none; `None` where every line must have its own.
    fallback_api_key: Option<&'static str>,
}

impl Vapi {
    const fn new(list_settle_ms: u64, fallback_api_key: Option<&'static str>) -> Self {
        Self {
            capabilities: Capabilities {
                default_max_concurrent_calls: DEFAULT_CONCURRENT_CALLS,
                default_max_calls_per_second: DEFAULT_CALLS_PER_SECOND,
                list_settle_ms,
                max_ring_ms: MAX_RING_MS,
                max_talk_ms: MAX_TALK_MS,
            },
            fallback_api_key,
        }
    }

    fn api_key<'a>(&self, line: &'a LineAccess) -> &'a str {
        let own = line
            .credentials
            .0
            .get("api_key")
            .and_then(serde_json::Value::as_str);
        own.or(self.fallback_api_key).unwrap_or_default()
    }

    /// What is wrong with one secret, if anything. Only visible ASCII can travel in a header.
    fn secret_fault(value: &serde_json::Value) -> Option<String> {
        let Some(text) = value.as_str() else {
            return Some("must be a string".to_owned());
        };
        if text.is_empty() {
            return Some("must not be empty".to_owned());
        }
        if text.chars().count() > MAX_CREDENTIAL_CHARS {
            return Some(format!(
                "may have at most {MAX_CREDENTIAL_CHARS} characters"
            ));
        }
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (!visible).then(|| "may hold only visible ASCII characters, and no spaces".to_owned())
    }
}

impl Provider for Vapi {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn check_credentials(&self, credentials: &Credentials) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if !credentials.0.contains_key("api_key") && self.fallback_api_key.is_none() {
            faults.push(("api_key".to_owned(), "is required".to_owned()));
        }
        for (field, value) in &credentials.0 {
            let fault = match field.as_str() {
                // The organisation follows from the key; users paste it along, and it may stay.
                "api_key" | "organization_id" => Self::secret_fault(value),
                _ => Some("is not known; known are api_key and organization_id".to_owned()),
            };
            faults.extend(fault.map(|fault| (words::cut_chars(field, 100).to_owned(), fault)));
        }
        faults
    }

    fn place_call(&self, line: &LineAccess, call: &PlaceCall) -> ProviderRequest {
        place::request(&line.base_url, self.api_key(line), call)
    }

    fn read_place_call(&self, answer: &ProviderAnswer) -> PlaceAnswer {
        place::read(answer)
    }

    fn get_call(&self, line: &LineAccess, provider_call_id: &str) -> ProviderRequest {
        requests::get_object(&line.base_url, self.api_key(line), "call", provider_call_id)
    }

    fn read_get_call(&self, answer: &ProviderAnswer) -> Result<Vec<CallEvent>, LookupError> {
        read::call(answer)
    }

    fn list_calls(
        &self,
        line: &LineAccess,
        created_from: Timestamp,
        created_until: Timestamp,
    ) -> ProviderRequest {
        let window = (created_from, created_until);
        requests::list_calls(&line.base_url, self.api_key(line), window)
    }

    fn search_calls(&self, line: &LineAccess, search: &CallSearch) -> ProviderRequest {
        requests::search_calls(&line.base_url, self.api_key(line), search)
    }

    fn read_search_calls(
        &self,
        answer: &ProviderAnswer,
    ) -> Result<(Vec<CallEvent>, bool), LookupError> {
        read::calls(answer)
    }

    fn hang_up(
        &self,
        line: &LineAccess,
        _provider_call_id: &str,
        control_url: Option<&str>,
    ) -> Option<ProviderRequest> {
        requests::hang_up(&line.base_url, control_url?)
    }

    fn read_hang_up(&self, answer: &ProviderAnswer) -> Result<(), LookupError> {
        read::hang_up(answer)
    }

    fn verify_credentials(&self, line: &LineAccess) -> ProviderRequest {
        requests::list_objects(&line.base_url, self.api_key(line), "assistant", 1)
    }

    fn read_verify_credentials(&self, answer: &ProviderAnswer) -> Result<(), LookupError> {
        read::verify(answer)
    }

    fn get_assistant(&self, line: &LineAccess, entity: CallingEntity, id: &str) -> ProviderRequest {
        let collection = match entity {
            CallingEntity::Assistant => "assistant",
            CallingEntity::Workflow => "workflow",
            CallingEntity::Squad => "squad",
        };
        requests::get_object(&line.base_url, self.api_key(line), collection, id)
    }

    fn read_get_assistant(&self, answer: &ProviderAnswer) -> Result<Assistant, LookupError> {
        read::assistant(answer)
    }

    fn list_assistants(&self, line: &LineAccess) -> ProviderRequest {
        let (base, key) = (&line.base_url, self.api_key(line));
        requests::list_objects(base, key, "assistant", requests::PAGE_SIZE)
    }

    fn read_list_assistants(&self, answer: &ProviderAnswer) -> Result<Vec<Assistant>, LookupError> {
        read::assistants(answer)
    }

    fn get_phone_number(&self, line: &LineAccess, id: &str) -> ProviderRequest {
        requests::get_object(&line.base_url, self.api_key(line), "phone-number", id)
    }

    fn read_get_phone_number(
        &self,
        answer: &ProviderAnswer,
    ) -> Result<ProviderNumber, LookupError> {
        read::phone_number(answer)
    }

    fn list_phone_numbers(&self, line: &LineAccess) -> ProviderRequest {
        let (base, key) = (&line.base_url, self.api_key(line));
        requests::list_objects(base, key, "phone-number", requests::PAGE_SIZE)
    }

    fn read_list_phone_numbers(
        &self,
        answer: &ProviderAnswer,
    ) -> Result<Vec<ProviderNumber>, LookupError> {
        read::phone_numbers(answer)
    }

    fn verify_callback<'a>(
        &self,
        raw: RawCallback<'a>,
        secret: &str,
    ) -> Result<VerifiedCallback<'a>, CallbackError> {
        callback::verify(raw, secret)
    }

    fn read_callback(
        &self,
        callback: &VerifiedCallback<'_>,
    ) -> Result<Vec<CallEvent>, CallbackError> {
        callback::read(callback.body())
    }
}

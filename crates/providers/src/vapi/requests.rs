//! Requests to Vapi, except the one that places a call.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use url::form_urlencoded;

use crate::model::{CallSearch, CallingEntity, ProviderRequest};

/// Most rows of one list (`limit`); a full page may have been cut.
pub(super) const PAGE_SIZE: usize = 1_000;

/// The body that ends a call, sent to its control address.
const END_CALL: &[u8] = br#"{"type":"end-call"}"#;

/// `GET {base}/{collection}/{id}`.
pub(super) fn get_object(base: &str, key: &str, collection: &str, id: &str) -> ProviderRequest {
    let mut url = root(base);
    url.push('/');
    url.push_str(collection);
    url.push('/');
    push_segment(&mut url, id);
    get(url, key)
}

/// `GET {base}/{collection}?limit=…`.
pub(super) fn list_objects(
    base: &str,
    key: &str,
    collection: &str,
    limit: usize,
) -> ProviderRequest {
    get(format!("{}/{collection}?limit={limit}", root(base)), key)
}

/// `GET {base}/call?…`: Vapi can filter neither by name nor by metadata, so a window is fetched
/// and matched by the reader's attempt keys.
pub(super) fn search_calls(base: &str, key: &str, search: &CallSearch) -> ProviderRequest {
    let mut query = form_urlencoded::Serializer::new(String::new());
    // There is no filter for workflows and squads.
    if search.entity == CallingEntity::Assistant {
        query.append_pair("assistantId", &search.assistant_id);
    }
    query.append_pair("phoneNumberId", &search.phone_number_id);
    list(
        base,
        key,
        query,
        (search.created_from, search.created_until),
    )
}

/// The same for everything that the account called in a window.
pub(super) fn list_calls(base: &str, key: &str, window: (Timestamp, Timestamp)) -> ProviderRequest {
    list(
        base,
        key,
        form_urlencoded::Serializer::new(String::new()),
        window,
    )
}

fn list(
    base: &str,
    key: &str,
    mut query: form_urlencoded::Serializer<'_, String>,
    (from, until): (Timestamp, Timestamp),
) -> ProviderRequest {
    query.append_pair("createdAtGe", &milliseconds_down(from));
    query.append_pair("createdAtLe", &milliseconds_up(until));
    query.append_pair("limit", &PAGE_SIZE.to_string());
    get(format!("{}/call?{}", root(base), query.finish()), key)
}

/// `POST {control_url}`. The address is itself the right to control the call, so the account's key
/// is not sent there. Plain HTTP is used only where the whole line uses it (sandbox, tests).
pub(super) fn hang_up(base: &str, control_url: &str) -> Option<ProviderRequest> {
    let target = url::Url::parse(control_url).ok()?;
    let secure = target.scheme() == "https";
    let plain = target.scheme() == "http" && !base.starts_with("https://");
    if !(secure || plain) || !target.username().is_empty() || target.password().is_some() {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(ProviderRequest {
        method: Method::POST,
        url: control_url.to_owned(),
        headers,
        body: Bytes::from_static(END_CALL),
    })
}

/// Headers of a request that carries the account's key.
pub(super) fn authorised_headers(key: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    // A key that cannot be a header was refused when the line was saved; without the header Vapi
    // answers 401, which is the truth about such a line.
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {key}")) {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    headers
}

/// The root of the API with no trailing slash, with room for a path.
pub(super) fn root(base: &str) -> String {
    let base = base.trim_end_matches('/');
    let mut url = String::with_capacity(base.len() + 64);
    url.push_str(base);
    url
}

fn get(url: String, key: &str) -> ProviderRequest {
    ProviderRequest {
        method: Method::GET,
        url,
        headers: authorised_headers(key),
        body: Bytes::new(),
    }
}

/// Appends an id as one path segment, whatever it holds. Ids of dots only would be resolved as
/// "this" and "parent" folder even when encoded once, so their dots are encoded twice.
fn push_segment(url: &mut String, id: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if id == "." || id == ".." {
        url.push_str(&"%252E".repeat(id.len()));
        return;
    }
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.push(char::from(HEX[usize::from(byte >> 4)]));
            url.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// ISO 8601 with milliseconds, the precision of Vapi's own instants, rounded to the past.
fn milliseconds_down(instant: Timestamp) -> String {
    let floor = instant.as_nanosecond().div_euclid(1_000_000);
    iso_milliseconds(floor)
}

/// The same, rounded to the future, so that a window never shrinks.
fn milliseconds_up(instant: Timestamp) -> String {
    let ceiling = -(-instant.as_nanosecond()).div_euclid(1_000_000);
    iso_milliseconds(ceiling)
}

fn iso_milliseconds(milliseconds: i128) -> String {
    let instant = i64::try_from(milliseconds)
        .ok()
        .and_then(|it| Timestamp::from_millisecond(it).ok());
    format!("{:.3}", instant.unwrap_or(Timestamp::MAX))
}

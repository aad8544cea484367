//! The parts of an account that creating and changing one read alike.

use domain::fault::Fault;
use providers::{Credentials, ProviderKind};
use serde_json::{Map, Value};

use crate::code;
use crate::faults::Faults;

/// Checks credentials with the vendor's adapter.
pub(super) fn check_credentials(
    kind: ProviderKind,
    credentials: &Map<String, Value>,
    faults: &mut Faults,
) {
    let found = kind
        .adapter()
        .check_credentials(&Credentials(credentials.clone()));
    for (name, message) in found {
        let code = if credentials.contains_key(&name) {
            code::INVALID_VALUE
        } else {
            code::REQUIRED
        };
        faults.add(
            format!("credentials.{name}"),
            code,
            format!("`credentials.{name}` {message}."),
        );
    }
}

/// Checks a callback secret of the user's own. It travels in a header.
pub(super) fn check_webhook_secret(secret: &str) -> Result<&str, Fault> {
    if secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(secret);
    }
    let message = "`webhook_secret` may hold only visible ASCII characters, and no spaces.";
    Err(Fault::new(
        "webhook_secret",
        code::INVALID_CHARACTERS,
        message,
    ))
}

/// A whole number that its schema has bounded.
pub(super) fn limit(fields: &Map<String, Value>, name: &str) -> Option<u32> {
    fields
        .get(name)?
        .as_u64()
        .and_then(|limit| u32::try_from(limit).ok())
}

/// A text, if it is there.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str()
}

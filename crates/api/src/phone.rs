//! Phone numbers in bodies and parameters.

use domain::PhoneNumber;
use domain::fault::Fault;

use crate::code;
use crate::query::Query;

/// Reads the number in `field`.
pub(crate) fn parse(field: &str, text: &str) -> Result<PhoneNumber, Fault> {
    PhoneNumber::parse(text).ok_or_else(|| {
        let message = format!("`{field}` must be a phone number in E.164, like `+14155552671`.");
        Fault::new(field, code::INVALID_FORMAT, message)
    })
}

/// The parameter `phone_number`. A `+` that was not escaped arrives as a space and is meant.
pub(crate) fn parameter(query: &mut Query) -> Option<PhoneNumber> {
    query.read("phone_number", |text| match text.strip_prefix(' ') {
        Some(digits) => parse("phone_number", &format!("+{digits}")),
        None => parse("phone_number", text),
    })
}

//! Error answers in the vendor's (NestJS) form: `{"message", "error", "statusCode"}`.

use http::Method;
use serde_json::json;

use crate::wire::Answer;

/// An error with one message.
pub(crate) fn plain(status: u16, error: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({"message": message, "error": error, "statusCode": status}),
    )
}

/// An error with a list of messages, as failed validation gives.
pub(crate) fn listed(status: u16, error: &str, messages: &[String]) -> Answer {
    Answer::json(
        status,
        &json!({"message": messages, "error": error, "statusCode": status}),
    )
}

pub(crate) fn invalid(messages: &[String]) -> Answer {
    listed(400, "Bad Request", messages)
}

pub(crate) fn bad_request(message: &str) -> Answer {
    plain(400, "Bad Request", message)
}

pub(crate) fn unauthorized(is_missing: bool) -> Answer {
    let message = if is_missing {
        "Missing Authorization Header."
    } else {
        "Invalid Key. Hot tip, you may be using the private key instead of the public key, \
         or vice versa."
    };
    plain(401, "Unauthorized", message)
}

pub(crate) fn payment_required() -> Answer {
    plain(
        402,
        "Payment Required",
        "Wallet Balance Is 0.00. Purchase More Credits Or Upgrade Your Plan.",
    )
}

pub(crate) fn not_found(what: &str, id: &str) -> Answer {
    plain(404, "Not Found", &format!("{what} with id {id} not found."))
}

pub(crate) fn no_route(method: &Method, path: &str) -> Answer {
    plain(404, "Not Found", &format!("Cannot {method} {path}"))
}

pub(crate) fn too_large() -> Answer {
    plain(413, "Payload Too Large", "request entity too large")
}

pub(crate) fn over_concurrency(status: u16) -> Answer {
    let error = if status == 429 {
        "Too Many Requests"
    } else {
        "Bad Request"
    };
    plain(status, error, "Over Concurrency Limit")
}

pub(crate) fn rate_limited() -> Answer {
    plain(429, "Too Many Requests", "Rate limit exceeded")
}

pub(crate) fn internal() -> Answer {
    Answer::json(
        500,
        &json!({"message": "Internal server error", "statusCode": 500}),
    )
}

pub(crate) fn unavailable() -> Answer {
    plain(503, "Service Unavailable", "Service Unavailable")
}

/// The sandbox itself has no room left; a reset empties it.
pub(crate) fn full(what: &str) -> Answer {
    plain(
        503,
        "Service Unavailable",
        &format!("the sandbox holds too many {what}; reset it"),
    )
}

pub(crate) fn not_simulated(vendor: &str) -> Answer {
    plain(
        501,
        "Not Implemented",
        &format!("this vendor is not simulated yet: {vendor}"),
    )
}

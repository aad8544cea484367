//! What must hold for any bytes: the targets of the fuzzers.
//!
//! Each target takes bytes and panics when a property is broken. `fuzz/` has a program for each,
//! which `make fuzz` builds with coverage instrumentation and runs; the inputs it found interesting
//! are kept in `fuzz/corpus/<target>/`, and `tests/it` runs every one of them through the same
//! functions, without any instrumentation, in every `make test`.
//!
//! A target says more than "does not crash": it compares with a second, naive definition, or with
//! the way back.
//!
//! What it must not do: read the clock, make randomness, or touch files; an input must always take
//! the same way.

#![expect(
    clippy::missing_panics_doc,
    reason = "a target panics when a property is broken: that is how it tells"
)]

mod calendar;
mod callback;
mod json;
mod settings;
mod texts;

pub use calendar::calendar;
pub use callback::callback;
pub use json::{fingerprint, json};
pub use settings::settings;
pub use texts::{cursors, ids, phones, tokens};

/// Takes any bytes; panics when a property is broken.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("calendar", calendar),
    ("callback", callback),
    ("cursors", cursors),
    ("fingerprint", fingerprint),
    ("ids", ids),
    ("json", json),
    ("phones", phones),
    ("settings", settings),
    ("tokens", tokens),
];

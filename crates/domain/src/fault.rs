//! One fault in what a user gave us: which field, a stable code, and how to mend it.

/// A fault in an input. All faults of an input are reported together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Field by its request name, with indexes for lists (`windows[1].start_time`).
    pub field: String,
    /// Stable code, documented in `docs/error-codes.md`.
    pub code: &'static str,
    /// One sentence that says how to mend it.
    pub message: String,
}

impl Fault {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code,
            message: message.into(),
        }
    }
}

//! A line as both the API and the dialer use it: its secrets opened for an adapter, and what its
//! vendor says turned into facts for the store.
//!
//! The two meet only in the store; what they must do alike lives here. No I/O.

mod access;
mod attempt_key;
mod conceal;
mod facts;
mod strange;

pub use access::{LineError, OpenLine, callback_url, credentials_context, webhook_secret_context};
pub use attempt_key::{attempt_key, is_ours};
pub use facts::{echo_facts, facts_about, patience_of};
pub use strange::strange_call;

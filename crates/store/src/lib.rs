//! What Campanile keeps, as one trait over operations.
//!
//! [`Store`] is named after what the product does, not after tables: an operation is one
//! transaction, whole or not at all, and its answer means that it is durable. There is no way to
//! get a connection. Every back end passes the same [`conformance`] suite.
//!
//! Invariants:
//! - An attempt is durable, with the gate's verdict, before [`Store::tick`] hands it out; only it
//!   and [`Store::reserve_test_call`] reserve calls, and neither does on hold ([`HoldStatus`]).
//! - At most one live attempt exists per (tenant, phone number).
//! - A state change and the event that tells it are one transaction; sequences have no gaps.
//! - When an operation that narrows (pause, stop, narrower settings, removal, do-not-call) has
//!   answered, no call of its scope can still be sent: see [`SendBoard`].
//! - Everything a tenant owns is read and written with the tenant's id; another tenant's object
//!   is [`StoreError::NotFound`].
//!
//! What it must not do: read the clock, make randomness (callers pass both), call providers.

pub mod call_rules;
pub mod campaign_rules;
pub mod conformance;
mod dialing;
mod error;
mod hold;
pub mod lead_rules;
pub mod line_rules;
mod mark;
mod precondition;
mod queued_lead;
mod records;
pub mod relocation;
mod send_board;
mod trait_;
mod vault;
mod writes;

pub use dialing::*;
pub use error::{Conflict, StoreError, StoreResult};
pub use hold::*;
pub use mark::Mark;
pub use precondition::Precondition;
pub use queued_lead::QueuedLead;
pub use records::*;
pub use send_board::{Scope, SendBoard, SendPermit};
pub use trait_::Store;
pub use vault::{Vault, VaultError};
pub use writes::*;

//! What can be learned about an attempt, and what must happen then.

use jiff::{SignedDuration, Timestamp};

use super::state::AttemptState;
use crate::outcome::Outcome;

/// Why a provider definitely did not place a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// All concurrent slots of the account are taken; try again soon.
    Capacity,
    /// Too many requests; not before `retry_after_ms` when the provider said so.
    RateLimited {
        /// Pause the provider asked for, milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// The key is wrong, revoked or lacks a right. The line must not be used until mended.
    Credentials,
    /// No credit, or the account is frozen. The line must not be used until mended.
    Payment,
    /// The caller number may not place more calls today.
    NumberDailyLimit,
    /// Assistant, caller number or request are wrong: this campaign cannot dial until mended.
    Configuration,
    /// The callee's number is not callable.
    InvalidNumber,
}

/// Faults that decide whether an ended call burned an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndFault {
    /// None: the callee's side decided.
    None,
    /// The account's slots were full; nothing rang. Burns nothing, retry soon.
    Capacity,
    /// The caller number's daily limit; nothing rang. Burns nothing.
    NumberDailyLimit,
    /// Configuration, credentials or credit; burns nothing and trips the campaign's breaker.
    Configuration,
}

/// What somebody learned about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// No byte of the request left.
    NeverSent,
    /// The provider documents its answer as "no call".
    Refused(Refusal),
    /// The request may have arrived; the answer proves nothing.
    AnswerLost,
    /// The provider has the call.
    Placed,
    /// It rings.
    Ringing,
    /// Somebody or something picked up.
    Connected,
    /// It is over.
    Ended {
        /// How.
        outcome: Outcome,
        /// Whether a fault of ours or the provider's ended it.
        fault: EndFault,
    },
    /// A complete look-up did not find it.
    NotFound,
    /// A look-up was answered, and settles nothing: the call goes on, or the line means another account
    /// by now that does not have it.
    LookupInconclusive,
    /// A look-up was not answered, or not usably.
    LookupFailed,
}

/// Constants of the provider that the reducer needs, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// After this long, the provider's list shows every call.
    pub list_settle_ms: u64,
    /// Longest wait in the provider's queue plus ringing.
    pub max_ring_ms: u64,
    /// Longest conversation.
    pub max_talk_ms: u64,
}

/// What must happen besides the new state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The attempt is over: its lead gets a verdict.
    LeadFreed {
        /// `None` when nothing rang; the lead goes back unburned.
        outcome: Option<Outcome>,
        /// Least pause before the lead is tried again when nothing rang.
        retry_after: SignedDuration,
    },
    /// The lead's attempt is unresolved now.
    LeadUnresolved,
    /// The lead's attempt is resolved: the call is up.
    LeadInCall,
    /// The line must rest.
    LineRests {
        /// For how long; `None`: growing with each failure in a row.
        pause: Option<SignedDuration>,
        /// Why, for people.
        reason: &'static str,
    },
    /// The campaign's breaker opens, growing with each failure in a row.
    CircuitOpens,
    /// The caller number rests until the provider's next day.
    NumberRests,
    /// The line works: failures in a row are forgotten.
    LineWorks,
    /// A state was corrected after it had been given up; worth an operator's attention.
    Corrected,
}

/// The reducer's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new state; equal to the old one when the fact says nothing new.
    pub state: AttemptState,
    /// What else must happen.
    pub effects: Vec<Effect>,
    /// When to ask the provider next; `None` when there is nothing to ask.
    pub check_at: Option<Timestamp>,
}

//! How an attempt ended, in the words every vendor is translated to.

use crate::text_enum::text_enum;

text_enum! {
    /// The normalised end of an attempt.
    pub enum Outcome {
        /// A person (or something taken for one) spoke with the assistant.
        Answered = "ANSWERED",
        /// A mailbox picked up.
        Voicemail = "VOICEMAIL",
        /// It rang and nobody picked up.
        NoAnswer = "NO_ANSWER",
        /// The line was busy.
        Busy = "BUSY",
        /// The callee's side declined the call.
        Rejected = "REJECTED",
        /// A screening service or assistant of the callee took the call.
        Screened = "SCREENED",
        /// The number does not exist or cannot be called.
        InvalidNumber = "INVALID_NUMBER",
        /// The vendor or the network failed in a way that may pass.
        FailedTransient = "FAILED_TRANSIENT",
        /// Configuration, credentials or credit make calls fail until somebody mends them.
        FailedPermanent = "FAILED_PERMANENT",
        /// The call was withdrawn or hung up from our side before a conversation.
        Canceled = "CANCELED",
        /// Nobody could tell whether the call was placed, so it counts as placed.
        PresumedPlaced = "PRESUMED_PLACED",
    }
}

impl Outcome {
    /// Outcomes after which a lead may be tried again when the campaign names none.
    pub const RETRIED_BY_DEFAULT: &'static [Self] = &[
        Self::Voicemail,
        Self::NoAnswer,
        Self::Busy,
        Self::Rejected,
        Self::Screened,
        Self::FailedTransient,
        Self::Canceled,
        Self::PresumedPlaced,
    ];

    /// Whether a campaign may list this outcome in `retry_outcomes`. The others end the lead
    /// (`ANSWERED`, `INVALID_NUMBER`) or are nobody's attempt (`FAILED_PERMANENT`).
    pub fn may_be_retried(self) -> bool {
        Self::RETRIED_BY_DEFAULT.contains(&self)
    }
}

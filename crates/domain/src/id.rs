//! Identifiers: time-ordered 64-bit integers made by the application, one type per noun.
//!
//! Invariants: an id is positive, and ids made later by one [`IdSource`] are greater. The number
//! says nothing a client may rely on; outside the process it travels as an opaque global id.

use std::fmt;

use jiff::Timestamp;

/// Instant from which ids count milliseconds (2024-01-01T00:00:00Z), so that 41 bits last until 2093.
const EPOCH_MS: i64 = 1_704_067_200_000;
/// Milliseconds that fit above the sequence; a clock beyond that stands still here.
const MAX_MS: i64 = (1 << 41) - 1;
/// Bits below the milliseconds: a sequence inside one millisecond.
const SEQUENCE_BITS: u32 = 22;

macro_rules! define_ids {
    ($($(#[$doc:meta])* $name:ident = $noun:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The type part of the global id, as the HTTP contract spells it.
            pub const NOUN: &'static str = $noun;

            /// Wraps a number read from storage or decoded from a client; whether such a row
            /// exists is the reader's question.
            pub const fn from_raw(raw: i64) -> Self {
                Self(raw)
            }

            /// The number to store.
            pub const fn raw(self) -> i64 {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}", $noun, self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )+};
}

define_ids! {
    /// An isolated account.
    TenantId = "Tenant",
    /// A bearer credential of a tenant.
    TokenId = "ApiToken",
    /// A tenant's account at a voice vendor ("line").
    LineId = "TenantVoiceProvider",
    /// A pool of caller numbers.
    PoolId = "VoicePhoneNumberPool",
    /// A campaign.
    CampaignId = "VoiceCampaign",
    /// One person in one campaign.
    LeadId = "VoiceCampaignLead",
    /// One intended call, from reservation to its end.
    AttemptId = "VoiceCall",
    /// A bulk addition of leads.
    ImportId = "LeadImport",
    /// A do-not-call entry.
    SuppressionId = "Suppression",
}

/// Makes ids: milliseconds in the high bits, a sequence below, never going back.
///
/// The caller passes the time; a clock that steps back only makes the sequence run on from the
/// greatest id so far. After a restart, [`IdSource::resume_after`] takes the greatest stored id.
#[derive(Debug, Default)]
pub struct IdSource {
    last: i64,
}

impl IdSource {
    /// A source whose ids are all greater than `greatest_stored`.
    pub const fn resume_after(greatest_stored: i64) -> Self {
        Self {
            last: greatest_stored,
        }
    }

    /// The next id, unique and greater than every earlier one.
    pub fn next_raw(&mut self, now: Timestamp) -> i64 {
        let since_epoch_ms = now
            .as_millisecond()
            .saturating_sub(EPOCH_MS)
            .clamp(1, MAX_MS);
        let floor = since_epoch_ms << SEQUENCE_BITS;
        self.last = floor.max(self.last + 1);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_even_when_the_clock_steps_back() {
        let mut source = IdSource::default();
        let later = source.next_raw(Timestamp::from_second(1_800_000_000).unwrap());
        let earlier = source.next_raw(Timestamp::from_second(1_700_000_000).unwrap());
        assert!(earlier > later);
        assert!(later > 0);
    }

    #[test]
    fn a_resumed_source_never_repeats_a_stored_id() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut first = IdSource::default();
        let stored = (0..1000).map(|_| first.next_raw(now)).max().unwrap();
        let mut second = IdSource::resume_after(stored);
        assert!(second.next_raw(now) > stored);
    }
}

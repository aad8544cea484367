//! The raw settings: one optional field per request name.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares the struct together with the list of its field names and the comparison of two
/// drafts, so that a new setting cannot be forgotten in either.
macro_rules! draft {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$kind>),+
        }

        impl $name {
            /// Every setting by its request name.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),+];

            /// Names of the settings that differ between the two.
            pub fn changed_fields(&self, other: &Self) -> Vec<&'static str> {
                let mut changed = Vec::new();
                $(if self.$field != other.$field { changed.push(stringify!($field)); })+
                changed
            }

            /// Writes the setting `name` alone; nothing when it is not set or there is none such.
            ///
            /// # Errors
            /// Those of the serializer.
            pub fn serialize_field<S: Serializer>(
                &self,
                name: &str,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                match name {
                    $(stringify!($field) => self.$field.serialize(serializer),)+
                    _ => serializer.serialize_none(),
                }
            }

            /// Sets the setting `name` alone; nothing clears it.
            ///
            /// # Errors
            /// When there is no such setting, or the value is of another kind.
            pub fn set<'de, D: Deserializer<'de>>(
                &mut self,
                name: &str,
                value: D,
            ) -> Result<(), D::Error> {
                match name {
                    $(stringify!($field) => self.$field = Option::deserialize(value)?,)+
                    _ => return Err(D::Error::unknown_field(name, Self::FIELDS)),
                }
                Ok(())
            }
        }
    };
}

draft! {
    /// Settings as requested, stored and shown. Global ids are numbers here.
    pub struct SettingsDraft {
        /// Display name.
        name: String,
        /// Vendor-native id of the assistant, workflow or squad.
        assistant_id: String,
        /// Id of the line.
        tenant_voice_provider_id: i64,
        /// `SINGLE` or `POOL`.
        dialer_type: String,
        /// `ASSISTANT`, `WORKFLOW` or `SQUAD`.
        vapi_calling_entity: String,
        /// Vendor-native number of a `SINGLE` campaign.
        phone_number_id: String,
        /// Pool of a `POOL` campaign.
        phone_number_pool_id: i64,
        /// First local date, inclusive.
        start_date: String,
        /// Last local date, inclusive.
        end_date: String,
        /// IANA zone.
        timezone: String,
        /// `MONDAY` … `SUNDAY`.
        days_of_week: Vec<String>,
        /// Start of the daily range, `HH:MM[:SS]`.
        daily_start_time: String,
        /// End of the daily range, exclusive.
        daily_end_time: String,
        /// Attempts per lead in all.
        max_call_attempts: i64,
        /// Attempts per lead and local day.
        max_daily_attempts: i64,
        /// Least pause between attempts of a lead, minutes.
        min_gap_between_attempts: i64,
        /// Whether a mailbox counts as reached.
        consider_voicemail_as_answered: bool,
        /// Where events of the campaign are sent.
        webhook_url: String,
        /// Several ranges a day; replaces the daily pair.
        windows: Vec<WindowDraft>,
        /// Local dates without calls.
        blackout_dates: Vec<String>,
        /// Most calls at once.
        max_concurrent_calls: i64,
        /// Most calls started in a minute.
        max_calls_per_minute: i64,
        /// Weight, 1 to 10.
        priority: i64,
        /// Preset ids of calling rules.
        calling_rules: Vec<String>,
        /// `LEAD` or `CAMPAIGN`.
        lead_timezone: String,
        /// Growing pauses, minutes.
        retry_gaps_minutes: Vec<i64>,
        /// Outcomes to retry.
        retry_outcomes: Vec<String>,
        /// Whether it ends by itself.
        complete_when_done: bool,
        /// What the assistant must say about itself.
        disclosure: String,
        /// The user's own labels.
        metadata: BTreeMap<String, String>,
    }
}

/// One range of `windows`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowDraft {
    /// Days on which the range begins; the campaign's `days_of_week` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_of_week: Option<Vec<String>>,
    /// `HH:MM[:SS]`.
    pub start_time: String,
    /// `HH:MM[:SS]` or `24:00`; at or before the start: the next day.
    pub end_time: String,
}

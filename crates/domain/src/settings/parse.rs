//! From the raw draft to settings that cannot be wrong, collecting every fault on the way.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::{
    CallingEntity, CampaignSettings, DEFAULT_PRIORITY, DialerType, LeadTimezone, MAX_ATTEMPTS,
    MAX_BLACKOUT_DATES, MAX_GAP_MINUTES, MAX_METADATA, MAX_NAME_CHARS, MAX_NATIVE_ID_CHARS,
    MAX_PACING, MAX_RETRY_GAPS, MAX_WINDOWS, MIN_GAP_MINUTES, Numbers, Outbound, SettingsDraft,
    WindowDraft, parse_date, parse_time, parse_zone,
};
use crate::calendar::{DAY_SECONDS, DailyRange, Hours, Weekdays};
use crate::campaign::CampaignType;
use crate::fault::Fault;
use crate::id::{LineId, PoolId};
use crate::outcome::Outcome;
use crate::policy::AttemptPolicy;

impl CampaignSettings {
    /// Parses a whole draft.
    ///
    /// # Errors
    /// Every fault found: missing required settings, values out of range, contradictions between
    /// settings, and settings that are not supported yet.
    pub fn parse(kind: CampaignType, draft: &SettingsDraft) -> Result<Self, Vec<Fault>> {
        let mut parser = Parser {
            draft,
            faults: Vec::new(),
        };
        let settings = parser.settings(kind);
        match settings {
            Some(settings) if parser.faults.is_empty() => Ok(settings),
            _ => Err(parser.faults),
        }
    }
}

struct Parser<'a> {
    draft: &'a SettingsDraft,
    faults: Vec<Fault>,
}

impl Parser<'_> {
    fn settings(&mut self, kind: CampaignType) -> Option<CampaignSettings> {
        self.unsupported();
        self.name_and_metadata();
        let assistant_id = self.native_id("assistant_id", self.draft.assistant_id.as_ref());
        let line_id = self.required(
            "tenant_voice_provider_id",
            self.draft.tenant_voice_provider_id,
        );
        let numbers = self.numbers();
        let entity = self.choice(
            "vapi_calling_entity",
            self.draft.vapi_calling_entity.as_deref(),
            CallingEntity::parse,
            CallingEntity::ALL,
        );
        let outbound = self.outbound(kind);
        let draft = self.draft;
        let max_concurrent_calls = self.bounded(
            "max_concurrent_calls",
            draft.max_concurrent_calls,
            1,
            MAX_PACING,
        );
        let max_calls_per_minute = self.bounded(
            "max_calls_per_minute",
            draft.max_calls_per_minute,
            1,
            MAX_PACING,
        );
        let priority = self.bounded("priority", draft.priority, 1, 10);
        Some(CampaignSettings {
            assistant_id: assistant_id?,
            line_id: LineId::from_raw(line_id?),
            entity: entity.unwrap_or(CallingEntity::Assistant),
            numbers: numbers?,
            outbound,
            max_concurrent_calls,
            max_calls_per_minute,
            priority: priority
                .and_then(|value| u8::try_from(value).ok())
                .unwrap_or(DEFAULT_PRIORITY),
            complete_when_done: draft.complete_when_done.unwrap_or(true),
        })
    }

    fn fault(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.faults.push(Fault::new(field, code, message));
    }

    fn take<T>(&mut self, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn required<T>(&mut self, field: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.fault(field, "required", format!("`{field}` is required."));
        }
        value
    }

    /// Settings of the contract that nothing enforces yet.
    fn unsupported(&mut self) {
        if self.draft.disclosure.is_some() {
            self.fault(
                "disclosure",
                "not_supported",
                "`disclosure` is not supported yet; leave it out.",
            );
        }
        let rules = self.draft.calling_rules.as_deref().unwrap_or_default();
        if rules.iter().any(|rule| rule != "none") || rules.len() > 1 {
            self.fault(
                "calling_rules",
                "not_supported",
                "Only `[\"none\"]` is supported yet: the campaign's own window is then the only calendar.",
            );
        }
    }

    fn name_and_metadata(&mut self) {
        if let Some(name) = self.required("name", self.draft.name.as_ref())
            && (name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS)
        {
            self.fault(
                "name",
                "invalid_length",
                format!("`name` must have 1 to {MAX_NAME_CHARS} characters."),
            );
        }
        let (entries, key_chars, value_chars) = MAX_METADATA;
        let metadata = self.draft.metadata.iter().flatten();
        let too_long = metadata.clone().any(|(key, value)| {
            key.is_empty() || key.chars().count() > key_chars || value.chars().count() > value_chars
        });
        if too_long || metadata.count() > entries {
            self.fault(
                "metadata",
                "invalid_length",
                format!("`metadata` may have {entries} entries, keys of 1 to {key_chars} and values of up to {value_chars} characters."),
            );
        }
    }

    fn native_id(&mut self, field: &'static str, value: Option<&String>) -> Option<String> {
        let value = self.required(field, value)?;
        self.checked_native_id(field, value)
    }

    fn checked_native_id(&mut self, field: &'static str, value: &str) -> Option<String> {
        let sound = !value.is_empty()
            && value.chars().count() <= MAX_NATIVE_ID_CHARS
            && value.chars().all(|c| c.is_ascii_graphic());
        if !sound {
            self.fault(
                field,
                "invalid_id",
                format!("`{field}` must be the voice provider's id: 1 to {MAX_NATIVE_ID_CHARS} visible ASCII characters."),
            );
        }
        sound.then(|| value.to_owned())
    }

    /// A missing number is no fault here: a draft may get one later, start asks for it.
    fn numbers(&mut self) -> Option<Numbers> {
        let dialer = self.required("dialer_type", self.draft.dialer_type.as_deref());
        let dialer = self.choice("dialer_type", dialer, DialerType::parse, DialerType::ALL);
        let number = self.draft.phone_number_id.as_ref();
        let number = number.and_then(|id| self.checked_native_id("phone_number_id", id));
        // The seed page sends both; the dialer type says which one is used.
        Some(match dialer? {
            DialerType::Single => Numbers::Single(number),
            DialerType::Pool => {
                Numbers::Pool(self.draft.phone_number_pool_id.map(PoolId::from_raw))
            }
        })
    }

    fn outbound(&mut self, kind: CampaignType) -> Option<Outbound> {
        let required = kind == CampaignType::Outbound;
        let zone = self.zone(required);
        let hours = self.hours(required);
        let policy = self.policy(required);
        let lead_timezone = self
            .choice(
                "lead_timezone",
                self.draft.lead_timezone.as_deref(),
                LeadTimezone::parse,
                LeadTimezone::ALL,
            )
            .unwrap_or(LeadTimezone::Campaign);
        Some(Outbound {
            hours: hours?,
            zone: zone?,
            lead_timezone,
            policy: policy?,
        })
    }

    fn zone(&mut self, required: bool) -> Option<TimeZone> {
        let name = self.draft.timezone.as_deref();
        let name = if required {
            self.required("timezone", name)?
        } else {
            name?
        };
        let zone = parse_zone(name).map_err(|fault| fault.of("timezone"));
        self.take(zone)
    }

    fn hours(&mut self, required: bool) -> Option<Hours> {
        let before = self.faults.len();
        let first_date = self.date("start_date", self.draft.start_date.as_deref());
        if required && self.draft.start_date.is_none() {
            self.required("start_date", None::<()>);
        }
        let last_date = self.date("end_date", self.draft.end_date.as_deref());
        if let (Some(first), Some(last)) = (first_date, last_date)
            && last < first
        {
            self.fault(
                "end_date",
                "before_start_date",
                "`end_date` must be on or after `start_date`.",
            );
        }
        let ranges = self.ranges(required);
        let blackout_dates = self.blackout_dates();
        (self.faults.len() == before).then_some(Hours {
            ranges,
            first_date,
            last_date,
            blackout_dates,
        })
    }

    fn date(&mut self, field: &str, text: Option<&str>) -> Option<Date> {
        let date = parse_date(text?).map_err(|fault| fault.of(field));
        self.take(date)
    }

    fn blackout_dates(&mut self) -> BTreeSet<Date> {
        let texts = self.draft.blackout_dates.as_deref().unwrap_or_default();
        if texts.len() > MAX_BLACKOUT_DATES {
            self.fault(
                "blackout_dates",
                "too_many",
                format!("`blackout_dates` may list {MAX_BLACKOUT_DATES} dates."),
            );
        }
        let texts = texts.iter().take(MAX_BLACKOUT_DATES).enumerate();
        texts
            .filter_map(|(index, text)| self.date(&format!("blackout_dates[{index}]"), Some(text)))
            .collect()
    }

    fn ranges(&mut self, required: bool) -> Vec<DailyRange> {
        let days = self.days("days_of_week", self.draft.days_of_week.as_deref(), required);
        let start = self.time(
            "daily_start_time",
            self.draft.daily_start_time.as_deref(),
            false,
        );
        let end = self.time("daily_end_time", self.draft.daily_end_time.as_deref(), true);
        if let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            self.fault(
                "daily_end_time",
                "not_after_start",
                "`daily_end_time` must be after `daily_start_time`; use `windows` for hours that cross midnight.",
            );
        }
        if let Some(windows) = &self.draft.windows {
            return self.windows(windows, days);
        }
        if required {
            self.required("daily_start_time", self.draft.daily_start_time.as_ref());
            self.required("daily_end_time", self.draft.daily_end_time.as_ref());
        }
        match (days, start, end) {
            (Some(days), Some(start_second), Some(end_second)) => {
                vec![DailyRange {
                    days,
                    start_second,
                    end_second,
                }]
            }
            _ => Vec::new(),
        }
    }

    fn windows(&mut self, windows: &[WindowDraft], days: Option<Weekdays>) -> Vec<DailyRange> {
        if windows.is_empty() || windows.len() > MAX_WINDOWS {
            self.fault(
                "windows",
                "invalid_length",
                format!("`windows` must list 1 to {MAX_WINDOWS} ranges, or be left out."),
            );
        }
        let mut ranges = Vec::new();
        for (index, window) in windows.iter().take(MAX_WINDOWS).enumerate() {
            let field = |name: &str| format!("windows[{index}].{name}");
            let own = window.days_of_week.as_deref();
            let days = if own.is_some() {
                self.days(&field("days_of_week"), own, true)
            } else {
                days
            };
            let start = self.time(&field("start_time"), Some(&window.start_time), false);
            let end = self.time(&field("end_time"), Some(&window.end_time), true);
            if start.is_some() && start == end {
                self.fault(
                    field("end_time"),
                    "empty_window",
                    "`end_time` must differ from `start_time`; use `00:00` to `24:00` for a whole day.",
                );
            }
            // An end of 00:00 is the midnight that follows.
            let end = end.map(|second| if second == 0 { DAY_SECONDS } else { second });
            if let (Some(days), Some(start_second), Some(end_second)) = (days, start, end) {
                ranges.push(DailyRange {
                    days,
                    start_second,
                    end_second,
                });
            }
        }
        ranges
    }

    fn days(&mut self, field: &str, names: Option<&[String]>, required: bool) -> Option<Weekdays> {
        let Some(names) = names else {
            if required {
                self.fault(field, "required", format!("`{field}` is required."));
            }
            return None;
        };
        let mut days = Weekdays::default();
        for (index, name) in names.iter().enumerate().take(50) {
            match parse_weekday(name) {
                None => self.fault(
                    format!("{field}[{index}]"),
                    "invalid_choice",
                    "A day must be one of MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY.",
                ),
                Some(day) if days.contains(day) => {
                    self.fault(format!("{field}[{index}]"), "duplicate", "Each day may be listed once.");
                }
                Some(day) => days = days.with(day),
            }
        }
        if names.is_empty() {
            self.fault(
                field,
                "empty",
                format!("`{field}` must list at least one day."),
            );
        }
        (!days.is_empty()).then_some(days)
    }

    fn time(&mut self, field: &str, text: Option<&str>, is_end: bool) -> Option<u32> {
        let text = text?;
        let second = parse_time(text).filter(|second| is_end || *second < DAY_SECONDS);
        if second.is_none() {
            self.fault(
                field,
                "invalid_time",
                format!("`{field}` must be a local time like `09:00` or `09:00:00`."),
            );
        }
        second
    }

    fn policy(&mut self, required: bool) -> Option<AttemptPolicy> {
        let draft = self.draft;
        let caps = [
            (
                "max_call_attempts",
                draft.max_call_attempts,
                1,
                MAX_ATTEMPTS,
            ),
            (
                "max_daily_attempts",
                draft.max_daily_attempts,
                1,
                MAX_ATTEMPTS,
            ),
            (
                "min_gap_between_attempts",
                draft.min_gap_between_attempts,
                MIN_GAP_MINUTES,
                MAX_GAP_MINUTES,
            ),
        ]
        .map(|(field, value, least, most)| {
            if required {
                self.required(field, value);
            }
            self.bounded(field, value, least, most)
        });
        let retry_gaps_minutes = self.retry_gaps();
        let retry_outcomes = self.retry_outcomes();
        let [max_call_attempts, max_daily_attempts, min_gap_minutes] = caps;
        Some(AttemptPolicy {
            max_call_attempts: max_call_attempts?,
            max_daily_attempts: max_daily_attempts?,
            min_gap_minutes: min_gap_minutes?,
            retry_gaps_minutes,
            retry_outcomes,
            voicemail_is_answered: draft.consider_voicemail_as_answered.unwrap_or(false),
        })
    }

    fn retry_gaps(&mut self) -> Vec<u32> {
        let gaps = self.draft.retry_gaps_minutes.as_deref().unwrap_or_default();
        let least = self
            .draft
            .min_gap_between_attempts
            .unwrap_or(MIN_GAP_MINUTES)
            .max(MIN_GAP_MINUTES);
        if gaps.len() > MAX_RETRY_GAPS {
            self.fault(
                "retry_gaps_minutes",
                "too_many",
                format!("`retry_gaps_minutes` may list {MAX_RETRY_GAPS} pauses."),
            );
        }
        if gaps
            .iter()
            .any(|gap| *gap < least || *gap > MAX_GAP_MINUTES)
        {
            self.fault(
                "retry_gaps_minutes",
                "out_of_range",
                format!("Each pause must be between `min_gap_between_attempts` ({least}) and {MAX_GAP_MINUTES} minutes."),
            );
        }
        if gaps.windows(2).any(|pair| pair[1] < pair[0]) {
            self.fault(
                "retry_gaps_minutes",
                "not_growing",
                "Each pause must be at least as long as the one before.",
            );
        }
        gaps.iter()
            .take(MAX_RETRY_GAPS)
            .filter_map(|gap| u32::try_from(*gap).ok())
            .collect()
    }

    fn retry_outcomes(&mut self) -> Vec<Outcome> {
        let Some(names) = &self.draft.retry_outcomes else {
            return Outcome::RETRIED_BY_DEFAULT.to_vec();
        };
        let mut outcomes = Vec::new();
        for (index, name) in names.iter().enumerate().take(50) {
            let field = format!("retry_outcomes[{index}]");
            match Outcome::parse(name).filter(|outcome| outcome.may_be_retried()) {
                Some(outcome) if !outcomes.contains(&outcome) => outcomes.push(outcome),
                Some(_) => self.fault(field, "duplicate", "Each outcome may be listed once."),
                None => {
                    let known = spellings(Outcome::RETRIED_BY_DEFAULT);
                    self.fault(
                        field,
                        "invalid_choice",
                        format!("An outcome to retry must be one of {known}."),
                    );
                }
            }
        }
        outcomes
    }

    fn bounded(
        &mut self,
        field: &'static str,
        value: Option<i64>,
        least: i64,
        most: i64,
    ) -> Option<u32> {
        let value = value?;
        if !(least..=most).contains(&value) {
            self.fault(
                field,
                "out_of_range",
                format!("`{field}` must be between {least} and {most}."),
            );
            return None;
        }
        u32::try_from(value).ok()
    }

    fn choice<T: Copy + std::fmt::Display>(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        parse: impl Fn(&str) -> Option<T>,
        all: &[T],
    ) -> Option<T> {
        let parsed = parse(text?);
        if parsed.is_none() {
            let known = spellings(all);
            self.fault(
                field,
                "invalid_choice",
                format!("`{field}` must be one of {known}."),
            );
        }
        parsed
    }
}

fn spellings<T: std::fmt::Display>(all: &[T]) -> String {
    all.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn parse_weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "MONDAY" => Weekday::Monday,
        "TUESDAY" => Weekday::Tuesday,
        "WEDNESDAY" => Weekday::Wednesday,
        "THURSDAY" => Weekday::Thursday,
        "FRIDAY" => Weekday::Friday,
        "SATURDAY" => Weekday::Saturday,
        "SUNDAY" => Weekday::Sunday,
        _ => return None,
    })
}

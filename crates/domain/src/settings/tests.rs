use jiff::civil::{Weekday, date};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::*;
use crate::calendar::{DAY_SECONDS, DailyRange, Weekdays};
use crate::campaign::CampaignType;
use crate::fault::Fault;
use crate::outcome::Outcome;

/// The body of the "Update Voice Campaign" page, global ids decoded.
fn seed_page() -> Value {
    json!({
        "name": "Q4 Outreach v2",
        "assistant_id": "asst_xyz456",
        "tenant_voice_provider_id": 123,
        "dialer_type": "POOL",
        "phone_number_id": "pn_xyz456",
        "phone_number_pool_id": 123,
        "timezone": "America/Chicago",
        "days_of_week": ["MONDAY", "WEDNESDAY", "FRIDAY"],
        "daily_start_time": "08:00",
        "daily_end_time": "18:00",
        "max_call_attempts": 5,
        "max_daily_attempts": 2,
        "min_gap_between_attempts": 120,
        "consider_voicemail_as_answered": false,
        "webhook_url": "https://yourapp.com/webhooks/campaign"
    })
}

/// A draft of the seed page on a stored start date, with `changes` merged over it (null removes).
fn draft(changes: &Value) -> SettingsDraft {
    let mut body = seed_page();
    body["start_date"] = json!("2026-09-01");
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

fn parsed(changes: &Value) -> Result<CampaignSettings, Vec<Fault>> {
    CampaignSettings::parse(CampaignType::Outbound, &draft(changes))
}

fn outbound(changes: &Value) -> Outbound {
    parsed(changes).unwrap().outbound.unwrap()
}

/// Faults as `field code`.
fn faults(changes: &Value) -> Vec<String> {
    let faults = parsed(changes).err().unwrap_or_default();
    faults
        .iter()
        .map(|fault| format!("{} {}", fault.field, fault.code))
        .collect()
}

fn days(days: &[Weekday]) -> Weekdays {
    days.iter()
        .fold(Weekdays::default(), |set, day| set.with(*day))
}

#[test]
fn the_seed_page_is_understood() {
    let settings = parsed(&json!({})).unwrap();
    assert_eq!(settings.assistant_id, "asst_xyz456");
    assert_eq!(settings.line_id, LineId::from_raw(123));
    assert_eq!(settings.entity, CallingEntity::Assistant);
    assert_eq!(settings.numbers, Numbers::Pool(Some(PoolId::from_raw(123))));
    assert_eq!(
        (settings.max_concurrent_calls, settings.max_calls_per_minute),
        (None, None)
    );
    assert_eq!((settings.priority, settings.complete_when_done), (5, true));
    let outbound = settings.outbound.unwrap();
    assert_eq!(outbound.zone.iana_name(), Some("America/Chicago"));
    assert_eq!(outbound.lead_timezone, LeadTimezone::Campaign);
    assert_eq!(
        outbound.hours,
        Hours {
            ranges: vec![DailyRange {
                days: days(&[Weekday::Monday, Weekday::Wednesday, Weekday::Friday]),
                start_second: 8 * 3600,
                end_second: 18 * 3600,
            }],
            first_date: Some(date(2026, 9, 1)),
            ..Hours::default()
        }
    );
    assert_eq!(
        outbound.policy,
        AttemptPolicy {
            max_call_attempts: 5,
            max_daily_attempts: 2,
            min_gap_minutes: 120,
            retry_gaps_minutes: vec![],
            retry_outcomes: Outcome::RETRIED_BY_DEFAULT.to_vec(),
            voicemail_is_answered: false,
        }
    );
}

#[test]
fn the_dialer_type_says_which_number_is_used() {
    let numbers = |changes: &Value| parsed(changes).unwrap().numbers;
    let single = json!({ "dialer_type": "SINGLE" });
    assert_eq!(
        numbers(&single),
        Numbers::Single(Some("pn_xyz456".to_owned()))
    );
    let none = numbers(&json!({ "dialer_type": "SINGLE", "phone_number_id": null }));
    assert!(!none.is_chosen());
    assert!(!numbers(&json!({ "phone_number_pool_id": null })).is_chosen());
}

#[test]
fn an_empty_draft_names_everything_that_is_missing() {
    let missing = |kind| {
        let faults = CampaignSettings::parse(kind, &SettingsDraft::default()).unwrap_err();
        assert!(faults.iter().all(|fault| fault.code == "required"));
        let mut fields: Vec<_> = faults.into_iter().map(|fault| fault.field).collect();
        fields.sort();
        fields
    };
    let always = [
        "assistant_id",
        "dialer_type",
        "name",
        "tenant_voice_provider_id",
    ];
    assert_eq!(missing(CampaignType::Inbound), always);
    let mut outbound = always.to_vec();
    outbound.extend(["start_date", "timezone", "days_of_week"]);
    outbound.extend(["daily_start_time", "daily_end_time"]);
    outbound.extend([
        "max_call_attempts",
        "max_daily_attempts",
        "min_gap_between_attempts",
    ]);
    outbound.sort_unstable();
    assert_eq!(missing(CampaignType::Outbound), outbound);
}

#[test]
fn all_faults_are_told_at_once() {
    let found = faults(&json!({
        "name": " ",
        "assistant_id": "has space",
        "tenant_voice_provider_id": null,
        "dialer_type": "ROBOT",
        "vapi_calling_entity": "PERSON",
        "timezone": "Mars/Olympus",
        "start_date": "2026-02-30",
        "end_date": "someday",
        "days_of_week": ["MONDAY", "MONDAY", "FUNDAY"],
        "daily_start_time": "8:00",
        "daily_end_time": "24:01",
        "blackout_dates": ["2026-12-25", "2026-13-01"],
        "max_call_attempts": 0,
        "max_daily_attempts": 101,
        "min_gap_between_attempts": 2,
        "retry_gaps_minutes": [10, 5],
        "retry_outcomes": ["BUSY", "BUSY", "ANSWERED"],
        "lead_timezone": "MOON",
        "max_concurrent_calls": 0,
        "max_calls_per_minute": 100_001,
        "priority": 11,
        "calling_rules": ["us-tcpa"],
        "disclosure": "I am a machine.",
        "metadata": { "": "x" },
    }));
    let mut found: Vec<_> = found.iter().map(String::as_str).collect();
    found.sort_unstable();
    let mut expected = vec![
        "name invalid_length",
        "assistant_id invalid_id",
        "tenant_voice_provider_id required",
        "dialer_type invalid_choice",
        "vapi_calling_entity invalid_choice",
        "timezone unknown_timezone",
        "start_date invalid_date",
        "end_date invalid_date",
        "days_of_week[1] duplicate",
        "days_of_week[2] invalid_choice",
        "daily_start_time invalid_time",
        "daily_end_time invalid_time",
        "blackout_dates[1] invalid_date",
        "max_call_attempts out_of_range",
        "max_daily_attempts out_of_range",
        "min_gap_between_attempts out_of_range",
        "retry_gaps_minutes not_growing",
        "retry_outcomes[1] duplicate",
        "retry_outcomes[2] invalid_choice",
        "lead_timezone invalid_choice",
        "max_concurrent_calls out_of_range",
        "max_calls_per_minute out_of_range",
        "priority out_of_range",
        "calling_rules not_supported",
        "disclosure not_supported",
        "metadata invalid_length",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn what_nothing_enforces_yet_is_refused_not_kept() {
    assert_eq!(faults(&json!({ "calling_rules": ["none"] })), [""; 0]);
    assert_eq!(faults(&json!({ "calling_rules": [] })), [""; 0]);
    assert_eq!(
        faults(&json!({ "calling_rules": ["auto"] })),
        ["calling_rules not_supported"]
    );
    let two = json!({ "calling_rules": ["none", "none"] });
    assert_eq!(faults(&two), ["calling_rules not_supported"]);
    assert_eq!(
        faults(&json!({ "disclosure": "" })),
        ["disclosure not_supported"]
    );
}

#[test]
fn zones_are_iana_names_and_their_aliases() {
    for good in [
        "America/New_York",
        "US/Eastern",
        "Asia/Calcutta",
        "UTC",
        "Etc/GMT+5",
        "EST5EDT",
        "MST7MDT",
        "CET",
        "HST",
        "Singapore",
        "Zulu",
    ] {
        assert!(parse_zone(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "PST",
        "EDT",
        "EST5EDT,M3.2.0,M11.1.0",
        "Local",
        "localtime",
        "Factory",
        "Etc/Unknown",
        "+02:00",
        "America/Nowhere",
        "../etc/passwd",
        "/",
    ] {
        assert_eq!(parse_zone(bad), Err(ZoneFault::Unknown), "{bad}");
    }
    let long = "America/New_York".repeat(9);
    assert_eq!(parse_zone(&long), Err(ZoneFault::Unknown));
}

#[test]
fn a_zone_that_only_seems_to_have_summer_time_is_refused_with_both_that_may_be_meant() {
    let summer = "2026-07-01T12:00:00Z".parse().unwrap();
    for name in ["EST", "est", "MST"] {
        let Err(ZoneFault::WithoutSummerTime { meant, same, .. }) = parse_zone(name) else {
            panic!("{name}");
        };
        let offset = |name| parse_zone(name).unwrap().to_offset(summer);
        let really = jiff::tz::TimeZone::get(name).unwrap().to_offset(summer);
        assert_eq!(offset(same), really, "{name}");
        assert_ne!(offset(meant), really, "{name}");
        let found = faults(&json!({ "timezone": name }));
        assert_eq!(found, ["timezone ambiguous_timezone"]);
        let message = &parsed(&json!({ "timezone": name })).unwrap_err()[0].message;
        assert!(
            message.contains(meant) && message.contains(same),
            "{message}"
        );
    }
}

#[test]
fn times_are_exact() {
    assert_eq!(parse_time("00:00"), Some(0));
    assert_eq!(parse_time("09:30"), Some(34_200));
    assert_eq!(parse_time("23:59:59"), Some(86_399));
    assert_eq!(parse_time("24:00"), Some(DAY_SECONDS));
    assert_eq!(parse_time("24:00:00"), Some(DAY_SECONDS));
    for bad in [
        "",
        "9:00",
        "24:00:01",
        "25:00",
        "12:60",
        "12:00:60",
        "12",
        "12:00:00:00",
        "1٢:00",
        "-1:00",
        "12:+1",
    ] {
        assert_eq!(parse_time(bad), None, "{bad}");
    }
}

#[test]
fn dates_are_exact() {
    assert_eq!(parse_date("2028-02-29"), Ok(date(2028, 2, 29)));
    assert_eq!(parse_date("9000-12-31"), Ok(date(9000, 12, 31)));
    for bad in [
        "",
        "2026-2-01",
        "26-02-01",
        "2026/02/01",
        "2026-01-01T00:00",
        "2026-01-٠1",
        "10000-01-01",
    ] {
        assert_eq!(parse_date(bad), Err(DateFault::Form), "{bad}");
    }
    for none in ["2026-02-29", "2026-00-10", "2026-13-01", "2026-01-99"] {
        assert_eq!(parse_date(none), Err(DateFault::NoSuchDay), "{none}");
    }
    for far in ["9999-12-31", "9001-01-01", "1969-12-31", "0000-01-01"] {
        assert_eq!(parse_date(far), Err(DateFault::OutOfRange), "{far}");
    }
    let never = parsed(&json!({ "end_date": "9999-12-31" })).unwrap_err();
    assert_eq!(never[0].code, "out_of_range");
    for part in ["1970-01-01", "9000-12-31", "leave it out"] {
        assert!(never[0].message.contains(part), "{}", never[0].message);
    }
}

#[test]
fn the_end_date_may_be_the_start_date_but_not_before() {
    assert_eq!(faults(&json!({ "end_date": "2026-09-01" })), [""; 0]);
    assert_eq!(
        faults(&json!({ "end_date": "2026-08-31" })),
        ["end_date before_start_date"]
    );
}

#[test]
fn the_daily_range_ends_after_it_starts_and_not_beyond_midnight() {
    let range = |start: &str, end: &str| {
        faults(&json!({ "daily_start_time": start, "daily_end_time": end }))
    };
    assert_eq!(range("00:00", "24:00"), [""; 0]);
    assert_eq!(range("23:59:59", "24:00"), [""; 0]);
    assert_eq!(range("22:00", "02:00"), ["daily_end_time not_after_start"]);
    assert_eq!(range("09:00", "09:00"), ["daily_end_time not_after_start"]);
    assert_eq!(range("24:00", "24:00"), ["daily_start_time invalid_time"]);
}

#[test]
fn windows_replace_the_daily_range_and_may_cross_midnight() {
    let windows = json!({
        "daily_start_time": null,
        "daily_end_time": null,
        "windows": [
            { "start_time": "09:00", "end_time": "12:30:30" },
            { "start_time": "22:00", "end_time": "02:00", "days_of_week": ["SUNDAY"] },
            { "start_time": "18:00", "end_time": "00:00" },
            { "start_time": "00:00", "end_time": "24:00" },
        ],
    });
    let campaign_days = days(&[Weekday::Monday, Weekday::Wednesday, Weekday::Friday]);
    let range = |days, start_second, end_second| DailyRange {
        days,
        start_second,
        end_second,
    };
    assert_eq!(
        outbound(&windows).hours.ranges,
        [
            range(campaign_days, 9 * 3600, 12 * 3600 + 30 * 60 + 30),
            range(days(&[Weekday::Sunday]), 22 * 3600, 2 * 3600),
            range(campaign_days, 18 * 3600, DAY_SECONDS),
            range(campaign_days, 0, DAY_SECONDS),
        ]
    );
}

#[test]
fn each_fault_of_a_window_names_its_place() {
    let found = faults(&json!({ "windows": [
        { "start_time": "09:00", "end_time": "09:00" },
        { "start_time": "24:00", "end_time": "25:00" },
        { "start_time": "00:00", "end_time": "00:00" },
        { "start_time": "09:00", "end_time": "10:00", "days_of_week": [] },
        { "start_time": "09:00", "end_time": "10:00", "days_of_week": ["MONDAY", "monday"] },
    ]}));
    assert_eq!(
        found,
        [
            "windows[0].end_time empty_window",
            "windows[1].start_time invalid_time",
            "windows[1].end_time invalid_time",
            "windows[2].end_time empty_window",
            "windows[3].days_of_week empty",
            "windows[4].days_of_week[1] invalid_choice",
        ]
    );
    assert_eq!(
        faults(&json!({ "windows": [] })),
        ["windows invalid_length"]
    );
    let one = json!({ "start_time": "09:00", "end_time": "10:00" });
    assert_eq!(
        faults(&json!({ "windows": vec![one.clone(); MAX_WINDOWS] })),
        [""; 0]
    );
    let too_many = json!({ "windows": vec![one; MAX_WINDOWS + 1] });
    assert_eq!(faults(&too_many), ["windows invalid_length"]);
}

#[test]
fn bounds_are_inclusive() {
    let holds = |field: &str, good: [i64; 2], bad: [i64; 2]| {
        for value in good {
            assert_eq!(faults(&json!({ field: value })), [""; 0], "{field} {value}");
        }
        for value in bad {
            let fault = format!("{field} out_of_range");
            assert_eq!(faults(&json!({ field: value })), [fault], "{value}");
        }
    };
    holds("max_call_attempts", [1, 100], [0, 101]);
    holds("max_daily_attempts", [1, 100], [0, 101]);
    holds("min_gap_between_attempts", [3, 525_600], [2, 525_601]);
    holds("max_concurrent_calls", [1, 100_000], [0, i64::MAX]);
    holds("max_calls_per_minute", [1, 100_000], [-1, 100_001]);
    holds("priority", [1, 10], [0, i64::MIN]);
}

#[test]
fn retry_gaps_grow_and_never_undercut_the_least_gap() {
    let gaps = |gaps: &[i64]| faults(&json!({ "retry_gaps_minutes": gaps }));
    assert_eq!(gaps(&[]), [""; 0]);
    assert_eq!(gaps(&[120, 120, 525_600]), [""; 0]);
    assert_eq!(gaps(&[119]), ["retry_gaps_minutes out_of_range"]);
    assert_eq!(gaps(&[525_601]), ["retry_gaps_minutes out_of_range"]);
    assert_eq!(gaps(&[240, 120]), ["retry_gaps_minutes not_growing"]);
    assert_eq!(
        gaps(&[120; MAX_RETRY_GAPS + 1]),
        ["retry_gaps_minutes too_many"]
    );
}

#[test]
fn outcomes_that_end_a_lead_cannot_be_retried() {
    let outcomes = |names: &[&str]| parsed(&json!({ "retry_outcomes": names }));
    let policy = |names| outcomes(names).unwrap().outbound.unwrap().policy;
    assert_eq!(
        policy(&["BUSY", "NO_ANSWER"]).retry_outcomes,
        [Outcome::Busy, Outcome::NoAnswer]
    );
    assert_eq!(policy(&[]).retry_outcomes, []);
    for never in ["ANSWERED", "INVALID_NUMBER", "FAILED_PERMANENT", "busy"] {
        assert!(outcomes(&[never]).is_err(), "{never}");
    }
}

#[test]
fn lengths_are_counted_in_characters() {
    assert_eq!(
        faults(&json!({ "name": "ü".repeat(MAX_NAME_CHARS) })),
        [""; 0]
    );
    assert_eq!(
        faults(&json!({ "name": "ü".repeat(201) })),
        ["name invalid_length"]
    );
    let (entries, key, value) = MAX_METADATA;
    let full = |entries: usize, value: usize| {
        let pairs = (0..entries).map(|index| (format!("{index:0key$}"), json!("ü".repeat(value))));
        faults(&json!({ "metadata": pairs.collect::<Map<_, _>>() }))
    };
    assert_eq!(full(entries, value), [""; 0]);
    assert_eq!(full(entries + 1, value), ["metadata invalid_length"]);
    assert_eq!(full(1, value + 1), ["metadata invalid_length"]);
    let blackouts = |count: usize| faults(&json!({ "blackout_dates": vec!["2026-12-25"; count] }));
    assert_eq!(blackouts(MAX_BLACKOUT_DATES), [""; 0]);
    assert_eq!(
        blackouts(MAX_BLACKOUT_DATES + 1),
        ["blackout_dates too_many"]
    );
}

#[test]
fn an_inbound_campaign_needs_no_schedule_but_what_it_gives_must_be_sound() {
    let mut draft = SettingsDraft {
        name: Some("Reception".to_owned()),
        assistant_id: Some("asst_1".to_owned()),
        tenant_voice_provider_id: Some(1),
        dialer_type: Some("SINGLE".to_owned()),
        ..SettingsDraft::default()
    };
    let settings = CampaignSettings::parse(CampaignType::Inbound, &draft).unwrap();
    assert!(settings.outbound.is_none());
    draft.timezone = Some("Nowhere".to_owned());
    draft.daily_end_time = Some("late".to_owned());
    let faults = CampaignSettings::parse(CampaignType::Inbound, &draft).unwrap_err();
    let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["timezone", "daily_end_time"]);
}

/// A draft with every setting given. Written without `..`, so that a new setting must be added.
fn full_draft() -> SettingsDraft {
    let text = |text: &str| Some(text.to_owned());
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    SettingsDraft {
        name: text("Autumn"),
        assistant_id: text("asst_1"),
        tenant_voice_provider_id: Some(7),
        dialer_type: text("SINGLE"),
        vapi_calling_entity: text("SQUAD"),
        phone_number_id: text("pn_1"),
        phone_number_pool_id: Some(8),
        start_date: text("2026-09-01"),
        end_date: text("2026-09-30"),
        timezone: text("Europe/Berlin"),
        days_of_week: texts(&["MONDAY"]),
        daily_start_time: text("09:00"),
        daily_end_time: text("17:00"),
        max_call_attempts: Some(3),
        max_daily_attempts: Some(1),
        min_gap_between_attempts: Some(60),
        consider_voicemail_as_answered: Some(true),
        webhook_url: text("https://example.com/hook"),
        windows: Some(vec![WindowDraft {
            days_of_week: texts(&["TUESDAY"]),
            start_time: "22:00".to_owned(),
            end_time: "02:00".to_owned(),
        }]),
        blackout_dates: texts(&["2026-09-07"]),
        max_concurrent_calls: Some(4),
        max_calls_per_minute: Some(30),
        priority: Some(9),
        calling_rules: texts(&["none"]),
        lead_timezone: text("LEAD"),
        retry_gaps_minutes: Some(vec![60, 240]),
        retry_outcomes: texts(&["BUSY"]),
        complete_when_done: Some(false),
        disclosure: text("AI"),
        metadata: Some([("team".to_owned(), "blue".to_owned())].into()),
    }
}

#[test]
fn every_setting_keeps_its_request_name_and_is_compared() {
    let full = full_draft();
    let Value::Object(body) = serde_json::to_value(&full).unwrap() else {
        panic!("no object")
    };
    let names: Vec<_> = body.keys().map(String::as_str).collect();
    assert_eq!(names, SettingsDraft::FIELDS);
    for field in SettingsDraft::FIELDS {
        let mut without = body.clone();
        without.remove(*field);
        let without: SettingsDraft = serde_json::from_value(Value::Object(without)).unwrap();
        assert_eq!(full.changed_fields(&without), [*field]);
        assert_eq!(without.changed_fields(&full), [*field]);
    }
    assert_eq!(full.changed_fields(&full), [""; 0]);
    assert!(serde_json::from_value::<SettingsDraft>(json!({ "nmae": "typo" })).is_err());
}

fn texts() -> impl Strategy<Value = String> {
    let almost = select(vec![
        "",
        "MONDAY",
        "SUNDAY",
        "09:00",
        "24:00",
        "22:30:15",
        "00:00",
        "2026-09-01",
        "2026-09-30",
        "Europe/Berlin",
        "UTC",
        "SINGLE",
        "POOL",
        "ASSISTANT",
        "LEAD",
        "BUSY",
        "NO_ANSWER",
        "none",
        "asst_1",
        "2026-02-30",
        "٠٩:٠٠",
        "é:00",
        "1é-01-01",
        "2026-é1-1",
    ]);
    prop_oneof![3 => almost.prop_map(str::to_owned), 1 => any::<String>()]
}

fn numbers() -> impl Strategy<Value = i64> {
    prop_oneof![3 => 0i64..200, 1 => any::<i64>()]
}

fn windows() -> impl Strategy<Value = WindowDraft> {
    (option::of(vec(texts(), 0..4)), texts(), texts()).prop_map(
        |(days_of_week, start_time, end_time)| WindowDraft {
            days_of_week,
            start_time,
            end_time,
        },
    )
}

/// Drafts with anything in them, some nearly sound.
fn drafts() -> impl Strategy<Value = SettingsDraft> {
    let lists = vec(vec(texts(), 0..5), 4);
    let map = btree_map(any::<String>(), any::<String>(), 0..3);
    let all = SettingsDraft::FIELDS;
    let windows = vec(windows(), 0..4);
    let gaps = vec(numbers(), 0..4);
    let present = subsequence(all, 0..=all.len());
    let random = (
        vec(texts(), 13),
        vec(numbers(), 8),
        lists,
        windows,
        gaps,
        any::<bool>(),
        map,
        present,
    );
    random.prop_map(
        |(texts, numbers, lists, windows, gaps, flag, map, random)| {
            let sound = full_draft();
            let (mut texts, mut numbers) = (texts.into_iter(), numbers.into_iter());
            let mut lists = lists.into_iter();
            let mut body = serde_json::to_value(&sound).unwrap();
            for field in random {
                body[field] = match &body[field] {
                    Value::String(_) => json!(texts.next()),
                    Value::Number(_) => json!(numbers.next()),
                    Value::Bool(_) => json!(flag),
                    Value::Object(_) => json!(map),
                    _ if field == "windows" => json!(windows),
                    _ if field == "retry_gaps_minutes" => json!(gaps),
                    _ => json!(lists.next()),
                };
            }
            serde_json::from_value(body).unwrap()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn drafts_survive_storage(draft in drafts()) {
        let text = serde_json::to_string(&draft).unwrap();
        prop_assert_eq!(serde_json::from_str::<SettingsDraft>(&text).unwrap(), draft);
    }

    #[test]
    fn parsing_anything_gives_sound_settings_or_named_faults(
        draft in drafts(),
        kind in select(CampaignType::ALL),
    ) {
        match CampaignSettings::parse(kind, &draft) {
            Ok(settings) => prop_assert!(is_sound(kind, &settings), "{settings:?}"),
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    let field = fault.field.split(['[', '.']).next().unwrap();
                    prop_assert!(SettingsDraft::FIELDS.contains(&field), "{field}");
                }
            }
        }
    }

    #[test]
    fn parsing_words_never_panics(text in any::<String>()) {
        let _ = (parse_time(&text), parse_date(&text), parse_zone(&text));
    }
}

/// What the planner relies on.
fn is_sound(kind: CampaignType, settings: &CampaignSettings) -> bool {
    let Some(outbound) = &settings.outbound else {
        return kind == CampaignType::Inbound;
    };
    let ranges = &outbound.hours.ranges;
    let range_is_sound = |range: &DailyRange| {
        !range.days.is_empty()
            && range.start_second < DAY_SECONDS
            && (1..=DAY_SECONDS).contains(&range.end_second)
            && range.start_second != range.end_second
    };
    (!ranges.is_empty() || kind == CampaignType::Inbound)
        && ranges.iter().all(range_is_sound)
        && (1..=10).contains(&settings.priority)
        && settings.max_concurrent_calls != Some(0)
        && settings.max_calls_per_minute != Some(0)
        && outbound.policy.max_call_attempts >= 1
        && outbound.policy.max_daily_attempts >= 1
        && i64::from(outbound.policy.min_gap_minutes) >= MIN_GAP_MINUTES
}

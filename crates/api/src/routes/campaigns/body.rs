//! Schemas of the bodies that hold settings.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::Outcome;
use domain::campaign::CampaignType;
use domain::settings::{CallingEntity, DialerType, LeadTimezone};
use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Array, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::body::RequestBody;

const DAYS: [&str; 7] = [
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
];

/// Settings to change. What is left out stays; `null` clears.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only its schema is used: settings are merged as JSON, see `draft`"
)]
pub(crate) struct CampaignPatch {
    /// Display name.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 200,
        example = "Q4 Outreach v2"
    )]
    name: Option<String>,
    /// The voice provider's id of the assistant, workflow or squad; checked there.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 200,
        example = "asst_xyz456"
    )]
    assistant_id: Option<String>,
    /// Global id of the voice provider that places the calls.
    #[schema(nullable = false, example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")]
    tenant_voice_provider_id: Option<String>,
    /// The same under its older name; give one of the two.
    #[schema(nullable = false, example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")]
    voiceai_pod_id: Option<String>,
    #[schema(schema_with = dialer_type)]
    dialer_type: Option<String>,
    #[schema(schema_with = vapi_calling_entity)]
    vapi_calling_entity: Option<String>,
    /// The voice provider's id of the number a `SINGLE` campaign calls from; checked there.
    #[schema(min_length = 1, max_length = 200, example = "pn_xyz456")]
    phone_number_id: Option<String>,
    /// Global id of the pool a `POOL` campaign calls from.
    #[schema(example = "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz")]
    phone_number_pool_id: Option<String>,
    /// First day, in the campaign's zone. Required when OUTBOUND.
    #[schema(format = Date, example = "2026-01-05")]
    start_date: Option<String>,
    /// Last day, inclusive; on or after `start_date`. Open-ended when absent.
    #[schema(format = Date, example = "2026-03-31")]
    end_date: Option<String>,
    /// IANA name of the campaign's zone. Required when OUTBOUND.
    #[schema(example = "America/Chicago")]
    timezone: Option<String>,
    #[schema(schema_with = days_of_week)]
    days_of_week: Option<Vec<String>>,
    /// Local time from which it dials, `HH:MM` or `HH:MM:SS`. Required when OUTBOUND, unless `windows` is given.
    #[schema(example = "08:00")]
    daily_start_time: Option<String>,
    /// Local time until which it dials, after `daily_start_time`.
    #[schema(example = "18:00")]
    daily_end_time: Option<String>,
    /// Most attempts per lead. Required when OUTBOUND.
    #[schema(minimum = 1, maximum = 100, example = 5)]
    max_call_attempts: Option<i64>,
    /// Most attempts per lead and local day. Required when OUTBOUND.
    #[schema(minimum = 1, maximum = 100, example = 2)]
    max_daily_attempts: Option<i64>,
    /// Least pause between attempts of a lead, in minutes. Required when OUTBOUND.
    #[schema(minimum = 3, maximum = 525_600, example = 120)]
    min_gap_between_attempts: Option<i64>,
    /// Whether a mailbox counts as reached and ends the attempts.
    #[schema(default = false, example = false)]
    consider_voicemail_as_answered: Option<bool>,
    /// Public HTTP address that events of the campaign are sent to.
    #[schema(
        format = "uri",
        max_length = 2_048,
        example = "https://yourapp.com/webhooks/campaign"
    )]
    webhook_url: Option<String>,
    /// Several ranges a day, which may cross midnight; replaces the daily pair.
    #[schema(min_items = 1, max_items = 50)]
    windows: Option<Vec<Window>>,
    /// Local dates without calls.
    #[schema(max_items = 1_000, example = json!(["2026-12-25"]))]
    blackout_dates: Option<Vec<String>>,
    /// Most calls of the campaign at once.
    #[schema(minimum = 1, maximum = 100_000, example = 10)]
    max_concurrent_calls: Option<i64>,
    /// Most calls of the campaign started in a minute.
    #[schema(minimum = 1, maximum = 100_000, example = 60)]
    max_calls_per_minute: Option<i64>,
    /// Weight against other campaigns of the same voice provider.
    #[schema(minimum = 1, maximum = 10, default = 5, example = 5)]
    priority: Option<i64>,
    /// Preset ids of calling rules; only `none` is supported yet.
    #[schema(max_items = 50, example = json!(["none"]))]
    calling_rules: Option<Vec<String>>,
    #[schema(schema_with = lead_timezone)]
    lead_timezone: Option<String>,
    /// Pauses before the second, third … attempt, in minutes; growing, never below the least pause.
    #[schema(max_items = 50, example = json!([120, 240, 1440]))]
    retry_gaps_minutes: Option<Vec<i64>>,
    #[schema(schema_with = retry_outcomes)]
    retry_outcomes: Option<Vec<String>>,
    /// Whether the campaign completes by itself when every lead is final.
    #[schema(default = true)]
    complete_when_done: Option<bool>,
    /// Not supported yet.
    disclosure: Option<String>,
    /// Your own labels: up to 50 texts by key.
    #[schema(example = json!({ "team": "north" }))]
    metadata: Option<BTreeMap<String, String>>,
}

/// One range of hours.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Window {
    #[schema(schema_with = days_of_week)]
    days_of_week: Option<Vec<String>>,
    /// `HH:MM` or `HH:MM:SS`.
    #[schema(example = "22:00")]
    start_time: String,
    /// `HH:MM`, `HH:MM:SS` or `24:00`; at or before the start means the next day.
    #[schema(example = "02:00")]
    end_time: String,
}

impl RequestBody for CampaignPatch {}

/// Settings of a new campaign.
#[derive(serde::Deserialize)]
pub(crate) struct CampaignCreate {}

impl RequestBody for CampaignCreate {}

/// The schema of a change, with the direction and with what a campaign cannot be without. The
/// voice provider is not among it, because it has two names.
impl PartialSchema for CampaignCreate {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut object)) = CampaignPatch::schema() else {
            return CampaignPatch::schema();
        };
        object.description = Some("Settings of a new campaign.".to_owned());
        object
            .properties
            .insert("type".to_owned(), RefOr::T(Schema::Object(campaign_type())));
        object.required = ["name", "type", "assistant_id", "dialer_type"]
            .map(str::to_owned)
            .to_vec();
        RefOr::T(Schema::Object(object))
    }
}

impl ToSchema for CampaignCreate {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("CampaignCreate")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        CampaignPatch::schemas(schemas);
    }
}

fn words<'a>(description: &str, all: impl IntoIterator<Item = &'a str>, nullable: bool) -> Object {
    let mut values: Vec<Value> = all.into_iter().map(Value::from).collect();
    let kind = if nullable {
        values.push(Value::Null);
        SchemaType::from_iter([Type::String, Type::Null])
    } else {
        SchemaType::new(Type::String)
    };
    ObjectBuilder::new()
        .schema_type(kind)
        .enum_values(Some(values))
        .description(Some(description))
        .build()
}

fn list_of_words<'a>(
    description: &str,
    all: impl IntoIterator<Item = &'a str>,
    least: usize,
) -> Array {
    let mut word = words("", all, false);
    word.description = None;
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(word)
        .min_items(Some(least))
        .unique_items(true)
        .description(Some(description))
        .build()
}

fn campaign_type() -> Object {
    let all = CampaignType::ALL.iter().map(|kind| kind.as_str());
    words(
        "Direction; cannot change later. Only OUTBOUND campaigns can be started yet.",
        all,
        false,
    )
}

fn dialer_type() -> Object {
    words(
        "Whether it calls from one number or from a pool.",
        DialerType::ALL.iter().map(|kind| kind.as_str()),
        false,
    )
}

fn vapi_calling_entity() -> Object {
    let all = CallingEntity::ALL.iter().map(|kind| kind.as_str());
    words(
        "What `assistant_id` names at Vapi; an assistant when absent.",
        all,
        true,
    )
}

fn lead_timezone() -> Object {
    let all = LeadTimezone::ALL.iter().map(|kind| kind.as_str());
    words(
        "Whose clock the hours are read on; `CAMPAIGN` when absent.",
        all,
        true,
    )
}

fn days_of_week() -> Array {
    list_of_words("Days on which it dials. Required when OUTBOUND.", DAYS, 1)
}

fn retry_outcomes() -> Array {
    let all = Outcome::RETRIED_BY_DEFAULT
        .iter()
        .map(|outcome| outcome.as_str());
    list_of_words(
        "Outcomes after which a lead is tried again; all of these when absent.",
        all,
        0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schemas;
    use domain::settings::{
        MAX_ATTEMPTS, MAX_BLACKOUT_DATES, MAX_GAP_MINUTES, MAX_NAME_CHARS, MAX_PACING,
        MAX_RETRY_GAPS, MAX_WINDOWS, MIN_GAP_MINUTES, SettingsDraft,
    };
    use serde_json::json;

    fn properties() -> Value {
        serde_json::to_value(CampaignPatch::schema()).unwrap()["properties"].clone()
    }

    #[test]
    fn every_setting_is_in_the_schema_and_nothing_else() {
        let properties = properties();
        let mut shown: Vec<_> = properties
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        shown.retain(|name| *name != "voiceai_pod_id");
        assert_eq!(shown, SettingsDraft::FIELDS);
    }

    #[test]
    fn the_bounds_shown_are_the_bounds_that_hold() {
        let all = properties();
        assert_eq!(all["name"]["maxLength"], json!(MAX_NAME_CHARS));
        assert_eq!(all["max_call_attempts"]["maximum"], json!(MAX_ATTEMPTS));
        assert_eq!(
            all["min_gap_between_attempts"]["minimum"],
            json!(MIN_GAP_MINUTES)
        );
        assert_eq!(
            all["min_gap_between_attempts"]["maximum"],
            json!(MAX_GAP_MINUTES)
        );
        assert_eq!(all["windows"]["maxItems"], json!(MAX_WINDOWS));
        assert_eq!(all["blackout_dates"]["maxItems"], json!(MAX_BLACKOUT_DATES));
        assert_eq!(all["max_concurrent_calls"]["maximum"], json!(MAX_PACING));
        assert_eq!(all["retry_gaps_minutes"]["maxItems"], json!(MAX_RETRY_GAPS));
    }

    #[test]
    fn null_clears_all_but_four_settings() {
        let schema = Schemas::default().of::<CampaignPatch>().unwrap();
        for name in SettingsDraft::FIELDS {
            let faults = schema.faults(&json!({ *name: null }));
            let kept = [
                "name",
                "assistant_id",
                "tenant_voice_provider_id",
                "dialer_type",
            ]
            .contains(name);
            let expected: Vec<_> = kept.then_some("not_nullable").into_iter().collect();
            assert_eq!(
                faults.iter().map(|fault| fault.code).collect::<Vec<_>>(),
                expected,
                "{name}"
            );
        }
    }
}

//! A campaign as it is shown.

use std::collections::BTreeMap;

use domain::settings::{DEFAULT_PRIORITY, LeadTimezone, SettingsDraft};
use domain::{LineId, PoolId};
use serde::Serialize;
use store::{CampaignRecord, LeadCounts};
use utoipa::ToSchema;

use crate::ids::GlobalId;
use crate::wire::instant;

/// A campaign: what it is, every setting by its request name, and where it stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CampaignView {
    /// Global id of the campaign.
    #[schema(example = "Vm9pY2VDYW1wYWlnbjoxMjM=")]
    campaign_id: String,
    /// Display name.
    #[schema(example = "Q4 Outreach")]
    campaign_name: String,
    /// `INBOUND` or `OUTBOUND`.
    #[schema(example = "OUTBOUND")]
    campaign_type: &'static str,
    /// `DRAFT`, `RUNNING`, `PAUSED`, `COMPLETED`, `STOPPED` or `ARCHIVED`.
    #[schema(example = "DRAFT")]
    campaign_status: &'static str,
    /// Display name.
    name: String,
    /// `INBOUND` or `OUTBOUND`.
    r#type: &'static str,
    /// The voice provider's id of the assistant, workflow or squad.
    assistant_id: Option<String>,
    /// Global id of the voice provider.
    tenant_voice_provider_id: Option<String>,
    /// `SINGLE` or `POOL`.
    dialer_type: Option<String>,
    /// `ASSISTANT`, `WORKFLOW` or `SQUAD`; `null` stands for an assistant.
    vapi_calling_entity: Option<String>,
    /// The voice provider's id of the number of a `SINGLE` campaign.
    phone_number_id: Option<String>,
    /// Global id of the pool of a `POOL` campaign.
    phone_number_pool_id: Option<String>,
    /// First day, in the campaign's zone.
    start_date: Option<String>,
    /// Last day, inclusive.
    end_date: Option<String>,
    /// IANA name of the campaign's zone.
    timezone: Option<String>,
    /// Days on which it dials.
    days_of_week: Option<Vec<String>>,
    /// Local time from which it dials.
    daily_start_time: Option<String>,
    /// Local time until which it dials.
    daily_end_time: Option<String>,
    /// Most attempts per lead.
    max_call_attempts: Option<i64>,
    /// Most attempts per lead and local day.
    max_daily_attempts: Option<i64>,
    /// Least pause between attempts of a lead, in minutes.
    min_gap_between_attempts: Option<i64>,
    /// Whether a mailbox counts as reached.
    consider_voicemail_as_answered: bool,
    /// Where events of the campaign are sent.
    webhook_url: Option<String>,
    /// Ranges that replace the daily pair.
    windows: Option<Vec<WindowView>>,
    /// Local dates without calls.
    blackout_dates: Option<Vec<String>>,
    /// Most calls at once.
    max_concurrent_calls: Option<i64>,
    /// Most calls started in a minute.
    max_calls_per_minute: Option<i64>,
    /// Weight against other campaigns of the same voice provider.
    priority: i64,
    /// Preset ids of calling rules.
    calling_rules: Vec<String>,
    /// Whose clock the hours are read on.
    lead_timezone: String,
    /// Growing pauses, in minutes.
    retry_gaps_minutes: Option<Vec<i64>>,
    /// Outcomes after which a lead is tried again.
    retry_outcomes: Option<Vec<String>>,
    /// Whether it completes by itself when every lead is final.
    complete_when_done: bool,
    /// Not supported yet.
    disclosure: Option<String>,
    /// Your own labels.
    metadata: BTreeMap<String, String>,
    /// Why it does or does not dial right now; `null` unless it is RUNNING.
    #[schema(example = "OUTSIDE_WINDOW")]
    status_reason: Option<&'static str>,
    /// Whether the check at the voice provider was skipped.
    unverified: bool,
    /// Counts changes; also the `ETag`.
    revision: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// How many leads are in each state.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({ "READY": 120, "IN_CALL": 3 }))]
    leads: LeadCounts,
}

/// One range of hours.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct WindowView {
    /// Days on which the range begins; `null`: the campaign's.
    days_of_week: Option<Vec<String>>,
    /// Local time of its start.
    start_time: String,
    /// Local time of its end.
    end_time: String,
}

impl CampaignView {
    pub(crate) fn of(record: &CampaignRecord) -> Self {
        let draft = SettingsDraft::clone(&record.draft);
        let name = draft.name.unwrap_or_default();
        let windows = draft.windows.map(|windows| {
            let view = |window: domain::settings::WindowDraft| WindowView {
                days_of_week: window.days_of_week,
                start_time: window.start_time,
                end_time: window.end_time,
            };
            windows.into_iter().map(view).collect()
        });
        Self {
            campaign_id: record.campaign_id.global(),
            campaign_name: name.clone(),
            campaign_type: record.kind.as_str(),
            campaign_status: record.status.as_str(),
            name,
            r#type: record.kind.as_str(),
            assistant_id: draft.assistant_id,
            tenant_voice_provider_id: draft
                .tenant_voice_provider_id
                .map(|id| LineId::from_raw(id).global()),
            dialer_type: draft.dialer_type,
            vapi_calling_entity: draft.vapi_calling_entity,
            phone_number_id: draft.phone_number_id,
            phone_number_pool_id: draft
                .phone_number_pool_id
                .map(|id| PoolId::from_raw(id).global()),
            start_date: draft.start_date,
            end_date: draft.end_date,
            timezone: draft.timezone,
            days_of_week: draft.days_of_week,
            daily_start_time: draft.daily_start_time,
            daily_end_time: draft.daily_end_time,
            max_call_attempts: draft.max_call_attempts,
            max_daily_attempts: draft.max_daily_attempts,
            min_gap_between_attempts: draft.min_gap_between_attempts,
            consider_voicemail_as_answered: draft.consider_voicemail_as_answered.unwrap_or(false),
            webhook_url: draft.webhook_url,
            windows,
            blackout_dates: draft.blackout_dates,
            max_concurrent_calls: draft.max_concurrent_calls,
            max_calls_per_minute: draft.max_calls_per_minute,
            priority: draft.priority.unwrap_or(i64::from(DEFAULT_PRIORITY)),
            calling_rules: draft
                .calling_rules
                .unwrap_or_else(|| vec!["none".to_owned()]),
            lead_timezone: draft
                .lead_timezone
                .unwrap_or_else(|| LeadTimezone::Campaign.to_string()),
            retry_gaps_minutes: draft.retry_gaps_minutes,
            retry_outcomes: draft.retry_outcomes,
            complete_when_done: draft.complete_when_done.unwrap_or(true),
            disclosure: draft.disclosure,
            metadata: draft.metadata.unwrap_or_default(),
            status_reason: record
                .status_reason
                .map(domain::campaign::StatusReason::as_str),
            unverified: record.unverified,
            revision: record.revision,
            created_at: instant(record.created_at),
            updated_at: instant(record.updated_at),
            leads: record.lead_counts.clone(),
        }
    }
}

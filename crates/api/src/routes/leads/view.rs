use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{CampaignRecord, LeadRecord};
use utoipa::ToSchema;

use super::next_attempt::NextAttempt;
use crate::ids::GlobalId;
use crate::wire::instant;

/// A lead: one person in one campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeadView {
    /// Global id of the lead.
    #[schema(example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA==")]
    campaign_lead_id: String,
    /// Global id of its campaign.
    #[schema(example = "Vm9pY2VDYW1wYWlnbjoxMjM=")]
    campaign_id: String,
    /// Whom to call, in E.164.
    #[schema(example = "+14155552671")]
    phone_number: String,
    /// First name.
    first_name: Option<String>,
    /// Last name.
    last_name: Option<String>,
    /// E-mail address.
    email: Option<String>,
    /// Free fields; they reach the assistant as variables.
    #[schema(value_type = Object)]
    custom_fields: Map<String, Value>,
    /// IANA zone of the person.
    timezone: Option<String>,
    /// Urgency inside the campaign, 1 to 10.
    priority: Option<u8>,
    /// No attempt before.
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// `READY`, `IN_CALL`, `UNRESOLVED`, `ANSWERED`, `EXHAUSTED`, `OPTED_OUT` or `INVALID`.
    #[schema(example = "READY")]
    status: &'static str,
    /// Attempts that count, since the last re-queue.
    attempts: u32,
    /// Of these, on the campaign's present local day.
    attempts_today: u32,
    /// How the last finished attempt ended.
    #[schema(example = "NO_ANSWER")]
    last_outcome: Option<&'static str>,
    /// When the last attempt began.
    #[schema(format = DateTime)]
    last_attempt_at: Option<String>,
    /// When the next attempt is expected; limits of the line or the campaign can delay it.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// What the next attempt waits for; `due` when for its turn only, `null` when there is none.
    #[schema(example = "outside_window")]
    next_attempt_reason: Option<&'static str>,
    /// Counts changes by users.
    revision: i64,
    /// When it was added.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl LeadView {
    /// The lead as of `now`.
    pub(crate) fn of(lead: &LeadRecord, campaign: &CampaignRecord, now: Timestamp) -> Self {
        let next = NextAttempt::of(lead, campaign, now);
        let fields = lead.fields.clone();
        Self {
            campaign_lead_id: lead.lead_id.global(),
            campaign_id: lead.campaign_id.global(),
            phone_number: lead.phone.as_str().to_owned(),
            first_name: fields.first_name,
            last_name: fields.last_name,
            email: fields.email,
            custom_fields: fields.custom_fields,
            timezone: fields.timezone,
            priority: fields.priority,
            not_before: fields.not_before.map(instant),
            status: lead.status.as_str(),
            attempts: lead.attempts,
            attempts_today: lead.attempts_today,
            last_outcome: lead.last_outcome.map(domain::Outcome::as_str),
            last_attempt_at: lead.last_attempt_at.map(instant),
            next_attempt_at: next.at.map(instant),
            next_attempt_reason: next.reason,
            revision: lead.revision,
            created_at: instant(lead.created_at),
            updated_at: instant(lead.updated_at),
        }
    }
}

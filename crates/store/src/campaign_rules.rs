//! What may change of a campaign, and how a change is told, the same on every back end. Pure.

use domain::campaign::{CampaignCommand, CampaignStatus};
use domain::settings::SettingsDraft;
use serde_json::{Map, Value, json};

use crate::error::{Conflict, StoreResult};

/// Settings that no call depends on: always free.
pub const FREE: &[&str] = &["name", "metadata", "webhook_url"];
/// Settings that can make a waiting lead due earlier than its hint says. Hours and dates are not
/// among them: leads are judged, and hints written, only while the calendar is open.
pub const HINTED: &[&str] = &[
    "timezone",
    "max_daily_attempts",
    "min_gap_between_attempts",
    "retry_gaps_minutes",
];
/// The setting that opens a COMPLETED campaign again.
pub const REOPENING: &str = "end_date";

/// Who places the calls: it never changes under a campaign that runs, nor by reopening one.
pub const PLACING: &str = "tenant_voice_provider_id";

/// What may change in which status, as the contract has it. A change that reopens a COMPLETED
/// campaign is one of a running campaign: it may change what one of those may.
pub fn check_edit_matrix(status: CampaignStatus, changed: &[&'static str]) -> StoreResult<()> {
    let reopens = changed.contains(&REOPENING);
    let is_frozen = |field: &&'static str| {
        if FREE.contains(field) {
            return false;
        }
        match status {
            CampaignStatus::Draft | CampaignStatus::Paused => false,
            CampaignStatus::Running => *field == PLACING,
            CampaignStatus::Completed => !reopens || *field == PLACING,
            CampaignStatus::Stopped | CampaignStatus::Archived => true,
        }
    };
    let fields: Vec<_> = changed.iter().copied().filter(is_frozen).collect();
    if fields.is_empty() {
        Ok(())
    } else {
        Err(Conflict::Frozen { status, fields }.into())
    }
}

/// What differs between two drafts, as setting → `{"from": …, "to": …}`.
pub fn changes(before: &SettingsDraft, after: &SettingsDraft) -> Map<String, Value> {
    // Texts, numbers, and lists and maps of them: writing one as JSON cannot fail.
    let value = |draft: &SettingsDraft, field| {
        let value = draft.serialize_field(field, serde_json::value::Serializer);
        value.unwrap_or_default()
    };
    let change = |field: &'static str| {
        let change = from_to(value(before, field), value(after, field));
        (field.to_owned(), change)
    };
    before
        .changed_fields(after)
        .into_iter()
        .map(change)
        .collect()
}

/// One entry of a revision's changes.
pub fn from_to(from: impl Into<Value>, to: impl Into<Value>) -> Value {
    json!({ "from": from.into(), "to": to.into() })
}

/// The same for a status.
pub fn status_change(from: CampaignStatus, to: CampaignStatus) -> Value {
    from_to(from.as_str(), to.as_str())
}

/// The event that tells a command that was carried out, and its data.
pub fn event(
    command: CampaignCommand,
    from: CampaignStatus,
    to: CampaignStatus,
    revision: i64,
) -> (&'static str, Value) {
    let moved = json!({ "from": from.as_str(), "to": to.as_str(), "revision": revision });
    match command {
        CampaignCommand::Start => ("campaign.started", moved),
        CampaignCommand::Pause => ("campaign.paused", moved),
        CampaignCommand::Resume => ("campaign.resumed", moved),
        CampaignCommand::Stop => ("campaign.stopped", moved),
        CampaignCommand::Archive => (
            "campaign.updated",
            json!({ "changed": ["status"], "from": from.as_str(), "to": to.as_str(), "revision": revision }),
        ),
    }
}

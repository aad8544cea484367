//! What a change makes of a lead, the same on every back end. Pure.

use domain::Outcome;
use domain::campaign::LeadStatus;
use domain::settings::{DEFAULT_PRIORITY, Outbound};
use serde_json::{Map, Value};

use crate::error::{Conflict, StoreResult};
use crate::records::{LeadField, LeadFields};
use crate::writes::{LeadChange, NewLead};

/// Longest `custom_fields` as JSON, bytes.
const MAX_CUSTOM_FIELDS: usize = 64 * 1024;

/// Fields that can forbid a call that was allowed before: what was reserved is taken back.
pub const NARROWING: &[&str] = &["not_before", "timezone"];

/// What the campaign's calls to a number, in order, make of a lead that is added again: whoever was
/// reached stays reached, whoever was given up stays given up, until a user puts the lead back.
pub fn status_by_record(outcomes: &[Outcome], outbound: Option<&Outbound>) -> LeadStatus {
    let (Some(last), Some(outbound)) = (outcomes.last(), outbound) else {
        return LeadStatus::Ready;
    };
    let reached =
        |outcome: &Outcome| outbound.policy.lead_after(*outcome, 0) == LeadStatus::Answered;
    if outcomes.iter().any(reached) {
        return LeadStatus::Answered;
    }
    let counted = u32::try_from(outcomes.len()).unwrap_or(u32::MAX);
    outbound.policy.lead_after(*last, counted)
}

/// A lead's place among those that are due: 10 minus the user's priority, smaller is more urgent.
pub fn rank(fields: &LeadFields) -> u8 {
    10_u8.saturating_sub(fields.priority.unwrap_or(DEFAULT_PRIORITY))
}

/// The priority of a stored rank.
pub fn priority_of(rank: u8) -> u8 {
    10_u8.saturating_sub(rank)
}

/// What adding a lead changes of one that is there: fields that are given replace, `null` clears,
/// absent ones stay, as in every change of a lead. Nothing is said of an opt-out.
pub fn as_change(lead: &NewLead) -> LeadChange {
    let LeadFields {
        first_name,
        last_name,
        email,
        custom_fields,
        timezone,
        priority,
        not_before,
    } = lead.fields.clone();
    LeadChange {
        first_name: first_name
            .map(Some)
            .or_else(|| cleared(lead, LeadField::FirstName)),
        last_name: last_name
            .map(Some)
            .or_else(|| cleared(lead, LeadField::LastName)),
        email: email.map(Some).or_else(|| cleared(lead, LeadField::Email)),
        custom_fields: Some(custom_fields),
        timezone: timezone
            .map(Some)
            .or_else(|| cleared(lead, LeadField::Timezone)),
        priority: priority
            .map(Some)
            .or_else(|| cleared(lead, LeadField::Priority)),
        not_before: not_before
            .map(Some)
            .or_else(|| cleared(lead, LeadField::NotBefore)),
        do_not_call: None,
        mark_as_unanswered: None,
    }
}

#[expect(
    clippy::option_option,
    reason = "absent, cleared and a value are three things in a change"
)]
fn cleared<T>(lead: &NewLead, field: LeadField) -> Option<Option<T>> {
    lead.cleared.contains(&field).then_some(None)
}

/// The fields after a change.
pub fn merged(old: &LeadFields, change: &LeadChange) -> StoreResult<LeadFields> {
    let LeadChange {
        first_name,
        last_name,
        email,
        custom_fields,
        timezone,
        priority,
        not_before,
        do_not_call: _,
        mark_as_unanswered: _,
    } = change.clone();
    let old = old.clone();
    let priority = priority.unwrap_or(old.priority).unwrap_or(DEFAULT_PRIORITY);
    Ok(LeadFields {
        first_name: first_name.unwrap_or(old.first_name),
        last_name: last_name.unwrap_or(old.last_name),
        email: email.unwrap_or(old.email),
        custom_fields: merged_custom_fields(old.custom_fields, custom_fields.unwrap_or_default())?,
        timezone: timezone.unwrap_or(old.timezone),
        priority: Some(priority),
        not_before: not_before.unwrap_or(old.not_before),
    })
}

fn merged_custom_fields(
    mut fields: Map<String, Value>,
    change: Map<String, Value>,
) -> StoreResult<Map<String, Value>> {
    for (key, value) in change {
        if value.is_null() {
            fields.shift_remove(&key);
        } else {
            fields.insert(key, value);
        }
    }
    let size = serde_json::to_string(&fields).map_or(usize::MAX, |text| text.len());
    if size > MAX_CUSTOM_FIELDS {
        return Err(Conflict::TooLarge(
            "`custom_fields` of a lead hold at most 64 KiB: remove keys first",
        )
        .into());
    }
    Ok(fields)
}

/// Names of the fields that differ.
pub fn changed_fields(old: &LeadFields, new: &LeadFields) -> Vec<&'static str> {
    let differs = [
        ("first_name", old.first_name != new.first_name),
        ("last_name", old.last_name != new.last_name),
        ("email", old.email != new.email),
        ("custom_fields", old.custom_fields != new.custom_fields),
        ("timezone", old.timezone != new.timezone),
        ("priority", old.priority != new.priority),
        ("not_before", old.not_before != new.not_before),
    ];
    differs
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
}

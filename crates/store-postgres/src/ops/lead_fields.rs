//! What the user says of a lead: reading it from a row, merging changes, telling what differs. Pure.

use domain::settings::DEFAULT_PRIORITY;
use serde_json::{Map, Value};
use store::{Conflict, LeadChange, LeadFields, StoreResult};

use crate::code::{Cells, to_json};

/// Longest `custom_fields` as JSON, bytes.
const MAX_CUSTOM_FIELDS: usize = 64 * 1024;

/// Fields that can forbid a call that was allowed before: what was reserved is taken back.
pub(crate) const NARROWING: &[&str] = &["not_before", "timezone"];

/// What the user says of a lead, from its row.
pub(crate) fn read(cells: &Cells<'_>) -> StoreResult<LeadFields> {
    Ok(LeadFields {
        first_name: cells.get("first_name")?,
        last_name: cells.get("last_name")?,
        email: cells.get("email")?,
        custom_fields: cells.json("custom_fields")?,
        timezone: cells.get("timezone")?,
        priority: Some(10_u8.saturating_sub(cells.number("rank")?)),
        not_before: cells.maybe_instant("not_before")?,
    })
}

/// Smaller is more urgent.
pub(crate) fn rank(fields: &LeadFields) -> i64 {
    i64::from(10_u8.saturating_sub(fields.priority.unwrap_or(DEFAULT_PRIORITY)))
}

/// Fields that are given replace, fields that are absent stay.
pub(crate) fn as_change(fields: &LeadFields) -> LeadChange {
    let LeadFields {
        first_name,
        last_name,
        email,
        custom_fields,
        timezone,
        priority,
        not_before,
    } = fields.clone();
    LeadChange {
        first_name: first_name.map(Some),
        last_name: last_name.map(Some),
        email: email.map(Some),
        custom_fields: Some(custom_fields),
        timezone: timezone.map(Some),
        priority: priority.map(Some),
        not_before: not_before.map(Some),
        do_not_call: None,
        mark_as_unanswered: None,
    }
}

/// The fields after a change.
pub(crate) fn merged(old: &LeadFields, change: &LeadChange) -> StoreResult<LeadFields> {
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
    if to_json(&fields).len() > MAX_CUSTOM_FIELDS {
        return Err(Conflict::TooLarge(
            "`custom_fields` of a lead hold at most 64 KiB: remove keys first",
        )
        .into());
    }
    Ok(fields)
}

/// Names of the fields that differ.
pub(crate) fn changed_fields(old: &LeadFields, new: &LeadFields) -> Vec<&'static str> {
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

//! Writing leads: the one way in for single additions, imports and copies, and for changed fields.

use domain::campaign::{CampaignStatus, LeadStatus};
use domain::{CampaignId, LeadId, Outcome, PhoneNumber};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::json;
use store::lead_rules::{
    NARROWING, as_change, changed_fields, merged, priority_of, rank, status_by_record,
};
use store::{
    Caller, Conflict, LeadFields, LeadKey, NO_LEAD, NewLead, OnDuplicate, Scope, StoreResult,
};

use crate::code::{Cells, micros, to_json};
use crate::events::{self, Subject};
use crate::ops::campaigns::Head;
use crate::ops::{campaign_edit, do_not_call, due, query};
use crate::writer::Work;

/// What became of a lead that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Added(LeadId),
    Updated(LeadId),
    Skipped(LeadId),
}

/// A lead as stored.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) lead_id: LeadId,
    pub(crate) campaign_id: CampaignId,
    pub(crate) phone: PhoneNumber,
    pub(crate) status: LeadStatus,
    pub(crate) fields: LeadFields,
    pub(crate) last_outcome: Option<Outcome>,
    pub(crate) last_attempt_at: Option<Timestamp>,
    pub(crate) requeued_at: Option<Timestamp>,
    pub(crate) revision: i64,
}

impl Row {
    /// Whether nothing was tried since it was put back.
    pub(crate) fn is_requeued(&self) -> bool {
        self.requeued_at.is_some() && self.requeued_at >= self.last_attempt_at
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT lead_id, campaign_id, phone, status, timezone, rank, not_before, last_outcome,
                    last_attempt_at, requeued_at, first_name, last_name, email, custom_fields, revision
             FROM leads ",
            $rest
        )
    };
}

/// The lead of the campaign with this key.
pub(crate) fn find(
    db: &Connection,
    campaign_id: CampaignId,
    key: &LeadKey,
) -> StoreResult<Option<Row>> {
    match key {
        LeadKey::Id(lead_id) => find_by_id(db, campaign_id, *lead_id),
        LeadKey::Phone(phone) => {
            let sql = select!("WHERE campaign_id = ?1 AND phone = ?2");
            query::one(db, sql, params![campaign_id.raw(), phone.as_str()], read)
        }
    }
}

/// The lead of the campaign with this id.
pub(crate) fn find_by_id(
    db: &Connection,
    campaign_id: CampaignId,
    lead_id: LeadId,
) -> StoreResult<Option<Row>> {
    let sql = select!("WHERE campaign_id = ?1 AND lead_id = ?2");
    query::one(db, sql, [campaign_id.raw(), lead_id.raw()], read)
}

fn read(cells: &Cells<'_, '_>) -> StoreResult<Row> {
    Ok(Row {
        lead_id: LeadId::from_raw(cells.get("lead_id")?),
        campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
        phone: cells.phone("phone")?,
        status: cells.choice("status", LeadStatus::parse)?,
        fields: fields(cells)?,
        last_outcome: cells.maybe_choice("last_outcome", Outcome::parse)?,
        last_attempt_at: cells.maybe_instant("last_attempt_at")?,
        requeued_at: cells.maybe_instant("requeued_at")?,
        revision: cells.get("revision")?,
    })
}

/// What the user says of a lead, from its row.
pub(crate) fn fields(cells: &Cells<'_, '_>) -> StoreResult<LeadFields> {
    Ok(LeadFields {
        first_name: cells.get("first_name")?,
        last_name: cells.get("last_name")?,
        email: cells.get("email")?,
        custom_fields: cells.json("custom_fields")?,
        timezone: cells.get("timezone")?,
        priority: Some(priority_of(cells.get("rank")?)),
        not_before: cells.maybe_instant("not_before")?,
    })
}

/// Adds a lead, or changes the one with its number. The caller wakes the campaign.
pub(crate) fn put(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &mut Head,
    lead: &NewLead,
    on_duplicate: OnDuplicate,
) -> StoreResult<Put> {
    if matches!(
        campaign.status,
        CampaignStatus::Stopped | CampaignStatus::Archived
    ) {
        return Err(Conflict::TakesNoLeads(campaign.status).into());
    }
    let key = LeadKey::Phone(lead.phone.clone());
    let Some(found) = find(work.tx, campaign.campaign_id, &key)? else {
        let (lead_id, status) = insert(work, caller, campaign, lead)?;
        if status == LeadStatus::Ready {
            campaign_edit::reopen(work, caller, campaign)?;
        }
        return Ok(Put::Added(lead_id));
    };
    if on_duplicate == OnDuplicate::Skip {
        return Ok(Put::Skipped(found.lead_id));
    }
    let fields = merged(&found.fields, &as_change(lead))?;
    let changed = changed_fields(&found.fields, &fields);
    if !changed.is_empty() {
        write_fields(work, caller, &found, &fields, &changed)?;
    }
    Ok(Put::Updated(found.lead_id))
}

/// What the campaign's calls to the number make of a lead that is added again.
fn status_of_record(
    work: &mut Work<'_>,
    campaign: &Head,
    phone: &PhoneNumber,
) -> StoreResult<LeadStatus> {
    let sql =
        "SELECT outcome FROM attempts WHERE campaign_id = ?1 AND phone = ?2 AND lead_id <> ?3 AND outcome IS NOT NULL
               AND (counts = 1 OR state = 'REJECTED') ORDER BY planned_at";
    let bound = params![campaign.campaign_id.raw(), phone.as_str(), NO_LEAD.raw()];
    let outcomes = query::many(work.tx, sql, bound, |cells| {
        cells.choice("outcome", Outcome::parse)
    })?;
    if outcomes.is_empty() {
        return Ok(LeadStatus::Ready);
    }
    let settings = campaign.settings(work)?;
    Ok(status_by_record(&outcomes, settings.outbound.as_ref()))
}

/// Inserts a lead: READY, unless its number is on the do-not-call list or the campaign's calls to
/// it have settled the matter.
fn insert(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &Head,
    lead: &NewLead,
) -> StoreResult<(LeadId, LeadStatus)> {
    let phone = &lead.phone;
    let fields = merged(&LeadFields::default(), &as_change(lead))?;
    let suppressed = do_not_call::has(work.tx, caller.tenant_id, phone, caller.now)?;
    let status = if suppressed {
        LeadStatus::OptedOut
    } else {
        status_of_record(work, campaign, phone)?
    };
    let lead_id = LeadId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO leads (lead_id, campaign_id, tenant_id, phone, status, timezone, rank, not_before,
                   first_name, last_name, email, custom_fields, revision, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?13, ?13)";
    let bound = params![
        lead_id.raw(),
        campaign.campaign_id.raw(),
        caller.tenant_id.raw(),
        phone.as_str(),
        status.as_str(),
        fields.timezone,
        rank(&fields),
        fields.not_before.map(micros),
        fields.first_name,
        fields.last_name,
        fields.email,
        to_json(&fields.custom_fields),
        micros(caller.now),
    ];
    query::execute(work.tx, sql, bound)?;
    due::put(work, campaign.campaign_id, lead_id, caller.now)?;
    let subject = Subject::lead(caller.tenant_id, campaign.campaign_id, lead_id);
    events::append(
        work,
        caller.now,
        "lead.added",
        subject,
        &json!({ "status": status.as_str() }),
    )?;
    Ok((lead_id, status))
}

/// The leads of a campaign with ids in `(after, up_to]`, in order.
pub(crate) fn between(
    db: &Connection,
    campaign_id: CampaignId,
    after: i64,
    up_to: i64,
    limit: u32,
) -> StoreResult<Vec<Row>> {
    let sql = select!(
        "WHERE campaign_id = ?1 AND lead_id > ?2 AND lead_id <= ?3 ORDER BY lead_id LIMIT ?4"
    );
    query::many(
        db,
        sql,
        params![campaign_id.raw(), after, up_to, limit],
        read,
    )
}

/// Writes changed fields and tells of everything that changed with them.
pub(crate) fn write_fields(
    work: &mut Work<'_>,
    caller: Caller,
    lead: &Row,
    fields: &LeadFields,
    changed: &[&'static str],
) -> StoreResult<()> {
    if changed.iter().any(|field| NARROWING.contains(field)) {
        work.revoke(Scope::Lead(lead.lead_id));
    }
    let sql = "UPDATE leads SET first_name = ?2, last_name = ?3, email = ?4, custom_fields = ?5, timezone = ?6,
                   rank = ?7, not_before = ?8, revision = revision + 1, updated_at = ?9
               WHERE lead_id = ?1 RETURNING status";
    let bound = params![
        lead.lead_id.raw(),
        fields.first_name,
        fields.last_name,
        fields.email,
        to_json(&fields.custom_fields),
        fields.timezone,
        rank(fields),
        fields.not_before.map(micros),
        micros(caller.now),
    ];
    let status = query::one(work.tx, sql, bound, |cells| {
        cells.choice("status", LeadStatus::parse)
    })?;
    if ["timezone", "priority", "not_before"]
        .iter()
        .any(|field| changed.contains(field))
    {
        due::put(work, lead.campaign_id, lead.lead_id, caller.now)?;
    }
    let subject = Subject::lead(caller.tenant_id, lead.campaign_id, lead.lead_id);
    // Where the lead is now: putting one back that must not be called leaves it opted out.
    let status = status.map(LeadStatus::as_str);
    let data = json!({ "changed": changed, "revision": lead.revision + 1, "status": status });
    events::append(work, caller.now, "lead.updated", subject, &data)
}

/// Moves a lead. The caller keeps `due` in step and tells.
pub(crate) fn set_status(
    work: &Work<'_>,
    now: Timestamp,
    lead_id: LeadId,
    status: LeadStatus,
) -> StoreResult<()> {
    let sql = "UPDATE leads SET status = ?2, updated_at = ?3 WHERE lead_id = ?1";
    query::execute(
        work.tx,
        sql,
        params![lead_id.raw(), status.as_str(), micros(now)],
    )?;
    Ok(())
}

//! Leads: adding one, and reading.

use domain::campaign::LeadStatus;
use domain::{CampaignId, LeadId, Outcome, PhoneNumber, TenantId};
use failpoint::Transaction;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, params};
use store::{
    Caller, LeadAdded, LeadFilter, LeadKey, LeadPayload, LeadRecord, NewLead, OnDuplicate, Page,
    PageRequest, StoreError, StoreResult,
};

use crate::code::{Cells, micros};
use crate::ops::lead_write::{self, Put};
use crate::ops::{campaigns, query, wake};
use crate::writer::Work;

/// No such lead in the campaign.
pub(crate) const NOT_FOUND: StoreError = StoreError::NotFound("lead");

/// Adds a lead, or changes the one with its number.
pub(crate) fn add(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    lead: &NewLead,
    on_duplicate: OnDuplicate,
) -> StoreResult<LeadAdded> {
    work.is_a(Transaction::LeadAddition);
    let mut campaign = campaigns::head(work.tx, caller.tenant_id, campaign_id)?;
    let (lead_id, created) = match lead_write::put(work, caller, &mut campaign, lead, on_duplicate)?
    {
        Put::Added(lead_id) => (lead_id, true),
        Put::Updated(lead_id) | Put::Skipped(lead_id) => (lead_id, false),
    };
    wake::campaign(work, campaign_id, caller.now)?;
    let lead = get(
        work.tx,
        caller.tenant_id,
        campaign_id,
        &LeadKey::Id(lead_id),
        caller.now,
    )?;
    Ok(LeadAdded { lead, created })
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT leads.lead_id, leads.campaign_id, phone, status, timezone, leads.rank, not_before,
                    last_outcome, last_attempt_at, requeued_at, first_name, last_name, email,
                    custom_fields, revision, created_at, updated_at, due_at
             FROM leads LEFT JOIN due ON due.lead_id = leads.lead_id
             WHERE leads.tenant_id = ?1 AND leads.campaign_id = ?2 ",
            $rest
        )
    };
}

/// How attempts of a campaign are counted at an instant.
struct Today<'a> {
    zone: &'a TimeZone,
    now: Timestamp,
}

/// One lead.
pub(crate) fn get(
    db: &Connection,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    key: &LeadKey,
    now: Timestamp,
) -> StoreResult<LeadRecord> {
    let zone = &campaigns::head(db, tenant_id, campaign_id)?.zone()?;
    let today = Today { zone, now };
    let read = |cells: &Cells<'_, '_>| read(db, &today, cells);
    let found = match key {
        LeadKey::Id(id) => {
            let sql = select!("AND leads.lead_id = ?3");
            query::one(
                db,
                sql,
                [tenant_id.raw(), campaign_id.raw(), id.raw()],
                read,
            )
        }
        LeadKey::Phone(phone) => {
            let sql = select!("AND phone = ?3");
            query::one(
                db,
                sql,
                params![tenant_id.raw(), campaign_id.raw(), phone.as_str()],
                read,
            )
        }
    };
    found?.ok_or(NOT_FOUND)
}

/// Leads, newest first.
pub(crate) fn list(
    db: &Connection,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    filter: &LeadFilter,
    page: PageRequest,
    now: Timestamp,
) -> StoreResult<Page<LeadRecord>> {
    let zone = &campaigns::head(db, tenant_id, campaign_id)?.zone()?;
    let all = select!(
        r"AND leads.lead_id < ?3
          AND (?5 IS NULL OR status = ?5) AND (?6 IS NULL OR last_outcome = ?6) AND (?7 IS NULL OR phone = ?7)
          AND (?8 IS NULL OR phone LIKE ?8 ESCAPE '\' OR email LIKE ?8 ESCAPE '\'
               OR concat_ws(' ', first_name, last_name) LIKE ?8 ESCAPE '\')
        ORDER BY leads.lead_id DESC LIMIT ?4"
    );
    // A number is in a campaign once: the unique index finds it.
    let of_number = select!(
        r"AND leads.lead_id < ?3 AND phone = ?7
          AND (?5 IS NULL OR status = ?5) AND (?6 IS NULL OR last_outcome = ?6)
          AND (?8 IS NULL OR phone LIKE ?8 ESCAPE '\' OR email LIKE ?8 ESCAPE '\'
               OR concat_ws(' ', first_name, last_name) LIKE ?8 ESCAPE '\')
        ORDER BY leads.lead_id DESC LIMIT ?4"
    );
    let sql = if filter.phone.is_some() {
        of_number
    } else {
        all
    };
    let bound = params![
        tenant_id.raw(),
        campaign_id.raw(),
        query::below(page),
        query::rows_for(page),
        filter.status.map(LeadStatus::as_str),
        filter.outcome.map(Outcome::as_str),
        filter.phone.as_ref().map(PhoneNumber::as_str),
        filter.text.as_deref().map(query::containing),
    ];
    let today = Today { zone, now };
    let leads = query::many(db, sql, bound, |cells| read(db, &today, cells))?;
    Ok(query::page_of(leads, page, |lead| lead.lead_id.raw()))
}

fn read(db: &Connection, today: &Today<'_>, cells: &Cells<'_, '_>) -> StoreResult<LeadRecord> {
    let campaign_id = CampaignId::from_raw(cells.get("campaign_id")?);
    let phone = cells.phone("phone")?;
    let attempts = counted_attempts(db, campaign_id, &phone, cells.maybe_instant("requeued_at")?)?;
    let date = |at: &Timestamp| today.zone.to_datetime(*at).date();
    let of_today = attempts
        .iter()
        .filter(|at| date(at) == date(&today.now))
        .count();
    Ok(LeadRecord {
        lead_id: LeadId::from_raw(cells.get("lead_id")?),
        campaign_id,
        phone,
        fields: lead_write::fields(cells)?,
        status: cells.choice("status", LeadStatus::parse)?,
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        attempts_today: u32::try_from(of_today).unwrap_or(u32::MAX),
        last_outcome: cells.maybe_choice("last_outcome", Outcome::parse)?,
        last_attempt_at: cells.maybe_instant("last_attempt_at")?,
        due_at: cells.maybe_instant("due_at")?,
        revision: cells.get("revision")?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
    })
}

/// When the attempts began that count for the number in the campaign, since the last re-queue.
/// By number and not by lead: removing and adding a lead forgets nothing.
pub(crate) fn counted_attempts(
    db: &Connection,
    campaign_id: CampaignId,
    phone: &PhoneNumber,
    requeued_at: Option<Timestamp>,
) -> StoreResult<Vec<Timestamp>> {
    let sql = "SELECT planned_at FROM attempts
               WHERE campaign_id = ?1 AND phone = ?2 AND planned_at >= ?3 AND counts = 1";
    let since = requeued_at.map_or(i64::MIN, micros);
    let bound = params![campaign_id.raw(), phone.as_str(), since];
    query::many(db, sql, bound, |cells| cells.instant("planned_at"))
}

/// What the assistants shall know of these leads, in order.
pub(crate) fn payloads(
    db: &Connection,
    lead_ids: &[LeadId],
) -> StoreResult<Vec<Option<LeadPayload>>> {
    let sql = "SELECT first_name, last_name, email, custom_fields FROM leads WHERE lead_id = ?1";
    let payload = |lead_id: &LeadId| {
        query::one(db, sql, [lead_id.raw()], |cells| {
            Ok(LeadPayload {
                first_name: cells.get("first_name")?,
                last_name: cells.get("last_name")?,
                email: cells.get("email")?,
                custom_fields: cells.json("custom_fields")?,
            })
        })
    };
    lead_ids.iter().map(payload).collect()
}

//! Leads: adding one, and reading.

use std::collections::HashMap;

use domain::campaign::LeadStatus;
use domain::{CampaignId, LeadId, Outcome, PhoneNumber, TenantId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::{
    Caller, LeadAdded, LeadFilter, LeadKey, LeadPayload, LeadRecord, NewLead, OnDuplicate, Page,
    PageRequest, StoreError, StoreResult,
};

use crate::code::{Cells, instant, micros};
use crate::ops::lead_write::{self, Put, Row};
use crate::ops::{campaigns, wake};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// No such lead in the campaign.
pub(crate) const NOT_FOUND: StoreError = StoreError::NotFound("lead");

/// Adds a lead, or changes the one with its number.
pub(crate) async fn add(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    lead: NewLead,
    on_duplicate: OnDuplicate,
) -> StoreResult<LeadAdded> {
    work.is_a(failpoint::Transaction::LeadAddition);
    let mut campaign = campaigns::head(&work.tx, caller.tenant_id, campaign_id).await?;
    let put = lead_write::put(work, caller, &mut campaign, lead, on_duplicate).await?;
    let (lead_id, created) = match put {
        Put::Added(lead_id) => (lead_id, true),
        Put::Updated(lead_id) | Put::Skipped(lead_id) => (lead_id, false),
    };
    wake::campaign(work, campaign_id, caller.now).await?;
    let id = LeadKey::Id(lead_id);
    let lead = get(&work.tx, caller.tenant_id, campaign_id, &id, caller.now).await?;
    Ok(LeadAdded { lead, created })
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT leads.lead_id, leads.campaign_id, phone, status, timezone, leads.rank, not_before,
                    last_outcome, last_attempt_at, requeued_at, first_name, last_name, email,
                    custom_fields, revision, created_at, updated_at, due_at
             FROM leads LEFT JOIN due ON due.tenant_id = leads.tenant_id AND due.lead_id = leads.lead_id
             WHERE leads.tenant_id = $1 AND leads.campaign_id = $2 ",
            $rest
        )
    };
}

/// A lead without its counts.
struct Bare {
    record: LeadRecord,
    requeued_at: Option<Timestamp>,
}

/// One lead.
pub(crate) async fn get(
    db: &Db<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    key: &LeadKey,
    now: Timestamp,
) -> StoreResult<LeadRecord> {
    let zone = campaigns::head(db, tenant_id, campaign_id).await?.zone()?;
    let (tenant, campaign) = (tenant_id.raw(), campaign_id.raw());
    let found = match key {
        LeadKey::Id(id) => {
            let sql = select!("AND leads.lead_id = $3");
            query::many(db, sql, bound![tenant, campaign, id.raw()], read).await?
        }
        LeadKey::Phone(phone) => {
            let sql = select!("AND phone = $3");
            query::many(db, sql, bound![tenant, campaign, phone.as_str()], read).await?
        }
    };
    let mut leads = counted(db, tenant_id, campaign_id, found, &zone, now).await?;
    leads.pop().ok_or(NOT_FOUND)
}

/// Leads, newest first.
pub(crate) async fn list(
    db: &Db<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    filter: &LeadFilter,
    page: PageRequest,
    now: Timestamp,
) -> StoreResult<Page<LeadRecord>> {
    let zone = campaigns::head(db, tenant_id, campaign_id).await?.zone()?;
    let all = select!(
        r#"AND leads.lead_id < $3
          AND ($5::text IS NULL OR status = $5) AND ($6::text IS NULL OR last_outcome = $6)
          AND ($7::text IS NULL OR phone = $7)
          AND ($8::text IS NULL OR phone LIKE $8 ESCAPE '\'
               OR lower(email COLLATE "C") LIKE $8 ESCAPE '\'
               OR lower(concat_ws(' ', first_name, last_name) COLLATE "C") LIKE $8 ESCAPE '\')
        ORDER BY leads.lead_id DESC LIMIT $4"#
    );
    // A number is in a campaign once: the unique index finds it.
    let of_number = select!(
        r#"AND leads.lead_id < $3 AND phone = $7::text
          AND ($5::text IS NULL OR status = $5) AND ($6::text IS NULL OR last_outcome = $6)
          AND ($8::text IS NULL OR phone LIKE $8 ESCAPE '\'
               OR lower(email COLLATE "C") LIKE $8 ESCAPE '\'
               OR lower(concat_ws(' ', first_name, last_name) COLLATE "C") LIKE $8 ESCAPE '\')
        ORDER BY leads.lead_id DESC LIMIT $4"#
    );
    let sql = if filter.phone.is_some() {
        of_number
    } else {
        all
    };
    let bound = bound![
        tenant_id.raw(),
        campaign_id.raw(),
        query::below(page),
        query::rows_for(page),
        filter.status.map(LeadStatus::as_str),
        filter.outcome.map(Outcome::as_str),
        filter.phone.as_ref().map(PhoneNumber::as_str),
        filter.text.as_deref().map(query::containing),
    ];
    let found = query::many(db, sql, bound, read).await?;
    let page = query::page_of(found, page, |lead| lead.record.lead_id.raw());
    Ok(Page {
        items: counted(db, tenant_id, campaign_id, page.items, &zone, now).await?,
        next: page.next,
    })
}

fn read(cells: &Cells<'_>) -> StoreResult<Bare> {
    let record = LeadRecord {
        lead_id: LeadId::from_raw(cells.get("lead_id")?),
        campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
        phone: cells.phone("phone")?,
        fields: lead_write::fields(cells)?,
        status: cells.choice("status", LeadStatus::parse)?,
        attempts: 0,
        attempts_today: 0,
        last_outcome: cells.maybe_choice("last_outcome", Outcome::parse)?,
        last_attempt_at: cells.maybe_instant("last_attempt_at")?,
        due_at: cells.maybe_instant("due_at")?,
        revision: cells.get("revision")?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
    };
    Ok(Bare {
        record,
        requeued_at: cells.maybe_instant("requeued_at")?,
    })
}

/// Adds the counts of all these leads, read at once.
async fn counted(
    db: &Db<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    leads: Vec<Bare>,
    zone: &TimeZone,
    now: Timestamp,
) -> StoreResult<Vec<LeadRecord>> {
    let phones: Vec<&str> = leads
        .iter()
        .map(|lead| lead.record.phone.as_str())
        .collect();
    let began = attempts_of(db, tenant_id, campaign_id, &phones).await?;
    let date = |at: Timestamp| zone.to_datetime(at).date();
    let count = |lead: Bare| {
        let mut record = lead.record;
        let since = lead.requeued_at.unwrap_or(Timestamp::MIN);
        let all = began
            .get(record.phone.as_str())
            .map_or(&[][..], Vec::as_slice);
        let counting = all.iter().filter(|at| **at >= since);
        let today = counting
            .clone()
            .filter(|at| date(**at) == date(now))
            .count();
        record.attempts = u32::try_from(counting.count()).unwrap_or(u32::MAX);
        record.attempts_today = u32::try_from(today).unwrap_or(u32::MAX);
        record
    };
    Ok(leads.into_iter().map(count).collect())
}

/// When the attempts began that count for these numbers in the campaign. By number and not by
/// lead: removing and adding a lead forgets nothing.
async fn attempts_of(
    db: &Db<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    phones: &[&str],
) -> StoreResult<HashMap<String, Vec<Timestamp>>> {
    let sql = "SELECT phone, planned_at FROM attempts
               WHERE tenant_id = $1 AND campaign_id = $2 AND phone = ANY($3) AND counts";
    let bound = bound![tenant_id.raw(), campaign_id.raw(), phones];
    let found = query::many(db, sql, bound, |cells| {
        Ok((
            cells.get::<String>("phone")?,
            instant(cells.get("planned_at")?)?,
        ))
    })
    .await?;
    let mut began: HashMap<String, Vec<Timestamp>> = HashMap::new();
    for (phone, at) in found {
        began.entry(phone).or_default().push(at);
    }
    Ok(began)
}

/// How many attempts count for the lead since it was last put back.
pub(crate) async fn counted_attempts(work: &Work<'_>, lead: &Row) -> StoreResult<u32> {
    let sql = "SELECT count(*) AS counted FROM attempts
               WHERE tenant_id = $1 AND campaign_id = $2 AND phone = $3 AND planned_at >= $4 AND counts";
    let since = lead.requeued_at.map_or(i64::MIN, micros);
    let bound = bound![
        work.tenant_id.raw(),
        lead.campaign_id.raw(),
        lead.phone.as_str(),
        since,
    ];
    let counted = query::one(&work.tx, sql, bound, |cells| cells.number("counted")).await?;
    Ok(counted.unwrap_or_default())
}

/// What the assistants shall know of these leads, in order.
pub(crate) async fn payloads(
    db: &Db<'_>,
    lead_ids: &[LeadId],
) -> StoreResult<Vec<Option<LeadPayload>>> {
    let sql = "SELECT lead_id, first_name, last_name, email, custom_fields FROM leads
               WHERE lead_id = ANY($1)";
    let ids: Vec<_> = lead_ids.iter().map(|lead_id| lead_id.raw()).collect();
    let found = query::many(db, sql, bound![ids], |cells| {
        let payload = LeadPayload {
            first_name: cells.get("first_name")?,
            last_name: cells.get("last_name")?,
            email: cells.get("email")?,
            custom_fields: cells.json("custom_fields")?,
        };
        Ok((cells.get::<i64>("lead_id")?, payload))
    })
    .await?;
    let by_id: HashMap<i64, LeadPayload> = found.into_iter().collect();
    Ok(ids.iter().map(|id| by_id.get(id).cloned()).collect())
}

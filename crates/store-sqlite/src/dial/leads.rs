//! Reading the due leads of one campaign: as many as a plan can use, with all that is asked of each.

use domain::calendar::CalendarStatus;
use domain::campaign::LeadStatus;
use domain::planner::{CohortSnapshot, LeadSnapshot, MAX_COHORTS, Share, cohort_calendar};
use domain::policy::CountedAttempt;
use domain::settings::CampaignSettings;
use domain::{CampaignId, LeadId, PhoneNumber, TenantId};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::params;
use store::StoreResult;

use crate::code::{Cells, corrupt, instant, micros};
use crate::dial::snapshot::at_most;
use crate::error::translate;
use crate::ops::do_not_call;
use crate::writer::Work;

/// All groups of the campaign, and in those that are open as many due leads as its share holds.
pub(crate) fn cohorts(
    work: &Work<'_>,
    tenant_id: TenantId,
    (campaign_id, settings): (CampaignId, &CampaignSettings),
    share: Share,
    now: Timestamp,
) -> StoreResult<Vec<CohortSnapshot>> {
    let Some(outbound) = &settings.outbound else {
        return Ok(Vec::new());
    };
    let mut cohorts = Vec::new();
    let mut after = (-1_i64, String::new());
    let mut left = share.calls;
    while cohorts.len() < MAX_COHORTS {
        let Some((rank, zone_name)) = next_cohort(work, campaign_id, &after)? else {
            break;
        };
        let zone = cohort_zone(&zone_name)?;
        let open = matches!(
            cohort_calendar(outbound, zone.as_ref(), now),
            CalendarStatus::Open { .. }
        );
        let limit = if open && left > 0 {
            left + share.spare
        } else {
            0
        };
        let group = Group {
            campaign_id,
            least_gap: SignedDuration::from_mins(i64::from(outbound.policy.min_gap_minutes)),
            rank,
            zone: &zone_name,
        };
        let (leads, next_due_at) = due_leads(work, tenant_id, &group, limit, now)?;
        left = left.saturating_sub(leads.len());
        cohorts.push(CohortSnapshot {
            zone,
            leads,
            next_due_at,
        });
        after = (rank, zone_name);
    }
    Ok(cohorts)
}

/// The zone of a group. Names were checked when they were stored.
fn cohort_zone(name: &str) -> StoreResult<Option<TimeZone>> {
    if name.is_empty() {
        return Ok(None);
    }
    let zone = domain::settings::parse_zone(name);
    zone.map(Some)
        .map_err(|_| corrupt(format!("zone {name} of a lead is unknown")))
}

fn next_cohort(
    work: &Work<'_>,
    campaign_id: CampaignId,
    after: &(i64, String),
) -> StoreResult<Option<(i64, String)>> {
    // By `(rank, zone) > (?2, ?3)` SQLite would begin at the first row that equals them, and read the whole
    // group to its end: a million rows, perhaps. Nothing is due at the last instant.
    let sql =
        "SELECT rank, zone FROM due WHERE campaign_id = ?1 AND (rank, zone, due_at) > (?2, ?3, ?4)
               ORDER BY rank, zone LIMIT 1";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query(params![campaign_id.raw(), after.0, after.1, i64::MAX])
        .map_err(translate)?;
    let Some(row) = rows.next().map_err(translate)? else {
        return Ok(None);
    };
    let cells = Cells::of(row);
    Ok(Some((cells.get("rank")?, cells.get("zone")?)))
}

struct Group<'a> {
    campaign_id: CampaignId,
    /// Least pause of the campaign between attempts.
    least_gap: SignedDuration,
    rank: i64,
    zone: &'a str,
}

struct DueRow {
    lead_id: LeadId,
    phone: PhoneNumber,
    status: LeadStatus,
    not_before: Option<Timestamp>,
    requeued_at: Option<Timestamp>,
}

/// Due leads of a group, and the hint of the first one left out.
fn due_leads(
    work: &Work<'_>,
    tenant_id: TenantId,
    group: &Group<'_>,
    limit: usize,
    now: Timestamp,
) -> StoreResult<(Vec<LeadSnapshot>, Option<Timestamp>)> {
    let sql = "SELECT due.due_at, lead_id, phone, status, leads.not_before, requeued_at
               FROM due JOIN leads USING (lead_id)
               WHERE due.campaign_id = ?1 AND due.rank = ?2 AND due.zone = ?3
               ORDER BY due.due_at, due.lead_id LIMIT ?4";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let bound = params![
        group.campaign_id.raw(),
        group.rank,
        group.zone,
        at_most(limit + 1)
    ];
    let mut rows = statement.query(bound).map_err(translate)?;
    let (mut found, mut next_due_at) = (Vec::new(), None);
    while let Some(row) = rows.next().map_err(translate)? {
        let cells = Cells::of(row);
        let due_at = instant(cells.get("due_at")?)?;
        if due_at > now || found.len() >= limit {
            next_due_at = Some(due_at);
            break;
        }
        found.push(DueRow {
            lead_id: LeadId::from_raw(cells.get("lead_id")?),
            phone: cells.phone("phone")?,
            status: cells.choice("status", LeadStatus::parse)?,
            not_before: cells.maybe_instant("not_before")?,
            requeued_at: cells.maybe_instant("requeued_at")?,
        });
    }
    let leads = found
        .into_iter()
        .map(|row| lead(work, tenant_id, group, row, now));
    Ok((leads.collect::<StoreResult<_>>()?, next_due_at))
}

fn lead(
    work: &Work<'_>,
    tenant_id: TenantId,
    group: &Group<'_>,
    row: DueRow,
    now: Timestamp,
) -> StoreResult<LeadSnapshot> {
    Ok(LeadSnapshot {
        history: history(work, group.campaign_id, &row.phone, row.requeued_at, now)?,
        suppressed: is_suppressed(work, tenant_id, &row.phone, now)?,
        phone_in_call: is_in_call(work, tenant_id, &row.phone)?,
        not_before: row.not_before.max(rested_at(work, group, &row, now)?),
        lead_id: row.lead_id,
        phone: row.phone,
        status: row.status,
    })
}

/// A re-queue gives fresh caps, not a call on the heels of the last one: the least pause holds
/// across it.
fn rested_at(
    work: &Work<'_>,
    group: &Group<'_>,
    row: &DueRow,
    now: Timestamp,
) -> StoreResult<Option<Timestamp>> {
    if row.requeued_at.is_none() {
        return Ok(None);
    }
    let attempts = history(work, group.campaign_id, &row.phone, None, now)?;
    let last_end = attempts.iter().map(|attempt| attempt.ended_at).max();
    Ok(last_end.map(|end| end.saturating_add(group.least_gap).unwrap_or(end)))
}

/// Attempts that count, by number and not by lead: removing and adding a lead forgets nothing.
pub(crate) fn history(
    work: &Work<'_>,
    campaign_id: CampaignId,
    phone: &PhoneNumber,
    requeued_at: Option<Timestamp>,
    now: Timestamp,
) -> StoreResult<Vec<CountedAttempt>> {
    let sql = "SELECT planned_at, coalesce(gap_from, ended_at, ?4) AS ended_at FROM attempts
               WHERE campaign_id = ?1 AND phone = ?2 AND planned_at >= ?3 AND counts = 1";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let since = requeued_at.map_or(i64::MIN, micros);
    let since = domain::planted!("history_forgotten", since, micros(now) - 3_600_000_000);
    let mut rows = statement
        .query(params![
            campaign_id.raw(),
            phone.as_str(),
            since,
            micros(now)
        ])
        .map_err(translate)?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next().map_err(translate)? {
        let cells = Cells::of(row);
        attempts.push(CountedAttempt {
            started_at: cells.instant("planned_at")?,
            ended_at: cells.instant("ended_at")?,
        });
    }
    Ok(attempts)
}

/// Whether the tenant's do-not-call list has the number.
pub(crate) fn is_suppressed(
    work: &Work<'_>,
    tenant_id: TenantId,
    phone: &PhoneNumber,
    now: Timestamp,
) -> StoreResult<bool> {
    do_not_call::has(work.tx, tenant_id, phone, now)
}

/// Whether the tenant has a live attempt to the number.
pub(crate) fn is_in_call(
    work: &Work<'_>,
    tenant_id: TenantId,
    phone: &PhoneNumber,
) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM attempts WHERE tenant_id = ?1 AND phone = ?2 AND live = 1";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    statement
        .exists(params![tenant_id.raw(), phone.as_str()])
        .map_err(translate)
}

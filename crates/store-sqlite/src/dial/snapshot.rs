//! Reading a bounded snapshot of one line inside the planning transaction.

use std::collections::HashMap;
use std::sync::Arc;

use domain::calendar::{CalendarStatus, DAY_SECONDS, DailyRange, Hours, Weekdays};
use domain::campaign::{CampaignStatus, CampaignType, LeadStatus};
use domain::planner::{
    CampaignSnapshot, CohortSnapshot, LOOKAHEAD, LeadSnapshot, LineSnapshot, MAX_CALLS_PER_PLAN,
    NumberSnapshot, cohort_calendar,
};
use domain::policy::CountedAttempt;
use domain::settings::{CampaignSettings, Numbers};
use domain::{CampaignId, LeadId, LineId, PhoneNumber, PoolId, TenantId};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::params;
use store::{PoolStrategy, StoreResult};

use crate::code::{Cells, corrupt, instant, micros};
use crate::error::translate;
use crate::ops::do_not_call;
use crate::ops::query;
use crate::writer::Work;

/// Awake campaigns of one line in one plan; those furthest behind come first.
const MAX_CAMPAIGNS: usize = 64;
/// Groups of leads of one campaign in one plan: every zone of the world, at ten urgencies.
const MAX_COHORTS: usize = 6_000;
/// Leads beyond the calls that could be placed, because some will be deferred.
const SPARE_LEADS: usize = 16;

/// The snapshot with what the planner does not need but a reservation does.
pub(crate) struct Line {
    pub(crate) tenant_id: TenantId,
    pub(crate) snapshot: LineSnapshot,
    pub(crate) revisions: HashMap<CampaignId, i64>,
}

/// Live attempts of a line by campaign and by number.
#[derive(Default)]
struct Live {
    total: u32,
    by_campaign: HashMap<i64, u32>,
    by_number: HashMap<String, u32>,
}

/// Loads the line, if it exists.
pub(crate) fn load(
    work: &mut Work<'_>,
    line_id: LineId,
    tenant_id: TenantId,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let Some(mut snapshot) = line_row(work, line_id)? else {
        return Ok(None);
    };
    let live = live_calls(work, line_id)?;
    snapshot.live_calls = live.total;
    let budget = budget(&snapshot, now);
    let rows = campaign_rows(work, line_id, now)?;
    snapshot.more_campaigns = rows.len() > MAX_CAMPAIGNS;
    let rests = number_rests(work, line_id, now)?;
    let mut revisions = HashMap::new();
    for row in rows.into_iter().take(MAX_CAMPAIGNS) {
        revisions.insert(row.campaign_id, row.revision);
        snapshot
            .campaigns
            .push(campaign(work, tenant_id, row, &live, &rests, budget, now)?);
    }
    Ok(Some(Line {
        tenant_id,
        snapshot,
        revisions,
    }))
}

/// A line with nothing on it but the one call that a user asks for, at any hour: the limits of
/// line, campaign and numbers hold all the same.
pub(crate) fn load_for_test_call(
    work: &mut Work<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    lead: LeadSnapshot,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let sql = "SELECT line_id, campaign_id, revision, kind, pool_id, settings, next_start_at, circuit_open_until, pass
               FROM campaigns WHERE tenant_id = ?1 AND campaign_id = ?2";
    let tx = work.tx;
    let found = query::one(tx, sql, [tenant_id.raw(), campaign_id.raw()], |cells| {
        let line_id = LineId::from_raw(cells.get("line_id")?);
        Ok((line_id, campaign_row(work, cells)?))
    })?;
    let Some((line_id, row)) = found else {
        return Ok(None);
    };
    let Some(mut snapshot) = line_row(work, line_id)? else {
        return Ok(None);
    };
    let live = live_calls(work, line_id)?;
    snapshot.live_calls = live.total;
    let rests = number_rests(work, line_id, now)?;
    let own_calls = live.by_campaign.get(&campaign_id.raw());
    snapshot.campaigns.push(CampaignSnapshot {
        campaign_id,
        status: CampaignStatus::Running,
        settings: Arc::new(at_any_hour(&row.settings)),
        live_calls: own_calls.copied().unwrap_or_default(),
        next_start_at: row.next_start_at,
        // A test shall show whether the campaign works again.
        circuit_open_until: None,
        pass: row.pass,
        numbers: numbers(work, &row, &live, &rests)?,
        cohorts: vec![CohortSnapshot {
            zone: None,
            leads: vec![lead],
            next_due_at: None,
        }],
        has_open_leads: true,
        has_leads: true,
    });
    Ok(Some(Line {
        tenant_id,
        snapshot,
        revisions: HashMap::from([(campaign_id, row.revision)]),
    }))
}

fn at_any_hour(settings: &CampaignSettings) -> CampaignSettings {
    let mut settings = settings.clone();
    if let Some(outbound) = &mut settings.outbound {
        outbound.hours = Hours {
            ranges: vec![DailyRange {
                days: Weekdays::ALL,
                start_second: 0,
                end_second: DAY_SECONDS,
            }],
            ..Hours::default()
        };
    }
    settings
}

fn line_row(work: &Work<'_>, line_id: LineId) -> StoreResult<Option<LineSnapshot>> {
    let sql = "SELECT max_concurrent_calls, max_calls_per_second, next_start_at, rests_until, virtual_time
               FROM lines WHERE line_id = ?1";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query([line_id.raw()]).map_err(translate)?;
    let Some(row) = rows.next().map_err(translate)? else {
        return Ok(None);
    };
    let cells = Cells::of(row);
    Ok(Some(LineSnapshot {
        line_id,
        max_concurrent_calls: cells.u32("max_concurrent_calls")?,
        max_calls_per_second: cells.u32("max_calls_per_second")?,
        live_calls: 0,
        next_start_at: cells.maybe_instant("next_start_at")?,
        rests_until: cells.maybe_instant("rests_until")?,
        virtual_time: cells.get("virtual_time")?,
        campaigns: Vec::new(),
        more_campaigns: false,
    }))
}

fn live_calls(work: &Work<'_>, line_id: LineId) -> StoreResult<Live> {
    let sql = "SELECT campaign_id, phone_number_id, count(*) AS calls FROM attempts
               WHERE line_id = ?1 AND live = 1 AND missed = 0 GROUP BY campaign_id, phone_number_id";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query([line_id.raw()]).map_err(translate)?;
    let mut live = Live::default();
    while let Some(row) = rows.next().map_err(translate)? {
        let cells = Cells::of(row);
        let count = cells.u32("calls")?;
        live.total += count;
        *live
            .by_campaign
            .entry(cells.get("campaign_id")?)
            .or_default() += count;
        *live
            .by_number
            .entry(cells.get("phone_number_id")?)
            .or_default() += count;
    }
    Ok(live)
}

/// How many calls the line's own limits allow in this plan.
fn budget(line: &LineSnapshot, now: Timestamp) -> usize {
    if line.rests_until.is_some_and(|until| until > now) {
        return 0;
    }
    let free = line.max_concurrent_calls.saturating_sub(line.live_calls);
    let in_lookahead = i64::from(line.max_calls_per_second)
        * i64::try_from(LOOKAHEAD.as_millis()).unwrap_or(1_000)
        / 1_000
        + 1;
    let starts = u32::try_from(in_lookahead).unwrap_or(u32::MAX);
    usize::try_from(free.min(starts))
        .unwrap_or(MAX_CALLS_PER_PLAN)
        .min(MAX_CALLS_PER_PLAN)
}

/// A `LIMIT` for a statement.
fn at_most(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

struct CampaignRow {
    campaign_id: CampaignId,
    revision: i64,
    pool_id: Option<PoolId>,
    settings: Arc<CampaignSettings>,
    next_start_at: Option<Timestamp>,
    circuit_open_until: Option<Timestamp>,
    pass: i64,
}

fn campaign_rows(
    work: &mut Work<'_>,
    line_id: LineId,
    now: Timestamp,
) -> StoreResult<Vec<CampaignRow>> {
    let sql = "SELECT campaign_id, revision, kind, pool_id, settings, next_start_at, circuit_open_until, pass
               FROM campaigns WHERE line_id = ?1 AND wake_at <= ?2 AND status = 'RUNNING'
               ORDER BY pass, campaign_id LIMIT ?3";
    let tx = work.tx;
    let mut statement = tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query(params![
            line_id.raw(),
            micros(now),
            at_most(MAX_CAMPAIGNS + 1)
        ])
        .map_err(translate)?;
    let mut campaigns = Vec::new();
    while let Some(row) = rows.next().map_err(translate)? {
        campaigns.push(campaign_row(work, &Cells::of(row))?);
    }
    Ok(campaigns)
}

fn campaign_row(work: &mut Work<'_>, cells: &Cells<'_, '_>) -> StoreResult<CampaignRow> {
    let campaign_id = CampaignId::from_raw(cells.get("campaign_id")?);
    let revision = cells.get("revision")?;
    let kind = cells.choice("kind", CampaignType::parse)?;
    let text: String = cells.get("settings")?;
    Ok(CampaignRow {
        campaign_id,
        revision,
        pool_id: cells.get::<Option<i64>>("pool_id")?.map(PoolId::from_raw),
        settings: work.settings.get(campaign_id, revision, kind, &text)?,
        next_start_at: cells.maybe_instant("next_start_at")?,
        circuit_open_until: cells.maybe_instant("circuit_open_until")?,
        pass: cells.get("pass")?,
    })
}

fn number_rests(
    work: &Work<'_>,
    line_id: LineId,
    now: Timestamp,
) -> StoreResult<HashMap<String, Timestamp>> {
    let sql = "SELECT phone_number_id, rests_until FROM number_rests WHERE line_id = ?1 AND rests_until > ?2";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query([line_id.raw(), micros(now)])
        .map_err(translate)?;
    let mut rests = HashMap::new();
    while let Some(row) = rows.next().map_err(translate)? {
        let cells = Cells::of(row);
        rests.insert(cells.get("phone_number_id")?, cells.instant("rests_until")?);
    }
    Ok(rests)
}

fn campaign(
    work: &Work<'_>,
    tenant_id: TenantId,
    row: CampaignRow,
    live: &Live,
    rests: &HashMap<String, Timestamp>,
    budget: usize,
    now: Timestamp,
) -> StoreResult<CampaignSnapshot> {
    let live_calls = live
        .by_campaign
        .get(&row.campaign_id.raw())
        .copied()
        .unwrap_or_default();
    let own_free = row
        .settings
        .max_concurrent_calls
        .map_or(u32::MAX, |most| most.saturating_sub(live_calls));
    let wanted = budget.min(usize::try_from(own_free).unwrap_or(usize::MAX));
    let open = lead_counts(work, row.campaign_id)?;
    Ok(CampaignSnapshot {
        campaign_id: row.campaign_id,
        status: CampaignStatus::Running,
        live_calls,
        next_start_at: row.next_start_at,
        circuit_open_until: row.circuit_open_until,
        pass: row.pass,
        numbers: numbers(work, &row, live, rests)?,
        cohorts: cohorts(work, tenant_id, &row, wanted, now)?,
        has_open_leads: open.0,
        has_leads: open.1,
        settings: row.settings,
    })
}

/// Whether any lead is not final or still to come, and whether there are leads at all.
fn lead_counts(work: &Work<'_>, campaign_id: CampaignId) -> StoreResult<(bool, bool)> {
    let sql = "SELECT coalesce(sum(leads) FILTER (WHERE status IN ('READY', 'IN_CALL', 'UNRESOLVED')), 0) > 0,
                      coalesce(sum(leads), 0) > 0
               FROM lead_counts WHERE campaign_id = ?1";
    // Leads that are still being added are open too: a campaign does not end while they come.
    let coming = "SELECT 1 FROM imports WHERE campaign_id = ?1 AND finished_at IS NULL";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let (open, any): (bool, bool) = statement
        .query_row([campaign_id.raw()], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(translate)?;
    let open = open || query::exists(work.tx, coming, [campaign_id.raw()])?;
    Ok((open, any))
}

fn numbers(
    work: &Work<'_>,
    row: &CampaignRow,
    live: &Live,
    rests: &HashMap<String, Timestamp>,
) -> StoreResult<Vec<NumberSnapshot>> {
    let number = |phone_number_id: String, max_concurrent_calls| NumberSnapshot {
        live_calls: live
            .by_number
            .get(&phone_number_id)
            .copied()
            .unwrap_or_default(),
        rests_until: rests.get(&phone_number_id).copied(),
        phone_number_id,
        max_concurrent_calls,
    };
    match (&row.settings.numbers, row.pool_id) {
        (Numbers::Single(Some(id)), _) => Ok(vec![number(id.clone(), None)]),
        (Numbers::Pool(_), Some(pool_id)) => {
            let rotation = pool_rotation(work, pool_id)?;
            Ok(rotation
                .into_iter()
                .map(|(id, most)| number(id, most))
                .collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Enabled numbers of a pool, the next one first.
fn pool_rotation(work: &Work<'_>, pool_id: PoolId) -> StoreResult<Vec<(String, Option<u32>)>> {
    let sql = "SELECT strategy, phone_number_id, max_concurrent_calls, last_used
               FROM pools JOIN pool_numbers USING (pool_id)
               WHERE pool_id = ?1 AND enabled = 1 ORDER BY position";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query([pool_id.raw()]).map_err(translate)?;
    let mut strategy = PoolStrategy::LeastRecentlyUsed;
    let mut numbers: Vec<(String, Option<u32>, i64)> = Vec::new();
    while let Some(row) = rows.next().map_err(translate)? {
        let cells = Cells::of(row);
        strategy = cells.choice("strategy", PoolStrategy::parse)?;
        numbers.push((
            cells.get("phone_number_id")?,
            cells.maybe_u32("max_concurrent_calls")?,
            cells.get("last_used")?,
        ));
    }
    match strategy {
        PoolStrategy::LeastRecentlyUsed => numbers.sort_by_key(|(_, _, last_used)| *last_used),
        PoolStrategy::RoundRobin => {
            let newest = (0..numbers.len()).max_by_key(|index| numbers[*index].2);
            if let Some(newest) = newest.filter(|index| numbers[*index].2 > 0) {
                let next = (newest + 1) % numbers.len();
                numbers.rotate_left(next);
            }
        }
    }
    Ok(numbers
        .into_iter()
        .map(|(id, most, _)| (id, most))
        .collect())
}

fn cohorts(
    work: &Work<'_>,
    tenant_id: TenantId,
    row: &CampaignRow,
    wanted: usize,
    now: Timestamp,
) -> StoreResult<Vec<CohortSnapshot>> {
    let Some(outbound) = &row.settings.outbound else {
        return Ok(Vec::new());
    };
    let mut cohorts = Vec::new();
    let mut after = (-1_i64, String::new());
    let mut left = wanted;
    while cohorts.len() < MAX_COHORTS {
        let Some((rank, zone_name)) = next_cohort(work, row.campaign_id, &after)? else {
            break;
        };
        let zone = cohort_zone(&zone_name)?;
        let open = matches!(
            cohort_calendar(outbound, zone.as_ref(), now),
            CalendarStatus::Open { .. }
        );
        let limit = if open && left > 0 {
            left + SPARE_LEADS
        } else {
            0
        };
        let group = Group {
            campaign_id: row.campaign_id,
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
        .ok_or_else(|| corrupt(format!("zone {name} of a lead is unknown")))
}

fn next_cohort(
    work: &Work<'_>,
    campaign_id: CampaignId,
    after: &(i64, String),
) -> StoreResult<Option<(i64, String)>> {
    let sql = "SELECT rank, zone FROM due WHERE campaign_id = ?1 AND (rank, zone) > (?2, ?3)
               ORDER BY rank, zone LIMIT 1";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query(params![campaign_id.raw(), after.0, after.1])
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

//! Reading a bounded snapshot of one line inside the planning transaction.

use std::collections::HashMap;
use std::sync::Arc;

use domain::campaign::{CampaignStatus, CampaignType};
use domain::planner::{
    self, CampaignSnapshot, CohortSnapshot, LeadSnapshot, LineSnapshot, NumberSnapshot, Share,
};
use domain::settings::{CampaignSettings, Numbers};
use domain::{CampaignId, LineId, PoolId, TenantId};
use jiff::Timestamp;
use rusqlite::params;
use store::{PoolStrategy, StoreResult};

use crate::code::{Cells, micros};
use crate::dial::leads;
use crate::error::translate;
use crate::ops::query;
use crate::writer::Work;

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
    if snapshot.on_trial {
        snapshot.dispatching_calls = dispatching_calls(work, line_id)?;
    }
    let budget = planner::budget(&snapshot, now);
    let most = planner::campaigns_to_list(budget);
    let mut rows = campaign_rows(work, line_id, now, most + 1)?;
    snapshot.more_campaigns = rows.len() > most;
    rows.truncate(most);
    let rests = number_rests(work, line_id, now)?;
    let shares = shares(snapshot.virtual_time, &rows, budget);
    let mut revisions = HashMap::new();
    for (row, share) in rows.into_iter().zip(shares) {
        revisions.insert(row.campaign_id, row.revision);
        snapshot
            .campaigns
            .push(campaign(work, tenant_id, row, &live, &rests, share, now)?);
    }
    Ok(Some(Line {
        tenant_id,
        snapshot,
        revisions,
    }))
}

/// A line with one of its campaigns alone, awake or not.
pub(crate) fn load_alone(
    work: &mut Work<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let Some((mut snapshot, row, live, rests)) = one_campaign(work, tenant_id, campaign_id, now)?
    else {
        return Ok(None);
    };
    let budget = planner::budget(&snapshot, now);
    let revisions = HashMap::from([(campaign_id, row.revision)]);
    let mut shares = shares(snapshot.virtual_time, std::slice::from_ref(&row), budget);
    let share = shares.remove(0);
    let campaign = campaign(work, tenant_id, row, &live, &rests, share, now)?;
    snapshot.campaigns.push(campaign);
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
    let Some((mut snapshot, row, live, rests)) = one_campaign(work, tenant_id, campaign_id, now)?
    else {
        return Ok(None);
    };
    let own_calls = live.by_campaign.get(&campaign_id.raw());
    snapshot.campaigns.push(CampaignSnapshot {
        campaign_id,
        status: CampaignStatus::Running,
        settings: Arc::new(row.settings.at_any_hour()),
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

/// A line, a row of a campaign on it, its live calls, and when each of its resting numbers is free.
type OneCampaign = (LineSnapshot, CampaignRow, Live, HashMap<String, Timestamp>);

/// The line of a campaign without campaigns, the campaign's row, and what both need.
fn one_campaign(
    work: &mut Work<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    now: Timestamp,
) -> StoreResult<Option<OneCampaign>> {
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
    if snapshot.on_trial {
        snapshot.dispatching_calls = dispatching_calls(work, line_id)?;
    }
    let rests = number_rests(work, line_id, now)?;
    Ok(Some((snapshot, row, live, rests)))
}

fn line_row(work: &Work<'_>, line_id: LineId) -> StoreResult<Option<LineSnapshot>> {
    let sql = "SELECT max_concurrent_calls, max_calls_per_second, next_start_at, rests_until, failures, virtual_time
               FROM lines WHERE line_id = ?1";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query([line_id.raw()]).map_err(translate)?;
    let Some(row) = rows.next().map_err(translate)? else {
        return Ok(None);
    };
    let cells = Cells::of(row);
    let rests_until = cells.maybe_instant("rests_until")?;
    Ok(Some(LineSnapshot {
        line_id,
        max_concurrent_calls: cells.u32("max_concurrent_calls")?,
        max_calls_per_second: cells.u32("max_calls_per_second")?,
        live_calls: 0,
        next_start_at: cells.maybe_instant("next_start_at")?,
        rests_until,
        on_trial: rests_until.is_some() && cells.u32("failures")? > 0,
        dispatching_calls: 0,
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

/// Live attempts of a line whose request has not been answered.
fn dispatching_calls(work: &Work<'_>, line_id: LineId) -> StoreResult<u32> {
    let sql = "SELECT count(*) AS calls FROM attempts
               WHERE line_id = ?1 AND live = 1 AND missed = 0 AND state = 'DISPATCHING'";
    let found = query::one(work.tx, sql, [line_id.raw()], |cells| cells.u32("calls"))?;
    Ok(found.unwrap_or_default())
}

/// How many leads of each campaign are read.
fn shares(virtual_time: i64, rows: &[CampaignRow], budget: usize) -> Vec<Share> {
    let contenders: Vec<_> = rows
        .iter()
        .map(|row| (row.pass, row.settings.as_ref()))
        .collect();
    planner::shares(virtual_time, &contenders, budget)
}

/// A `LIMIT` for a statement.
pub(super) fn at_most(count: usize) -> i64 {
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
    limit: usize,
) -> StoreResult<Vec<CampaignRow>> {
    // The order is found in the index alone; rows are read of those only that are listed.
    let sql = "SELECT campaign_id, revision, kind, pool_id, settings, next_start_at, circuit_open_until, pass
               FROM campaigns WHERE campaign_id IN (
                   SELECT campaign_id FROM campaigns
                   WHERE line_id = ?1 AND wake_at <= ?2 AND status = 'RUNNING'
                   ORDER BY pass, campaign_id LIMIT ?3)
               ORDER BY pass, campaign_id";
    let tx = work.tx;
    let mut statement = tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query(params![line_id.raw(), micros(now), at_most(limit)])
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
    share: Share,
    now: Timestamp,
) -> StoreResult<CampaignSnapshot> {
    let live_calls = live
        .by_campaign
        .get(&row.campaign_id.raw())
        .copied()
        .unwrap_or_default();
    let own_limit = row.settings.max_concurrent_calls;
    let share = share.within(own_limit.map(|most| most.saturating_sub(live_calls)));
    let open = lead_counts(work, row.campaign_id)?;
    Ok(CampaignSnapshot {
        campaign_id: row.campaign_id,
        status: CampaignStatus::Running,
        live_calls,
        next_start_at: row.next_start_at,
        circuit_open_until: row.circuit_open_until,
        pass: row.pass,
        numbers: numbers(work, &row, live, rests)?,
        cohorts: leads::cohorts(
            work,
            tenant_id,
            (row.campaign_id, &row.settings),
            share,
            now,
        )?,
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
    strategy.put_in_order(&mut numbers, |(_, _, last_used)| *last_used);
    Ok(numbers
        .into_iter()
        .map(|(id, most, _)| (id, most))
        .collect())
}

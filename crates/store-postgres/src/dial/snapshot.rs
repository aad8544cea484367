//! Reading a bounded snapshot of one line inside the planning transaction.

use std::collections::HashMap;
use std::sync::Arc;

use domain::campaign::{CampaignStatus, CampaignType};
use domain::planner::{
    self, CampaignSnapshot, CohortSnapshot, LeadSnapshot, LineSnapshot, NumberSnapshot, Share,
};
use domain::settings::{CampaignSettings, Numbers};
use domain::{CampaignId, LineId, PoolId};
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use store::{PoolStrategy, StoreResult};

use crate::code::{Cells, micros, stored};
use crate::dial::snapshot_leads;
use crate::ops::pools::rests_by_number;
use crate::query::{self, bound};
use crate::work::Work;

/// Campaigns whose questions are under way at once, on the one connection of the transaction.
const CAMPAIGNS_AT_ONCE: usize = 16;

/// The snapshot with what the planner does not need but a reservation does.
pub(crate) struct Line {
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
pub(crate) async fn load(
    work: &Work<'_>,
    line_id: LineId,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let Some(mut snapshot) = line_row(work, line_id).await? else {
        return Ok(None);
    };
    let live = live_calls(work, line_id).await?;
    snapshot.live_calls = live.total;
    if snapshot.on_trial {
        snapshot.dispatching_calls = dispatching_calls(work, line_id).await?;
    }
    let budget = planner::budget(&snapshot, now);
    let most = planner::campaigns_to_list(budget);
    let mut rows = campaign_rows(work, line_id, now, most + 1).await?;
    snapshot.more_campaigns = rows.len() > most;
    rows.truncate(most);
    let rests = rests_by_number(&work.tx, work.tenant_id, line_id, now).await?;
    let shares = shares(snapshot.virtual_time, &rows, budget);
    let revisions = rows.iter().map(|row| (row.campaign_id, row.revision));
    let revisions = revisions.collect();
    // What is asked about one does not wait for the answers about the others.
    let campaigns = rows.into_iter().zip(shares);
    let campaigns = campaigns.map(|(row, share)| campaign(work, row, &live, &rests, share, now));
    let campaigns = futures_util::stream::iter(campaigns).buffered(CAMPAIGNS_AT_ONCE);
    snapshot.campaigns = campaigns.try_collect().await?;
    Ok(Some(Line {
        snapshot,
        revisions,
    }))
}

/// A line with one of its campaigns alone, awake or not.
pub(crate) async fn load_alone(
    work: &Work<'_>,
    campaign_id: CampaignId,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let Some((mut snapshot, row, live, rests)) = one_campaign(work, campaign_id, now).await? else {
        return Ok(None);
    };
    let budget = planner::budget(&snapshot, now);
    let revisions = HashMap::from([(campaign_id, row.revision)]);
    let mut shares = shares(snapshot.virtual_time, std::slice::from_ref(&row), budget);
    let campaign = campaign(work, row, &live, &rests, shares.remove(0), now).await?;
    snapshot.campaigns.push(campaign);
    Ok(Some(Line {
        snapshot,
        revisions,
    }))
}

/// A line with nothing on it but the one call that a user asks for, at any hour: the limits of
/// line, campaign and numbers hold all the same.
pub(crate) async fn load_for_test_call(
    work: &Work<'_>,
    campaign_id: CampaignId,
    lead: LeadSnapshot,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let Some((mut snapshot, row, live, rests)) = one_campaign(work, campaign_id, now).await? else {
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
        numbers: numbers(work, &row, &live, &rests).await?,
        cohorts: vec![CohortSnapshot {
            zone: None,
            leads: vec![lead],
            next_due_at: None,
        }],
        has_open_leads: true,
        has_leads: true,
    });
    Ok(Some(Line {
        snapshot,
        revisions: HashMap::from([(campaign_id, row.revision)]),
    }))
}

/// A line, a row of a campaign on it, its live calls, and when each of its resting numbers is free.
type OneCampaign = (LineSnapshot, CampaignRow, Live, HashMap<String, Timestamp>);

/// The line of a campaign without campaigns, the campaign's row, and what both need.
async fn one_campaign(
    work: &Work<'_>,
    campaign_id: CampaignId,
    now: Timestamp,
) -> StoreResult<Option<OneCampaign>> {
    let sql = "SELECT line_id, campaign_id, revision, kind, pool_id, settings, next_start_at, circuit_open_until, pass
               FROM campaigns WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![work.tenant_id.raw(), campaign_id.raw()];
    let found = query::one(&work.tx, sql, bound, |cells| {
        let line_id = LineId::from_raw(cells.get("line_id")?);
        Ok((line_id, campaign_row(work, cells)?))
    })
    .await?;
    let Some((line_id, row)) = found else {
        return Ok(None);
    };
    let Some(mut snapshot) = line_row(work, line_id).await? else {
        return Ok(None);
    };
    let live = live_calls(work, line_id).await?;
    snapshot.live_calls = live.total;
    if snapshot.on_trial {
        snapshot.dispatching_calls = dispatching_calls(work, line_id).await?;
    }
    let rests = rests_by_number(&work.tx, work.tenant_id, line_id, now).await?;
    Ok(Some((snapshot, row, live, rests)))
}

async fn line_row(work: &Work<'_>, line_id: LineId) -> StoreResult<Option<LineSnapshot>> {
    let sql = "SELECT max_concurrent_calls, max_calls_per_second, next_start_at, rests_until, failures, virtual_time
               FROM lines WHERE tenant_id = $1 AND line_id = $2";
    let bound = bound![work.tenant_id.raw(), line_id.raw()];
    query::one(&work.tx, sql, bound, |cells| {
        let rests_until = cells.maybe_instant("rests_until")?;
        Ok(LineSnapshot {
            line_id,
            max_concurrent_calls: cells.number("max_concurrent_calls")?,
            max_calls_per_second: cells.number("max_calls_per_second")?,
            live_calls: 0,
            next_start_at: cells.maybe_instant("next_start_at")?,
            rests_until,
            on_trial: rests_until.is_some() && cells.get::<i64>("failures")? > 0,
            dispatching_calls: 0,
            virtual_time: cells.get("virtual_time")?,
            campaigns: Vec::new(),
            more_campaigns: false,
        })
    })
    .await
}

async fn live_calls(work: &Work<'_>, line_id: LineId) -> StoreResult<Live> {
    let sql = "SELECT campaign_id, phone_number_id, count(*) AS calls FROM attempts
               WHERE tenant_id = $1 AND line_id = $2 AND live AND NOT missed
               GROUP BY campaign_id, phone_number_id";
    let bound = bound![work.tenant_id.raw(), line_id.raw()];
    let counted = query::many(&work.tx, sql, bound, |cells| {
        let campaign: i64 = cells.get("campaign_id")?;
        let number: String = cells.get("phone_number_id")?;
        Ok((campaign, number, cells.number::<u32>("calls")?))
    })
    .await?;
    let mut live = Live::default();
    for (campaign, number, calls) in counted {
        live.total += calls;
        *live.by_campaign.entry(campaign).or_default() += calls;
        *live.by_number.entry(number).or_default() += calls;
    }
    Ok(live)
}

/// Live attempts of a line whose request has not been answered.
async fn dispatching_calls(work: &Work<'_>, line_id: LineId) -> StoreResult<u32> {
    let sql = "SELECT count(*) AS calls FROM attempts
               WHERE tenant_id = $1 AND line_id = $2 AND live AND NOT missed AND state = 'DISPATCHING'";
    let bound = bound![work.tenant_id.raw(), line_id.raw()];
    let found = query::one(&work.tx, sql, bound, |cells| cells.number("calls")).await?;
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

struct CampaignRow {
    campaign_id: CampaignId,
    revision: i64,
    pool_id: Option<PoolId>,
    settings: Arc<CampaignSettings>,
    next_start_at: Option<Timestamp>,
    circuit_open_until: Option<Timestamp>,
    pass: i64,
}

async fn campaign_rows(
    work: &Work<'_>,
    line_id: LineId,
    now: Timestamp,
    limit: usize,
) -> StoreResult<Vec<CampaignRow>> {
    let sql = "SELECT campaign_id, revision, kind, pool_id, settings, next_start_at, circuit_open_until, pass
               FROM campaigns
               WHERE tenant_id = $1 AND line_id = $2 AND wake_at <= $3 AND status = 'RUNNING'
               ORDER BY pass, campaign_id LIMIT $4";
    let bound = bound![
        work.tenant_id.raw(),
        line_id.raw(),
        micros(now),
        stored(limit),
    ];
    query::many(&work.tx, sql, bound, |cells| campaign_row(work, cells)).await
}

fn campaign_row(work: &Work<'_>, cells: &Cells<'_>) -> StoreResult<CampaignRow> {
    let campaign_id = CampaignId::from_raw(cells.get("campaign_id")?);
    let kind = cells.choice("kind", CampaignType::parse)?;
    let text: &str = cells.get("settings")?;
    Ok(CampaignRow {
        campaign_id,
        revision: cells.get("revision")?,
        pool_id: cells.get::<Option<i64>>("pool_id")?.map(PoolId::from_raw),
        settings: work.shared.settings.get(campaign_id, kind, text)?.settings,
        next_start_at: cells.maybe_instant("next_start_at")?,
        circuit_open_until: cells.maybe_instant("circuit_open_until")?,
        pass: cells.get("pass")?,
    })
}

async fn campaign(
    work: &Work<'_>,
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
    let (has_open_leads, has_leads) = lead_counts(work, row.campaign_id).await?;
    let cohorts = match &row.settings.outbound {
        Some(outbound) => {
            snapshot_leads::cohorts(work, row.campaign_id, outbound, share, now).await?
        }
        None => Vec::new(),
    };
    Ok(CampaignSnapshot {
        campaign_id: row.campaign_id,
        status: CampaignStatus::Running,
        live_calls,
        next_start_at: row.next_start_at,
        circuit_open_until: row.circuit_open_until,
        pass: row.pass,
        numbers: numbers(work, &row, live, rests).await?,
        cohorts,
        has_open_leads,
        has_leads,
        settings: row.settings,
    })
}

/// Whether any lead is not final or still to come, and whether there are leads at all.
async fn lead_counts(work: &Work<'_>, campaign_id: CampaignId) -> StoreResult<(bool, bool)> {
    // Leads that are still being added are open too: a campaign does not end while they come.
    let sql = "SELECT coalesce(sum(leads) FILTER (WHERE status IN ('READY', 'IN_CALL', 'UNRESOLVED')), 0) > 0
                      OR EXISTS (SELECT 1 FROM imports WHERE tenant_id = $1 AND campaign_id = $2
                                                         AND finished_at IS NULL) AS open,
                      coalesce(sum(leads), 0) > 0 AS some
               FROM lead_counts WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![work.tenant_id.raw(), campaign_id.raw()];
    let counted = query::one(&work.tx, sql, bound, |cells| {
        Ok((cells.get("open")?, cells.get("some")?))
    })
    .await?;
    Ok(counted.unwrap_or_default())
}

async fn numbers(
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
            let rotation = pool_rotation(work, pool_id).await?;
            Ok(rotation
                .into_iter()
                .map(|(id, most)| number(id, most))
                .collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Enabled numbers of a pool, the next one first.
async fn pool_rotation(
    work: &Work<'_>,
    pool_id: PoolId,
) -> StoreResult<Vec<(String, Option<u32>)>> {
    let sql = "SELECT strategy, phone_number_id, max_concurrent_calls, last_used
               FROM pools JOIN pool_numbers USING (tenant_id, pool_id)
               WHERE tenant_id = $1 AND pool_id = $2 AND enabled ORDER BY position";
    let bound = bound![work.tenant_id.raw(), pool_id.raw()];
    let mut numbers = query::many(&work.tx, sql, bound, |cells| {
        let most = cells.maybe_number("max_concurrent_calls")?;
        let number = (cells.get("phone_number_id")?, most, cells.get("last_used")?);
        Ok((cells.choice("strategy", PoolStrategy::parse)?, number))
    })
    .await?
    .into_iter();
    let mut strategy = PoolStrategy::LeastRecentlyUsed;
    let mut in_order: Vec<(String, Option<u32>, i64)> = Vec::new();
    for (of_pool, number) in &mut numbers {
        strategy = of_pool;
        in_order.push(number);
    }
    strategy.put_in_order(&mut in_order, |(_, _, last_used)| *last_used);
    let number = |(id, most, _)| (id, most);
    Ok(in_order.into_iter().map(number).collect())
}

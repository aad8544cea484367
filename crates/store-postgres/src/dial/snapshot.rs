//! Reading a bounded snapshot of one line inside the planning transaction.
//!
//! A line may have a hundred campaigns that are awake. What is asked about them is asked about all at
//! once: how many statements a plan takes does not depend on how many campaigns it reads.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::campaign::{CampaignStatus, CampaignType};
use domain::planner::{
    self, CampaignSnapshot, CohortSnapshot, LeadSnapshot, LineSnapshot, NumberSnapshot, Share,
};
use domain::settings::{CampaignSettings, Numbers};
use domain::{CampaignId, LeadId, LineId, PoolId};
use futures_util::future::try_join3;
use jiff::Timestamp;
use store::{NO_LEAD, PoolStrategy, StoreResult};

use crate::code::{Cells, corrupt, micros, stored};
use crate::dial::snapshot_leads::{self, Ask};
use crate::ops::due;
use crate::ops::pools::rests_by_number;
use crate::query::{self, bound};
use crate::work::Work;

/// The snapshot with what the planner does not need but a reservation does.
pub(crate) struct Line {
    pub(crate) snapshot: LineSnapshot,
    pub(crate) revisions: HashMap<CampaignId, i64>,
    /// Where its leads stand among those that are due.
    due: HashMap<LeadId, due::RowAt>,
}

impl Line {
    /// Where these leads stand among those that are due. The one of a test call does not.
    pub(crate) fn due_rows(
        &self,
        leads: impl Iterator<Item = LeadId>,
    ) -> StoreResult<Vec<&due::RowAt>> {
        let row = |lead_id| {
            let row = self.due.get(&lead_id);
            row.ok_or_else(|| corrupt("a plan names a lead that is not among those that are due"))
        };
        leads
            .filter(|lead_id| *lead_id != NO_LEAD)
            .map(row)
            .collect()
    }
}

/// Live attempts of a line by campaign and by number.
#[derive(Default)]
struct Live {
    total: u32,
    by_campaign: HashMap<CampaignId, u32>,
    by_number: HashMap<String, u32>,
}

impl Live {
    fn of(&self, campaign_id: CampaignId) -> u32 {
        let calls = self.by_campaign.get(&campaign_id);
        calls.copied().unwrap_or_default()
    }
}

/// A line without its campaigns, and what they have in common.
struct Frame {
    line: LineSnapshot,
    live: Live,
    /// When each number that rests is free again.
    rests: HashMap<String, Timestamp>,
}

/// Loads the line, if it exists.
pub(crate) async fn load(
    work: &Work<'_>,
    line_id: LineId,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let Some(mut frame) = frame(work, line_id, now).await? else {
        return Ok(None);
    };
    let budget = planner::budget(&frame.line, now);
    let most = planner::campaigns_to_list(budget);
    let mut rows = campaign_rows(work, line_id, now, most + 1).await?;
    frame.line.more_campaigns = rows.len() > most;
    rows.truncate(most);
    with_campaigns(work, frame, rows, now).await.map(Some)
}

/// A line with one of its campaigns alone, awake or not.
pub(crate) async fn load_alone(
    work: &Work<'_>,
    campaign_id: CampaignId,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let Some((frame, row)) = one_campaign(work, campaign_id, now).await? else {
        return Ok(None);
    };
    let rows = vec![row];
    with_campaigns(work, frame, rows, now).await.map(Some)
}

/// A line with nothing on it but the one call that a user asks for, at any hour: the limits of
/// line, campaign and numbers hold all the same.
pub(crate) async fn load_for_test_call(
    work: &Work<'_>,
    campaign_id: CampaignId,
    lead: LeadSnapshot,
    now: Timestamp,
) -> StoreResult<Option<Line>> {
    let Some((frame, row)) = one_campaign(work, campaign_id, now).await? else {
        return Ok(None);
    };
    let rotations = pool_rotations(work, std::slice::from_ref(&row)).await?;
    let numbers = numbers(&row, &frame, &rotations);
    let live_calls = frame.live.of(campaign_id);
    let mut snapshot = frame.line;
    snapshot.campaigns.push(CampaignSnapshot {
        campaign_id,
        status: CampaignStatus::Running,
        settings: Arc::new(row.settings.at_any_hour()),
        live_calls,
        next_start_at: row.next_start_at,
        // A test shall show whether the campaign works again.
        circuit_open_until: None,
        pass: row.pass,
        numbers,
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
        due: HashMap::new(),
    }))
}

/// A campaign with its line.
async fn one_campaign(
    work: &Work<'_>,
    campaign_id: CampaignId,
    now: Timestamp,
) -> StoreResult<Option<(Frame, CampaignRow)>> {
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
    let frame = frame(work, line_id, now).await?;
    Ok(frame.map(|frame| (frame, row)))
}

async fn frame(work: &Work<'_>, line_id: LineId, now: Timestamp) -> StoreResult<Option<Frame>> {
    let (line, live_calls, rests) = try_join3(
        line_row(work, line_id),
        live_calls(work, line_id),
        rests_by_number(&work.tx, work.tenant_id, line_id, now),
    )
    .await?;
    let Some(mut line) = line else {
        return Ok(None);
    };
    line.live_calls = live_calls.total;
    if line.on_trial {
        line.dispatching_calls = dispatching_calls(work, line_id).await?;
    }
    Ok(Some(Frame {
        line,
        live: live_calls,
        rests,
    }))
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
        let campaign = CampaignId::from_raw(cells.get("campaign_id")?);
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

struct CampaignRow {
    campaign_id: CampaignId,
    revision: i64,
    pool_id: Option<PoolId>,
    settings: Arc<CampaignSettings>,
    next_start_at: Option<Timestamp>,
    circuit_open_until: Option<Timestamp>,
    pass: i64,
}

/// As many awake campaigns as are worth sorting; where there are more, they are walked through in the
/// order of their turns, past those that sleep.
const FEW: usize = 64;

/// The campaigns of a line that are awake, those furthest behind first. What a plan costs grows
/// neither with the number of those that wait for their turn nor, while few are awake, of those that
/// sleep.
async fn campaign_rows(
    work: &Work<'_>,
    line_id: LineId,
    now: Timestamp,
    limit: usize,
) -> StoreResult<Vec<CampaignRow>> {
    let sql = "WITH few AS MATERIALIZED (
                   SELECT campaign_id FROM campaigns
                   WHERE tenant_id = $1 AND line_id = $2 AND wake_at <= $3 AND status = 'RUNNING'
                   ORDER BY wake_at LIMIT $5::bigint + 1),
               listed AS (
                   (SELECT campaign_id FROM few WHERE (SELECT count(*) FROM few) <= $5)
                   UNION ALL
                   (SELECT campaign_id FROM campaigns
                    WHERE tenant_id = $1 AND line_id = $2 AND wake_at <= $3 AND status = 'RUNNING'
                      AND (SELECT count(*) FROM few) > $5
                    ORDER BY pass, campaign_id LIMIT $4))
               SELECT campaign.* FROM listed, LATERAL
                   (SELECT campaign_id, revision, kind, pool_id, settings, next_start_at, circuit_open_until, pass
                    FROM campaigns WHERE tenant_id = $1 AND campaigns.campaign_id = listed.campaign_id OFFSET 0) AS campaign
               ORDER BY pass, campaign_id LIMIT $4";
    let bound = bound![
        work.tenant_id.raw(),
        line_id.raw(),
        micros(now),
        stored(limit),
        stored(FEW),
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

/// Puts campaigns on their line, with as many leads of each as the plan may want.
async fn with_campaigns(
    work: &Work<'_>,
    mut frame: Frame,
    rows: Vec<CampaignRow>,
    now: Timestamp,
) -> StoreResult<Line> {
    let asks = asks(&frame, &rows, now);
    let (counts, rotations, mut found) = try_join3(
        lead_counts(work, &rows),
        pool_rotations(work, &rows),
        snapshot_leads::cohorts(work, &asks, now),
    )
    .await?;
    let revisions = rows.iter().map(|row| (row.campaign_id, row.revision));
    let revisions = revisions.collect();
    for row in rows {
        let campaign_id = row.campaign_id;
        let counted = counts.get(&campaign_id).copied().unwrap_or_default();
        frame.line.campaigns.push(CampaignSnapshot {
            campaign_id,
            status: CampaignStatus::Running,
            live_calls: frame.live.of(campaign_id),
            next_start_at: row.next_start_at,
            circuit_open_until: row.circuit_open_until,
            pass: row.pass,
            numbers: numbers(&row, &frame, &rotations),
            cohorts: found.cohorts.remove(&campaign_id).unwrap_or_default(),
            has_open_leads: counted.open,
            has_leads: counted.any,
            settings: row.settings,
        });
    }
    Ok(Line {
        snapshot: frame.line,
        revisions,
        due: found.due,
    })
}

/// How many leads of each campaign are read.
fn asks(frame: &Frame, rows: &[CampaignRow], now: Timestamp) -> Vec<Ask> {
    let contenders: Vec<_> = rows
        .iter()
        .map(|row| (row.pass, row.settings.as_ref()))
        .collect();
    let budget = planner::budget(&frame.line, now);
    let shares = planner::shares(frame.line.virtual_time, &contenders, budget);
    let ask = |(row, share): (&CampaignRow, Share)| {
        let live_calls = frame.live.of(row.campaign_id);
        let own_limit = row.settings.max_concurrent_calls;
        row.settings.outbound.as_ref()?;
        Some(Ask {
            campaign_id: row.campaign_id,
            settings: Arc::clone(&row.settings),
            share: share.within(own_limit.map(|most| most.saturating_sub(live_calls))),
        })
    };
    rows.iter().zip(shares).filter_map(ask).collect()
}

/// What is known of a campaign's leads without reading any.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    /// Whether any lead is not final, or still to come.
    open: bool,
    /// Whether there are leads at all.
    any: bool,
}

async fn lead_counts(
    work: &Work<'_>,
    rows: &[CampaignRow],
) -> StoreResult<HashMap<CampaignId, Counted>> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    // Leads that are still being added are open too: a campaign does not end while they come.
    let sql = "SELECT wanted.campaign_id, counted.open OR EXISTS (
                          SELECT 1 FROM imports
                          WHERE imports.tenant_id = $1 AND imports.campaign_id = wanted.campaign_id
                            AND finished_at IS NULL) AS open,
                      counted.some
               FROM UNNEST($2::bigint[]) AS wanted (campaign_id), LATERAL
                   (SELECT coalesce(sum(leads) FILTER (WHERE status IN ('READY', 'IN_CALL', 'UNRESOLVED')), 0) > 0 AS open,
                           coalesce(sum(leads), 0) > 0 AS some
                    FROM lead_counts
                    WHERE lead_counts.tenant_id = $1 AND lead_counts.campaign_id = wanted.campaign_id) AS counted";
    let ids: Vec<_> = rows.iter().map(|row| row.campaign_id.raw()).collect();
    let counted = query::many(&work.tx, sql, bound![work.tenant_id.raw(), ids], |cells| {
        let (open, any) = (cells.get("open")?, cells.get("some")?);
        let campaign_id = CampaignId::from_raw(cells.get("campaign_id")?);
        Ok((campaign_id, Counted { open, any }))
    })
    .await?;
    Ok(counted.into_iter().collect())
}

/// The numbers that a campaign calls from, the next one first.
fn numbers(row: &CampaignRow, frame: &Frame, rotations: &Rotations) -> Vec<NumberSnapshot> {
    let number = |phone_number_id: &str, max_concurrent_calls| NumberSnapshot {
        live_calls: frame
            .live
            .by_number
            .get(phone_number_id)
            .copied()
            .unwrap_or_default(),
        rests_until: frame.rests.get(phone_number_id).copied(),
        phone_number_id: phone_number_id.to_owned(),
        max_concurrent_calls,
    };
    match (&row.settings.numbers, row.pool_id) {
        (Numbers::Single(Some(id)), _) => vec![number(id, None)],
        (Numbers::Pool(_), Some(pool_id)) => {
            let rotation = rotations.get(&pool_id).into_iter().flatten();
            rotation.map(|(id, most)| number(id, *most)).collect()
        }
        _ => Vec::new(),
    }
}

/// The enabled numbers of pools with the most calls that each may have, the next one first.
type Rotations = HashMap<PoolId, Vec<(String, Option<u32>)>>;

/// A pool's strategy, and its numbers with the most calls of each and when it was last used.
type Rotating = (PoolStrategy, Vec<(String, Option<u32>, i64)>);

async fn pool_rotations(work: &Work<'_>, rows: &[CampaignRow]) -> StoreResult<Rotations> {
    let pools: HashSet<_> = rows.iter().filter_map(|row| row.pool_id).collect();
    if pools.is_empty() {
        return Ok(Rotations::new());
    }
    let sql = "SELECT pool_id, strategy, phone_number_id, max_concurrent_calls, last_used
               FROM pools JOIN pool_numbers USING (tenant_id, pool_id)
               WHERE tenant_id = $1 AND pool_id = ANY($2) AND enabled ORDER BY pool_id, position";
    let pools: Vec<_> = pools.into_iter().map(PoolId::raw).collect();
    let numbers = query::many(
        &work.tx,
        sql,
        bound![work.tenant_id.raw(), pools],
        |cells| {
            let most = cells.maybe_number("max_concurrent_calls")?;
            let number = (cells.get("phone_number_id")?, most, cells.get("last_used")?);
            let pool_id = PoolId::from_raw(cells.get("pool_id")?);
            Ok((
                pool_id,
                cells.choice("strategy", PoolStrategy::parse)?,
                number,
            ))
        },
    )
    .await?;
    let mut pools: HashMap<PoolId, Rotating> = HashMap::new();
    for (pool_id, strategy, number) in numbers {
        let pool = pools.entry(pool_id).or_insert((strategy, Vec::new()));
        pool.1.push(number);
    }
    let rotation = |(pool_id, (strategy, mut in_order)): (PoolId, Rotating)| {
        strategy.put_in_order(&mut in_order, |(_, _, last_used)| *last_used);
        let number = |(id, most, _)| (id, most);
        (pool_id, in_order.into_iter().map(number).collect())
    };
    Ok(pools.into_iter().map(rotation).collect())
}

//! Pools of caller numbers.

use std::collections::{HashMap, HashSet};

use domain::{CampaignId, IdSource, LineId, PoolId, TenantId};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use store::{
    Caller, Conflict, NumberHealth, Page, PageRequest, PoolContent, PoolNumber, PoolRecord,
    PoolStrategy, Precondition, Scope, StoreError, StoreResult,
};

use crate::code::{Cells, micros};
use crate::ops::{lines, query, wake};
use crate::writer::Work;

/// No such pool of this tenant.
pub(crate) const NOT_FOUND: StoreError = StoreError::NotFound("phone number pool");

/// How far back health looks.
const HEALTH_PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// An answered call shorter than this was hung up on.
const SHORT_CALL: SignedDuration = SignedDuration::from_secs(6);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT pool_id, tenant_id, name, line_id, strategy, revision, created_at, updated_at
             FROM pools ",
            $rest
        )
    };
}

/// Makes a pool.
pub(crate) fn create(
    work: &mut Work<'_>,
    caller: Caller,
    pool: &PoolContent,
) -> StoreResult<PoolRecord> {
    check(work, caller, pool)?;
    let pool_id = PoolId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO pools (pool_id, tenant_id, line_id, name, strategy, revision, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6)";
    let bound = params![
        pool_id.raw(),
        caller.tenant_id.raw(),
        pool.line_id.raw(),
        pool.name,
        pool.strategy.as_str(),
        micros(caller.now),
    ];
    query::execute(work.tx, sql, bound)?;
    insert_numbers(work, pool_id, &pool.numbers, &HashMap::new())?;
    get(work.tx, caller.tenant_id, pool_id)
}

fn check(work: &Work<'_>, caller: Caller, pool: &PoolContent) -> StoreResult<()> {
    if !lines::is_of(work.tx, caller.tenant_id, pool.line_id)? {
        return Err(lines::NOT_FOUND);
    }
    let mut seen = HashSet::new();
    if pool
        .numbers
        .iter()
        .all(|number| seen.insert(number.phone_number_id.as_str()))
    {
        Ok(())
    } else {
        Err(Conflict::Duplicate("a pool lists each `phone_number_id` once").into())
    }
}

/// `last_used` keeps the rotation of the numbers that were there before.
fn insert_numbers(
    work: &Work<'_>,
    pool_id: PoolId,
    numbers: &[PoolNumber],
    last_used: &HashMap<String, i64>,
) -> StoreResult<()> {
    let sql = "INSERT INTO pool_numbers
                   (pool_id, position, phone_number_id, e164, max_concurrent_calls, enabled, last_used)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    for (position, number) in (0_i64..).zip(numbers) {
        let bound = params![
            pool_id.raw(),
            position,
            number.phone_number_id,
            number.e164,
            number.max_concurrent_calls,
            number.enabled,
            last_used
                .get(&number.phone_number_id)
                .copied()
                .unwrap_or_default(),
        ];
        query::execute(work.tx, sql, bound)?;
    }
    Ok(())
}

/// One pool.
pub(crate) fn get(
    db: &Connection,
    tenant_id: TenantId,
    pool_id: PoolId,
) -> StoreResult<PoolRecord> {
    let sql = select!("WHERE tenant_id = ?1 AND pool_id = ?2");
    let bound = [tenant_id.raw(), pool_id.raw()];
    query::one(db, sql, bound, |cells| read(db, cells))?.ok_or(NOT_FOUND)
}

/// Pools, newest first.
pub(crate) fn list(
    db: &Connection,
    tenant_id: TenantId,
    page: PageRequest,
) -> StoreResult<Page<PoolRecord>> {
    let sql = select!("WHERE tenant_id = ?1 AND pool_id < ?2 ORDER BY pool_id DESC LIMIT ?3");
    let bound = params![tenant_id.raw(), query::below(page), query::rows_for(page)];
    let pools = query::many(db, sql, bound, |cells| read(db, cells))?;
    Ok(query::page_of(pools, page, |pool| pool.pool_id.raw()))
}

/// Whether the tenant has the pool.
pub(crate) fn is_of(db: &Connection, tenant_id: TenantId, pool_id: PoolId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM pools WHERE tenant_id = ?1 AND pool_id = ?2";
    query::exists(db, sql, [tenant_id.raw(), pool_id.raw()])
}

/// Replaces a pool's content; answers the scopes to settle.
pub(crate) fn update(
    work: &mut Work<'_>,
    caller: Caller,
    pool_id: PoolId,
    base_revision: i64,
    content: &PoolContent,
) -> StoreResult<(PoolRecord, Vec<Scope>)> {
    let before = get(work.tx, caller.tenant_id, pool_id)?;
    if before.revision != base_revision {
        return Err(StoreError::Stale {
            current: before.revision,
        });
    }
    check(work, caller, content)?;
    if content.line_id != before.line_id && is_used(work, pool_id)? {
        // Its campaigns would dial with numbers that their own line does not have.
        return Err(Conflict::InUse("the phone number pool is").into());
    }
    let sql = "UPDATE pools SET name = ?2, line_id = ?3, strategy = ?4, revision = revision + 1, updated_at = ?5
               WHERE pool_id = ?1";
    let strategy = content.strategy.as_str();
    let bound = params![
        pool_id.raw(),
        content.name,
        content.line_id.raw(),
        strategy,
        micros(caller.now)
    ];
    query::execute(work.tx, sql, bound)?;
    let last_used = last_used(work, pool_id)?;
    query::execute(
        work.tx,
        "DELETE FROM pool_numbers WHERE pool_id = ?1",
        [pool_id.raw()],
    )?;
    insert_numbers(work, pool_id, &content.numbers, &last_used)?;
    let scopes = tell_campaigns(work, caller, pool_id, narrows(&before, content))?;
    Ok((get(work.tx, caller.tenant_id, pool_id)?, scopes))
}

fn last_used(work: &Work<'_>, pool_id: PoolId) -> StoreResult<HashMap<String, i64>> {
    let sql = "SELECT phone_number_id, last_used FROM pool_numbers WHERE pool_id = ?1";
    let read = |cells: &Cells<'_, '_>| Ok((cells.get("phone_number_id")?, cells.get("last_used")?));
    Ok(query::many(work.tx, sql, [pool_id.raw()], read)?
        .into_iter()
        .collect())
}

/// Whether a call that was allowed before might not be now.
fn narrows(before: &PoolRecord, content: &PoolContent) -> bool {
    let keeps = |old: &PoolNumber| {
        content.numbers.iter().any(|new| {
            new.enabled
                && new.phone_number_id == old.phone_number_id
                && new.max_concurrent_calls.unwrap_or(u32::MAX)
                    >= old.max_concurrent_calls.unwrap_or(u32::MAX)
        })
    };
    before.line_id != content.line_id
        || !before
            .numbers
            .iter()
            .filter(|number| number.enabled)
            .all(keeps)
}

/// Campaigns of the pool plan anew; if it narrowed, what they had not begun to send is taken back.
fn tell_campaigns(
    work: &mut Work<'_>,
    caller: Caller,
    pool_id: PoolId,
    narrowed: bool,
) -> StoreResult<Vec<Scope>> {
    let sql = "SELECT campaign_id FROM campaigns WHERE pool_id = ?1";
    let campaigns = query::many(work.tx, sql, [pool_id.raw()], |cells| {
        Ok(CampaignId::from_raw(cells.get("campaign_id")?))
    })?;
    let mut scopes = Vec::new();
    for campaign_id in campaigns {
        wake::campaign(work, campaign_id, caller.now)?;
        if narrowed {
            work.revoke(Scope::Campaign(campaign_id));
            scopes.push(Scope::Campaign(campaign_id));
        }
    }
    Ok(scopes)
}

/// Deletes a pool that no campaign uses.
pub(crate) fn delete(
    work: &mut Work<'_>,
    caller: Caller,
    pool_id: PoolId,
    precondition: &Precondition,
) -> StoreResult<()> {
    precondition.check(get(work.tx, caller.tenant_id, pool_id)?.revision)?;
    if is_used(work, pool_id)? {
        return Err(Conflict::InUse("the phone number pool is").into());
    }
    query::execute(
        work.tx,
        "DELETE FROM pools WHERE pool_id = ?1",
        [pool_id.raw()],
    )?;
    Ok(())
}

fn is_used(work: &Work<'_>, pool_id: PoolId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM campaigns WHERE pool_id = ?1";
    query::exists(work.tx, sql, [pool_id.raw()])
}

/// Health of each number of the pool, in the pool's order.
pub(crate) fn health(
    db: &Connection,
    tenant_id: TenantId,
    pool_id: PoolId,
    now: Timestamp,
) -> StoreResult<Vec<NumberHealth>> {
    let pool = get(db, tenant_id, pool_id)?;
    let since = now.saturating_sub(HEALTH_PERIOD).unwrap_or(Timestamp::MIN);
    let mut known = calls_by_number(db, &pool, since)?;
    let rests = rests_by_number(db, pool.line_id, now)?;
    let of_number = |number: PoolNumber| {
        let id = number.phone_number_id;
        let health = known.remove(&id).unwrap_or_else(|| NumberHealth {
            phone_number_id: id.clone(),
            live_calls: 0,
            calls: 0,
            answered: 0,
            short_calls: 0,
            rests_until: None,
        });
        NumberHealth {
            rests_until: rests.get(&id).copied(),
            ..health
        }
    };
    Ok(pool.numbers.into_iter().map(of_number).collect())
}

fn calls_by_number(
    db: &Connection,
    pool: &PoolRecord,
    since: Timestamp,
) -> StoreResult<HashMap<String, NumberHealth>> {
    let sql = "SELECT phone_number_id,
                   count(*) FILTER (WHERE live = 1) AS live_calls,
                   count(*) FILTER (WHERE counts = 1) AS calls,
                   count(*) FILTER (WHERE outcome = 'ANSWERED') AS answered,
                   count(*) FILTER (WHERE outcome = 'ANSWERED' AND
                       coalesce(details.ended_at, attempts.ended_at)
                           - coalesce(details.started_at, attempts.in_progress_at) < ?5) AS short_calls
               FROM attempts LEFT JOIN call_details AS details USING (attempt_id)
               WHERE tenant_id = ?1 AND attempt_id >= ?2 AND planned_at >= ?3 AND line_id = ?4
               GROUP BY phone_number_id";
    // Ids begin with the millisecond in which they were made, so older calls are not even read.
    let oldest = IdSource::default().next_raw(since);
    let short = i64::try_from(SHORT_CALL.as_micros()).unwrap_or(i64::MAX);
    let bound = params![
        pool.tenant_id.raw(),
        oldest,
        micros(since),
        pool.line_id.raw(),
        short
    ];
    let numbers = query::many(db, sql, bound, |cells| {
        Ok(NumberHealth {
            phone_number_id: cells.get("phone_number_id")?,
            live_calls: cells.u32("live_calls")?,
            calls: cells.u32("calls")?,
            answered: cells.u32("answered")?,
            short_calls: cells.u32("short_calls")?,
            rests_until: None,
        })
    })?;
    Ok(numbers
        .into_iter()
        .map(|health| (health.phone_number_id.clone(), health))
        .collect())
}

fn rests_by_number(
    db: &Connection,
    line_id: LineId,
    now: Timestamp,
) -> StoreResult<HashMap<String, Timestamp>> {
    let sql = "SELECT phone_number_id, rests_until FROM number_rests WHERE line_id = ?1 AND rests_until > ?2";
    let read =
        |cells: &Cells<'_, '_>| Ok((cells.get("phone_number_id")?, cells.instant("rests_until")?));
    Ok(query::many(db, sql, [line_id.raw(), micros(now)], read)?
        .into_iter()
        .collect())
}

fn read(db: &Connection, cells: &Cells<'_, '_>) -> StoreResult<PoolRecord> {
    let pool_id = PoolId::from_raw(cells.get("pool_id")?);
    Ok(PoolRecord {
        pool_id,
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        name: cells.get("name")?,
        line_id: LineId::from_raw(cells.get("line_id")?),
        strategy: cells.choice("strategy", PoolStrategy::parse)?,
        numbers: numbers(db, pool_id)?,
        revision: cells.get("revision")?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
    })
}

fn numbers(db: &Connection, pool_id: PoolId) -> StoreResult<Vec<PoolNumber>> {
    let sql = "SELECT phone_number_id, e164, max_concurrent_calls, enabled FROM pool_numbers
               WHERE pool_id = ?1 ORDER BY position";
    query::many(db, sql, [pool_id.raw()], |cells| {
        Ok(PoolNumber {
            phone_number_id: cells.get("phone_number_id")?,
            e164: cells.get("e164")?,
            max_concurrent_calls: cells.maybe_u32("max_concurrent_calls")?,
            enabled: cells.get("enabled")?,
        })
    })
}

//! Pools of caller numbers.

use std::collections::{HashMap, HashSet};

use domain::{CampaignId, IdSource, LineId, PoolId, TenantId};
use jiff::{SignedDuration, Timestamp};
use store::{
    Caller, Conflict, NumberHealth, Page, PageRequest, PoolContent, PoolNumber, PoolRecord,
    PoolStrategy, Precondition, Scope, StoreError, StoreResult,
};

use crate::code::{Cells, micros};
use crate::ops::{lines, wake};
use crate::query::{self, Db, bound};
use crate::work::Work;

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
pub(crate) async fn create(
    work: &Work<'_>,
    caller: Caller,
    pool: &PoolContent,
) -> StoreResult<PoolRecord> {
    check(work, pool).await?;
    let pool_id = PoolId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO pools (tenant_id, pool_id, line_id, name, strategy, revision, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, 1, $6, $6)";
    let bound = bound![
        caller.tenant_id.raw(),
        pool_id.raw(),
        pool.line_id.raw(),
        pool.name,
        pool.strategy.as_str(),
        micros(caller.now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    insert_numbers(work, pool_id, &pool.numbers, &HashMap::new()).await?;
    get(&work.tx, caller.tenant_id, pool_id).await
}

async fn check(work: &Work<'_>, pool: &PoolContent) -> StoreResult<()> {
    if !lines::is_of(&work.tx, work.tenant_id, pool.line_id).await? {
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
async fn insert_numbers(
    work: &Work<'_>,
    pool_id: PoolId,
    numbers: &[PoolNumber],
    last_used: &HashMap<String, i64>,
) -> StoreResult<()> {
    let sql = "INSERT INTO pool_numbers
                   (tenant_id, pool_id, position, phone_number_id, e164, max_concurrent_calls, enabled, last_used)
               SELECT $1, $2, * FROM UNNEST($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::boolean[],
                                            $8::bigint[])";
    let positions: Vec<_> = (0_i64..).zip(numbers).map(|(at, _)| at).collect();
    let ids: Vec<_> = numbers
        .iter()
        .map(|number| &number.phone_number_id)
        .collect();
    let e164: Vec<_> = numbers.iter().map(|number| &number.e164).collect();
    let most: Vec<_> = numbers
        .iter()
        .map(|number| number.max_concurrent_calls.map(i64::from))
        .collect();
    let enabled: Vec<_> = numbers.iter().map(|number| number.enabled).collect();
    let used: Vec<_> = ids
        .iter()
        .map(|id| last_used.get(*id).copied().unwrap_or_default())
        .collect();
    let tenant = work.tenant_id.raw();
    let bound = bound![
        tenant,
        pool_id.raw(),
        positions,
        ids,
        e164,
        most,
        enabled,
        used
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// One pool.
pub(crate) async fn get(
    db: &Db<'_>,
    tenant_id: TenantId,
    pool_id: PoolId,
) -> StoreResult<PoolRecord> {
    let sql = select!("WHERE tenant_id = $1 AND pool_id = $2");
    let found = query::one(db, sql, bound![tenant_id.raw(), pool_id.raw()], read).await?;
    let mut pools = vec![found.ok_or(NOT_FOUND)?];
    add_numbers(db, tenant_id, &mut pools).await?;
    pools.pop().ok_or(NOT_FOUND)
}

/// Pools, newest first.
pub(crate) async fn list(
    db: &Db<'_>,
    tenant_id: TenantId,
    page: PageRequest,
) -> StoreResult<Page<PoolRecord>> {
    let sql = select!("WHERE tenant_id = $1 AND pool_id < $2 ORDER BY pool_id DESC LIMIT $3");
    let bound = bound![tenant_id.raw(), query::below(page), query::rows_for(page)];
    let pools = query::many(db, sql, bound, read).await?;
    let mut page = query::page_of(pools, page, |pool| pool.pool_id.raw());
    add_numbers(db, tenant_id, &mut page.items).await?;
    Ok(page)
}

/// Whether the tenant has the pool.
pub(crate) async fn is_of(db: &Db<'_>, tenant_id: TenantId, pool_id: PoolId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM pools WHERE tenant_id = $1 AND pool_id = $2";
    query::exists(db, sql, bound![tenant_id.raw(), pool_id.raw()]).await
}

/// Replaces a pool's content; answers the scopes to settle.
pub(crate) async fn update(
    work: &mut Work<'_>,
    caller: Caller,
    pool_id: PoolId,
    base_revision: i64,
    content: &PoolContent,
) -> StoreResult<(PoolRecord, Vec<Scope>)> {
    let before = get(&work.tx, caller.tenant_id, pool_id).await?;
    if before.revision != base_revision {
        return Err(StoreError::Stale {
            current: before.revision,
        });
    }
    check(work, content).await?;
    if content.line_id != before.line_id && is_used(work, pool_id).await? {
        // Its campaigns would dial with numbers that their own line does not have.
        return Err(Conflict::InUse("the phone number pool is").into());
    }
    let sql = "UPDATE pools SET name = $3, line_id = $4, strategy = $5, revision = revision + 1, updated_at = $6
               WHERE tenant_id = $1 AND pool_id = $2";
    let bound = bound![
        work.tenant_id.raw(),
        pool_id.raw(),
        content.name,
        content.line_id.raw(),
        content.strategy.as_str(),
        micros(caller.now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    let last_used = last_used(work, pool_id).await?;
    let sql = "DELETE FROM pool_numbers WHERE tenant_id = $1 AND pool_id = $2";
    query::execute(&work.tx, sql, bound![work.tenant_id.raw(), pool_id.raw()]).await?;
    insert_numbers(work, pool_id, &content.numbers, &last_used).await?;
    let scopes = tell_campaigns(work, caller, pool_id, narrows(&before, content)).await?;
    let pool = get(&work.tx, caller.tenant_id, pool_id).await?;
    Ok((pool, scopes))
}

async fn last_used(work: &Work<'_>, pool_id: PoolId) -> StoreResult<HashMap<String, i64>> {
    let sql =
        "SELECT phone_number_id, last_used FROM pool_numbers WHERE tenant_id = $1 AND pool_id = $2";
    let read = |cells: &Cells<'_>| Ok((cells.get("phone_number_id")?, cells.get("last_used")?));
    let bound = bound![work.tenant_id.raw(), pool_id.raw()];
    let used = query::many(&work.tx, sql, bound, read).await?;
    Ok(used.into_iter().collect())
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
async fn tell_campaigns(
    work: &mut Work<'_>,
    caller: Caller,
    pool_id: PoolId,
    narrowed: bool,
) -> StoreResult<Vec<Scope>> {
    let sql = "SELECT campaign_id FROM campaigns WHERE tenant_id = $1 AND pool_id = $2";
    let bound = bound![work.tenant_id.raw(), pool_id.raw()];
    let campaigns = query::many(&work.tx, sql, bound, |cells| {
        Ok(CampaignId::from_raw(cells.get("campaign_id")?))
    })
    .await?;
    let mut scopes = Vec::new();
    for campaign_id in campaigns {
        wake::campaign(work, campaign_id, caller.now).await?;
        if narrowed {
            work.revoke(Scope::Campaign(campaign_id));
            scopes.push(Scope::Campaign(campaign_id));
        }
    }
    Ok(scopes)
}

/// Deletes a pool that no campaign uses.
pub(crate) async fn delete(
    work: &Work<'_>,
    pool_id: PoolId,
    precondition: &Precondition,
) -> StoreResult<()> {
    let pool = get(&work.tx, work.tenant_id, pool_id).await?;
    precondition.check(pool.revision)?;
    if is_used(work, pool_id).await? {
        return Err(Conflict::InUse("the phone number pool is").into());
    }
    let sql = "DELETE FROM pools WHERE tenant_id = $1 AND pool_id = $2";
    query::execute(&work.tx, sql, bound![work.tenant_id.raw(), pool_id.raw()]).await?;
    Ok(())
}

async fn is_used(work: &Work<'_>, pool_id: PoolId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM campaigns WHERE tenant_id = $1 AND pool_id = $2 LIMIT 1";
    query::exists(&work.tx, sql, bound![work.tenant_id.raw(), pool_id.raw()]).await
}

/// Health of each number of the pool, in the pool's order.
pub(crate) async fn health(
    db: &Db<'_>,
    tenant_id: TenantId,
    pool_id: PoolId,
    now: Timestamp,
) -> StoreResult<Vec<NumberHealth>> {
    let pool = get(db, tenant_id, pool_id).await?;
    let since = now.saturating_sub(HEALTH_PERIOD).unwrap_or(Timestamp::MIN);
    let mut known = calls_by_number(db, &pool, since).await?;
    let rests = rests_by_number(db, tenant_id, pool.line_id, now).await?;
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

async fn calls_by_number(
    db: &Db<'_>,
    pool: &PoolRecord,
    since: Timestamp,
) -> StoreResult<HashMap<String, NumberHealth>> {
    let sql = "SELECT attempts.phone_number_id,
                   count(*) FILTER (WHERE live) AS live_calls,
                   count(*) FILTER (WHERE counts) AS calls,
                   count(*) FILTER (WHERE outcome = 'ANSWERED') AS answered,
                   count(*) FILTER (WHERE outcome = 'ANSWERED' AND
                       coalesce(details.ended_at, attempts.ended_at)
                           - coalesce(details.started_at, attempts.in_progress_at) < $5) AS short_calls
               FROM attempts LEFT JOIN call_details AS details USING (tenant_id, attempt_id)
               WHERE tenant_id = $1 AND attempt_id >= $2 AND planned_at >= $3 AND line_id = $4
               GROUP BY attempts.phone_number_id";
    // Ids begin with the millisecond in which they were made, so older calls are not even read.
    let oldest = IdSource::default().next_raw(since);
    let short = i64::try_from(SHORT_CALL.as_micros()).unwrap_or(i64::MAX);
    let bound = bound![
        pool.tenant_id.raw(),
        oldest,
        micros(since),
        pool.line_id.raw(),
        short,
    ];
    let numbers = query::many(db, sql, bound, |cells| {
        Ok(NumberHealth {
            phone_number_id: cells.get("phone_number_id")?,
            live_calls: cells.number("live_calls")?,
            calls: cells.number("calls")?,
            answered: cells.number("answered")?,
            short_calls: cells.number("short_calls")?,
            rests_until: None,
        })
    })
    .await?;
    Ok(numbers
        .into_iter()
        .map(|health| (health.phone_number_id.clone(), health))
        .collect())
}

/// Numbers of the line that rest, and until when.
pub(crate) async fn rests_by_number(
    db: &Db<'_>,
    tenant_id: TenantId,
    line_id: LineId,
    now: Timestamp,
) -> StoreResult<HashMap<String, Timestamp>> {
    let sql = "SELECT phone_number_id, rests_until FROM number_rests
               WHERE tenant_id = $1 AND line_id = $2 AND rests_until > $3";
    let read =
        |cells: &Cells<'_>| Ok((cells.get("phone_number_id")?, cells.instant("rests_until")?));
    let bound = bound![tenant_id.raw(), line_id.raw(), micros(now)];
    Ok(query::many(db, sql, bound, read)
        .await?
        .into_iter()
        .collect())
}

fn read(cells: &Cells<'_>) -> StoreResult<PoolRecord> {
    Ok(PoolRecord {
        pool_id: PoolId::from_raw(cells.get("pool_id")?),
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        name: cells.get("name")?,
        line_id: LineId::from_raw(cells.get("line_id")?),
        strategy: cells.choice("strategy", PoolStrategy::parse)?,
        numbers: Vec::new(),
        revision: cells.get("revision")?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
    })
}

/// Reads the numbers of all these pools at once.
async fn add_numbers(
    db: &Db<'_>,
    tenant_id: TenantId,
    pools: &mut [PoolRecord],
) -> StoreResult<()> {
    let sql =
        "SELECT pool_id, phone_number_id, e164, max_concurrent_calls, enabled FROM pool_numbers
               WHERE tenant_id = $1 AND pool_id = ANY($2) ORDER BY pool_id, position";
    let ids: Vec<_> = pools.iter().map(|pool| pool.pool_id.raw()).collect();
    let numbers = query::many(db, sql, bound![tenant_id.raw(), ids], |cells| {
        let number = PoolNumber {
            phone_number_id: cells.get("phone_number_id")?,
            e164: cells.get("e164")?,
            max_concurrent_calls: cells.maybe_number("max_concurrent_calls")?,
            enabled: cells.get("enabled")?,
        };
        Ok((cells.get::<i64>("pool_id")?, number))
    })
    .await?;
    let mut of_pool: HashMap<i64, Vec<PoolNumber>> = HashMap::new();
    for (pool_id, number) in numbers {
        of_pool.entry(pool_id).or_default().push(number);
    }
    for pool in pools {
        pool.numbers = of_pool.remove(&pool.pool_id.raw()).unwrap_or_default();
    }
    Ok(())
}

//! The server itself: ids, health, metrics, sweeping.

use jiff::Timestamp;
use store::{Gauges, StoreResult};

use crate::code::{corrupt, micros};
use crate::error::translate;
use crate::node;
use crate::query::{self, Db, bound};

/// Most rows deleted by one sweep, so that none holds locks for long.
const SWEEP_ROWS: i64 = 1_000;

/// The greatest id in the database, from which new ones go on.
pub(crate) async fn greatest_id(db: &Db<'_>) -> StoreResult<i64> {
    // The ids of other objects are made in the same moments as their leads' and calls'; a token, a
    // line or a pool has a key of its own that refuses a second use.
    let sql = "SELECT greatest(
        coalesce((SELECT max(tenant_id) FROM tenants), 0),
        coalesce((SELECT max(token_id) FROM tokens), 0),
        coalesce((SELECT max(line_id) FROM lines), 0),
        coalesce((SELECT max(pool_id) FROM pools), 0),
        coalesce((SELECT max(campaign_id) FROM campaigns), 0),
        coalesce((SELECT max(lead_id) FROM leads), 0),
        coalesce((SELECT max(attempt_id) FROM attempts), 0),
        coalesce((SELECT max(import_id) FROM imports), 0)) AS greatest";
    let greatest = query::one(db, sql, &[], |cells| cells.get("greatest")).await?;
    greatest.ok_or_else(|| corrupt("the greatest id gave no row"))
}

/// Writes, so that a full or read-only database is noticed.
pub(crate) async fn ping(db: &Db<'_>, now: Timestamp) -> StoreResult<()> {
    let sql = "INSERT INTO meta (key, value) VALUES ('ping_at', $1)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    query::execute(db, sql, bound![micros(now).to_string()]).await?;
    Ok(())
}

/// Keeps the mark of the key that all processes use: the first one, until nobody else lives or another one is
/// proven. Answers the one that is kept.
pub(crate) async fn agree_on_key(
    db: &Db<'_>,
    own: i64,
    mark: &str,
    is_proven: bool,
) -> StoreResult<String> {
    let others = node::living(&**db.connection().await?)
        .await
        .map_err(translate)?;
    let replaces = is_proven || others.iter().all(|number| *number == own);
    let sql = "INSERT INTO meta AS kept (key, value) VALUES ('key_mark', $1)
               ON CONFLICT (key) DO UPDATE SET value = CASE WHEN $2 THEN excluded.value ELSE kept.value END
               RETURNING value";
    let kept = query::one(db, sql, bound![mark, replaces], |cells| cells.get("value")).await?;
    kept.ok_or_else(|| corrupt("the mark of the key was not kept"))
}

/// Figures for metrics.
pub(crate) async fn gauges(db: &Db<'_>) -> StoreResult<Gauges> {
    // A lead is in `due` exactly while it is READY, so the counters know how many there are.
    let sql = "SELECT
        (SELECT count(*) FROM attempts WHERE live) AS live_calls,
        (SELECT count(*) FROM attempts WHERE live AND state = 'UNKNOWN') AS unresolved_calls,
        (SELECT count(*) FROM campaigns WHERE status = 'RUNNING') AS running_campaigns,
        (SELECT coalesce(sum(leads), 0)::bigint FROM lead_counts WHERE status = 'READY') AS due_leads";
    let gauges = query::one(db, sql, &[], |cells| {
        Ok(Gauges {
            live_calls: cells.number("live_calls")?,
            unresolved_calls: cells.number("unresolved_calls")?,
            running_campaigns: cells.number("running_campaigns")?,
            due_leads: cells.number("due_leads")?,
        })
    })
    .await?;
    gauges.ok_or_else(|| corrupt("counting gave no row"))
}

/// Deletes expired idempotency keys of all tenants; answers how many.
pub(crate) async fn sweep(db: &Db<'_>, now: Timestamp) -> StoreResult<u64> {
    let sql = "DELETE FROM idempotency USING
                   (SELECT tenant_id, operation, key FROM idempotency WHERE expires_at <= $1
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS expired
               WHERE idempotency.tenant_id = expired.tenant_id
                 AND idempotency.operation = expired.operation AND idempotency.key = expired.key";
    query::execute(db, sql, bound![micros(now), SWEEP_ROWS]).await
}

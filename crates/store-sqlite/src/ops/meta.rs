//! The server itself: ids, health, metrics, sweeping.

use jiff::Timestamp;
use rusqlite::Connection;
use store::{Gauges, StoreResult};

use crate::code::{corrupt, micros};
use crate::ops::query;
use crate::writer::Work;

/// Most rows deleted by one sweep, so that the writer is never held for long.
const SWEEP_ROWS: u32 = 1_000;

/// The greatest id in the file, from which new ones go on.
pub(crate) fn greatest_id(db: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT max(
        coalesce((SELECT max(tenant_id) FROM tenants), 0),
        coalesce((SELECT max(token_id) FROM tokens), 0),
        coalesce((SELECT max(line_id) FROM lines), 0),
        coalesce((SELECT max(pool_id) FROM pools), 0),
        coalesce((SELECT max(campaign_id) FROM campaigns), 0),
        coalesce((SELECT max(lead_id) FROM leads), 0),
        coalesce((SELECT max(suppression_id) FROM suppressions), 0),
        coalesce((SELECT max(attempt_id) FROM attempts), 0),
        coalesce((SELECT max(import_id) FROM imports), 0))";
    db.query_row(sql, [], |row| row.get(0))
}

/// Writes, so that a full or read-only disk is noticed.
pub(crate) fn ping(work: &mut Work<'_>, now: Timestamp) -> StoreResult<()> {
    let sql = "INSERT INTO meta (key, value) VALUES ('ping_at', ?1)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    query::execute(work.tx, sql, [micros(now).to_string()])?;
    Ok(())
}

/// Figures for metrics.
pub(crate) fn gauges(db: &Connection) -> StoreResult<Gauges> {
    // A lead is in `due` exactly while it is READY, so the counters know how many there are.
    let sql = "SELECT
        (SELECT count(*) FROM attempts WHERE live = 1) AS live_calls,
        (SELECT count(*) FROM attempts WHERE live = 1 AND state = 'UNKNOWN') AS unresolved_calls,
        (SELECT count(*) FROM campaigns WHERE status = 'RUNNING') AS running_campaigns,
        (SELECT coalesce(sum(leads), 0) FROM lead_counts WHERE status = 'READY') AS due_leads";
    let gauges = query::one(db, sql, [], |cells| {
        Ok(Gauges {
            live_calls: cells.get("live_calls")?,
            unresolved_calls: cells.get("unresolved_calls")?,
            running_campaigns: cells.get("running_campaigns")?,
            due_leads: cells.get("due_leads")?,
        })
    })?;
    gauges.ok_or_else(|| corrupt("counting gave no row"))
}

/// Deletes expired idempotency keys; answers how many.
pub(crate) fn sweep(work: &mut Work<'_>, now: Timestamp) -> StoreResult<u64> {
    let sql = "SELECT tenant_id, operation, key FROM idempotency WHERE expires_at <= ?1 LIMIT ?2";
    let bound = [micros(now), i64::from(SWEEP_ROWS)];
    let expired = query::many(work.tx, sql, bound, |cells| {
        let tenant_id: i64 = cells.get("tenant_id")?;
        let operation: String = cells.get("operation")?;
        let key: String = cells.get("key")?;
        Ok((tenant_id, operation, key))
    })?;
    // Key by key: one statement with `IN` would walk every key of the tenants concerned.
    let sql = "DELETE FROM idempotency WHERE tenant_id = ?1 AND operation = ?2 AND key = ?3";
    for key in &expired {
        query::execute(work.tx, sql, (key.0, &key.1, &key.2))?;
    }
    Ok(u64::try_from(expired.len()).unwrap_or(u64::MAX))
}

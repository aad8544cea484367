//! Attempts to ask the provider about.

use domain::attempt::StateName;
use domain::settings::CallingEntity;
use domain::{AttemptId, LineId};
use failpoint::Transaction;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use store::{Check, StoreResult};

use crate::code::{Cells, instant, micros};
use crate::error::translate;
use crate::writer::Work;

/// For how long a look-up belongs to who claimed it; a crash gives it back.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// Whether a look-up is due.
pub(crate) fn any_due(db: &Connection, now: Timestamp) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM attempts WHERE check_at <= ?1 LIMIT 1";
    db.prepare_cached(sql)
        .map_err(translate)?
        .exists([micros(now)])
        .map_err(translate)
}

/// The earliest due look-up.
pub(crate) fn next(db: &Connection) -> StoreResult<Option<Timestamp>> {
    let sql = "SELECT min(check_at) FROM attempts WHERE check_at IS NOT NULL";
    let next: Option<i64> = db
        .prepare_cached(sql)
        .map_err(translate)?
        .query_row([], |row| row.get(0))
        .map_err(translate)?;
    next.map(instant).transpose()
}

/// Claims due look-ups, the most overdue first.
pub(crate) fn claim(work: &mut Work<'_>, now: Timestamp, limit: u32) -> StoreResult<Vec<Check>> {
    work.is_a(Transaction::Checks);
    let sql = "SELECT attempt_id, attempt_key, attempts.line_id, state, provider_call_id, phone_number_id, assistant_id, entity,
                      planned_at, send_not_after, attempts.account = lines.account AS same_account
               FROM attempts JOIN lines USING (line_id) WHERE check_at <= ?1 ORDER BY check_at LIMIT ?2";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query(params![micros(now), limit])
        .map_err(translate)?;
    let mut checks = Vec::new();
    while let Some(row) = rows.next().map_err(translate)? {
        checks.push(read(&Cells::of(row))?);
    }
    let leased_until = micros(now.saturating_add(LEASE).unwrap_or(now));
    for check in &checks {
        let sql = "UPDATE attempts SET check_at = ?2 WHERE attempt_id = ?1";
        work.tx
            .prepare_cached(sql)
            .map_err(translate)?
            .execute([check.attempt_id.raw(), leased_until])
            .map_err(translate)?;
    }
    Ok(checks)
}

fn read(cells: &Cells<'_, '_>) -> StoreResult<Check> {
    Ok(Check {
        attempt_id: AttemptId::from_raw(cells.get("attempt_id")?),
        attempt_key: cells.get("attempt_key")?,
        line_id: LineId::from_raw(cells.get("line_id")?),
        state: cells.choice("state", StateName::parse)?,
        provider_call_id: cells.get("provider_call_id")?,
        phone_number_id: cells.get("phone_number_id")?,
        assistant_id: cells.get("assistant_id")?,
        entity: cells.choice("entity", CallingEntity::parse)?,
        planned_at: cells.instant("planned_at")?,
        send_not_after: cells.instant("send_not_after")?,
        same_account: cells.get("same_account")?,
    })
}

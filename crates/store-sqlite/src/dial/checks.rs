//! Attempts to ask the provider about.

use domain::attempt::StateName;
use domain::settings::CallingEntity;
use domain::{AttemptId, LineId};
use failpoint::Transaction;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use store::{Check, CheckRoom, StoreResult};

use crate::code::{Cells, instant, micros, to_json};
use crate::error::translate;
use crate::writer::Work;

/// For how long a look-up belongs to who claimed it; a crash gives it back.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// The lines that have no room, as a JSON list for the statements below.
pub(crate) fn full_lines(room: &CheckRoom) -> String {
    let lines = room.under_way.keys();
    let full: Vec<i64> = lines
        .filter(|line_id| room.left(**line_id) == 0)
        .map(|line_id| line_id.raw())
        .collect();
    to_json(&full)
}

/// Whether a look-up is due whose line is none of the full ones.
pub(crate) fn any_due(db: &Connection, now: Timestamp, full_lines: &str) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM attempts
               WHERE check_at <= ?1 AND line_id NOT IN (SELECT value FROM json_each(?2)) LIMIT 1";
    db.prepare_cached(sql)
        .map_err(translate)?
        .exists(params![micros(now), full_lines])
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

/// Claims due look-ups, the most overdue first, as far as there is room.
pub(crate) fn claim(
    work: &mut Work<'_>,
    now: Timestamp,
    mut room: CheckRoom,
) -> StoreResult<Vec<Check>> {
    work.is_a(Transaction::Checks);
    let sql = "SELECT attempt_id, attempt_key, attempts.line_id, state, provider_call_id, phone_number_id, assistant_id, entity,
                      planned_at, send_not_after, attempts.account = lines.account AS same_account
               FROM attempts JOIN lines USING (line_id)
               WHERE check_at <= ?1 AND attempts.line_id NOT IN (SELECT value FROM json_each(?3))
               ORDER BY check_at, attempt_id LIMIT ?2";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query(params![micros(now), room.limit, full_lines(&room)])
        .map_err(translate)?;
    let mut checks = Vec::new();
    while let Some(row) = rows.next().map_err(translate)? {
        let check = read(&Cells::of(row))?;
        // The rest of a line whose room ends here stays due, for the next claim.
        if room.left(check.line_id) > 0 {
            *room.under_way.entry(check.line_id).or_default() += 1;
            checks.push(check);
        }
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

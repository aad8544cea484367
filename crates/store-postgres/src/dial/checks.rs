//! Attempts to ask the provider about, of all tenants.

use std::collections::HashMap;

use domain::attempt::StateName;
use domain::settings::CallingEntity;
use domain::{AttemptId, LineId};
use failpoint::{Failpoint, Transaction};
use jiff::{SignedDuration, Timestamp};
use store::{Check, CheckRoom, StoreResult};

use crate::code::{Cells, instant, micros};
use crate::query::{self, Db, bound};

/// For how long a look-up belongs to who claimed it; a crash gives it back.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// The lines that have no room.
pub(crate) fn full_lines(room: &CheckRoom) -> Vec<i64> {
    let lines = room.under_way.keys();
    lines
        .filter(|line_id| room.left(**line_id) == 0)
        .map(|line_id| line_id.raw())
        .collect()
}

/// Whether a look-up is due whose line is none of the full ones.
pub(crate) async fn any_due(db: &Db<'_>, now: Timestamp, full: &[i64]) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM attempts WHERE check_at <= $1 AND line_id <> ALL($2) LIMIT 1";
    query::exists(db, sql, bound![micros(now), full]).await
}

/// The earliest due look-up.
pub(crate) async fn next(db: &Db<'_>) -> StoreResult<Option<Timestamp>> {
    let sql = "SELECT min(check_at) AS check_at FROM attempts WHERE check_at IS NOT NULL";
    let next = query::one(db, sql, &[], |cells| cells.get::<Option<i64>>("check_at")).await?;
    next.flatten().map(instant).transpose()
}

/// Claims due look-ups, the most overdue first, as far as there is room. Rows that another node is claiming, or a fact is
/// changing, are skipped: they are not waited for, so no tenant is locked.
pub(crate) async fn claim(
    db: &Db<'_>,
    now: Timestamp,
    mut room: CheckRoom,
) -> StoreResult<Vec<Check>> {
    let sql = "SELECT attempt_id, line_id FROM attempts WHERE check_at <= $1 AND line_id <> ALL($3)
               ORDER BY check_at, attempt_id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED";
    let bound = bound![micros(now), i64::from(room.limit), full_lines(&room)];
    let due = query::many(db, sql, bound, |cells| {
        let line_id = LineId::from_raw(cells.get("line_id")?);
        Ok((cells.get("attempt_id")?, line_id))
    })
    .await?;
    let mut ids = Vec::with_capacity(due.len());
    for (attempt_id, line_id) in due {
        // The rest of a line whose room ends here stays due, for the next claim.
        if room.left(line_id) > 0 {
            *room.under_way.entry(line_id).or_default() += 1;
            ids.push(attempt_id);
        }
    }
    let leased = lease(db, now, &ids).await?;
    failpoint::reach(Failpoint::BeforeCommit(Transaction::Checks));
    Ok(leased)
}

async fn lease(db: &Db<'_>, now: Timestamp, ids: &[i64]) -> StoreResult<Vec<Check>> {
    let sql = "UPDATE attempts SET check_at = $2 FROM lines
               WHERE attempts.attempt_id = ANY($1)
                 AND lines.tenant_id = attempts.tenant_id AND lines.line_id = attempts.line_id
               RETURNING attempt_id, attempt_key, attempts.line_id, state, provider_call_id, phone_number_id,
                   assistant_id, entity, planned_at, send_not_after,
                   attempts.account = lines.account AS same_account";
    let leased_until = micros(now.saturating_add(LEASE).unwrap_or(now));
    let checks = query::many(db, sql, bound![ids, leased_until], read).await?;
    let mut by_id: HashMap<i64, Check> = checks
        .into_iter()
        .map(|check| (check.attempt_id.raw(), check))
        .collect();
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}

fn read(cells: &Cells<'_>) -> StoreResult<Check> {
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

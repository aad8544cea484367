//! Resting lines, numbers and campaigns whose calls cannot succeed, and waking them again.
//!
//! Pauses grow with each failure in a row and end by themselves: no fault ever ends a campaign. From
//! its first rest until a call succeeds a line is *on trial*: it takes one call at a time.

use jiff::{SignedDuration, Timestamp};
use rusqlite::params;
use serde_json::json;
use store::StoreResult;
use store::line_rules::{self, Failing};

use crate::code::micros;
use crate::dial::row::AttemptRow;
use crate::error::translate;
use crate::events::{self, Subject};
use crate::ops::wake;
use crate::writer::Work;

/// A transport failure, or an answer that proves nothing. A line on trial has used its patience up.
pub(crate) fn fault(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    reason: &str,
    never_sent: bool,
) -> StoreResult<()> {
    let failing = count_failure(work, row)?;
    let Some(pause) = failing.pause_after_fault(never_sent) else {
        return Ok(());
    };
    set_rest(work, now, row, pause, reason)?;
    tell_unavailable(work, now, row, reason, !failing.on_trial)
}

/// Tells that the line rests, when it begins to.
fn tell_unavailable(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    reason: &str,
    begins: bool,
) -> StoreResult<()> {
    if !begins {
        return Ok(());
    }
    let data = json!({ "line": row.line_id.raw(), "reason": reason });
    let subject = Subject::tenant(row.tenant_id);
    events::append(work, now, "line.unavailable", subject, &data)
}

/// The line must rest; without a pause, growing with each failure in a row.
pub(crate) fn rest(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    pause: Option<SignedDuration>,
    reason: &str,
) -> StoreResult<()> {
    if let Some(pause) = pause {
        return set_rest(work, now, row, pause, reason);
    }
    let failing = count_failure(work, row)?;
    set_rest(work, now, row, failing.pause(), reason)?;
    tell_unavailable(work, now, row, reason, !failing.on_trial)
}

fn count_failure(work: &Work<'_>, row: &AttemptRow) -> StoreResult<Failing> {
    let sql = "UPDATE lines SET failures = failures + 1 WHERE line_id = ?1
               RETURNING failures, failures > 1 AND rests_until IS NOT NULL";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let failing = |row: &rusqlite::Row<'_>| {
        Ok(Failing {
            failures: row.get(0)?,
            on_trial: row.get(1)?,
        })
    };
    statement
        .query_row([row.line_id.raw()], failing)
        .map_err(translate)
}

fn set_rest(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    pause: SignedDuration,
    reason: &str,
) -> StoreResult<()> {
    let until = line_rules::after(now, pause);
    let sql = "UPDATE lines SET rests_until = max(coalesce(rests_until, ?2), ?2), rest_reason = ?3 WHERE line_id = ?1";
    let bound = params![row.line_id.raw(), micros(until), reason];
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute(bound)
        .map_err(translate)?;
    // At once, so that its campaigns say why they do not dial; the plan sleeps until the rest is over.
    wake::line_only(work, row.line_id, now)
}

/// A request was answered by a call: failures in a row are forgotten.
pub(crate) fn works(work: &mut Work<'_>, now: Timestamp, row: &AttemptRow) -> StoreResult<()> {
    let sql = "SELECT failures > 0 AND rests_until IS NOT NULL FROM lines
               WHERE line_id = ?1 AND (failures > 0 OR rests_until <= ?2)";
    let rested: Option<bool> = {
        let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
        let bound = params![row.line_id.raw(), micros(now)];
        let mut rows = statement.query(bound).map_err(translate)?;
        match rows.next().map_err(translate)? {
            Some(found) => Some(found.get(0).map_err(translate)?),
            None => None,
        }
    };
    let Some(rested) = rested else { return Ok(()) };
    let sql =
        "UPDATE lines SET failures = 0, rests_until = NULL, rest_reason = NULL WHERE line_id = ?1";
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute([row.line_id.raw()])
        .map_err(translate)?;
    if rested {
        let data = json!({ "line": row.line_id.raw() });
        let subject = Subject::tenant(row.tenant_id);
        events::append(work, now, "line.recovered", subject, &data)?;
        wake_campaigns(work, now, row)?;
    }
    wake::line_only(work, row.line_id, now)
}

/// Campaigns that say that the line is unavailable are looked at, so that they say so no longer.
fn wake_campaigns(work: &Work<'_>, now: Timestamp, row: &AttemptRow) -> StoreResult<()> {
    let sql = "UPDATE campaigns SET wake_at = min(coalesce(wake_at, ?2), ?2)
               WHERE line_id = ?1 AND status = 'RUNNING' AND status_reason = 'PROVIDER_UNAVAILABLE'";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let bound = params![row.line_id.raw(), micros(now)];
    statement.execute(bound).map_err(translate)?;
    Ok(())
}

/// A call of the campaign came to an end of its own: its settings work.
pub(crate) fn close_circuit(work: &Work<'_>, row: &AttemptRow) -> StoreResult<()> {
    let sql = "UPDATE campaigns SET circuit_failures = 0, circuit_open_until = NULL
               WHERE campaign_id = ?1 AND circuit_failures > 0";
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute([row.campaign_id.raw()])
        .map_err(translate)?;
    Ok(())
}

/// The campaign's calls fail by configuration: it waits, growing.
pub(crate) fn open_circuit(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
) -> StoreResult<()> {
    let sql = "UPDATE campaigns SET circuit_failures = circuit_failures + 1 WHERE campaign_id = ?1 RETURNING circuit_failures";
    let failures: Option<i64> = {
        let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
        let mut rows = statement
            .query([row.campaign_id.raw()])
            .map_err(translate)?;
        match rows.next().map_err(translate)? {
            Some(row) => Some(row.get(0).map_err(translate)?),
            None => None,
        }
    };
    let Some(failures) = failures else {
        return Ok(());
    };
    let until = line_rules::after(now, line_rules::circuit_pause(failures));
    let sql = "UPDATE campaigns SET circuit_open_until = ?2 WHERE campaign_id = ?1";
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute([row.campaign_id.raw(), micros(until)])
        .map_err(translate)?;
    Ok(())
}

/// The caller number rests until the provider's next day.
pub(crate) fn rest_number(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
) -> StoreResult<()> {
    let until = line_rules::number_rests_until(now);
    let sql = "INSERT INTO number_rests (line_id, phone_number_id, rests_until) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET rests_until = excluded.rests_until";
    let bound = params![row.line_id.raw(), row.phone_number_id, micros(until)];
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute(bound)
        .map_err(translate)?;
    let data = json!({ "line": row.line_id.raw(), "phone_number_id": row.phone_number_id, "rests_until": until.to_string() });
    events::append(
        work,
        now,
        "number.rested",
        Subject::campaign(row.tenant_id, row.campaign_id),
        &data,
    )
}

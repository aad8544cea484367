//! Hold: what keeps the installation from dialing, in the transaction of whoever notices it.

use std::sync::Arc;

use domain::{LineId, TenantId};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use store::{
    Gap, HeldLine, Hold, HoldReason, HoldStatus, KeySource, LineProgress, MAX_UNMATCHED_SHOWN,
    Mark, Release, Scope, StoreResult, UnmatchedCall,
};

use crate::code::{Cells, micros};
use crate::marker::{Found, Marker};
use crate::ops::query;
use crate::writer::Work;

/// How far the clock may be behind what the database remembers.
const MAX_CLOCK_BEHIND: SignedDuration = SignedDuration::from_secs(60);
/// Gaps of the memory that are kept; beyond, the oldest two become one.
const MAX_GAPS: u32 = 64;
/// A strange call that is older than this is not searched.
const GAP_LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Number of a marker whose installation has not dialed yet.
const NOTHING_DIALED: u64 = 0;
/// Lines shown; an installation has far fewer.
const MAX_LINES: u32 = 10_000;

/// Whether anything keeps the installation from dialing now.
pub(crate) fn is_on(db: &Connection) -> StoreResult<bool> {
    query::exists(db, "SELECT 1 FROM holds WHERE ended_at IS NULL", [])
}

/// The same for the one who wants to dial: a marker that cannot be written is a reason too.
pub(crate) fn keeps_from_dialing(
    work: &mut Work<'_>,
    marker: &Marker,
    now: Timestamp,
) -> StoreResult<bool> {
    if let Some(fault) = marker.fault() {
        put(work, now, HoldReason::MarkerUnwritable, &fault, None)?;
        return Ok(true);
    }
    if !is_on(work.tx)? {
        return Ok(false);
    }
    // Whoever ends the hold may replace the file.
    marker.let_go();
    lift(work, now, HoldReason::MarkerUnwritable)?;
    let is_on = is_on(work.tx)?;
    Ok(domain::planted!("hold_ignored", is_on, false))
}

/// Moves the marker; the file follows the commit, before any of its calls can be sent.
pub(crate) fn mark(
    work: &mut Work<'_>,
    marker: &Arc<Marker>,
    now: Timestamp,
    keys: &mut KeySource,
) -> StoreResult<()> {
    let sql = "UPDATE installation SET marker = marker + 1, marked_at = max(marked_at, ?1)
               RETURNING name, marker, marked_at";
    let mark = match query::one(work.tx, sql, [micros(now)], read_mark)? {
        Some(mark) => mark,
        None => name_installation(work, marker, now, keys)?,
    };
    work.write_mark(Arc::clone(marker), mark);
    Ok(())
}

/// The first call of an installation gives it its name. The file is there before that is durable,
/// so that a process that dies in between does not look like one whose marker is gone; the number
/// zero says that nothing was dialed.
fn name_installation(
    work: &Work<'_>,
    marker: &Marker,
    now: Timestamp,
    keys: &mut KeySource,
) -> StoreResult<Mark> {
    let name = Mark::name_from(&keys());
    let sql = "INSERT INTO installation (only, name, marker, marked_at) VALUES (1, ?1, 1, ?2)";
    query::execute(work.tx, sql, params![name, micros(now)])?;
    // If it cannot be written, neither can the mark after the commit, which takes the calls back.
    marker.replace(&Mark {
        installation: name.clone(),
        number: NOTHING_DIALED,
        at: now,
    });
    Ok(Mark {
        installation: name,
        number: NOTHING_DIALED + 1,
        at: now,
    })
}

/// What the database itself says of how far it has dialed.
pub(crate) fn own_mark(db: &Connection) -> StoreResult<Option<Mark>> {
    let sql = "SELECT name, marker, marked_at FROM installation";
    query::one(db, sql, [], read_mark)
}

fn read_mark(cells: &Cells<'_, '_>) -> StoreResult<Mark> {
    Ok(Mark {
        installation: cells.get("name")?,
        number: cells.get("marker")?,
        at: cells.instant("marked_at")?,
    })
}

/// What a fresh process makes of the database it finds.
pub(crate) fn judge_start(work: &mut Work<'_>, marker: &Marker, now: Timestamp) -> StoreResult<()> {
    let own = own_mark(work.tx)?;
    let found = marker.read();
    let remembered = last_instant(work.tx)?;
    let outside = written_outside(own.as_ref(), &found);
    if let Some(last) = remembered {
        // A clock that is behind says nothing of how late calls may have been placed.
        let until = now.max(last).max(outside.unwrap_or(now));
        note_gap(work, last.min(now), until)?;
    }
    if let Some((reason, detail)) = disagreement(own.as_ref(), &found, &marker.shown()) {
        put(work, now, reason, &detail, None)?;
    }
    let last = remembered.max(outside);
    if let Some(last) = last.filter(|last| last.duration_since(now) > MAX_CLOCK_BEHIND) {
        let detail = format!(
            "the clock says {}, but the database was written at {}",
            shown(now),
            shown(last)
        );
        put(work, now, HoldReason::ClockBehind, &detail, Some(last))?;
    }
    Ok(())
}

fn written_outside(own: Option<&Mark>, found: &Found) -> Option<Timestamp> {
    match (own, found) {
        (Some(own), Found::Mark(file)) if file.installation == own.installation => Some(file.at),
        _ => None,
    }
}

fn shown(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%dT%H:%M:%SZ")
}

/// What the marker beside the database says against it.
fn disagreement(own: Option<&Mark>, found: &Found, file: &str) -> Option<(HoldReason, String)> {
    match (own, found) {
        (_, Found::Unreadable(why)) => Some((
            HoldReason::MarkerUnreadable,
            format!("the marker file {file} cannot be read: {why}"),
        )),
        (Some(own), Found::Missing) => Some((
            HoldReason::MarkerMissing,
            format!(
                "the database has dialed (marker {}), but the marker file {file} is gone: whether this is its newest state cannot be known",
                own.number
            ),
        )),
        // A process died on the way to its first call.
        (None, Found::Mark(mark)) if mark.number == NOTHING_DIALED => None,
        (None, Found::Mark(mark)) => Some((
            HoldReason::MarkerForeign,
            format!(
                "the database has never dialed, but the marker file {file} says that its installation dialed until {} (marker {})",
                shown(mark.at),
                mark.number
            ),
        )),
        (Some(own), Found::Mark(mark)) if mark.installation != own.installation => Some((
            HoldReason::MarkerForeign,
            format!("the marker file {file} belongs to another installation than the database"),
        )),
        (Some(own), Found::Mark(mark)) if mark.number > own.number => Some((
            HoldReason::WentBack,
            format!(
                "the database knows of calls until {} (marker {}), but the marker file {file} says that calls were placed until {} (marker {}): this is an older copy",
                shown(own.at),
                own.number,
                shown(mark.at),
                mark.number
            ),
        )),
        (None, Found::Missing) | (Some(_), Found::Mark(_)) => None,
    }
}

/// The last instant that the database remembers, if it remembers any.
fn last_instant(db: &Connection) -> StoreResult<Option<Timestamp>> {
    let sql = "SELECT max(at) AS at FROM (
                   SELECT marked_at AS at FROM installation
                   UNION ALL
                   SELECT events.created_at FROM tenants JOIN events
                       ON events.tenant_id = tenants.tenant_id AND sequence = last_sequence
                   UNION ALL
                   SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'ping_at')";
    let last = query::one(db, sql, [], |cells| cells.maybe_instant("at"))?;
    Ok(last.flatten())
}

/// Notes a stretch of time of which calls may be forgotten.
pub(crate) fn note_gap(work: &Work<'_>, from: Timestamp, until: Timestamp) -> StoreResult<()> {
    let sql = "INSERT INTO gaps (from_at, until_at) VALUES (?1, ?2)";
    query::execute(work.tx, sql, [micros(from), micros(until)])?;
    let old = until.saturating_sub(GAP_LIFE).unwrap_or(Timestamp::MIN);
    query::execute(
        work.tx,
        "DELETE FROM gaps WHERE until_at < ?1",
        [micros(old)],
    )?;
    let sql = "UPDATE gaps SET from_at = (SELECT min(from_at) FROM gaps)
               WHERE gap_id = (SELECT gap_id FROM gaps ORDER BY gap_id LIMIT 1 OFFSET 1)
                 AND (SELECT count(*) FROM gaps) > ?1";
    if query::execute(work.tx, sql, [MAX_GAPS])? > 0 {
        let sql = "DELETE FROM gaps WHERE gap_id = (SELECT min(gap_id) FROM gaps)";
        query::execute(work.tx, sql, [])?;
    }
    Ok(())
}

/// Puts the installation on hold for one reason, if it is not already. No reserved call begins
/// once this is durable.
///
/// What lines were asked for another reason, or for the same one with another detail, says nothing of
/// this one: they are asked again. A copy that was made during a hold brings its answers with it.
pub(crate) fn put(
    work: &mut Work<'_>,
    now: Timestamp,
    reason: HoldReason,
    detail: &str,
    ends_at: Option<Timestamp>,
) -> StoreResult<()> {
    let sql = "SELECT detail FROM holds WHERE reason = ?1 AND ended_at IS NULL";
    let known = query::one(work.tx, sql, [reason.as_str()], |cells| {
        cells.get::<String>("detail")
    })?;
    let is_new = match &known {
        None => true,
        Some(known) => reason.needs_reconciliation() && known != detail,
    };
    if is_new {
        let sql = "INSERT INTO holds (reason, detail, since, ends_at) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (reason) WHERE ended_at IS NULL DO UPDATE SET detail = excluded.detail";
        let bound = params![reason.as_str(), detail, micros(now), ends_at.map(micros)];
        query::execute(work.tx, sql, bound)?;
        tracing::error!(
            hold.reason = reason.as_str(),
            "on hold, nothing dials: {detail}"
        );
    }
    if reason.needs_reconciliation() && is_new {
        query::execute(work.tx, "DELETE FROM held_lines", [])?;
        let sql = "INSERT INTO held_lines (line_id, progress, updated_at)
                   SELECT line_id, 'pending', ?1 FROM lines";
        query::execute(work.tx, sql, [micros(now)])?;
    }
    work.revoke(Scope::Everything);
    Ok(())
}

/// Whether a reason of now needs the providers to be asked.
pub(crate) fn needs_reconciliation(db: &Connection) -> StoreResult<bool> {
    let holds = holds(db)?;
    Ok(holds.iter().any(|hold| hold.reason.needs_reconciliation()))
}

/// Ends the hold for one reason because the reason is gone.
pub(crate) fn lift(work: &mut Work<'_>, now: Timestamp, reason: HoldReason) -> StoreResult<bool> {
    let sql = "UPDATE holds SET ended_at = ?2, ended_by = 'itself' WHERE reason = ?1 AND ended_at IS NULL";
    let ended = query::execute(work.tx, sql, params![reason.as_str(), micros(now)])? > 0;
    if ended {
        tracing::warn!(
            hold.reason = reason.as_str(),
            "the reason for a hold is gone"
        );
        if reason.is_about_the_clock() {
            forget_wrong_instants(work, now)?;
        }
        work.wake();
    }
    Ok(ended)
}

/// What was put off while the clock was ahead would wait for the time that it showed, a day perhaps.
/// So it is due again: look-ups begin anew, as those made by a wrong clock proved nothing, and a line
/// or a campaign that has not recovered rests again. The longest distance that a pace asks for is
/// kept. A lead that was put back in the future would have all its attempts until then forgotten.
///
/// It looks at every lead: seconds for millions of them, once in the life of most installations.
fn forget_wrong_instants(work: &Work<'_>, now: Timestamp) -> StoreResult<()> {
    const STATEMENTS: [&str; 7] = [
        "UPDATE attempts SET check_at = min(check_at, ?1), probes = 0, absent_at = NULL WHERE check_at IS NOT NULL",
        "UPDATE lines SET rests_until = min(rests_until, ?1), next_start_at = min(next_start_at, ?1 + 1000000), wake_at = ?1",
        "UPDATE campaigns SET circuit_open_until = ?1 WHERE circuit_open_until > ?1",
        "UPDATE campaigns SET next_start_at = min(next_start_at, ?1 + 60000000), wake_at = ?1 WHERE status = 'RUNNING'",
        // The gate is the law; this only says when to look.
        "UPDATE due SET due_at = ?1 WHERE due_at > ?1
             AND EXISTS (SELECT 1 FROM leads WHERE leads.lead_id = due.lead_id AND updated_at > ?1)",
        "UPDATE leads SET requeued_at = ?1 WHERE requeued_at > ?1",
        // A number rests until the next day.
        "DELETE FROM number_rests WHERE rests_until > ?1 + 86400000000",
    ];
    for sql in STATEMENTS {
        query::execute(work.tx, sql, [micros(now)])?;
    }
    Ok(())
}

/// Ends all holds on the operator's word.
pub(crate) fn release(
    work: &mut Work<'_>,
    marker: &Arc<Marker>,
    now: Timestamp,
    force: bool,
) -> StoreResult<Release> {
    let found = status(work.tx)?;
    if !found.is_on_hold() {
        return Ok(Release::NotOnHold);
    }
    if !force && !found.is_reconciled() {
        return Ok(Release::NotReconciled(found));
    }
    let how = if force {
        "operator, by force"
    } else {
        "operator"
    };
    let sql = "UPDATE holds SET ended_at = ?1, ended_by = ?2 WHERE ended_at IS NULL";
    query::execute(work.tx, sql, params![micros(now), how])?;
    if found
        .holds
        .iter()
        .any(|hold| hold.reason.is_about_the_clock())
    {
        forget_wrong_instants(work, now)?;
    }
    if found.needs_reconciliation() {
        query::execute(work.tx, "DELETE FROM held_lines", [])?;
        query::execute(work.tx, "DELETE FROM gaps", [])?;
    }
    move_past(work, marker, now)?;
    work.wake();
    Ok(Release::Released(found))
}

/// Moves the marker past everything seen; the file is made anew.
fn move_past(work: &mut Work<'_>, marker: &Arc<Marker>, now: Timestamp) -> StoreResult<()> {
    let Some(own) = own_mark(work.tx)? else {
        // It begins anew; its first call makes the file.
        work.unmark(Arc::clone(marker));
        return Ok(());
    };
    let outside = match marker.read() {
        Found::Mark(mark) if mark.installation == own.installation => mark.number,
        Found::Mark(_) | Found::Missing | Found::Unreadable(_) => 0,
    };
    let mark = Mark {
        installation: own.installation,
        number: own.number.max(outside).saturating_add(1),
        at: now,
    };
    let sql = "UPDATE installation SET marker = ?1, marked_at = ?2";
    query::execute(work.tx, sql, params![mark.number, micros(now)])?;
    work.replace_mark(Arc::clone(marker), mark);
    Ok(())
}

/// What keeps the installation from dialing.
pub(crate) fn status(db: &Connection) -> StoreResult<HoldStatus> {
    let holds = holds(db)?;
    let asks = holds.iter().any(|hold| hold.reason.needs_reconciliation());
    Ok(HoldStatus {
        gaps: gaps(db)?,
        lines: if asks { lines(db)? } else { Vec::new() },
        unmatched: unmatched(db)?,
        marker: own_mark(db)?.map(|mark| mark.number),
        released: released(db)?,
        holds,
    })
}

fn released(db: &Connection) -> StoreResult<u64> {
    let sql = "SELECT count(*) AS holds FROM holds WHERE ended_by LIKE 'operator%'";
    let found = query::one(db, sql, [], |cells| cells.u32("holds"))?;
    Ok(found.unwrap_or_default().into())
}

fn holds(db: &Connection) -> StoreResult<Vec<Hold>> {
    let sql =
        "SELECT reason, since, detail, ends_at FROM holds WHERE ended_at IS NULL ORDER BY hold_id";
    query::many(db, sql, [], |cells| {
        Ok(Hold {
            reason: cells.choice("reason", HoldReason::parse)?,
            since: cells.instant("since")?,
            detail: cells.get("detail")?,
            ends_at: cells.maybe_instant("ends_at")?,
        })
    })
}

fn gaps(db: &Connection) -> StoreResult<Vec<Gap>> {
    let sql = "SELECT from_at, until_at FROM gaps ORDER BY gap_id";
    query::many(db, sql, [], |cells| {
        Ok(Gap {
            from: cells.instant("from_at")?,
            until: cells.instant("until_at")?,
        })
    })
}

fn lines(db: &Connection) -> StoreResult<Vec<HeldLine>> {
    let sql = "SELECT line_id, tenant_id, name, progress, calls_seen, adopted, unmatched, note
               FROM held_lines JOIN lines USING (line_id) ORDER BY line_id LIMIT ?1";
    query::many(db, sql, [MAX_LINES], |cells| {
        Ok(HeldLine {
            line_id: LineId::from_raw(cells.get("line_id")?),
            tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
            name: cells.get("name")?,
            progress: cells.choice("progress", LineProgress::parse)?,
            calls_seen: cells.get("calls_seen")?,
            adopted: cells.get("adopted")?,
            unmatched: cells.get("unmatched")?,
            note: cells.get("note")?,
        })
    })
}

fn unmatched(db: &Connection) -> StoreResult<Vec<UnmatchedCall>> {
    let sql = "SELECT line_id, provider_call_id, seen_at FROM strange_calls
               ORDER BY seen_at DESC, attempt_key LIMIT ?1";
    let limit = i64::try_from(MAX_UNMATCHED_SHOWN).unwrap_or(i64::MAX);
    query::many(db, sql, [limit], |cells| {
        Ok(UnmatchedCall {
            line_id: LineId::from_raw(cells.get("line_id")?),
            provider_call_id: cells.get("provider_call_id")?,
            seen_at: cells.instant("seen_at")?,
        })
    })
}

/// Notes how far a line got.
pub(crate) fn note_line(work: &Work<'_>, now: Timestamp, line: &HeldLine) -> StoreResult<()> {
    let sql = "UPDATE held_lines SET progress = ?2, calls_seen = ?3, note = ?4, updated_at = ?5 WHERE line_id = ?1";
    let bound = params![
        line.line_id.raw(),
        line.progress.as_str(),
        line.calls_seen,
        line.note,
        micros(now)
    ];
    query::execute(work.tx, sql, bound)?;
    Ok(())
}

/// Those of the keys that nothing on record carries.
pub(crate) fn unknown_keys(db: &Connection, keys: &[String]) -> StoreResult<Vec<String>> {
    let mut unknown = Vec::new();
    for key in keys {
        if !is_known(db, key)? {
            unknown.push(key.clone());
        }
    }
    Ok(unknown)
}

/// Whether an attempt or a strange call on record carries the key.
pub(crate) fn is_known(db: &Connection, key: &str) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM attempts WHERE attempt_key = ?1
               UNION ALL SELECT 1 FROM strange_calls WHERE attempt_key = ?1";
    query::exists(db, sql, [key])
}

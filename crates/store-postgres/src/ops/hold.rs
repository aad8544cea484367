//! Hold: what keeps the installation from dialing, on every node.
//!
//! What tells that the database went back: the server's identity (system identifier, timeline, the
//! database and its tables) against what was stored with the first call or the last release, and
//! what each node remembers of its own calls ([`crate::marker`]) against the attempts that are there.
//!
//! Order: every transaction that reserves a call takes the hold's lock shared, after its tenant's
//! row, and then looks; who puts the installation on hold takes it alone, and locks no tenant. So
//! after that commit no node reserves; what was reserved before is taken back or settled like
//! everything that narrows.

use domain::{LineId, TenantId};
use futures_util::future::try_join;
use jiff::{SignedDuration, Timestamp};
use store::{
    Gap, HeldLine, Hold, HoldReason, HoldStatus, LineProgress, MAX_UNMATCHED_SHOWN, Mark, Release,
    Scope, StoreResult, UnmatchedCall,
};

use crate::code::{Cells, corrupt, micros};
use crate::marker::{Found, Marker};
use crate::query::{self, Db, bound};
use crate::shared::Shared;
use crate::work::Work;

/// The lock of the hold.
const LOCK: i64 = 0x0068_6f6c_6400_0001;
/// How far the clock may be behind what the database remembers.
const MAX_CLOCK_BEHIND: SignedDuration = SignedDuration::from_secs(60);
/// Gaps of the memory that are kept; beyond, the oldest two become one.
const MAX_GAPS: i64 = 64;
/// A strange call that is older than this is not searched.
const GAP_LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Lines shown; an installation has far fewer.
const MAX_LINES: i64 = 10_000;

/// Takes the hold's lock alone, until the end of the transaction.
pub(crate) async fn lock(db: &Db<'_>) -> StoreResult<()> {
    let sql = "SELECT pg_advisory_xact_lock($1)";
    query::execute(db, sql, bound![LOCK]).await.map(|_| ())
}

/// Whether a transaction may reserve calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialing {
    /// Something is on hold, or the server is not the one of the calls before.
    Held,
    /// It may; they are the installation's first calls.
    First,
    /// It may.
    Goes,
}

/// Whether the transaction may reserve calls: nothing is on hold, nor will be before it has ended,
/// and the server is the one of the calls before.
pub(crate) async fn may_dial(work: &Work<'_>) -> StoreResult<Dialing> {
    let lock = "SELECT pg_advisory_xact_lock_shared($1)";
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM holds WHERE ended_at IS NULL)
                      AND coalesce(identity, server_identity()) = server_identity() AS may,
                   name IS NULL AS is_new
               FROM installation";
    // The question is sent behind the lock, and asked under it.
    let lock = work.tx.prepare(lock).await?;
    let question = work.tx.prepare(sql).await?;
    let locked = work.tx.execute(&lock, bound![LOCK]);
    let (_, rows) = try_join(locked, work.tx.query(&question, &[])).await?;
    let row = rows
        .first()
        .ok_or_else(|| corrupt("the installation has no row"))?;
    let cells = Cells(row);
    Ok(match (cells.get("may")?, cells.get("is_new")?) {
        (false, _) => Dialing::Held,
        (true, true) => Dialing::First,
        (true, false) => Dialing::Goes,
    })
}

/// The first call of an installation gives it its name, and stores whose server it is.
pub(crate) async fn begin_dialing(work: &Work<'_>, attempt_key: &str) -> StoreResult<()> {
    let sql = "UPDATE installation SET name = $1, identity = server_identity() WHERE name IS NULL";
    let name = Mark::name_from(attempt_key);
    query::execute(&work.tx, sql, bound![name])
        .await
        .map(|_| ())
}

/// What the database says of itself, and of what a node remembers.
pub(crate) struct Sight {
    /// The name of the installation; `None`: it has never dialed.
    pub(crate) name: Option<String>,
    /// Reasons that are on record.
    holds: Vec<String>,
    is_same_server: bool,
    /// Whether the greatest attempt that the node knows is there, or forgiven.
    pub(crate) knows_attempt: bool,
    /// The number of that attempt.
    last: i64,
}

impl Sight {
    /// Whether nothing may dial now, put on record or not.
    pub(crate) fn forbids(&self) -> bool {
        !self.holds.is_empty() || !self.is_same_server || !self.knows_attempt
    }

    /// Whether it is on record that the database went back, as far as this node can tell: what it
    /// remembers itself it has told nobody yet.
    pub(crate) fn is_noted(&self) -> bool {
        let went_back = HoldReason::WentBack.as_str();
        self.knows_attempt && self.holds.iter().any(|reason| reason == went_back)
    }

    /// What is wrong with the database.
    pub(crate) fn trouble(&self) -> Option<String> {
        if !self.knows_attempt {
            // The number tells one loss from the next.
            return Some(format!(
                "this node has placed calls that the database does not know, until number {}: an older copy was put back, or another server promoted",
                self.last
            ));
        }
        (!self.is_same_server).then(|| {
            "the database was restored, or another server was promoted: it is not the server, or not the branch of its history, that the last calls were reserved on, and may have lost the latest ones".to_owned()
        })
    }
}

/// Looks at the database as a node does before it plans: `last` is the greatest attempt it knows.
pub(crate) async fn look(db: &Db<'_>, last: i64) -> StoreResult<Sight> {
    let sql = "SELECT name, ARRAY(SELECT reason FROM holds WHERE ended_at IS NULL) AS holds,
                      coalesce(identity, server_identity()) = server_identity() AS is_same_server,
                      $1 <= passed OR EXISTS (SELECT 1 FROM attempts WHERE attempt_id = $1) AS knows_attempt
               FROM installation";
    let sight = query::one(db, sql, bound![last], |cells| {
        Ok(Sight {
            name: cells.get("name")?,
            holds: cells.get("holds")?,
            is_same_server: cells.get("is_same_server")?,
            knows_attempt: cells.get("knows_attempt")?,
            last,
        })
    })
    .await?;
    sight.ok_or_else(|| corrupt("the installation has no row"))
}

/// What a fresh process saw.
pub(crate) struct Start {
    pub(crate) sight: Sight,
    /// The greatest attempt the node goes on from; `None`: what it knew is against the database.
    pub(crate) agreed: Option<i64>,
}

/// What a fresh process makes of the database it finds. The hold's lock is held.
pub(crate) async fn judge_start(
    db: &Db<'_>,
    shared: &Shared,
    marker: &Marker,
    now: Timestamp,
) -> StoreResult<Start> {
    let remembered = last_instant(db).await?;
    let found = marker.read();
    if let Some(last) = remembered {
        // A clock that is behind says nothing of how late calls may have been placed.
        let outside = match &found {
            Found::Mark(mark) => mark.at,
            Found::Missing | Found::Unreadable(_) => now,
        };
        note_gap(db, last.min(now), now.max(last).max(outside)).await?;
    }
    let last = match &found {
        Found::Mark(mark) => i64::try_from(mark.number).unwrap_or(i64::MAX),
        Found::Missing | Found::Unreadable(_) => marker.last(),
    };
    let sight = look(db, last).await?;
    let disagreement = disagreement(&sight, &found, &marker.shown());
    if let Some((reason, detail)) = &disagreement {
        note_loss(db, now).await?;
        put(db, shared, now, *reason, detail, None).await?;
    }
    let start = Start {
        agreed: disagreement.is_none().then_some(last),
        sight,
    };
    judge_clock(db, shared, now, &start.sight, &found, remembered).await?;
    Ok(start)
}

async fn judge_clock(
    db: &Db<'_>,
    shared: &Shared,
    now: Timestamp,
    sight: &Sight,
    found: &Found,
    remembered: Option<Timestamp>,
) -> StoreResult<()> {
    let outside = match found {
        Found::Mark(mark) if sight.name.as_deref() == Some(&mark.installation) => Some(mark.at),
        _ => None,
    };
    let last = remembered.max(outside);
    if let Some(last) = last.filter(|last| last.duration_since(now) > MAX_CLOCK_BEHIND) {
        let detail = format!(
            "the clock says {}, but the database was written at {}",
            shown(now),
            shown(last)
        );
        put(
            db,
            shared,
            now,
            HoldReason::ClockBehind,
            &detail,
            Some(last),
        )
        .await?;
    }
    Ok(())
}

fn shown(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%dT%H:%M:%SZ")
}

/// What a node's own file, or the server's identity, says against the database. A node without a
/// file says nothing: nodes come and go.
fn disagreement(sight: &Sight, found: &Found, file: &str) -> Option<(HoldReason, String)> {
    match found {
        Found::Unreadable(why) => {
            return Some((
                HoldReason::MarkerUnreadable,
                format!("this node's marker file {file} cannot be read: {why}"),
            ));
        }
        Found::Mark(mark)
            if mark.number > 0 && sight.name.as_deref() != Some(&mark.installation) =>
        {
            let detail = match &sight.name {
                Some(_) => format!(
                    "the marker file {file} of this node belongs to another installation than the database"
                ),
                None => format!(
                    "the database has never dialed, but the marker file {file} of this node says that its installation dialed until {}",
                    shown(mark.at)
                ),
            };
            return Some((HoldReason::MarkerForeign, detail));
        }
        Found::Mark(_) | Found::Missing => {}
    }
    Some((HoldReason::WentBack, sight.trouble()?))
}

/// The last instant that the database remembers, if it remembers any.
async fn last_instant(db: &Db<'_>) -> StoreResult<Option<Timestamp>> {
    let sql = "SELECT greatest(
                   (SELECT max(events.created_at) FROM tenants JOIN events
                        ON events.tenant_id = tenants.tenant_id AND sequence = last_sequence),
                   (SELECT planned_at FROM attempts ORDER BY attempt_id DESC LIMIT 1),
                   (SELECT value::bigint FROM meta WHERE key = 'ping_at')) AS last_at";
    let last = query::one(db, sql, &[], |cells| cells.maybe_instant("last_at")).await?;
    Ok(last.flatten())
}

/// Notes a stretch of time of which calls may be forgotten.
pub(crate) async fn note_gap(db: &Db<'_>, from: Timestamp, until: Timestamp) -> StoreResult<()> {
    let sql = "INSERT INTO gaps (from_at, until_at) VALUES ($1, $2)";
    query::execute(db, sql, bound![micros(from), micros(until)]).await?;
    let old = until.saturating_sub(GAP_LIFE).unwrap_or(Timestamp::MIN);
    let sql = "DELETE FROM gaps WHERE until_at < $1";
    query::execute(db, sql, bound![micros(old)]).await?;
    let sql = "UPDATE gaps SET from_at = (SELECT min(from_at) FROM gaps)
               WHERE gap_id = (SELECT gap_id FROM gaps ORDER BY gap_id LIMIT 1 OFFSET 1)
                 AND (SELECT count(*) FROM gaps) > $1";
    if query::execute(db, sql, bound![MAX_GAPS]).await? > 0 {
        let sql = "DELETE FROM gaps WHERE gap_id = (SELECT min(gap_id) FROM gaps)";
        query::execute(db, sql, &[]).await?;
    }
    Ok(())
}

/// The calls that went with what the database lost are those after the last one that it knows: nothing
/// was reserved since it went back, whatever else was written to it.
pub(crate) async fn note_loss(db: &Db<'_>, now: Timestamp) -> StoreResult<()> {
    let sql =
        "SELECT (SELECT planned_at FROM attempts ORDER BY attempt_id DESC LIMIT 1) AS last_at";
    let last = query::one(db, sql, &[], |cells| cells.maybe_instant("last_at")).await?;
    let from = match last.flatten() {
        Some(last) => last,
        // It has lost the very first of them.
        None => last_instant(db).await?.unwrap_or(now),
    };
    note_gap(db, from.min(now), now).await
}

/// Puts the installation on hold for one reason, if it is not already. The hold's lock is held; no
/// call that this process reserved begins any more, and none is reserved once this is committed.
///
/// What lines were asked for another reason, or for the same one with another detail, says nothing of
/// this one: they are asked again.
pub(crate) async fn put(
    db: &Db<'_>,
    shared: &Shared,
    now: Timestamp,
    reason: HoldReason,
    detail: &str,
    ends_at: Option<Timestamp>,
) -> StoreResult<()> {
    let sql = "SELECT detail FROM holds WHERE reason = $1 AND ended_at IS NULL";
    let known = query::one(db, sql, bound![reason.as_str()], |cells| {
        cells.get::<String>("detail")
    })
    .await?;
    let is_new = match &known {
        None => true,
        Some(known) => reason.needs_reconciliation() && known != detail,
    };
    if is_new {
        let sql = "INSERT INTO holds (reason, detail, since, ends_at) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (reason) WHERE ended_at IS NULL DO UPDATE SET detail = excluded.detail";
        let bound = bound![reason.as_str(), detail, micros(now), ends_at.map(micros)];
        query::execute(db, sql, bound).await?;
        tracing::error!(
            hold.reason = reason.as_str(),
            "on hold, nothing dials: {detail}"
        );
    }
    if reason.needs_reconciliation() && is_new {
        query::execute(db, "DELETE FROM held_lines", &[]).await?;
        let sql = "INSERT INTO held_lines (tenant_id, line_id, progress, updated_at)
                   SELECT tenant_id, line_id, 'pending', $1 FROM lines";
        query::execute(db, sql, bound![micros(now)]).await?;
    }
    shared.board.revoke(&Scope::Everything);
    Ok(())
}

/// Whether a reason of now needs the providers to be asked.
pub(crate) async fn needs_reconciliation(db: &Db<'_>) -> StoreResult<bool> {
    let holds = holds(db).await?;
    Ok(holds.iter().any(|hold| hold.reason.needs_reconciliation()))
}

/// Ends the hold for one reason because the reason is gone; answers whether there was one.
pub(crate) async fn lift(db: &Db<'_>, now: Timestamp, reason: HoldReason) -> StoreResult<bool> {
    let sql = "UPDATE holds SET ended_at = $2, ended_by = 'itself' WHERE reason = $1 AND ended_at IS NULL";
    let ended = query::execute(db, sql, bound![reason.as_str(), micros(now)]).await? > 0;
    if ended {
        tracing::warn!(
            hold.reason = reason.as_str(),
            "the reason for a hold is gone"
        );
    }
    Ok(ended)
}

/// What was put off while the clock was ahead would wait for the time that it showed, a day perhaps.
/// So it is due again: look-ups begin anew, as those made by a wrong clock proved nothing, and a line
/// or a campaign that has not recovered rests again. The longest distance that a pace asks for is
/// kept. A lead that was put back in the future would have all its attempts until then forgotten.
///
/// It looks at every lead of the tenant: seconds for millions of them, once in the life of most
/// installations.
pub(crate) async fn forget_wrong_instants(work: &Work<'_>, now: Timestamp) -> StoreResult<()> {
    const STATEMENTS: [&str; 8] = [
        "UPDATE attempts SET check_at = least(check_at, $2), probes = 0, absent_at = NULL
         WHERE tenant_id = $1 AND check_at IS NOT NULL",
        "UPDATE lines SET rests_until = $2 WHERE tenant_id = $1 AND rests_until > $2",
        "UPDATE lines SET wake_at = $2::bigint,
             next_start_at = CASE WHEN next_start_at > $2::bigint + 1000000 THEN $2::bigint + 1000000 ELSE next_start_at END
         WHERE tenant_id = $1",
        "UPDATE campaigns SET circuit_open_until = $2 WHERE tenant_id = $1 AND circuit_open_until > $2",
        "UPDATE campaigns SET wake_at = $2::bigint,
             next_start_at = CASE WHEN next_start_at > $2::bigint + 60000000 THEN $2::bigint + 60000000 ELSE next_start_at END
         WHERE tenant_id = $1 AND status = 'RUNNING'",
        // The gate is the law; this only says when to look.
        "UPDATE due SET due_at = $2 WHERE tenant_id = $1 AND due_at > $2 AND EXISTS
             (SELECT 1 FROM leads WHERE leads.tenant_id = due.tenant_id AND leads.lead_id = due.lead_id AND updated_at > $2)",
        "UPDATE leads SET requeued_at = $2 WHERE tenant_id = $1 AND requeued_at > $2",
        // A number rests until the next day.
        "DELETE FROM number_rests WHERE tenant_id = $1 AND rests_until > $2::bigint + 86400000000",
    ];
    for sql in STATEMENTS {
        let bound = bound![work.tenant_id.raw(), micros(now)];
        query::execute(&work.tx, sql, bound).await?;
    }
    Ok(())
}

/// Every tenant there is.
pub(crate) async fn tenants(db: &Db<'_>) -> StoreResult<Vec<TenantId>> {
    let sql = "SELECT tenant_id FROM tenants ORDER BY tenant_id";
    query::many(db, sql, &[], |cells| {
        Ok(TenantId::from_raw(cells.get("tenant_id")?))
    })
    .await
}

/// Ends all holds on the operator's word: what the server is now is what it shall be, and what was
/// seen until `passed`, an id made now, is forgiven.
pub(crate) async fn release(
    db: &Db<'_>,
    now: Timestamp,
    passed: i64,
    force: bool,
) -> StoreResult<Release> {
    let found = status(db).await?;
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
    let sql = "UPDATE holds SET ended_at = $1, ended_by = $2 WHERE ended_at IS NULL";
    query::execute(db, sql, bound![micros(now), how]).await?;
    if found.needs_reconciliation() {
        query::execute(db, "DELETE FROM held_lines", &[]).await?;
        query::execute(db, "DELETE FROM gaps", &[]).await?;
    }
    let sql = "UPDATE installation SET passed = greatest(passed, $1),
                   identity = CASE WHEN identity IS NULL THEN NULL ELSE server_identity() END";
    query::execute(db, sql, bound![passed]).await?;
    Ok(Release::Released(found))
}

/// What keeps the installation from dialing.
pub(crate) async fn status(db: &Db<'_>) -> StoreResult<HoldStatus> {
    let holds = holds(db).await?;
    let asks = holds.iter().any(|hold| hold.reason.needs_reconciliation());
    let sql = "SELECT greatest(passed, (SELECT max(attempt_id) FROM attempts)) AS marker
               FROM installation WHERE name IS NOT NULL";
    let marker = query::one(db, sql, &[], |cells| cells.number("marker")).await?;
    let sql = "SELECT count(*) AS released FROM holds WHERE ended_by LIKE 'operator%'";
    let released = query::one(db, sql, &[], |cells| cells.number("released")).await?;
    Ok(HoldStatus {
        released: released.unwrap_or_default(),
        gaps: gaps(db).await?,
        lines: if asks { lines(db).await? } else { Vec::new() },
        unmatched: unmatched(db).await?,
        marker,
        holds,
    })
}

async fn holds(db: &Db<'_>) -> StoreResult<Vec<Hold>> {
    let sql =
        "SELECT reason, since, detail, ends_at FROM holds WHERE ended_at IS NULL ORDER BY hold_id";
    query::many(db, sql, &[], |cells| {
        Ok(Hold {
            reason: cells.choice("reason", HoldReason::parse)?,
            since: cells.instant("since")?,
            detail: cells.get("detail")?,
            ends_at: cells.maybe_instant("ends_at")?,
        })
    })
    .await
}

async fn gaps(db: &Db<'_>) -> StoreResult<Vec<Gap>> {
    let sql = "SELECT from_at, until_at FROM gaps ORDER BY gap_id";
    query::many(db, sql, &[], |cells| {
        Ok(Gap {
            from: cells.instant("from_at")?,
            until: cells.instant("until_at")?,
        })
    })
    .await
}

async fn lines(db: &Db<'_>) -> StoreResult<Vec<HeldLine>> {
    let sql = "SELECT line_id, tenant_id, name, progress, calls_seen, adopted, unmatched, note
               FROM held_lines JOIN lines USING (tenant_id, line_id) ORDER BY line_id LIMIT $1";
    query::many(db, sql, bound![MAX_LINES], |cells| {
        Ok(HeldLine {
            line_id: LineId::from_raw(cells.get("line_id")?),
            tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
            name: cells.get("name")?,
            progress: cells.choice("progress", LineProgress::parse)?,
            calls_seen: cells.number("calls_seen")?,
            adopted: cells.number("adopted")?,
            unmatched: cells.number("unmatched")?,
            note: cells.get("note")?,
        })
    })
    .await
}

async fn unmatched(db: &Db<'_>) -> StoreResult<Vec<UnmatchedCall>> {
    let sql = "SELECT line_id, provider_call_id, seen_at FROM strange_calls
               ORDER BY seen_at DESC, attempt_key LIMIT $1";
    let limit = i64::try_from(MAX_UNMATCHED_SHOWN).unwrap_or(i64::MAX);
    query::many(db, sql, bound![limit], |cells| {
        Ok(UnmatchedCall {
            line_id: LineId::from_raw(cells.get("line_id")?),
            provider_call_id: cells.get("provider_call_id")?,
            seen_at: cells.instant("seen_at")?,
        })
    })
    .await
}

/// Notes how far a line got.
pub(crate) async fn note_line(db: &Db<'_>, now: Timestamp, line: &HeldLine) -> StoreResult<()> {
    let sql = "UPDATE held_lines SET progress = $3, calls_seen = $4, note = $5, updated_at = $6
               WHERE tenant_id = $1 AND line_id = $2";
    let bound = bound![
        line.tenant_id.raw(),
        line.line_id.raw(),
        line.progress.as_str(),
        i64::try_from(line.calls_seen).unwrap_or(i64::MAX),
        line.note,
        micros(now),
    ];
    query::execute(db, sql, bound).await?;
    Ok(())
}

/// Those of the keys that no attempt and no strange call on record carries.
pub(crate) async fn unknown_keys(db: &Db<'_>, keys: &[&str]) -> StoreResult<Vec<String>> {
    let sql = "SELECT asked.key FROM UNNEST($1::text[]) WITH ORDINALITY AS asked (key, place)
               WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE attempt_key = asked.key)
                 AND NOT EXISTS (SELECT 1 FROM strange_calls WHERE attempt_key = asked.key)
               ORDER BY place";
    query::many(db, sql, bound![keys], |cells| cells.get("key")).await
}

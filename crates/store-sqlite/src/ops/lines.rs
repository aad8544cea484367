//! Lines: tenants' accounts at voice providers.

use domain::{LineId, TenantId};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use store::{
    Caller, Conflict, LineChange, LineRecord, NewLine, Page, PageRequest, Precondition, Scope,
    StoreError, StoreResult,
};

use crate::code::{Cells, micros};
use crate::ops::{query, wake};
use crate::writer::Work;

/// No such line of this tenant.
pub(crate) const NOT_FOUND: StoreError = StoreError::NotFound("voice provider");

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT line_id, tenant_id, provider, name, base_url, sealed_credentials,
                    sealed_webhook_secret, line_key, max_concurrent_calls, max_calls_per_second,
                    revision, rests_until, rest_reason, created_at, updated_at
             FROM lines ",
            $rest
        )
    };
}

/// Makes a line.
pub(crate) fn create(
    work: &mut Work<'_>,
    caller: Caller,
    line: &NewLine,
) -> StoreResult<LineRecord> {
    let line_id = LineId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO lines (line_id, tenant_id, provider, name, base_url, sealed_credentials,
                   sealed_webhook_secret, line_key, max_concurrent_calls, max_calls_per_second,
                   revision, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?11)";
    let bound = params![
        line_id.raw(),
        caller.tenant_id.raw(),
        line.provider,
        line.name,
        line.base_url,
        line.sealed_credentials,
        line.sealed_webhook_secret,
        line.line_key,
        line.max_concurrent_calls,
        line.max_calls_per_second,
        micros(caller.now),
    ];
    query::execute(work.tx, sql, bound)?;
    get(work.tx, caller.tenant_id, line_id)
}

/// One line of the tenant.
pub(crate) fn get(
    db: &Connection,
    tenant_id: TenantId,
    line_id: LineId,
) -> StoreResult<LineRecord> {
    let sql = select!("WHERE tenant_id = ?1 AND line_id = ?2");
    query::one(db, sql, [tenant_id.raw(), line_id.raw()], read)?.ok_or(NOT_FOUND)
}

/// One line, whoever's it is.
pub(crate) fn for_dialing(db: &Connection, line_id: LineId) -> StoreResult<LineRecord> {
    query::one(db, select!("WHERE line_id = ?1"), [line_id.raw()], read)?.ok_or(NOT_FOUND)
}

/// The line with this callback key.
pub(crate) fn by_key(db: &Connection, line_key: &str) -> StoreResult<Option<LineRecord>> {
    query::one(db, select!("WHERE line_key = ?1"), [line_key], read)
}

/// Lines, newest first.
pub(crate) fn list(
    db: &Connection,
    tenant_id: TenantId,
    page: PageRequest,
) -> StoreResult<Page<LineRecord>> {
    let sql = select!("WHERE tenant_id = ?1 AND line_id < ?2 ORDER BY line_id DESC LIMIT ?3");
    let bound = params![tenant_id.raw(), query::below(page), query::rows_for(page)];
    let lines = query::many(db, sql, bound, read)?;
    Ok(query::page_of(lines, page, |line| line.line_id.raw()))
}

/// Whether the tenant has the line.
pub(crate) fn is_of(db: &Connection, tenant_id: TenantId, line_id: LineId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM lines WHERE tenant_id = ?1 AND line_id = ?2";
    query::exists(db, sql, [tenant_id.raw(), line_id.raw()])
}

/// Changes a line.
pub(crate) fn update(
    work: &mut Work<'_>,
    caller: Caller,
    line_id: LineId,
    change: &LineChange,
    precondition: &Precondition,
) -> StoreResult<LineRecord> {
    let before = get(work.tx, caller.tenant_id, line_id)?;
    precondition.check(before.revision)?;
    let after = change.onto(&before);
    let mended =
        after.base_url != before.base_url || after.sealed_credentials != before.sealed_credentials;
    let narrower = after.max_concurrent_calls < before.max_concurrent_calls
        || after.max_calls_per_second < before.max_calls_per_second;
    write(work, caller.now, &after)?;
    if mended {
        // Calls placed until now are not in the new account's list; see `Check::same_account`.
        let sql = "UPDATE lines SET account = account + 1 WHERE line_id = ?1";
        query::execute(work.tx, sql, [line_id.raw()])?;
        end_rest(work, caller.now, line_id)?;
    }
    if narrower || mended {
        work.revoke(Scope::Line(line_id));
    }
    wake::line_only(work, line_id, caller.now)?;
    get(work.tx, caller.tenant_id, line_id)
}

fn write(work: &Work<'_>, now: Timestamp, line: &LineRecord) -> StoreResult<()> {
    let sql = "UPDATE lines SET name = ?2, base_url = ?3, sealed_credentials = ?4,
                   sealed_webhook_secret = ?5, max_concurrent_calls = ?6, max_calls_per_second = ?7,
                   revision = revision + 1, updated_at = ?8
               WHERE line_id = ?1";
    let bound = params![
        line.line_id.raw(),
        line.name,
        line.base_url,
        line.sealed_credentials,
        line.sealed_webhook_secret,
        line.max_concurrent_calls,
        line.max_calls_per_second,
        micros(now),
    ];
    query::execute(work.tx, sql, bound)?;
    Ok(())
}

/// What failed with the old account may work with the new one: the line and its campaigns try at
/// once.
fn end_rest(work: &Work<'_>, now: Timestamp, line_id: LineId) -> StoreResult<()> {
    let sql =
        "UPDATE lines SET failures = 0, rests_until = NULL, rest_reason = NULL WHERE line_id = ?1";
    query::execute(work.tx, sql, [line_id.raw()])?;
    let sql = "UPDATE campaigns SET circuit_failures = 0, circuit_open_until = NULL,
                   wake_at = CASE WHEN status = 'RUNNING' THEN ?2 ELSE wake_at END
               WHERE line_id = ?1 AND circuit_failures > 0";
    query::execute(work.tx, sql, [line_id.raw(), micros(now)])?;
    Ok(())
}

/// Deletes a line that nothing uses.
pub(crate) fn delete(
    work: &mut Work<'_>,
    caller: Caller,
    line_id: LineId,
    precondition: &Precondition,
) -> StoreResult<()> {
    precondition.check(get(work.tx, caller.tenant_id, line_id)?.revision)?;
    // A call that is up needs its line until its end is known, even when its campaign is gone.
    let sql = "SELECT 1 FROM campaigns WHERE line_id = ?1
               UNION ALL SELECT 1 FROM pools WHERE line_id = ?1
               UNION ALL SELECT 1 FROM attempts WHERE line_id = ?1 AND live = 1 LIMIT 1";
    if query::exists(work.tx, sql, [line_id.raw()])? {
        return Err(Conflict::InUse("the voice provider is").into());
    }
    query::execute(
        work.tx,
        "DELETE FROM number_rests WHERE line_id = ?1",
        [line_id.raw()],
    )?;
    query::execute(
        work.tx,
        "DELETE FROM lines WHERE line_id = ?1",
        [line_id.raw()],
    )?;
    Ok(())
}

fn read(cells: &Cells<'_, '_>) -> StoreResult<LineRecord> {
    Ok(LineRecord {
        line_id: LineId::from_raw(cells.get("line_id")?),
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        provider: cells.get("provider")?,
        name: cells.get("name")?,
        base_url: cells.get("base_url")?,
        sealed_credentials: cells.get("sealed_credentials")?,
        sealed_webhook_secret: cells.get("sealed_webhook_secret")?,
        line_key: cells.get("line_key")?,
        max_concurrent_calls: cells.u32("max_concurrent_calls")?,
        max_calls_per_second: cells.u32("max_calls_per_second")?,
        revision: cells.get("revision")?,
        rests_until: cells.maybe_instant("rests_until")?,
        rest_reason: cells.get("rest_reason")?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
    })
}

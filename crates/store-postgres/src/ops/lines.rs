//! Lines: tenants' accounts at voice providers.

use domain::{LineId, TenantId};
use jiff::Timestamp;
use store::{
    Caller, Conflict, LineChange, LineRecord, NewLine, Page, PageRequest, Precondition, Scope,
    StoreError, StoreResult,
};

use crate::code::{Cells, micros};
use crate::ops::wake;
use crate::query::{self, Db, bound};
use crate::work::Work;

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
pub(crate) async fn create(
    work: &Work<'_>,
    caller: Caller,
    line: &NewLine,
) -> StoreResult<LineRecord> {
    let line_id = LineId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO lines (tenant_id, line_id, provider, name, base_url, sealed_credentials,
                   sealed_webhook_secret, line_key, max_concurrent_calls, max_calls_per_second,
                   revision, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $11)";
    let bound = bound![
        caller.tenant_id.raw(),
        line_id.raw(),
        line.provider,
        line.name,
        line.base_url,
        line.sealed_credentials,
        line.sealed_webhook_secret,
        line.line_key,
        i64::from(line.max_concurrent_calls),
        i64::from(line.max_calls_per_second),
        micros(caller.now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    get(&work.tx, caller.tenant_id, line_id).await
}

/// One line of the tenant.
pub(crate) async fn get(
    db: &Db<'_>,
    tenant_id: TenantId,
    line_id: LineId,
) -> StoreResult<LineRecord> {
    let sql = select!("WHERE tenant_id = $1 AND line_id = $2");
    let found = query::one(db, sql, bound![tenant_id.raw(), line_id.raw()], read).await?;
    found.ok_or(NOT_FOUND)
}

/// One line, whoever's it is.
pub(crate) async fn for_dialing(db: &Db<'_>, line_id: LineId) -> StoreResult<LineRecord> {
    let sql = select!("WHERE line_id = $1");
    let found = query::one(db, sql, bound![line_id.raw()], read).await?;
    found.ok_or(NOT_FOUND)
}

/// The line with this callback key, whoever's it is.
pub(crate) async fn by_key(db: &Db<'_>, line_key: &str) -> StoreResult<Option<LineRecord>> {
    query::one(db, select!("WHERE line_key = $1"), bound![line_key], read).await
}

/// Lines, newest first.
pub(crate) async fn list(
    db: &Db<'_>,
    tenant_id: TenantId,
    page: PageRequest,
) -> StoreResult<Page<LineRecord>> {
    let sql = select!("WHERE tenant_id = $1 AND line_id < $2 ORDER BY line_id DESC LIMIT $3");
    let bound = bound![tenant_id.raw(), query::below(page), query::rows_for(page)];
    let lines = query::many(db, sql, bound, read).await?;
    Ok(query::page_of(lines, page, |line| line.line_id.raw()))
}

/// Whether the tenant has the line.
pub(crate) async fn is_of(db: &Db<'_>, tenant_id: TenantId, line_id: LineId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM lines WHERE tenant_id = $1 AND line_id = $2";
    query::exists(db, sql, bound![tenant_id.raw(), line_id.raw()]).await
}

/// Changes a line.
pub(crate) async fn update(
    work: &mut Work<'_>,
    caller: Caller,
    line_id: LineId,
    change: &LineChange,
    precondition: &Precondition,
) -> StoreResult<LineRecord> {
    let before = get(&work.tx, caller.tenant_id, line_id).await?;
    precondition.check(before.revision)?;
    let after = change.onto(&before);
    let mended =
        after.base_url != before.base_url || after.sealed_credentials != before.sealed_credentials;
    let narrower = after.max_concurrent_calls < before.max_concurrent_calls
        || after.max_calls_per_second < before.max_calls_per_second;
    write(work, caller.now, &after).await?;
    if mended {
        // Calls placed until now are not in the new account's list; see `Check::same_account`.
        let sql = "UPDATE lines SET account = account + 1 WHERE tenant_id = $1 AND line_id = $2";
        let bound = bound![work.tenant_id.raw(), line_id.raw()];
        query::execute(&work.tx, sql, bound).await?;
        end_rest(work, caller.now, line_id).await?;
    }
    if narrower || mended {
        work.revoke(Scope::Line(line_id));
    }
    wake::line_only(work, line_id, caller.now).await?;
    get(&work.tx, caller.tenant_id, line_id).await
}

async fn write(work: &Work<'_>, now: Timestamp, line: &LineRecord) -> StoreResult<()> {
    let sql = "UPDATE lines SET name = $3, base_url = $4, sealed_credentials = $5,
                   sealed_webhook_secret = $6, max_concurrent_calls = $7, max_calls_per_second = $8,
                   revision = revision + 1, updated_at = $9
               WHERE tenant_id = $1 AND line_id = $2";
    let bound = bound![
        work.tenant_id.raw(),
        line.line_id.raw(),
        line.name,
        line.base_url,
        line.sealed_credentials,
        line.sealed_webhook_secret,
        i64::from(line.max_concurrent_calls),
        i64::from(line.max_calls_per_second),
        micros(now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// What failed with the old account may work with the new one: the line and its campaigns try at
/// once.
async fn end_rest(work: &Work<'_>, now: Timestamp, line_id: LineId) -> StoreResult<()> {
    let tenant = work.tenant_id.raw();
    let sql = "UPDATE lines SET failures = 0, rests_until = NULL, rest_reason = NULL
               WHERE tenant_id = $1 AND line_id = $2";
    query::execute(&work.tx, sql, bound![tenant, line_id.raw()]).await?;
    let sql = "UPDATE campaigns SET circuit_failures = 0, circuit_open_until = NULL,
                   wake_at = CASE WHEN status = 'RUNNING' THEN $3 ELSE wake_at END
               WHERE tenant_id = $1 AND line_id = $2 AND circuit_failures > 0";
    let bound = bound![tenant, line_id.raw(), micros(now)];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// Deletes a line that nothing uses.
pub(crate) async fn delete(
    work: &Work<'_>,
    line_id: LineId,
    precondition: &Precondition,
) -> StoreResult<()> {
    let line = get(&work.tx, work.tenant_id, line_id).await?;
    precondition.check(line.revision)?;
    let key = bound![work.tenant_id.raw(), line_id.raw()];
    // A call that is up needs its line until its end is known, even when its campaign is gone.
    let sql = "SELECT 1 FROM campaigns WHERE tenant_id = $1 AND line_id = $2
               UNION ALL SELECT 1 FROM pools WHERE tenant_id = $1 AND line_id = $2
               UNION ALL SELECT 1 FROM attempts WHERE tenant_id = $1 AND line_id = $2 AND live LIMIT 1";
    if query::exists(&work.tx, sql, key).await? {
        return Err(Conflict::InUse("the voice provider is").into());
    }
    let sql = "DELETE FROM number_rests WHERE tenant_id = $1 AND line_id = $2";
    query::execute(&work.tx, sql, key).await?;
    let sql = "DELETE FROM lines WHERE tenant_id = $1 AND line_id = $2";
    query::execute(&work.tx, sql, key).await?;
    Ok(())
}

fn read(cells: &Cells<'_>) -> StoreResult<LineRecord> {
    Ok(LineRecord {
        line_id: LineId::from_raw(cells.get("line_id")?),
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        provider: cells.get("provider")?,
        name: cells.get("name")?,
        base_url: cells.get("base_url")?,
        sealed_credentials: cells.get("sealed_credentials")?,
        sealed_webhook_secret: cells.get("sealed_webhook_secret")?,
        line_key: cells.get("line_key")?,
        max_concurrent_calls: cells.number("max_concurrent_calls")?,
        max_calls_per_second: cells.number("max_calls_per_second")?,
        revision: cells.get("revision")?,
        rests_until: cells.maybe_instant("rests_until")?,
        rest_reason: cells.get("rest_reason")?,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
    })
}

//! One effect per idempotency key: the answer is kept in the transaction of the effect.

use domain::TenantId;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use store::{
    Caller, IDEMPOTENCY_HOURS, IdempotencyKey, Idempotent, StoreError, StoreResult, StoredAnswer,
    Written,
};

use crate::code::micros;
use crate::ops::query;
use crate::writer::Work;

/// Runs `body` unless its key has an answer already.
pub(crate) fn once<T>(
    work: &mut Work<'_>,
    caller: Caller,
    idempotency: Option<Idempotent<T>>,
    body: impl FnOnce(&mut Work<'_>) -> StoreResult<T>,
) -> StoreResult<Written<T>> {
    let Some(Idempotent { key, render }) = idempotency else {
        return body(work).map(Written::Fresh);
    };
    if let Some(answer) = find(work.tx, caller.tenant_id, &key, caller.now)? {
        return Ok(Written::Replayed(answer));
    }
    let effect = body(work)?;
    keep(work, caller, &key, &render(&effect))?;
    Ok(Written::Fresh(effect))
}

/// The answer that is kept for the key and has not expired.
pub(crate) fn find(
    db: &Connection,
    tenant_id: TenantId,
    key: &IdempotencyKey,
    now: Timestamp,
) -> StoreResult<Option<StoredAnswer>> {
    let sql = "SELECT fingerprint, status, revision, body FROM idempotency
               WHERE tenant_id = ?1 AND operation = ?2 AND key = ?3 AND expires_at > ?4";
    let bound = params![tenant_id.raw(), key.operation, key.key, micros(now)];
    query::one(db, sql, bound, |cells| {
        if cells.get::<Vec<u8>>("fingerprint")? != key.fingerprint {
            return Err(StoreError::IdempotencyMismatch);
        }
        Ok(StoredAnswer {
            status: cells.get("status")?,
            revision: cells.get("revision")?,
            body: cells.get("body")?,
        })
    })
}

/// Keeps an answer in place of one that was kept for the same request.
pub(crate) fn replace(
    work: &Work<'_>,
    caller: Caller,
    key: &IdempotencyKey,
    answer: &StoredAnswer,
) -> StoreResult<()> {
    // Refuses a key of another request.
    find(work.tx, caller.tenant_id, key, caller.now)?;
    keep(work, caller, key, answer)
}

fn keep(
    work: &Work<'_>,
    caller: Caller,
    key: &IdempotencyKey,
    answer: &StoredAnswer,
) -> StoreResult<()> {
    let lifetime = SignedDuration::from_hours(IDEMPOTENCY_HOURS);
    let expires_at = caller
        .now
        .saturating_add(lifetime)
        .unwrap_or(Timestamp::MAX);
    // An expired answer may still be there, or the one to replace.
    let sql = "INSERT OR REPLACE INTO idempotency
                   (tenant_id, operation, key, fingerprint, status, revision, body, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let bound = params![
        caller.tenant_id.raw(),
        key.operation,
        key.key,
        key.fingerprint,
        answer.status,
        answer.revision,
        answer.body,
        micros(expires_at),
    ];
    query::execute(work.tx, sql, bound)?;
    Ok(())
}

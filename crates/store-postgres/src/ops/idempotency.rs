//! One effect per idempotency key: the answer is kept in the transaction of the effect.

use domain::TenantId;
use jiff::{SignedDuration, Timestamp};
use store::{Caller, IDEMPOTENCY_HOURS, IdempotencyKey, StoreError, StoreResult, StoredAnswer};

use crate::code::micros;
use crate::query::{self, Db, bound};
use crate::work::Work;

/// The answer of a repeated request.
pub(crate) async fn replayed(
    work: &Work<'_>,
    caller: Caller,
    key: Option<&IdempotencyKey>,
) -> StoreResult<Option<StoredAnswer>> {
    match key {
        Some(key) => find(&work.tx, caller.tenant_id, key, caller.now).await,
        None => Ok(None),
    }
}

/// The answer that is kept for the key and has not expired.
pub(crate) async fn find(
    db: &Db<'_>,
    tenant_id: TenantId,
    key: &IdempotencyKey,
    now: Timestamp,
) -> StoreResult<Option<StoredAnswer>> {
    let sql = "SELECT fingerprint, status, revision, body FROM idempotency
               WHERE tenant_id = $1 AND operation = $2 AND key = $3 AND expires_at > $4";
    let bound = bound![tenant_id.raw(), key.operation, key.key, micros(now)];
    query::one(db, sql, bound, |cells| {
        if cells.get::<Vec<u8>>("fingerprint")? != key.fingerprint {
            return Err(StoreError::IdempotencyMismatch);
        }
        Ok(StoredAnswer {
            status: cells.number("status")?,
            revision: cells.get("revision")?,
            body: cells.get("body")?,
        })
    })
    .await
}

/// Keeps an answer in place of one that was kept for the same request.
pub(crate) async fn replace(
    work: &Work<'_>,
    caller: Caller,
    key: &IdempotencyKey,
    answer: &StoredAnswer,
) -> StoreResult<()> {
    // Refuses a key of another request.
    find(&work.tx, caller.tenant_id, key, caller.now).await?;
    keep(work, caller, key, answer).await
}

/// Keeps the answer of an effect.
pub(crate) async fn keep(
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
    let sql = "INSERT INTO idempotency
                   (tenant_id, operation, key, fingerprint, status, revision, body, expires_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
               ON CONFLICT (tenant_id, operation, key) DO UPDATE SET
                   fingerprint = excluded.fingerprint, status = excluded.status,
                   revision = excluded.revision, body = excluded.body, expires_at = excluded.expires_at";
    let bound = bound![
        caller.tenant_id.raw(),
        key.operation,
        key.key,
        key.fingerprint.as_slice(),
        i64::from(answer.status),
        answer.revision,
        answer.body,
        micros(expires_at),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

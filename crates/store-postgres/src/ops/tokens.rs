//! Tokens. Only the hash of a secret is ever here.

use domain::{TenantId, TokenId};
use store::{
    Caller, NewToken, Page, PageRequest, Precondition, Scopes, StoreError, StoreResult, TokenRecord,
};

use crate::code::{Cells, corrupt, micros};
use crate::query::{self, Db, bound};
use crate::work::Work;

const NOT_FOUND: StoreError = StoreError::NotFound("token");

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT token_id, tenant_id, name, scopes, enabled, masked, expires_at, revision, created_at
             FROM tokens ",
            $rest
        )
    };
}

/// Whether there is any token.
pub(crate) async fn any(db: &Db<'_>) -> StoreResult<bool> {
    query::exists(db, "SELECT 1 FROM tokens LIMIT 1", &[]).await
}

/// The token whose secret has this hash, whoever's it is.
pub(crate) async fn find(db: &Db<'_>, hash: &[u8; 32]) -> StoreResult<Option<TokenRecord>> {
    query::one(
        db,
        select!("WHERE hash = $1"),
        bound![hash.as_slice()],
        read,
    )
    .await
}

/// Makes a token.
pub(crate) async fn create(
    work: &Work<'_>,
    caller: Caller,
    token: &NewToken,
) -> StoreResult<TokenRecord> {
    let token_id = TokenId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO tokens
                   (tenant_id, token_id, name, scopes, enabled, hash, masked, expires_at, created_at)
               VALUES ($1, $2, $3, $4, true, $5, $6, $7, $8)";
    let bound = bound![
        caller.tenant_id.raw(),
        token_id.raw(),
        token.name,
        token.scopes.names().join(","),
        token.hash.as_slice(),
        token.masked,
        token.expires_at.map(micros),
        micros(caller.now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    get(&work.tx, caller.tenant_id, token_id).await
}

/// One token.
pub(crate) async fn get(
    db: &Db<'_>,
    tenant_id: TenantId,
    token_id: TokenId,
) -> StoreResult<TokenRecord> {
    let sql = select!("WHERE tenant_id = $1 AND token_id = $2");
    let found = query::one(db, sql, bound![tenant_id.raw(), token_id.raw()], read).await?;
    found.ok_or(NOT_FOUND)
}

/// Tokens, newest first.
pub(crate) async fn list(
    db: &Db<'_>,
    tenant_id: TenantId,
    page: PageRequest,
) -> StoreResult<Page<TokenRecord>> {
    let sql = select!("WHERE tenant_id = $1 AND token_id < $2 ORDER BY token_id DESC LIMIT $3");
    let bound = bound![tenant_id.raw(), query::below(page), query::rows_for(page)];
    let tokens = query::many(db, sql, bound, read).await?;
    Ok(query::page_of(tokens, page, |token| token.token_id.raw()))
}

/// Enables or disables a token.
pub(crate) async fn set_enabled(
    work: &Work<'_>,
    token_id: TokenId,
    enabled: bool,
    precondition: &Precondition,
) -> StoreResult<TokenRecord> {
    let before = get(&work.tx, work.tenant_id, token_id).await?;
    precondition.check(before.revision)?;
    if before.enabled == enabled {
        return Ok(before);
    }
    let sql = "UPDATE tokens SET enabled = $3, revision = revision + 1
               WHERE tenant_id = $1 AND token_id = $2";
    let bound = bound![work.tenant_id.raw(), token_id.raw(), enabled];
    query::execute(&work.tx, sql, bound).await?;
    get(&work.tx, work.tenant_id, token_id).await
}

/// Deletes a token.
pub(crate) async fn delete(
    work: &Work<'_>,
    token_id: TokenId,
    precondition: &Precondition,
) -> StoreResult<()> {
    let token = get(&work.tx, work.tenant_id, token_id).await?;
    precondition.check(token.revision)?;
    let sql = "DELETE FROM tokens WHERE tenant_id = $1 AND token_id = $2";
    query::execute(&work.tx, sql, bound![work.tenant_id.raw(), token_id.raw()]).await?;
    Ok(())
}

fn read(cells: &Cells<'_>) -> StoreResult<TokenRecord> {
    let scopes: String = cells.get("scopes")?;
    let names = scopes.split(',').filter(|name| !name.is_empty());
    Ok(TokenRecord {
        token_id: TokenId::from_raw(cells.get("token_id")?),
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        name: cells.get("name")?,
        scopes: Scopes::from_names(names).ok_or_else(|| corrupt("a token has an unknown scope"))?,
        enabled: cells.get("enabled")?,
        masked: cells.get("masked")?,
        expires_at: cells.maybe_instant("expires_at")?,
        revision: cells.get("revision")?,
        created_at: cells.instant("created_at")?,
    })
}

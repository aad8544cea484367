//! Tenants.

use domain::{PhoneNumber, TenantId};
use jiff::Timestamp;
use store::{Page, PageRequest, Precondition, StoreError, StoreResult, TenantRecord};

use crate::code::{Cells, corrupt, micros, to_json};
use crate::query::{self, Db, bound};
use crate::work::Work;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT tenant_id, name, test_call_numbers, revision, created_at FROM tenants ",
            $rest
        )
    };
}

/// The tenant with this name.
pub(crate) async fn by_name(db: &Db<'_>, name: &str) -> StoreResult<Option<TenantRecord>> {
    query::one(db, select!("WHERE name = $1"), bound![name], read).await
}

/// Makes the tenant, unless another process has just made it.
pub(crate) async fn make(
    db: &Db<'_>,
    tenant_id: TenantId,
    name: &str,
    now: Timestamp,
) -> StoreResult<()> {
    let sql = "INSERT INTO tenants (tenant_id, name, created_at) VALUES ($1, $2, $3)
               ON CONFLICT (name) DO NOTHING";
    query::execute(db, sql, bound![tenant_id.raw(), name, micros(now)]).await?;
    Ok(())
}

/// Tenants, newest first.
pub(crate) async fn list(db: &Db<'_>, page: PageRequest) -> StoreResult<Page<TenantRecord>> {
    let sql = select!("WHERE tenant_id < $1 ORDER BY tenant_id DESC LIMIT $2");
    let bound = bound![query::below(page), query::rows_for(page)];
    let tenants = query::many(db, sql, bound, read).await?;
    Ok(query::page_of(tenants, page, |tenant| {
        tenant.tenant_id.raw()
    }))
}

/// One tenant.
pub(crate) async fn get(db: &Db<'_>, tenant_id: TenantId) -> StoreResult<TenantRecord> {
    let sql = select!("WHERE tenant_id = $1");
    let found = query::one(db, sql, bound![tenant_id.raw()], read).await?;
    found.ok_or(StoreError::NotFound("tenant"))
}

/// Replaces the numbers that test calls may go to.
pub(crate) async fn set_test_call_numbers(
    work: &Work<'_>,
    numbers: &[PhoneNumber],
    precondition: &Precondition,
) -> StoreResult<TenantRecord> {
    let before = get(&work.tx, work.tenant_id).await?;
    precondition.check(before.revision)?;
    if before.test_call_numbers == numbers {
        return Ok(before);
    }
    let numbers: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
    let sql = "UPDATE tenants SET test_call_numbers = $2, revision = revision + 1
               WHERE tenant_id = $1";
    let bound = bound![work.tenant_id.raw(), to_json(&numbers)];
    query::execute(&work.tx, sql, bound).await?;
    get(&work.tx, work.tenant_id).await
}

fn read(cells: &Cells<'_>) -> StoreResult<TenantRecord> {
    let numbers: Vec<String> = cells.json("test_call_numbers")?;
    let number = |text: &String| {
        PhoneNumber::parse(text).ok_or_else(|| corrupt("column test_call_numbers: not E.164"))
    };
    Ok(TenantRecord {
        test_call_numbers: numbers.iter().map(number).collect::<StoreResult<_>>()?,
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        name: cells.get("name")?,
        revision: cells.get("revision")?,
        created_at: cells.instant("created_at")?,
    })
}

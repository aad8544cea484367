//! Tenants.

use domain::{PhoneNumber, TenantId};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use store::{Page, PageRequest, Precondition, StoreError, StoreResult, TenantRecord};

use crate::code::{Cells, corrupt, micros, to_json};
use crate::ops::query;
use crate::writer::Work;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT tenant_id, name, test_call_numbers, revision, created_at FROM tenants ",
            $rest
        )
    };
}

/// The tenant with this name, made if it is missing.
pub(crate) fn ensure(work: &mut Work<'_>, name: &str, now: Timestamp) -> StoreResult<TenantRecord> {
    let sql = select!("WHERE name = ?1");
    if let Some(tenant) = query::one(work.tx, sql, [name], read)? {
        return Ok(tenant);
    }
    let tenant_id = TenantId::from_raw(work.next_id(now));
    let sql = "INSERT INTO tenants (tenant_id, name, created_at) VALUES (?1, ?2, ?3)";
    query::execute(work.tx, sql, params![tenant_id.raw(), name, micros(now)])?;
    Ok(TenantRecord {
        tenant_id,
        name: name.to_owned(),
        test_call_numbers: Vec::new(),
        revision: 1,
        created_at: crate::code::instant(micros(now))?,
    })
}

/// Tenants, newest first.
pub(crate) fn list(db: &Connection, page: PageRequest) -> StoreResult<Page<TenantRecord>> {
    let sql = select!("WHERE tenant_id < ?1 ORDER BY tenant_id DESC LIMIT ?2");
    let bound = params![query::below(page), query::rows_for(page)];
    let tenants = query::many(db, sql, bound, read)?;
    Ok(query::page_of(tenants, page, |tenant| {
        tenant.tenant_id.raw()
    }))
}

/// One tenant.
pub(crate) fn get(db: &Connection, tenant_id: TenantId) -> StoreResult<TenantRecord> {
    let sql = select!("WHERE tenant_id = ?1");
    query::one(db, sql, [tenant_id.raw()], read)?.ok_or(StoreError::NotFound("tenant"))
}

/// Replaces the numbers that test calls may go to.
pub(crate) fn set_test_call_numbers(
    work: &Work<'_>,
    tenant_id: TenantId,
    numbers: &[PhoneNumber],
    precondition: &Precondition,
) -> StoreResult<TenantRecord> {
    let before = get(work.tx, tenant_id)?;
    precondition.check(before.revision)?;
    if before.test_call_numbers == numbers {
        return Ok(before);
    }
    let numbers: Vec<_> = numbers.iter().map(PhoneNumber::as_str).collect();
    let sql = "UPDATE tenants SET test_call_numbers = ?2, revision = revision + 1
               WHERE tenant_id = ?1";
    query::execute(work.tx, sql, params![tenant_id.raw(), to_json(&numbers)])?;
    get(work.tx, tenant_id)
}

fn read(cells: &Cells<'_, '_>) -> StoreResult<TenantRecord> {
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

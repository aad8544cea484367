//! Tenants.

use domain::TenantId;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use store::{Page, PageRequest, StoreResult, TenantRecord};

use crate::code::{Cells, micros};
use crate::ops::query;
use crate::writer::Work;

/// The tenant with this name, made if it is missing.
pub(crate) fn ensure(work: &mut Work<'_>, name: &str, now: Timestamp) -> StoreResult<TenantRecord> {
    let sql = "SELECT tenant_id, name, created_at FROM tenants WHERE name = ?1";
    if let Some(tenant) = query::one(work.tx, sql, [name], read)? {
        return Ok(tenant);
    }
    let tenant_id = TenantId::from_raw(work.next_id(now));
    let sql = "INSERT INTO tenants (tenant_id, name, created_at) VALUES (?1, ?2, ?3)";
    query::execute(work.tx, sql, params![tenant_id.raw(), name, micros(now)])?;
    Ok(TenantRecord {
        tenant_id,
        name: name.to_owned(),
        created_at: crate::code::instant(micros(now))?,
    })
}

/// Tenants, newest first.
pub(crate) fn list(db: &Connection, page: PageRequest) -> StoreResult<Page<TenantRecord>> {
    let sql = "SELECT tenant_id, name, created_at FROM tenants
               WHERE tenant_id < ?1 ORDER BY tenant_id DESC LIMIT ?2";
    let bound = params![query::below(page), query::rows_for(page)];
    let tenants = query::many(db, sql, bound, read)?;
    Ok(query::page_of(tenants, page, |tenant| {
        tenant.tenant_id.raw()
    }))
}

fn read(cells: &Cells<'_, '_>) -> StoreResult<TenantRecord> {
    Ok(TenantRecord {
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        name: cells.get("name")?,
        created_at: cells.instant("created_at")?,
    })
}

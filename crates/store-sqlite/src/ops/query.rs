//! Running constant statements: preparing, binding and reading in one place.

use rusqlite::{Connection, Params};
use store::{Page, PageRequest, StoreResult};

use crate::code::Cells;
use crate::error::translate;

/// The first row, if there is one.
pub(crate) fn one<T>(
    db: &Connection,
    sql: &'static str,
    bound: impl Params,
    read: impl FnOnce(&Cells<'_, '_>) -> StoreResult<T>,
) -> StoreResult<Option<T>> {
    let mut statement = db.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query(bound).map_err(translate)?;
    rows.next()
        .map_err(translate)?
        .map(|row| read(&Cells::of(row)))
        .transpose()
}

/// Every row; the statement bounds how many.
pub(crate) fn many<T>(
    db: &Connection,
    sql: &'static str,
    bound: impl Params,
    read: impl Fn(&Cells<'_, '_>) -> StoreResult<T>,
) -> StoreResult<Vec<T>> {
    let mut statement = db.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query(bound).map_err(translate)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().map_err(translate)? {
        items.push(read(&Cells::of(row))?);
    }
    Ok(items)
}

/// Whether there is any row.
pub(crate) fn exists(db: &Connection, sql: &'static str, bound: impl Params) -> StoreResult<bool> {
    db.prepare_cached(sql)
        .map_err(translate)?
        .exists(bound)
        .map_err(translate)
}

/// Runs a write; answers how many rows it changed.
pub(crate) fn execute(
    db: &Connection,
    sql: &'static str,
    bound: impl Params,
) -> StoreResult<usize> {
    db.prepare_cached(sql)
        .map_err(translate)?
        .execute(bound)
        .map_err(translate)
}

/// How many rows a page's statement must read: one more than asked, to know whether more exist.
pub(crate) fn rows_for(page: PageRequest) -> u32 {
    page.limit.saturating_add(1)
}

/// The exclusive upper end of a page's keys.
pub(crate) fn below(page: PageRequest) -> i64 {
    page.before.unwrap_or(i64::MAX)
}

/// Makes a page of what was read with [`rows_for`] it.
pub(crate) fn page_of<T>(mut items: Vec<T>, page: PageRequest, key: impl Fn(&T) -> i64) -> Page<T> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(key);
    Page { items, next }
}

/// A LIKE pattern (`ESCAPE '\'`) for texts that contain `text`.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

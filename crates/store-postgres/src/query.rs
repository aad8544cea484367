//! Running constant statements: preparing, binding and reading in one place.

use store::{Page, PageRequest, StoreResult};
use tokio_postgres::types::ToSql;

use crate::code::Cells;
use crate::tx::Tx;

/// A transaction, of whatever kind.
pub(crate) type Db<'a> = Tx<'a>;

/// Values for a statement's parameters, in order.
pub(crate) type Bound<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The values of a statement's parameters.
macro_rules! bound {
    ($($value:expr),* $(,)?) => {
        &[$(&$value as &(dyn ::tokio_postgres::types::ToSql + Sync)),*]
    };
}
pub(crate) use bound;

/// The first row, if there is one.
pub(crate) async fn one<T>(
    db: &Db<'_>,
    sql: &'static str,
    bound: Bound<'_>,
    read: impl FnOnce(&Cells<'_>) -> StoreResult<T>,
) -> StoreResult<Option<T>> {
    let statement = db.prepare(sql).await?;
    let rows = db.query(&statement, bound).await?;
    rows.first().map(|row| read(&Cells(row))).transpose()
}

/// Every row; the statement bounds how many.
pub(crate) async fn many<T>(
    db: &Db<'_>,
    sql: &'static str,
    bound: Bound<'_>,
    read: impl Fn(&Cells<'_>) -> StoreResult<T>,
) -> StoreResult<Vec<T>> {
    let statement = db.prepare(sql).await?;
    let rows = db.query(&statement, bound).await?;
    rows.iter().map(|row| read(&Cells(row))).collect()
}

/// Whether there is any row. The statement ends with `LIMIT 1`, unless a key bounds it.
pub(crate) async fn exists(db: &Db<'_>, sql: &'static str, bound: Bound<'_>) -> StoreResult<bool> {
    let statement = db.prepare(sql).await?;
    let rows = db.query(&statement, bound).await?;
    Ok(!rows.is_empty())
}

/// Runs a write; answers how many rows it changed.
pub(crate) async fn execute(db: &Db<'_>, sql: &'static str, bound: Bound<'_>) -> StoreResult<u64> {
    let statement = db.prepare(sql).await?;
    db.execute(&statement, bound).await
}

/// How many rows a page's statement must read: one more than asked, to know whether more exist.
pub(crate) fn rows_for(page: PageRequest) -> i64 {
    i64::from(page.limit).saturating_add(1)
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

/// A LIKE pattern for lower-case texts that contain `text`, ignoring ASCII case.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter.to_ascii_lowercase());
    }
    pattern.push('%');
    pattern
}

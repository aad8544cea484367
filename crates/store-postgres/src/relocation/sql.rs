//! Statements for a table of the catalogue, put together from its constants and nothing else. A page is
//! one statement: a column is an array.

use crate::tx::Tx;
use store::StoreResult;
use store::relocation::{Cells, Kind, Page, Table};
use tokio_postgres::types::ToSql;

use crate::code::corrupt;

/// Puts the rows of a page where they belong. Keys are kept, also those that the database would make.
pub(super) async fn insert(tx: &Tx<'_>, table: &Table, page: &Page) -> StoreResult<()> {
    let sql = insert_of(table);
    let statement = tx.prepare(&sql).await?;
    let values: Vec<&(dyn ToSql + Sync)> = page.columns.iter().map(value).collect();
    let written = tx.execute(&statement, &values).await?;
    if written == page.rows {
        Ok(())
    } else {
        Err(corrupt(format!("{} took {written} rows", table.name)))
    }
}

fn value(cells: &Cells) -> &(dyn ToSql + Sync) {
    match cells {
        Cells::Integers(cells) => cells,
        Cells::Booleans(cells) => cells,
        Cells::Texts(cells) => cells,
        Cells::Bytes(cells) => cells,
    }
}

const fn array_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "bigint[]",
        Kind::Boolean => "boolean[]",
        Kind::Text => "text[]",
        Kind::Bytes => "bytea[]",
    }
}

/// How many rows a table has.
pub(super) fn count(table: &Table) -> String {
    format!("SELECT count(*) FROM \"{}\"", table.name)
}

/// Whether a table has any row.
pub(super) fn any(table: &Table) -> String {
    format!("SELECT EXISTS (SELECT 1 FROM \"{}\")", table.name)
}

/// Gathers what plans are made from.
pub(super) fn analyze(table: &Table) -> String {
    format!("ANALYZE \"{}\"", table.name)
}

fn insert_of(table: &Table) -> String {
    let columns = table.columns.iter();
    let names: Vec<String> = columns
        .clone()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let arrays: Vec<String> = (1..)
        .zip(columns)
        .map(|(place, column)| format!("${place}::{}", array_of(column.kind)))
        .collect();
    format!(
        "INSERT INTO \"{}\" ({}) OVERRIDING SYSTEM VALUE SELECT * FROM UNNEST({})",
        table.name,
        names.join(", "),
        arrays.join(", ")
    )
}

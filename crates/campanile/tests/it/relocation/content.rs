//! Both databases, row by row.

use std::path::Path;

use postgres_cluster::Cluster;
use rusqlite::Connection;
use store::relocation::{Column, Kind, TABLES, Table};

/// Columns that the file has as well, as one text a row on either side.
fn shared_columns(file: &Connection, table: &Table) -> Vec<&'static Column> {
    let sql = format!("SELECT name FROM pragma_table_info('{}')", table.name);
    let mut statement = file.prepare(&sql).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    let names: Vec<String> = names.map(Result::unwrap).collect();
    let columns = table.columns.iter();
    columns
        .filter(|column| names.iter().any(|name| name == column.name))
        .collect()
}

fn joined(columns: &[&Column], shown: impl Fn(&Column) -> String) -> String {
    let shown: Vec<String> = columns.iter().map(|column| shown(column)).collect();
    format!("concat_ws('|', {})", shown.join(", "))
}

fn key(table: &Table) -> String {
    let quoted: Vec<String> = table.key.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

/// Every row that was to be moved is there with the same values, and no other.
pub(super) fn assert_same(file: &Path, cluster: &Cluster, database: &str) {
    let file = Connection::open(file).unwrap();
    let mut compared = 0;
    for table in TABLES {
        let columns = shared_columns(&file, table);
        // An empty text for NULL, and a word before each value, so that a shift would be seen.
        let here = joined(&columns, |column| {
            let name = column.name;
            match column.kind {
                Kind::Bytes => format!("'{name}=' || ifnull(lower(hex(\"{name}\")), '-')"),
                _ => format!("'{name}=' || ifnull(\"{name}\", '-')"),
            }
        });
        let there = joined(&columns, |column| {
            let name = column.name;
            match column.kind {
                Kind::Bytes => format!("'{name}=' || coalesce(encode(\"{name}\", 'hex'), '-')"),
                Kind::Boolean => format!("'{name}=' || coalesce(\"{name}\"::int::text, '-')"),
                _ => format!("'{name}=' || coalesce(\"{name}\"::text, '-')"),
            }
        });
        let (name, order) = (table.name, key(table));
        let kept = if name == "meta" {
            "key = 'ping_at'"
        } else {
            "true"
        };
        let sql = format!(
            "SELECT coalesce(group_concat(shown, char(10)), '') FROM
                 (SELECT {here} AS shown FROM \"{name}\" WHERE {kept} ORDER BY {order})"
        );
        let here: String = file.query_row(&sql, [], |row| row.get(0)).unwrap();
        let sql = format!(
            "SELECT coalesce(string_agg({there}, E'\\n' ORDER BY {order}), '') FROM \"{name}\""
        );
        let there = cluster.admin(database, &sql);
        let (here, there) = (here.trim(), there.trim());
        if here != there {
            let differing = here
                .lines()
                .zip(there.lines())
                .find(|(here, there)| here != there);
            panic!(
                "{name} differs: {} rows here, {} there; first: {differing:?}",
                here.lines().count(),
                there.lines().count()
            );
        }
        compared += here.lines().count();
    }
    assert!(compared > 0, "nothing was compared");
}

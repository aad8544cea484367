//! What the database holds of a tenant, read beside the server: all of it, not only what the API
//! shows.

use std::fmt::Write as _;
use std::path::Path;

use domain::TenantId;
use rusqlite::{Connection, OpenFlags};

/// Tables that belong to nobody.
const OF_NOBODY: &[&str] = &[
    "meta",
    "erasures",
    "installation",
    "holds",
    "gaps",
    "relocation",
];
/// Where rows without a tenant find theirs.
const PARENTS: &[(&str, &str)] = &[
    ("pool_id", "pools"),
    ("campaign_id", "campaigns"),
    ("attempt_id", "attempts"),
    ("import_id", "imports"),
    ("lead_id", "leads"),
    ("line_id", "lines"),
];

/// A second connection to the server's database.
pub(super) struct Database(Connection);

impl Database {
    pub(super) fn open(folder: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Self(Connection::open_with_flags(folder.join("test.db"), flags).unwrap())
    }

    /// Every row of the tenant in every table.
    pub(super) fn rows_of(&self, tenant_id: TenantId) -> String {
        let mut text = String::new();
        for table in self.names("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name") {
            if OF_NOBODY.contains(&table.as_str()) {
                continue;
            }
            let columns = self.names(&format!("SELECT name FROM pragma_table_info('{table}')"));
            let has = |name: &str| columns.iter().any(|column| column == name);
            let whose = if has("tenant_id") {
                "tenant_id = ?1".to_owned()
            } else {
                let parent = PARENTS.iter().find(|(column, _)| has(column));
                let (column, parent) = parent.unwrap_or_else(|| {
                    panic!("whose are the rows of {table}? Say so in `PARENTS` or `OF_NOBODY`")
                });
                format!("{column} IN (SELECT {column} FROM {parent} WHERE tenant_id = ?1)")
            };
            self.append(&mut text, &table, columns.len(), &whose, tenant_id);
        }
        text
    }

    fn append(
        &self,
        text: &mut String,
        table: &str,
        columns: usize,
        whose: &str,
        tenant_id: TenantId,
    ) {
        let sql = format!("SELECT * FROM {table} WHERE {whose}");
        let mut statement = self.0.prepare_cached(&sql).unwrap();
        let mut rows = statement.query([tenant_id.raw()]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let _ = write!(text, "{table}");
            for column in 0..columns {
                let _ = write!(text, "|{:?}", row.get_ref(column).unwrap());
            }
            text.push('\n');
        }
    }

    fn names(&self, sql: &str) -> Vec<String> {
        let mut statement = self.0.prepare_cached(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    }
}

/// The first line in which two dumps differ, for people.
pub(super) fn difference(before: &str, after: &str) -> Option<String> {
    if before == after {
        return None;
    }
    let gone = before
        .lines()
        .find(|line| !after.lines().any(|other| other == *line));
    let new = after
        .lines()
        .find(|line| !before.lines().any(|other| other == *line));
    Some(format!("was {gone:?}\nis  {new:?}"))
}

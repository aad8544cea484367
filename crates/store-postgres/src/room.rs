//! Whether a database has room for our tables: a schema where they would be made, the right to make them,
//! and no table of that name already. Looked at before anything is made, so that `doctor` and a start
//! say the same.

use tokio_postgres::Client;

use crate::migrate::{MigrateError, SCHEMA_VERSION, failed};

/// Tables, and what else has a name among them, of the first schema and later ones.
const NAMES: &[&str] = &[
    "attempts",
    "call_details",
    "campaigns",
    "due",
    "erasures",
    "events",
    "gaps",
    "held_lines",
    "holds",
    "idempotency",
    "import_removals",
    "import_rows",
    "imports",
    "installation",
    "lead_counts",
    "leads",
    "lines",
    "meta",
    "number_rests",
    "pool_numbers",
    "pools",
    "relocation",
    "relocation_progress",
    "revisions",
    "strange_calls",
    "suppressions",
    "tenants",
    "tokens",
];

/// Refuses a table of versions that is not ours: it tells nothing of our schema.
pub(crate) async fn check_versions(client: &Client) -> Result<(), MigrateError> {
    let sql = "SELECT to_regclass('schema_versions') IS NOT NULL AND NOT EXISTS (
                   SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('schema_versions')
                      AND attname = 'version' AND atttypid = 'bigint'::regtype AND NOT attisdropped)";
    let row = client.query_one(sql, &[]).await;
    if row.map_err(failed(SCHEMA_VERSION))?.get(0) {
        return Err(MigrateError::Taken {
            relation: "table schema_versions".to_owned(),
        });
    }
    Ok(())
}

/// Refuses a database in which our tables cannot be made.
pub(crate) async fn check(client: &Client) -> Result<(), MigrateError> {
    let failed = failed(SCHEMA_VERSION);
    let sql = "SELECT current_schema()::text, current_setting('search_path'),
                      coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
                      EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = ANY(string_to_array(
                          translate(current_setting('search_path'), '\" ', ''), ',')))";
    let row = client.query_one(sql, &[]).await.map_err(&failed)?;
    let (schema, path): (Option<String>, String) = (row.get(0), row.get(1));
    let (may_create, exists): (bool, bool) = (row.get(2), row.get(3));
    match schema {
        Some(schema) if schema == "pg_catalog" => return Err(MigrateError::NoSchema { path }),
        Some(_) if may_create => {}
        Some(schema) => {
            return Err(MigrateError::Rights {
                cause: format!("permission denied for schema {schema}"),
            });
        }
        // Whoever may not use a schema does not have it.
        None if exists => {
            return Err(MigrateError::Rights {
                cause: format!("permission denied for the schemas of search_path, {path}"),
            });
        }
        None => return Err(MigrateError::NoSchema { path }),
    }
    let sql = "SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END || relname
               FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1)
               ORDER BY relname LIMIT 1";
    match client.query_opt(sql, &[&NAMES]).await.map_err(&failed)? {
        None => Ok(()),
        Some(row) => Err(MigrateError::Taken {
            relation: row.get(0),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::NAMES;
    use crate::migrate::statements;

    #[test]
    fn every_table_of_every_schema_is_looked_for() {
        for sql in statements() {
            for (_, rest) in sql
                .match_indices("\nCREATE TABLE ")
                .map(|(at, _)| sql.split_at(at))
            {
                let name = rest.split_whitespace().nth(2).unwrap();
                assert!(NAMES.contains(&name), "{name}");
            }
        }
    }
}

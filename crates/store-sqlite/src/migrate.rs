//! Numbered migrations, forward only, applied at start.

use rusqlite::{Connection, TransactionBehavior};

/// Version of the schema that this program reads and writes.
pub const SCHEMA_VERSION: u32 = 6;

/// In order; entry `n` leads to version `n + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_core.sql"),
    include_str!("../migrations/0002_revisions.sql"),
    include_str!("../migrations/0003_steps.sql"),
    include_str!("../migrations/0004_hold.sql"),
    include_str!("../migrations/0005_turns.sql"),
    include_str!("../migrations/0006_relocation.sql"),
];

/// Why a database cannot be brought to this version.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The file was written by a newer program.
    #[error(
        "the database is at schema version {found}, this program knows {SCHEMA_VERSION}: start the newer version of campanile that wrote it, or restore a backup made before it"
    )]
    Newer {
        /// Version of the file.
        found: u32,
    },
    /// A statement failed; the file is as it was.
    #[error("the database could not be migrated to version {to}: {error}")]
    Failed {
        /// Version it was to reach.
        to: u32,
        /// What SQLite said.
        error: rusqlite::Error,
    },
}

/// Brings the database to [`SCHEMA_VERSION`], each step in its own transaction. Answers from which
/// version it came.
pub(crate) fn migrate(connection: &mut Connection) -> Result<u32, MigrateError> {
    let failed = |to| move |error| MigrateError::Failed { to, error };
    let version =
        |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    let found: u32 = version(connection).map_err(failed(SCHEMA_VERSION))?;
    if found > SCHEMA_VERSION {
        return Err(MigrateError::Newer { found });
    }
    for (to, sql) in (1..)
        .zip(MIGRATIONS)
        .skip(usize::try_from(found).unwrap_or(usize::MAX))
    {
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed(to))?;
        // Another process may have been faster while this one waited for the lock.
        if version(&tx).map_err(failed(to))? < to {
            tx.execute_batch(sql).map_err(failed(to))?;
            tx.pragma_update(None, "user_version", to)
                .map_err(failed(to))?;
        }
        tx.commit().map_err(failed(to))?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_leads_to_this_one_and_keeps_what_is_there() {
        assert_eq!(usize::try_from(SCHEMA_VERSION).unwrap(), MIGRATIONS.len());
        for old in 1..SCHEMA_VERSION {
            let mut connection = Connection::open_in_memory().unwrap();
            for (to, sql) in (1..=old).zip(MIGRATIONS) {
                connection.execute_batch(sql).unwrap();
                connection.pragma_update(None, "user_version", to).unwrap();
            }
            let insert = "INSERT INTO tenants (tenant_id, name, created_at) VALUES (1, 'a', 0)";
            connection.execute(insert, []).unwrap();
            assert_eq!(migrate(&mut connection).unwrap(), old);
            assert_eq!(migrate(&mut connection).unwrap(), SCHEMA_VERSION);
            let read = "SELECT revision FROM tenants WHERE name = 'a'";
            let revision: i64 = connection.query_row(read, [], |row| row.get(0)).unwrap();
            assert_eq!(revision, 1);
        }
    }

    /// A database as a program of version 1 left it.
    fn version_one() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .pragma_update(None, "foreign_keys", "ON")
            .unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let content = "
            INSERT INTO tenants (tenant_id, name, created_at) VALUES (1, 'Acme', 0);
            INSERT INTO lines (line_id, tenant_id, provider, name, sealed_credentials, sealed_webhook_secret,
                line_key, max_concurrent_calls, max_calls_per_second, revision, created_at, updated_at)
                VALUES (2, 1, 'VAPI', 'Main', x'', x'', 'key', 1, 1, 1, 0, 0);
            INSERT INTO campaigns (campaign_id, tenant_id, line_id, kind, status, name, settings, revision,
                unverified, created_at, updated_at)
                VALUES (3, 1, 2, 'OUTBOUND', 'DRAFT', 'Q4', '{}', 1, 0, 0, 0);
            INSERT INTO leads (lead_id, campaign_id, tenant_id, phone, status, rank, first_name,
                custom_fields, revision, created_at, updated_at)
                VALUES (4, 3, 1, '+14155550100', 'READY', 5, 'Ada', '{}', 1, 7, 8);
            INSERT INTO due (campaign_id, rank, zone, due_at, lead_id) VALUES (3, 5, '', 0, 4);
            INSERT INTO imports (import_id, tenant_id, campaign_id, on_duplicate, total, created_at)
                VALUES (5, 1, 3, 'SKIP', 1, 0);
            INSERT INTO import_rows (import_id, row, lead) VALUES (5, 0, '{}');";
        connection.execute_batch(content).unwrap();
        connection
    }

    fn texts(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn what_an_older_version_wrote_is_kept() {
        let mut connection = version_one();
        assert_eq!(migrate(&mut connection).unwrap(), 1);
        assert_eq!(migrate(&mut connection).unwrap(), SCHEMA_VERSION);
        let lead = "SELECT concat_ws(' ', lead_id, campaign_id, phone, first_name, created_at, updated_at) FROM leads";
        assert_eq!(texts(&connection, lead), ["4 3 +14155550100 Ada 7 8"]);
        // Counters go on from where they were.
        let counts = "SELECT concat_ws(' ', status, leads) FROM lead_counts ORDER BY status";
        assert_eq!(texts(&connection, counts), ["READY 1"]);
        connection
            .execute_batch("UPDATE leads SET status = 'ANSWERED'")
            .unwrap();
        assert_eq!(texts(&connection, counts), ["ANSWERED 1", "READY 0"]);
        let unfinished = "SELECT CAST(import_id AS TEXT) FROM imports WHERE finished_at IS NULL";
        assert_eq!(texts(&connection, unfinished), ["5"]);
        let broken = "SELECT \"table\" FROM pragma_foreign_key_check";
        assert_eq!(texts(&connection, broken), Vec::<String>::new());
    }

    #[test]
    fn a_migrated_database_has_the_schema_of_a_new_one() {
        let mut old = version_one();
        migrate(&mut old).unwrap();
        let mut new = Connection::open_in_memory().unwrap();
        migrate(&mut new).unwrap();
        let schema = "SELECT type || ' ' || name FROM sqlite_schema ORDER BY 1";
        assert_eq!(texts(&old, schema), texts(&new, schema));
    }

    #[test]
    fn a_newer_database_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
            .unwrap();
        assert!(matches!(
            migrate(&mut connection),
            Err(MigrateError::Newer { .. })
        ));
    }
}

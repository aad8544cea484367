//! Numbered migrations, forward only, applied at start.

use rusqlite::{Connection, TransactionBehavior};

/// Version of the schema that this program reads and writes.
pub const SCHEMA_VERSION: u32 = 2;

/// In order; entry `n` leads to version `n + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_core.sql"),
    include_str!("../migrations/0002_revisions.sql"),
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
}

//! Numbered migrations, forward only, applied under an advisory lock.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::relocation::refuse_unfinished;

/// Version of the schema that this program reads and writes.
pub const SCHEMA_VERSION: i64 = 2;

/// In order; entry `n` leads to version `n + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_core.sql"),
    include_str!("../migrations/0002_relocation.sql"),
];

/// The oldest server that has what the schema uses.
const OLDEST_SERVER: i64 = 140_000;

/// Serialises migrations of one database over all processes.
const LOCK: i64 = 0x0063_616d_7061_6e69;

/// Why a database cannot be brought to this version.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The server is too old.
    #[error(
        "the PostgreSQL server is version {found}, campanile needs 14 or newer: upgrade the server"
    )]
    OldServer {
        /// What the server calls itself.
        found: String,
    },
    /// The schema was written by a newer program.
    #[error(
        "the database is at schema version {found}, this program knows {SCHEMA_VERSION}: start the newer version of campanile that wrote it, or restore a backup made before it"
    )]
    Newer {
        /// Version of the schema.
        found: i64,
    },
    /// The user may not make tables.
    #[error(
        "the database user may not make or change campanile's tables ({cause}): make it the owner of the database, or run GRANT CREATE, USAGE ON SCHEMA public TO <user> as an administrator"
    )]
    Rights {
        /// What the server said.
        cause: String,
    },
    /// The schema is not the one of this program, and nobody asked to change it.
    #[error(
        "the database is at schema version {found}, this program needs {SCHEMA_VERSION}: run `campanile migrate` or start `campanile serve` on it"
    )]
    Older {
        /// Version of the schema.
        found: i64,
    },
    /// There is nothing of campanile in it, and nobody asked to put it there.
    #[error(
        "the database holds no tables of campanile: check its name, or make them with `campanile migrate` or `campanile token create`"
    )]
    Empty,
    /// It holds a part of what is moved to it.
    #[error(
        "the database holds a part of what is moved to it from {origin}: go on with that move, with the same `campanile migrate --from … --to …`; or drop this database and go on with the source"
    )]
    Unfinished {
        /// Where from.
        origin: String,
    },
    /// A statement failed; the database is as it was.
    #[error("the database could not be migrated to version {to}: {cause}")]
    Failed {
        /// Version it was to reach.
        to: i64,
        /// What the server said.
        cause: String,
    },
}

/// Refuses servers that are too old.
pub(crate) async fn check_server(client: &Client) -> Result<(), MigrateError> {
    let sql =
        "SELECT current_setting('server_version_num')::bigint, current_setting('server_version')";
    let row = client
        .query_one(sql, &[])
        .await
        .map_err(failed(SCHEMA_VERSION))?;
    if row.get::<_, i64>(0) < OLDEST_SERVER {
        return Err(MigrateError::OldServer { found: row.get(1) });
    }
    Ok(())
}

fn failed(to: i64) -> impl Fn(tokio_postgres::Error) -> MigrateError {
    move |error| {
        let cause = crate::error::describe(&error);
        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            MigrateError::Rights { cause }
        } else {
            MigrateError::Failed { to, cause }
        }
    }
}

/// What there is, without changing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What the server calls itself.
    pub server_version: String,
    /// Version of the schema; 0: there is none.
    pub schema_version: i64,
    /// Whether row-level security does not hold for the user: it is a superuser, or may bypass it.
    pub is_above_the_wall: bool,
}

/// Looks at server and schema.
pub(crate) async fn inspect(client: &Client) -> Result<Inspection, MigrateError> {
    check_server(client).await?;
    let failed = failed(SCHEMA_VERSION);
    let sql = "SELECT current_setting('server_version'),
                      (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
                      to_regclass('schema_versions') IS NOT NULL";
    let row = client.query_one(sql, &[]).await.map_err(&failed)?;
    let has_schema: bool = row.get(2);
    let schema_version = if has_schema {
        let sql = "SELECT coalesce(max(version), 0) FROM schema_versions";
        client.query_one(sql, &[]).await.map_err(&failed)?.get(0)
    } else {
        0
    };
    Ok(Inspection {
        server_version: row.get(0),
        schema_version,
        is_above_the_wall: row.get(1),
    })
}

/// Refuses a schema that is not this program's.
pub(crate) async fn check_schema(client: &Client) -> Result<i64, MigrateError> {
    match inspect(client).await?.schema_version {
        0 => Err(MigrateError::Empty),
        found if found > SCHEMA_VERSION => Err(MigrateError::Newer { found }),
        found if found < SCHEMA_VERSION => Err(MigrateError::Older { found }),
        found => {
            let refused = refuse_unfinished(client).await;
            refused
                .map_err(failed(SCHEMA_VERSION))
                .flatten()
                .map(|()| found)
        }
    }
}

/// Brings the database to [`SCHEMA_VERSION`], all missing steps in one transaction. Answers from
/// which version it came.
pub(crate) async fn migrate(client: &mut Client) -> Result<i64, MigrateError> {
    check_server(client).await?;
    let failed = failed(SCHEMA_VERSION);
    let tx = client.transaction().await.map_err(&failed)?;
    // Held until the end of the transaction; whoever waited finds the work done.
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await
        .map_err(&failed)?;
    tx.batch_execute("CREATE TABLE IF NOT EXISTS schema_versions (version bigint PRIMARY KEY)")
        .await
        .map_err(&failed)?;
    let row = tx
        .query_one("SELECT coalesce(max(version), 0) FROM schema_versions", &[])
        .await
        .map_err(&failed)?;
    let found: i64 = row.get(0);
    if found > SCHEMA_VERSION {
        return Err(MigrateError::Newer { found });
    }
    for (to, sql) in (1_i64..).zip(MIGRATIONS).filter(|(to, _)| *to > found) {
        let failed = self::failed(to);
        tx.batch_execute(sql).await.map_err(&failed)?;
        tx.execute("INSERT INTO schema_versions (version) VALUES ($1)", &[&to])
            .await
            .map_err(&failed)?;
    }
    refuse_unfinished(&tx).await.map_err(&failed)??;
    tx.commit().await.map_err(&failed)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_its_migration() {
        assert_eq!(usize::try_from(SCHEMA_VERSION).unwrap(), MIGRATIONS.len());
    }
}

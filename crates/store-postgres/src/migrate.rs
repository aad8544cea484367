//! Numbered migrations, forward only, applied under an advisory lock.
//!
//! Processes of two versions share a database while one replaces the other, one process at a time. So
//! a migration says which programs may work beside it. One that only *adds* (a table, an index, a column that
//! may be absent) lets those before it go on, and they open the database although it is newer than what
//! they know. One that *takes away* is made when nobody is left who needs it: it is refused while any
//! process has a number, and a process that knows less gets no number any more (`node.rs`).

use store::relocation::TABLES;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};

use crate::node;
use crate::relocation::refuse_unfinished;
use crate::room;

/// Version of the schema that this program reads and writes.
pub const SCHEMA_VERSION: i64 = 4;

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
struct Migration {
    sql: &'static str,
    /// The oldest program, by the schema that it knows, that may work with this one.
    oldest_program: i64,
}

/// In order; entry `n` leads to version `n + 1`.
const MIGRATIONS: &[Migration] = &[
    Migration {
        sql: include_str!("../migrations/0001_core.sql"),
        oldest_program: 1,
    },
    // One before it would serve a database whose move has not ended.
    Migration {
        sql: include_str!("../migrations/0002_relocation.sql"),
        oldest_program: 2,
    },
    Migration {
        sql: include_str!("../migrations/0003_statistics.sql"),
        oldest_program: 2,
    },
    Migration {
        sql: include_str!("../migrations/0004_plans.sql"),
        oldest_program: 2,
    },
];

/// The statements of all versions.
#[cfg(test)]
pub(crate) fn statements() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.sql)
}

/// What a database says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schema {
    /// 0: there is none.
    version: i64,
    /// The oldest program, by the schema that it knows, that may work with it.
    pub(crate) oldest_program: i64,
}

impl Schema {
    const NONE: Self = Self {
        version: 0,
        oldest_program: 0,
    };
}

/// A version that does not say so asks for a program that knows it. Through JSON, because the table
/// may lack the column.
const SCHEMA: &str = "SELECT coalesce(max(version), 0),
            coalesce(max(coalesce((to_jsonb(schema_versions) ->> 'oldest_program')::bigint, version)), 0)
     FROM schema_versions";

/// The oldest server that has what the schema uses.
const OLDEST_SERVER: i64 = 140_000;

/// Serialises migrations of one database over all processes.
pub(crate) const LOCK: i64 = 0x0063_616d_7061_6e69;

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
        "the database user may not make or change campanile's tables ({cause}): make it the owner of the database, of the tables and of the functions, or run GRANT CREATE, USAGE ON SCHEMA public TO <user> as an administrator"
    )]
    Rights {
        /// What the server said.
        cause: String,
    },
    /// The tables are somebody else's.
    #[error(
        "the database user may not read and write campanile's table {table}, which is {owner}'s: connect as {owner}, or run GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO <user> as an administrator"
    )]
    Closed {
        /// The first of them.
        table: String,
        /// Whose it is.
        owner: String,
    },
    /// It cannot hold every text.
    #[error(
        "the database is encoded in {found}, which has no letters for many people's names: make one in UTF8 and use that: createdb --owner <user> --encoding UTF8 --template template0 <name>"
    )]
    Encoding {
        /// Of the database.
        found: String,
    },
    /// There is no place where tables would be made.
    #[error(
        "the user's search_path ({path}) names no schema that exists and that it may use: set one with ALTER ROLE <user> SET search_path = <schema>, or make it with CREATE SCHEMA <schema> AUTHORIZATION <user>"
    )]
    NoSchema {
        /// As the session has it.
        path: String,
    },
    /// A name is taken.
    #[error(
        "the database has a {relation} that is not this campanile's, but another application's or a part of a copy: name a database of its own (createdb --owner <user> <name>), or give it a schema there: CREATE SCHEMA campanile AUTHORIZATION <user>; ALTER ROLE <user> SET search_path = campanile"
    )]
    Taken {
        /// The first of them, with what it is.
        relation: String,
    },
    /// The server follows another one.
    #[error(
        "the PostgreSQL server is a standby and takes no writes: name the primary, or all servers and let the driver choose: postgres://user@one,two/database?target_session_attrs=read-write"
    )]
    Standby,
    /// Somebody wants nothing written.
    #[error(
        "the database takes no writes, because default_transaction_read_only is on: switch it off where it was set, with ALTER DATABASE <name>, ALTER ROLE <user> or ALTER SYSTEM … SET default_transaction_read_only = off"
    )]
    ReadOnly,
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
    /// What the next version takes away may be needed still.
    #[error(
        "the database cannot be brought from schema version {found} to {to} while processes of an older campanile use it ({processes} of them): stop them all, then start this one"
    )]
    InUse {
        /// Version of the schema.
        found: i64,
        /// Version it was to reach.
        to: i64,
        /// How many processes have a number.
        processes: usize,
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

/// Refuses servers that are too old, and those that take no writes.
pub(crate) async fn check_server(client: &Client) -> Result<(), MigrateError> {
    let sql = "SELECT current_setting('server_version_num')::bigint,
                      current_setting('server_version'),
                      pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
                      current_setting('server_encoding')";
    let row = client
        .query_one(sql, &[])
        .await
        .map_err(failed(SCHEMA_VERSION))?;
    if row.get::<_, i64>(0) < OLDEST_SERVER {
        return Err(MigrateError::OldServer { found: row.get(1) });
    }
    if row.get(2) {
        return Err(MigrateError::Standby);
    }
    if row.get(3) {
        return Err(MigrateError::ReadOnly);
    }
    let encoding: String = row.get(4);
    // The second takes bytes as they come.
    if !["UTF8", "SQL_ASCII"].contains(&encoding.as_str()) {
        return Err(MigrateError::Encoding { found: encoding });
    }
    Ok(())
}

/// Refuses tables that the user may not read and write: the first operation would fail instead.
async fn check_tables(client: &Client) -> Result<(), MigrateError> {
    const SQL: &str = "SELECT relname::text, pg_get_userbyid(relowner)::text FROM pg_class
         WHERE relkind = 'r' AND relname = ANY ($1)
           AND relnamespace = (SELECT relnamespace FROM pg_class
                               WHERE oid = to_regclass('schema_versions'))
           AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                    AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
         ORDER BY relname LIMIT 1";
    let names = TABLES.iter().map(|table| table.name);
    let names: Vec<&str> = names.chain(["schema_versions"]).collect();
    let closed = client.query_opt(SQL, &[&names]).await;
    match closed.map_err(failed(SCHEMA_VERSION))? {
        None => Ok(()),
        Some(row) => Err(MigrateError::Closed {
            table: row.get(0),
            owner: row.get(1),
        }),
    }
}

pub(crate) fn failed(to: i64) -> impl Fn(tokio_postgres::Error) -> MigrateError {
    move |error| {
        let cause = crate::error::describe(&error);
        // Whoever may not use the only schema has none to make tables in.
        let rights = [
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::INVALID_SCHEMA_NAME,
        ];
        if error.code().is_some_and(|state| rights.contains(state)) {
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
    /// The oldest program, by the schema that it knows, that may work with it.
    pub oldest_program: i64,
    /// Whether row-level security does not hold for the user: it is a superuser, or may bypass it.
    pub is_above_the_wall: bool,
}

/// Looks at server and schema.
pub(crate) async fn inspect(client: &Client) -> Result<Inspection, MigrateError> {
    check_server(client).await?;
    room::check_versions(client).await?;
    check_tables(client).await?;
    let failed = failed(SCHEMA_VERSION);
    let sql = "SELECT current_setting('server_version'),
                      (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
                      to_regclass('schema_versions') IS NOT NULL";
    let row = client.query_one(sql, &[]).await.map_err(&failed)?;
    let has_schema: bool = row.get(2);
    let mut schema = Schema::NONE;
    if has_schema {
        schema = read_schema(client).await.map_err(&failed)?;
    }
    if schema.version == 0 {
        schema = look_for_room(client).await?;
    }
    Ok(Inspection {
        server_version: row.get(0),
        schema_version: schema.version,
        oldest_program: schema.oldest_program,
        is_above_the_wall: row.get(1),
    })
}

/// Sees that the tables can be made, unless somebody makes them just now.
async fn look_for_room(client: &Client) -> Result<Schema, MigrateError> {
    let Err(refused) = room::check(client).await else {
        return Ok(Schema::NONE);
    };
    let failed = failed(SCHEMA_VERSION);
    let sql = "SELECT to_regclass('schema_versions') IS NOT NULL";
    let row = client.query_one(sql, &[]).await.map_err(&failed)?;
    if row.get(0) {
        let schema = read_schema(client).await.map_err(&failed)?;
        if schema.version > 0 {
            return Ok(schema);
        }
    }
    Err(refused)
}

pub(crate) async fn read_schema(
    client: &impl GenericClient,
) -> Result<Schema, tokio_postgres::Error> {
    let row = client.query_one(SCHEMA, &[]).await?;
    Ok(Schema {
        version: row.get(0),
        oldest_program: row.get(1),
    })
}

/// Refuses a schema that this program may not work with.
pub(crate) async fn check_schema(client: &Client) -> Result<i64, MigrateError> {
    let seen = inspect(client).await?;
    match seen.schema_version {
        0 => Err(MigrateError::Empty),
        found if seen.oldest_program > SCHEMA_VERSION => Err(MigrateError::Newer { found }),
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
/// which version it came; one that is newer, and that this program may work with, stays as it is.
pub(crate) async fn migrate(client: &mut Client) -> Result<i64, MigrateError> {
    inspect(client).await?;
    migrate_by(client, MIGRATIONS).await
}

async fn migrate_by(client: &mut Client, known: &[Migration]) -> Result<i64, MigrateError> {
    let version = i64::try_from(known.len()).unwrap_or(i64::MAX);
    let failed = failed(version);
    let tx = client.transaction().await.map_err(&failed)?;
    // Held until the end of the transaction; whoever waited finds the work done.
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await
        .map_err(&failed)?;
    make_room_for_versions(&tx).await.map_err(&failed)?;
    let schema = read_schema(&tx).await.map_err(&failed)?;
    let found = schema.version;
    if schema.oldest_program > version {
        return Err(MigrateError::Newer { found });
    }
    let missing = (1_i64..).zip(known).filter(|(to, _)| *to > found);
    for (to, migration) in missing {
        let failed = self::failed(to);
        // Whoever works with it now may know as little as it asks for.
        if found > 0 && migration.oldest_program > schema.oldest_program {
            refuse_while_in_use(&tx, found, to).await?;
        }
        tx.batch_execute(migration.sql).await.map_err(&failed)?;
        let sql = "INSERT INTO schema_versions (version, oldest_program) VALUES ($1, $2)";
        tx.execute(sql, &[&to, &migration.oldest_program])
            .await
            .map_err(&failed)?;
    }
    refuse_unfinished(&tx).await.map_err(&failed)??;
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever starts it again finds what has become of the schema"
    )]
    tx.commit().await.map_err(&failed)?;
    Ok(found)
}

async fn make_room_for_versions(tx: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    let sql = "CREATE TABLE IF NOT EXISTS schema_versions
                   (version bigint PRIMARY KEY, oldest_program bigint)";
    tx.batch_execute(sql).await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_attribute
                              WHERE attrelid = 'schema_versions'::regclass
                                AND attname = 'oldest_program' AND NOT attisdropped)";
    if !tx.query_one(sql, &[]).await?.get::<_, bool>(0) {
        let sql = "ALTER TABLE schema_versions ADD COLUMN oldest_program bigint";
        tx.batch_execute(sql).await?;
    }
    Ok(())
}

/// Whoever takes a number later waits for [`LOCK`], and finds the schema changed.
async fn refuse_while_in_use(
    tx: &impl GenericClient,
    found: i64,
    to: i64,
) -> Result<(), MigrateError> {
    let processes = node::living(tx).await.map_err(failed(to))?.len();
    if processes > 0 {
        return Err(MigrateError::InUse {
            found,
            to,
            processes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::connect::with_client;
    use crate::open_error::OpenError;

    #[test]
    fn every_version_has_its_migration() {
        assert_eq!(usize::try_from(SCHEMA_VERSION).unwrap(), MIGRATIONS.len());
    }

    const CORE: Migration = Migration {
        sql: "CREATE TABLE kept (id bigint); CREATE TABLE relocation (source text, ended_at bigint)",
        oldest_program: 1,
    };
    const ADDS: Migration = Migration {
        sql: "ALTER TABLE kept ADD COLUMN note text",
        oldest_program: 1,
    };
    const TAKES_AWAY: Migration = Migration {
        sql: "ALTER TABLE kept DROP COLUMN id",
        oldest_program: 2,
    };

    async fn bring(address: &Address, known: &[Migration]) -> Result<i64, MigrateError> {
        let done = with_client(address, async |client| migrate_by(client, known).await).await;
        done.map_err(|error| match error {
            OpenError::Migrate(error) => error,
            other => panic!("{other}"),
        })
    }

    #[tokio::test]
    async fn what_adds_is_made_beside_older_processes_and_what_takes_away_after_them() {
        let cluster = postgres_cluster::shared();
        let database = cluster.empty_database();
        let address: Address = cluster.address(&database).parse().unwrap();
        let all = &[CORE, ADDS, TAKES_AWAY];
        assert_eq!(bring(&address, &[CORE]).await.unwrap(), 0);
        let beside_an_older_one = async |older: &mut Client| {
            node::lock_a_number(older).await.unwrap();
            assert_eq!(bring(&address, &[CORE, ADDS]).await.unwrap(), 1);
            let again = bring(&address, &[CORE]).await;
            assert_eq!(again.unwrap(), 2, "the older one may start again");
            let refused = bring(&address, all).await.unwrap_err();
            let MigrateError::InUse {
                found: 2,
                to: 3,
                processes: 1,
            } = refused
            else {
                panic!("{refused}");
            };
            Ok(())
        };
        Box::pin(with_client(&address, beside_an_older_one))
            .await
            .unwrap();
        // The server takes a moment to see that the session is over.
        let mut made = bring(&address, all).await;
        while matches!(made, Err(MigrateError::InUse { .. })) {
            made = bring(&address, all).await;
        }
        assert_eq!(made.unwrap(), 2);
        assert_eq!(bring(&address, all).await.unwrap(), 3);
        let refused = bring(&address, &[CORE]).await.unwrap_err();
        assert!(
            matches!(refused, MigrateError::Newer { found: 3 }),
            "{refused}"
        );
        assert_eq!(bring(&address, &[CORE, ADDS]).await.unwrap(), 3);
        cluster.drop_database(&database);
    }
}

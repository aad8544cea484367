//! The database as what an installation is moved to: see [`store::relocation`] for why it is safe.
//!
//! - One connection does everything, and holds an advisory lock of its session: a second move waits
//!   until the first one's session is gone, and with it a transaction that it had on the way.
//! - The row in `relocation` is there before the first row that is moved. Until it says that the move
//!   has ended no process opens the database ([`refuse_unfinished`]), and none that had it open before
//!   can reserve a call: the installation's identity is that of no server.
//! - Rows and how far they got are one transaction each.

mod sql;

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::Object;
use jiff::Timestamp;
use store::relocation::{Key, LeadsByStatus, Page, Progress, TABLES, Table};
use store::{StoreError, StoreResult};
use tokio_postgres::GenericClient;
use tokio_postgres::error::SqlState;

use crate::address::Address;
use crate::code::{corrupt, micros};
use crate::commit::commit;
use crate::connect;
use crate::error::{no_connection, translate};
use crate::migrate::{MigrateError, SCHEMA_VERSION};
use crate::open_error::OpenError;
use crate::query::{self, bound};
use crate::tx::{As, Kind, Tx};

/// Held by the session that moves.
const LOCK: i64 = 0x006d_6f76_6500_0001;
/// Instead of a server's identity while a move has not ended.
const NO_SERVER: &str = "moving";
/// How often, and how many times, it is looked whether others have left the database.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS: u32 = 20;

/// What is written anew on a database without an installation, so that what an idle process left
/// there is nobody's.
const IDLE_TABLES: [&str; 2] = ["meta", "gaps"];

/// What there is at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// Nothing that anybody would miss.
    Nothing,
    /// A part of this move, or everything whose end was not told.
    Part(Arrival),
    /// Everything of this move.
    Whole(Arrival),
    /// Something else: rows in this table.
    Rows(&'static str),
}

/// A move, as the target knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Of this move.
    pub move_id: String,
    /// Where from, for people.
    pub source: String,
}

/// Why a database cannot be moved to. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Another move into it runs.
    #[error("another move into {address} is running: wait for its end, or stop it first")]
    Busy {
        /// Where it is.
        address: String,
    },
    /// A process works with it.
    #[error(
        "{processes} other connection(s) of campanile use {address}: stop every campanile process there first"
    )]
    InUse {
        /// Where it is.
        address: String,
        /// How many.
        processes: i64,
    },
    /// It failed on the way.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// A database that is moved to.
pub struct Target {
    address: Address,
    client: Object,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Target")
    }
}

/// Refuses a database whose move has not ended. The schema is this program's.
pub(crate) async fn refuse_unfinished(
    db: &impl GenericClient,
) -> Result<Result<(), MigrateError>, tokio_postgres::Error> {
    let sql = "SELECT source FROM relocation WHERE ended_at IS NULL";
    let row = db.query_opt(sql, &[]).await?;
    Ok(row.map_or(Ok(()), |row| {
        Err(MigrateError::Unfinished { origin: row.get(0) })
    }))
}

impl Target {
    /// Connects, makes the tables where there are none, and waits until nobody else uses them.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub async fn open(address: &Address) -> Result<Self, TargetError> {
        match connect::inspect_database(address).await?.schema_version {
            0 => {
                connect::migrate_database(address).await?;
            }
            SCHEMA_VERSION => {}
            found if found > SCHEMA_VERSION => {
                return Err(OpenError::from(MigrateError::Newer { found }).into());
            }
            found => return Err(OpenError::from(MigrateError::Older { found }).into()),
        }
        let pool = connect::pool(address, 2)?;
        let client = pool.get().await.map_err(no_connection)?;
        let target = Self {
            address: address.clone(),
            client,
        };
        target.lock().await?;
        target.wait_until_alone().await?;
        Ok(target)
    }

    /// Waits for the end of another move's session, for as long as any lock is waited for.
    async fn lock(&self) -> Result<(), TargetError> {
        let sql = "SELECT pg_advisory_lock($1)";
        match self.client.execute(sql, bound![LOCK]).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                Err(TargetError::Busy {
                    address: self.address.shown(),
                })
            }
            Err(error) => Err(translate(error).into()),
        }
    }

    /// Refuses to go on while others use the database; those that are just leaving are waited for.
    async fn wait_until_alone(&self) -> Result<(), TargetError> {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()
                     AND application_name = 'campanile'";
        let mut processes = 0;
        for _ in 0..LOOKS {
            let row = self.client.query_one(sql, &[]).await.map_err(translate)?;
            processes = row.get(0);
            if processes == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(TargetError::InUse {
            address: self.address.shown(),
            processes,
        })
    }

    async fn begin_work(&mut self) -> StoreResult<Tx<'_>> {
        Tx::begin_now(&self.client, Kind::Write, As::Server).await
    }

    /// What there is.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn look(&mut self) -> StoreResult<Holding> {
        let tx = self.begin_work().await?;
        let sql = "SELECT move_id, source, ended_at IS NOT NULL AS is_whole FROM relocation";
        let arrival = query::one(&tx, sql, &[], |cells| {
            let arrival = Arrival {
                move_id: cells.get("move_id")?,
                source: cells.get("source")?,
            };
            Ok((arrival, cells.get::<bool>("is_whole")?))
        })
        .await?;
        match arrival {
            Some((arrival, true)) => Ok(Holding::Whole(arrival)),
            Some((arrival, false)) => Ok(Holding::Part(arrival)),
            None => Ok(rows_in_the_way(&tx)
                .await?
                .map_or(Holding::Nothing, Holding::Rows)),
        }
    }

    /// Begins a move into a database that holds nothing.
    ///
    /// # Errors
    /// The database does not answer, or holds something by now.
    pub async fn begin(&mut self, move_id: &str, source: &str, now: Timestamp) -> StoreResult<()> {
        let tx = self.begin_work().await?;
        if let Some(table) = rows_in_the_way(&tx).await? {
            return Err(StoreError::Unavailable(format!(
                "somebody wrote to its table {table} meanwhile"
            )));
        }
        let sql =
            "INSERT INTO relocation (the_only, move_id, source, began_at) VALUES (1, $1, $2, $3)";
        query::execute(&tx, sql, bound![move_id, source, micros(now)]).await?;
        query::execute(&tx, "DELETE FROM meta", &[]).await?;
        query::execute(&tx, "DELETE FROM gaps", &[]).await?;
        let sql = "UPDATE installation SET identity = $1";
        query::execute(&tx, sql, bound![NO_SERVER]).await?;
        commit(tx).await
    }

    /// How far each table is, by its name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn progress(&mut self) -> StoreResult<BTreeMap<String, Progress>> {
        let tx = self.begin_work().await?;
        let sql = "SELECT moved, rows_moved, last_key, whole FROM relocation_progress";
        let found = query::many(&tx, sql, &[], |cells| {
            let last: Option<String> = cells.get("last_key")?;
            let progress = Progress {
                rows: cells.number("rows_moved")?,
                last: last.as_deref().map(Key::parse).transpose()?,
                is_whole: cells.get("whole")?,
            };
            Ok((cells.get("moved")?, progress))
        })
        .await?;
        Ok(found.into_iter().collect())
    }

    /// Writes a page and how far its table is with it: both or none. A crash of the server may take
    /// the last pages back, and their progress with them.
    ///
    /// # Errors
    /// The database does not answer, or refuses the rows.
    pub async fn write(&mut self, table: &Table, page: &Page) -> StoreResult<()> {
        let tx = self.begin_work().await?;
        let relaxed = "SET LOCAL synchronous_commit = off";
        tx.batch_execute(relaxed).await?;
        if page.rows > 0 {
            sql::insert(&tx, table, page).await?;
        }
        let sql = "INSERT INTO relocation_progress AS so_far (moved, rows_moved, last_key, whole)
                   VALUES ($1, $2, $3, $4)
                   ON CONFLICT (moved) DO UPDATE SET rows_moved = so_far.rows_moved + excluded.rows_moved,
                       last_key = coalesce(excluded.last_key, so_far.last_key), whole = excluded.whole";
        let rows = i64::try_from(page.rows).unwrap_or(i64::MAX);
        let last = page.last.as_ref().map(Key::text);
        query::execute(&tx, sql, bound![table.name, rows, last, page.is_last]).await?;
        commit(tx).await
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count(&mut self, table: &Table) -> StoreResult<u64> {
        let tx = self.begin_work().await?;
        patiently(&tx).await?;
        let row = tx
            .connection()
            .await?
            .query_one(&sql::count(table), &[])
            .await
            .map_err(translate)?;
        u64::try_from(row.get::<_, i64>(0)).map_err(|_| corrupt("a count below zero"))
    }

    /// Leads of campaigns by status, from the counters.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn leads_by_status(&mut self) -> StoreResult<LeadsByStatus> {
        let tx = self.begin_work().await?;
        let sql = "SELECT lead_counts.status, sum(leads)::bigint AS total
                   FROM lead_counts JOIN campaigns USING (tenant_id, campaign_id)
                   GROUP BY lead_counts.status HAVING sum(leads) <> 0";
        let counted = query::many(&tx, sql, &[], |cells| {
            Ok((cells.get("status")?, cells.get("total")?))
        });
        Ok(counted.await?.into_iter().collect())
    }

    /// Ends the move: from now on the database can be served. `installation` is the name of one
    /// that has dialed, and is compared with this server from here on.
    ///
    /// # Errors
    /// Others use the database, or it does not answer: then it is not known whether this was done.
    pub async fn finish(
        &mut self,
        installation: Option<&str>,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        self.wait_until_alone().await?;
        let tx = self.begin_work().await?;
        patiently(&tx).await?;
        for sql in [
            "SELECT setval(pg_get_serial_sequence('holds', 'hold_id'), greatest((SELECT max(hold_id) FROM holds), 1))",
            "SELECT setval(pg_get_serial_sequence('gaps', 'gap_id'), greatest((SELECT max(gap_id) FROM gaps), 1))",
        ] {
            query::execute(&tx, sql, &[]).await?;
        }
        // Leads that are still to be erased are counted by the triggers, and belong to nothing.
        let sql = "DELETE FROM lead_counts WHERE NOT EXISTS
                       (SELECT 1 FROM campaigns WHERE campaigns.tenant_id = lead_counts.tenant_id
                                                  AND campaigns.campaign_id = lead_counts.campaign_id)";
        query::execute(&tx, sql, &[]).await?;
        let sql = "UPDATE installation SET name = $1::text,
                       identity = CASE WHEN $1::text IS NULL THEN NULL ELSE server_identity() END";
        query::execute(&tx, sql, bound![installation]).await?;
        let sql = "UPDATE relocation SET ended_at = $1 WHERE ended_at IS NULL";
        query::execute(&tx, sql, bound![micros(now)]).await?;
        commit(tx).await?;
        self.gather_statistics().await;
        Ok(())
    }

    /// So that the first plans are not made for empty tables. Autovacuum comes to it later.
    async fn gather_statistics(&self) {
        for table in TABLES {
            if let Err(error) = self.client.batch_execute(&sql::analyze(table)).await {
                tracing::warn!(
                    table = table.name,
                    error = %crate::error::describe(&error),
                    "the statistics of a table could not be gathered; autovacuum does it later"
                );
            }
        }
    }
}

/// A table that has rows which belong to an installation, if there is one.
async fn rows_in_the_way(tx: &Tx<'_>) -> StoreResult<Option<&'static str>> {
    let is_named = "SELECT 1 FROM installation WHERE name IS NOT NULL LIMIT 1";
    if query::exists(tx, is_named, &[]).await? {
        return Ok(Some("installation"));
    }
    for table in TABLES {
        if IDLE_TABLES.contains(&table.name) {
            continue;
        }
        let row = tx
            .connection()
            .await?
            .query_one(&sql::any(table), &[])
            .await
            .map_err(translate)?;
        if row.get(0) {
            return Ok(Some(table.name));
        }
    }
    Ok(None)
}

/// Lets statements of the transaction take as long as they take: nobody else waits for them.
async fn patiently(tx: &Tx<'_>) -> StoreResult<()> {
    let patient = "SET LOCAL statement_timeout = 0";
    tx.batch_execute(patient).await
}

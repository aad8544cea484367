//! The number of this process among those that use the database.
//!
//! A session of its own holds the advisory lock of the number; the server frees it when the session
//! ends, for whatever reason. So the numbers that are locked are the nodes that live, and no lease has
//! to be renewed. A process whose session broke claims a number again before it next writes.

use std::sync::Arc;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use store::{StoreError, StoreResult};
use tokio::sync::Mutex;
use tokio_postgres::GenericClient;

use crate::commit::commit;
use crate::error::{no_connection, translate};
use crate::ids::NODES;
use crate::migrate::{self, SCHEMA_VERSION};
use crate::ops::meta;
use crate::query;
use crate::shared::Shared;
use crate::tx::{As, Kind, Tx};

/// The class of the advisory locks.
const CLASS: i32 = 0x6361_6d70;

/// In place of a node: a test call that a node which dials is to claim.
pub(crate) const UNCLAIMED: i64 = -1;

/// This process's claim of a number.
#[derive(Default)]
pub(crate) struct Node {
    claim: Mutex<Option<Claim>>,
}

/// The number that a process has, and the session that holds it.
#[derive(Clone)]
pub(crate) struct Claim {
    /// What is its own.
    pub(crate) owned: Owned,
    /// While it lives, so does the claim, and the server has not been restarted.
    pub(crate) session: Arc<ClientWrapper>,
}

/// What a process has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owned {
    /// Its number.
    pub(crate) number: i64,
    /// The greatest id when it took the number. Up to it, what has the number may be another
    /// process's that had it before, and lives.
    pub(crate) after: i64,
}

impl Node {
    /// The number, claimed if it is not, or no longer.
    pub(crate) async fn number(&self, pool: &Pool, shared: &Shared) -> StoreResult<i64> {
        Ok(self.owned(pool, shared).await?.number)
    }

    /// The same, with what else is to be known of it.
    pub(crate) async fn owned(&self, pool: &Pool, shared: &Shared) -> StoreResult<Owned> {
        Ok(self.claim(pool, shared).await?.owned)
    }

    /// The same, with its session.
    pub(crate) async fn claim(&self, pool: &Pool, shared: &Shared) -> StoreResult<Claim> {
        let mut claim = self.claim.lock().await;
        if let Some(held) = claim.as_ref()
            && !held.session.is_closed()
        {
            return Ok(held.clone());
        }
        *claim = None;
        let client = pool.get().await.map_err(no_connection)?;
        let session = Object::take(client);
        let tx = Tx::begin_now(&session, Kind::Write, As::Server).await?;
        refuse_newer_schema(&tx).await?;
        let number = lock_a_number(&**tx.connection().await?).await?;
        let greatest = meta::greatest_id(&tx).await?;
        commit(tx).await?;
        shared.ids.raise(greatest);
        tracing::info!(node.number = number, "this process has its number");
        let owned = Owned {
            number,
            after: greatest,
        };
        let session = Arc::new(session);
        Ok(claim.insert(Claim { owned, session }).clone())
    }
}

/// A migration that is under way ends first, and then this process may be too old for the schema.
async fn refuse_newer_schema(db: &query::Db<'_>) -> StoreResult<()> {
    let lock = "SELECT pg_advisory_xact_lock_shared($1)";
    query::execute(db, lock, query::bound![migrate::LOCK]).await?;
    let schema = migrate::read_schema(&**db.connection().await?)
        .await
        .map_err(translate)?;
    if schema.oldest_program > SCHEMA_VERSION {
        return Err(StoreError::Unavailable(
            "the database was brought to a schema that this program is too old for: start the newer version of campanile in its place".to_owned(),
        ));
    }
    Ok(())
}

/// Locks the first number that is free, for as long as the session lives.
pub(crate) async fn lock_a_number(session: &impl GenericClient) -> StoreResult<i64> {
    let sql = "SELECT pg_try_advisory_lock($1, $2)";
    let statement = session.prepare(sql).await.map_err(translate)?;
    for number in 0..i32::try_from(NODES).unwrap_or(i32::MAX) {
        let row = session.query_one(&statement, &[&CLASS, &number]).await;
        if row.map_err(translate)?.get(0) {
            return Ok(i64::from(number));
        }
    }
    Err(StoreError::Unavailable(
        "too many processes use the database at once".to_owned(),
    ))
}

/// The numbers of the processes that live.
pub(crate) async fn living(db: &impl GenericClient) -> Result<Vec<i64>, tokio_postgres::Error> {
    let sql = "SELECT DISTINCT objid::bigint AS number FROM pg_locks
               WHERE locktype = 'advisory' AND classid::bigint = $1 AND objsubid = 2 AND granted
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let rows = db.query(sql, &[&i64::from(CLASS)]).await?;
    Ok(rows.iter().map(|row| row.get("number")).collect())
}

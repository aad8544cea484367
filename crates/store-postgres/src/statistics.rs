//! Has the server look again at tables that have outgrown what it knows of them.
//!
//! A session keeps the plan of a statement until the server gathers statistics of its tables. What is
//! planned while a table is empty takes any of its indexes, as all look alike then: one that knows
//! the tenant alone, perhaps, and a new installation would read all calls of a tenant for each callback.
//! Autovacuum gathers statistics by itself, but not within the first minute, which may bring thousands
//! of calls or a million leads. So every process looks every few seconds whether a table has grown to
//! many times what the server last saw, and has it gather statistics then: some ten times in
//! the life of a table.
//!
//! It only makes statements faster: a failure ends nothing, and a role that may not gather them does
//! without.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::translate;
use crate::query::{self, bound};
use crate::store_impl::{PostgresStore, read};
use crate::tx::As;
use store::StoreResult;

/// How often tables are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many times as large a table must be.
const GROWN: i64 = 4;
/// Smaller ones are read as fast in any way.
const FEW_PAGES: i64 = 8;

/// A pool of fewer is left to those who wait for an answer.
const CONNECTIONS: usize = 2;

/// The tables that grow with leads and calls. One that another process is looking at is left to it.
const TABLES: &[(&str, &str)] = &[
    ("leads", "ANALYZE (SKIP_LOCKED) leads"),
    ("due", "ANALYZE (SKIP_LOCKED) due"),
    ("attempts", "ANALYZE (SKIP_LOCKED) attempts"),
    ("call_details", "ANALYZE (SKIP_LOCKED) call_details"),
    ("campaigns", "ANALYZE (SKIP_LOCKED) campaigns"),
    ("suppressions", "ANALYZE (SKIP_LOCKED) suppressions"),
    ("imports", "ANALYZE (SKIP_LOCKED) imports"),
    ("import_rows", "ANALYZE (SKIP_LOCKED) import_rows"),
];

/// How large each table was when this process last had it looked at, in pages.
type Seen = HashMap<&'static str, i64>;

impl PostgresStore {
    /// Looks after the tables for as long as it is polled.
    pub(crate) async fn keep_statistics(&self) {
        let mut seen = Seen::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.pool.status().max_size < CONNECTIONS {
                continue;
            }
            if let Err(error) = self.gather_statistics(&mut seen).await {
                tracing::debug!(error = %error, "tables were not looked at; they are looked at again");
            }
        }
    }

    async fn gather_statistics(&self, seen: &mut Seen) -> StoreResult<()> {
        let sizes = self.sizes().await?;
        for (table, statement) in TABLES {
            let Some((_, known, pages)) = sizes.iter().find(|(name, ..)| name == table) else {
                continue;
            };
            let known = seen.get(table).map_or(*known, |seen| (*known).max(*seen));
            if *pages < FEW_PAGES.max(known.saturating_mul(GROWN)) {
                continue;
            }
            let client = self.client().await?;
            // Also when the role may not: it is not asked for the same again.
            seen.insert(table, *pages);
            client.batch_execute(statement).await.map_err(translate)?;
            tracing::debug!(db.table = table, db.pages = pages, "statistics gathered");
        }
        Ok(())
    }

    /// Of each table how many pages the server knows of, and how many it has.
    async fn sizes(&self) -> StoreResult<Vec<(String, i64, i64)>> {
        let sql = "SELECT wanted.name, greatest(relpages, 0)::bigint AS known,
                       pg_relation_size(pg_class.oid) / current_setting('block_size')::bigint AS pages
                   FROM UNNEST($1::text[]) AS wanted (name) JOIN pg_class ON pg_class.oid = to_regclass(wanted.name)";
        let names: Vec<_> = TABLES.iter().map(|(name, _)| *name).collect();
        read!(self, As::Server, |db| query::many(
            db,
            sql,
            bound![names],
            |cells| Ok((cells.get("name")?, cells.get("known")?, cells.get("pages")?))
        ))
    }
}

//! A database that an installation is moved to.

use std::collections::BTreeSet;

use jiff::Timestamp;
use postgres_cluster::Cluster;
use store::relocation::{Cells, Key, KeyPart, Kind, Page, TABLES, Table};
use store::{Store as _, StoreError};
use store_postgres::{
    Address, Holding, MigrateError, OpenError, Options, PostgresStore, Target, TargetError,
    migrate_database,
};

use crate::bench::patience;

/// Tables that no row is moved to, and why.
const MADE_HERE: &[(&str, &str)] = &[
    (
        "installation",
        "its one row is there; the end of a move names it",
    ),
    ("lead_counts", "counted by triggers, and compared"),
    ("relocation", "the move itself"),
    ("relocation_progress", "the move itself"),
    ("schema_versions", "this database's own"),
];

struct Place {
    cluster: &'static Cluster,
    database: String,
}

impl Place {
    fn new() -> Self {
        let cluster = postgres_cluster::shared();
        Self {
            cluster,
            database: cluster.empty_database(),
        }
    }

    fn address(&self) -> Address {
        self.cluster.address(&self.database).parse().unwrap()
    }

    fn admin(&self, sql: &str) -> String {
        self.cluster.admin(&self.database, sql)
    }

    async fn open(&self) -> Result<PostgresStore, OpenError> {
        PostgresStore::open(&Options {
            address: self.address(),
            connections: 2,
            patience_of: patience,
            dials: true,
            marker: None,
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.cluster.drop_database(&self.database);
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn table(name: &str) -> &'static Table {
    TABLES.iter().find(|table| table.name == name).unwrap()
}

/// Tenants with these ids.
fn tenants(ids: &[i64], is_last: bool) -> Page {
    let column = |(name, kind): (&str, Kind)| match (name, kind) {
        ("tenant_id", _) => Cells::Integers(ids.iter().copied().map(Some).collect()),
        (_, Kind::Integer) => Cells::Integers(vec![Some(3); ids.len()]),
        ("name", _) => Cells::Texts(ids.iter().map(|id| Some(format!("t{id}"))).collect()),
        _ => Cells::Texts(vec![Some("[]".to_owned()); ids.len()]),
    };
    let columns = table("tenants").columns.iter();
    Page {
        columns: columns
            .map(|found| column((found.name, found.kind)))
            .collect(),
        rows: u64::try_from(ids.len()).unwrap(),
        last: ids.last().map(|id| Key(vec![KeyPart::Number(*id)])),
        is_last,
    }
}

#[tokio::test]
async fn every_table_and_column_is_moved_to_or_made_here_for_a_reason() {
    let place = Place::new();
    migrate_database(&place.address()).await.unwrap();
    let found = place.admin(
        "SELECT table_name || '.' || column_name || '.' || data_type
         FROM information_schema.columns WHERE table_schema = 'public'",
    );
    let made: BTreeSet<&str> = MADE_HERE.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = found
        .lines()
        .filter(|column| !made.contains(column.split('.').next().unwrap()))
        .collect();
    let named = |kind| match kind {
        Kind::Integer => "bigint",
        Kind::Boolean => "boolean",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
    };
    let catalogue: BTreeSet<String> = TABLES
        .iter()
        .flat_map(|table| {
            let columns = table.columns.iter();
            columns.map(|column| format!("{}.{}.{}", table.name, column.name, named(column.kind)))
        })
        .collect();
    let catalogue: BTreeSet<&str> = catalogue.iter().map(String::as_str).collect();
    let missing: Vec<_> = found.difference(&catalogue).collect();
    assert!(missing.is_empty(), "nobody moves {missing:?}");
    let gone: Vec<_> = catalogue.difference(&found).collect();
    assert!(gone.is_empty(), "not in the schema: {gone:?}");
}

#[tokio::test]
async fn a_move_that_rests_goes_on_and_nobody_opens_the_database_before_its_end() {
    let place = Place::new();
    let mut target = Target::open(&place.address()).await.unwrap();
    assert_eq!(target.look().await.unwrap(), Holding::Nothing);
    target.begin("one", "a file", now()).await.unwrap();
    target
        .write(table("tenants"), &tenants(&[5, 7], false))
        .await
        .unwrap();
    // A page that is refused leaves no trace, in its rows or its progress.
    let twice = target
        .write(table("tenants"), &tenants(&[9, 7], false))
        .await;
    assert!(matches!(twice, Err(StoreError::Corrupt(_))), "{twice:?}");
    drop(target);
    let refused = place.open().await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::Migrate(MigrateError::Unfinished { origin }) if origin == "a file"),
        "{refused}"
    );
    let mut again = Target::open(&place.address()).await.unwrap();
    let Holding::Part(arrival) = again.look().await.unwrap() else {
        panic!("a part is there");
    };
    assert_eq!(arrival.move_id, "one");
    let progress = again.progress().await.unwrap();
    assert_eq!(progress["tenants"].rows, 2);
    assert_eq!(
        progress["tenants"].last,
        Some(Key(vec![KeyPart::Number(7)]))
    );
    again
        .write(table("tenants"), &tenants(&[], true))
        .await
        .unwrap();
    let progress = again.progress().await.unwrap();
    assert!(progress["tenants"].is_whole && progress["tenants"].last.is_some());
    assert_eq!(again.count(table("tenants")).await.unwrap(), 2);
    again.finish(Some("abc"), now()).await.unwrap();
    assert!(matches!(again.look().await.unwrap(), Holding::Whole(_)));
    drop(again);
    place.open().await.unwrap();
    let kept = place.admin("SELECT name, identity = server_identity() FROM installation");
    assert_eq!(kept, "abc|t");
    assert_eq!(
        place.admin("INSERT INTO gaps (from_at, until_at) VALUES (1, 2) RETURNING gap_id"),
        "2",
        "keys that the database makes go on"
    );
}

#[tokio::test]
async fn a_process_that_was_there_before_the_move_reserves_nothing() {
    let place = Place::new();
    let mut target = Target::open(&place.address()).await.unwrap();
    target.begin("one", "a file", now()).await.unwrap();
    let told = place.admin(
        "SELECT coalesce(identity, server_identity()) = server_identity() FROM installation",
    );
    assert_eq!(told, "f", "its tick finds another server than its own");
}

#[tokio::test]
async fn a_database_that_is_used_or_holds_something_is_not_moved_to() {
    let place = Place::new();
    let store = place.open().await.unwrap();
    store.recover(now()).await.unwrap();
    let used = Target::open(&place.address()).await.unwrap_err();
    assert!(matches!(used, TargetError::InUse { .. }), "{used}");
    drop(store);
    // What an idle process left is nobody's.
    let mut target = Target::open(&place.address()).await.unwrap();
    assert_eq!(target.look().await.unwrap(), Holding::Nothing);
    drop(target);
    let store = place.open().await.unwrap();
    store.ensure_tenant("Acme", now()).await.unwrap();
    drop(store);
    let mut target = Target::open(&place.address()).await.unwrap();
    assert_eq!(target.look().await.unwrap(), Holding::Rows("tenants"));
    let refused = target.begin("one", "a file", now()).await.unwrap_err();
    assert!(refused.to_string().contains("tenants"), "{refused}");
    place.admin("DELETE FROM schema_versions WHERE version > 1");
    drop(target);
    let older = Target::open(&place.address()).await.unwrap_err();
    assert!(
        matches!(
            older,
            TargetError::Open(OpenError::Migrate(MigrateError::Older { found: 1 }))
        ),
        "{older}"
    );
}

//! More operations than connections.

use std::time::Duration;

use store::conformance::fixture::later;
use store::{Store as _, StoreError};
use store_postgres::{Options, PostgresStore};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::bench::options;

/// Beyond this the wait is not bounded.
const PATIENCE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn an_operation_waits_for_a_free_connection_but_not_for_ever() {
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let address = cluster.address(&database);
    let one_for_operations = Options {
        connections: 3,
        ..options(&address)
    };
    let store = PostgresStore::open(&one_for_operations).await.unwrap();
    let mut driven = JoinSet::new();
    let (mut holder, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    driven.spawn(connection);
    let held = holder.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE tenants").await.unwrap();
    // The first has the only connection, and waits for the table.
    let first = store.ensure_tenant("Acme", later(0));
    let second = async {
        let refused = tokio::time::timeout(PATIENCE, store.ping(later(1))).await;
        held.rollback().await.unwrap();
        refused.expect("the wait is bounded")
    };
    let (first, second) = tokio::join!(first, second);
    first.expect("it has what it needs");
    let StoreError::Unavailable(why) = second.unwrap_err() else {
        panic!("it may be tried again");
    };
    assert!(why.contains("raise --database-connections"), "{why}");
    store.ping(later(2)).await.expect("one is free again");
    drop((store, holder));
    cluster.drop_database(&database);
}

//! Opening databases: empty, newer, missing, and by two processes at once, also of two versions.

use domain::campaign::CampaignCommand;
use store::conformance::Bench;
use store::conformance::fixture::{add, later, order, tenant_with_running, tick};
use store::{Store, StoreError};
use store_postgres::{
    MigrateError, OpenError, PostgresStore, SCHEMA_VERSION, inspect_database, migrate_database,
};

use crate::bench::PostgresBench;

#[tokio::test]
async fn two_processes_that_start_at_once_migrate_once() {
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let address = cluster.address(&database).parse().unwrap();
    let both = tokio::join!(migrate_database(&address), migrate_database(&address));
    let mut from = [both.0.unwrap(), both.1.unwrap()];
    from.sort_unstable();
    assert_eq!(from, [0, SCHEMA_VERSION]);
    cluster.drop_database(&database);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let address = cluster.address(&database).parse().unwrap();
    migrate_database(&address).await.unwrap();
    cluster.admin(&database, "INSERT INTO schema_versions VALUES (99)");
    let refused = migrate_database(&address).await.unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Migrate(MigrateError::Newer { found: 99 })
        ),
        "{refused}"
    );
    cluster.drop_database(&database);
}

#[tokio::test]
async fn what_is_wrong_with_a_database_is_said_in_a_line() {
    let cluster = postgres_cluster::shared();
    let missing = cluster.address("nowhere").parse().unwrap();
    let error = migrate_database(&missing).await.unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    let down = "postgres://nobody@127.0.0.1:1/nowhere?sslmode=disable";
    let error = migrate_database(&down.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
}

/// What a start says of a database, and what a look at it says: the same.
async fn refused(address: &str) -> MigrateError {
    let address = address.parse().unwrap();
    let (started, looked) = (
        migrate_database(&address).await.unwrap_err(),
        inspect_database(&address).await.unwrap_err(),
    );
    assert_eq!(started.to_string(), looked.to_string());
    match started {
        OpenError::Migrate(refused) => refused,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_database_without_room_is_refused_before_anything_is_made() {
    let cluster = postgres_cluster::shared();
    let makes = [
        ("CREATE TABLE leads (id int)", "table leads"),
        ("CREATE VIEW attempts AS SELECT 1", "view attempts"),
        (
            "CREATE TABLE schema_versions (version int PRIMARY KEY)",
            "table schema_versions",
        ),
        (
            "CREATE TABLE schema_versions (version text PRIMARY KEY)",
            "table schema_versions",
        ),
    ];
    for (sql, taken) in makes {
        let database = cluster.empty_database();
        cluster.admin(&database, sql);
        match refused(&cluster.address(&database)).await {
            MigrateError::Taken { relation } => assert_eq!(relation, taken),
            other => panic!("{sql}: {other}"),
        }
        cluster.drop_database(&database);
    }
    let database = cluster.empty_database();
    cluster.admin(
        &database,
        &format!("ALTER DATABASE {database} SET search_path = nowhere"),
    );
    let error = refused(&cluster.address(&database)).await;
    assert!(
        matches!(&error, MigrateError::NoSchema { path } if path == "nowhere"),
        "{error}"
    );
    cluster.drop_database(&database);
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_name_is_refused() {
    let cluster = postgres_cluster::shared();
    let other = cluster.empty_database();
    let database = format!("{other}_latin");
    cluster.admin(
        "postgres",
        &format!("CREATE DATABASE {database} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"),
    );
    let error = refused(&cluster.address(&database)).await;
    assert!(
        matches!(&error, MigrateError::Encoding { found } if found == "LATIN1"),
        "{error}"
    );
    cluster.drop_database(&database);
    cluster.drop_database(&other);
}

#[tokio::test]
async fn a_database_that_switches_the_walls_off_has_them_all_the_same() {
    let bench = PostgresBench::open();
    let database = bench.admin("SELECT current_database()");
    bench.admin(&format!("ALTER DATABASE {database} SET row_security = off"));
    let (caller, campaign) = tenant_with_running(bench.store(), "Acme").await;
    add(bench.store(), caller, campaign, 1).await;
    let second = bench.other_node();
    assert_eq!(tick(&second, caller.now).await.len(), 1);
    drop(second);
    bench.check();
}

/// What the migration of a later version might do, for programs from `oldest_program` on.
fn migrate_to_the_next(bench: &PostgresBench, oldest_program: i64) {
    bench.admin(&format!(
        "ALTER TABLE campaigns ADD COLUMN colour text;
         ALTER TABLE attempts ADD COLUMN mood text NOT NULL DEFAULT 'calm';
         CREATE TABLE colours (tenant_id bigint NOT NULL, colour text NOT NULL);
         CREATE INDEX attempts_by_mood ON attempts (mood);
         INSERT INTO schema_versions (version, oldest_program)
         VALUES ({}, {oldest_program})",
        SCHEMA_VERSION + 1
    ));
}

#[tokio::test]
async fn a_program_goes_on_and_starts_beside_the_next_one_whose_schema_only_adds() {
    let bench = PostgresBench::open();
    let store = bench.store();
    let (caller, campaign) = tenant_with_running(store, "Acme").await;
    add(store, caller, campaign, 1).await;
    assert_eq!(tick(store, caller.now).await.len(), 1);
    migrate_to_the_next(&bench, SCHEMA_VERSION);
    add(store, caller, campaign, 2).await;
    assert_eq!(tick(store, later(60)).await.len(), 1, "it dials on");
    let from = migrate_database(&bench.options().address).await.unwrap();
    assert_eq!(from, SCHEMA_VERSION + 1, "which it leaves as it is");
    let second = bench.other_node();
    add(&second, caller, campaign, 3).await;
    assert_eq!(tick(&second, later(120)).await.len(), 1, "one starts");
    order(&second, caller, campaign, CampaignCommand::Pause).await;
    drop(second);
    bench.check();
}

#[tokio::test]
async fn a_program_that_the_schema_has_left_behind_neither_starts_nor_writes_again() {
    let bench = PostgresBench::open();
    let (idle, address) = (bench.other_node(), bench.options().address);
    migrate_to_the_next(&bench, SCHEMA_VERSION + 1);
    let options = bench.options();
    let refusals = [
        PostgresStore::open(&options).await.map(|_| ()),
        PostgresStore::open_existing(&options).await.map(|_| ()),
        migrate_database(&address).await.map(|_| ()),
    ];
    for refused in refusals {
        let Err(OpenError::Migrate(MigrateError::Newer { found })) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(found, SCHEMA_VERSION + 1);
    }
    let refused = idle.ensure_tenant("Acme", later(0)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable(why) if why.contains("newer version")),
        "{refused}"
    );
}

/// What the first schema made to tell one server from another, under another name.
fn first_identity() -> String {
    let first = include_str!("../../migrations/0001_core.sql");
    let (_, rest) = first
        .split_once("CREATE FUNCTION server_identity()")
        .unwrap();
    let (body, _) = rest.split_once("\n$$;").unwrap();
    format!("CREATE FUNCTION first_identity(){body}\n$$")
}

#[tokio::test]
async fn a_server_is_still_the_one_that_it_was_before_the_schema_changed() {
    let bench = PostgresBench::open();
    bench.admin(&first_identity());
    let both = "SELECT server_identity() || ' ' || first_identity()";
    for told in [bench.admin(both), bench.as_role(both).unwrap()] {
        let (now, first) = told.split_once(' ').unwrap();
        assert_eq!(now, first);
        assert_eq!(now.split('.').count(), 4, "{now}");
        assert!(!now.starts_with("0."), "{now}");
    }
}

#[tokio::test]
async fn a_server_that_shows_less_of_itself_is_dialed_from() {
    let bench = PostgresBench::open();
    bench.admin("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    let told = bench.as_role("SELECT server_identity()").unwrap();
    assert!(told.starts_with("0."), "{told}");
    let (caller, campaign) = tenant_with_running(bench.store(), "Acme").await;
    add(bench.store(), caller, campaign, 1).await;
    assert_eq!(tick(bench.store(), caller.now).await.len(), 1);
    bench.check();
}

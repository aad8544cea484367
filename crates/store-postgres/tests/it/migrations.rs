//! Opening databases: empty, newer, missing, and by two processes at once.

use store_postgres::{MigrateError, OpenError, SCHEMA_VERSION, migrate_database};

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

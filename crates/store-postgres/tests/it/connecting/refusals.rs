//! Servers and databases that let nobody in, or not enough.

use std::net::TcpListener;

use postgres_cluster::{Cluster, GUARDED, OwnCluster, ROLE};
use store_postgres::{
    Inspection, MigrateError, OpenError, PostgresStore, inspect_database, migrate_database,
};

use super::assert_says;
use crate::bench::options;

async fn migrate(address: &str) -> Result<i64, OpenError> {
    migrate_database(&address.parse().unwrap()).await
}

async fn inspect(address: &str) -> Result<Inspection, OpenError> {
    inspect_database(&address.parse().unwrap()).await
}

/// What a start, a command and the doctor say is the same line.
async fn assert_all_say(address: &str, words: &[&str]) {
    let said = migrate(address).await.unwrap_err();
    assert_says(&said, words);
    let by_doctor = inspect(address).await.unwrap_err();
    assert_eq!(by_doctor.to_string(), said.to_string());
    let by_command = PostgresStore::open_existing(&options(address)).await;
    assert_eq!(by_command.unwrap_err().to_string(), said.to_string());
    let passes = matches!(
        said,
        OpenError::Unreachable { .. } | OpenError::Full { .. } | OpenError::NoPrimary { .. }
    );
    assert_eq!(said.passes(), passes, "{said}");
}

/// Shadows what the server says of itself: no server that old is at hand.
const PRETEND_TO_BE_OLD: &str =
    "CREATE FUNCTION public.current_setting(name text) RETURNS text LANGUAGE sql AS $$
         SELECT CASE name WHEN 'server_version_num' THEN '130014'
                          WHEN 'server_version' THEN '13.14'
                          ELSE pg_catalog.current_setting(name) END $$";

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    cluster.admin(&database, PRETEND_TO_BE_OLD);
    let before_the_catalogue =
        format!("ALTER DATABASE {database} SET search_path = public, pg_catalog");
    cluster.admin("postgres", &before_the_catalogue);
    let words = ["13.14", "14 or newer", "upgrade the server"];
    assert_all_say(&cluster.address(&database), &words).await;
    cluster.drop_database(&database);
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_refused() {
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let address = cluster.address(&database);
    let set = |value: &str| {
        format!("ALTER DATABASE {database} SET default_transaction_read_only = {value}")
    };
    cluster.admin("postgres", &set("on"));
    let words = ["takes no writes", "default_transaction_read_only = off"];
    assert_all_say(&address, &words).await;
    cluster.admin("postgres", &set("off"));
    assert_eq!(migrate(&address).await.unwrap(), 0, "the remedy helps");
    cluster.drop_database(&database);
}

#[tokio::test]
async fn a_standby_is_refused() {
    let cluster = OwnCluster::start_new();
    let database = cluster.empty_database();
    migrate(&cluster.address(&database)).await.unwrap();
    let standby = cluster.standby();
    let address = standby.address(&database);
    let words = ["is a standby", "target_session_attrs=read-write"];
    assert_all_say(&address, &words).await;
    let host = |cluster: &Cluster| cluster.host().display().to_string().replace('/', "%2F");
    let (one, two) = (host(&standby), host(&cluster));
    let both = format!("postgres://{ROLE}@{one},{two}/{database}?target_session_attrs=read-write");
    inspect(&both).await.expect("the remedy helps");
    // Of servers of which none is the primary a start says so, and waits for one to be promoted.
    let alone = format!("postgres://{ROLE}@{one}/{database}?target_session_attrs=read-write");
    let words = ["takes writes", "promote the primary"];
    assert_all_say(&alone, &words).await;
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_waited_for() {
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let limit = |most: i32| format!("ALTER DATABASE {database} CONNECTION LIMIT {most}");
    cluster.admin("postgres", &limit(0));
    let address = cluster.address(&database);
    let words = [
        "takes no further connection",
        "53300",
        "raise the server's max_connections",
        "--database-connections",
    ];
    assert_all_say(&address, &words).await;
    assert!(migrate(&address).await.unwrap_err().passes());
    cluster.admin("postgres", &limit(-1));
    assert_eq!(migrate(&address).await.unwrap(), 0, "the remedy helps");
    cluster.drop_database(&database);
}

/// The address of a database for another role, which it makes.
fn stranger(cluster: &Cluster, database: &str, role: &str) -> String {
    cluster.admin("postgres", &format!("CREATE ROLE {role} LOGIN"));
    let address = cluster.address(database);
    address.replace(&format!("user={ROLE}"), &format!("user={role}"))
}

fn forget(cluster: &Cluster, database: &str, role: &str) {
    cluster.drop_database(database);
    cluster.admin("postgres", &format!("DROP ROLE {role}"));
}

#[tokio::test]
async fn a_user_without_rights_is_told_which() {
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let role = format!("stranger_{database}");
    let address = stranger(cluster, &database, &role);
    let admin = |sql: &str| cluster.admin(&database, &sql.replace("ROLE", &role));

    admin(&format!(
        "REVOKE CONNECT ON DATABASE {database} FROM public"
    ));
    assert_all_say(
        &address,
        &["refused the login", "GRANT CONNECT ON DATABASE"],
    )
    .await;
    admin(&format!("GRANT CONNECT ON DATABASE {database} TO ROLE"));

    let no_schema = ["may not make", "GRANT CREATE, USAGE ON SCHEMA public"];
    admin("REVOKE ALL ON SCHEMA public FROM public");
    assert_says(&migrate(&address).await.unwrap_err(), &no_schema);
    admin("GRANT USAGE ON SCHEMA public TO ROLE");
    assert_says(&migrate(&address).await.unwrap_err(), &no_schema);
    admin("GRANT USAGE, CREATE ON SCHEMA public TO ROLE");

    migrate(&cluster.address(&database)).await.unwrap();
    let owner = format!("connect as {ROLE}");
    let no_tables = [
        "may not read and write",
        &owner,
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES",
    ];
    assert_all_say(&address, &no_tables).await;
    admin("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE");
    admin("REVOKE DELETE ON leads FROM ROLE");
    assert_all_say(&address, &["table leads", &owner]).await;
    admin("GRANT DELETE ON leads TO ROLE");
    migrate(&address).await.expect("the remedies help");
    forget(cluster, &database, &role);
}

#[tokio::test]
async fn a_wrong_password_no_user_and_no_database_are_told_apart() {
    let cluster = OwnCluster::start_new();
    let socket = cluster.host().display();
    let login = |who: &str| format!("postgres:///postgres?host={socket}&{who}");
    let check = ["refused the login", "check user, password", "pg_hba.conf"];
    let wrong = format!("user={GUARDED}&password=secret");
    assert_all_say(&login(&wrong), &check).await;
    let none = format!("user={GUARDED}");
    assert_all_say(&login(&none), &["refused the login", "password"]).await;
    assert_all_say(&login("user=nobody"), &check).await;
    let nowhere = cluster.address("nowhere");
    assert_all_say(&nowhere, &["no such database", "createdb --owner"]).await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    // The system takes the connection; nobody ever reads from it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let address = format!("postgres://u:secret@127.0.0.1:{port}/d");
    let error = inspect(&address).await.unwrap_err();
    assert_says(&error, &["cannot reach", "no login was answered"]);
    assert!(error.passes());
}

#[tokio::test]
async fn a_server_that_is_down_passes() {
    let error = migrate("postgres://u:secret@127.0.0.1:1/d")
        .await
        .unwrap_err();
    assert_says(&error, &["cannot reach", "check that the server runs"]);
    assert!(error.passes());
    let standby = OpenError::from(MigrateError::Standby);
    assert!(!standby.passes(), "somebody has to name another server");
}

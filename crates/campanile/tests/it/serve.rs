//! `campanile serve`: starting, refusing to start, and stopping.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::program::{Home, Run, Server};

fn secret(home: &Home) -> String {
    home.run(&["token", "create"])
        .answer()
        .trim_end()
        .to_owned()
}

#[test]
fn a_server_is_ready_when_it_says_so_and_stops_cleanly_when_told() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    assert_eq!(server.get("/livez", "").0, 200);
    assert_eq!(server.get("/readyz", "").0, 200);
    let (status, metrics) = server.get("/metrics", "");
    assert_eq!(status, 200);
    assert!(
        metrics.contains("campanile_http_request_seconds_bucket"),
        "{metrics}"
    );
    server.running.signal("-TERM");
    assert_eq!(
        server.running.line(),
        None,
        "one line on stdout and no more"
    );
    let (status, log) = server.running.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("panic"), "{log}");
    // And again on the same files, by the other signal.
    let server = home.serve(&["--log-format", "json"]);
    server.running.signal("-INT");
    let (status, log) = server.running.end();
    assert_eq!(status.code(), Some(0), "{log}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}

#[test]
fn a_second_signal_aborts_the_drain() {
    let home = Home::new();
    let token = secret(&home);
    let server = home.serve(&[]);
    // A request whose body never comes: the drain would wait for it.
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "POST /api/v2/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    // The server asks for the body: the request is in its hands.
    std::io::Read::read_exact(&mut stream, &mut [0; 12]).unwrap();
    server.running.signal("-TERM");
    while std::net::TcpStream::connect(&server.address).is_ok() {
        std::thread::yield_now();
    }
    server.running.signal("-TERM");
    let (status, log) = server.running.end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("campanile: aborted by a second signal"),
        "{log}"
    );
}

#[test]
fn the_key_file_is_private_and_one_that_is_not_or_is_lost_is_refused() {
    let home = Home::new();
    home.serve(&[]).stop();
    let key = home.file("campanile.db.key");
    assert_eq!(
        std::fs::metadata(&key).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let before = std::fs::read(&key).unwrap();
    home.serve(&[]).stop();
    assert_eq!(std::fs::read(&key).unwrap(), before, "a key is made once");

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    home.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(1, &["can be read by others", "chmod 600"]);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&key, "c2hvcnQ=\n").unwrap();
    home.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(1, &["32 bytes", "backup"]);
}

#[test]
fn a_database_with_credentials_does_not_get_a_new_key() {
    let home = Home::new();
    let token = secret(&home);
    let server = home.serve(&[]);
    let line = serde_json::json!({ "provider": "SANDBOX", "name": "phones", "credentials": { "api_key": "k" } });
    assert_eq!(server.post("/api/v2/voice-providers", &token, &line).0, 201);
    server.stop();
    let database = std::fs::metadata(home.file("campanile.db")).unwrap();
    assert_eq!(database.permissions().mode() & 0o7777, 0o600);
    let key = home.file("campanile.db.key");
    let own = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    home.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(1, &["key file campanile.db.key is missing", "backup"]);
    assert!(!key.exists());
    // A key of another installation is no better than none.
    let other = Home::new();
    other.serve(&[]).stop();
    std::fs::copy(other.file("campanile.db.key"), &key).unwrap();
    home.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(1, &["is not the one", "backup"]);
    std::fs::write(&key, own).unwrap();
    home.serve(&[]).stop();
}

#[test]
fn the_bootstrap_token_is_the_first_token_and_only_that() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    Run::of(command.env("CAMPANILE_BOOTSTRAP_TOKEN", "letmein"))
        .refused(2, &["CAMPANILE_BOOTSTRAP_TOKEN", "token create"]);
    assert!(!home.file("campanile.db").exists());

    // A well-formed token from somewhere else.
    let bootstrap = secret(&Home::new());
    let server = Server::start(command.env("CAMPANILE_BOOTSTRAP_TOKEN", &bootstrap));
    assert_eq!(server.get("/api/v2/tokens", &bootstrap).0, 200);
    let listed = home.run(&["token", "list"]).answer();
    assert!(
        listed.contains("\tbootstrap\tread,write,admin\t"),
        "{listed}"
    );
    let (_, log) = server.stop();
    assert!(!log.contains(&bootstrap));

    let other = secret(&Home::new());
    let server = Server::start(command.env("CAMPANILE_BOOTSTRAP_TOKEN", &other));
    assert_eq!(
        server.get("/api/v2/tokens", &other).0,
        401,
        "the database was not empty"
    );
    assert_eq!(server.get("/api/v2/tokens", &bootstrap).0, 200);
}

#[test]
fn tokens_are_made_and_disabled_beside_a_running_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    let token = secret(&home);
    assert_eq!(server.get("/api/v2/tokens", &token).0, 200);
    home.run(&["token", "disable", "cli"]).answer();
    assert_eq!(server.get("/api/v2/tokens", &token).0, 401);
}

#[test]
fn a_second_server_on_the_same_database_is_refused_naming_the_first() {
    let home = Home::new();
    let server = home.serve(&[]);
    let holder = format!("process {}", server.running.id());
    for command in [vec!["serve", "--listen", "127.0.0.1:0"], vec!["migrate"]] {
        home.run(&command)
            .refused(1, &["campanile.db is in use by", &holder]);
    }
    assert_eq!(server.get("/livez", "").0, 200);
}

#[test]
fn a_port_in_use_is_one_line_with_the_remedy_and_touches_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new();
    home.run(&["serve", "--listen", &address])
        .refused(1, &[&address, "--listen"]);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_database_from_the_future_is_refused() {
    let home = Home::new();
    secret(&home);
    let database = rusqlite::Connection::open(home.file("campanile.db")).unwrap();
    database.pragma_update(None, "user_version", 9_999).unwrap();
    drop(database);
    home.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(1, &["9999", "newer version"]);
    home.run(&["migrate"])
        .refused(1, &["9999", "newer version"]);
}

#[test]
fn a_file_that_is_no_database_and_a_folder_that_is_not_there_are_refused() {
    let home = Home::new();
    std::fs::write(
        home.file("campanile.db"),
        "this is a shopping list, not a database; it is long enough to be looked at",
    )
    .unwrap();
    home.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(1, &["campanile.db", "SQLite"]);
    home.run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "sqlite://no/such/folder.db",
    ])
    .refused(1, &["no/such/folder.db", "check the path"]);
}

#[test]
fn roles_do_only_their_part() {
    let home = Home::new();
    let server = home.serve(&["--role", "api"]);
    assert_eq!(server.get("/readyz", "").0, 200);
    server.stop();
    let mut dialer =
        crate::program::Running::start(&mut home.command(&["serve", "--role", "dialer"]));
    assert_eq!(dialer.line().as_deref(), Some("dialing"));
    dialer.signal("-TERM");
    assert_eq!(dialer.end().0.code(), Some(0));
}

#[test]
fn the_sandbox_serves_alone() {
    let home = Home::new();
    let sandbox =
        Server::start(&mut home.command(&["sandbox", "--listen", "127.0.0.1:0", "--seed", "3"]));
    assert_eq!(sandbox.get("/control/health", "").0, 200);
    assert_eq!(sandbox.stop().0.code(), Some(0));
}

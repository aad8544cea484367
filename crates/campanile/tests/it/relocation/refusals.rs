//! What is not moved, where nothing is moved to, and what is said about it: one line with the remedy.

use failpoint::Failpoint;
use postgres_cluster::{GUARDED, OwnCluster, ROLE};

use super::{assert_tells_no_number, empty, filled, move_command, move_to};
use crate::installation::{Installation, scenario, wait_until};
use crate::program::{Home, Run};

fn run(home: &Home, to: &str) -> Run {
    Run::of(&mut move_command(home, to))
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let home = Home::new();
    let file = "sqlite://campanile.db";
    let server = "postgres://u:secret@127.0.0.1:1/d";
    home.run(&["migrate", "--from", file])
        .refused(2, &["--to", "CAMPANILE_MIGRATE_TO"]);
    home.run(&["migrate", "--to", server])
        .refused(2, &["--from"]);
    home.run(&["migrate", "--undo"]).refused(2, &["--from"]);
    for (from, to, words) in [
        (server, server, "only files are moved from"),
        (file, file, "is no PostgreSQL database"),
        (file, "mysql://u:secret@h/d", "is no PostgreSQL database"),
    ] {
        let refused = home.run(&["migrate", "--from", from, "--to", to]);
        assert!(!refused.stderr.contains("secret"), "{refused:?}");
        refused.refused(2, &["flag --", words]);
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_source_that_is_missing_used_newer_or_without_its_key_is_refused() {
    let cluster = postgres_cluster::shared();
    let (database, address) = empty(cluster);
    run(&Home::new(), &address).refused(1, &["no database campanile.db", "--from"]);

    let installation = Installation::new(&scenario());
    let home = &installation.home;
    let server = installation.serve();
    let campaign = installation.start_campaign(&server, 3);
    let holder = format!("process {}", server.running.id());
    run(home, &address).refused(1, &["in use by", &holder, "stop that process"]);
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    server.stop();

    let (key, away) = (home.file("campanile.db.key"), home.file("away.key"));
    std::fs::rename(&key, &away).unwrap();
    run(home, &address).refused(1, &["campanile.db.key is missing", "--secret-key-file"]);
    let stranger = Home::new();
    stranger.serve(&[]).stop();
    std::fs::copy(stranger.file("campanile.db.key"), &key).unwrap();
    run(home, &address).refused(
        1,
        &[
            "does not open the credentials of 1 of 1",
            "--secret-key-file",
        ],
    );
    let made = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(cluster.admin(&database, made), "0", "nothing was touched");

    let mut command = move_command(home, &address);
    let moved = Run::of(command.env("CAMPANILE_SECRET_KEY_FILE", &away));
    assert_tells_no_number(&moved.stderr);
    assert_tells_no_number(&moved.stdout);
    assert!(moved.answer().contains("away.key"), "the target needs it");

    let future = Home::new();
    filled(&future, 1);
    let file = rusqlite::Connection::open(future.file("campanile.db")).unwrap();
    file.pragma_update(None, "user_version", 9_999).unwrap();
    drop(file);
    run(&future, &address).refused(1, &["9999", "newer version"]);
    cluster.drop_database(&database);
}

#[test]
fn a_target_that_cannot_be_reached_or_holds_something_is_refused() {
    let cluster = OwnCluster::start_new();
    let home = Home::new();
    filled(&home, 2);
    let (database, address) = empty(&cluster);
    let role = format!("user={ROLE}");
    let guarded = |password: &str| {
        let user = format!("user={GUARDED}&password={password}");
        address.replace(&role, &user)
    };
    run(&home, &guarded("wrong")).refused(1, &["refused the login", "check user, password"]);
    run(&home, &guarded(GUARDED)).refused(1, &["may not make", "GRANT CREATE"]);
    run(&home, &cluster.address("nowhere")).refused(1, &["no such database", "createdb"]);
    let away = "postgres://nobody@127.0.0.1:1/nowhere?sslmode=disable";
    run(&home, away).refused(1, &["cannot reach the database", "127.0.0.1:1"]);

    // Somebody else's installation.
    let other = Home::new();
    let create = |arguments: &[&str]| {
        let mut command = other.command(arguments);
        Run::of(command.env("CAMPANILE_DATABASE_URL", &address))
    };
    create(&["token", "create"]).answer();
    run(&home, &address).refused(1, &["is not empty", "createdb"]);
    let (idle, used) = empty(&cluster);
    let mut command = other.command(&["serve", "--listen", "127.0.0.1:0"]);
    let server = crate::program::Server::start(command.env("CAMPANILE_DATABASE_URL", &used));
    run(&home, &used).refused(1, &["use ", "stop every campanile process there"]);
    server.stop();
    // What it left there is nobody's.
    assert_eq!(move_to(&home, &used)["resumed"], false);
    for name in [database, idle] {
        cluster.drop_database(&name);
    }
}

#[test]
fn a_part_of_a_move_is_left_to_that_move() {
    let cluster = postgres_cluster::shared();
    let home = Home::new();
    filled(&home, 10);
    let (database, address) = empty(cluster);
    let dies = |to: &str, moment: Failpoint| {
        let mut command = move_command(&home, to);
        command.env("CAMPANILE_FAILPOINT", format!("{}:kill@1", moment.name()));
        assert!(!command.output().unwrap().status.success());
    };
    dies(&address, Failpoint::MoveCounted);
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["migrate"],
        &["hold", "status"],
    ] {
        let mut command = home.command(arguments);
        Run::of(command.env("CAMPANILE_DATABASE_URL", &address)).refused(
            1,
            &["holds a part of what is moved", "campanile.db", "--from"],
        );
    }
    let mut command = home.command(&["doctor"]);
    let doctor = Run::of(command.env("CAMPANILE_DATABASE_URL", &address));
    assert!(doctor.stdout.contains("holds a part"), "{doctor:?}");
    let other = Home::new();
    filled(&other, 1);
    run(&other, &address).refused(1, &["a part of another move", "campanile.db"]);
    // The source was used meanwhile.
    home.run(&["token", "create", "--name", "late"]).answer();
    run(&home, &address).refused(1, &["written to since", "make it anew"]);
    // A fresh place takes it, and the old part is nobody's any more.
    let (fresh, elsewhere) = empty(cluster);
    dies(&elsewhere, Failpoint::MoveMarked);
    run(&home, &address).refused(1, &["written to since"]);
    let (third, nowhere) = empty(cluster);
    run(&home, &nowhere).refused(1, &["was moved to", "already", "--undo"]);
    assert_eq!(move_to(&home, &elsewhere)["resumed"], true);
    for name in [database, fresh, third] {
        cluster.drop_database(&name);
    }
}

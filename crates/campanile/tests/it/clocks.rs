//! The server with a clock that differs from the one of its database's server.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::installation::{Installation, pause, scenario, wait_until};
use crate::program::{Run, Server};

/// Where Debian puts the library.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The wall clock of a process, set by a file.
struct Clock {
    library: &'static str,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right; `None`: this machine has no library to set one.
    fn new(file: PathBuf) -> Option<Self> {
        let library = LIBRARIES.iter().find(|path| Path::new(path).exists())?;
        let clock = Self { library, file };
        clock.set(0);
        Some(clock)
    }

    fn set(&self, seconds: i64) {
        // Replaced whole, as it is read at any moment.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    /// The command by this clock. What nobody can set stays as it is.
    fn given<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}

fn dialer_says(server: &Server) -> (u16, String) {
    let (status, text) = server.get("/readyz", "");
    let ready: Value = serde_json::from_str(&text).unwrap();
    (status, ready["dialer"].as_str().unwrap().to_owned())
}

fn metric(server: &Server, name: &str) -> f64 {
    let (_, text) = server.get("/metrics", "");
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value
        .unwrap_or_else(|| panic!("no metric {name}"))
        .parse()
        .unwrap()
}

fn doctor(installation: &Installation, clock: &Clock) -> (i32, Value) {
    let mut command = installation.command(&["doctor", "--json", "--allow-private-networks"]);
    let run = Run::of(clock.given(&mut command));
    let findings: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let finding = findings
        .iter()
        .find(|found| found["check"] == "database clock");
    (run.code, finding.expect("database clock").clone())
}

#[test]
fn a_process_whose_clock_differs_from_the_databases_dials_nobody_until_it_is_right() {
    const LEADS: usize = 5;
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let installation = Installation::on(Some(cluster.address(&database)), &scenario());
    let Some(clock) = Clock::new(installation.home.file("clock")) else {
        println!("skipped: libfaketime is not installed (Debian package faketime)");
        return;
    };
    clock.set(3);
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--allow-private-networks",
    ];
    let server = Server::start(clock.given(&mut installation.command(&arguments)));
    wait_until(|| dialer_says(&server).1.starts_with("no call is placed: "));
    let (status, why) = dialer_says(&server);
    assert_eq!(status, 200, "users can still pause and stop");
    assert!(why.contains("ahead of the database server's"), "{why}");
    let campaign = installation.start_campaign(&server, LEADS);
    let (code, finding) = doctor(&installation, &clock);
    assert_eq!((code, &finding["status"]), (1, &"fail".into()), "{finding}");
    assert!(finding["remedy"].as_str().unwrap().contains("NTP"));
    pause(1_500);
    assert_eq!(installation.rings(), [""; 0], "nobody is called");
    assert!((metric(&server, "campanile_held_by_clock") - 1.0).abs() < f64::EPSILON);
    let offset = metric(&server, "campanile_clock_offset_seconds");
    assert!((2.0..4.0).contains(&offset), "{offset}");

    clock.set(0);
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    assert_eq!(installation.rings().len(), LEADS, "everybody is called");
    assert_eq!(installation.rang_twice(), [""; 0]);
    assert_eq!(dialer_says(&server), (200, "ok".to_owned()));
    let (code, finding) = doctor(&installation, &clock);
    assert_eq!((code, &finding["status"]), (0, &"ok".into()), "{finding}");
    assert!(metric(&server, "campanile_held_by_clock").abs() < f64::EPSILON);

    // Off again while it runs, the other way round: it is noticed without a restart.
    clock.set(-3);
    wait_until(|| {
        dialer_says(&server)
            .1
            .contains("behind the database server's")
    });
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("no call is placed by this process"), "{log}");
}

/// Three equal processes, whose clocks are ahead, behind and right: each judges itself by the database's
/// clock, and the calls are placed by whichever are right at the moment.
#[test]
fn of_processes_whose_clocks_differ_those_that_are_right_place_the_calls() {
    const LEADS: usize = 12;
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let installation = Installation::on(Some(cluster.address(&database)), &scenario());
    let files = ["ahead", "behind", "right"].map(|name| installation.home.file(name));
    let Some(clocks) = files
        .map(Clock::new)
        .into_iter()
        .collect::<Option<Vec<_>>>()
    else {
        println!("skipped: libfaketime is not installed (Debian package faketime)");
        return;
    };
    clocks[0].set(5);
    clocks[1].set(-3_600);
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--allow-private-networks",
    ];
    let servers: Vec<Server> = clocks
        .iter()
        .map(|clock| Server::start(clock.given(&mut installation.command(&arguments))))
        .collect();
    let placed_by = || {
        cluster.admin(
            &database,
            "SELECT DISTINCT node FROM attempts ORDER BY node",
        )
    };
    wait_until(|| dialer_says(&servers[0]).1.contains("ahead of"));
    wait_until(|| dialer_says(&servers[1]).1.contains("behind"));
    wait_until(|| dialer_says(&servers[2]).1 == "ok");
    // Whoever is asked, the one that is right calls: an order is not bound to a process.
    let first = installation.start_campaign(&servers[0], LEADS);
    wait_until(|| installation.open_leads(&servers[0], &first) == 0);
    assert_eq!(installation.rings().len(), LEADS, "everybody is called");
    let by_right = placed_by();
    assert_eq!(by_right.lines().count(), 1, "by one process: {by_right}");

    // They change places: one that was wrong is right now, and the others are not.
    clocks[0].set(0);
    wait_until(|| dialer_says(&servers[0]).1 == "ok");
    clocks[2].set(5);
    wait_until(|| dialer_says(&servers[2]).1.contains("ahead of"));
    let second = installation.start_campaign(&servers[2], LEADS);
    wait_until(|| installation.open_leads(&servers[1], &second) == 0);
    let by_both = placed_by();
    assert_eq!(by_both.lines().count(), 2, "by two, one each: {by_both}");
    // Both campaigns call the same numbers.
    assert_eq!(
        installation.rings().len(),
        2 * LEADS,
        "each by each campaign"
    );
    for server in servers {
        let (status, log) = server.stop();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

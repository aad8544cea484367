//! A database that is there and does not do what it should: it takes no writes, has no connections left,
//! or does not come to answering. Nobody is called then, nothing is half done, whoever asks is told, and
//! everything goes on by itself.

use std::time::{Duration, Instant};

use postgres_cluster::OwnCluster;
use serde_json::{Value, json};

use crate::installation::{Installation, pause, scenario, wait_until};
use crate::program::{Server, request};

/// How soon everything works again once the database does.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);
/// A request waits for a connection for 5 s, and for a lock for 10 s, at most.
const ANSWERED_WITHIN: Duration = Duration::from_secs(14);

/// A server on a database of its own, which the superuser may treat badly.
struct Scene {
    cluster: OwnCluster,
    database: String,
    installation: Installation,
}

impl Scene {
    fn new() -> Self {
        let cluster = OwnCluster::start_new();
        let database = cluster.empty_database();
        let address = cluster.address(&database);
        let installation = Installation::on(Some(address), &scenario());
        Self {
            cluster,
            database,
            installation,
        }
    }

    /// A server in the middle of a campaign, which goes on for some seconds; and the campaign.
    fn calling(&self) -> (Server, String) {
        const LEADS: usize = 60;
        let server = self.installation.serve();
        let campaign = self.installation.start_campaign(&server, LEADS);
        wait_until(|| self.installation.rings().len() >= LEADS / 6);
        (server, campaign)
    }

    fn admin(&self, sql: &str) -> String {
        self.cluster.admin("postgres", sql)
    }

    /// Ends all sessions on the database, so that new ones find what it has become.
    fn cut_all(&self) {
        let database = &self.database;
        self.admin(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        ));
    }

    fn calls_go_on(&self, server: &Server, rung: usize) {
        let back = now();
        wait_until(|| server.get("/readyz", "").0 == 200 && self.installation.rings().len() > rung);
        assert!(back.elapsed() < RECOVERED_WITHIN, "{:?}", back.elapsed());
    }
}

#[expect(clippy::disallowed_methods, reason = "a test against real processes")]
fn now() -> Instant {
    Instant::now()
}

fn is_asked_to_come_back(server: &Server, method: &str, path: &str, token: &str, body: &str) {
    let (status, text) = request(&server.address, method, path, token, body);
    assert_eq!(status, 503, "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["code"], "unavailable", "{text}");
}

/// What becomes of a server whose primary became a standby under it, or whose administrator has frozen
/// the database.
#[test]
fn a_database_that_takes_no_writes_calls_nobody_and_answers_what_is_read() {
    let scene = Scene::new();
    let installation = &scene.installation;
    let (server, campaign) = scene.calling();
    let database = &scene.database;
    scene.admin(&format!(
        "ALTER DATABASE {database} SET default_transaction_read_only = on"
    ));
    scene.cut_all();
    wait_until(|| server.get("/readyz", "").0 == 503);
    // What was reserved before may still leave, within its deadline.
    pause(2_500);
    let rung = installation.rings().len();
    let path = format!("/api/v2/voice-campaigns/{campaign}");
    let token = &installation.token;
    is_asked_to_come_back(&server, "POST", &format!("{path}/pause"), token, "{}");
    is_asked_to_come_back(&server, "PATCH", &path, token, r#"{"name":"other"}"#);
    let (status, text) = server.get(&path, token);
    assert_eq!(status, 200, "what is read is answered: {text}");
    assert!(!text.contains("\"other\""), "nothing was half done: {text}");
    pause(1_500);
    assert_eq!(installation.rings().len(), rung, "nobody is called");
    scene.admin(&format!(
        "ALTER DATABASE {database} RESET default_transaction_read_only"
    ));
    scene.cut_all();
    scene.calls_go_on(&server, rung);
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    assert_eq!(installation.rang_twice(), [""; 0]);
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn requests_beyond_the_connections_wait_a_while_and_are_asked_to_come_back() {
    const REQUESTS: usize = 8;
    let scene = Scene::new();
    let installation = &scene.installation;
    // Two connections for operations.
    let server = installation.serve_with(&["--database-connections", "4"], &[]);
    let campaign = installation.start_campaign(&server, 1);
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    let path = format!("/api/v2/voice-campaigns/{campaign}");
    let (token, address) = (&installation.token, &server.address);
    let answers: Vec<(u16, String, Duration)> = std::thread::scope(|scope| {
        scope.spawn(|| {
            scene
                .cluster
                .admin(&scene.database, "LOCK TABLE campaigns; SELECT pg_sleep(8)")
        });
        wait_until(|| {
            let sql = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation
                       WHERE relname = 'campaigns' AND mode = 'AccessExclusiveLock' AND granted";
            scene.cluster.admin(&scene.database, sql) == "1"
        });
        let asking: Vec<_> = (0..REQUESTS)
            .map(|_| {
                scope.spawn(|| {
                    let asked = now();
                    let (status, text) = request(address, "GET", &path, token, "");
                    (status, text, asked.elapsed())
                })
            })
            .collect();
        let answers = asking.into_iter().map(|asked| asked.join().unwrap());
        answers.collect()
    });
    for (status, text, after) in &answers {
        assert!(*status == 200 || *status == 503, "{status}: {text}");
        assert!(*after < ANSWERED_WITHIN, "{after:?}: {status} {text}");
    }
    let refused = |(status, ..): &&(u16, String, Duration)| *status == 503;
    assert!(
        answers.iter().filter(refused).count() >= REQUESTS / 2,
        "{answers:?}"
    );
    wait_until(|| server.get(&path, token).0 == 200);
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("raise --database-connections"), "{log}");
}

#[test]
fn a_server_of_the_database_without_connections_left_is_waited_for() {
    let scene = Scene::new();
    let installation = &scene.installation;
    let (server, campaign) = scene.calling();
    let database = &scene.database;
    scene.admin(&format!("ALTER DATABASE {database} CONNECTION LIMIT 0"));
    scene.cut_all();
    wait_until(|| server.get("/readyz", "").0 == 503);
    pause(2_500);
    let rung = installation.rings().len();
    let path = format!("/api/v2/voice-campaigns/{campaign}/pause");
    is_asked_to_come_back(
        &server,
        "POST",
        &path,
        &installation.token,
        &json!({}).to_string(),
    );
    pause(1_500);
    assert_eq!(installation.rings().len(), rung, "nobody is called");
    scene.admin(&format!("ALTER DATABASE {database} CONNECTION LIMIT -1"));
    scene.calls_go_on(&server, rung);
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    assert_eq!(installation.rang_twice(), [""; 0]);
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("53300"), "why is in the log: {log}");
}

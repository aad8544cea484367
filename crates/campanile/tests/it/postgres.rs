//! The server on PostgreSQL: the same campaign, several processes, and a database that goes away.

use std::time::{Duration, Instant};

use postgres_cluster::{Cluster, GUARDED, OwnCluster, ROLE};
use serde_json::{Value, json};

use crate::installation::{Installation, pause, scenario, wait_until};
use crate::program::{Home, Run, Server, request};

/// How soon everything works again once the database does.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);

fn on(cluster: &Cluster) -> Installation {
    let database = cluster.empty_database();
    Installation::on(Some(cluster.address(&database)), &scenario())
}

fn order(installation: &Installation, server: &Server, campaign: &str, command: &str) -> Value {
    let path = format!("/api/v2/voice-campaigns/{campaign}/{command}");
    installation.post(server, &path, &json!({}))
}

/// Starts, calls, pauses, goes on, and ends.
fn a_campaign_is_paused_and_ends(installation: &Installation) {
    const LEADS: usize = 40;
    let server = installation.serve();
    let campaign = installation.start_campaign(&server, LEADS);
    wait_until(|| installation.rings().len() >= LEADS / 4);
    order(installation, &server, &campaign, "pause");
    let rung = installation.rings().len();
    assert!(rung < LEADS, "it was paused half-way");
    pause(1_500);
    assert_eq!(
        installation.rings().len(),
        rung,
        "nothing rings when paused"
    );
    order(installation, &server, &campaign, "resume");
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    assert_eq!(installation.rang_twice(), [""; 0]);
    assert_eq!(installation.rings().len(), LEADS, "everybody was called");
    wait_until(|| installation.campaign(&server, &campaign)["campaign_status"] == "COMPLETED");
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_campaign_is_paused_and_ends_on_sqlite() {
    a_campaign_is_paused_and_ends(&Installation::new(&scenario()));
}

#[test]
fn a_campaign_is_paused_and_ends_on_postgresql() {
    a_campaign_is_paused_and_ends(&on(postgres_cluster::shared()));
}

#[test]
fn a_second_server_with_a_key_of_its_own_is_refused() {
    let cluster = postgres_cluster::shared();
    let installation = on(cluster);
    let first = installation.serve();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--secret-key-file"];
    let other = [&serve[..], &["other.key"]].concat();
    installation
        .run(&other)
        .refused(1, &["other.key", "not the one", "copy theirs"]);
    installation.serve_beside(&[]).stop();
    first.stop();
    // Nothing was sealed with it.
    let alone = Server::start(&mut installation.command(&other));
    alone.stop();
}

#[test]
fn a_campaign_survives_the_crash_of_its_database() {
    const LEADS: usize = 60;
    let cluster = OwnCluster::start_new();
    let installation = on(&cluster);
    let server = installation.serve();
    let campaign = installation.start_campaign(&server, LEADS);
    wait_until(|| installation.rings().len() >= LEADS / 4);
    cluster.crash();
    let path = format!("/api/v2/voice-campaigns/{campaign}");
    let (status, text) = server.get(&path, &installation.token);
    assert_eq!(status, 503, "{text}");
    assert_eq!(server.get("/livez", "").0, 200, "it lives");
    // What was reserved before may still leave, within its deadline.
    pause(2_500);
    let rung = installation.rings().len();
    pause(2_000);
    assert_eq!(
        installation.rings().len(),
        rung,
        "without a database nothing dials"
    );
    cluster.start();
    let back = now();
    wait_until(|| server.get("/readyz", "").0 == 200 && installation.rings().len() > rung);
    assert!(back.elapsed() < RECOVERED_WITHIN, "{:?}", back.elapsed());
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    assert_eq!(installation.rang_twice(), [""; 0]);
    // A call whose reservation was lost with the crash rang nobody, and may have used up its attempt.
    assert!(
        installation.rings().len() > LEADS * 3 / 4,
        "most were called"
    );
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[expect(clippy::disallowed_methods, reason = "a test against real processes")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_server_starts_before_its_database() {
    let cluster = OwnCluster::start_new();
    let installation = on(&cluster);
    installation.serve().stop();
    cluster.crash();
    let server = installation.serve();
    assert_eq!(server.get("/readyz", "").0, 503);
    let (status, head) = head_of(&server, "/api/v2/voice-campaigns", &installation.token);
    assert_eq!(status, 503, "{head}");
    assert!(head.to_ascii_lowercase().contains("retry-after:"), "{head}");
    cluster.start();
    let back = now();
    wait_until(|| server.get("/readyz", "").0 == 200);
    assert!(back.elapsed() < RECOVERED_WITHIN, "{:?}", back.elapsed());
    let campaign = installation.start_campaign(&server, 3);
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    server.stop();
    // Without its key file nobody could say whether a fresh key hides a loss.
    cluster.crash();
    std::fs::remove_file(installation.home.file("campanile.key")).unwrap();
    let started = installation.run(&["serve", "--listen", "127.0.0.1:0"]);
    started.refused(
        1,
        &[
            "key file campanile.key is missing",
            "start the database first",
        ],
    );
}

/// Status and head of an answer.
fn head_of(server: &Server, path: &str, token: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_owned())
}

#[test]
fn one_process_serves_and_others_dial() {
    const LEADS: usize = 40;
    let installation = on(postgres_cluster::shared());
    // The key is made by the first.
    let api = installation.serve_beside(&["--role", "api"]);
    let one = installation.serve();
    let two = installation.serve_beside(&[]);
    let campaign = installation.start_campaign(&api, LEADS);
    wait_until(|| installation.rings().len() >= LEADS / 4);
    order(&installation, &api, &campaign, "pause");
    let rung = installation.rings().len();
    pause(1_500);
    assert_eq!(
        installation.rings().len(),
        rung,
        "paused over all processes"
    );
    order(&installation, &two, &campaign, "resume");
    wait_until(|| installation.open_leads(&one, &campaign) == 0);
    assert_eq!(installation.rang_twice(), [""; 0]);
    assert_eq!(installation.rings().len(), LEADS, "everybody was called");
    test_call(&installation, &api, &campaign);
    for server in [api, one, two] {
        let (status, log) = server.stop();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

/// A test call asked of a process that does not dial reaches a phone.
fn test_call(installation: &Installation, api: &Server, campaign: &str) {
    let phone = "+14155550100";
    let allow = json!({ "test_call_numbers": [phone] }).to_string();
    let path = "/api/v2/tenant";
    let (status, answer) = request(&api.address, "PATCH", path, &installation.token, &allow);
    assert_eq!(status, 200, "{answer}");
    let shown = installation.campaign(api, campaign);
    let mut draft = json!({ "name": "Trial", "type": "OUTBOUND" });
    for field in [
        "assistant_id",
        "dialer_type",
        "phone_number_id",
        "tenant_voice_provider_id",
        "start_date",
        "timezone",
        "days_of_week",
        "windows",
        "max_call_attempts",
        "max_daily_attempts",
        "min_gap_between_attempts",
    ] {
        draft[field] = shown[field].clone();
    }
    let draft = installation.post(api, "/api/v2/voice-campaigns", &draft);
    let id = draft["campaign_id"].as_str().unwrap();
    let path = format!("/api/v2/voice-campaigns/{id}/test-call");
    installation.post(api, &path, &json!({ "phone_number": phone }));
    wait_until(|| installation.rings().iter().any(|ring| ring == phone));
}

#[test]
fn a_copy_of_the_database_is_on_hold_until_it_is_released() {
    let cluster = postgres_cluster::shared();
    let database = cluster.empty_database();
    let installation = Installation::on(Some(cluster.address(&database)), &scenario());
    let server = installation.serve();
    let campaign = installation.start_campaign(&server, 5);
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    server.stop();
    let copy = cluster.address(&cluster.copy_of(&database));
    let on_copy = |arguments: &[&str]| {
        let mut command = installation.home.command(arguments);
        command.env("CAMPANILE_DATABASE_URL", &copy);
        command
    };
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--allow-private-networks",
    ];
    let server = Server::start(&mut on_copy(&serve));
    wait_until(|| server.get("/readyz", "").1.contains("database_went_back"));
    let doctor = Run::of(&mut on_copy(&["doctor"]));
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(
        doctor.stdout.contains("campanile hold release"),
        "{doctor:?}"
    );
    wait_until(|| {
        let status = Run::of(&mut on_copy(&["hold", "status", "--json"])).answer();
        serde_json::from_str::<Value>(&status).unwrap()["reconciled"] == true
    });
    Run::of(&mut on_copy(&["hold", "release"])).answer();
    wait_until(|| !server.get("/readyz", "").1.contains("database_went_back"));
    server.stop();
}

#[test]
fn what_is_wrong_with_the_database_is_one_line_with_the_remedy() {
    let cluster = OwnCluster::start_new();
    let home = Home::new();
    let database = cluster.empty_database();
    let address = cluster.address(&database);
    let list = |url: &str| {
        let mut command = home.command(&["token", "list"]);
        Run::of(command.env("CAMPANILE_DATABASE_URL", url))
    };
    let create = |url: &str| {
        let mut command = home.command(&["token", "create"]);
        Run::of(command.env("CAMPANILE_DATABASE_URL", url))
    };
    let role = format!("user={ROLE}");
    list(&address).refused(1, &["holds no tables of campanile", "campanile migrate"]);
    let guarded = |password: &str| {
        let user = format!("user={GUARDED}&password={password}");
        address.replace(&role, &user)
    };
    create(&guarded("wrong")).refused(1, &["refused the login", "check user, password"]);
    let doctor = Run::of(
        home.command(&["doctor"])
            .env("CAMPANILE_DATABASE_URL", guarded("wrong")),
    );
    assert_eq!(doctor.code, 1, "{doctor:?}");
    for words in ["refused the login", "check user, password"] {
        assert!(doctor.stdout.contains(words), "{doctor:?}");
    }
    let bound = format!("{address}&channel_binding=require");
    create(&bound).refused(2, &["channel_binding=require", "leave it out"]);
    create(&address.replace(&role, &format!("user={GUARDED}"))).refused(1, &["password"]);
    create(&address.replace(&role, "user=nobody")).refused(1, &["refused the login"]);
    create(&guarded(GUARDED)).refused(1, &["may not make", "GRANT CREATE"]);
    create(&cluster.address("nowhere")).refused(1, &["no such database", "createdb"]);
    create(&address.replace("sslmode=disable", "sslmode=maybe")).refused(2, &["sslmode is one of"]);
    let away = "postgres://nobody@127.0.0.1:1/nowhere?sslmode=disable";
    create(away).refused(1, &["cannot reach the database", "127.0.0.1:1"]);
    let secret = create(&address).answer();
    assert!(secret.starts_with("cmp_"), "{secret}");
    let doctor = Run::of(
        home.command(&["doctor"])
            .env("CAMPANILE_DATABASE_URL", &address),
    );
    assert!(
        doctor.stdout.contains("takes reads and writes, PostgreSQL"),
        "{doctor:?}"
    );
    let migrated = Run::of(
        home.command(&["migrate"])
            .env("CAMPANILE_DATABASE_URL", &address),
    );
    assert!(migrated.answer().contains("is at schema version"));
}

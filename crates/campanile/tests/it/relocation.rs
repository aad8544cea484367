//! Moving an installation from a SQLite file to PostgreSQL: real processes, judged by the content of
//! both databases and by the rings of a sandbox.

mod content;
mod deaths;
mod refusals;

use std::path::Path;
use std::process::Command;

use failpoint::Failpoint;
use postgres_cluster::Cluster;
use serde_json::{Value, json};

use crate::installation::{Installation, wait_until};
use crate::program::{Home, Run, Server, request};

/// Leads of the campaign that is moved half-way.
const LEADS: usize = 40;
/// Who opted out: the last one in line.
const OPTED_OUT: &str = "+14155550039";

/// The command that moves the file of this home to a database.
fn move_command(home: &Home, to: &str) -> Command {
    let mut command = home.command(&["migrate", "--from", "sqlite://campanile.db", "--json"]);
    command.env("CAMPANILE_MIGRATE_TO", to);
    command
}

/// Moves; answers the result, the last line.
fn move_to(home: &Home, to: &str) -> Value {
    let answer = Run::of(&mut move_command(home, to)).answer();
    let lines: Vec<Value> = answer
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (result, progress) = lines.split_last().unwrap();
    assert_eq!(result["event"], "result", "{result}");
    let mut moved = 0;
    for told in progress {
        assert_eq!(told["event"], "progress");
        assert!(told["moved"].as_u64().unwrap() > moved, "{told}");
        moved = told["moved"].as_u64().unwrap();
        assert!(moved <= told["of"].as_u64().unwrap(), "{told}");
    }
    result.clone()
}

/// A file with some of everything, whose server died while a call's answer was not recorded yet.
struct Prepared {
    installation: Installation,
    campaign: String,
    other_token: String,
    /// What was answered to a POST with a key.
    kept: (u16, String),
}

impl Prepared {
    fn new() -> Self {
        let installation = Installation::new(&json!({
            "concurrency": 500, "calls_per_second": 1_000, "ring_seconds": [4, 25], "talk_seconds": [300, 900],
            "answer_rate": 1, "no_answer_rate": 0, "voicemail_rate": 0, "busy_rate": 0, "invalid_rate": 0
        }));
        let other = installation.run(&["token", "create", "--tenant", "other", "--name", "o"]);
        let other_token = other.answer().trim().to_owned();
        let server = installation.serve();
        let campaign = installation.start_campaign(&server, LEADS);
        let path = format!("/api/v2/voice-campaigns/{campaign}");
        let opt_out = json!([{ "phone_number": OPTED_OUT, "do_not_call": true }]).to_string();
        let update = format!("{path}/leads/update/bulk");
        let token = &installation.token;
        let (status, answer) = request(&server.address, "PATCH", &update, token, &opt_out);
        assert_eq!(status, 200, "{answer}");
        installation.post(&server, &format!("{path}/duplicate"), &json!({}));
        let kept = post_with_key(&server, token, "/api/v2/tokens");
        assert_eq!(kept.0, 201, "{}", kept.1);
        wait_until(|| installation.rings().len() >= 8);
        server.stop();
        let died = installation.serve_with(&[], &[("CAMPANILE_FAILPOINT", "call.answered:kill@5")]);
        let (status, log) = died.running.end();
        assert_eq!(status.code(), None, "it was killed: {log}");
        let rung = installation.rings().len();
        assert!(rung < LEADS / 2, "{rung} rang before the move");
        queue_an_import(&installation.home);
        Self {
            installation,
            campaign,
            other_token,
            kept,
        }
    }

    /// What a process without a dialer answers about everything. It listens elsewhere, so that no
    /// callback changes anything meanwhile.
    fn answers(&self) -> Vec<(String, Value)> {
        let server = self.installation.serve_beside(&[
            "--role",
            "api",
            "--public-url",
            "https://calls.example",
        ]);
        let campaigns = "/api/v2/voice-campaigns".to_owned();
        let listed = self.get(&server, &campaigns);
        let mut paths = vec![
            campaigns.clone(),
            "/api/v2/voice-providers".to_owned(),
            "/api/v2/tokens".to_owned(),
            "/api/v2/tenant".to_owned(),
            "/api/v2/calls?limit=100".to_owned(),
        ];
        for campaign in listed["data"].as_array().unwrap() {
            let path = format!("{campaigns}/{}", campaign["campaign_id"].as_str().unwrap());
            for rest in ["", "/leads?limit=100", "/calls?limit=100", "/revisions"] {
                paths.push(format!("{path}{rest}"));
            }
        }
        let answers = paths
            .into_iter()
            .map(|path| {
                let answer = self.get(&server, &path);
                (path, answer)
            })
            .collect();
        let (status, text) = server.get("/api/v2/tokens", &self.other_token);
        assert!(status == 200 && text.contains("\"o\""), "{text}");
        server.stop();
        answers
    }

    fn get(&self, server: &Server, path: &str) -> Value {
        let (status, text) = server.get(path, &self.installation.token);
        assert_eq!(status, 200, "{path}: {text}");
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        // Each answer has a number of its own.
        answer["request_id"] = Value::Null;
        // Who is due now is due at the moment of the question.
        for item in answer["data"].as_array_mut().into_iter().flatten() {
            if item["next_attempt_reason"] == "due" {
                item["next_attempt_at"] = Value::Null;
            }
        }
        answer
    }
}

/// Of a queued import: removed after it was asked for, removed before, and never removed.
const QUEUED: [&str; 3] = ["+14155559001", "+14155559002", "+14155559003"];

/// Queues an import into the campaign that is a draft, between two removals.
fn queue_an_import(home: &Home) {
    let database = rusqlite::Connection::open(home.file("campanile.db")).unwrap();
    let queue = format!(
        "CREATE TEMP TABLE asked AS
             SELECT (SELECT max(lead_id) FROM leads) + 10 AS id, campaign_id, tenant_id
             FROM campaigns WHERE status = 'DRAFT';
         INSERT INTO imports (import_id, tenant_id, campaign_id, on_duplicate, total, created_at)
             SELECT id, tenant_id, campaign_id, 'SKIP', 3, 0 FROM asked;
         INSERT INTO import_rows (import_id, row, lead)
             SELECT id, 0, '{{\"phone\":\"{0}\"}}' FROM asked UNION ALL
             SELECT id, 1, '{{\"phone\":\"{1}\"}}' FROM asked UNION ALL
             SELECT id, 2, '{{\"phone\":\"{2}\"}}' FROM asked;
         INSERT INTO import_removals (campaign_id, phone, removal_id)
             SELECT campaign_id, '{0}', id + 1 FROM asked UNION ALL
             SELECT campaign_id, '{1}', id - 1 FROM asked;",
        QUEUED[0], QUEUED[1], QUEUED[2]
    );
    database.execute_batch(&queue).unwrap();
}

/// What was queued is added where it was moved to, but for what was removed after it was asked for.
fn assert_import_goes_on(prepared: &Prepared, server: &Server) {
    let campaigns = prepared.get(server, "/api/v2/voice-campaigns");
    let mut campaigns = campaigns["data"].as_array().unwrap().iter();
    let draft = campaigns
        .find(|campaign| campaign["campaign_status"] == "DRAFT")
        .unwrap();
    let draft = draft["campaign_id"].as_str().unwrap();
    let path = format!("/api/v2/voice-campaigns/{draft}/leads?limit=100");
    let are_there = || {
        let leads = prepared.get(server, &path).to_string();
        QUEUED.map(|phone| leads.contains(phone))
    };
    wait_until(|| are_there()[2]);
    assert_eq!(are_there(), [false, true, true]);
}

/// Makes a token under an idempotency key; status and body.
fn post_with_key(server: &Server, token: &str, path: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let body = json!({ "name": "kept", "scopes": ["read"] }).to_string();
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nIdempotency-Key: once\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[test]
fn an_installation_is_moved_half_way_through_its_campaign_and_calls_nobody_twice() {
    let mut prepared = Prepared::new();
    let cluster = postgres_cluster::shared();
    // A first move, given up as soon as it has begun, leaves what a move finds out before it reads:
    // a call that was on its way is in doubt. From there on nothing changes.
    let (given_up, address) = empty(cluster);
    let home = &prepared.installation.home;
    assert!(deaths::dies_at(home, &address, Failpoint::MoveBegun, 1));
    let before = prepared.answers();
    let campaign = &prepared.campaign;
    let in_doubt = |answer: &&(String, Value)| answer.0.ends_with(campaign.as_str());
    let shown = &before.iter().find(in_doubt).unwrap().1["data"]["leads"];
    assert_eq!(shown["UNRESOLVED"], 1, "{shown}");
    let rung = prepared.installation.rings().len();
    let database = cluster.empty_database();
    let address = cluster.address(&database);
    let result = move_to(&prepared.installation.home, &address);
    assert_eq!(result["on_hold"], false, "{result}");
    assert!(result["rows"].as_u64().unwrap() > 100, "{result}");
    let file = prepared.installation.home.file("campanile.db");
    content::assert_same(&file, cluster, &database);
    let again = move_to(&prepared.installation.home, &address);
    assert_eq!(again["already_moved"], true, "{again}");

    prepared.installation.goes_on_at(&address);
    let after = prepared.answers();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after, "an answer differs after the move");
    }
    assert_eq!(before.len(), after.len());
    assert_eq!(prepared.installation.rings().len(), rung, "nothing dialed");

    let Prepared {
        installation,
        campaign,
        kept,
        ..
    } = &prepared;
    let server = installation.serve();
    let replayed = post_with_key(&server, &installation.token, "/api/v2/tokens");
    assert_eq!(&replayed, kept, "a key that was used stays used");
    assert_import_goes_on(&prepared, &server);
    wait_until(|| installation.open_leads(&server, campaign) == 0);
    assert_eq!(installation.rang_twice(), [""; 0]);
    let rings = installation.rings();
    assert!(!rings.iter().any(|ring| ring == OPTED_OUT), "it opted out");
    assert_eq!(rings.len(), LEADS - 1, "everybody else was called");
    wait_until(|| installation.campaign(&server, campaign)["campaign_status"] == "COMPLETED");
    let held = installation.run(&["hold", "status"]).answer();
    assert_eq!(held, "not on hold\n");
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    the_way_back_is_held(installation);
    cluster.drop_database(&database);
    cluster.drop_database(&given_up);
}

/// The file is refused, says how to undo that, and is on hold when it is.
fn the_way_back_is_held(installation: &Installation) {
    let home = &installation.home;
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--allow-private-networks",
    ];
    for command in [&serve[..], &["token", "list"], &["migrate"]] {
        home.run(command)
            .refused(1, &["was moved to", "serve that one", "--undo"]);
    }
    let undo = ["migrate", "--undo", "--from", "sqlite://campanile.db"];
    let target = installation.database_url.clone().unwrap();
    let looking = [&undo[..], &["--to", &target]].concat();
    let there = installation.serve_beside(&[]);
    home.run(&looking)
        .refused(1, &["still served", "stop every process"]);
    there.stop();
    let cluster = postgres_cluster::shared();
    let wrong = cluster.empty_database();
    let elsewhere = cluster.address(&wrong);
    home.run(&[&undo[..], &["--to", &elsewhere]].concat())
        .refused(
            1,
            &["not where the file was moved to", "nothing was undone"],
        );
    cluster.drop_database(&wrong);
    let told = home.run(&looking).answer();
    assert!(told.contains("on hold"), "{told}");
    assert!(!told.contains("nobody looked"), "{told}");
    let server = Server::start(&mut home.command(&serve));
    wait_until(|| server.get("/readyz", "").1.contains("database_went_back"));
    home.run(&["hold", "release"]).refused(1, &["not released"]);
    server.stop();
    let told = home.run(&undo).answer();
    assert!(told.contains("nothing to undo"), "{told}");
}

/// Makes a database with an installation of so many leads, without a server.
fn filled(home: &Home, leads: u32) {
    home.run(&["token", "create"]).answer();
    let database = rusqlite::Connection::open(home.file("campanile.db")).unwrap();
    let vault = store::Vault::new(&[7; 32]);
    write_key(&home.file("campanile.db.key"), &[7; 32]);
    let seal = |context: &str| vault.seal(b"{}", context, [3; 24]);
    let sealed = [
        seal(&lines::credentials_context("key")),
        seal(&lines::webhook_secret_context("key")),
    ];
    let line = "INSERT INTO lines (line_id, tenant_id, provider, name, sealed_credentials, sealed_webhook_secret,
             line_key, max_concurrent_calls, max_calls_per_second, revision, created_at, updated_at)
             SELECT 2, tenant_id, 'SANDBOX', 'Main', ?1, ?2, 'key', 1, 1, 1, 0, 0 FROM tenants";
    database.execute(line, sealed).unwrap();
    let fill = format!(
        "INSERT INTO campaigns (campaign_id, tenant_id, line_id, kind, status, name, settings, revision,
             unverified, created_at, updated_at)
             SELECT 3, tenant_id, 2, 'OUTBOUND', 'DRAFT', 'Q4', '{{}}', 1, 0, 0, 0 FROM tenants;
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {leads})
         INSERT INTO leads (lead_id, campaign_id, tenant_id, phone, status, rank, first_name, email,
             custom_fields, revision, created_at, updated_at)
             SELECT 10 + n, 3, tenant_id, '+1415' || printf('%07d', n), 'READY', 5, 'Ada', 'ada@example.com',
                 '{{\"city\":\"London\",\"plan\":\"gold\"}}', 1, 7, 8
             FROM n, tenants;
         INSERT INTO due (campaign_id, rank, zone, due_at, lead_id) SELECT 3, 5, '', 0, lead_id FROM leads;
         INSERT INTO events (tenant_id, sequence, type, campaign_id, lead_id, data, created_at)
             SELECT tenant_id, lead_id - 10, 'lead.created', 3, lead_id, '{{}}', 7 FROM leads;
         UPDATE tenants SET last_sequence = {leads};"
    );
    database.execute_batch(&fill).unwrap();
}

fn write_key(path: &Path, key: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;

    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(key);
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Copies what makes up an installation.
fn copy_of(home: &Home) -> Home {
    let copy = Home::new();
    for name in ["campanile.db", "campanile.db.key", "campanile.db.marker"] {
        let from = home.file(name);
        if from.exists() {
            // The mode comes along.
            std::fs::copy(from, copy.file(name)).unwrap();
        }
    }
    copy
}

/// Whether a command that only looks may use the database.
fn is_served(home: &Home, database: Option<&str>) -> bool {
    let mut command = home.command(&["token", "list"]);
    command.envs(database.map(|url| ("CAMPANILE_DATABASE_URL", url)));
    Run::of(&mut command).code == 0
}

/// A place to move to.
fn empty(cluster: &Cluster) -> (String, String) {
    let database = cluster.empty_database();
    let address = cluster.address(&database);
    (database, address)
}

/// No whole phone number is told.
fn assert_tells_no_number(log: &str) {
    assert!(!log.contains("+1415"), "{log}");
}

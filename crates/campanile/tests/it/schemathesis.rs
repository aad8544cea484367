//! The served document against the served API: generated requests, valid and invalid by the
//! document, one by one and in chains, to the real process with its sandbox.
//!
//! The requests of `make test` are the same each time, so that it never fails on what a change did
//! not bring. `CAMPANILE_TEST_SCHEMATHESIS_SECONDS` makes the run longer and
//! `CAMPANILE_TEST_SCHEMATHESIS_SEED` (a number) makes other requests: for looking further. What is
//! found so gets a test of its own; fields and the values that they misunderstood are crossed in the
//! API's test `form`.
//!
//! What is checked, and how, is in `tests/schemathesis/`. Afterwards the server's own metrics say
//! that every operation was reached and answered with success, so that a run that only met refusals
//! fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Home, Server, alone, request};

/// Seconds of a run in `make test`.
const SECONDS: &str = "300";
/// Of the requests in `make test`.
const SEED: &str = "1";

/// Operations that have no success within such a run.
const NEVER_DONE: &[(&str, &str)] = &[
    // Needs a call that is live at the vendor at this very moment, and the vendor's signature.
    ("POST", "/hooks/{provider}/{line_key}"),
    ("POST", "/hooks/{provider}/{line_key}/{attempt_key}"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis")
}

/// Which refusals are of the form; the API's own tests say it.
fn form() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/tests/it/form.json")
}

/// The program, in a virtual environment that is made once in the target folder.
fn schemathesis() -> PathBuf {
    let requirements = folder().join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let environment = target.join("schemathesis-venv");
    let done = environment.join("installed-requirements.txt");
    if !std::fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        run(Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment));
        run(Command::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "-r"])
            .arg(&requirements));
        std::fs::write(&done, wanted).unwrap();
    }
    environment.join("bin/schemathesis")
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}\n{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

/// A tenant with something of everything.
struct World<'a> {
    server: &'a Server,
    token: &'a str,
}

impl World<'_> {
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (status, answer) = request(&self.server.address, method, path, self.token, &body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        serde_json::from_str(&answer).unwrap()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", path, body)["data"].clone()
    }

    fn line(&self, name: &str) -> Value {
        let body =
            json!({ "provider": "SANDBOX", "name": name, "credentials": { "api_key": "k" } });
        self.post("/api/v2/voice-providers", &body)
    }

    /// A DRAFT campaign that may dial at any hour, with leads; its id and theirs.
    fn campaign(&self, line: &Value, leads: usize) -> (String, Vec<Value>) {
        let body = json!({
            "name": "Pressed", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE",
            "tenant_voice_provider_id": line["tenant_voice_provider_id"], "phone_number_id": "pn_001",
            "start_date": "2020-01-01", "timezone": "UTC",
            "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
            "windows": [{ "start_time": "00:00", "end_time": "24:00" }],
            "max_call_attempts": 2, "max_daily_attempts": 2, "min_gap_between_attempts": 3,
        });
        let campaign = self.post("/api/v2/voice-campaigns", &body);
        let id = campaign["campaign_id"].as_str().unwrap().to_owned();
        let leads = (0..leads).map(|lead| {
            let body =
                json!({ "phone_number": format!("+1415555{lead:04}"), "first_name": "Jane" });
            let lead = self.post(&format!("/api/v2/voice-campaigns/{id}/leads"), &body);
            lead["campaign_lead_id"].clone()
        });
        let leads = leads.collect();
        (id, leads)
    }

    fn order(&self, campaign: &str, order: &str) {
        let path = format!("/api/v2/voice-campaigns/{campaign}/{order}");
        self.call("POST", &path, &Value::Null);
    }

    /// What `hooks.py` works with.
    fn describe(&self) -> Value {
        let tenant = self.call("GET", "/api/v2/tenant", &Value::Null)["data"]["tenant_id"].clone();
        let own = self.call("GET", "/api/v2/tokens", &Value::Null)["data"][0]["token_id"].clone();
        let numbers = json!({ "test_call_numbers": (0..10).map(|n| format!("+1415555267{n}")).collect::<Vec<_>>() });
        self.call("PATCH", "/api/v2/tenant", &numbers);
        let lines: Vec<_> = (0..8).map(|_| self.line("phones")).collect();
        let mut campaigns = Vec::new();
        let mut leads_of = serde_json::Map::new();
        for number in 0..16 {
            let (campaign, leads) = self.campaign(&lines[number % 4], 12);
            let orders: &[&str] = match number % 8 {
                0 | 1 => &["start"],
                2 => &["start", "pause"],
                3 => &["start", "stop"],
                4 => &["start", "stop", "archive"],
                _ => &[],
            };
            for order in orders {
                self.order(&campaign, order);
            }
            leads_of.insert(campaign.clone(), Value::Array(leads));
            campaigns.push(campaign);
        }
        let bulk = format!("/api/v2/voice-campaigns/{}/leads/bulk", campaigns[5]);
        let import = self.post(&bulk, &json!([{ "phone_number": "+14155559999" }]));
        // For test calls alone: what stops, archives and deletes campaigns leaves them be.
        let trials: Vec<_> = (0..4).map(|_| self.campaign(&lines[7], 0).0).collect();
        let pools = (0..6).map(|_| {
            let line = &lines[0]["tenant_voice_provider_id"];
            let body = json!({ "name": "East", "tenant_voice_provider_id": line, "phone_numbers": [{ "phone_number_id": "pn_002" }] });
            self.post("/api/v2/phone-number-pools", &body)["phone_number_pool_id"].clone()
        });
        let tokens = (0..12).map(|_| {
            let body = json!({ "name": "other", "scopes": ["read"] });
            self.post("/api/v2/tokens", &body)["token_id"].clone()
        });
        let (pools, tokens): (Vec<_>, Vec<_>) = (pools.collect(), tokens.collect());
        let calls = self.calls();
        let line_keys = lines.iter().map(|line| {
            let url = line["callback_url"].as_str().unwrap();
            url.rsplit('/').next().unwrap().to_owned()
        });
        json!({
            "tenant": tenant, "own_token": own, "campaigns": campaigns, "trials": trials, "leads_of": leads_of,
            "leads": leads_of.values().flat_map(|leads| leads.as_array().unwrap()).collect::<Vec<_>>(),
            "lines": lines.iter().map(|line| &line["tenant_voice_provider_id"]).collect::<Vec<_>>(),
            "line_keys": line_keys.collect::<Vec<_>>(),
            "cursors": self.cursors(&campaigns[0]), "pools": pools, "tokens": tokens, "imports": [import["import_id"]], "calls": calls,
        })
    }

    /// A cursor of every list that has more than one page, by operation.
    fn cursors(&self, campaign: &str) -> Value {
        let lists = [
            "/api/v2/calls",
            "/api/v2/tokens",
            "/api/v2/voice-campaigns",
            "/api/v2/voice-providers",
            "/api/v2/phone-number-pools",
            "/api/v2/voice-campaigns/{campaign_id}/calls",
            "/api/v2/voice-campaigns/{campaign_id}/leads",
            "/api/v2/voice-campaigns/{campaign_id}/revisions",
        ];
        let cursors = lists.iter().map(|list| {
            let path = format!("{}?limit=1", list.replace("{campaign_id}", campaign));
            let cursor = self.call("GET", &path, &Value::Null)["next_cursor"].clone();
            (format!("GET {list}"), cursor)
        });
        Value::Object(cursors.collect())
    }

    /// Ids of calls, once the running campaigns have placed some.
    fn calls(&self) -> Vec<Value> {
        loop {
            let listed = self.call("GET", "/api/v2/calls?limit=200", &Value::Null);
            let calls = listed["data"].as_array().unwrap();
            if calls.len() >= 10 {
                return calls.iter().map(|call| call["call_id"].clone()).collect();
            }
            std::thread::yield_now();
        }
    }
}

/// `(method, path)` of every operation of the document.
fn documented(server: &Server) -> BTreeSet<(String, String)> {
    let (_, text) = server.get("/openapi.json", "");
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    operations.collect()
}

/// The statuses that the server answered each operation with, by its metrics.
fn answered(server: &Server) -> BTreeMap<(String, String), Vec<String>> {
    let (_, metrics) = server.get("/metrics", "");
    let label = |line: &str, name: &str| {
        let rest = line.split_once(&format!("{name}=\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let counted = metrics
        .lines()
        .filter(|line| line.starts_with("campanile_http_requests_total"));
    let mut answered: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for line in counted {
        if let (Some(method), Some(route), Some(status)) = (
            label(line, "method"),
            label(line, "route"),
            label(line, "status"),
        ) {
            answered.entry((method, route)).or_default().push(status);
        }
    }
    answered
}

#[test]
fn generated_requests_find_no_gap_between_document_and_server() {
    let _alone = alone();
    let home = Home::new();
    let token = home.run(&["token", "create"]).answer();
    let token = token.trim_end();
    let server = home.serve(&[
        "--sandbox-only",
        "--api-rate-limit=1000000",
        "--api-rate-burst=1000000",
        "--log-level=warn",
    ]);
    let world = World {
        server: &server,
        token,
    };
    let description = home.file("world.json");
    std::fs::write(&description, world.describe().to_string()).unwrap();
    for file in ["schemathesis.toml", "hooks.py"] {
        // It leaves files beside them.
        std::fs::copy(folder().join(file), home.file(file)).unwrap();
    }
    let seconds = std::env::var_os("CAMPANILE_TEST_SCHEMATHESIS_SECONDS");
    let seed = std::env::var_os("CAMPANILE_TEST_SCHEMATHESIS_SEED");
    let report = run(Command::new(schemathesis())
        .current_dir(home.path())
        .env("CAMPANILE_TEST_WORLD", &description)
        .env("CAMPANILE_TEST_FORM", form())
        .env("CAMPANILE_TEST_ADDRESS", &server.address)
        .env("CAMPANILE_TEST_TOKEN", token)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HYPOTHESIS_STORAGE_DIRECTORY", home.file("hypothesis"))
        .args(["--config-file", "schemathesis.toml"])
        .args(["run", &format!("http://{}/openapi.json", server.address)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args([
            "--checks",
            "all",
            "--generation-database",
            "none",
            "--no-color",
        ])
        .arg("--seed")
        .arg(seed.unwrap_or_else(|| SEED.into()))
        .arg("--max-time")
        .arg(seconds.unwrap_or_else(|| SECONDS.into())));
    let summary = report.lines().skip_while(|line| !line.contains("SUMMARY"));
    println!("{}", summary.collect::<Vec<_>>().join("\n"));
    // The token was neither disabled nor deleted on the way.
    world.call("GET", "/api/v2/tenant", &Value::Null);
    let answered = answered(&server);
    let never: Vec<_> = documented(&server)
        .into_iter()
        .map(|operation| {
            let statuses = answered.get(&operation).cloned().unwrap_or_default();
            (operation, statuses)
        })
        .filter(|(_, statuses)| !statuses.iter().any(|status| status.starts_with('2')))
        .filter(|((method, path), _)| !NEVER_DONE.contains(&(method.as_str(), path.as_str())))
        .collect();
    assert!(never.is_empty(), "no request of these succeeded: {never:?}");
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains("panic"), "{log}");
}

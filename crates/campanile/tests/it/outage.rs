//! A provider that goes away under the real process and comes back on the same address: the API says
//! why nobody is called, the provider is tried seldom, and then everybody is called once.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Home, Server, request};

/// Leads called before the outage, and added during it.
const EARLY: usize = 12;
const LATE: usize = 25;

struct Scene<'a> {
    home: &'a Home,
    server: Server,
    token: String,
}

impl<'a> Scene<'a> {
    fn start(home: &'a Home) -> Self {
        let scenario = json!({
            "concurrency": 500, "calls_per_second": 1_000, "ring_seconds": 2, "talk_seconds": [20, 60],
            "answer_rate": 1.0, "voicemail_rate": 0.0, "busy_rate": 0.0, "no_answer_rate": 0.0, "invalid_rate": 0.0
        });
        std::fs::write(home.file("scenario.json"), scenario.to_string()).unwrap();
        let token = api::token::generate(&dialer::SystemEntropy);
        let mut command = home.command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            "sqlite://campanile.db",
            "--allow-private-networks",
            "--log-level",
            "warn",
        ]);
        command.env("CAMPANILE_BOOTSTRAP_TOKEN", &token);
        Self {
            home,
            server: Server::start(&mut command),
            token,
        }
    }

    /// The provider, with a new world.
    fn provider(&self, address: &str) -> Server {
        let arguments = ["sandbox", "--listen", address, "--time-scale", "60"];
        let mut command: Command = self.home.command(&arguments);
        Server::start(command.args(["--scenario", "scenario.json"]))
    }

    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, text) = request(&self.server.address, method, path, &self.token, &body);
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str::<Value>(&text).unwrap()["data"].clone()
    }

    fn get(&self, path: &str) -> Value {
        self.done("GET", path, &Value::Null)
    }

    /// A line at the provider; its path.
    fn line(&self, provider: &Server) -> (String, Value) {
        let line = json!({
            "provider": "SANDBOX", "name": "line", "base_url": format!("http://{}/vapi", provider.address),
            "max_concurrent_calls": 50, "max_calls_per_second": 20
        });
        let line = self.done("POST", "/api/v2/voice-providers", &line);
        let id = line["tenant_voice_provider_id"].clone();
        let path = format!("/api/v2/voice-providers/{}", id.as_str().unwrap());
        (path, id)
    }

    /// A RUNNING campaign without leads, which goes on when all are final; its path.
    fn campaign(&self, line_id: &Value) -> String {
        let campaign = json!({
            "name": "outage", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE", "phone_number_id": "pn_abc123",
            "tenant_voice_provider_id": line_id, "start_date": "2020-01-01", "timezone": "UTC",
            "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
            "windows": [{ "start_time": "00:00", "end_time": "24:00" }], "complete_when_done": false,
            "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
        });
        let campaign = self.done("POST", "/api/v2/voice-campaigns", &campaign);
        let id = campaign["campaign_id"].as_str().unwrap();
        let path = format!("/api/v2/voice-campaigns/{id}");
        self.done("POST", &format!("{path}/start"), &json!({}));
        path
    }

    fn add_leads(&self, campaign: &str, numbers: std::ops::Range<usize>) {
        let lead = |number| json!({ "phone_number": format!("+1415555{number:04}") });
        let leads: Vec<_> = numbers.map(lead).collect();
        self.done(
            "POST",
            &format!("{campaign}/leads/bulk"),
            &Value::Array(leads),
        );
    }

    fn leads_in(&self, campaign: &str, status: &str) -> u64 {
        self.get(campaign)["leads"][status].as_u64().unwrap()
    }
}

fn rings(provider: &Server) -> Vec<String> {
    let (_, text) = request(&provider.address, "GET", "/control/rings", "", "");
    let ring = |line: &str| serde_json::from_str::<Value>(line).unwrap()["to"].to_string();
    text.lines().map(ring).collect()
}

/// Polls a condition; there is nothing to be told by.
fn wait_until(what: &str, limit: Duration, mut met: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test against real processes")]
    let began = Instant::now();
    while !met() {
        assert!(began.elapsed() < limit, "{what}: not in {limit:?}");
        #[expect(
            clippy::disallowed_methods,
            reason = "a process has no event to wait for"
        )]
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_provider_that_goes_away_and_comes_back_costs_nobody_an_attempt() {
    let home = Home::new();
    let scene = Scene::start(&home);
    let provider = scene.provider("127.0.0.1:0");
    let address = provider.address.clone();
    let (line, line_id) = scene.line(&provider);
    let campaign = scene.campaign(&line_id);
    scene.add_leads(&campaign, 0..EARLY);
    wait_until("the first calls", Duration::from_secs(60), || {
        rings(&provider).len() == EARLY
    });
    let mut called = rings(&provider);
    assert!(provider.stop().0.success());

    scene.add_leads(&campaign, EARLY..EARLY + LATE);
    outage(&scene, &campaign, &line);

    let provider = scene.provider(&address);
    wait_until("calls to everybody", Duration::from_secs(120), || {
        rings(&provider).len() >= LATE
    });
    wait_until("another reason", Duration::from_secs(20), || {
        scene.get(&campaign)["status_reason"] != "PROVIDER_UNAVAILABLE"
    });
    assert_eq!(scene.get(&line)["status"], "AVAILABLE");
    assert_eq!(scene.leads_in(&campaign, "READY"), 0);
    called.extend(rings(&provider));
    let mut times: HashMap<String, u32> = HashMap::new();
    for number in called {
        *times.entry(number).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert_eq!(times.len(), EARLY + LATE);
    assert!(scene.server.stop().0.success());
}

/// Nobody listens at the provider's address: what the API tells meanwhile.
fn outage(scene: &Scene<'_>, campaign: &str, line: &str) {
    let unavailable = || {
        let campaign = scene.get(campaign);
        assert_eq!(campaign["campaign_status"], "RUNNING");
        campaign["status_reason"] == "PROVIDER_UNAVAILABLE"
    };
    wait_until("the reason", Duration::from_secs(20), unavailable);
    // Each trial that fails makes the next rest longer: 2, 4, 8 s.
    let mut ends = Vec::new();
    wait_until("three further rests", Duration::from_secs(60), || {
        assert!(unavailable(), "{}", scene.get(campaign));
        let until = scene.get(line)["rests_until"].clone();
        if until.is_string() && ends.last() != Some(&until) {
            ends.push(until);
        }
        ends.len() == 4
    });
    assert_eq!(scene.get(line)["status"], "RESTING");
    assert_eq!(scene.leads_in(campaign, "READY"), LATE as u64);
    for lead in scene
        .get(&format!("{campaign}/leads?limit=200"))
        .as_array()
        .unwrap()
    {
        let attempts = u64::from(lead["status"] != "READY");
        assert_eq!(lead["attempts"], attempts, "{lead}");
    }
    let calls = scene.get(&format!("{campaign}/calls?limit=200"));
    let unsent = calls.as_array().unwrap().iter();
    let unsent = unsent.filter(|call| call["state"] == "RELEASED").count();
    assert!((3..=12).contains(&unsent), "{unsent} calls were tried");
}

//! Thirty sudden deaths of the real process under provider faults, judged by the sandbox's rings
//! alone: nobody is called twice, and every lead comes to its end.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::alone;
use crate::torture::http::request;

/// A well-formed token for the bootstrap of the database.
fn token() -> String {
    api::token::generate(&dialer::SystemEntropy)
}

pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
}

impl Process {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
        command
            .args(arguments)
            .args(["--log-level", "error"])
            .envs(environment.iter().copied())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .rsplit("http://")
            .next()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        assert!(
            address.contains(':'),
            "the process did not say where it listens: {line:?}"
        );
        Self { child, address }
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Installation {
    pub(crate) sandbox: Process,
    pub(crate) server: Process,
    pub(crate) token: String,
    database_url: String,
    listen: String,
}

impl Installation {
    pub(crate) fn start(directory: &std::path::Path, scenario: &Value) -> Self {
        let path = directory.join("scenario.json");
        std::fs::write(&path, scenario.to_string()).unwrap();
        let sandbox = Process::start(
            &[
                "sandbox",
                "--listen",
                "127.0.0.1:0",
                "--time-scale",
                "60",
                "--scenario",
                path.to_str().unwrap(),
            ],
            &[],
        );
        let database_url = format!("sqlite://{}", directory.join("killed.db").display());
        let token = token();
        let server = Self::serve(&database_url, "127.0.0.1:0", &token);
        let listen = server.address.clone();
        Self {
            sandbox,
            server,
            token,
            database_url,
            listen,
        }
    }

    fn serve(database_url: &str, listen: &str, token: &str) -> Process {
        let arguments = [
            "serve",
            "--listen",
            listen,
            "--database-url",
            database_url,
            "--allow-private-networks",
            "--api-rate-limit=1000000",
            "--api-rate-burst=1000000",
        ];
        Process::start(&arguments, &[("CAMPANILE_BOOTSTRAP_TOKEN", token)])
    }

    /// Dies and comes back on the same address, so that callbacks find it again.
    fn kill_and_restart(&mut self) {
        self.server.kill();
        self.restart();
    }

    /// Comes back on the same address, once it is dead.
    pub(crate) fn restart(&mut self) {
        self.server = Self::serve(&self.database_url, &self.listen, &self.token);
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, text) =
            request(&self.server.address, &self.token, method, path, body).unwrap();
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(crate) fn rings(&self) -> Vec<Value> {
        let (_, text) = request(&self.sandbox.address, "", "GET", "/control/rings", None).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// A campaign that may dial at any time, one attempt a lead, started.
    fn start_campaign(&self, leads: usize, concurrency: u32) -> String {
        let line = json!({
            "provider": "SANDBOX", "name": "killed", "base_url": format!("http://{}/vapi", self.sandbox.address),
            "max_concurrent_calls": concurrency, "max_calls_per_second": 100
        });
        let line = self.call("POST", "/api/v2/voice-providers", Some(&line));
        let campaign = json!({
            "name": "killed", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE", "phone_number_id": "pn_abc123",
            "tenant_voice_provider_id": line["data"]["tenant_voice_provider_id"], "start_date": "2020-01-01", "timezone": "UTC",
            "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
            "windows": [{ "start_time": "00:00", "end_time": "24:00" }],
            "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
        });
        let campaign = self.call("POST", "/api/v2/voice-campaigns", Some(&campaign));
        let id = campaign["data"]["campaign_id"].as_str().unwrap().to_owned();
        let leads: Vec<Value> = (0..leads)
            .map(|lead| json!({ "phone_number": format!("+1415555{lead:04}") }))
            .collect();
        self.call(
            "POST",
            &format!("/api/v2/voice-campaigns/{id}/leads/bulk"),
            Some(&Value::Array(leads)),
        );
        self.call(
            "POST",
            &format!("/api/v2/voice-campaigns/{id}/start"),
            Some(&json!({})),
        );
        id
    }

    fn lead_counts(&self, campaign: &str) -> Value {
        self.call("GET", &format!("/api/v2/voice-campaigns/{campaign}"), None)["data"]["leads"]
            .clone()
    }
}

fn open_leads(counts: &Value) -> u64 {
    ["READY", "IN_CALL", "UNRESOLVED"]
        .iter()
        .filter_map(|status| counts[*status].as_u64())
        .sum()
}

/// Polls a condition; there is nothing to be told by.
pub(crate) fn wait_until(limit: Duration, mut met: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test against real processes")]
    let began = Instant::now();
    while !met() {
        assert!(
            began.elapsed() < limit,
            "the condition was not met in {limit:?}"
        );
        pause(50);
    }
}

fn pause(milliseconds: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the moment of a sudden death has no event to wait for"
    )]
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn thirty_sudden_deaths_call_nobody_twice() {
    const LEADS: usize = 1_000;
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let scenario = json!({
        "concurrency": 500, "calls_per_second": 1_000, "ring_seconds": [4, 25], "talk_seconds": [15, 180],
        "faults": { "create_timeout_after_accept": 0.05, "create_500_after_accept": 0.03, "webhook_loss": 0.1, "webhook_duplicate": 0.1 }
    });
    let mut installation = Installation::start(directory.path(), &scenario);
    let campaign = installation.start_campaign(LEADS, 100);
    let mut moments = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..30 {
        moments ^= moments << 13;
        moments ^= moments >> 7;
        moments ^= moments << 17;
        pause(50 + moments % 700);
        installation.kill_and_restart();
    }
    // Attempts that died before their request left are looked up until their absence is certain.
    wait_until(Duration::from_secs(420), || {
        open_leads(&installation.lead_counts(&campaign)) == 0
    });
    let rings = installation.rings();
    let mut by_number: HashMap<String, u32> = HashMap::new();
    for ring in &rings {
        *by_number
            .entry(ring["to"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    let twice: Vec<_> = by_number.iter().filter(|(_, calls)| **calls > 1).collect();
    assert!(twice.is_empty(), "called more often than once: {twice:?}");
    assert!(
        rings.len() > LEADS / 2,
        "only {} of {LEADS} leads were called",
        rings.len()
    );
}

#[test]
fn nothing_rings_after_a_pause_was_answered() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let scenario = json!({ "concurrency": 500, "calls_per_second": 1_000, "ring_seconds": 1, "talk_seconds": [1, 30] });
    let installation = Installation::start(directory.path(), &scenario);
    let campaign = installation.start_campaign(2_000, 100);
    for _ in 0..10 {
        wait_until(Duration::from_secs(30), || installation.rings().len() > 20);
        let paused = installation.call(
            "POST",
            &format!("/api/v2/voice-campaigns/{campaign}/pause"),
            Some(&json!({})),
        );
        assert_eq!(paused["data"]["campaign_status"], "PAUSED");
        let answered = installation.rings().len();
        pause(300);
        assert_eq!(
            installation.rings().len(),
            answered,
            "a call was placed after the pause was answered"
        );
        installation.call(
            "POST",
            &format!("/api/v2/voice-campaigns/{campaign}/resume"),
            Some(&json!({})),
        );
        wait_until(Duration::from_secs(30), || {
            installation.rings().len() > answered
        });
    }
}

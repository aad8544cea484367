//! An installation of real processes, judged by the rings of a sandbox that remembers what the
//! database may not.

use std::collections::HashMap;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Home, Run, Server, request};

/// The sandbox's list counts as complete this long after a start, and a debug build is slow.
const RECONCILED_WITHIN: Duration = Duration::from_secs(120);

/// An installation whose phones are a sandbox of its own, which remembers every ring.
pub(crate) struct Installation {
    pub(crate) home: Home,
    pub(crate) sandbox: Server,
    pub(crate) token: String,
    /// Of its database; `None`: the default, a file in its folder.
    pub(crate) database_url: Option<String>,
    /// Of its key, if it is not where its database expects it.
    key_file: Option<String>,
    /// Where the first server listened: later ones must be found by callbacks of its calls.
    listen: OnceLock<String>,
}

impl Installation {
    pub(crate) fn new(scenario: &Value) -> Self {
        Self::on(None, scenario)
    }

    /// On this database.
    pub(crate) fn on(database_url: Option<String>, scenario: &Value) -> Self {
        let home = Home::new();
        std::fs::write(home.file("scenario.json"), scenario.to_string()).unwrap();
        let sandbox = Server::start(&mut home.command(&[
            "sandbox",
            "--listen",
            "127.0.0.1:0",
            "--time-scale",
            "60",
            "--scenario",
            "scenario.json",
        ]));
        let mut installation = Self {
            home,
            sandbox,
            token: String::new(),
            database_url,
            key_file: None,
            listen: OnceLock::new(),
        };
        let token = installation.run(&["token", "create"]).answer();
        token.trim().clone_into(&mut installation.token);
        installation
    }

    /// A command on its database.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command.envs(
            self.database_url
                .iter()
                .map(|url| ("CAMPANILE_DATABASE_URL", url)),
        );
        command.envs(
            self.key_file
                .iter()
                .map(|file| ("CAMPANILE_SECRET_KEY_FILE", file)),
        );
        command
    }

    /// From now on its database is this one, with the key it has.
    pub(crate) fn goes_on_at(&mut self, database_url: &str) {
        self.database_url = Some(database_url.to_owned());
        self.key_file = Some("campanile.db.key".to_owned());
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// The server, where its first one listened.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[], &[])
    }

    /// The same, with further arguments and variables.
    pub(crate) fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let listen = self.listen.get().map_or("127.0.0.1:0", String::as_str);
        let mut all = vec!["serve", "--listen", listen, "--allow-private-networks"];
        all.extend(arguments);
        let mut command = self.command(&all);
        command.envs(variables.iter().copied());
        let server = Server::start(&mut command);
        self.listen.get_or_init(|| server.address.clone());
        server
    }

    /// A further server beside it.
    pub(crate) fn serve_beside(&self, arguments: &[&str]) -> Server {
        let mut all = vec![
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--allow-private-networks",
        ];
        all.extend(arguments);
        Server::start(&mut self.command(&all))
    }

    /// Numbers that rang, in order.
    pub(crate) fn rings(&self) -> Vec<String> {
        let (status, text) = request(&self.sandbox.address, "GET", "/control/rings", "", "");
        assert_eq!(status, 200);
        let to = |line: &str| {
            let ring: Value = serde_json::from_str(line).unwrap();
            ring["to"].as_str().unwrap().to_owned()
        };
        text.lines()
            .filter(|line| line.starts_with('{'))
            .map(to)
            .collect()
    }

    /// Numbers that rang more often than once.
    pub(crate) fn rang_twice(&self) -> Vec<String> {
        let mut by_number: HashMap<String, u32> = HashMap::new();
        for number in self.rings() {
            *by_number.entry(number).or_default() += 1;
        }
        let twice = by_number.into_iter().filter(|(_, rings)| *rings > 1);
        twice.map(|(number, _)| number).collect()
    }

    /// A campaign that may dial at any time, one attempt a lead, slowly enough to be stopped
    /// half-way, started.
    pub(crate) fn start_campaign(&self, server: &Server, leads: usize) -> String {
        let line = json!({
            "provider": "SANDBOX", "name": "held", "base_url": format!("http://{}/vapi", self.sandbox.address),
            "max_concurrent_calls": 20, "max_calls_per_second": 10
        });
        let line = self.post(server, "/api/v2/voice-providers", &line);
        let campaign = json!({
            "name": "held", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE", "phone_number_id": "pn_abc123",
            "tenant_voice_provider_id": line["tenant_voice_provider_id"], "start_date": "2020-01-01", "timezone": "UTC",
            "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
            "windows": [{ "start_time": "00:00", "end_time": "24:00" }],
            "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
        });
        let campaign = self.post(server, "/api/v2/voice-campaigns", &campaign);
        let id = campaign["campaign_id"].as_str().unwrap().to_owned();
        let added: Vec<Value> = (0..leads)
            .map(|lead| json!({ "phone_number": format!("+1415555{lead:04}") }))
            .collect();
        let path = format!("/api/v2/voice-campaigns/{id}");
        self.post(server, &format!("{path}/leads/bulk"), &Value::Array(added));
        wait_until(|| self.open_leads(server, &id) == u64::try_from(leads).unwrap());
        self.post(server, &format!("{path}/start"), &json!({}));
        id
    }

    pub(crate) fn post(&self, server: &Server, path: &str, body: &Value) -> Value {
        let (status, answer) = server.post(path, &self.token, body);
        assert!(status < 300, "{path}: {status} {answer}");
        answer["data"].clone()
    }

    pub(crate) fn campaign(&self, server: &Server, id: &str) -> Value {
        let (status, text) = server.get(&format!("/api/v2/voice-campaigns/{id}"), &self.token);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["data"].clone()
    }

    pub(crate) fn open_leads(&self, server: &Server, id: &str) -> u64 {
        let counts = &self.campaign(server, id)["leads"];
        ["READY", "IN_CALL", "UNRESOLVED"]
            .iter()
            .filter_map(|status| counts[*status].as_u64())
            .sum()
    }
}

pub(crate) fn wait_until(mut met: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test against real processes")]
    let began = Instant::now();
    while !met() {
        assert!(
            began.elapsed() < RECONCILED_WITHIN,
            "the condition was not met in {RECONCILED_WITHIN:?}"
        );
        pause(100);
    }
}

pub(crate) fn pause(milliseconds: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "that nothing rings can only be waited for"
    )]
    std::thread::sleep(Duration::from_millis(milliseconds));
}

pub(crate) fn scenario() -> Value {
    json!({
        "concurrency": 500, "calls_per_second": 1_000, "ring_seconds": [4, 25], "talk_seconds": [15, 180],
        "answer_rate": 0.5, "no_answer_rate": 0.5, "voicemail_rate": 0, "busy_rate": 0, "invalid_rate": 0
    })
}

//! The phones: a sandbox in a process of its own, and what it saw.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{request, request_within};
use super::judge::{Post, Ring};
use super::process::{Launch, Process};
use super::stage::Setting;
use super::truth::micros;

/// The log of a long run is long, and the machine has other scenes to run.
const LOG_PATIENCE: Duration = Duration::from_secs(300);

/// Its log tells when a request came only as exactly as it gets to run: it goes before everything else
/// on a busy machine. Where that is not allowed, it runs as the others do.
const AHEAD: [&str; 3] = ["nice", "-n", "-10"];

/// One for each campaign, by which a call tells whose it is.
pub(super) const ASSISTANTS: [&str; 2] = ["asst_abc123", "asst_xyz456"];

pub(super) struct World {
    sandbox: Process,
}

impl World {
    pub(super) fn start(folder: &Path, setting: &Setting) -> Self {
        let scenario = json!({
            "concurrency": 5_000, "calls_per_second": 10_000, "ring_seconds": [4, 25],
            "talk_seconds": [15, 180], "faults": setting.faults
        });
        let path = folder.join("scenario.json");
        std::fs::write(&path, scenario.to_string()).unwrap();
        let arguments = [
            "sandbox",
            "--listen",
            "127.0.0.1:0",
            "--time-scale",
            &setting.phones_scale.to_string(),
            "--scenario",
            path.to_str().unwrap(),
        ];
        let log = folder.join("sandbox.log");
        let sandbox = Process::start(&arguments, &Launch::under(&AHEAD), &log);
        Self { sandbox }
    }

    pub(super) fn address(&self) -> &str {
        self.sandbox.address.as_deref().unwrap()
    }

    /// Calls so far, in order.
    pub(super) fn rings(&self) -> Vec<Ring> {
        self.log("rings").iter().map(ring).collect()
    }

    /// Requests to place a call so far.
    pub(super) fn posts(&self) -> Vec<Post> {
        self.log("requests").iter().filter_map(post).collect()
    }

    fn log(&self, name: &str) -> Vec<Value> {
        let path = format!("/control/{name}");
        let answer = request_within(LOG_PATIENCE, self.address(), "", "GET", &path, None);
        let (_, text) = answer.expect("the sandbox tells its log");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// From now on the provider behaves.
    pub(super) fn end_faults(&self, faults: &Value) {
        let names = faults.as_object().into_iter().flatten();
        let none: serde_json::Map<String, Value> =
            names.map(|(name, _)| (name.clone(), json!(0))).collect();
        let scenario = json!({ "faults": none });
        let address = self.address();
        let answer = request(address, "", "PUT", "/control/scenario", Some(&scenario));
        let (status, text) = answer.expect("the sandbox answers");
        assert_eq!(status, 200, "{text}");
    }
}

fn ring(line: &Value) -> Ring {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let assistant = line["assistant_id"].as_str();
    Ring {
        key: text(&line["attempt_key"]),
        to: text(&line["to"]),
        from: text(&line["phone_number_id"]),
        meant_for: line["variables"]["meant_for"].as_str().map(str::to_owned),
        campaign: ASSISTANTS
            .iter()
            .position(|known| Some(*known) == assistant),
        received_at: micros(&line["received_at"]).unwrap(),
        ended_at: micros(&line["ended_at"]),
    }
}

/// A request to place a call. One that the sandbox did not read to its end has no key and rang
/// nowhere.
fn post(line: &Value) -> Option<Post> {
    let is_create = line["method"] == "POST" && line["path"] == "/vapi/call";
    is_create.then(|| Post {
        key: line["attempt_key"].as_str().unwrap_or_default().to_owned(),
        received_at: micros(&line["time"]).unwrap(),
    })
}

//! A world in virtual time, with the few requests that most tests need.

use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Answer, Options, Outcome, Reply, Request, Ring, Scenario, World};
use serde_json::{Value, json};

/// The number that tests call when it does not matter.
pub(crate) const PHONE: &str = "+14155550100";
/// The key that tests use when it does not matter.
pub(crate) const KEY: &str = "key-one";

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
}

impl Bench {
    /// A world with seed 1, no pace limit to speak of, and this change of the default scenario.
    pub(crate) fn new(change: &Value) -> Self {
        Self::with_seed(1, change)
    }

    pub(crate) fn with_seed(seed: u64, change: &Value) -> Self {
        let scenario = Scenario::default()
            .changed_by(&json!({"calls_per_second": 100_000, "concurrency": 100_000}))
            .and_then(|scenario| scenario.changed_by(change))
            .unwrap();
        let world = World::new(Options {
            seed,
            time_scale: 1.0,
            scenario,
        });
        Self {
            world,
            now: "2026-03-02T10:00:00Z".parse().unwrap(),
        }
    }

    pub(crate) fn send(&mut self, request: &Request) -> Reply {
        self.world.handle(self.now, request)
    }

    /// Sends a request with the usual key and returns its answer.
    pub(crate) fn ask(&mut self, method: Method, target: &str, body: Option<Value>) -> Answer {
        let mut request = Request::new(method, target).bearer(KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer_of(self.send(&request))
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask(Method::GET, target, None)
    }

    pub(crate) fn create(&mut self, body: &Value) -> Reply {
        self.send(&create_request(KEY, body))
    }

    /// Makes a call to a phone and returns the vendor's id for it.
    pub(crate) fn call(&mut self, phone: &str) -> String {
        let answer = answer_of(self.create(&call_body(phone)));
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.body_json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn read(&mut self, id: &str) -> Value {
        let answer = self.get(&format!("/vapi/call/{id}"));
        assert_eq!(answer.status, 200);
        answer.body_json()
    }

    pub(crate) fn pass(&mut self, wait: Duration) {
        self.now = self
            .now
            .checked_add(SignedDuration::try_from(wait).unwrap())
            .unwrap();
        self.world.advance(self.now);
    }

    /// Lets time pass until nothing happens by itself any more; returns the callbacks with the time
    /// of each.
    pub(crate) fn settle(&mut self) -> Vec<(Timestamp, Value)> {
        let mut delivered = Vec::new();
        while let Some(next) = self.world.next_due_at() {
            self.now = self.now.max(next);
            for callback in self.world.due_callbacks(self.now) {
                delivered.push((self.now, serde_json::from_slice(&callback.body).unwrap()));
            }
        }
        delivered
    }

    pub(crate) fn rings(&self) -> Vec<Ring> {
        self.world.rings(0).cloned().collect()
    }

    /// The ring log as it is served.
    pub(crate) fn ring_lines(&mut self) -> String {
        let answer = self.get("/control/rings");
        String::from_utf8(answer.body.to_vec()).unwrap()
    }
}

pub(crate) fn create_request(key: &str, body: &Value) -> Request {
    Request::new(Method::POST, "http://sandbox.test/vapi/call")
        .bearer(key)
        .json(body)
}

/// A create body with all that a dialer sends.
pub(crate) fn call_body(phone: &str) -> Value {
    json!({
        "name": "att_1",
        "assistantId": "asst_abc123",
        "phoneNumberId": "pn_abc123",
        "customer": {"number": phone, "name": "Ann", "externalId": "lead-1"},
        "assistantOverrides": {
            "variableValues": {"first_name": "Ann"},
            "metadata": {"attempt_key": "key-of-attempt"},
            "serverMessages": ["status-update", "end-of-call-report", "hang"],
            "server": {
                "url": "http://127.0.0.1:1/hook",
                "headers": {"X-Dialer-Token": "t"},
                "secret": "s3cret"
            }
        }
    })
}

pub(crate) fn answer_of(reply: Reply) -> Answer {
    match reply.outcome {
        Outcome::Answer(answer) => answer,
        Outcome::Withheld => panic!("the answer was withheld"),
    }
}

/// `type` and `status` of callbacks, in order: `status-update ringing`.
pub(crate) fn kinds(callbacks: &[(Timestamp, Value)]) -> Vec<String> {
    let kind = |(_, body): &(Timestamp, Value)| {
        let message = &body["message"];
        let status = message["status"].as_str().unwrap_or("");
        format!("{} {status}", message["type"].as_str().unwrap())
            .trim_end()
            .to_owned()
    };
    callbacks.iter().map(kind).collect()
}

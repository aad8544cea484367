//! The control endpoints: scenario, ground truth, reset, health. They need no key and no fault
//! strikes them.

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::{LogKind, World, records::ring_number};
use crate::{
    time,
    vapi::errors,
    wire::{Answer, Request},
};

impl World {
    pub(super) fn control(&mut self, request: &Request) -> Answer {
        let segments: Vec<&str> = request.path.trim_matches('/').split('/').skip(1).collect();
        match (&request.method, segments.as_slice()) {
            (&Method::GET, ["health"]) => Answer::json(200, &self.health()),
            (&Method::GET, ["scenario"]) => self.print_scenario(),
            (&Method::PUT, ["scenario"]) => self.put_scenario(request),
            (&Method::POST, ["reset"]) => self.post_reset(request),
            (&Method::GET, ["rings"]) => self.print_log(LogKind::Rings, request),
            (&Method::GET, ["requests"]) => self.print_log(LogKind::Requests, request),
            _ => errors::no_route(&request.method, &request.path),
        }
    }

    /// Up to `limit` lines of a log from line `from` on, as JSON lines, and where the next page
    /// starts; `None` when this page reaches the end.
    pub fn log_page(&self, log: LogKind, from: u64, limit: usize) -> (Bytes, Option<u64>) {
        match log {
            LogKind::Rings => page(
                self.rings.iter_from(from).map(|ring| (ring.number, ring)),
                limit,
            ),
            LogKind::Requests => page(
                self.requests
                    .iter_from(from)
                    .map(|record| (record.number, record)),
                limit,
            ),
        }
    }

    /// What `GET /` says.
    pub(super) fn about(&self) -> Answer {
        Answer::json(
            200,
            &json!({
                "name": "Campanile sandbox",
                "version": env!("CARGO_PKG_VERSION"),
                "what": "simulated phones behind voice vendors' wire formats; no call is real",
                "vendors": {"vapi": "/vapi"},
                "not_simulated_yet": super::OTHER_VENDORS,
                "control": ["GET /control/health", "GET /control/scenario", "PUT /control/scenario",
                    "GET /control/rings", "GET /control/requests", "POST /control/reset"],
                "seed": self.options.seed,
                "time_scale": self.options.time_scale,
            }),
        )
    }

    fn health(&self) -> Value {
        json!({
            "status": "ok",
            "now": time::with_microseconds(self.now),
            "seed": self.options.seed,
            "time_scale": self.options.time_scale,
            "live_calls": self.live_calls,
            "calls": self.calls.len(),
            "rings": self.rings.next_number(),
            "requests": self.requests.next_number(),
            "accounts": self.accounts.len(),
            "callbacks_waiting": self.outbox.len(),
            "callbacks_dropped": self.outbox.dropped(),
        })
    }

    fn print_scenario(&self) -> Answer {
        match serde_json::to_vec(&self.options.scenario) {
            Ok(body) => Answer::raw_json(200, body),
            Err(error) => errors::plain(500, "Internal Server Error", &error.to_string()),
        }
    }

    fn put_scenario(&mut self, request: &Request) -> Answer {
        let document = match serde_json::from_slice(&request.body) {
            Ok(document) => document,
            Err(error) => return errors::plain(400, "Bad Request", &format!("not JSON: {error}")),
        };
        match self.change_scenario(&document) {
            Ok(()) => self.print_scenario(),
            Err(error) => errors::listed(422, "Unprocessable Entity", &error.problems),
        }
    }

    fn post_reset(&mut self, request: &Request) -> Answer {
        let document: Value = if request.body.iter().all(u8::is_ascii_whitespace) {
            json!({})
        } else {
            match serde_json::from_slice(&request.body) {
                Ok(document) => document,
                Err(error) => {
                    return errors::plain(400, "Bad Request", &format!("not JSON: {error}"));
                }
            }
        };
        let problem = |text: &str| errors::listed(422, "Unprocessable Entity", &[text.to_owned()]);
        let Value::Object(entries) = document else {
            return problem("a reset is a JSON object or nothing");
        };
        if let Some(key) = entries.keys().find(|key| *key != "seed") {
            return problem(&format!("unknown key `{key}`"));
        }
        let seed = match entries.get("seed").map(Value::as_u64) {
            Some(None) => return problem("`seed` must be a whole number from 0"),
            Some(seed) => seed,
            None => None,
        };
        self.reset(seed);
        Answer::json(200, &self.health())
    }

    fn print_log(&self, log: LogKind, request: &Request) -> Answer {
        match log_start(request.query_value("after").as_deref()) {
            Ok(from) => {
                let (body, _) = self.log_page(log, from, usize::MAX);
                let headers = vec![("content-type", NDJSON.to_owned())];
                Answer {
                    status: 200,
                    headers,
                    body,
                }
            }
            Err(answer) => answer,
        }
    }
}

/// The content type of JSON lines.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// The first line to print for `?after=`: a ring id, or the bare number of a line.
pub(crate) fn log_start(after: Option<&str>) -> Result<u64, Answer> {
    let Some(after) = after else { return Ok(0) };
    let number = ring_number(after).and_then(|number| number.checked_add(1));
    number.ok_or_else(|| errors::plain(400, "Bad Request", "`after` must be the id of a line"))
}

fn page<'a, T: Serialize + 'a>(
    lines: impl Iterator<Item = (u64, &'a T)>,
    limit: usize,
) -> (Bytes, Option<u64>) {
    let mut text = Vec::new();
    for (count, (number, line)) in lines.enumerate() {
        if count >= limit {
            return (text.into(), Some(number));
        }
        // A line that cannot be written would be a bug in its type; leaving it out half-written
        // would hide it.
        if let Err(error) = serde_json::to_writer(&mut text, line) {
            text.extend_from_slice(format!("{{\"error\":\"{error}\"}}").as_bytes());
        }
        text.push(b'\n');
    }
    (text.into(), None)
}

//! Reading calls, and the few things that can be done to one.

use std::borrow::Cow;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Call, CallStatus, Visit, World};
use crate::{
    dice::Dice,
    time,
    vapi::{errors, render, validate},
    wire::{Answer, Request},
};

/// What the list takes when `limit` is absent, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// Bounds on a time, from `createdAtGt` and its like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    above: Option<Timestamp>,
    from: Option<Timestamp>,
    below: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Bounds {
    /// Reads the four bounds on `field`; the error is the vendor's.
    pub(super) fn read(request: &Request, field: &str) -> Result<Self, Answer> {
        let bound = |suffix: &str| {
            let name = format!("{field}{suffix}");
            let parse = |text: String| {
                text.parse::<Timestamp>().map_err(|_| {
                    errors::invalid(&[format!("{name} must be a valid ISO 8601 date string")])
                })
            };
            request.query_value(&name).map(parse).transpose()
        };
        Ok(Self {
            above: bound("Gt")?,
            from: bound("Ge")?,
            below: bound("Lt")?,
            to: bound("Le")?,
        })
    }

    pub(super) fn contain(&self, at: Timestamp) -> bool {
        self.above.is_none_or(|bound| at > bound)
            && self.from.is_none_or(|bound| at >= bound)
            && self.below.is_none_or(|bound| at < bound)
            && self.to.is_none_or(|bound| at <= bound)
    }

    /// Whether everything before `at` is out of bounds too.
    fn end_before(&self, at: Timestamp) -> bool {
        self.above.is_some_and(|bound| at <= bound) || self.from.is_some_and(|bound| at < bound)
    }
}

/// Reads `limit`.
pub(super) fn read_limit(request: &Request) -> Result<usize, Answer> {
    let Some(text) = request.query_value("limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    // Client libraries write whole numbers as "100" or "100.0".
    let whole = text.strip_suffix(".0").unwrap_or(&text).parse().ok();
    whole
        .filter(|limit| *limit <= MAX_LIMIT)
        .ok_or_else(|| errors::invalid(&[format!("limit must not be greater than {MAX_LIMIT}")]))
}

impl World {
    /// Any `GET` below `/vapi`.
    pub(super) fn read(&mut self, visit: &mut Visit<'_>, rest: &[&str]) -> Answer {
        if self.strikes_read(visit, rest) {
            visit.record.fault = Some("get_500");
            return errors::internal();
        }
        match rest {
            ["call"] => self.list_calls(visit),
            ["call", id] => match self.find_call(Some(&visit.account), id) {
                Some(call) => Answer::raw_json(200, render::call(call, None)),
                None => errors::not_found("Call", id),
            },
            ["call", id, artifact] => self.read_artifact(visit, id, artifact),
            _ => self.read_resources(visit, rest),
        }
    }

    /// Draws the fault `get_500`; for one call by how often that call was read, else by the
    /// account's count.
    fn strikes_read(&mut self, visit: &Visit<'_>, rest: &[&str]) -> bool {
        let rate = self.options.scenario.faults.get_500;
        if rate <= 0.0 {
            return false;
        }
        let call = match rest {
            ["call", id] => self
                .find_call(Some(&visit.account), id)
                .map(|call| call.number),
            _ => None,
        };
        let index = match call.and_then(|number| self.calls.get_mut(number)) {
            Some(call) => {
                call.reads += 1;
                call.reads
            }
            None => self.next_draw(&visit.account),
        };
        let key = format!("{} {}", &*visit.account, visit.request.path);
        Dice::new(self.options.seed, "get_500", &key, index).strikes(rate)
    }

    fn list_calls(&self, visit: &Visit<'_>) -> Answer {
        match self.listed_calls(visit) {
            Ok(body) => Answer::raw_json(200, body),
            Err(answer) => answer,
        }
    }

    /// The newest calls of the account that the query asks for and the list already shows.
    fn listed_calls(&self, visit: &Visit<'_>) -> Result<Vec<u8>, Answer> {
        let request = visit.request;
        let limit = read_limit(request)?;
        let created = Bounds::read(request, "createdAt")?;
        let updated = Bounds::read(request, "updatedAt")?;
        let [id, assistant, line] =
            ["id", "assistantId", "phoneNumberId"].map(|key| request.query_value(key));
        let matches = |wanted: &Option<String>, own: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| own == Some(wanted))
        };
        let is_wanted = |call: &&Call| {
            !call.is_deleted
                && call.listed_at <= self.now
                && created.contain(call.created_at)
                && updated.contain(time::to_millisecond(call.updated_at))
                && matches(&assistant, call.assistant_id.as_deref())
                && matches(&line, call.phone_number_id.as_deref())
                && id
                    .as_deref()
                    .is_none_or(|id| id == crate::dice::uuid_text(call.id))
        };
        let own = self
            .accounts
            .get(&visit.account)
            .into_iter()
            .flat_map(|account| account.calls.iter().rev());
        let calls = own
            .filter_map(|&number| self.calls.get(number))
            .take_while(|call| !created.end_before(call.created_at))
            .filter(is_wanted)
            .take(limit);
        Ok(render::calls(calls))
    }

    /// The vendor's downloads: a redirect to the recording when there is one, and the recording
    /// itself.
    fn read_artifact(&self, visit: &Visit<'_>, id: &str, artifact: &str) -> Answer {
        const DOWNLOADS: [&str; 4] = [
            "mono-recording",
            "stereo-recording",
            "customer-recording",
            "assistant-recording",
        ];
        let Some(call) = self.find_call(Some(&visit.account), id) else {
            return errors::not_found("Call", id);
        };
        if call.started_at.is_none() || !call.is_reported {
            return errors::not_found("Artifact of call", id);
        }
        if DOWNLOADS.contains(&artifact) {
            let location = format!("{}/vapi/call/{id}/{artifact}.wav", call.origin);
            return Answer {
                status: 302,
                headers: vec![("location", location)],
                body: bytes::Bytes::new(),
            };
        }
        if artifact
            .strip_suffix(".wav")
            .is_some_and(|name| DOWNLOADS.contains(&name))
        {
            let headers = vec![("content-type", "audio/wav".to_owned())];
            return Answer {
                status: 200,
                headers,
                body: one_second_of_silence().into(),
            };
        }
        errors::no_route(&Method::GET, &visit.request.path)
    }

    /// `POST /call/{id}/control`, the address in `monitor.controlUrl`.
    pub(super) fn control_call(&mut self, visit: &mut Visit<'_>, id: &str) -> Answer {
        if visit.request.method != Method::POST {
            return errors::no_route(&visit.request.method, &visit.request.path);
        }
        let Some((number, account, status)) = self
            .find_call(None, id)
            .map(|call| (call.number, call.account.clone(), call.status))
        else {
            return errors::not_found("Call", id);
        };
        visit.record.account.get_or_insert(account);
        let document: Value = serde_json::from_slice(&visit.request.body).unwrap_or_default();
        match document.get("type").and_then(Value::as_str) {
            _ if status == CallStatus::Ended => errors::bad_request("Call has already ended."),
            Some("end-call") => {
                let reason = Cow::Borrowed("manually-canceled");
                self.end_call(self.now, number, reason, Cow::Borrowed("CANCELED"));
                Answer::json(200, &json!({"success": true}))
            }
            Some("say" | "add-message" | "control" | "transfer") => {
                Answer::json(200, &json!({"success": true}))
            }
            _ => errors::bad_request(
                "type must be one of: end-call, say, add-message, control, transfer",
            ),
        }
    }

    /// `PATCH /call/{id}`: only the name can be changed.
    pub(super) fn rename_call(&mut self, visit: &Visit<'_>, id: &str) -> Answer {
        let document: Value = serde_json::from_slice(&visit.request.body).unwrap_or_default();
        let Value::Object(body) = document else {
            return errors::bad_request("the request body must be a JSON object");
        };
        let problems = validate::rename_problems(&body);
        if !problems.is_empty() {
            return errors::invalid(&problems);
        }
        let now = self.now;
        let number = self
            .find_call(Some(&visit.account), id)
            .map(|call| call.number);
        let Some(call) = number.and_then(|number| self.calls.get_mut(number)) else {
            return errors::not_found("Call", id);
        };
        if let Some(name) = body.get("name") {
            call.name = name.as_str().map(Box::from);
            call.updated_at = now;
        }
        Answer::raw_json(200, render::call(call, None))
    }

    /// `DELETE /call/{id}`: hangs a live call up and erases the vendor's record. The ring log keeps
    /// its line.
    pub(super) fn delete_call(&mut self, visit: &Visit<'_>, id: &str) -> Answer {
        let Some((number, status)) = self
            .find_call(Some(&visit.account), id)
            .map(|call| (call.number, call.status))
        else {
            return errors::not_found("Call", id);
        };
        if status != CallStatus::Ended {
            self.end_call(
                self.now,
                number,
                Cow::Borrowed("call-deleted"),
                Cow::Borrowed("CANCELED"),
            );
        }
        let Some(call) = self.calls.get_mut(number) else {
            return errors::not_found("Call", id);
        };
        let answer = Answer::raw_json(200, render::call(call, None));
        call.is_deleted = true;
        call.echo = Vec::new();
        answer
    }
}

/// A WAV file: 8000 samples a second, 8 bits, one channel.
fn one_second_of_silence() -> Vec<u8> {
    const SAMPLES: u32 = 8_000;
    let mut file = Vec::with_capacity(44 + SAMPLES as usize);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + SAMPLES).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, one channel.
    file.extend_from_slice(&[1, 0, 1, 0]);
    file.extend_from_slice(&SAMPLES.to_le_bytes());
    file.extend_from_slice(&SAMPLES.to_le_bytes());
    // One byte a frame, eight bits a sample.
    file.extend_from_slice(&[1, 0, 8, 0]);
    file.extend_from_slice(b"data");
    file.extend_from_slice(&SAMPLES.to_le_bytes());
    file.resize(44 + SAMPLES as usize, 0x80);
    file
}

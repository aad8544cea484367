//! The verdict.
//!
//! About people, capacity and liveness it reads the world's own logs and what users were told, with
//! calendar arithmetic of its own (`calendar`): never the database. Only what is promised *of* the
//! records (each attempt ends once, counters agree, the feed has no gaps) is read from them, and
//! compared with the world.

mod calendar;
mod capacity;
mod fairness;
mod feed;
mod hold;
mod liveness;
mod people;
mod records;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use sandbox::{RequestRecord, Ring};

pub(crate) use records::{CampaignRecords, Records};

use crate::history::{History, Reserved, Violation};
use crate::plan::Plan;

/// What the judge may look at.
pub(crate) struct Seen<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) history: &'a History,
    pub(crate) rings: &'a [Ring],
    pub(crate) requests: &'a [RequestRecord],
}

/// A call as the world saw it, with the reservation it carries.
#[derive(Clone, Copy)]
struct Call<'a> {
    ring: &'a Ring,
    reserved: &'a Reserved,
}

impl<'a> Seen<'a> {
    /// The reservation whose key the ring carries.
    fn reserved(&self, ring: &Ring) -> Option<&'a Reserved> {
        self.history.reserved.get(ring.attempt_key.as_deref()?)
    }

    /// Every accepted call of a known reservation, in order.
    fn calls(&self) -> Vec<Call<'a>> {
        self.rings
            .iter()
            .filter_map(|ring| {
                let reserved = self.reserved(ring)?;
                Some(Call { ring, reserved })
            })
            .collect()
    }

    /// Requests to place a call, refused ones included.
    fn posts(&self) -> impl Iterator<Item = &'a RequestRecord> {
        self.requests.iter().filter(|request| {
            request.method == http::Method::POST && &*request.path == "/vapi/call"
        })
    }

    fn tenant_of(&self, call: &Call<'_>) -> usize {
        self.history.campaigns[call.reserved.campaign].tenant
    }

    fn line_of(&self, call: &Call<'_>) -> usize {
        self.history.campaigns[call.reserved.campaign].line
    }
}

impl Call<'_> {
    fn at(&self) -> Timestamp {
        self.ring.received_at
    }

    fn is_live_at(&self, at: Timestamp) -> bool {
        self.ring.received_at <= at && self.ring.ended_at.is_none_or(|ended| ended > at)
    }
}

/// Collects broken promises.
#[derive(Default)]
struct Verdict {
    violations: Vec<Violation>,
}

impl Verdict {
    fn broken(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.violations.push(Violation {
            invariant,
            what: what.into(),
        });
    }

    fn broken_by(&mut self, invariant: &'static str, call: &Call<'_>, what: &str) {
        let what = format!("{what}: {} at {}", call.ring.to, call.at());
        self.broken(invariant, what);
    }
}

/// P1–P10, H1: what people who are called are promised.
pub(crate) fn people(seen: &Seen<'_>) -> Vec<Violation> {
    let mut violations = people::judge(seen);
    violations.extend(hold::judge(seen));
    violations
}

/// A1, A2, A8, P12, V4: limits, fairness, and an orderly stop.
pub(crate) fn capacity(seen: &Seen<'_>) -> Vec<Violation> {
    let mut violations = capacity::judge(seen);
    violations.extend(fairness::judge(seen));
    violations
}

/// V3: once faults are over, nobody who may be called waits while there is room.
pub(crate) fn liveness(seen: &Seen<'_>) -> Vec<Violation> {
    if seen.plan.saturated {
        return Vec::new();
    }
    liveness::judge(seen)
}

/// A3–A6, L1–L7, E1, E2, V1: what the records promise.
pub(crate) fn records(seen: &Seen<'_>, records: &Records, now: Timestamp) -> Vec<Violation> {
    let mut violations = records::judge(seen, records, now);
    violations.extend(feed::judge(seen, records));
    violations
}

/// Rare things that the world's logs show.
pub(crate) fn reached(seen: &Seen<'_>) -> BTreeMap<&'static str, u64> {
    let mut reached = BTreeMap::new();
    let mut note = |what| *reached.entry(what).or_default() += 1;
    for request in seen.requests {
        match request.fault {
            Some("create_timeout") => note("request_swallowed"),
            Some("create_timeout_after_accept") => note("answer_swallowed"),
            Some("create_500") => note("error_without_call"),
            Some("create_500_after_accept") => note("error_with_call"),
            Some("create_garbage") => note("garbage"),
            Some("create_429") => note("refused_429"),
            Some("get_500") => note("read_failed"),
            Some("down") => note("down"),
            _ => {}
        }
    }
    for call in seen.calls() {
        let wall = seen.history.wall(call.at());
        for draft in seen.history.settings_at(call.reserved.campaign, call.at()) {
            if calendar::is_repeated_hour(draft, wall) {
                note("call_in_repeated_hour");
            }
        }
    }
    reached
}

/// Rare things that only the feed tells.
pub(crate) fn reached_on_record(records: &Records, reached: &mut BTreeMap<&'static str, u64>) {
    feed::reached(records, reached);
}

/// Equal for equal runs.
pub(crate) fn trace(
    rings: &[Ring],
    requests: &[RequestRecord],
    reached: &BTreeMap<&'static str, u64>,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    for ring in rings {
        (
            ring.received_at,
            ring.ended_at,
            &ring.to,
            &ring.attempt_key,
            &ring.outcome,
        )
            .hash(&mut hasher);
    }
    for request in requests {
        (request.received_at, &request.path, request.status).hash(&mut hasher);
    }
    for entry in reached {
        entry.hash(&mut hasher);
    }
    hasher.finish()
}

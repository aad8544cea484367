//! Call starts per second all in, with what sandbox and loop could do by themselves; use and
//! refill of slots.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Figure;
use crate::ceiling;
use crate::client::Connection;
use crate::numbers::{millis, percentile};
use crate::servers::{self, Running, pause, post};

/// Most time that one measurement may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Calls of a moment, as many as wanted at once: what is measured are their starts.
pub(crate) fn short_calls() -> Value {
    json!({
        "answer_rate": 1, "queue_seconds": 0.05, "ring_seconds": 0.05, "talk_seconds": 0.2, "concurrency": 100_000, "calls_per_second": 100_000
    })
}

/// Adds leads in bulk and waits until all are there. Answers how long that took.
pub(crate) async fn add_leads(server: &Running, campaign: &str, count: usize) -> Duration {
    let mut connection = server.connect().await;
    let path = format!("/api/v2/voice-campaigns/{campaign}/leads/bulk");
    let began = Instant::now();
    for chunk in 0..count.div_ceil(10_000) {
        let first = chunk * 10_000;
        let leads: Vec<Value> = (first..count.min(first + 10_000))
            .map(|lead| json!({ "phone_number": format!("+1415{lead:07}"), "first_name": "Ann" }))
            .collect();
        post(&mut connection, &path, &Value::Array(leads)).await;
    }
    loop {
        let leads = counts(&mut connection, campaign).await;
        if leads["READY"].as_u64() == Some(count as u64) {
            return began.elapsed();
        }
        assert!(began.elapsed() < LIMIT, "the leads are not added in time");
        pause(Duration::from_millis(20)).await;
    }
}

/// Leads by state.
async fn counts(connection: &mut Connection, campaign: &str) -> Value {
    let path = format!("/api/v2/voice-campaigns/{campaign}");
    let answer = connection.send("GET", &path, None).await.json();
    answer["data"]["leads"].clone()
}

/// The ground truth of the sandbox, in the order of arrival.
pub(crate) async fn rings(sandbox: &Running) -> Vec<Value> {
    let mut connection = Connection::open(&sandbox.host, None).await;
    let answer = connection.send("GET", "/control/rings", None).await;
    let text = String::from_utf8(answer.body).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn instant(ring: &Value, field: &str) -> Option<f64> {
    let at: jiff::Timestamp = ring[field].as_str()?.parse().ok()?;
    Some(at.as_microsecond() as f64 / 1e6)
}

/// Sorted instants of all rings, seconds.
pub(crate) fn instants(rings: &[Value], field: &str) -> Vec<f64> {
    let mut instants: Vec<f64> = rings
        .iter()
        .filter_map(|ring| instant(ring, field))
        .collect();
    instants.sort_by(f64::total_cmp);
    instants
}

pub(crate) async fn wait_until_final(server: &Running, campaign: &str) {
    let mut connection = server.connect().await;
    let began = Instant::now();
    loop {
        let leads = counts(&mut connection, campaign).await;
        let open: u64 = ["READY", "IN_CALL", "UNRESOLVED"]
            .iter()
            .filter_map(|state| leads[*state].as_u64())
            .sum();
        if open == 0 {
            return;
        }
        assert!(
            began.elapsed() < LIMIT,
            "the campaign does not end in time: {leads}"
        );
        pause(Duration::from_millis(100)).await;
    }
}

/// Plan, commit, POST, five callbacks, all durable; then the ceilings on the same machine.
pub(crate) async fn measure_starts() -> Vec<Figure> {
    const LEADS: usize = 20_000;
    let scenario = short_calls();
    let sandbox = servers::sandbox(&scenario);
    let server = servers::server();
    let campaign = servers::campaign(&server, Some(&sandbox.host), 2_000, 10_000).await;
    add_leads(&server, &campaign, LEADS).await;
    let (cpu_server, cpu_sandbox, began) =
        (server.cpu_seconds(), sandbox.cpu_seconds(), Instant::now());
    servers::order(&server, &campaign, "start").await;
    wait_until_final(&server, &campaign).await;
    let elapsed = began.elapsed().as_secs_f64();
    let times = instants(&rings(&sandbox).await, "received_at");
    let rate = times.len() as f64 / (times[times.len() - 1] - times[0]);
    let beside = format!(
        "whole run {elapsed:.1} s; processor: server {:.1} s, sandbox {:.1} s; memory {:.0} MiB",
        server.cpu_seconds() - cpu_server,
        sandbox.cpu_seconds() - cpu_sandbox,
        server.memory_mib()
    );
    drop(server);
    drop(sandbox);
    let bare = ceiling::sandbox_alone(&scenario).await;
    let reserving = ceiling::reserve_and_post(&scenario).await;
    vec![
        Figure {
            name: "call starts per second, all in",
            measured: format!("{rate:.0}/s over {LEADS} calls"),
            beside: format!("bare loop, next row but one: {reserving:.0}/s; {beside}"),
            ratio: Some(rate / reserving),
            target: "≥ 2,000/s",
            met: Some(rate >= 2_000.0),
        },
        Figure {
            name: "the sandbox's own ceiling: a bare client that POSTs calls to it",
            measured: format!("{bare:.0}/s"),
            ..Figure::default()
        },
        Figure {
            name: "bare loop: one durable row in a grouped commit, then the POST; no callbacks",
            measured: format!("{reserving:.0}/s"),
            ..Figure::default()
        },
    ]
}

/// How much of 100 slots is in use with 30-second calls.
pub(crate) async fn measure_slots() -> Figure {
    let scenario = json!({
        "answer_rate": 1, "queue_seconds": 0, "ring_seconds": 5, "talk_seconds": 25, "concurrency": 1_000, "calls_per_second": 100_000
    });
    let sandbox = servers::sandbox(&scenario);
    let server = servers::server();
    let campaign = servers::campaign(&server, Some(&sandbox.host), 100, 1_000).await;
    add_leads(&server, &campaign, 1_000).await;
    servers::order(&server, &campaign, "start").await;
    pause(Duration::from_secs(100)).await;
    let calls: Vec<(f64, f64)> = rings(&sandbox)
        .await
        .iter()
        .map(|ring| {
            (
                instant(ring, "received_at").unwrap(),
                instant(ring, "ended_at").unwrap_or(f64::MAX),
            )
        })
        .collect();
    let from = calls[0].0 + 5.0;
    let to = from + 90.0;
    let used: f64 = calls
        .iter()
        .map(|(start, end)| (end.min(to) - start.max(from)).max(0.0))
        .sum();
    let share = used / (90.0 * 100.0) * 100.0;
    Figure {
        name: "slot use, 100 slots, 30 s calls, over 90 s",
        measured: format!("{share:.2} %"),
        beside: format!("{} calls; {:.0} MiB", calls.len(), server.memory_mib()),
        target: "≥ 99 %",
        met: Some(share >= 99.0),
        ..Figure::default()
    }
}

/// From the end of a call at the vendor, whose callback is sent then, to the arrival of the next
/// POST there, while all slots are in use.
pub(crate) async fn measure_refill() -> Vec<Figure> {
    const SLOTS: u32 = 100;
    const CALLS: usize = 2_000;
    let scenario = json!({
        "answer_rate": 1, "queue_seconds": 0, "ring_seconds": 0.2, "talk_seconds": [0.3, 1.3], "concurrency": 1_000, "calls_per_second": 100_000
    });
    let sandbox = servers::sandbox(&scenario);
    let server = servers::server();
    let campaign = servers::campaign(&server, Some(&sandbox.host), SLOTS, 10_000).await;
    add_leads(&server, &campaign, CALLS).await;
    servers::order(&server, &campaign, "start").await;
    wait_until_final(&server, &campaign).await;
    let rings = rings(&sandbox).await;
    let (starts, ends) = (
        instants(&rings, "received_at"),
        instants(&rings, "ended_at"),
    );
    // The first calls fill the slots; from then on each end makes room for one start.
    let mut waits: Vec<Duration> = starts[SLOTS as usize..]
        .iter()
        .zip(&ends)
        .map(|(start, end)| Duration::from_secs_f64((start - end).max(0.0)))
        .collect();
    waits.sort_unstable();
    vec![Figure {
        name: "a free slot is used again, 100 slots, 1 s calls",
        measured: format!(
            "p50 {}, p99 {}",
            millis(percentile(&waits, 50)),
            millis(percentile(&waits, 99))
        ),
        beside: format!(
            "{} refills at {:.0}/s",
            waits.len(),
            starts.len() as f64 / (starts[starts.len() - 1] - starts[0])
        ),
        target: "p99 ≤ 50 ms",
        met: Some(percentile(&waits, 99) <= Duration::from_millis(50)),
        ..Figure::default()
    }]
}

//! Call starts per second all in, and use of slots.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Figure;
use crate::client::Connection;
use crate::servers::{self, Running, pause, post};

/// Most time that one measurement may take.
const LIMIT: Duration = Duration::from_secs(180);

async fn add_leads(server: &Running, campaign: &str, count: usize) {
    let mut connection = server.connect().await;
    let path = format!("/api/v2/voice-campaigns/{campaign}/leads/bulk");
    for chunk in 0..count.div_ceil(10_000) {
        let first = chunk * 10_000;
        let leads: Vec<Value> = (first..count.min(first + 10_000))
            .map(|lead| json!({ "phone_number": format!("+1415{lead:07}"), "first_name": "Ann" }))
            .collect();
        post(&mut connection, &path, &Value::Array(leads)).await;
    }
    let began = Instant::now();
    loop {
        let answer = connection
            .send("GET", &format!("/api/v2/voice-campaigns/{campaign}"), None)
            .await
            .json();
        if answer["data"]["leads"]["READY"].as_u64() == Some(count as u64) {
            return;
        }
        assert!(began.elapsed() < LIMIT, "the leads are not added in time");
        pause(Duration::from_millis(50)).await;
    }
}

async fn rings(sandbox: &Running) -> Vec<Value> {
    let mut connection = Connection::open(&sandbox.host, None).await;
    let answer = connection.send("GET", "/control/rings", None).await;
    let text = String::from_utf8(answer.body).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn instant(ring: &Value, field: &str) -> Option<f64> {
    let at: jiff::Timestamp = ring[field].as_str()?.parse().ok()?;
    Some(at.as_microsecond() as f64 / 1e6)
}

async fn wait_until_final(server: &Running, campaign: &str, count: u64) {
    let mut connection = server.connect().await;
    let began = Instant::now();
    loop {
        let answer = connection
            .send("GET", &format!("/api/v2/voice-campaigns/{campaign}"), None)
            .await
            .json();
        let leads = &answer["data"]["leads"];
        let open: u64 = ["READY", "IN_CALL", "UNRESOLVED"]
            .iter()
            .filter_map(|state| leads[*state].as_u64())
            .sum();
        if open == 0 && count > 0 {
            return;
        }
        assert!(
            began.elapsed() < LIMIT,
            "the campaign does not end in time: {leads}"
        );
        pause(Duration::from_millis(100)).await;
    }
}

/// Plan, commit, POST, four callbacks, all durable.
pub(crate) async fn measure_starts() -> Vec<Figure> {
    const LEADS: usize = 20_000;
    let scenario = json!({
        "answer_rate": 1, "queue_seconds": 0.05, "ring_seconds": 0.05, "talk_seconds": 0.2, "concurrency": 100_000, "calls_per_second": 100_000
    });
    let sandbox = servers::sandbox(&scenario);
    let server = servers::server();
    let campaign = servers::campaign(&server, Some(&sandbox), 2_000, 10_000).await;
    let mut connection = server.connect().await;
    add_leads(&server, &campaign, LEADS).await;
    let (cpu_server, cpu_sandbox, began) =
        (server.cpu_seconds(), sandbox.cpu_seconds(), Instant::now());
    // Rate limits of the line must not be the limit that is measured.
    let lines = connection
        .send("GET", "/api/v2/voice-providers", None)
        .await
        .json();
    let line = lines["data"][0]["tenant_voice_provider_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let _ = connection
        .send(
            "PATCH",
            &format!("/api/v2/voice-providers/{line}"),
            Some("{\"max_calls_per_second\":10000}"),
        )
        .await;
    post(
        &mut connection,
        &format!("/api/v2/voice-campaigns/{campaign}/start"),
        &json!({}),
    )
    .await;
    wait_until_final(&server, &campaign, LEADS as u64).await;
    let elapsed = began.elapsed().as_secs_f64();
    let rings = rings(&sandbox).await;
    let times: Vec<f64> = rings
        .iter()
        .filter_map(|ring| instant(ring, "received_at"))
        .collect();
    let (first, last) = (times.first().unwrap(), times.last().unwrap());
    let rate = times.len() as f64 / (last - first);
    vec![Figure {
        name: "call starts per second, all in",
        measured: format!("{rate:.0}/s over {LEADS} calls"),
        beside: format!(
            "whole run {elapsed:.1} s; processor: server {:.1} s, sandbox {:.1} s; memory {:.0} MiB",
            server.cpu_seconds() - cpu_server,
            sandbox.cpu_seconds() - cpu_sandbox,
            server.memory_mib()
        ),
        goal: "≥ 1,000/s",
    }]
}

/// How much of 100 slots is in use with 30-second calls.
pub(crate) async fn measure_slots() -> Figure {
    let scenario = json!({
        "answer_rate": 1, "queue_seconds": 0, "ring_seconds": 5, "talk_seconds": 25, "concurrency": 1_000, "calls_per_second": 100_000
    });
    let sandbox = servers::sandbox(&scenario);
    let server = servers::server();
    let campaign = servers::campaign(&server, Some(&sandbox), 100, 1_000).await;
    add_leads(&server, &campaign, 1_000).await;
    let mut connection = server.connect().await;
    post(
        &mut connection,
        &format!("/api/v2/voice-campaigns/{campaign}/start"),
        &json!({}),
    )
    .await;
    pause(Duration::from_secs(100)).await;
    let rings = rings(&sandbox).await;
    let calls: Vec<(f64, f64)> = rings
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
    Figure {
        name: "slot use, 100 slots, 30 s calls, over 90 s",
        measured: format!("{:.2} %", used / (90.0 * 100.0) * 100.0),
        beside: format!("{} calls", calls.len()),
        goal: "≥ 99 %",
    }
}

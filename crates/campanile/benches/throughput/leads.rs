//! Many leads: adding them, starting with them, and dialing again after the process was killed.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Figure;
use crate::calls::{add_leads, rings};
use crate::servers::{self, Running, pause};

const LIMIT: Duration = Duration::from_secs(60);

/// Calls that outlast the measurement.
fn scenario() -> serde_json::Value {
    json!({
        "answer_rate": 1, "queue_seconds": 0, "ring_seconds": 1, "talk_seconds": 3_000, "concurrency": 100_000, "calls_per_second": 100_000
    })
}

/// Waits until the sandbox has more than `before` calls.
async fn wait_for_ring(sandbox: &Running, before: usize) {
    let began = Instant::now();
    while rings(sandbox).await.len() <= before {
        assert!(began.elapsed() < LIMIT, "no call arrives");
        pause(Duration::from_millis(5)).await;
    }
}

/// One hundred thousand leads: added in bulk, then a kill while dialing.
pub(crate) async fn measure_restart() -> Vec<Figure> {
    const LEADS: usize = 100_000;
    let sandbox = servers::sandbox(&scenario());
    let server = servers::server();
    let campaign = servers::campaign(&server, Some(&sandbox.host), 10_000, 50).await;
    let added = add_leads(&server, &campaign, LEADS).await;
    let memory = server.memory_mib();
    servers::order(&server, &campaign, "start").await;
    wait_for_ring(&sandbox, 50).await;
    let token = server.token.clone();
    let database = server.kill();
    let before = rings(&sandbox).await.len();
    let began = Instant::now();
    let server = servers::server_on(database, &token, "127.0.0.1:0");
    let ready = began.elapsed();
    wait_for_ring(&sandbox, before).await;
    let dialing = began.elapsed();
    vec![
        Figure {
            name: "100,000 leads added in bulk",
            measured: format!("{:.1} s", added.as_secs_f64()),
            beside: format!(
                "{:.0} leads/s, ten requests; {memory:.0} MiB",
                LEADS as f64 / added.as_secs_f64()
            ),
            ..Figure::default()
        },
        Figure {
            name: "dialing again after a SIGKILL, 100,000 leads",
            measured: format!("{:.2} s", dialing.as_secs_f64()),
            beside: format!(
                "ready after {:.0} ms; {:.0} MiB",
                ready.as_secs_f64() * 1e3,
                server.memory_mib()
            ),
            target: "≤ 5 s",
            met: Some(dialing <= Duration::from_secs(5)),
            ..Figure::default()
        },
    ]
}

/// One million leads: the process' start, and the campaign's.
pub(crate) async fn measure_million() -> Vec<Figure> {
    const LEADS: usize = 1_000_000;
    let sandbox = servers::sandbox(&scenario());
    let server = servers::server();
    let campaign = servers::campaign(&server, Some(&sandbox.host), 10_000, 50).await;
    let added = add_leads(&server, &campaign, LEADS).await;
    let token = server.token.clone();
    let database = server.kill();
    let began = Instant::now();
    let server = servers::server_on(database, &token, "127.0.0.1:0");
    let ready = server.connect().await.send("GET", "/readyz", None).await;
    assert_eq!(ready.status, 200);
    let ready = began.elapsed();
    let began = Instant::now();
    servers::order(&server, &campaign, "start").await;
    let answered = began.elapsed();
    wait_for_ring(&sandbox, 0).await;
    let ringing = began.elapsed();
    vec![Figure {
        name: "start with 1 million leads: process to ready, and first call after `start`",
        measured: format!(
            "{:.2} s, and {:.2} s",
            ready.as_secs_f64(),
            ringing.as_secs_f64()
        ),
        beside: format!(
            "`start` answered after {:.0} ms; leads added in {:.0} s; {:.0} MiB",
            answered.as_secs_f64() * 1e3,
            added.as_secs_f64(),
            server.memory_mib()
        ),
        target: "≤ 2 s each",
        met: Some(ready.max(ringing) <= Duration::from_secs(2)),
        ..Figure::default()
    }]
}

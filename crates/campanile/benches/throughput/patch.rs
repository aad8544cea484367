//! PATCH per second, beside the least that any durable handler must do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Figure;
use crate::baseline::Baseline;
use crate::client::Connection;
use crate::numbers::median;
use crate::servers;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 3;
const DURATION: Duration = Duration::from_secs(4);

/// The path that each connection asks for.
type PathOf = Arc<dyn Fn(usize) -> String + Send + Sync>;

async fn load(host: &str, token: Option<&str>, path: PathOf) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    let until = Instant::now() + DURATION;
    for worker in 0..CONNECTIONS {
        let (host, token, path, done) = (
            host.to_owned(),
            token.map(str::to_owned),
            Arc::clone(&path),
            Arc::clone(&done),
        );
        tasks.spawn(async move {
            let mut connection = Connection::open(&host, token.as_deref()).await;
            let path = path(worker);
            let mut number = 0_u64;
            while Instant::now() < until {
                number += 1;
                let body = format!(
                    "{{\"name\":\"campaign {worker} {number}\",\"daily_start_time\":\"08:{:02}\"}}",
                    number % 60
                );
                let answer = connection.send("PATCH", &path, Some(&body)).await;
                assert_eq!(
                    answer.status,
                    200,
                    "{}",
                    String::from_utf8_lossy(&answer.body)
                );
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / DURATION.as_secs_f64()
}

/// Both in turn, on the same disk: the machine's mood hits both alike.
pub(crate) async fn measure() -> Vec<Figure> {
    let server = servers::server();
    let first = servers::campaign(&server, None, 10, 10).await;
    let mut connection = server.connect().await;
    let mut campaigns = vec![first.clone()];
    while campaigns.len() < CONNECTIONS {
        let copy = servers::post(
            &mut connection,
            &format!("/api/v2/voice-campaigns/{first}/duplicate"),
            &serde_json::json!({}),
        )
        .await;
        campaigns.push(copy["data"]["campaign_id"].as_str().unwrap().to_owned());
    }
    let campaigns = Arc::new(campaigns);
    let path: PathOf =
        Arc::new(move |worker| format!("/api/v2/voice-campaigns/{}", campaigns[worker]));
    let baseline = Baseline::start().await;
    let (mut product, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let cpu = server.cpu_seconds();
    for _ in 0..ROUNDS {
        let ours = load(&server.host, Some(&server.token), Arc::clone(&path)).await;
        let least = load(
            &baseline.host,
            None,
            Arc::new(|worker| format!("/{worker}")),
        )
        .await;
        product.push(ours);
        bare.push(least);
        ratios.push(ours / least);
    }
    let answered = product.iter().sum::<f64>() * DURATION.as_secs_f64();
    let cpu = (server.cpu_seconds() - cpu) / answered * 1e6;
    let ratio = median(ratios);
    vec![Figure {
        name: "PATCH per second, 64 connections (medians of 3 rounds in turn)",
        measured: format!("{:.0}/s", median(product)),
        beside: format!(
            "bare axum handler with one grouped SQLite commit: {:.0}/s; {cpu:.0} µs of the server's processor time a PATCH; {:.0} MiB",
            median(bare),
            server.memory_mib()
        ),
        ratio: Some(ratio),
        target: "ratio ≥ 0.60",
        met: Some(ratio >= 0.6),
    }]
}

//! PATCH per second, beside the least that any durable handler must do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Figure;
use crate::baseline::Baseline;
use crate::client::Connection;
use crate::servers;

const CONNECTIONS: usize = 64;

async fn load(
    host: &str,
    token: Option<&str>,
    path: Arc<dyn Fn(usize) -> String + Send + Sync>,
    duration: Duration,
) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    let until = Instant::now() + duration;
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
    done.load(Ordering::Relaxed) as f64 / duration.as_secs_f64()
}

/// Both, one after the other, on the same disk.
pub(crate) async fn measure(duration: Duration) -> Vec<Figure> {
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
    let path =
        Arc::new(move |worker: usize| format!("/api/v2/voice-campaigns/{}", campaigns[worker]));
    let product = load(&server.host, Some(&server.token), path, duration).await;
    drop(server);
    let baseline = Baseline::start().await;
    let bare = load(
        &baseline.host,
        None,
        Arc::new(|worker| format!("/{worker}")),
        duration,
    )
    .await;
    vec![Figure {
        name: "PATCH per second, 64 connections",
        measured: format!("{product:.0}/s"),
        beside: format!(
            "bare axum handler with one grouped SQLite commit: {bare:.0}/s, ratio {:.2}",
            product / bare
        ),
        goal: "ratio ≥ 0.60",
    }]
}

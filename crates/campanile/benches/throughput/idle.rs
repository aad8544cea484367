//! What waiting costs.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Figure;
use crate::servers::{self, Running, pause, post};

/// Ten thousand campaigns whose windows are closed.
pub(crate) async fn measure() -> Vec<Figure> {
    const CAMPAIGNS: usize = 10_000;
    let server = servers::server();
    let empty = server.memory_mib();
    let first = servers::campaign(&server, None, 10, 10).await;
    let mut connection = server.connect().await;
    let lead = json!({ "phone_number": "+14155550100" });
    post(
        &mut connection,
        &format!("/api/v2/voice-campaigns/{first}/leads"),
        &lead,
    )
    .await;
    // Starts next century's first day: it waits, and stays so whenever this runs.
    let later = json!({ "start_date": "2100-01-01" }).to_string();
    assert_eq!(
        connection
            .send(
                "PATCH",
                &format!("/api/v2/voice-campaigns/{first}"),
                Some(&later)
            )
            .await
            .status,
        200
    );
    start_copies(&server, &first, CAMPAIGNS).await;
    pause(Duration::from_secs(5)).await;
    let (cpu, began) = (server.cpu_seconds(), Instant::now());
    pause(Duration::from_secs(20)).await;
    let share = (server.cpu_seconds() - cpu) / began.elapsed().as_secs_f64() * 100.0;
    let memory = server.memory_mib();
    vec![
        Figure {
            name: "10,000 waiting campaigns, idle for 20 s: processor",
            measured: format!("{share:.2} % of a core"),
            target: "< 1 %",
            met: Some(share < 1.0),
            ..Figure::default()
        },
        Figure {
            name: "10,000 waiting campaigns: memory",
            measured: format!("{memory:.0} MiB"),
            beside: format!("{empty:.0} MiB with an empty database"),
            ratio: Some(memory / empty),
            target: "≤ 100 MiB",
            met: Some(memory <= 100.0),
        },
    ]
}

/// Starts copies of a campaign, with its leads.
async fn start_copies(server: &Running, first: &str, count: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..16 {
        let (host, token, first) = (server.host.clone(), server.token.clone(), first.to_owned());
        tasks.spawn(async move {
            let mut connection = crate::client::Connection::open(&host, Some(&token)).await;
            for _ in (worker..count).step_by(16) {
                let copy = json!({ "include_leads": true });
                let copy = post(
                    &mut connection,
                    &format!("/api/v2/voice-campaigns/{first}/duplicate"),
                    &copy,
                )
                .await;
                let id = copy["data"]["campaign_id"].as_str().unwrap().to_owned();
                post(
                    &mut connection,
                    &format!("/api/v2/voice-campaigns/{id}/start"),
                    &json!({}),
                )
                .await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

//! What waiting costs.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Figure;
use crate::servers::{self, pause, post};

/// Ten thousand campaigns whose windows are closed.
pub(crate) async fn measure() -> Figure {
    const CAMPAIGNS: usize = 10_000;
    let server = servers::server();
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
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..16 {
        let (host, token, first) = (server.host.clone(), server.token.clone(), first.clone());
        tasks.spawn(async move {
            let mut connection = crate::client::Connection::open(&host, Some(&token)).await;
            for _ in (worker..CAMPAIGNS).step_by(16) {
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
    pause(Duration::from_secs(5)).await;
    let (cpu, began) = (server.cpu_seconds(), Instant::now());
    pause(Duration::from_secs(20)).await;
    let share = (server.cpu_seconds() - cpu) / began.elapsed().as_secs_f64() * 100.0;
    Figure {
        name: "10,000 waiting campaigns, idle for 20 s",
        measured: format!("{share:.2} % of a core, {:.0} MiB", server.memory_mib()),
        beside: "–".to_owned(),
        goal: "< 1 %, ≤ 100 MiB",
    }
}

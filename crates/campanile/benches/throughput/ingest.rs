//! Callbacks per second, and how long one waits for its answer.
//!
//! The vendor is this process: it answers each request to place a call at once and keeps the
//! address and the secret it was given. When all calls stand, it reports them as fast as a fixed
//! number of connections can: ringing, answered, ended, and the report, for each call in order.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::Figure;
use crate::calls::add_leads;
use crate::client::Connection;
use crate::numbers::{millis, percentile};
use crate::servers::{self, Running, pause};

/// Calls that stand before the first report.
const CALLS: u32 = 10_000;
const CONNECTIONS: usize = 64;
const LIMIT: Duration = Duration::from_secs(60);

/// A call that was placed here.
struct Placed {
    path: String,
    secret: String,
    call_id: String,
    attempt_key: String,
}

type Vendor = Arc<Mutex<Vec<Placed>>>;

async fn place(
    State(vendor): State<Vendor>,
    Json(body): Json<Value>,
) -> (axum::http::StatusCode, Json<Value>) {
    let server = &body["assistantOverrides"]["server"];
    let path = server["url"]
        .as_str()
        .unwrap()
        .splitn(4, '/')
        .nth(3)
        .unwrap();
    let mut calls = vendor.lock().unwrap();
    let call_id = format!("00000000-0000-4000-8000-{:012}", calls.len());
    let attempt_key = body["name"].as_str().unwrap().to_owned();
    calls.push(Placed {
        path: format!("/{path}"),
        secret: server["headers"]["X-Vapi-Secret"]
            .as_str()
            .unwrap()
            .to_owned(),
        call_id: call_id.clone(),
        attempt_key: attempt_key.clone(),
    });
    let answer = json!({ "id": call_id, "status": "queued", "name": attempt_key });
    (axum::http::StatusCode::CREATED, Json(answer))
}

/// Assistants and numbers are all known: one that is asked for by its id comes as an object, a
/// collection (`/vapi/assistant?limit=1`) as a list.
async fn known(uri: axum::http::Uri) -> Json<Value> {
    let one = json!({ "id": "known", "name": "known" });
    let is_collection = uri.path().trim_matches('/').split('/').count() == 2;
    Json(if is_collection { json!([one]) } else { one })
}

async fn vendor() -> (String, Vendor) {
    let calls = Vendor::default();
    let router = Router::new()
        .route("/vapi/call", post(place))
        .fallback(known)
        .with_state(Arc::clone(&calls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (host, calls)
}

/// The reports of one call, in order.
fn reports(call: &Placed) -> [String; 4] {
    let of = |message: Value| {
        let mut message = message;
        message["call"] = json!({ "id": call.call_id, "name": call.attempt_key });
        json!({ "message": message }).to_string()
    };
    [
        of(json!({ "type": "status-update", "status": "ringing" })),
        of(json!({ "type": "status-update", "status": "in-progress" })),
        of(
            json!({ "type": "status-update", "status": "ended", "endedReason": "customer-ended-call" }),
        ),
        of(json!({
            "type": "end-of-call-report", "endedReason": "customer-ended-call", "cost": 0.12,
            "artifact": { "transcript": "AI: Hello, this is a test.\nUser: All right, good-bye.\n".repeat(8) },
            "analysis": { "summary": "The callee listened and said good-bye." },
        })),
    ]
}

async fn report(host: String, calls: Vec<Placed>) -> Vec<Duration> {
    let mut connection = Connection::open(&host, None).await;
    let mut waits = Vec::with_capacity(calls.len() * 4);
    for call in &calls {
        let header = format!("x-vapi-secret: {}\r\n", call.secret);
        for body in reports(call) {
            let began = Instant::now();
            let answer = connection
                .send_with("POST", &call.path, &header, Some(&body))
                .await;
            waits.push(began.elapsed());
            assert_eq!(
                answer.status,
                200,
                "{}",
                String::from_utf8_lossy(&answer.body)
            );
        }
    }
    waits
}

pub(crate) async fn measure() -> Vec<Figure> {
    let name = "callbacks per second, durable before the answer, 64 connections";
    measure_on(servers::server(), name).await
}

/// The same on a server of the caller's.
pub(crate) async fn measure_on(server: Running, name: &'static str) -> Vec<Figure> {
    let (host, vendor) = vendor().await;
    let campaign = servers::campaign(&server, Some(&host), CALLS, 10_000).await;
    add_leads(&server, &campaign, CALLS as usize).await;
    servers::order(&server, &campaign, "start").await;
    let began = Instant::now();
    while vendor.lock().unwrap().len() < CALLS as usize {
        assert!(began.elapsed() < LIMIT, "the calls are not placed in time");
        pause(Duration::from_millis(50)).await;
    }
    // The answers to the last requests are being stored.
    pause(Duration::from_secs(1)).await;
    let mut shares: Vec<Vec<Placed>> = (0..CONNECTIONS).map(|_| Vec::new()).collect();
    for (index, call) in vendor.lock().unwrap().drain(..).enumerate() {
        shares[index % CONNECTIONS].push(call);
    }
    let (cpu, began) = (server.cpu_seconds(), Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for share in shares {
        tasks.spawn(report(server.host.clone(), share));
    }
    let mut waits = Vec::with_capacity(CALLS as usize * 4);
    while let Some(done) = tasks.join_next().await {
        waits.extend(done.unwrap());
    }
    let elapsed = began.elapsed().as_secs_f64();
    let cpu = (server.cpu_seconds() - cpu) / waits.len() as f64 * 1e6;
    let rate = waits.len() as f64 / elapsed;
    waits.sort_unstable();
    vec![Figure {
        name,
        measured: format!("{rate:.0}/s"),
        beside: format!(
            "acknowledged p50 {}, p99 {}; {cpu:.0} µs of the server's processor time a callback; {:.0} MiB",
            millis(percentile(&waits, 50)),
            millis(percentile(&waits, 99)),
            server.memory_mib()
        ),
        target: "≥ 5,000/s, p99 ≤ 100 ms",
        met: Some(rate >= 5_000.0 && percentile(&waits, 99) <= Duration::from_millis(100)),
        ..Figure::default()
    }]
}

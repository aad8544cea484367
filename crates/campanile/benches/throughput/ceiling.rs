//! What the vendor's side and the disk allow by themselves, with none of the product's work: the
//! figures beside "call starts per second".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::client::Connection;
use crate::servers;

const CONNECTIONS: usize = 64;
const DURATION: Duration = Duration::from_secs(4);
const KEY: &str = "authorization: Bearer bench\r\n";

/// The request that the product writes for such a call, with an address for callbacks or without.
fn request(number: u64, callbacks: Option<&str>) -> String {
    let key = format!("att_{number:032}");
    let mut request = json!({
        "name": key, "assistantId": "asst_abc123", "phoneNumberId": "pn_abc123",
        "assistantOverrides": {
            "variableValues": { "first_name": "Ann", "phone_number": format!("+1415{number:07}") },
            "metadata": { "attempt_id": key, "campaign_id": "1" },
        },
        "customer": { "number": format!("+1415{number:07}"), "externalId": key },
    });
    if let Some(url) = callbacks {
        let overrides = &mut request["assistantOverrides"];
        overrides["server"] = json!({ "url": url, "headers": { "X-Vapi-Secret": "bench" } });
        overrides["serverMessages"] = json!(["status-update", "end-of-call-report", "hang"]);
    }
    request.to_string()
}

async fn place(connection: &mut Connection, number: u64, callbacks: Option<&str>) {
    let answer = connection
        .send_with("POST", "/vapi/call", KEY, Some(&request(number, callbacks)))
        .await;
    assert_eq!(
        answer.status,
        201,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
}

/// Calls per second that a bare client gets accepted.
pub(crate) async fn sandbox_alone(scenario: &Value) -> f64 {
    run(scenario, None).await
}

/// Places so many calls with callbacks, as fast as a bare client can.
pub(crate) async fn place_all(host: &str, calls: usize, callbacks: &str) {
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..CONNECTIONS {
        let (host, callbacks) = (host.to_owned(), callbacks.to_owned());
        tasks.spawn(async move {
            let mut connection = Connection::open(&host, None).await;
            for number in (worker..calls).step_by(CONNECTIONS) {
                place(&mut connection, number as u64, Some(&callbacks)).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// The same when each call is a row first, durable by grouped commit.
pub(crate) async fn reserve_and_post(scenario: &Value) -> f64 {
    let directory = tempfile::tempdir_in(crate::machine::DISK).unwrap();
    let connection = rusqlite::Connection::open(directory.path().join("ceiling.db")).unwrap();
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
        connection.pragma_update(None, pragma, value).unwrap();
    }
    connection
        .execute_batch("CREATE TABLE calls (id INTEGER PRIMARY KEY, request TEXT NOT NULL) STRICT")
        .unwrap();
    let (sender, receiver) = mpsc::channel::<Job>();
    let writer = std::thread::spawn(move || write(&connection, &receiver));
    let rate = run(scenario, Some(sender)).await;
    writer.join().unwrap();
    rate
}

type Job = (u64, oneshot::Sender<()>);

fn write(connection: &rusqlite::Connection, receiver: &mpsc::Receiver<Job>) {
    while let Ok(first) = receiver.recv() {
        let mut jobs = vec![first];
        jobs.extend(receiver.try_iter().take(511));
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (number, _) in &jobs {
            let mut statement = connection
                .prepare_cached("INSERT INTO calls VALUES (?1, ?2)")
                .unwrap();
            statement
                .execute(rusqlite::params![
                    i64::try_from(*number).unwrap(),
                    request(*number, None)
                ])
                .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        for (_, done) in jobs {
            let _ = done.send(());
        }
    }
}

async fn run(scenario: &Value, writer: Option<mpsc::Sender<Job>>) -> f64 {
    let sandbox = servers::sandbox(scenario);
    let next = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + DURATION;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (host, next, writer) = (sandbox.host.clone(), Arc::clone(&next), writer.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(&host, None).await;
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if let Some(writer) = &writer {
                    let (done, committed) = oneshot::channel();
                    writer.send((number, done)).unwrap();
                    committed.await.unwrap();
                }
                place(&mut connection, number, None).await;
            }
        });
    }
    drop(writer);
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    next.load(Ordering::Relaxed) as f64 / DURATION.as_secs_f64()
}

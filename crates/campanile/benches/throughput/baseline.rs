//! The least that a durable PATCH must do: parse JSON, one UPDATE, one grouped commit with
//! `synchronous=FULL`, answer. No authentication, no validation, no history.
//!
//! It runs in this process, so it shares the load generator's runtime; that favours it.

use std::sync::mpsc;

use axum::extract::{Path, State};
use axum::routing::patch;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::oneshot;

type Job = (i64, String, oneshot::Sender<()>);

pub(crate) struct Baseline {
    pub(crate) host: String,
    _directory: tempfile::TempDir,
}

impl Baseline {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir_in(crate::machine::DISK).unwrap();
        let connection = rusqlite::Connection::open(directory.path().join("baseline.db")).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection
            .pragma_update(None, "synchronous", "FULL")
            .unwrap();
        connection
            .execute_batch(
                "CREATE TABLE campaigns (id INTEGER PRIMARY KEY, settings TEXT NOT NULL) STRICT",
            )
            .unwrap();
        for id in 0..64_i64 {
            connection
                .execute("INSERT INTO campaigns VALUES (?1, '{}')", [id])
                .unwrap();
        }
        let (sender, receiver) = mpsc::channel::<Job>();
        std::thread::spawn(move || write(&connection, &receiver));
        let router = Router::new()
            .route("/{id}", patch(handle))
            .with_state(sender);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            host,
            _directory: directory,
        }
    }
}

fn write(connection: &rusqlite::Connection, receiver: &mpsc::Receiver<Job>) {
    while let Ok(first) = receiver.recv() {
        let mut jobs = vec![first];
        jobs.extend(receiver.try_iter().take(511));
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (id, settings, _) in &jobs {
            let mut statement = connection
                .prepare_cached("UPDATE campaigns SET settings = ?2 WHERE id = ?1")
                .unwrap();
            statement.execute(rusqlite::params![id, settings]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        for (_, _, done) in jobs {
            let _ = done.send(());
        }
    }
}

async fn handle(
    State(writer): State<mpsc::Sender<Job>>,
    Path(id): Path<i64>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let (done, committed) = oneshot::channel();
    writer.send((id, body.to_string(), done)).unwrap();
    committed.await.unwrap();
    Json(json!({ "status": "success" }))
}

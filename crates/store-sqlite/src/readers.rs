//! A few threads that read, each with its own connection.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use store::{StoreError, StoreResult};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Runs reads, each on one consistent snapshot.
pub(crate) enum Readers {
    /// Threads that take from one queue.
    Threads(Mutex<Sender<Job>>),
    /// The caller's own thread: for the deterministic simulation.
    Inline(Box<Mutex<Connection>>),
}

impl Readers {
    /// Starts one thread a connection. They end when the last handle is gone.
    pub(crate) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (sender, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for connection in connections {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name("sqlite-reader".to_owned())
                .spawn(move || run_loop(&connection, &receiver))?;
        }
        Ok(Self::Threads(Mutex::new(sender)))
    }

    /// Runs `body` on a snapshot.
    pub(crate) async fn read<T, F>(&self, body: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    {
        let stopped = || StoreError::Unavailable("the database has stopped".to_owned());
        match self {
            Self::Inline(connection) => {
                body(&connection.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Self::Threads(sender) => {
                let (reply, answer) = oneshot::channel();
                let job: Job = Box::new(move |connection| {
                    // Nobody listens if the caller was cancelled.
                    let _ = reply.send(in_snapshot(connection, body));
                });
                sender
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .send(job)
                    .map_err(|_| stopped())?;
                answer.await.unwrap_or_else(|_| Err(stopped()))
            }
        }
    }
}

/// Several statements of one read see the same state.
fn in_snapshot<T>(
    connection: &Connection,
    body: impl FnOnce(&Connection) -> StoreResult<T>,
) -> StoreResult<T> {
    let snapshot = connection
        .unchecked_transaction()
        .map_err(crate::error::translate)?;
    let result = body(&snapshot);
    // Read-only: ending it either way loses nothing.
    let _ = snapshot.rollback();
    result
}

fn run_loop(connection: &Connection, receiver: &Mutex<Receiver<Job>>) {
    loop {
        let job = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        match job {
            Ok(job) => job(connection),
            Err(_) => return,
        }
    }
}

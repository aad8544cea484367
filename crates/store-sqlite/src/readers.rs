//! Reading: a few threads for what may take long, and idle connections for single rows.
//!
//! Handing a read of one row to a thread and back costs more than the read (two context switches,
//! a fifth of a PATCH by profile). Such reads run where they are asked for, on a connection of
//! their own; they touch a handful of pages and never wait for the writer (WAL).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use store::{StoreError, StoreResult};
use tokio::sync::oneshot;

/// Held for as long as a connection that reads is open. The writer closes last, so that it is the
/// one to fold the log into the database: of two that close at the same moment neither would.
pub(crate) type StillOpen = Sender<()>;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Runs reads, each on one consistent snapshot.
pub(crate) enum Readers {
    /// Threads that take from one queue, and connections for single rows.
    Threads {
        /// Where the threads take from.
        queue: Mutex<Sender<Job>>,
        /// Connections for single rows that nobody uses.
        idle: Mutex<Vec<Connection>>,
        /// Given up when they are closed: fields are dropped in this order.
        _open: StillOpen,
    },
    /// The caller's own thread: for the deterministic simulation.
    Inline(Box<Mutex<Connection>>),
}

impl Readers {
    /// Starts one thread a connection. They end when the last handle is gone. Each connection is
    /// held together with a share of `open`, which is given up after it is closed.
    pub(crate) fn start(
        connections: Vec<Connection>,
        for_rows: Vec<Connection>,
        open: &StillOpen,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for connection in connections {
            let (receiver, open) = (Arc::clone(&receiver), open.clone());
            let work = move || {
                run_loop(&connection, &receiver);
                drop(connection);
                drop(open);
            };
            std::thread::Builder::new()
                .name("sqlite-reader".to_owned())
                .spawn(work)?;
        }
        Ok(Self::Threads {
            queue: Mutex::new(sender),
            idle: Mutex::new(for_rows),
            _open: open.clone(),
        })
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
            Self::Threads { queue, .. } => {
                let (reply, answer) = oneshot::channel();
                let job: Job = Box::new(move |connection| {
                    // Nobody listens if the caller was cancelled.
                    let _ = reply.send(in_snapshot(connection, body));
                });
                queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .send(job)
                    .map_err(|_| stopped())?;
                answer.await.unwrap_or_else(|_| Err(stopped()))
            }
        }
    }
}

impl Readers {
    /// Runs a read of a few rows by key, at once and on the caller's thread; when all connections
    /// for that are in use, on a reader's.
    pub(crate) async fn rows<T, F>(&self, body: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    {
        match self.take_idle() {
            Some(connection) => self.give_back(in_snapshot(&connection, body), connection),
            None => self.read(body).await,
        }
    }

    /// The same for a read of one statement, which is a snapshot by itself.
    pub(crate) async fn row<T, F>(&self, body: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    {
        match self.take_idle() {
            Some(connection) => self.give_back(body(&connection), connection),
            None => self.read(body).await,
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let Self::Threads { idle, .. } = self else {
            return None;
        };
        idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back<T>(&self, result: T, connection: Connection) -> T {
        if let Self::Threads { idle, .. } = self {
            idle.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        result
    }
}

/// Several statements of one read see the same state.
fn in_snapshot<T>(
    connection: &Connection,
    body: impl FnOnce(&Connection) -> StoreResult<T>,
) -> StoreResult<T> {
    // Prepared once: parsing `BEGIN` costs as much as a row by key. A panic in between unwinds
    // past the connection, which is then closed and not used again.
    let run = |sql| connection.prepare_cached(sql)?.execute([]);
    run("BEGIN").map_err(crate::error::translate)?;
    let result = body(connection);
    // Read-only: ending it either way loses nothing.
    let _ = run("ROLLBACK");
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

//! Idle connections to providers, taken and given back one request at a time.
//!
//! Our own, and small, because a dial client must know what a general one hides: when the
//! connection stands and no byte has left (that is where the guard is asked, by its
//! [`Gate`]), and whether a failed request can have left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::gate::Gate;
use crate::one_body::OneBody;

/// Idle connections kept per address.
const MAX_IDLE: usize = 128;
/// How long an idle connection is trusted. Shorter than servers' usual patience, so that a request
/// rarely meets a connection that is just being closed: its fate would be unknown.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

/// An open connection: where requests go in, and the gate that they pass.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<OneBody>,
    pub(crate) gate: Arc<Gate>,
}

#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<String, Vec<(Connection, Instant)>>>,
}

impl Pool {
    /// A connection that is open and ready, the most recently used first.
    pub(crate) fn take(&self, address: &str) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(address)?;
        while let Some((connection, since)) = connections.pop() {
            if connection.sender.is_ready() && since.elapsed() < MAX_IDLE_AGE {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read whole.
    pub(crate) fn give_back(&self, address: &str, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.entry(address.to_owned()).or_default();
        connections.retain(|(connection, since)| {
            !connection.sender.is_closed() && since.elapsed() < MAX_IDLE_AGE
        });
        if connections.len() < MAX_IDLE {
            #[expect(
                clippy::disallowed_methods,
                reason = "the age of a connection is no business time"
            )]
            connections.push((connection, Instant::now()));
        }
    }
}

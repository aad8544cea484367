//! Hints from one process to the dialers of the others: look now, before the next scan.
//!
//! A hint only shortens a wait. It carries nothing, not even whose tenant has changed: who hears it
//! looks as it would have looked by itself. Without hints, or while they do not get through,
//! everything happens as well, at the next scan.
//!
//! It is told after the commit that it is about, outside of its transaction: the server lets the
//! commits of all transactions that notify stand in line, and tenants shall not wait for each other.
//! Those of a moment are told as one.
//!
//! Invariants: one connection a process; one that is lost is made anew after a pause that grows, to
//! [`LONGEST_PAUSE`] at most; nobody waits for a hint to be told; who listens anew looks once, as it
//! may have missed some. A failure is told in the log, and ends nothing.
//!
//! A process that does not dial tells and does not listen. Of what one that dials does by itself
//! (facts, additions) it tells nothing: its own dialer sees to what follows.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use futures_util::future::{self, Either};
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};

use crate::connect::{make_tls, within_patience};
use crate::error::describe;
use crate::shared::Shared;
use crate::store_impl::PostgresStore;

/// Listens to the one channel.
const LISTEN: &str = "LISTEN campanile_wake";
/// Tells those who listen.
const NOTIFY: &str = "NOTIFY campanile_wake";
/// Shortest distance between two hints of a process.
const HINT_DISTANCE: Duration = Duration::from_millis(100);
/// Pause before a lost connection is made anew, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The same, at last.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After so much silence the server is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(30);
/// A server that takes longer is not there.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

impl PostgresStore {
    /// Tells and hears hints for as long as it is polled.
    pub(crate) async fn carry_hints(&self) {
        let mut pause = FIRST_PAUSE;
        let mut is_told = false;
        loop {
            let mut link = Link {
                shared: &self.shared,
                own: AtomicI32::new(0),
            };
            let why = self.link_up(&mut link).await;
            let stood = *link.own.get_mut() != 0;
            if stood {
                (pause, is_told) = (FIRST_PAUSE, false);
            }
            if !is_told {
                tracing::warn!(
                    cause = why,
                    "no hints between processes: dialers notice what other processes do at their next scan"
                );
                is_told = true;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Connects, and answers why the connection ended.
    async fn link_up(&self, link: &mut Link<'_>) -> String {
        let config = &self.address.config;
        let ended = if let Some((verify, roots)) = &self.address.tls {
            let tls = match make_tls(&self.address, *verify, roots.as_ref()) {
                Ok(tls) => tls,
                Err(error) => return error.to_string(),
            };
            match within_patience(&self.address, config.connect(tls)).await {
                Ok((client, connection)) => link.stand(client, connection).await,
                Err(error) => return error.to_string(),
            }
        } else {
            match within_patience(&self.address, config.connect(NoTls)).await {
                Ok((client, connection)) => link.stand(client, connection).await,
                Err(error) => return error.to_string(),
            }
        };
        match ended {
            Ok(()) => "the server does not answer".to_owned(),
            Err(error) => describe(&error),
        }
    }
}

/// One connection.
struct Link<'a> {
    shared: &'a Shared,
    /// The number that the server gives this session; 0 until it is known. Who tells hears it too.
    own: AtomicI32,
}

impl Link<'_> {
    /// Tells and hears until the connection ends, or the server falls silent.
    async fn stand<S, T>(
        &self,
        client: Client,
        mut connection: Connection<S, T>,
    ) -> Result<(), tokio_postgres::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let messages = futures_util::stream::poll_fn(|context| connection.poll_message(context));
        let (hear, tell) = (
            std::pin::pin!(self.hear(messages)),
            std::pin::pin!(self.tell(&client)),
        );
        match future::select(hear, tell).await {
            Either::Left((ended, _)) | Either::Right((ended, _)) => ended,
        }
    }

    async fn hear(
        &self,
        mut messages: impl Stream<Item = Result<AsyncMessage, tokio_postgres::Error>> + Unpin,
    ) -> Result<(), tokio_postgres::Error> {
        while let Some(message) = messages.next().await {
            if let AsyncMessage::Notification(hint) = message?
                && hint.process_id() != self.own.load(Ordering::Relaxed)
            {
                self.shared.wake.notify_one();
            }
        }
        Ok(())
    }

    async fn tell(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let sql = "SELECT pg_backend_pid()";
        let own: i32 = match in_time(client.query_one(sql, &[])).await {
            Some(row) => row?.try_get(0)?,
            None => return Ok(()),
        };
        self.own.store(own, Ordering::Relaxed);
        if self.shared.dials {
            let Some(listening) = in_time(client.batch_execute(LISTEN)).await else {
                return Ok(());
            };
            listening?;
            self.shared.wake.notify_one();
        }
        loop {
            let hint = tokio::time::timeout(SILENCE, self.shared.hint.notified()).await;
            let words = if hint.is_ok() { NOTIFY } else { "" };
            match in_time(client.batch_execute(words)).await {
                Some(Ok(())) => {}
                failed => {
                    // It is told over the next connection.
                    if hint.is_ok() {
                        self.shared.hint.notify_one();
                    }
                    return failed.unwrap_or(Ok(()));
                }
            }
            tokio::time::sleep(HINT_DISTANCE).await;
        }
    }
}

/// The server's answer, unless it falls silent.
async fn in_time<T>(answer: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(ANSWER_LIMIT, answer).await.ok()
}

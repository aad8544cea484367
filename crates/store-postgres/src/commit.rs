//! Commits, and what becomes known of one whose answer never came.
//!
//! The only place that commits; `clippy.toml` bans it everywhere else. A COMMIT that the server refused is
//! undone. One whose connection is lost before the answer was either done or not, and neither may be
//! assumed: who takes it for undone and repeats it does it twice, who takes it for done believes in a
//! pause that never was.
//!
//! A tenant's write has a witness: its number as a transaction, and the session that holds this process's
//! number among the nodes, which was there before the transaction began. As long as that session lives the
//! server was neither restarted nor recovered nor replaced meanwhile, and what it says of the number is said
//! of this transaction. (After a crash a number whose transaction was never written to disk is given out
//! again, and a promoted standby gives out numbers of its own.) When the session is gone as well, or
//! does not answer, the fate stays unknown: [`StoreError::CommitUnknown`].
//!
//! Nothing is repeated here.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use futures_util::future::{join3, poll_immediate};
use store::{StoreError, StoreResult};
use tokio_postgres::Error;
use tokio_postgres::error::Severity;

use crate::error::{describe, translate};
use crate::tx::Tx;

/// How long a witness is asked. A backend whose client is gone ends its commit all the same.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two questions, while the transaction is still in progress.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Who can tell later what became of a transaction.
#[derive(Clone)]
pub(crate) struct Witness {
    /// Older than the transaction.
    pub(crate) session: Arc<ClientWrapper>,
    /// The transaction's number, as PostgreSQL writes it.
    pub(crate) transaction: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Committed,
    Aborted,
    Unknown,
}

/// Commits what no witness can tell about.
pub(crate) async fn commit(tx: Tx<'_>) -> StoreResult<()> {
    tx.caught_up().await?;
    let Err(error) = attempt(&tx).await else {
        return Ok(());
    };
    Err(if is_decided(&error) {
        translate(error)
    } else {
        StoreError::CommitUnknown(describe(&error))
    })
}

/// Runs a last statement and commits behind it, without waiting for the statement's answer; asks the
/// witness if the answers are lost. An `Ok` means that it is durable.
///
/// A statement that fails undoes the transaction, and the server takes the COMMIT behind it for the end of
/// that. `last` is sent when it is first polled: it is prepared. One that cannot even be sent has nothing
/// committed.
pub(crate) async fn commit_after(
    tx: &Tx<'_>,
    witness: &Witness,
    last: impl Future<Output = Result<u64, Error>>,
) -> StoreResult<()> {
    let mut last = std::pin::pin!(last);
    let sent = match poll_immediate(&mut last).await {
        Some(Err(error)) => return Err(translate(error)),
        Some(Ok(_)) => None,
        None => Some(last),
    };
    let written = async {
        match sent {
            Some(last) => last.await.map(drop),
            None => Ok(()),
        }
    };
    let (caught_up, written, committed) = join3(tx.caught_up(), written, attempt(tx)).await;
    let Err(error) = written.and(committed) else {
        return caught_up;
    };
    if is_decided(&error) {
        // What failed first says why.
        caught_up?;
        return Err(translate(error));
    }
    let fate = witness.tell().await;
    tracing::warn!(
        error = %describe(&error),
        fate = ?fate,
        "the connection to the database was lost during a commit"
    );
    match fate {
        Fate::Committed => Ok(()),
        Fate::Aborted => Err(StoreError::Unavailable(format!(
            "the connection was lost while committing, and nothing was done: {}",
            describe(&error)
        ))),
        Fate::Unknown => Err(StoreError::CommitUnknown(describe(&error))),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
async fn attempt(tx: &Tx<'_>) -> Result<(), Error> {
    tx.end().batch_execute("COMMIT").await
}

/// Whether the server answered the COMMIT itself. Whatever ends the session may have come after it.
fn is_decided(error: &Error) -> bool {
    error.as_db_error().is_some_and(|told| {
        !matches!(
            told.parsed_severity(),
            Some(Severity::Fatal | Severity::Panic)
        )
    })
}

impl Witness {
    async fn tell(&self) -> Fate {
        let asked = async {
            loop {
                match self.ask().await {
                    Ok(None) => tokio::time::sleep(ASK_EVERY).await,
                    Ok(Some(fate)) => return fate,
                    Err(_) => return Fate::Unknown,
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, asked).await;
        told.unwrap_or(Fate::Unknown)
    }

    /// `None`: it is still in progress.
    async fn ask(&self) -> Result<Option<Fate>, Error> {
        let sql = "SELECT pg_xact_status($1::text::xid8) AS fate";
        let row = self.session.query_one(sql, &[&self.transaction]).await?;
        let fate: Option<&str> = row.try_get("fate")?;
        Ok(match fate {
            Some("committed") => Some(Fate::Committed),
            Some("aborted") => Some(Fate::Aborted),
            Some("in progress") => None,
            // Long forgotten.
            _ => Some(Fate::Unknown),
        })
    }
}

//! A transaction whose beginning and savepoints cost no round trips of their own.
//!
//! `BEGIN` and for whom it works are sent ahead, and the first statement right behind them. What that
//! statement answers is believed only when both were answered well: had `BEGIN` failed, it would have run
//! by itself, and seen nothing of any tenant, as the walls between them let nobody through who does not say
//! who he is. The same holds for whatever else is sent ahead. Tables of the server itself have no
//! walls: whoever writes them waits until the transaction has begun ([`Tx::begin_now`]).
//!
//! A transaction that is dropped is rolled back: that is sent, and not waited for. Only `commit.rs`
//! commits.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::ClientWrapper;
use domain::TenantId;
use futures_util::FutureExt as _;
use futures_util::future::{join, poll_immediate};
use store::{StoreError, StoreResult};
use tokio::sync::Mutex;
use tokio_postgres::{Error, Row, Statement};

use crate::error::translate;
use crate::query::Bound;

/// For whom a transaction works; see the policies in the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) enum As {
    /// For this tenant: it sees nothing else.
    Tenant(TenantId),
    /// For the server itself.
    Server,
}

impl As {
    fn name(self) -> String {
        match self {
            Self::Tenant(tenant_id) => tenant_id.raw().to_string(),
            Self::Server => "*".to_owned(),
        }
    }
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Reads one snapshot.
    Snapshot,
    /// Writes, READ COMMITTED.
    Write,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Snapshot => "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            Self::Write => "START TRANSACTION ISOLATION LEVEL READ COMMITTED",
        }
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// How far what was sent ahead is.
enum Ahead<'a> {
    Awaited(Answer<'a>),
    Done,
    Failed,
}

/// One transaction on a connection.
pub(crate) struct Tx<'a> {
    client: &'a ClientWrapper,
    ahead: Mutex<Ahead<'a>>,
    ended: AtomicBool,
}

impl<'a> Tx<'a> {
    /// Sends its beginning.
    pub(crate) async fn begin(
        client: &'a ClientWrapper,
        kind: Kind,
        scope: As,
    ) -> StoreResult<Tx<'a>> {
        let sql = "SELECT set_config('campanile.tenant', $1, true)";
        // Before anything has begun: what is sent behind `BEGIN` is prepared already.
        let enter = client.prepare_cached(sql).await.map_err(translate)?;
        let answer = Box::pin(async move {
            let name = scope.name();
            let begun = client.batch_execute(kind.words());
            let (begun, entered) = join(begun, client.execute(&enter, &[&name])).await;
            begun.and(entered.map(drop))
        });
        let tx = Self {
            client,
            ahead: Mutex::new(Ahead::Done),
            ended: AtomicBool::new(false),
        };
        tx.send(answer).await?;
        Ok(tx)
    }

    /// The same, and waits until it has begun.
    pub(crate) async fn begin_now(
        client: &'a ClientWrapper,
        kind: Kind,
        scope: As,
    ) -> StoreResult<Tx<'a>> {
        let tx = Self::begin(client, kind, scope).await?;
        tx.caught_up().await?;
        Ok(tx)
    }

    /// Sends a statement without parameters and rows, and does not wait for its answer.
    pub(crate) async fn send_ahead(&self, sql: &'static str) -> StoreResult<()> {
        self.send(Box::pin(self.client.batch_execute(sql))).await
    }

    async fn send(&self, mut answer: Answer<'a>) -> StoreResult<()> {
        let mut ahead = self.ahead.lock().await;
        // This sends it.
        let answered = poll_immediate(&mut answer).await;
        let before = std::mem::replace(&mut *ahead, Ahead::Failed);
        *ahead = match (before, answered) {
            (Ahead::Failed, _) => Ahead::Failed,
            (_, Some(Err(error))) => return Err(translate(error)),
            (before, Some(Ok(()))) => before,
            (Ahead::Done, None) => Ahead::Awaited(answer),
            (Ahead::Awaited(before), None) => Ahead::Awaited(Box::pin(async move {
                before.await?;
                answer.await
            })),
        };
        Ok(())
    }

    /// Whether all that was sent ahead was answered well.
    pub(crate) async fn caught_up(&self) -> StoreResult<()> {
        let mut ahead = self.ahead.lock().await;
        let answered = match &mut *ahead {
            Ahead::Done => return Ok(()),
            Ahead::Failed => {
                return Err(StoreError::Unavailable(
                    "a part of the transaction did not begin".to_owned(),
                ));
            }
            Ahead::Awaited(answer) => answer.await,
        };
        *ahead = match answered {
            Ok(()) => Ahead::Done,
            Err(_) => Ahead::Failed,
        };
        answered.map_err(translate)
    }

    /// What is asked inside of it: nothing is believed that was answered before it had begun. In a box,
    /// because a plan has many statements within one another.
    async fn inside<T>(
        &self,
        asked: Pin<Box<impl Future<Output = Result<T, Error>>>>,
    ) -> StoreResult<T> {
        let (caught_up, answered) = join(self.caught_up(), asked).await;
        caught_up?;
        answered.map_err(translate)
    }

    /// A statement of this connection. One that is known costs no question to the server.
    pub(crate) async fn prepare(&self, sql: &str) -> StoreResult<Statement> {
        match self.client.prepare_cached(sql).await {
            Ok(statement) => Ok(statement),
            Err(error) => {
                self.caught_up().await?;
                Err(translate(error))
            }
        }
    }

    /// The rows of a prepared statement, which is sent when this is first polled.
    pub(crate) async fn query(
        &self,
        statement: &Statement,
        bound: Bound<'_>,
    ) -> StoreResult<Vec<Row>> {
        self.inside(Box::pin(self.client.query(statement, bound)))
            .await
    }

    /// How many rows a prepared statement changes; it is sent when this is first polled.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        bound: Bound<'_>,
    ) -> StoreResult<u64> {
        self.inside(Box::pin(self.client.execute(statement, bound)))
            .await
    }

    /// Statements without parameters and rows.
    pub(crate) async fn batch_execute(&self, sql: &str) -> StoreResult<()> {
        self.inside(Box::pin(self.client.batch_execute(sql))).await
    }

    /// How many rows the last statement changes, for `commit.rs`, which looks at what else was sent.
    pub(crate) async fn execute_last(
        &self,
        statement: &Statement,
        bound: Bound<'_>,
    ) -> Result<u64, Error> {
        self.client.execute(statement, bound).await
    }

    /// Its connection, for what is not asked through here; it has begun.
    pub(crate) async fn connection(&self) -> StoreResult<&'a ClientWrapper> {
        self.caught_up().await?;
        Ok(self.client)
    }

    /// Its connection, for whoever ends it now; what was sent ahead may not be answered yet.
    pub(crate) fn end(&self) -> &'a ClientWrapper {
        self.ended.store(true, Ordering::Relaxed);
        self.client
    }

    /// Undoes it.
    pub(crate) async fn rollback(self) -> StoreResult<()> {
        self.ended.store(true, Ordering::Relaxed);
        self.client
            .batch_execute("ROLLBACK")
            .await
            .map_err(translate)
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if !*self.ended.get_mut() {
            // The first poll sends it; what is answered goes to nobody.
            let _ = self.client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}

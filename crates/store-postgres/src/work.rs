//! One write transaction of one tenant.
//!
//! Isolation: READ COMMITTED. The first statement locks the tenant's row (`FOR NO KEY UPDATE`), so
//! that all writes of a tenant have one order, over all nodes, and every later statement sees what
//! the one before committed. Lock order: the tenant's row, then any rows of that tenant; no
//! transaction locks two tenants. Statements of the server itself (look-ups to claim, keys to sweep)
//! lock no tenant and skip locked rows instead of waiting.
//!
//! Memory follows in the same order: reserved calls are put on the send board, and revoked ones
//! taken back, while the tenant's row is still locked. So a reservation stands on the board before
//! its transaction commits, and a narrowing that commits later finds it there. A commit that fails,
//! or whose fate is unknown, takes its reservations off again: they are never sent, and looked up.

use deadpool_postgres::ClientWrapper;
use domain::TenantId;
use failpoint::Failpoint;
use futures_util::future::ready;
use jiff::Timestamp;
use store::{Dispatch, Scope, StoreError, StoreResult};
use tokio_postgres::Statement;

use crate::commit::{Witness, commit_after};
use crate::events::{self, Columns, Pending};
use crate::node::Claim;
use crate::query::{self, bound};
use crate::shared::Shared;
use crate::tx::{As, Kind, Tx};

/// What an operation may use: the transaction, ids, and what to do with the commit.
pub(crate) struct Work<'a> {
    /// The open transaction.
    pub(crate) tx: Tx<'a>,
    /// Memory of the process.
    pub(crate) shared: &'a Shared,
    /// For whom it works.
    pub(crate) tenant_id: TenantId,
    node: i64,
    witness: Witness,
    last_sequence: i64,
    events: Vec<Pending>,
    steps: Vec<Step>,
    wakes: bool,
    /// Whether other processes are told nothing of it.
    is_quiet: bool,
    /// What it is, for tests that stop the process around its commit.
    kinds: Vec<failpoint::Transaction>,
}

enum Step {
    Reserve(Vec<Dispatch>),
    HandOver(Dispatch),
    Revoke(Scope),
}

/// What an operation can be taken back to.
pub(crate) struct Mark {
    last_sequence: i64,
    events: usize,
    steps: usize,
    wakes: bool,
}

impl<'a> Work<'a> {
    /// Locks the tenant. One that is not there has nothing, and nothing can be written for it.
    pub(crate) async fn begin(
        client: &'a ClientWrapper,
        shared: &'a Shared,
        claim: Claim,
        tenant_id: TenantId,
    ) -> StoreResult<Self> {
        let tx = Tx::begin(client, Kind::Write, As::Tenant(tenant_id)).await?;
        let sql = "SELECT last_sequence, pg_current_xact_id()::text AS transaction
                   FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE";
        let locked = query::one(&tx, sql, bound![tenant_id.raw()], |cells| {
            Ok((cells.get("last_sequence")?, cells.get("transaction")?))
        })
        .await?;
        let (last_sequence, transaction) = locked.ok_or(StoreError::NotFound("tenant"))?;
        Ok(Self {
            tx,
            shared,
            tenant_id,
            node: claim.owned.number,
            witness: Witness {
                session: claim.session,
                transaction,
            },
            last_sequence,
            events: Vec::new(),
            steps: Vec::new(),
            wakes: false,
            is_quiet: false,
            kinds: Vec::new(),
        })
    }

    /// Says what this transaction is, so that a test can stop the process around its commit.
    pub(crate) fn is_a(&mut self, transaction: failpoint::Transaction) {
        if failpoint::ENABLED {
            self.kinds.push(transaction);
        }
    }

    /// The number of this node.
    pub(crate) const fn node(&self) -> i64 {
        self.node
    }

    /// A new id.
    pub(crate) fn next_id(&self, now: Timestamp) -> i64 {
        self.shared.ids.next(self.node, now)
    }

    /// Sequence of the last event that was told.
    pub(crate) const fn last_sequence(&self) -> i64 {
        self.last_sequence
    }

    /// Tells an event with the next sequence of the tenant's feed; it is written at the commit.
    pub(crate) fn tell(&mut self, event: impl FnOnce(i64) -> Pending) {
        self.last_sequence += 1;
        self.events.push(event(self.last_sequence));
    }

    /// Puts reserved calls on the board with the commit.
    pub(crate) fn reserve(&mut self, dispatches: &[Dispatch]) {
        self.steps.push(Step::Reserve(dispatches.to_vec()));
    }

    /// The same for a test call, which the next tick hands out.
    pub(crate) fn reserve_test_call(&mut self, dispatch: Dispatch) {
        self.reserve(std::slice::from_ref(&dispatch));
        self.steps.push(Step::HandOver(dispatch));
        self.wake();
    }

    /// Takes back what was not begun, with the commit.
    pub(crate) fn revoke(&mut self, scope: Scope) {
        self.steps.push(Step::Revoke(scope));
    }

    /// Rings the dialers once this is durable.
    pub(crate) fn wake(&mut self) {
        self.wakes = true;
    }

    /// This is no user's doing: if this process dials, its own dialer sees to what follows, and the
    /// others are not disturbed.
    pub(crate) fn keep_quiet(&mut self) {
        self.is_quiet = self.shared.dials;
    }

    /// Begins a part that happens whole or leaves no trace, while the operation goes on.
    pub(crate) async fn begin_part(&self) -> StoreResult<Mark> {
        self.tx.send_ahead("SAVEPOINT part").await?;
        Ok(Mark {
            last_sequence: self.last_sequence,
            events: self.events.len(),
            steps: self.steps.len(),
            wakes: self.wakes,
        })
    }

    /// Ends the part. What the database cannot take now fails the whole operation.
    pub(crate) async fn end_part<T>(
        &mut self,
        mark: Mark,
        result: StoreResult<T>,
    ) -> StoreResult<StoreResult<T>> {
        if let Err(error) = &result {
            if error.is_retryable() {
                return Err(error.clone());
            }
            let undo = "ROLLBACK TO SAVEPOINT part";
            self.tx.batch_execute(undo).await?;
            self.last_sequence = mark.last_sequence;
            self.events.truncate(mark.events);
            self.steps.truncate(mark.steps);
            self.wakes = mark.wakes;
        }
        self.tx.send_ahead("RELEASE SAVEPOINT part").await?;
        Ok(result)
    }

    /// Ends the operation: commits what succeeded, rolls back what did not.
    pub(crate) async fn finish<T>(self, result: StoreResult<T>) -> StoreResult<T> {
        match result {
            Ok(done) => self.commit().await.map(|()| done),
            Err(refused) => {
                // A connection that is gone has rolled back already.
                let _ = self.tx.rollback().await;
                Err(refused)
            }
        }
    }

    /// Test calls that no node has claimed are on nobody's board: whatever narrows takes them back,
    /// all of the tenant.
    async fn recall_unclaimed(&self) -> StoreResult<()> {
        let sql = "UPDATE attempts SET recalled = true
                   WHERE tenant_id = $1 AND live AND state = 'DISPATCHING' AND node = -1";
        query::execute(&self.tx, sql, bound![self.tenant_id.raw()]).await?;
        Ok(())
    }

    /// Writes the events, and commits behind them.
    async fn end(&self, tell: &Statement) -> StoreResult<()> {
        if self.events.is_empty() {
            return commit_after(&self.tx, &self.witness, ready(Ok(0))).await;
        }
        let columns = Columns::of(self.tenant_id, self.last_sequence, &self.events);
        let bound = columns.bound();
        let told = self.tx.execute_last(tell, &bound);
        commit_after(&self.tx, &self.witness, told).await
    }

    async fn commit(self) -> StoreResult<()> {
        let narrows = |step: &Step| matches!(step, Step::Revoke(_));
        let narrows = self.steps.iter().any(narrows);
        if narrows {
            self.recall_unclaimed().await?;
        }
        let tell = self.tx.prepare(events::WRITE).await?;
        for step in &self.steps {
            match step {
                Step::Reserve(dispatches) => self.shared.board.reserve(dispatches),
                Step::Revoke(scope) => self.shared.board.revoke(scope),
                Step::HandOver(_) => {}
            }
        }
        let guard = Reserved {
            shared: self.shared,
            steps: &self.steps,
            keep: false,
        };
        reach(&self.kinds, Failpoint::BeforeCommit);
        self.end(&tell).await?;
        guard.keep();
        for step in &self.steps {
            if let Step::Reserve(dispatches) = step {
                self.shared.tenants.saw_calls(dispatches, self.tenant_id);
            }
        }
        reach(&self.kinds, Failpoint::AfterCommit);
        for step in self.steps {
            if let Step::HandOver(dispatch) = step {
                self.shared.hand_over(dispatch);
            }
        }
        if self.wakes {
            self.shared.wake.notify_one();
        }
        if (self.wakes || narrows) && !self.is_quiet {
            self.shared.hint.notify_one();
        }
        Ok(())
    }
}

fn reach(kinds: &[failpoint::Transaction], moment: fn(failpoint::Transaction) -> Failpoint) {
    for kind in kinds {
        failpoint::reach(moment(*kind));
    }
}

/// Takes reservations off the board again unless their commit is known; also when the operation is
/// cancelled meanwhile.
struct Reserved<'a> {
    shared: &'a Shared,
    steps: &'a [Step],
    keep: bool,
}

impl Reserved<'_> {
    fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for step in self.steps {
            if let Step::Reserve(dispatches) = step {
                for dispatch in dispatches {
                    self.shared.board.forget(dispatch.attempt_id);
                }
            }
        }
    }
}

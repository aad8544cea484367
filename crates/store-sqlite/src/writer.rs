//! The one writer: group commit, and what must happen in commit order right after it.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{IdSource, TenantId};
use failpoint::{Failpoint, Transaction};
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use store::{Dispatch, Scope, SendBoard, StoreError, StoreResult};
use tokio::sync::{Notify, oneshot};

use crate::error::{is_failed_sync, translate};
use crate::marker::Marker;
use crate::relocation;
use crate::room::Room;
use crate::settings_cache::{SettingsCache, WriterSettings};

/// Most commands in one transaction.
const MAX_GROUP: usize = 512;
/// How long reads may go on when the store is closed.
const LAST_READS: Duration = Duration::from_secs(5);

/// What a command may use: the transaction, the id source, and what to do after the commit.
pub(crate) struct Work<'a> {
    /// The open transaction.
    pub(crate) tx: &'a Connection,
    /// Parsed settings by campaign and revision.
    pub(crate) settings: &'a mut WriterSettings,
    ids: &'a mut IdSource,
    /// Reserved test calls that no tick has handed out yet. In memory only: those that a crash
    /// or a failed tick loses are never sent, and are looked up.
    test_calls: &'a mut Vec<Dispatch>,
    room: &'a Room,
    sequences: HashMap<TenantId, i64>,
    after: AfterCommit,
}

/// Effects on memory that must follow the commit, in the order of the commands.
#[derive(Default)]
struct AfterCommit {
    steps: Vec<Step>,
    wakes: bool,
    /// What the group is made of; followed where a test may arm a failpoint only.
    transactions: Vec<Transaction>,
}

enum Step {
    Reserve(Vec<Dispatch>),
    HandOver(Dispatch),
    Revoke(Scope),
    Mark(Arc<Marker>, store::Mark),
    ReplaceMark(Arc<Marker>, store::Mark),
    Unmark(Arc<Marker>),
}

impl Work<'_> {
    /// A new id.
    pub(crate) fn next_id(&mut self, now: Timestamp) -> i64 {
        self.ids.next_raw(now)
    }

    /// The next sequence of the tenant's feed. Gap-free: a command that fails gives its numbers
    /// back with its savepoint.
    pub(crate) fn next_sequence(&mut self, tenant_id: TenantId) -> StoreResult<i64> {
        let last = match self.sequences.get(&tenant_id) {
            Some(last) => *last,
            None => self.stored_sequence(tenant_id)?,
        };
        self.sequences.insert(tenant_id, last + 1);
        Ok(last + 1)
    }

    /// Refuses to promise something new while the disk has no room for what follows from it.
    pub(crate) fn check_room(&self) -> StoreResult<()> {
        self.room.check()
    }

    fn stored_sequence(&self, tenant_id: TenantId) -> StoreResult<i64> {
        let sql = "SELECT last_sequence FROM tenants WHERE tenant_id = ?1";
        let mut statement = self.tx.prepare_cached(sql).map_err(translate)?;
        statement
            .query_row([tenant_id.raw()], |row| row.get(0))
            .map_err(translate)
    }

    /// Puts reserved calls on the board once they are durable.
    pub(crate) fn reserve(&mut self, dispatches: &[Dispatch]) {
        self.after.steps.push(Step::Reserve(dispatches.to_vec()));
    }

    /// The same for a test call, which the next tick hands out.
    pub(crate) fn reserve_test_call(&mut self, dispatch: Dispatch) {
        self.reserve(std::slice::from_ref(&dispatch));
        self.after.steps.push(Step::HandOver(dispatch));
        self.wake();
    }

    /// The test calls that wait, once.
    pub(crate) fn take_test_calls(&mut self) -> Vec<Dispatch> {
        std::mem::take(self.test_calls)
    }

    /// Takes back what was not begun once the narrowing is durable.
    pub(crate) fn revoke(&mut self, scope: Scope) {
        self.after.steps.push(Step::Revoke(scope));
    }

    /// Says what this command is, so that a test can stop the process around its commit.
    pub(crate) fn is_a(&mut self, transaction: Transaction) {
        if failpoint::ENABLED {
            self.after.transactions.push(transaction);
        }
    }

    /// Writes the marker beside the database once this is durable. If that fails, nothing that is
    /// reserved can begin.
    pub(crate) fn write_mark(&mut self, marker: Arc<Marker>, mark: store::Mark) {
        self.after.steps.push(Step::Mark(marker, mark));
    }

    /// The same, with a file made anew.
    pub(crate) fn replace_mark(&mut self, marker: Arc<Marker>, mark: store::Mark) {
        self.after.steps.push(Step::ReplaceMark(marker, mark));
    }

    /// Removes the marker beside the database once this is durable.
    pub(crate) fn unmark(&mut self, marker: Arc<Marker>) {
        self.after.steps.push(Step::Unmark(marker));
    }

    /// Rings the dialer once this is durable.
    pub(crate) fn wake(&mut self) {
        self.after.wakes = true;
    }

    /// Runs a part of a command in a savepoint of its own: it happens whole or leaves no trace,
    /// and the command goes on. What the database cannot take now fails the whole command.
    pub(crate) fn isolated<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> StoreResult<T>,
    ) -> StoreResult<StoreResult<T>> {
        let before = self.mark();
        execute(self.tx, "SAVEPOINT part").map_err(translate)?;
        let result = body(self);
        if let Err(error) = &result {
            if error.is_retryable() {
                return Err(error.clone());
            }
            execute(self.tx, "ROLLBACK TO part").map_err(translate)?;
            self.back_to(before);
        }
        execute(self.tx, "RELEASE part").map_err(translate)?;
        Ok(result)
    }

    fn mark(&self) -> Mark {
        Mark {
            sequences: self.sequences.clone(),
            steps: self.after.steps.len(),
            wakes: self.after.wakes,
        }
    }

    fn back_to(&mut self, mark: Mark) {
        self.settings.undo();
        self.sequences = mark.sequences;
        self.after.steps.truncate(mark.steps);
        self.after.wakes = mark.wakes;
    }

    /// Runs one command in its own savepoint: it happens whole or leaves no trace.
    fn run(&mut self, job: &mut dyn Job) -> rusqlite::Result<()> {
        let before = self.mark();
        execute(self.tx, "SAVEPOINT command")?;
        if job.run(self) {
            self.settings.keep();
        } else {
            if self.tx.is_autocommit() {
                // A full disk or an I/O error makes SQLite end the whole transaction by itself:
                // nothing of the group stands, and its callers must hear that.
                return Err(transaction_ended());
            }
            execute(self.tx, "ROLLBACK TO command")?;
            self.back_to(before);
        }
        execute(self.tx, "RELEASE command")
    }

    fn flush_sequences(&self) -> rusqlite::Result<()> {
        let sql = "UPDATE tenants SET last_sequence = ?2 WHERE tenant_id = ?1";
        for (tenant_id, last) in &self.sequences {
            self.tx
                .prepare_cached(sql)?
                .execute([tenant_id.raw(), *last])?;
        }
        Ok(())
    }
}

/// Runs a statement without values that is prepared once, not for each command.
fn execute(tx: &Connection, sql: &'static str) -> rusqlite::Result<()> {
    tx.prepare_cached(sql)?.execute([]).map(|_| ())
}

fn reach(group: &AfterCommit, moment: fn(Transaction) -> Failpoint) {
    for transaction in &group.transactions {
        failpoint::reach(moment(*transaction));
    }
}

/// What a command can be taken back to.
struct Mark {
    sequences: HashMap<TenantId, i64>,
    steps: usize,
    wakes: bool,
}

/// The error of a group whose transaction SQLite ended by itself: the disk was full, most likely.
fn transaction_ended() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    rusqlite::Error::SqliteFailure(code, Some("the database ended the transaction".to_owned()))
}

/// A waiting command: run once, then told whether it is durable.
pub(crate) trait Job: Send {
    /// Runs it; false if it failed and must be undone.
    fn run(&mut self, work: &mut Work<'_>) -> bool;
    /// Whether it failed because the disk is full.
    fn met_full_disk(&self) -> bool;
    /// Hands the result to the caller, or the reason why nothing of the group is durable.
    fn acknowledge(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Command<T, F> {
    body: Option<F>,
    result: Option<StoreResult<T>>,
    reply: oneshot::Sender<StoreResult<T>>,
}

impl<T, F> Job for Command<T, F>
where
    T: Send,
    F: FnOnce(&mut Work<'_>) -> StoreResult<T> + Send,
{
    fn run(&mut self, work: &mut Work<'_>) -> bool {
        let Some(body) = self.body.take() else {
            return false;
        };
        let result = body(work);
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn met_full_disk(&self) -> bool {
        matches!(self.result, Some(Err(StoreError::Full(_))))
    }

    fn acknowledge(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            // A refusal is as true when the rest of its group could not be written.
            (_, Some(Err(refused))) => Err(refused),
            (Ok(()), Some(result)) => result,
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(StoreError::Unavailable(
                "the command was not run".to_owned(),
            )),
        };
        // Nobody listens if the caller was cancelled; the effect stands all the same.
        let _ = self.reply.send(result);
    }
}

/// The writer's own state.
pub(crate) struct Core {
    connection: Connection,
    ids: IdSource,
    test_calls: Vec<Dispatch>,
    settings: WriterSettings,
    board: Arc<SendBoard>,
    wake: Arc<Notify>,
    room: Arc<Room>,
    on_failed_sync: fn(&str),
    /// See [`Writer::disturb`].
    disturb: Option<Disturb>,
}

/// Decides whether the next commit fails.
pub(crate) type Disturb = Box<dyn FnMut() -> bool + Send>;

impl Core {
    pub(crate) fn new(
        connection: Connection,
        ids: IdSource,
        settings: SettingsCache,
        board: Arc<SendBoard>,
        wake: Arc<Notify>,
        room: Arc<Room>,
        on_failed_sync: fn(&str),
    ) -> Self {
        Self {
            connection,
            ids,
            test_calls: Vec::new(),
            settings: WriterSettings::new(settings),
            board,
            wake,
            room,
            on_failed_sync,
            disturb: None,
        }
    }

    /// Runs one group and acknowledges it. Nothing is acknowledged before the commit.
    fn run(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let committed = match self.run_group(&mut jobs) {
            Ok(after) => {
                self.follow_up(&after);
                Ok(after.wakes)
            }
            Err(error) => {
                self.settings.clear();
                if is_failed_sync(&error) {
                    (self.on_failed_sync)(&error.to_string());
                }
                Err(translate(error))
            }
        };
        let full = matches!(committed, Err(StoreError::Full(_)));
        if full || jobs.iter().any(|job| job.met_full_disk()) {
            self.room.saw_full();
            // Whoever hears that the disk is full also hears that nothing new rings.
            self.board.revoke(&Scope::Everything);
        }
        for job in jobs {
            job.acknowledge(committed.clone().map(|_| ()));
        }
        if committed.unwrap_or(false) {
            self.wake.notify_one();
        }
    }

    fn run_group(&mut self, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<AfterCommit> {
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        relocation::before_writing(&tx)?;
        let mut work = Work {
            tx: &tx,
            settings: &mut self.settings,
            ids: &mut self.ids,
            test_calls: &mut self.test_calls,
            room: &self.room,
            sequences: HashMap::new(),
            after: AfterCommit::default(),
        };
        for job in jobs {
            work.run(job.as_mut())?;
        }
        work.flush_sequences()?;
        let after = work.after;
        if self.disturb.as_mut().is_some_and(|disturb| disturb()) {
            return Err(transaction_ended());
        }
        reach(&after, Failpoint::BeforeCommit);
        tx.commit()?;
        reach(&after, Failpoint::AfterCommit);
        Ok(after)
    }

    /// Memory follows the commit before anybody hears of it.
    fn follow_up(&mut self, after: &AfterCommit) {
        for step in &after.steps {
            match step {
                Step::Reserve(dispatches) => self.board.reserve(dispatches),
                Step::HandOver(dispatch) => self.test_calls.push(dispatch.clone()),
                Step::Revoke(scope) => self.board.revoke(scope),
                Step::Mark(marker, mark) => self.follow_mark(marker.write(mark)),
                Step::ReplaceMark(marker, mark) => self.follow_mark(marker.replace(mark)),
                Step::Unmark(marker) => self.follow_mark(marker.remove()),
            }
        }
    }

    /// Calls of which the marker does not know must not be placed: a copy of the database from
    /// before them could not be told.
    fn follow_mark(&self, written: bool) {
        if !written {
            self.board.revoke(&Scope::Everything);
        }
    }
}

/// Takes commands and answers when they are durable.
pub(crate) enum Writer {
    /// A thread of its own that groups what waits.
    Thread(Sender<Box<dyn Job>>),
    /// The caller's own thread, one command a transaction: for the deterministic simulation.
    Inline(Box<Mutex<Core>>),
}

impl Writer {
    /// Starts the writer's thread. It ends when the last handle is gone, and closes its connection
    /// when nobody holds the other end of `readers` any more.
    pub(crate) fn start(core: Core, readers: Receiver<()>) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let work = move || {
            let core = run_loop(core, &receiver);
            // A read that takes longer leaves the log beside the file: untidy, and as durable.
            let _ = readers.recv_timeout(LAST_READS);
            drop(core);
        };
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(work)?;
        Ok(Self::Thread(sender))
    }

    /// Lets commits of the simulation fail; a writer with a thread of its own takes no notice.
    pub(crate) fn disturb(&self, disturb: Disturb) {
        if let Self::Inline(core) = self {
            core.lock().unwrap_or_else(PoisonError::into_inner).disturb = Some(disturb);
        }
    }

    /// Runs `body` in the writer; its answer means that it is durable.
    pub(crate) async fn write<T, F>(&self, body: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Work<'_>) -> StoreResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Command {
            body: Some(body),
            result: None,
            reply,
        });
        match self {
            Self::Thread(sender) => {
                sender
                    .send(job)
                    .map_err(|_| StoreError::Unavailable("the database has stopped".to_owned()))?;
            }
            Self::Inline(core) => core
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .run(vec![job]),
        }
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(
                "the database has stopped".to_owned(),
            ))
        })
    }
}

fn run_loop(mut core: Core, receiver: &Receiver<Box<dyn Job>>) -> Core {
    while let Ok(first) = receiver.recv() {
        let mut jobs = vec![first];
        jobs.extend(receiver.try_iter().take(MAX_GROUP - 1));
        core.run(jobs);
    }
    core
}

#[cfg(test)]
mod tests;

//! Lines by the key of their address for callbacks, read once for all who ask at the same time.
//!
//! Every callback asks, most of them for the same line. Whoever asks is answered by a snapshot that began
//! after the question, as if each had read alone: nothing is remembered from one read to the next, so
//! what was removed or got another secret is so from the next callback on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use store::{LineRecord, StoreError, StoreResult};
use tokio::sync::{Semaphore, oneshot};

use crate::ops;
use crate::store_impl::{PostgresStore, read};
use crate::tx::As;

/// Reads at a time: who asks meanwhile shares the next one.
const AT_ONCE: usize = 1;
/// Most keys of one read. Strangers can ask for any.
const MOST_KEYS: usize = 64;

type Asker = oneshot::Sender<StoreResult<Option<LineRecord>>>;

/// Who waits for which line.
pub(crate) struct LineReads {
    waiting: Mutex<HashMap<String, Vec<Asker>>>,
    turns: Semaphore,
}

impl Default for LineReads {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

impl LineReads {
    fn ask(&self, line_key: &str) -> oneshot::Receiver<StoreResult<Option<LineRecord>>> {
        let (asker, told) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(line_key) {
            Some(askers) => askers.push(asker),
            None => drop(waiting.insert(line_key.to_owned(), vec![asker])),
        }
        told
    }

    /// The next keys that somebody still waits for.
    fn take(&self) -> Vec<(String, Vec<Asker>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<String> = waiting.keys().take(MOST_KEYS).cloned().collect();
        let taken = keys
            .into_iter()
            .filter_map(|key| waiting.remove_entry(&key));
        taken
            .filter(|(_, askers)| askers.iter().any(|asker| !asker.is_closed()))
            .collect()
    }
}

impl PostgresStore {
    /// The line with this key, read together with those that others ask for.
    pub(crate) async fn read_line(&self, line_key: &str) -> StoreResult<Option<LineRecord>> {
        let reads = &self.shared.line_reads;
        loop {
            let mut told = reads.ask(line_key);
            loop {
                let turn = tokio::select! {
                    biased;
                    told = &mut told => match told {
                        Ok(line) => return line,
                        // Who read for us has gone.
                        Err(_) => break,
                    },
                    turn = reads.turns.acquire() => turn,
                };
                let _turn = turn.map_err(|closed| StoreError::Unavailable(closed.to_string()))?;
                // Before the snapshot begins: nobody gets an answer older than the question.
                let wanted = reads.take();
                let keys: Vec<&str> = wanted.iter().map(|(key, _)| key.as_str()).collect();
                let lines = self.lines_by_key(&keys).await;
                for ((key, askers), place) in wanted.into_iter().zip(0..) {
                    let line = match &lines {
                        Ok(lines) => Ok(lines.get(place).cloned().flatten()),
                        Err(error) if error.is_retryable() => Err(error.clone()),
                        // Nobody is refused for what another asked for.
                        Err(_) => self
                            .lines_by_key(&[&key])
                            .await
                            .map(|found| found[0].clone()),
                    };
                    for asker in askers {
                        let _ = asker.send(line.clone());
                    }
                }
            }
        }
    }

    async fn lines_by_key(&self, keys: &[&str]) -> StoreResult<Vec<Option<LineRecord>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let lines = read!(self, As::Server, |db| async {
            let mut lines = Vec::with_capacity(keys.len());
            for key in keys {
                lines.push(ops::lines::by_key(db, key).await?);
            }
            Ok(lines)
        })?;
        for line in lines.iter().flatten() {
            self.shared.tenants.saw_line(line.line_id, line.tenant_id);
        }
        Ok(lines)
    }
}

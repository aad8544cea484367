//! How many transactions of one tenant a process has under way: two, one that works and one that is
//! next, however many operations wait.
//!
//! All of them would only stand in line at the tenant's row, each on a connection that other tenants
//! could use. And a process that stands still keeps every lock that it is given until the server ends
//! its session for being idle: with every connection in that line, it would hold up the tenant's pause
//! at another process once for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use domain::TenantId;
use store::{StoreError, StoreResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Transactions of one tenant at a time.
const AT_ONCE: usize = 2;
/// As long as a statement waits for a lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// Beyond this the lines of tenants who want nothing are forgotten.
const MANY: usize = 1_024;

/// The lines of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<TenantId, Weak<Semaphore>>>);

impl Turns {
    /// Waits for this tenant's turn; it lasts while the answer lives.
    pub(crate) async fn of(&self, tenant_id: TenantId) -> StoreResult<OwnedSemaphorePermit> {
        let line = self.line(tenant_id);
        let turn = tokio::time::timeout(PATIENCE, line.acquire_owned()).await;
        let late = || {
            let seconds = PATIENCE.as_secs();
            StoreError::Unavailable(format!(
                "writes of the tenant have kept this one waiting for {seconds} s"
            ))
        };
        // No line is ever closed.
        turn.map_err(|_| late())?.map_err(|_| late())
    }

    fn line(&self, tenant_id: TenantId) -> Arc<Semaphore> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(&tenant_id).and_then(Weak::upgrade) {
            return line;
        }
        if lines.len() >= MANY {
            lines.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::new(Semaphore::new(AT_ONCE));
        lines.insert(tenant_id, Arc::downgrade(&line));
        line
    }
}

//! Memory of one process.

use std::sync::{Arc, Mutex, PoisonError};

use store::{Dispatch, SendBoard};
use tokio::sync::Notify;

use crate::ids::NodeIds;
use crate::line_reads::LineReads;
use crate::settings_cache::SettingsCache;
use crate::tenants::Tenants;
use crate::together::Queues;
use crate::turns::Turns;

/// What all transactions of the process share.
pub(crate) struct Shared {
    pub(crate) board: Arc<SendBoard>,
    pub(crate) wake: Arc<Notify>,
    /// Rung when the dialers of other processes should look; see `hints.rs`.
    pub(crate) hint: Notify,
    pub(crate) settings: SettingsCache,
    pub(crate) ids: NodeIds,
    pub(crate) turns: Turns,
    /// Facts that wait for their tenant's turn.
    pub(crate) queues: Queues,
    /// Who waits for which line.
    pub(crate) line_reads: LineReads,
    /// Whose lines and calls are.
    pub(crate) tenants: Tenants,
    /// Reserved test calls that no tick has handed out yet. In memory only: those that a crash
    /// loses are never sent, and are looked up.
    test_calls: Mutex<Vec<Dispatch>>,
    /// Whether this process ticks.
    pub(crate) dials: bool,
}

impl Shared {
    /// Nothing yet.
    pub(crate) fn new(dials: bool) -> Self {
        Self {
            board: Arc::default(),
            wake: Arc::default(),
            hint: Notify::new(),
            settings: SettingsCache::default(),
            ids: NodeIds::default(),
            turns: Turns::default(),
            queues: Queues::default(),
            line_reads: LineReads::default(),
            tenants: Tenants::default(),
            test_calls: Mutex::default(),
            dials,
        }
    }

    /// Lets all dialers look, this process's and the others'.
    pub(crate) fn ring(&self) {
        self.wake.notify_one();
        self.hint.notify_one();
    }

    /// Keeps a test call for the next tick.
    pub(crate) fn hand_over(&self, dispatch: Dispatch) {
        let mut waiting = self
            .test_calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.push(dispatch);
    }

    /// The test calls that wait, once.
    pub(crate) fn take_test_calls(&self) -> Vec<Dispatch> {
        let mut waiting = self
            .test_calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut waiting)
    }
}

//! Where users come in: one server, or several of which one may be shut for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::wait::wait_until;

/// Longer than any request takes once its server has died.
const PATIENCE: Duration = Duration::from_secs(240);

#[derive(Debug)]
struct Door {
    address: String,
    is_shut: AtomicBool,
    /// Users who went in and have not come out.
    inside: AtomicUsize,
}

/// The servers' addresses; each user goes to any that is not shut.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    all: Arc<Vec<Door>>,
    turn: Arc<AtomicUsize>,
}

/// Somebody inside.
pub(super) struct Visit<'a>(&'a Door);

impl Visit<'_> {
    pub(super) fn address(&self) -> &str {
        &self.0.address
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Doors {
    pub(super) fn of(addresses: impl IntoIterator<Item = String>) -> Self {
        let door = |address| Door {
            address,
            is_shut: AtomicBool::new(false),
            inside: AtomicUsize::new(0),
        };
        Self {
            all: Arc::new(addresses.into_iter().map(door).collect()),
            turn: Arc::default(),
        }
    }

    /// Goes in somewhere. When all are shut, at one of them: then nobody answers.
    pub(super) fn enter(&self) -> Visit<'_> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        // Not one after the other: what belongs together shall not always meet the same server.
        let first = turn.wrapping_mul(0x9e37_79b9) >> 7;
        let count = self.all.len();
        let in_order = (0..count).map(|step| &self.all[(first + step) % count]);
        for door in in_order {
            door.inside.fetch_add(1, Ordering::SeqCst);
            let visit = Visit(door);
            if !door.is_shut.load(Ordering::SeqCst) {
                return visit;
            }
        }
        self.enter_at(first % count)
    }

    /// Goes in there, shut or not.
    pub(super) fn enter_at(&self, index: usize) -> Visit<'_> {
        self.all[index].inside.fetch_add(1, Ordering::SeqCst);
        Visit(&self.all[index])
    }

    /// Nobody chooses this one any more; who is inside stays.
    pub(super) fn shut(&self, index: usize) {
        self.all[index].is_shut.store(true, Ordering::SeqCst);
    }

    /// Waits until everybody is out: their server has died.
    pub(super) fn wait_until_empty(&self, index: usize) {
        let door = &self.all[index];
        wait_until(PATIENCE, || door.inside.load(Ordering::SeqCst) == 0);
    }

    pub(super) fn open(&self, index: usize) {
        self.all[index].is_shut.store(false, Ordering::SeqCst);
    }
}

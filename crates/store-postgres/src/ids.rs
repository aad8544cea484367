//! Ids that no other node makes: milliseconds, then a sequence, then the node's number.
//!
//! They sort by time like those of one process ([`domain::IdSource`]), and fit the same layout: the
//! lowest bits of the sequence tell the node. A node's number is its own while it holds the
//! advisory lock of that number; unique keys in the database are the fence should that ever fail.

use std::sync::{Mutex, PoisonError};

use domain::IdSource;
use jiff::Timestamp;

/// Bits of the sequence that tell the node.
const NODE_BITS: u32 = 10;
/// How many nodes there can be.
pub(crate) const NODES: i64 = 1 << NODE_BITS;

/// Makes the ids of one process.
#[derive(Debug, Default)]
pub(crate) struct NodeIds {
    last: Mutex<i64>,
}

impl NodeIds {
    /// Goes on after an id that is stored.
    pub(crate) fn raise(&self, greatest_stored: i64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = greatest_stored.max(*last);
    }

    /// The next id, greater than every earlier one of this process.
    pub(crate) fn next(&self, node: i64, now: Timestamp) -> i64 {
        let floor = IdSource::default().next_raw(now);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = slot(floor.max(*last + 1), node);
        *last
    }
}

/// The least id of the node that is not below `least`.
fn slot(least: i64, node: i64) -> i64 {
    let base = (least >> NODE_BITS) << NODE_BITS;
    if base + node >= least {
        base + node
    } else {
        base + NODES + node
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_grow_and_no_two_nodes_make_the_same() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut seen = HashSet::new();
        for node in [0, 1, NODES - 1] {
            let ids = NodeIds::default();
            let mut last = 0;
            for second in [0, 0, 0, 5, 3, 3] {
                let id = ids.next(node, now + jiff::SignedDuration::from_secs(second));
                assert!(id > last, "ids grow, also when the clock steps back");
                assert!(seen.insert(id), "made twice");
                last = id;
            }
        }
    }

    #[test]
    fn a_resumed_source_never_repeats_a_stored_id() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let stored = NodeIds::default().next(3, Timestamp::from_second(1_800_000_000).unwrap());
        let resumed = NodeIds::default();
        resumed.raise(stored);
        assert!(resumed.next(3, now) > stored);
    }
}

//! Asking providers about calls that are unknown or overdue.
//!
//! Invariants: no more than [`MAX_LOOKING_UP`] look-ups are under way, and of one line no more than
//! [`MAX_PER_LINE`], so that a provider that hangs does not delay what concerns another; nothing is
//! claimed that cannot begin at once, so that no claim runs out while it waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::LineId;
use store::{CheckRoom, StoreResult};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::facts_queue::Told;
use crate::run::wait_until;
use crate::trouble::Trouble;

/// Look-ups at the same time.
const MAX_LOOKING_UP: u32 = 64;
/// Of these, of one line.
const MAX_PER_LINE: u32 = 8;
/// Shortest wait for the next look-up that is due.
const LEAST_PAUSE: Duration = Duration::from_millis(50);
/// How often is looked for other lines' look-ups while a line has no room for its own.
const CROWDED_PAUSE: Duration = Duration::from_millis(250);
/// Pause while the clock differs from the database's.
const OFF_PAUSE: Duration = Duration::from_secs(1);
/// Pause after the store has refused.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Looks up until `stop`, then waits for what is under way.
pub(crate) async fn run(core: Core, facts: mpsc::Sender<Told>, stop: CancellationToken) {
    let under_way = UnderWay::default();
    let mut trouble = Trouble::none("calls cannot be looked up");
    let tasks = TaskTracker::new();
    while !stop.is_cancelled() {
        let pause = match begin_due(&core, &facts, &under_way, &tasks).await {
            Ok(pause) => {
                trouble.is_over();
                pause
            }
            Err(error) => {
                trouble.failed(core.parts().clock.as_ref(), &error);
                REFUSED_PAUSE
            }
        };
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = under_way.ended() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// Begins the look-ups that are due and have room; answers how long there is nothing to do.
async fn begin_due(
    core: &Core,
    facts: &mpsc::Sender<Told>,
    under_way: &UnderWay,
    tasks: &TaskTracker,
) -> StoreResult<Duration> {
    if core.agreement.withheld().is_some() {
        // When a call is overdue, and what a list that lacks it proves, others know better.
        return Ok(OFF_PAUSE);
    }
    let room = under_way.room();
    if room.limit == 0 {
        return Ok(CROWDED_PAUSE);
    }
    let crowded = room.under_way.values().any(|count| *count >= room.per_line);
    let checks = core.due_checks(room).await?;
    if checks.is_empty() {
        let next = core.parts().store.next_check_at().await?;
        let least = if crowded { CROWDED_PAUSE } else { LEAST_PAUSE };
        return Ok(wait_until(core, next).max(least));
    }
    for check in checks {
        let place = under_way.begin(check.line_id);
        let (core, facts) = (core.clone(), facts.clone());
        tasks.spawn(async move {
            let found = core.look_up(&check).await;
            // The receiver outlives every sender; if it is gone, so is the process.
            let _ = facts.send((found, None)).await;
            drop(place);
        });
    }
    Ok(Duration::ZERO)
}

/// Look-ups that are under way, by line.
#[derive(Debug, Clone, Default)]
struct UnderWay(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    by_line: Mutex<HashMap<LineId, u32>>,
    ended: Notify,
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, HashMap<LineId, u32>> {
        // Every change is one step: a panic elsewhere leaves it true.
        self.by_line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// What may begin beside it.
    fn room(&self) -> CheckRoom {
        let under_way = self.0.lock().clone();
        CheckRoom {
            limit: MAX_LOOKING_UP.saturating_sub(under_way.values().sum()),
            per_line: MAX_PER_LINE,
            under_way,
        }
    }

    fn begin(&self, line_id: LineId) -> Place {
        *self.0.lock().entry(line_id).or_default() += 1;
        Place {
            counts: Arc::clone(&self.0),
            line_id,
        }
    }

    /// One has ended since this was last asked.
    async fn ended(&self) {
        self.0.ended.notified().await;
    }
}

/// One look-up that is under way, until it is dropped.
struct Place {
    counts: Arc<Counts>,
    line_id: LineId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_line = self.counts.lock();
        let left = by_line
            .get(&self.line_id)
            .map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            by_line.remove(&self.line_id);
        } else {
            by_line.insert(self.line_id, left);
        }
        drop(by_line);
        self.counts.ended.notify_one();
    }
}

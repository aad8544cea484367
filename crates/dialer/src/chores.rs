//! What is done a step at a time beside the dialing: adding queued leads, deleting what deleted
//! campaigns leave, and sweeping. Each step is one short transaction, so that nobody waits for the
//! whole.

use std::time::Duration;

use domain::ambient::Clock;
use jiff::Timestamp;
use store::StoreResult;
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::trouble::Trouble;

/// Leads in one transaction.
const STEP: u32 = 500;
/// Pause while there is nothing to do.
const IDLE_PAUSE: Duration = Duration::from_millis(100);
/// Pause after the store has refused.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// How often what is kept for a time only is swept.
const SWEEP_PERIOD: Duration = Duration::from_secs(60);
/// Steps of one sweep: at a thousand rows each, far more than can expire in a period.
const MAX_SWEEP_STEPS: u32 = 200;

/// One kind of chore, after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stepped {
    /// More is waiting.
    More,
    /// Nothing is waiting.
    Done,
    /// The store refused.
    Refused,
}

/// Does chores until `stop`.
pub(crate) async fn run(core: Core, stop: CancellationToken) {
    let mut adding = Trouble::none("queued leads are not added");
    let mut erasing = Trouble::none("leads of deleted campaigns are not erased");
    let mut sweeping = Trouble::none("what has expired is not swept");
    let (store, clock) = (&core.parts().store, core.parts().clock.as_ref());
    let mut sweep_at = clock.monotonic();
    while !stop.is_cancelled() {
        let now = clock.now();
        let mut steps = vec![
            told(store.run_imports(now, STEP).await, clock, &mut adding),
            told(store.run_erasures(STEP).await, clock, &mut erasing),
        ];
        if clock.monotonic() >= sweep_at {
            steps.push(told(sweep(&core, now).await, clock, &mut sweeping));
            sweep_at = clock.monotonic() + SWEEP_PERIOD;
        }
        let pause = if steps.contains(&Stepped::Refused) {
            REFUSED_PAUSE
        } else if steps.contains(&Stepped::More) {
            continue;
        } else {
            IDLE_PAUSE
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn told(stepped: StoreResult<bool>, clock: &dyn Clock, trouble: &mut Trouble) -> Stepped {
    match stepped {
        Ok(more) => {
            trouble.is_over();
            if more { Stepped::More } else { Stepped::Done }
        }
        Err(error) => {
            trouble.failed(clock, &error);
            Stepped::Refused
        }
    }
}

/// Deletes what has expired, in steps, until a step finds nothing or the bound is reached; the rest
/// waits for the next period.
async fn sweep(core: &Core, now: Timestamp) -> StoreResult<bool> {
    for _ in 0..MAX_SWEEP_STEPS {
        if core.parts().store.sweep(now).await? == 0 {
            break;
        }
    }
    Ok(false)
}

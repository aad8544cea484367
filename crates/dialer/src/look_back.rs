//! Before the first call of a process: a look at what the providers know since the database last
//! remembered anything.
//!
//! A database and its marker that were put back together (a snapshot of a machine) disagree with
//! nothing here. Only the providers know better: a call of this installation that is not on record
//! is adopted, and puts the installation on hold before anything dials. A line that cannot be asked
//! in time keeps nobody waiting: every later look-up and callback says the same.
//!
//! Their answers also tell the time. If none agrees with the clock of this machine, nothing dials by it.

use std::time::Duration;

use domain::LineId;
use jiff::SignedDuration;
use store::{PageRequest, StoreResult};
use tokio::task::{JoinError, JoinSet};

use crate::core::Core;

/// How long the first tick waits for the answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines that are asked at the same time.
const MAX_ASKING: usize = 8;
/// Widest window of one request.
const WIDEST: SignedDuration = SignedDuration::from_hours(24);
/// Objects read at once.
const PAGE: u32 = 200;

/// Asks all lines, for at most [`PATIENCE`].
pub(crate) async fn run(core: &Core) {
    let asked = tokio::time::timeout(PATIENCE, ask_all(core)).await;
    match asked {
        Ok(Ok(0)) => {}
        Ok(Ok(unasked)) => tracing::warn!(
            lines = unasked,
            "voice providers could not be asked for calls that the database does not know"
        ),
        Ok(Err(error)) => {
            tracing::warn!(%error, "calls that the database does not know could not be looked for");
        }
        Err(_) => tracing::warn!(
            "voice providers did not all say in time which calls the database does not know"
        ),
    }
    if let Err(error) = core.hold_if_none_agrees().await {
        tracing::warn!(%error, "that no voice provider agrees with the clock could not be noted");
    }
}

/// Answers how many lines could not be asked.
async fn ask_all(core: &Core) -> StoreResult<usize> {
    let status = core.parts().store.hold_status().await?;
    // On hold all of them are asked anyway, for more, and until they answer.
    let last = status.gaps.iter().max_by_key(|gap| gap.until).copied();
    let (Some(gap), Some(_), false) = (last, status.marker, status.needs_reconciliation()) else {
        return Ok(0);
    };
    let mut asking = JoinSet::new();
    let mut unasked = 0;
    for line_id in all_lines(core).await? {
        if asking.len() >= MAX_ASKING {
            let ended = asking.join_next().await;
            unasked += usize::from(ended.is_some_and(|ended| was_not_asked(&ended)));
        }
        let core = core.clone();
        asking.spawn(async move { core.look_through(line_id, gap, WIDEST).await });
    }
    while let Some(ended) = asking.join_next().await {
        unasked += usize::from(was_not_asked(&ended));
    }
    Ok(unasked)
}

fn was_not_asked(ended: &Result<StoreResult<Result<(), String>>, JoinError>) -> bool {
    !matches!(ended, Ok(Ok(Ok(()))))
}

/// The lines of all tenants.
async fn all_lines(core: &Core) -> StoreResult<Vec<LineId>> {
    let store = &core.parts().store;
    let page = |before| PageRequest {
        limit: PAGE,
        before,
    };
    let (mut lines, mut tenants_before) = (Vec::new(), None);
    loop {
        let tenants = store.list_tenants(page(tenants_before)).await?;
        for tenant in &tenants.items {
            let mut before = None;
            loop {
                let found = store.list_lines(tenant.tenant_id, page(before)).await?;
                lines.extend(found.items.iter().map(|line| line.line_id));
                before = found.next;
                if before.is_none() {
                    break;
                }
            }
        }
        tenants_before = tenants.next;
        if tenants_before.is_none() {
            return Ok(lines);
        }
    }
}

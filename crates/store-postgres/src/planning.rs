//! A tick over all tenants: each is planned in a transaction of its own, a few side by side.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{AttemptId, LineId, TenantId};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use store::{Dispatch, Scope, StoreError, StoreResult, Tick, Ticked};

use crate::dial;
use crate::dial::tick::Keys;
use crate::store_impl::{PostgresStore, read, write};
use crate::tx::As;
use crate::work::Work;

/// Tenants that are planned side by side.
const TICK_LANES: usize = 4;
/// How soon a node on hold looks again: another node, or a command, may end the hold.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// What a tick has reserved so far. Whatever fails beside it: what is reserved is on the board, and
/// must be handed out.
#[derive(Default)]
struct Harvest {
    dispatches: Vec<Dispatch>,
    failure: Option<StoreError>,
}

impl Harvest {
    fn gather(&mut self, reserved: StoreResult<Vec<Dispatch>>) {
        match reserved {
            Ok(reserved) => self.dispatches.extend(reserved),
            Err(error) => self.failure = Some(error),
        }
    }

    /// What failed is due at the next tick still.
    fn bring_in(self) -> StoreResult<Vec<Dispatch>> {
        match self.failure {
            Some(error) if self.dispatches.is_empty() => return Err(error),
            Some(error) => {
                tracing::error!(error = %error, "a part of a tick failed; it is tried again");
            }
            None => {}
        }
        Ok(self.dispatches)
    }
}

/// How many calls a tick should reserve yet, shared by its lanes.
struct Budget(AtomicUsize);

impl Budget {
    /// An equal part for each of `lanes`, none beyond what is left.
    fn take(&self, lanes: usize) -> usize {
        let left = self.0.load(Ordering::Relaxed);
        let share = left.div_ceil(lanes.max(1));
        self.0.store(left - share, Ordering::Relaxed);
        share
    }

    fn give_back(&self, unused: usize) {
        self.0.fetch_add(unused, Ordering::Relaxed);
    }
}

impl PostgresStore {
    /// Plans and reserves; hands over the test calls that wait.
    pub(crate) async fn plan(&self, tick: Tick) -> StoreResult<Ticked> {
        let now = tick.now;
        let sight = self.look(now).await?;
        let mut harvest = Harvest::default();
        self.take_test_calls(tick.max_calls > 0, &mut harvest).await;
        if sight.forbids() {
            return Ok(self.held(now, harvest.bring_in()?));
        }
        self.plan_tenants(tick, &mut harvest).await;
        let dispatches = harvest.bring_in()?;
        self.remember(sight.name.as_deref(), &dispatches, now);
        // When this cannot be read, the dialer looks again at once, and what is reserved is sent.
        let next_wake_at = read!(self, As::Server, |db| dial::tick::next_wake(db));
        Ok(Ticked {
            dispatches,
            next_wake_at: next_wake_at.unwrap_or(Some(now)),
        })
    }

    /// Test calls that wait: those of this process, and if it `claims` them those of processes that
    /// do not dial.
    async fn take_test_calls(&self, claims: bool, harvest: &mut Harvest) {
        harvest.gather(self.take_own_test_calls().await);
        if !claims {
            return;
        }
        match self.tenants_with_unclaimed().await {
            Ok(tenants) => {
                for tenant_id in tenants {
                    harvest.gather(self.claim_test_calls(tenant_id).await);
                }
            }
            Err(error) => harvest.gather(Err(error)),
        }
    }

    async fn take_own_test_calls(&self) -> StoreResult<Vec<Dispatch>> {
        let mut waiting = self.shared.take_test_calls();
        if waiting.is_empty() {
            return Ok(waiting);
        }
        match self.still_wanted(&waiting).await {
            Ok(wanted) => waiting.retain(|call| wanted.contains(&call.attempt_id)),
            Err(error) => {
                for call in waiting {
                    self.shared.hand_over(call);
                }
                return Err(error);
            }
        }
        Ok(waiting)
    }

    async fn still_wanted(&self, waiting: &[Dispatch]) -> StoreResult<HashSet<AttemptId>> {
        read!(self, As::Server, |db| dial::test_call::still_wanted(
            db, waiting
        ))
    }

    async fn tenants_with_unclaimed(&self) -> StoreResult<Vec<TenantId>> {
        read!(self, As::Server, |db| dial::test_call::unclaimed(db))
    }

    async fn claim_test_calls(&self, tenant_id: TenantId) -> StoreResult<Vec<Dispatch>> {
        write!(self, tenant_id, |work| dial::test_call::claim(work))
    }

    /// On hold nothing is reserved. Test calls that waited are handed out only to be given back:
    /// none of them can begin.
    fn held(&self, now: Timestamp, test_calls: Vec<Dispatch>) -> Ticked {
        if !test_calls.is_empty() {
            self.shared.board.revoke(&Scope::Everything);
        }
        Ticked {
            dispatches: test_calls,
            next_wake_at: now.checked_add(LOOK_AGAIN).ok(),
        }
    }

    /// Before any of the calls can be sent, this node keeps that it has seen them committed.
    fn remember(&self, name: Option<&str>, dispatches: &[Dispatch], now: Timestamp) {
        let last = dispatches.iter().map(|call| call.attempt_id.raw()).max();
        if let Some(last) = last {
            self.marker.saw(name, last, now);
        }
    }

    async fn plan_tenants(&self, tick: Tick, harvest: &mut Harvest) {
        let due = match self.due_lines(tick.now, tick.max_lines).await {
            Ok(due) => due,
            Err(error) => return harvest.gather(Err(error)),
        };
        let (now, keys) = (tick.now, Keys::new(tick.keys));
        let budget = Budget(AtomicUsize::new(
            usize::try_from(tick.max_calls).unwrap_or(usize::MAX),
        ));
        let lanes = due.iter().enumerate().map(|(place, (tenant_id, lines))| {
            let (budget, keys) = (&budget, &keys);
            let side_by_side = TICK_LANES.min(due.len() - place);
            async move {
                let share = budget.take(side_by_side);
                if share == 0 {
                    return Ok(Vec::new());
                }
                let planned = self.plan_tenant(now, *tenant_id, lines, keys, share).await;
                let used = planned.as_ref().map_or(0, Vec::len);
                budget.give_back(share.saturating_sub(used));
                planned
            }
        });
        let lanes: Vec<_> = lanes.collect();
        let mut planned = futures_util::stream::iter(lanes).buffered(TICK_LANES);
        while let Some(reserved) = planned.next().await {
            harvest.gather(reserved);
        }
    }

    async fn due_lines(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<(TenantId, Vec<LineId>)>> {
        read!(self, As::Server, |db| dial::tick::due_lines(db, now, limit))
    }

    /// Plans one tenant; a failure is that tenant's, the others are planned all the same.
    async fn plan_tenant(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        lines: &[LineId],
        keys: &Keys,
        max_calls: usize,
    ) -> StoreResult<Vec<Dispatch>> {
        write!(self, tenant_id, |work| dial::tick::plan_tenant(
            work, now, lines, keys, max_calls
        ))
    }
}

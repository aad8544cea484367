//! A tick over all tenants: each is planned in a transaction of its own, a few side by side.

use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{LineId, TenantId};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use store::{Dispatch, Scope, StoreResult, Tick, Ticked};

use crate::dial;
use crate::dial::tick::Keys;
use crate::error::translate;
use crate::store_impl::{As, PostgresStore, read, write};
use crate::work::Work;

/// Tenants that are planned side by side.
const TICK_LANES: usize = 4;
/// How soon a node on hold looks again: another node, or a command, may end the hold.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

impl PostgresStore {
    /// Plans and reserves; hands over the test calls that wait.
    pub(crate) async fn plan(&self, tick: Tick) -> StoreResult<Ticked> {
        let now = tick.now;
        let test_calls = self.take_test_calls(tick.max_calls > 0).await?;
        let sight = self.look(now).await?;
        if sight.forbids() {
            return Ok(self.held(now, test_calls));
        }
        let due = read!(self, As::Server, |db| dial::tick::due_lines(
            db,
            now,
            tick.max_lines
        ))?;
        let keys = Keys::new(tick.keys);
        let max_calls = usize::try_from(tick.max_calls).unwrap_or(usize::MAX);
        let (planned, failure) = self.plan_tenants(now, &due, &keys, max_calls).await;
        // They are on the board since they were reserved.
        let mut dispatches = test_calls;
        dispatches.extend(planned);
        match failure {
            // What is reserved must be handed out; the tenant that failed is still due.
            Some(error) if dispatches.is_empty() => return Err(error),
            Some(error) => {
                tracing::error!(error = %error, "a tenant was not planned; it is tried again");
            }
            None => {}
        }
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
    async fn take_test_calls(&self, claims: bool) -> StoreResult<Vec<Dispatch>> {
        let waiting = self.shared.take_test_calls();
        let (mut test_calls, tenants) = read!(self, As::Server, |db| async {
            let waiting = if waiting.is_empty() {
                waiting
            } else {
                dial::test_call::still_wanted(db, waiting).await?
            };
            let tenants = if claims {
                dial::test_call::unclaimed(db).await?
            } else {
                Vec::new()
            };
            Ok((waiting, tenants))
        })?;
        for tenant_id in tenants {
            let claimed = write!(self, tenant_id, |work| dial::test_call::claim(work))?;
            test_calls.extend(claimed);
        }
        Ok(test_calls)
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

    async fn plan_tenants(
        &self,
        now: Timestamp,
        due: &[(TenantId, Vec<LineId>)],
        keys: &Keys,
        max_calls: usize,
    ) -> (Vec<Dispatch>, Option<store::StoreError>) {
        let reserved = AtomicUsize::new(0);
        let lanes = due.iter().map(|(tenant_id, lines)| {
            let reserved = &reserved;
            async move {
                let left = max_calls.saturating_sub(reserved.load(Ordering::Relaxed));
                if left == 0 {
                    return Ok(Vec::new());
                }
                let planned = self.plan_tenant(now, *tenant_id, lines, keys, left).await?;
                reserved.fetch_add(planned.len(), Ordering::Relaxed);
                Ok(planned)
            }
        });
        let lanes: Vec<_> = lanes.collect();
        let planned: Vec<StoreResult<Vec<Dispatch>>> = futures_util::stream::iter(lanes)
            .buffered(TICK_LANES)
            .collect()
            .await;
        let (mut dispatches, mut failure) = (Vec::new(), None);
        for planned in planned {
            match planned {
                Ok(reserved) => dispatches.extend(reserved),
                Err(error) => failure = Some(error),
            }
        }
        (dispatches, failure)
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

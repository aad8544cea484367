//! The promise of "when pause has answered, nothing new rings", inside one process.
//!
//! Every reserved call is on the board, from its commit at the latest, until its request is decided. A narrowing
//! operation revokes, at its own commit, what was not begun; beginning asks the board. So for each
//! call there is one order of the two, and [`SendBoard::settle`] waits for those begun before.
//!
//! Whoever orders the commits (SQLite's one writer; in PostgreSQL whoever holds the tenant's row)
//! calls [`SendBoard::reserve`] and [`SendBoard::revoke`] in that order before it acknowledges. Nothing here is durable: after a
//! crash every reserved call is UNKNOWN anyway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{AttemptId, CampaignId, LeadId, LineId, PhoneNumber, TenantId};
use tokio::sync::Notify;

use crate::dialing::Dispatch;

/// What a narrowing operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All calls of a campaign.
    Campaign(CampaignId),
    /// All calls to a lead.
    Lead(LeadId),
    /// All calls of a tenant to a number.
    Phone(TenantId, PhoneNumber),
    /// All calls of a line.
    Line(LineId),
    /// All calls: the server stops.
    Everything,
}

#[derive(Debug)]
struct Entry {
    tenant_id: TenantId,
    line_id: LineId,
    campaign_id: CampaignId,
    lead_id: LeadId,
    phone: PhoneNumber,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reserved,
    Revoked,
    Sending,
}

impl Entry {
    fn is_in(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Campaign(id) => self.campaign_id == *id,
            Scope::Lead(id) => self.lead_id == *id,
            Scope::Phone(tenant_id, phone) => self.tenant_id == *tenant_id && self.phone == *phone,
            Scope::Line(id) => self.line_id == *id,
            Scope::Everything => true,
        }
    }
}

/// Calls between their reservation and the decision about their request.
#[derive(Debug, Default)]
pub struct SendBoard {
    entries: Mutex<HashMap<AttemptId, Entry>>,
    changed: Notify,
}

impl SendBoard {
    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptId, Entry>> {
        // A panic while the lock is held leaves a map that is still true: every change is one step.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts committed calls on the board.
    pub fn reserve(&self, dispatches: &[Dispatch]) {
        let mut entries = self.lock();
        for dispatch in dispatches {
            let entry = Entry {
                tenant_id: dispatch.tenant_id,
                line_id: dispatch.line_id,
                campaign_id: dispatch.campaign_id,
                lead_id: dispatch.lead_id,
                phone: dispatch.phone.clone(),
                stage: Stage::Reserved,
            };
            entries.insert(dispatch.attempt_id, entry);
        }
    }

    /// Takes back every call of the scope that was not begun.
    pub fn revoke(&self, scope: &Scope) {
        for entry in self.lock().values_mut() {
            if entry.stage == Stage::Reserved && entry.is_in(scope) {
                entry.stage = Stage::Revoked;
            }
        }
        self.changed.notify_waiters();
    }

    /// Asks to send. `None`: it was revoked or is not on the board; no byte may leave.
    pub fn begin(self: &Arc<Self>, attempt_id: AttemptId) -> Option<SendPermit> {
        let mut entries = self.lock();
        let entry = entries.get_mut(&attempt_id)?;
        match entry.stage {
            Stage::Reserved => {}
            Stage::Revoked => {
                entries.remove(&attempt_id);
                return None;
            }
            Stage::Sending => return None,
        }
        entry.stage = Stage::Sending;
        Some(SendPermit {
            board: Arc::clone(self),
            attempt_id,
        })
    }

    /// Takes a call off the board that will not be begun.
    pub fn forget(&self, attempt_id: AttemptId) {
        self.lock().remove(&attempt_id);
        self.changed.notify_waiters();
    }

    /// Waits until no call of the scope is being sent, at most `patience`. Answers whether all
    /// were decided; a request that hangs longer has long left and is listed as live.
    pub async fn settle(&self, scope: &Scope, patience: Duration) -> bool {
        self.wait_while(|| self.is_sending(scope), patience).await
    }

    /// Waits until every call of the tenant that is on the board now is decided or taken back, at
    /// most `patience`; answers whether all were. What is reserved later is not waited for.
    pub async fn settle_present(&self, tenant_id: TenantId, patience: Duration) -> bool {
        let present: Vec<AttemptId> = self
            .lock()
            .iter()
            .filter(|(_, entry)| entry.tenant_id == tenant_id)
            .map(|(attempt_id, _)| *attempt_id)
            .collect();
        self.wait_while(|| self.is_any_undecided(&present), patience)
            .await
    }

    /// Waits while `undecided`, which is asked again at every change; answers whether it ended in
    /// time.
    async fn wait_while(&self, undecided: impl Fn() -> bool, patience: Duration) -> bool {
        let settled = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if !undecided() {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, settled).await.is_ok()
    }

    fn is_any_undecided(&self, attempts: &[AttemptId]) -> bool {
        let entries = self.lock();
        let undecided = |entry: &Entry| entry.stage != Stage::Revoked;
        attempts
            .iter()
            .any(|attempt_id| entries.get(attempt_id).is_some_and(undecided))
    }

    fn is_sending(&self, scope: &Scope) -> bool {
        self.lock()
            .values()
            .any(|entry| entry.stage == Stage::Sending && entry.is_in(scope))
    }

    /// How many calls are on the board.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no call is on the board.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// The right to send one call's request, held until its answer is recorded or given up.
#[derive(Debug)]
pub struct SendPermit {
    board: Arc<SendBoard>,
    attempt_id: AttemptId,
}

impl Drop for SendPermit {
    fn drop(&mut self) {
        self.board.forget(self.attempt_id);
    }
}

#[cfg(test)]
mod tests {
    use domain::settings::CallingEntity;
    use jiff::Timestamp;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn dispatch(number: i64, campaign: i64) -> Dispatch {
        Dispatch {
            attempt_id: AttemptId::from_raw(number),
            attempt_key: format!("att_{number}"),
            tenant_id: TenantId::from_raw(1),
            line_id: LineId::from_raw(1),
            campaign_id: CampaignId::from_raw(campaign),
            lead_id: LeadId::from_raw(number),
            phone: PhoneNumber::parse("+14155550100").unwrap(),
            phone_number_id: "pn_001".to_owned(),
            assistant_id: "asst_001".to_owned(),
            entity: CallingEntity::Assistant,
            send_at: Timestamp::UNIX_EPOCH,
            send_not_after: Timestamp::UNIX_EPOCH,
            on_trial: false,
        }
    }

    #[test]
    fn a_revoked_call_cannot_begin_and_others_can() {
        let board = Arc::new(SendBoard::default());
        board.reserve(&[dispatch(1, 1), dispatch(2, 2)]);
        board.revoke(&Scope::Campaign(CampaignId::from_raw(1)));
        assert!(board.begin(AttemptId::from_raw(1)).is_none());
        assert!(board.begin(AttemptId::from_raw(2)).is_some());
        assert!(
            board.begin(AttemptId::from_raw(3)).is_none(),
            "never reserved"
        );
    }

    fn call(attempt: i64, change: impl FnOnce(&mut Dispatch)) -> Dispatch {
        let mut call = dispatch(attempt, 1);
        call.lead_id = LeadId::from_raw(1);
        change(&mut call);
        call
    }

    /// Calls that each differ from the first in one respect.
    fn calls() -> [Dispatch; 6] {
        let other_phone = PhoneNumber::parse("+14155550101").unwrap();
        [
            call(1, |_| ()),
            call(2, |call| call.campaign_id = CampaignId::from_raw(2)),
            call(3, |call| call.lead_id = LeadId::from_raw(2)),
            call(4, |call| call.phone = other_phone),
            call(5, |call| call.tenant_id = TenantId::from_raw(2)),
            call(6, |call| call.line_id = LineId::from_raw(2)),
        ]
    }

    fn scopes() -> [(Scope, &'static [i64]); 5] {
        let phone = PhoneNumber::parse("+14155550100").unwrap();
        [
            (Scope::Campaign(CampaignId::from_raw(1)), &[2]),
            (Scope::Lead(LeadId::from_raw(1)), &[3]),
            (Scope::Phone(TenantId::from_raw(1), phone), &[4, 5]),
            (Scope::Line(LineId::from_raw(1)), &[6]),
            (Scope::Everything, &[]),
        ]
    }

    #[test]
    fn each_scope_revokes_exactly_its_own_calls() {
        for (scope, free) in scopes() {
            let board = Arc::new(SendBoard::default());
            board.reserve(&calls());
            board.revoke(&scope);
            let begun: Vec<_> = (1..=6)
                .filter(|number| board.begin(AttemptId::from_raw(*number)).is_some())
                .collect();
            assert_eq!(begun, free, "{scope:?}");
            assert!(board.is_empty(), "{scope:?}: decided calls leave the board");
        }
    }

    #[tokio::test]
    async fn each_scope_waits_for_exactly_its_own_calls() {
        for (scope, free) in scopes() {
            for call in calls() {
                let board = Arc::new(SendBoard::default());
                board.reserve(std::slice::from_ref(&call));
                let permit = board.begin(call.attempt_id);
                assert!(permit.is_some());
                assert!(!board.is_empty());
                let settled = board.settle(&scope, AT_ONCE).await;
                assert_eq!(settled, free.contains(&call.attempt_id.raw()), "{scope:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_is_nobodys_concern() {
        let board = Arc::new(SendBoard::default());
        board.reserve(&[dispatch(1, 1)]);
        board.forget(AttemptId::from_raw(1));
        assert!(board.is_empty());
        assert!(board.begin(AttemptId::from_raw(1)).is_none());
        assert!(board.settle(&Scope::Everything, AT_ONCE).await);
    }

    #[test]
    fn a_call_begins_once() {
        let board = Arc::new(SendBoard::default());
        board.reserve(&[dispatch(1, 1)]);
        let permit = board.begin(AttemptId::from_raw(1));
        assert!(permit.is_some());
        assert!(board.begin(AttemptId::from_raw(1)).is_none());
        assert_eq!(board.len(), 1, "the first one still stands on the board");
    }

    #[tokio::test]
    async fn settling_waits_for_what_is_being_sent_in_its_scope_only() {
        let board = Arc::new(SendBoard::default());
        board.reserve(&[dispatch(1, 1), dispatch(2, 2)]);
        let permit = board.begin(AttemptId::from_raw(1)).unwrap();
        let mine = Scope::Campaign(CampaignId::from_raw(1));
        let phone = PhoneNumber::parse("+14155550100").unwrap();
        assert!(!board.settle(&mine, AT_ONCE).await);
        assert!(
            !board
                .settle(&Scope::Phone(TenantId::from_raw(1), phone), AT_ONCE)
                .await
        );
        // Reserved is not sent: its revocation needs no waiting.
        assert!(
            board
                .settle(&Scope::Campaign(CampaignId::from_raw(2)), AT_ONCE)
                .await
        );
        let settled = board.settle(&mine, Duration::from_secs(10));
        tokio::pin!(settled);
        assert!(is_pending(settled.as_mut()).await);
        drop(permit);
        assert!(settled.await);
        assert_eq!(board.len(), 1);
    }

    #[tokio::test]
    async fn what_is_on_the_board_is_waited_for_and_what_comes_later_is_not() {
        let board = Arc::new(SendBoard::default());
        board.reserve(&[dispatch(1, 1), dispatch(2, 2)]);
        let tenant = TenantId::from_raw(1);
        let permit = board.begin(AttemptId::from_raw(1)).unwrap();
        let settled = board.settle_present(tenant, Duration::from_secs(10));
        tokio::pin!(settled);
        assert!(is_pending(settled.as_mut()).await);
        board.reserve(&[dispatch(3, 1)]);
        drop(permit);
        assert!(is_pending(settled.as_mut()).await, "one may still begin");
        board.revoke(&Scope::Campaign(CampaignId::from_raw(2)));
        assert!(settled.await);
        assert!(board.settle_present(TenantId::from_raw(2), AT_ONCE).await);
        assert!(!board.settle_present(tenant, AT_ONCE).await);
    }

    /// Polls once; whether it is still pending.
    async fn is_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
        })
        .await
    }
}

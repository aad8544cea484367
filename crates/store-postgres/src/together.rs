//! Facts that several callers bring for one tenant at the same time become one transaction.
//!
//! Each callback of a vendor is an operation of its own, and durable before it is answered. With a
//! transaction for each, a tenant would take as many callbacks as commits can follow each other. So a
//! caller queues its facts and waits for the tenant's turn; who gets it applies all that are queued, in
//! their order, and hands the others their answers after the commit.
//!
//! - What is queued is taken when the tenant's row is locked: facts are applied in the order in which
//!   they came, however many turns are under way.
//! - A group that fails by what one caller brought falls apart: each is applied alone, so that nobody is
//!   refused for another's facts; what comes meanwhile may go before them. What the database cannot take now is refused to all.
//! - Whoever works for others may be cancelled, as a client hangs up: then nobody was answered, and the
//!   others queue again. Facts are idempotent, whatever became of that commit.
//! - Facts of callers who have gone are left out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use domain::TenantId;
use futures_util::future::join_all;
use jiff::Timestamp;
use store::{Applied, AttemptFact, AttemptRef, StoreError, StoreResult};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::dial;
use crate::dial::batch::Batch;
use crate::store_impl::{PostgresStore, read, write};
use crate::tx::As;
use crate::work::Work;

/// Most callers whose facts are one transaction: others wait for its end, a pause among them.
const MOST: usize = 128;

/// What one caller brought.
struct Brought {
    now: Timestamp,
    facts: Arc<[AttemptFact]>,
    answer: oneshot::Sender<StoreResult<Vec<Applied>>>,
}

/// What waits, of all tenants.
#[derive(Default)]
pub(crate) struct Queues(Mutex<HashMap<TenantId, VecDeque<Brought>>>);

impl Queues {
    fn push(&self, tenant_id: TenantId, brought: Brought) {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry(tenant_id).or_default().push_back(brought);
    }

    /// The next callers who still wait for an answer.
    fn take(&self, tenant_id: TenantId) -> Vec<Brought> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queues.get_mut(&tenant_id) else {
            return Vec::new();
        };
        let mut taken = Vec::with_capacity(queue.len().min(MOST));
        while taken.len() < MOST
            && let Some(brought) = queue.pop_front()
        {
            if !brought.answer.is_closed() {
                taken.push(brought);
            }
        }
        if queue.is_empty() {
            queues.remove(&tenant_id);
        }
        taken
    }
}

impl PostgresStore {
    /// Applies facts of whatever tenants, those of each in order.
    pub(crate) async fn apply_of_all(
        &self,
        now: Timestamp,
        facts: Vec<AttemptFact>,
    ) -> StoreResult<Vec<Applied>> {
        let tenants = self.tenants_of(&facts).await?;
        let mut applied = vec![Applied::Unmatched; facts.len()];
        // Side by side: a tenant whose row is locked for long holds up its own facts only.
        let of_tenants =
            dial::facts::by_tenant(&tenants)
                .into_iter()
                .map(async |(tenant_id, places)| {
                    let of_tenant = places.iter().map(|place| facts[*place].clone()).collect();
                    let answers = self.apply_of_tenant(now, tenant_id, of_tenant).await;
                    (places, answers)
                });
        let mut failed = None;
        for (places, answers) in join_all(of_tenants).await {
            match answers {
                Ok(answers) => {
                    for (place, answer) in places.into_iter().zip(answers) {
                        applied[place] = answer;
                    }
                }
                // One that was remembered, and went with a database that was put back.
                Err(StoreError::NotFound(_)) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(applied), Err)
    }

    /// Whose these are. What is not remembered is read.
    async fn tenants_of(&self, facts: &[AttemptFact]) -> StoreResult<Vec<Option<TenantId>>> {
        let remembered = |fact: &AttemptFact| self.shared.tenants.of(&fact.attempt);
        let mut tenants: Vec<_> = facts.iter().map(remembered).collect();
        let strange: Vec<usize> = (0..facts.len())
            .filter(|place| tenants[*place].is_none())
            .collect();
        if strange.is_empty() {
            return Ok(tenants);
        }
        let attempts: Vec<_> = strange.iter().map(|place| &facts[*place].attempt).collect();
        let found = read!(self, As::Server, |db| dial::facts::tenants_of(
            db, &attempts
        ))?;
        for (place, tenant_id) in strange.into_iter().zip(found) {
            tenants[place] = tenant_id;
            if let (AttemptRef::Echo { line_id, .. }, Some(tenant_id)) =
                (&facts[place].attempt, tenant_id)
            {
                self.shared.tenants.saw_line(*line_id, tenant_id);
            }
        }
        Ok(tenants)
    }

    /// Applies facts of one tenant, in order, together with those of whoever else waits.
    async fn apply_of_tenant(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        facts: Arc<[AttemptFact]>,
    ) -> StoreResult<Vec<Applied>> {
        self.check_prepared()?;
        loop {
            let (answer, mut told) = oneshot::channel();
            let facts = Arc::clone(&facts);
            self.shared
                .queues
                .push(tenant_id, Brought { now, facts, answer });
            loop {
                let turn = tokio::select! {
                    biased;
                    told = &mut told => match told {
                        Ok(applied) => return applied,
                        // Who worked for us has gone.
                        Err(_) => break,
                    },
                    turn = self.shared.turns.of(tenant_id) => turn?,
                };
                self.work_off(tenant_id, turn).await;
            }
        }
    }

    /// Applies what waits, and tells those who brought it.
    async fn work_off(&self, tenant_id: TenantId, turn: OwnedSemaphorePermit) {
        let mut group = Vec::new();
        let error = match self.apply_group(tenant_id, &mut group).await {
            Ok(answers) => {
                for (brought, applied) in group.into_iter().zip(answers) {
                    // Who has gone meanwhile is told nothing.
                    let _ = brought.answer.send(Ok(applied));
                }
                return;
            }
            Err(error) => error,
        };
        // Each for itself takes turns of its own.
        drop(turn);
        let falls_apart = group.len() > 1 && !error.is_retryable();
        if group.is_empty() {
            // It never came to taking them.
            group = self.shared.queues.take(tenant_id);
        }
        for brought in group {
            let applied = if falls_apart {
                self.apply_alone(tenant_id, &brought).await
            } else {
                Err(error.clone())
            };
            let _ = brought.answer.send(applied);
        }
    }

    /// The facts of all who wait, in one transaction; `group` is who they are.
    async fn apply_group(
        &self,
        tenant_id: TenantId,
        group: &mut Vec<Brought>,
    ) -> StoreResult<Vec<Vec<Applied>>> {
        let claim = self.node.claim(&self.pool, &self.shared).await?;
        let client = self.client().await?;
        let mut work = Work::begin(&client, &self.shared, claim, tenant_id).await?;
        *group = self.shared.queues.take(tenant_id);
        let result = self.apply_all(&mut work, group).await;
        work.finish(result).await
    }

    async fn apply_all(
        &self,
        work: &mut Work<'_>,
        group: &[Brought],
    ) -> StoreResult<Vec<Vec<Applied>>> {
        work.keep_quiet();
        work.is_a(failpoint::Transaction::Facts);
        let facts = group.iter().flat_map(|brought| brought.facts.iter());
        let mut batch = Batch::read(work, facts).await?;
        let mut answers = Vec::with_capacity(group.len());
        for brought in group {
            let mut applied = Vec::with_capacity(brought.facts.len());
            for fact in brought.facts.iter() {
                let told =
                    dial::facts::apply_in(work, &mut batch, brought.now, fact, self.patience_of);
                applied.push(told.await?);
            }
            answers.push(applied);
        }
        batch.finish(work).await?;
        Ok(answers)
    }

    /// The facts of one caller, in a transaction of their own.
    async fn apply_alone(
        &self,
        tenant_id: TenantId,
        brought: &Brought,
    ) -> StoreResult<Vec<Applied>> {
        let group = std::slice::from_ref(brought);
        let answers = write!(self, tenant_id, |work| self.apply_all(work, group))?;
        Ok(answers.into_iter().flatten().collect())
    }
}

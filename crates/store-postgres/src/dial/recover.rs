//! A fresh process never sends what an old one may have sent.
//!
//! An attempt is given up when the node that reserved it is this one (a process that had its number
//! before has ended) or is not there any more. What another living node is sending is its own.

use std::collections::BTreeMap;

use domain::attempt::Fact;
use domain::{AttemptId, TenantId};
use jiff::Timestamp;
use store::{AttemptFact, AttemptRef, PatienceOf, StoreResult};

use crate::dial::batch::Batch;
use crate::dial::facts;
use crate::query::{self, Db, bound};
use crate::work::Work;

/// DISPATCHING attempts of nodes that are not living, by tenant.
pub(crate) async fn orphans(
    db: &Db<'_>,
    living: &[i64],
) -> StoreResult<BTreeMap<TenantId, Vec<AttemptId>>> {
    let sql = "SELECT tenant_id, attempt_id FROM attempts
               WHERE live AND state = 'DISPATCHING' AND node <> ALL($1) ORDER BY attempt_id";
    let found = query::many(db, sql, bound![living], |cells| {
        let tenant_id = TenantId::from_raw(cells.get("tenant_id")?);
        Ok((tenant_id, AttemptId::from_raw(cells.get("attempt_id")?)))
    })
    .await?;
    let mut by_tenant: BTreeMap<TenantId, Vec<AttemptId>> = BTreeMap::new();
    for (tenant_id, attempt_id) in found {
        by_tenant.entry(tenant_id).or_default().push(attempt_id);
    }
    Ok(by_tenant)
}

/// Those of the attempts that are DISPATCHING still become UNKNOWN; answers how many. A callback may have
/// told of one since they were found.
pub(crate) async fn give_up(
    work: &mut Work<'_>,
    now: Timestamp,
    attempts: &[AttemptId],
    patience_of: PatienceOf,
) -> StoreResult<u64> {
    work.keep_quiet();
    work.is_a(failpoint::Transaction::Recovery);
    let facts: Vec<_> = attempts
        .iter()
        .map(|attempt_id| {
            let mut fact = AttemptFact::new(AttemptRef::Id(*attempt_id), Fact::AnswerLost);
            fact.reason = Some("the server stopped while the call was being placed".to_owned());
            fact
        })
        .collect();
    let mut batch = Batch::read(work, facts.iter()).await?;
    let mut given_up = 0;
    for fact in &facts {
        if batch.is_dispatching(&fact.attempt) {
            facts::apply_in(work, &mut batch, now, fact, patience_of).await?;
            given_up += 1;
        }
    }
    batch.finish(work).await?;
    work.wake();
    Ok(given_up)
}

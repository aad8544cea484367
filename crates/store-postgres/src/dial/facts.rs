//! Applying facts: match the attempt, reduce, and have the batch write and tell what follows.
//!
//! Idempotent: a fact that says nothing new changes nothing but the time of the next look-up.

use domain::TenantId;
use domain::attempt::{self, Change, Fact};
use jiff::Timestamp;
use store::{Applied, AttemptFact, NO_LEAD, PatienceOf, StoreResult, call_rules};

use crate::dial::batch::{Batch, FollowUp};
use crate::dial::change::{Changed, Instants};
use crate::dial::details::have_analysis;
use crate::dial::row::AttemptRow;
use crate::dial::snapshot_leads::is_in_call;
use crate::events::Subject;
use crate::work::Work;

pub(crate) use crate::dial::row::tenants_of;

/// The places of each tenant's facts, in order; facts of nobody are left out.
pub(crate) fn by_tenant(tenants: &[Option<TenantId>]) -> Vec<(TenantId, Vec<usize>)> {
    let mut groups: Vec<(TenantId, Vec<usize>)> = Vec::new();
    for (place, tenant_id) in tenants.iter().enumerate() {
        let Some(tenant_id) = *tenant_id else {
            continue;
        };
        match groups.iter_mut().find(|(of, _)| *of == tenant_id) {
            Some((_, places)) => places.push(place),
            None => groups.push((tenant_id, vec![place])),
        }
    }
    groups
}

/// Applies one fact by itself.
pub(crate) async fn apply(
    work: &mut Work<'_>,
    now: Timestamp,
    told: &AttemptFact,
    patience_of: PatienceOf,
) -> StoreResult<Applied> {
    let mut batch = Batch::default();
    let applied = apply_in(work, &mut batch, now, told, patience_of).await?;
    batch.finish(work).await?;
    Ok(applied)
}

/// Applies one fact of a batch. What it changes is written, and what follows from it carried out, when
/// the batch is settled.
pub(crate) async fn apply_in(
    work: &mut Work<'_>,
    batch: &mut Batch,
    now: Timestamp,
    told: &AttemptFact,
    patience_of: PatienceOf,
) -> StoreResult<Applied> {
    let Some(mut row) = batch.find(work, &told.attempt).await? else {
        return Ok(Applied::Unmatched);
    };
    let patience = patience_of(&row.provider);
    let change = attempt::apply(row.state, &told.fact, row.planned_at, patience, now);
    let over = !change.state.name().is_live();
    let rises = !over && !row.live;
    let decides = change.state != row.state || !change.effects.is_empty();
    if rises || batch.details.are_many() || (decides && batch.waits_for(&row)) {
        batch.settle(work).await?;
    }
    // A call that we had written off may have a successor to the same number by now; the number
    // can be held once only, and the correction is told all the same.
    let live = !over && (row.live || !is_in_call(work, &row.phone).await?);
    let overdue_at = attempt::overdue_at(row.planned_at, patience);
    let latest = call_rules::latest(row.planned_at, now, overdue_at);
    let instants = Instants {
        now,
        at: told.at.unwrap_or(now).clamp(row.planned_at, latest),
        overdue_at,
    };
    let changed = Changed::by(&row, told, &change, instants, live);
    let is_missed = changed.is_missed();
    batch.changes.add(row.attempt_id, changed);
    let details = told.details.as_ref().filter(|details| !details.is_empty());
    if let Some(details) = details {
        batch.details.add(row.attempt_id, details);
    }
    let applied = if change.state == row.state {
        Applied::Unchanged
    } else {
        Applied::Changed {
            state: change.state.name(),
        }
    };
    let state = change.state;
    batch.follow_up(follow_up(now, &row, told, change));
    row.become_as_stored(state, live, is_missed);
    if row.provider_call_id.is_none() {
        row.provider_call_id.clone_from(&told.provider_call_id);
    }
    batch.keep(row);
    Ok(applied)
}

/// What follows from a fact beyond its attempt.
fn follow_up(now: Timestamp, row: &AttemptRow, told: &AttemptFact, change: Change) -> FollowUp {
    let event = call_rules::is_news(&row.state, &change.state)
        .then(|| {
            let known = row.provider_call_id.as_ref();
            call_rules::event(row.attempt_number, known, told, &change)
        })
        .flatten();
    let frees_slot = !row.missed && call_rules::is_missed(now, false, &told.fact, &change.state);
    let never_sent = told.fact == Fact::NeverSent;
    // Told again, it is no other failure.
    let line_fault = told.line_fault.filter(|_| change.state != row.state);
    FollowUp {
        now,
        event,
        frees_slot,
        line_fault: line_fault.map(|reason| (reason, never_sent)),
        is_analysed: told.details.as_ref().is_some_and(have_analysis),
        effects: change.effects,
        row: row.clone(),
    }
}

pub(crate) fn subject(row: &AttemptRow) -> Subject {
    Subject {
        attempt_id: Some(row.attempt_id),
        lead_id: Some(row.lead_id).filter(|lead_id| *lead_id != NO_LEAD),
        ..Subject::campaign(row.campaign_id)
    }
}

//! What reduced facts do beyond their attempts.

use domain::Outcome;
use domain::attempt::Effect;
use serde_json::json;
use store::StoreResult;

use crate::dial::batch::{Batch, FollowUp};
use crate::dial::facts::subject;
use crate::dial::lead_verdict::{Freed, Verdicts};
use crate::dial::{lead_verdict, line_health};
use crate::events;
use crate::work::Work;

/// Carries all out in their order, in the transaction of the changes, which are written; the leads are
/// still to be written. No two of them change the same lead, or leads of one number in a campaign.
pub(crate) async fn carry_out(
    work: &mut Work<'_>,
    batch: &mut Batch,
    verdicts: &mut Verdicts,
    follow_ups: &[FollowUp],
) -> StoreResult<()> {
    for follow_up in follow_ups {
        let (now, row) = (follow_up.now, &follow_up.row);
        if let Some((kind, data)) = &follow_up.event {
            events::append(work, now, kind, subject(row), data);
        }
        for effect in &follow_up.effects {
            carry_out_one(work, batch, verdicts, follow_up, effect).await?;
        }
        if follow_up.frees_slot {
            batch.wake(row, now);
        }
        if let Some((reason, never_sent)) = follow_up.line_fault {
            batch.line_fails(row.line_id);
            line_health::fault(work, now, row, reason, never_sent).await?;
        }
        if follow_up.is_analysed && batch.details.is_first_analysis(row.attempt_id) {
            let data = json!({ "attempt": row.attempt_number });
            events::append(work, now, "call.analyzed", subject(row), &data);
        }
    }
    Ok(())
}

/// The leads that get a verdict.
pub(crate) fn freed(follow_ups: &[FollowUp]) -> Vec<Freed<'_>> {
    let mut all = Vec::new();
    for FollowUp {
        now, row, effects, ..
    } in follow_ups
    {
        for effect in effects {
            if let Effect::LeadFreed {
                outcome,
                retry_after,
            } = effect
            {
                all.push(Freed {
                    now: *now,
                    row,
                    outcome: *outcome,
                    retry_after: *retry_after,
                });
            }
        }
    }
    all
}

async fn carry_out_one(
    work: &mut Work<'_>,
    batch: &mut Batch,
    verdicts: &mut Verdicts,
    FollowUp { now, row, .. }: &FollowUp,
    effect: &Effect,
) -> StoreResult<()> {
    let now = *now;
    match effect {
        Effect::LeadFreed { outcome, .. } => {
            verdicts.carry_out(work, batch, now, row, *outcome).await?;
            if outcome.is_some_and(ended_by_itself) && !batch.campaigns.works(row.campaign_id) {
                line_health::close_circuit(work, row).await?;
            }
            batch.wake(row, now);
        }
        Effect::LeadUnresolved => lead_verdict::unresolved(work, now, row).await?,
        Effect::LeadInCall => lead_verdict::in_call(work, now, row).await?,
        Effect::LineRests { pause, reason } => {
            batch.line_fails(row.line_id);
            line_health::rest(work, now, row, *pause, reason).await?;
        }
        Effect::CircuitOpens => {
            batch.campaigns.fails(row.campaign_id);
            line_health::open_circuit(work, now, row).await?;
        }
        Effect::NumberRests => line_health::rest_number(work, now, row).await?,
        Effect::LineWorks => {
            if !batch.is_sound(row.line_id) && line_health::works(work, now, row).await? {
                batch.line_is_sound(row.line_id);
            }
        }
        Effect::Corrected => {
            tracing::warn!(
                call.id = row.attempt_id.raw(),
                "a call that had been given up was found after all"
            );
        }
    }
    Ok(())
}

/// Whether such an end shows that the campaign's assistant, number and settings work.
const fn ended_by_itself(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::FailedPermanent | Outcome::PresumedPlaced | Outcome::InvalidNumber
    )
}

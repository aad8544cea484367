//! What a reduced fact does beyond the attempt itself.

use domain::Outcome;
use domain::attempt::{Change, Effect};
use jiff::Timestamp;
use store::StoreResult;

use crate::dial::batch::Batch;
use crate::dial::row::AttemptRow;
use crate::dial::{lead_verdict, line_health};
use crate::work::Work;

/// Carries the effects out, in the transaction of the change.
pub(crate) async fn carry_out(
    work: &mut Work<'_>,
    batch: &mut Batch,
    now: Timestamp,
    row: &AttemptRow,
    change: &Change,
) -> StoreResult<()> {
    for effect in &change.effects {
        match effect {
            Effect::LeadFreed {
                outcome,
                retry_after,
            } => {
                lead_verdict::freed(work, batch, now, row, *outcome, *retry_after).await?;
                if outcome.is_some_and(ended_by_itself) && batch.campaign_works(row.campaign_id) {
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
                batch.campaign_fails(row.campaign_id);
                line_health::open_circuit(work, now, row).await?;
            }
            Effect::NumberRests => line_health::rest_number(work, now, row).await?,
            Effect::LineWorks => {
                if batch.line_works(row.line_id) {
                    line_health::works(work, now, row).await?;
                }
            }
            Effect::Corrected => {
                tracing::warn!(
                    call.id = row.attempt_id.raw(),
                    "a call that had been given up was found after all"
                );
            }
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

//! What a reduced fact does beyond the attempt itself.

use domain::Outcome;
use domain::attempt::{Change, Effect};
use jiff::Timestamp;
use store::StoreResult;

use crate::dial::row::AttemptRow;
use crate::dial::{lead_verdict, line_health};
use crate::ops::wake;
use crate::work::Work;

/// Carries the effects out, in the transaction of the change.
pub(crate) async fn carry_out(
    work: &mut Work<'_>,
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
                lead_verdict::freed(work, now, row, *outcome, *retry_after).await?;
                if outcome.is_some_and(ended_by_itself) {
                    line_health::close_circuit(work, row).await?;
                }
                // A slot, a number and a lead are free again.
                wake::campaign(work, row.campaign_id, now).await?;
                wake::line_only(work, row.line_id, now).await?;
            }
            Effect::LeadUnresolved => lead_verdict::unresolved(work, now, row).await?,
            Effect::LeadInCall => lead_verdict::in_call(work, now, row).await?,
            Effect::LineRests { pause, reason } => {
                line_health::rest(work, now, row, *pause, reason).await?;
            }
            Effect::CircuitOpens => line_health::open_circuit(work, now, row).await?,
            Effect::NumberRests => line_health::rest_number(work, now, row).await?,
            Effect::LineWorks => line_health::works(work, now, row).await?,
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

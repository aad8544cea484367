//! What becomes of a lead when its attempt is over, or its fate unclear.
//!
//! Only the lead's latest attempt decides: a late report about an older one changes that call's
//! record, not the lead.

use std::sync::Arc;

use domain::campaign::{CampaignType, LeadStatus};
use domain::settings::{CampaignSettings, Outbound};
use domain::{LeadId, Outcome};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{NO_LEAD, Scope, StoreResult};

use crate::code::micros;
use crate::dial::batch::Batch;
use crate::dial::facts::subject;
use crate::dial::row::AttemptRow;
use crate::dial::snapshot_leads::history;
use crate::events::{self, Subject};
use crate::ops::due;
use crate::query::{self, bound};
use crate::work::Work;

struct Lead {
    status: LeadStatus,
    requeued_at: Option<Timestamp>,
    /// Whether the number that was called is on the do-not-call list.
    suppressed: bool,
}

/// The lead of the attempt, if it and its campaign are still there and the attempt is its latest.
async fn latest(work: &Work<'_>, now: Timestamp, row: &AttemptRow) -> StoreResult<Option<Lead>> {
    let sql = "SELECT status, requeued_at,
                      EXISTS (SELECT 1 FROM suppressions
                              WHERE suppressions.tenant_id = $1 AND suppressions.phone = $4
                                AND (expires_at IS NULL OR expires_at > $5)) AS suppressed
               FROM leads
               WHERE tenant_id = $1 AND lead_id = $2 AND attempts_made = $3
                 AND EXISTS (SELECT 1 FROM campaigns WHERE campaigns.tenant_id = leads.tenant_id
                                                       AND campaigns.campaign_id = leads.campaign_id)";
    let bound = bound![
        work.tenant_id.raw(),
        row.lead_id.raw(),
        i64::from(row.attempt_number),
        row.phone.as_str(),
        micros(now),
    ];
    query::one(&work.tx, sql, bound, |cells| {
        Ok(Lead {
            suppressed: cells.get("suppressed")?,
            status: cells.choice("status", LeadStatus::parse)?,
            requeued_at: cells.maybe_instant("requeued_at")?,
        })
    })
    .await
}

/// The attempt is over: the lead goes back, or is done.
pub(crate) async fn freed(
    work: &mut Work<'_>,
    batch: &mut Batch,
    now: Timestamp,
    row: &AttemptRow,
    outcome: Option<Outcome>,
    retry_after: SignedDuration,
) -> StoreResult<()> {
    let Some(lead) = latest(work, now, row).await? else {
        return reached_earlier(work, batch, now, row, outcome).await;
    };
    if lead.status == LeadStatus::OptedOut {
        return Ok(());
    }
    if lead.requeued_at.is_some_and(|at| at > row.planned_at) {
        // The user has put it back since; this attempt only held it.
        if matches!(lead.status, LeadStatus::InCall | LeadStatus::Unresolved) {
            set_status(work, now, row, LeadStatus::Ready, None).await?;
            due::put(work, row.campaign_id, row.lead_id, now).await?;
        }
        return Ok(());
    }
    let (status, due_at) = verdict(work, batch, now, row, &lead, (outcome, retry_after)).await?;
    set_status(work, now, row, status, outcome).await?;
    if status == LeadStatus::Ready {
        due::put(work, row.campaign_id, row.lead_id, due_at).await?;
    }
    let kind = match status {
        LeadStatus::OptedOut => "lead.opted_out",
        LeadStatus::Answered | LeadStatus::Exhausted | LeadStatus::Invalid => "lead.completed",
        LeadStatus::Ready | LeadStatus::InCall | LeadStatus::Unresolved => return Ok(()),
    };
    let data = json!({ "status": status.as_str(), "outcome": outcome.map(Outcome::as_str) });
    events::append(work, now, kind, subject(row), &data);
    Ok(())
}

/// An older attempt, or one of a lead that was removed and added again, turns out to have reached
/// the person: a lead that waits for its next attempt is done. One that is in a call gets that
/// verdict when the call ends.
async fn reached_earlier(
    work: &mut Work<'_>,
    batch: &mut Batch,
    now: Timestamp,
    row: &AttemptRow,
    outcome: Option<Outcome>,
) -> StoreResult<()> {
    if row.lead_id == NO_LEAD {
        return Ok(());
    }
    let Some(outbound) = outbound(work, batch, row).await? else {
        return Ok(());
    };
    let reached = |outcome| outbound.policy.lead_after(outcome, 0) == LeadStatus::Answered;
    if !outcome.is_some_and(reached) {
        return Ok(());
    }
    let sql = "UPDATE leads SET status = 'ANSWERED', last_outcome = $5, updated_at = $6
               WHERE tenant_id = $1 AND campaign_id = $2 AND phone = $3 AND status = 'READY'
                 AND coalesce(requeued_at, $4) <= $4
               RETURNING lead_id";
    let bound = bound![
        work.tenant_id.raw(),
        row.campaign_id.raw(),
        row.phone.as_str(),
        micros(row.planned_at),
        outcome.map(Outcome::as_str),
        micros(now),
    ];
    let waiting = query::one(&work.tx, sql, bound, |cells| {
        Ok(LeadId::from_raw(cells.get("lead_id")?))
    })
    .await?;
    let Some(lead_id) = waiting else {
        return Ok(());
    };
    due::remove(work, lead_id).await?;
    work.revoke(Scope::Lead(lead_id));
    let subject = Subject {
        lead_id: Some(lead_id),
        ..subject(row)
    };
    let data = json!({ "status": "ANSWERED", "outcome": outcome.map(Outcome::as_str) });
    events::append(work, now, "lead.completed", subject, &data);
    Ok(())
}

/// Whether any attempt on record reached the person.
async fn was_reached(
    work: &Work<'_>,
    row: &AttemptRow,
    lead: &Lead,
    voicemail_too: bool,
) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM attempts
               WHERE tenant_id = $1 AND campaign_id = $2 AND phone = $3 AND planned_at >= $4 AND counts
                 AND (outcome = 'ANSWERED' OR ($5 AND outcome = 'VOICEMAIL')) LIMIT 1";
    let since = lead.requeued_at.map_or(i64::MIN, micros);
    let bound = bound![
        work.tenant_id.raw(),
        row.campaign_id.raw(),
        row.phone.as_str(),
        since,
        voicemail_too,
    ];
    query::exists(&work.tx, sql, bound).await
}

async fn verdict(
    work: &Work<'_>,
    batch: &mut Batch,
    now: Timestamp,
    row: &AttemptRow,
    lead: &Lead,
    (outcome, retry_after): (Option<Outcome>, SignedDuration),
) -> StoreResult<(LeadStatus, Timestamp)> {
    let soon = now.saturating_add(retry_after).unwrap_or(now);
    if lead.suppressed {
        return Ok((LeadStatus::OptedOut, soon));
    }
    let Some(outcome) = outcome else {
        return Ok((LeadStatus::Ready, soon));
    };
    let Some(outbound) = outbound(work, batch, row).await? else {
        return Ok((LeadStatus::Ready, soon));
    };
    let attempts = history(work, row.campaign_id, &row.phone, lead.requeued_at, now).await?;
    let counted = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    let mut status = outbound.policy.lead_after(outcome, counted);
    let voicemail_too = outbound.policy.voicemail_is_answered;
    if status == LeadStatus::Ready && was_reached(work, row, lead, voicemail_too).await? {
        status = LeadStatus::Answered;
    }
    let last_end = attempts
        .iter()
        .map(|attempt| attempt.ended_at)
        .max()
        .unwrap_or(now);
    let due_at = last_end
        .saturating_add(outbound.policy.gap_after(counted))
        .unwrap_or(Timestamp::MAX);
    Ok((status, due_at))
}

async fn outbound(
    work: &Work<'_>,
    batch: &mut Batch,
    row: &AttemptRow,
) -> StoreResult<Option<Outbound>> {
    let settings = if let Some(known) = batch.settings.get(&row.campaign_id) {
        known.clone()
    } else {
        let settings = settings(work, row).await?;
        batch.settings.insert(row.campaign_id, settings.clone());
        settings
    };
    Ok(settings.and_then(|settings| settings.outbound.clone()))
}

async fn settings(work: &Work<'_>, row: &AttemptRow) -> StoreResult<Option<Arc<CampaignSettings>>> {
    let sql = "SELECT kind, settings FROM campaigns WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![work.tenant_id.raw(), row.campaign_id.raw()];
    query::one(&work.tx, sql, bound, |cells| {
        let kind = cells.choice("kind", CampaignType::parse)?;
        let text: &str = cells.get("settings")?;
        let parsed = work.shared.settings.get(row.campaign_id, kind, text)?;
        Ok(parsed.settings)
    })
    .await
}

/// The attempt's fate is being looked up.
pub(crate) async fn unresolved(
    work: &Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
) -> StoreResult<()> {
    let lead = latest(work, now, row).await?;
    if lead.is_some_and(|lead| lead.status == LeadStatus::InCall) {
        set_status(work, now, row, LeadStatus::Unresolved, None).await?;
    }
    Ok(())
}

/// The attempt's call is up after all.
pub(crate) async fn in_call(work: &Work<'_>, now: Timestamp, row: &AttemptRow) -> StoreResult<()> {
    let Some(lead) = latest(work, now, row).await? else {
        return Ok(());
    };
    if matches!(lead.status, LeadStatus::Unresolved | LeadStatus::Ready) {
        set_status(work, now, row, LeadStatus::InCall, None).await?;
    }
    Ok(())
}

/// Changes the lead; one that is READY no longer is due no longer.
async fn set_status(
    work: &Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    status: LeadStatus,
    outcome: Option<Outcome>,
) -> StoreResult<()> {
    let sql = "WITH gone AS (DELETE FROM due WHERE tenant_id = $1 AND lead_id = $2 AND $3 <> 'READY')
               UPDATE leads SET status = $3, last_outcome = coalesce($4::text, last_outcome), updated_at = $5
               WHERE tenant_id = $1 AND lead_id = $2";
    let bound = bound![
        work.tenant_id.raw(),
        row.lead_id.raw(),
        status.as_str(),
        outcome.map(Outcome::as_str),
        micros(now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

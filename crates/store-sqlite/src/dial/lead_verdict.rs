//! What becomes of a lead when its attempt is over, or its fate unclear.
//!
//! Only the lead's latest attempt decides: a late report about an older one changes that call's
//! record, not the lead.

use domain::campaign::{CampaignType, LeadStatus};
use domain::settings::Outbound;
use domain::{LeadId, Outcome};
use jiff::{SignedDuration, Timestamp};
use rusqlite::params;
use serde_json::json;
use store::{NO_LEAD, Scope, StoreResult};

use crate::code::{Cells, micros};
use crate::dial::leads::is_suppressed;
use crate::dial::row::AttemptRow;
use crate::error::translate;
use crate::events::{self, Subject};
use crate::ops::{due, query};
use crate::writer::Work;

struct Lead {
    status: LeadStatus,
    requeued_at: Option<Timestamp>,
}

/// The lead of the attempt, if it and its campaign are still there and the attempt is its latest.
fn latest(work: &Work<'_>, row: &AttemptRow) -> StoreResult<Option<Lead>> {
    let sql = "SELECT status, requeued_at FROM leads WHERE lead_id = ?1 AND attempts_made = ?2
                 AND EXISTS (SELECT 1 FROM campaigns WHERE campaigns.campaign_id = leads.campaign_id)";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query(params![row.lead_id.raw(), row.attempt_number])
        .map_err(translate)?;
    let Some(found) = rows.next().map_err(translate)? else {
        return Ok(None);
    };
    let cells = Cells::of(found);
    Ok(Some(Lead {
        status: cells.choice("status", LeadStatus::parse)?,
        requeued_at: cells.maybe_instant("requeued_at")?,
    }))
}

/// The attempt is over: the lead goes back, or is done.
pub(crate) fn freed(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    outcome: Option<Outcome>,
    retry_after: SignedDuration,
) -> StoreResult<()> {
    let Some(lead) = latest(work, row)? else {
        return ended_earlier(work, now, row, outcome);
    };
    if lead.status == LeadStatus::OptedOut {
        return Ok(());
    }
    if lead.requeued_at.is_some_and(|at| at > row.planned_at) {
        // The user has put it back since; this attempt only held it.
        if matches!(lead.status, LeadStatus::InCall | LeadStatus::Unresolved) {
            set_status(work, now, row, LeadStatus::Ready, None)?;
            due::put(work, row.campaign_id, row.lead_id, now)?;
        }
        return Ok(());
    }
    let (status, due_at) = verdict(work, now, row, &lead, outcome, retry_after)?;
    set_status(work, now, row, status, outcome)?;
    match status {
        LeadStatus::Ready => due::put(work, row.campaign_id, row.lead_id, due_at)?,
        _ => due::remove(work, row.lead_id)?,
    }
    let kind = match status {
        LeadStatus::OptedOut => "lead.opted_out",
        LeadStatus::Answered | LeadStatus::Exhausted | LeadStatus::Invalid => "lead.completed",
        LeadStatus::Ready | LeadStatus::InCall | LeadStatus::Unresolved => return Ok(()),
    };
    let data = json!({ "status": status.as_str(), "outcome": outcome.map(Outcome::as_str) });
    events::append(work, now, kind, subject(row), &data)
}

/// An older attempt, or one of a lead that was removed and added again, turns out to have ended the
/// lead (it reached the person, say): one that waits for its next attempt is done. One that is in a call gets that
/// verdict when the call ends.
fn ended_earlier(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    outcome: Option<Outcome>,
) -> StoreResult<()> {
    if row.lead_id == NO_LEAD {
        return Ok(());
    }
    let Some(outbound) = outbound(work, row)? else {
        return Ok(());
    };
    let ended = outcome.map_or(LeadStatus::Ready, |outcome| {
        outbound.policy.lead_after(outcome, 0)
    });
    if ended == LeadStatus::Ready {
        return Ok(());
    }
    let sql = "UPDATE leads SET status = ?6, last_outcome = ?4, updated_at = ?5
               WHERE campaign_id = ?1 AND phone = ?2 AND status = 'READY' AND coalesce(requeued_at, ?3) <= ?3
               RETURNING lead_id";
    let bound = params![
        row.campaign_id.raw(),
        row.phone.as_str(),
        micros(row.planned_at),
        outcome.map(Outcome::as_str),
        micros(now),
        ended.as_str(),
    ];
    let waiting = query::one(work.tx, sql, bound, |cells| {
        Ok(LeadId::from_raw(cells.get("lead_id")?))
    })?;
    let Some(lead_id) = waiting else {
        return Ok(());
    };
    due::remove(work, lead_id)?;
    work.revoke(Scope::Lead(lead_id));
    let subject = Subject {
        lead_id: Some(lead_id),
        ..subject(row)
    };
    let data = json!({ "status": ended.as_str(), "outcome": outcome.map(Outcome::as_str) });
    events::append(work, now, "lead.completed", subject, &data)
}

/// An attempt that counts.
struct Counted {
    ended_at: Timestamp,
    outcome: Option<Outcome>,
}

/// The attempts to the number that count in the campaign, since its lead was last put back.
fn counted(
    work: &Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    lead: &Lead,
) -> StoreResult<Vec<Counted>> {
    let sql = "SELECT coalesce(gap_from, ended_at, ?4) AS ended_at, outcome FROM attempts
               WHERE campaign_id = ?1 AND phone = ?2 AND planned_at >= ?3 AND counts = 1";
    let since = lead.requeued_at.map_or(i64::MIN, micros);
    let since = domain::planted!("history_forgotten", since, micros(now) - 3_600_000_000);
    let bound = params![
        row.campaign_id.raw(),
        row.phone.as_str(),
        since,
        micros(now)
    ];
    query::many(work.tx, sql, bound, |cells| {
        Ok(Counted {
            ended_at: cells.instant("ended_at")?,
            outcome: cells.maybe_choice("outcome", Outcome::parse)?,
        })
    })
}

fn verdict(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    lead: &Lead,
    outcome: Option<Outcome>,
    retry_after: SignedDuration,
) -> StoreResult<(LeadStatus, Timestamp)> {
    let soon = now.saturating_add(retry_after).unwrap_or(now);
    if is_suppressed(work, row.tenant_id, &row.phone, now)? {
        return Ok((LeadStatus::OptedOut, soon));
    }
    let Some(outbound) = outbound(work, row)? else {
        return Ok((LeadStatus::Ready, soon));
    };
    let history = counted(work, now, row, lead)?;
    let outcomes: Vec<_> = history.iter().map(|attempt| attempt.outcome).collect();
    let status = outbound.policy.lead_after_all(outcome, &outcomes);
    if outcome.is_none() {
        return Ok((status, soon));
    }
    let last_end = history.iter().map(|attempt| attempt.ended_at).max();
    let count = u32::try_from(history.len()).unwrap_or(u32::MAX);
    let due_at = last_end
        .unwrap_or(now)
        .saturating_add(outbound.policy.gap_after(count))
        .unwrap_or(Timestamp::MAX);
    Ok((status, due_at))
}

fn outbound(work: &mut Work<'_>, row: &AttemptRow) -> StoreResult<Option<Outbound>> {
    let tx = work.tx;
    let sql = "SELECT revision, kind, settings FROM campaigns WHERE campaign_id = ?1";
    let mut statement = tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement
        .query([row.campaign_id.raw()])
        .map_err(translate)?;
    let Some(found) = rows.next().map_err(translate)? else {
        return Ok(None);
    };
    let cells = Cells::of(found);
    let kind = cells.choice("kind", CampaignType::parse)?;
    let text: String = cells.get("settings")?;
    let settings = work
        .settings
        .get(row.campaign_id, cells.get("revision")?, kind, &text)?;
    Ok(settings.outbound.clone())
}

/// The attempt's fate is being looked up.
pub(crate) fn unresolved(work: &Work<'_>, now: Timestamp, row: &AttemptRow) -> StoreResult<()> {
    if latest(work, row)?.is_some_and(|lead| lead.status == LeadStatus::InCall) {
        set_status(work, now, row, LeadStatus::Unresolved, None)?;
    }
    Ok(())
}

/// The attempt's call is up after all.
pub(crate) fn in_call(work: &mut Work<'_>, now: Timestamp, row: &AttemptRow) -> StoreResult<()> {
    let Some(lead) = latest(work, row)? else {
        return Ok(());
    };
    if matches!(lead.status, LeadStatus::Unresolved | LeadStatus::Ready) {
        set_status(work, now, row, LeadStatus::InCall, None)?;
        due::remove(work, row.lead_id)?;
    }
    Ok(())
}

fn set_status(
    work: &Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    status: LeadStatus,
    outcome: Option<Outcome>,
) -> StoreResult<()> {
    let sql = "UPDATE leads SET status = ?2, last_outcome = coalesce(?3, last_outcome), updated_at = ?4 WHERE lead_id = ?1";
    let bound = params![
        row.lead_id.raw(),
        status.as_str(),
        outcome.map(Outcome::as_str),
        micros(now)
    ];
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute(bound)
        .map_err(translate)?;
    Ok(())
}

fn subject(row: &AttemptRow) -> Subject {
    super::facts::subject(row)
}

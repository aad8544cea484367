//! What becomes of a lead when its attempt is over, or its fate unclear.
//!
//! Only the lead's latest attempt decides: a late report about an older one changes that call's
//! record, not the lead.

use std::collections::HashMap;

use domain::campaign::LeadStatus;
use domain::settings::Outbound;
use domain::{AttemptId, LeadId, Outcome};
use futures_util::future::try_join;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{NO_LEAD, Scope, StoreResult};

use crate::code::micros;
use crate::dial::batch::Batch;
use crate::dial::campaigns::Campaigns;
use crate::dial::facts::subject;
use crate::dial::row::AttemptRow;
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

/// A lead whose attempt is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freed<'a> {
    pub(crate) now: Timestamp,
    pub(crate) row: &'a AttemptRow,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) retry_after: SignedDuration,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    /// The lead is not there, or has a later attempt.
    NotLatest,
    /// It stays as it is.
    Stays,
    /// The user has put it back since; this attempt only held it.
    PutBack,
    /// It is this now, and if it is READY, due then.
    Becomes(LeadStatus, Timestamp),
}

/// The verdicts on leads whose attempts ended in one batch, of which no two are about the same number:
/// found by three statements for all, of which two are under way together, and written by two.
#[derive(Default)]
pub(crate) struct Verdicts {
    by_attempt: HashMap<AttemptId, Verdict>,
    changed: Vec<ChangedLead>,
    due: Vec<(LeadId, Timestamp)>,
}

struct ChangedLead {
    lead_id: LeadId,
    status: LeadStatus,
    outcome: Option<Outcome>,
    now: Timestamp,
}

impl Verdicts {
    /// Finds them. The attempts' own ends are written, or sent before this is first polled.
    pub(crate) async fn of(
        work: &Work<'_>,
        campaigns: &mut Campaigns,
        all: &[Freed<'_>],
    ) -> StoreResult<Self> {
        let mut verdicts = Self::default();
        if all.is_empty() {
            return Ok(verdicts);
        }
        let wanted: Vec<_> = all.iter().map(|freed| (freed.now, freed.row)).collect();
        let of_calls = all.iter().map(|freed| freed.row.campaign_id);
        let (leads, ()) = try_join(latest(work, &wanted), campaigns.read(work, of_calls)).await?;
        let mut open = Vec::new();
        for (freed, lead) in all.iter().zip(leads) {
            match at_once(freed, lead.as_ref()) {
                Ok(verdict) => verdicts.keep(freed, verdict),
                Err(since) => match outbound(campaigns, freed.row) {
                    Some(outbound) => open.push((freed, since, outbound)),
                    None => {
                        verdicts.keep(freed, Verdict::Becomes(LeadStatus::Ready, soon(freed)));
                    }
                },
            }
        }
        let wanted: Vec<_> = open
            .iter()
            .map(|(freed, since, _)| (freed.now, freed.row, *since))
            .collect();
        let histories = histories(work, &wanted).await?;
        for ((freed, _, outbound), history) in open.iter().zip(histories) {
            verdicts.keep(freed, by_history(freed, outbound, &history));
        }
        Ok(verdicts)
    }

    fn keep(&mut self, freed: &Freed<'_>, verdict: Verdict) {
        self.by_attempt.insert(freed.row.attempt_id, verdict);
    }

    /// Carries out and tells what was found for the lead of this attempt; the lead is written with all
    /// others.
    pub(crate) async fn carry_out(
        &mut self,
        work: &mut Work<'_>,
        batch: &mut Batch,
        now: Timestamp,
        row: &AttemptRow,
        outcome: Option<Outcome>,
    ) -> StoreResult<()> {
        match self.by_attempt.get(&row.attempt_id) {
            None | Some(Verdict::Stays) => Ok(()),
            Some(Verdict::NotLatest) => ended_earlier(work, batch, now, row, outcome).await,
            Some(Verdict::PutBack) => {
                self.change(now, row, (LeadStatus::Ready, None), now);
                Ok(())
            }
            Some(Verdict::Becomes(status, due_at)) => {
                let (status, due_at) = (*status, *due_at);
                self.change(now, row, (status, outcome), due_at);
                tell(work, now, row, status, outcome);
                Ok(())
            }
        }
    }

    fn change(
        &mut self,
        now: Timestamp,
        row: &AttemptRow,
        (status, outcome): (LeadStatus, Option<Outcome>),
        due_at: Timestamp,
    ) {
        let lead_id = row.lead_id;
        self.changed.push(ChangedLead {
            lead_id,
            status,
            outcome,
            now,
        });
        if status == LeadStatus::Ready {
            self.due.push((lead_id, due_at));
        }
    }

    /// Writes the leads.
    pub(crate) async fn write(self, work: &Work<'_>) -> StoreResult<()> {
        set_all(work, &self.changed).await?;
        due::put_those_out(work, &self.due).await
    }
}

/// The leads of the attempts, each if it and its campaign are still there and the attempt is its
/// latest.
async fn latest(
    work: &Work<'_>,
    wanted: &[(Timestamp, &AttemptRow)],
) -> StoreResult<Vec<Option<Lead>>> {
    let mut leads: Vec<Option<Lead>> = wanted.iter().map(|_| None).collect();
    if wanted.is_empty() {
        return Ok(leads);
    }
    let sql = "SELECT wanted.place, lead.status, lead.requeued_at,
                      EXISTS (SELECT 1 FROM suppressions
                              WHERE suppressions.tenant_id = $1 AND suppressions.phone = wanted.phone
                                AND (expires_at IS NULL OR expires_at > wanted.now)) AS suppressed
               FROM UNNEST($2::bigint[], $3::bigint[], $4::text[], $5::bigint[])
                        WITH ORDINALITY AS wanted (lead_id, attempt_number, phone, now, place),
                    LATERAL (SELECT status, requeued_at FROM leads
                             WHERE tenant_id = $1 AND lead_id = wanted.lead_id
                               AND attempts_made = wanted.attempt_number
                               AND EXISTS (SELECT 1 FROM campaigns
                                           WHERE campaigns.tenant_id = leads.tenant_id
                                             AND campaigns.campaign_id = leads.campaign_id)
                             OFFSET 0) AS lead";
    let rows = || wanted.iter().map(|(_, row)| row);
    let ids: Vec<_> = rows().map(|row| row.lead_id.raw()).collect();
    let numbers: Vec<_> = rows().map(|row| i64::from(row.attempt_number)).collect();
    let phones: Vec<_> = rows().map(|row| row.phone.as_str()).collect();
    let times: Vec<_> = wanted.iter().map(|(now, _)| micros(*now)).collect();
    let bound = bound![work.tenant_id.raw(), ids, numbers, phones, times];
    let found = query::many(&work.tx, sql, bound, |cells| {
        let lead = Lead {
            suppressed: cells.get("suppressed")?,
            status: cells.choice("status", LeadStatus::parse)?,
            requeued_at: cells.maybe_instant("requeued_at")?,
        };
        Ok((cells.place()?, lead))
    });
    for (place, lead) in found.await? {
        if let Some(wanted) = leads.get_mut(place) {
            *wanted = Some(lead);
        }
    }
    Ok(leads)
}

/// The verdict, where it needs no history; else since when other calls count.
fn at_once(freed: &Freed<'_>, lead: Option<&Lead>) -> Result<Verdict, Option<Timestamp>> {
    let Some(lead) = lead else {
        return Ok(Verdict::NotLatest);
    };
    if lead.status == LeadStatus::OptedOut {
        return Ok(Verdict::Stays);
    }
    if lead.requeued_at.is_some_and(|at| at > freed.row.planned_at) {
        let is_held = matches!(lead.status, LeadStatus::InCall | LeadStatus::Unresolved);
        return Ok(if is_held {
            Verdict::PutBack
        } else {
            Verdict::Stays
        });
    }
    if lead.suppressed {
        return Ok(Verdict::Becomes(LeadStatus::OptedOut, soon(freed)));
    }
    Err(lead.requeued_at)
}

fn soon(freed: &Freed<'_>) -> Timestamp {
    freed
        .now
        .saturating_add(freed.retry_after)
        .unwrap_or(freed.now)
}

/// An attempt that counts.
struct Counted {
    ended_at: Timestamp,
    outcome: Option<Outcome>,
}

/// The attempts to numbers that count in their campaigns, each since its lead was last put back.
async fn histories(
    work: &Work<'_>,
    wanted: &[(Timestamp, &AttemptRow, Option<Timestamp>)],
) -> StoreResult<Vec<Vec<Counted>>> {
    let mut histories: Vec<Vec<Counted>> = wanted.iter().map(|_| Vec::new()).collect();
    if wanted.is_empty() {
        return Ok(histories);
    }
    // In the order of the index by number, as in the snapshot of a plan.
    let sql = "SELECT wanted.place, found.ended_at, found.outcome
               FROM UNNEST($2::bigint[], $3::text[], $4::bigint[], $5::bigint[])
                        WITH ORDINALITY AS wanted (campaign_id, phone, since, now, place),
                    LATERAL (SELECT coalesce(gap_from, ended_at, wanted.now) AS ended_at, outcome FROM attempts
                             WHERE tenant_id = $1 AND campaign_id = wanted.campaign_id
                               AND attempts.phone = wanted.phone AND planned_at >= wanted.since AND counts
                             ORDER BY planned_at) AS found";
    let rows = || wanted.iter().map(|(_, row, _)| row);
    let campaigns: Vec<_> = rows().map(|row| row.campaign_id.raw()).collect();
    let phones: Vec<_> = rows().map(|row| row.phone.as_str()).collect();
    let since: Vec<_> = wanted
        .iter()
        .map(|(_, _, since)| since.map_or(i64::MIN, micros))
        .collect();
    let times: Vec<_> = wanted.iter().map(|(now, _, _)| micros(*now)).collect();
    let bound = bound![work.tenant_id.raw(), campaigns, phones, since, times];
    let found = query::many(&work.tx, sql, bound, |cells| {
        let counted = Counted {
            ended_at: cells.instant("ended_at")?,
            outcome: cells.maybe_choice("outcome", Outcome::parse)?,
        };
        Ok((cells.place()?, counted))
    });
    for (place, counted) in found.await? {
        if let Some(history) = histories.get_mut(place) {
            history.push(counted);
        }
    }
    Ok(histories)
}

fn by_history(freed: &Freed<'_>, outbound: &Outbound, history: &[Counted]) -> Verdict {
    let outcomes: Vec<_> = history.iter().map(|counted| counted.outcome).collect();
    let status = outbound.policy.lead_after_all(freed.outcome, &outcomes);
    if freed.outcome.is_none() {
        return Verdict::Becomes(status, soon(freed));
    }
    let last_end = history.iter().map(|counted| counted.ended_at).max();
    let count = u32::try_from(history.len()).unwrap_or(u32::MAX);
    let due_at = last_end
        .unwrap_or(freed.now)
        .saturating_add(outbound.policy.gap_after(count))
        .unwrap_or(Timestamp::MAX);
    Verdict::Becomes(status, due_at)
}

/// Tells that the lead is done, if it is.
fn tell(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    status: LeadStatus,
    outcome: Option<Outcome>,
) {
    let kind = match status {
        LeadStatus::OptedOut => "lead.opted_out",
        LeadStatus::Answered | LeadStatus::Exhausted | LeadStatus::Invalid => "lead.completed",
        LeadStatus::Ready | LeadStatus::InCall | LeadStatus::Unresolved => return,
    };
    let data = json!({ "status": status.as_str(), "outcome": outcome.map(Outcome::as_str) });
    events::append(work, now, kind, subject(row), &data);
}

/// An older attempt, or one of a lead that was removed and added again, turns out to have ended the
/// lead (it reached the person, say): one that waits for its next attempt is done. One that is in a call gets that
/// verdict when the call ends.
async fn ended_earlier(
    work: &mut Work<'_>,
    batch: &mut Batch,
    now: Timestamp,
    row: &AttemptRow,
    outcome: Option<Outcome>,
) -> StoreResult<()> {
    if row.lead_id == NO_LEAD {
        return Ok(());
    }
    let campaigns = &mut batch.campaigns;
    campaigns
        .read(work, std::iter::once(row.campaign_id))
        .await?;
    let Some(outbound) = outbound(campaigns, row) else {
        return Ok(());
    };
    let ended = outcome.map_or(LeadStatus::Ready, |outcome| {
        outbound.policy.lead_after(outcome, 0)
    });
    if ended == LeadStatus::Ready {
        return Ok(());
    }
    let sql = "UPDATE leads SET status = $7, last_outcome = $5, updated_at = $6
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
        ended.as_str(),
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
    let data = json!({ "status": ended.as_str(), "outcome": outcome.map(Outcome::as_str) });
    events::append(work, now, "lead.completed", subject, &data);
    Ok(())
}

/// How the campaign of an attempt calls out, if it is known and does.
fn outbound<'a>(campaigns: &'a Campaigns, row: &AttemptRow) -> Option<&'a Outbound> {
    let settings = campaigns.settings(row.campaign_id)?;
    settings.outbound.as_ref()
}

/// The attempt's fate is being looked up.
pub(crate) async fn unresolved(
    work: &Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
) -> StoreResult<()> {
    let is_wanted = |status| status == LeadStatus::InCall;
    set_if(work, now, row, is_wanted, LeadStatus::Unresolved).await
}

/// The attempt's call is up after all.
pub(crate) async fn in_call(work: &Work<'_>, now: Timestamp, row: &AttemptRow) -> StoreResult<()> {
    let is_wanted = |status| matches!(status, LeadStatus::Unresolved | LeadStatus::Ready);
    set_if(work, now, row, is_wanted, LeadStatus::InCall).await
}

/// Changes the lead, if the attempt is its latest and its status is as wanted.
async fn set_if(
    work: &Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    is_wanted: impl Fn(LeadStatus) -> bool,
    status: LeadStatus,
) -> StoreResult<()> {
    let lead = latest(work, &[(now, row)]).await?.pop().flatten();
    if lead.is_some_and(|lead| is_wanted(lead.status)) {
        let changed = ChangedLead {
            lead_id: row.lead_id,
            status,
            outcome: None,
            now,
        };
        set_all(work, &[changed]).await?;
    }
    Ok(())
}

/// Changes leads; none of them is due any longer.
async fn set_all(work: &Work<'_>, changed: &[ChangedLead]) -> StoreResult<()> {
    if changed.is_empty() {
        return Ok(());
    }
    // Each lead is looked for by itself, as the attempts of `change.rs`.
    let sql = "WITH gone AS (DELETE FROM due WHERE tenant_id = $1 AND lead_id = ANY($2))
               UPDATE leads SET status = told.status, last_outcome = coalesce(told.outcome, last_outcome),
                                updated_at = told.now
               FROM (SELECT $1::bigint AS tenant_id, wanted.*
                     FROM UNNEST($2::bigint[], $3::text[], $4::text[], $5::bigint[])
                              AS wanted (lead_id, status, outcome, now)
                     OFFSET 0) AS told
               WHERE leads.tenant_id = told.tenant_id AND leads.lead_id = told.lead_id";
    let ids: Vec<_> = changed.iter().map(|lead| lead.lead_id.raw()).collect();
    let statuses: Vec<_> = changed.iter().map(|lead| lead.status.as_str()).collect();
    let outcomes: Vec<_> = changed
        .iter()
        .map(|lead| lead.outcome.map(Outcome::as_str))
        .collect();
    let times: Vec<_> = changed.iter().map(|lead| micros(lead.now)).collect();
    let bound = bound![work.tenant_id.raw(), ids, statuses, outcomes, times];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

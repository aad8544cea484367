//! Changing and removing leads: a single one, or many of which each has its own answer.

use domain::CampaignId;
use domain::campaign::LeadStatus;
use failpoint::Transaction;
use rusqlite::params;
use serde_json::json;
use store::lead_rules;
use store::{
    Caller, Conflict, LeadChange, LeadKey, LeadRecord, OptOut, Precondition, Scope, StoreError,
    StoreResult,
};

use crate::code::micros;
use crate::events::{self, Subject};
use crate::ops::campaigns::Head;
use crate::ops::lead_write::{self, Row};
use crate::ops::{campaign_edit, campaigns, do_not_call, due, imports, leads, query, wake};
use crate::writer::Work;

/// Answers in the order of the request, and the scopes to settle.
type Answers<T> = (Vec<StoreResult<T>>, Vec<Scope>);

/// Changes one lead.
pub(crate) fn update_single(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    key: &LeadKey,
    change: &LeadChange,
    precondition: &Precondition,
) -> StoreResult<(LeadRecord, Vec<Scope>)> {
    let mut campaign = campaigns::head(work.tx, caller.tenant_id, campaign_id)?;
    check(work, campaign_id, key, precondition)?;
    let mut scopes = Vec::new();
    let lead = update_one(work, caller, &mut campaign, key, change, &mut scopes)?;
    wake::campaign(work, campaign_id, caller.now)?;
    Ok((lead, scopes))
}

/// Removes one lead.
pub(crate) fn remove_single(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    key: &LeadKey,
    precondition: &Precondition,
) -> StoreResult<((), Vec<Scope>)> {
    campaigns::head(work.tx, caller.tenant_id, campaign_id)?;
    check(work, campaign_id, key, precondition)?;
    let mut scopes = Vec::new();
    remove_one(work, caller, campaign_id, key, &mut scopes)?;
    wake::campaign(work, campaign_id, caller.now)?;
    Ok(((), scopes))
}

fn check(
    work: &Work<'_>,
    campaign_id: CampaignId,
    key: &LeadKey,
    precondition: &Precondition,
) -> StoreResult<()> {
    if precondition.is_strict() {
        let lead = lead_write::find(work.tx, campaign_id, key)?.ok_or(leads::NOT_FOUND)?;
        precondition.check(lead.revision)?;
    }
    Ok(())
}

/// Changes leads.
pub(crate) fn update(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    changes: &[(LeadKey, LeadChange)],
) -> StoreResult<Answers<LeadRecord>> {
    work.is_a(Transaction::LeadEdit);
    let mut campaign = campaigns::head(work.tx, caller.tenant_id, campaign_id)?;
    let mut scopes = Vec::new();
    let mut answers = Vec::with_capacity(changes.len());
    for (key, change) in changes {
        answers.push(own_answer(update_one(
            work,
            caller,
            &mut campaign,
            key,
            change,
            &mut scopes,
        ))?);
    }
    wake::campaign(work, campaign_id, caller.now)?;
    Ok((answers, scopes))
}

/// Removes leads. A call that is up goes on; what it reports later finds no lead.
pub(crate) fn remove(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    keys: &[LeadKey],
) -> StoreResult<Answers<()>> {
    work.is_a(Transaction::LeadRemoval);
    campaigns::head(work.tx, caller.tenant_id, campaign_id)?;
    let mut scopes = Vec::new();
    let mut answers = Vec::with_capacity(keys.len());
    for key in keys {
        answers.push(own_answer(remove_one(
            work,
            caller,
            campaign_id,
            key,
            &mut scopes,
        ))?);
    }
    // It may have been the campaign's last open lead.
    wake::campaign(work, campaign_id, caller.now)?;
    Ok((answers, scopes))
}

/// A refusal is the answer of one item; a failing database ends the whole operation.
fn own_answer<T>(result: StoreResult<T>) -> StoreResult<StoreResult<T>> {
    match result {
        Err(failure @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) => Err(failure),
        answer => Ok(answer),
    }
}

/// Everything that can be refused is, before anything is written.
fn update_one(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &mut Head,
    key: &LeadKey,
    change: &LeadChange,
    scopes: &mut Vec<Scope>,
) -> StoreResult<LeadRecord> {
    let lead = lead_write::find(work.tx, campaign.campaign_id, key)?.ok_or(leads::NOT_FOUND)?;
    let fields = lead_rules::merged(&lead.fields, change)?;
    let mut changed = lead_rules::changed_fields(&lead.fields, &fields);
    if set_do_not_call(work, caller, &lead, change.do_not_call, scopes)? {
        changed.push("do_not_call");
    }
    if change.mark_as_unanswered == Some(true) && requeue(work, caller, &lead)? {
        changed.push("mark_as_unanswered");
    }
    if !changed.is_empty() {
        lead_write::write_fields(work, caller, &lead, &fields, &changed)?;
    }
    if changed
        .iter()
        .any(|field| lead_rules::NARROWING.contains(field))
    {
        scopes.push(Scope::Lead(lead.lead_id));
    }
    let id = LeadKey::Id(lead.lead_id);
    let record = leads::get(
        work.tx,
        caller.tenant_id,
        campaign.campaign_id,
        &id,
        caller.now,
    )?;
    if lead.status.is_final() && record.status == LeadStatus::Ready {
        campaign_edit::reopen(work, caller, campaign)?;
    }
    Ok(record)
}

fn set_do_not_call(
    work: &mut Work<'_>,
    caller: Caller,
    lead: &Row,
    said: Option<OptOut>,
    scopes: &mut Vec<Scope>,
) -> StoreResult<bool> {
    match said {
        Some(OptOut::Enter) => {
            scopes.push(Scope::Phone(caller.tenant_id, lead.phone.clone()));
            do_not_call::add(work, caller, &lead.phone, "lead_update")
        }
        Some(OptOut::Deny) => {
            let is_on_the_list =
                do_not_call::has(work.tx, caller.tenant_id, &lead.phone, caller.now)?;
            if is_on_the_list || lead.status == LeadStatus::OptedOut {
                return Err(Conflict::OptedOut.into());
            }
            Ok(false)
        }
        Some(OptOut::Lift) => do_not_call::remove(work, caller, &lead.phone, lead.lead_id),
        None => Ok(false),
    }
}

/// Puts an ANSWERED or EXHAUSTED lead back with fresh caps, unless its number must not be called.
fn requeue(work: &mut Work<'_>, caller: Caller, lead: &Row) -> StoreResult<bool> {
    // Read again: taking back do_not_call may have just moved it.
    let now_is =
        lead_write::find_by_id(work.tx, lead.campaign_id, lead.lead_id)?.map(|lead| lead.status);
    if !matches!(now_is, Some(LeadStatus::Answered | LeadStatus::Exhausted)) {
        return Ok(false);
    }
    let suppressed = do_not_call::has(work.tx, caller.tenant_id, &lead.phone, caller.now)?;
    let status = if suppressed {
        LeadStatus::OptedOut
    } else {
        LeadStatus::Ready
    };
    let sql = "UPDATE leads SET status = ?2, requeued_at = ?3, updated_at = ?3 WHERE lead_id = ?1";
    query::execute(
        work.tx,
        sql,
        params![lead.lead_id.raw(), status.as_str(), micros(caller.now)],
    )?;
    due::put(work, lead.campaign_id, lead.lead_id, caller.now)?;
    Ok(true)
}

fn remove_one(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    key: &LeadKey,
    scopes: &mut Vec<Scope>,
) -> StoreResult<()> {
    let lead = lead_write::find(work.tx, campaign_id, key)?.ok_or(leads::NOT_FOUND)?;
    due::remove(work, lead.lead_id)?;
    query::execute(
        work.tx,
        "DELETE FROM leads WHERE lead_id = ?1",
        [lead.lead_id.raw()],
    )?;
    imports::note_removal(work, caller.now, campaign_id, &lead.phone)?;
    let subject = Subject::lead(caller.tenant_id, campaign_id, lead.lead_id);
    events::append(
        work,
        caller.now,
        "lead.removed",
        subject,
        &json!({ "status": lead.status.as_str() }),
    )?;
    let scope = Scope::Lead(lead.lead_id);
    domain::planted!("removal_without_revoke", work.revoke(scope), ());
    scopes.push(Scope::Lead(lead.lead_id));
    Ok(())
}

//! The tenant's do-not-call list, and what an entry does to leads in every campaign.
//!
//! Only leads that wait (READY) change with an entry. One whose call is up keeps its state until
//! the call ends and becomes OPTED_OUT then, see `dial::lead_verdict`.

use domain::campaign::LeadStatus;
use domain::{CampaignId, LeadId, PhoneNumber, TenantId};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::json;
use store::{Caller, Scope, StoreResult};

use crate::code::{Cells, micros};
use crate::events::{self, Subject};
use crate::ops::lead_write::{self, Row};
use crate::ops::{campaigns, due, leads, query, wake};
use crate::writer::Work;

/// Whether the list has the number.
pub(crate) fn has(
    db: &Connection,
    tenant_id: TenantId,
    phone: &PhoneNumber,
    now: Timestamp,
) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM suppressions
               WHERE tenant_id = ?1 AND phone = ?2 AND (expires_at IS NULL OR expires_at > ?3)";
    let bound = params![tenant_id.raw(), phone.as_str(), micros(now)];
    let has = query::exists(db, sql, bound)?;
    Ok(domain::planted!("suppression_ignored", has, false))
}

/// Puts the number on the list for good; answers whether anything changed by it.
pub(crate) fn add(
    work: &mut Work<'_>,
    caller: Caller,
    phone: &PhoneNumber,
    source: &'static str,
) -> StoreResult<bool> {
    let was_there = has(work.tx, caller.tenant_id, phone, caller.now)?;
    let id = work.next_id(caller.now);
    let sql = "INSERT INTO suppressions (tenant_id, phone, suppression_id, source, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (tenant_id, phone) DO UPDATE
                   SET expires_at = NULL, source = excluded.source, created_at = excluded.created_at
                   WHERE expires_at IS NOT NULL";
    let bound = params![
        caller.tenant_id.raw(),
        phone.as_str(),
        id,
        source,
        micros(caller.now)
    ];
    query::execute(work.tx, sql, bound)?;
    let waiting = leads_in(work, caller.tenant_id, phone, LeadStatus::Ready)?;
    for (campaign_id, lead_id) in &waiting {
        lead_write::set_status(work, caller.now, *lead_id, LeadStatus::OptedOut)?;
        due::remove(work, *lead_id)?;
        let subject = Subject::lead(caller.tenant_id, *campaign_id, *lead_id);
        events::append(
            work,
            caller.now,
            "lead.opted_out",
            subject,
            &json!({ "source": source }),
        )?;
        // It may have been the campaign's last open lead.
        wake::campaign(work, *campaign_id, caller.now)?;
    }
    let scope = Scope::Phone(caller.tenant_id, phone.clone());
    domain::planted!("opt_out_without_revoke", work.revoke(scope), ());
    Ok(!was_there || !waiting.is_empty())
}

/// Takes the number off the list. Leads that had opted out go back to where they were; `edited`
/// is the lead whose change asked for it, which is told of by the caller.
pub(crate) fn remove(
    work: &mut Work<'_>,
    caller: Caller,
    phone: &PhoneNumber,
    edited: LeadId,
) -> StoreResult<bool> {
    let sql = "DELETE FROM suppressions WHERE tenant_id = ?1 AND phone = ?2";
    let deleted = query::execute(
        work.tx,
        sql,
        params![caller.tenant_id.raw(), phone.as_str()],
    )?;
    let opted_out = leads_in(work, caller.tenant_id, phone, LeadStatus::OptedOut)?;
    for (campaign_id, lead_id) in &opted_out {
        let Some(lead) = lead_write::find_by_id(work.tx, *campaign_id, *lead_id)? else {
            continue;
        };
        let status = status_before(work, caller, &lead)?;
        lead_write::set_status(work, caller.now, *lead_id, status)?;
        due::put(work, *campaign_id, *lead_id, caller.now)?;
        if *lead_id != edited {
            let subject = Subject::lead(caller.tenant_id, *campaign_id, *lead_id);
            let data = json!({ "changed": ["do_not_call"], "status": status.as_str() });
            events::append(work, caller.now, "lead.updated", subject, &data)?;
        }
        wake::campaign(work, *campaign_id, caller.now)?;
    }
    Ok(deleted > 0 || !opted_out.is_empty())
}

fn leads_in(
    work: &Work<'_>,
    tenant_id: TenantId,
    phone: &PhoneNumber,
    status: LeadStatus,
) -> StoreResult<Vec<(CampaignId, LeadId)>> {
    // Leads of a deleted campaign may still be there.
    let sql = "SELECT campaign_id, lead_id FROM leads
               WHERE tenant_id = ?1 AND phone = ?2 AND status = ?3
                 AND EXISTS (SELECT 1 FROM campaigns WHERE campaigns.campaign_id = leads.campaign_id)";
    let bound = params![tenant_id.raw(), phone.as_str(), status.as_str()];
    query::many(work.tx, sql, bound, |cells: &Cells<'_, '_>| {
        Ok((
            CampaignId::from_raw(cells.get("campaign_id")?),
            LeadId::from_raw(cells.get("lead_id")?),
        ))
    })
}

/// Where the lead would be had it never opted out: a person who was reached is not called again.
fn status_before(work: &mut Work<'_>, caller: Caller, lead: &Row) -> StoreResult<LeadStatus> {
    let Some(outcome) = lead.last_outcome.filter(|_| !lead.is_requeued()) else {
        return Ok(LeadStatus::Ready);
    };
    let campaign = campaigns::head(work.tx, caller.tenant_id, lead.campaign_id)?;
    let settings = campaign.settings(work)?;
    let Some(outbound) = &settings.outbound else {
        return Ok(LeadStatus::Ready);
    };
    let counted =
        leads::counted_attempts(work.tx, lead.campaign_id, &lead.phone, lead.requeued_at)?.len();
    Ok(outbound
        .policy
        .lead_after(outcome, u32::try_from(counted).unwrap_or(u32::MAX)))
}

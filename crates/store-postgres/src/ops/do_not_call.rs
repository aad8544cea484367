//! The tenant's do-not-call list, and what an entry does to leads in every campaign.
//!
//! Only leads that wait (READY) change with an entry. One whose call is up keeps its state until
//! the call ends and becomes OPTED_OUT then, see `dial::lead_verdict`.

use std::collections::HashSet;

use domain::campaign::LeadStatus;
use domain::{CampaignId, LeadId, PhoneNumber, TenantId};
use jiff::Timestamp;
use serde_json::json;
use store::{Caller, Scope, StoreResult};

use crate::code::{Cells, micros};
use crate::events::{self, Subject};
use crate::ops::lead_write::{self, Row};
use crate::ops::{campaigns, due, leads, wake};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// Whether the list has the number.
pub(crate) async fn has(
    db: &Db<'_>,
    tenant_id: TenantId,
    phone: &PhoneNumber,
    now: Timestamp,
) -> StoreResult<bool> {
    let found = those_on(db, tenant_id, &[phone.as_str()], now).await?;
    Ok(!found.is_empty())
}

/// Which of the numbers the list has.
pub(crate) async fn those_on(
    db: &Db<'_>,
    tenant_id: TenantId,
    phones: &[&str],
    now: Timestamp,
) -> StoreResult<HashSet<String>> {
    let sql = "SELECT phone FROM suppressions
               WHERE tenant_id = $1 AND phone = ANY($2) AND (expires_at IS NULL OR expires_at > $3)";
    let bound = bound![tenant_id.raw(), phones, micros(now)];
    let found = query::many(db, sql, bound, |cells| cells.get("phone")).await?;
    Ok(found.into_iter().collect())
}

/// Puts the number on the list for good; answers whether anything changed by it.
pub(crate) async fn add(
    work: &mut Work<'_>,
    caller: Caller,
    phone: &PhoneNumber,
    source: &'static str,
) -> StoreResult<bool> {
    let was_there = has(&work.tx, caller.tenant_id, phone, caller.now).await?;
    let id = work.next_id(caller.now);
    let sql =
        "INSERT INTO suppressions AS known (tenant_id, phone, suppression_id, source, created_at)
               VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (tenant_id, phone) DO UPDATE
                   SET expires_at = NULL, source = excluded.source, created_at = excluded.created_at
                   WHERE known.expires_at IS NOT NULL";
    let bound = bound![
        caller.tenant_id.raw(),
        phone.as_str(),
        id,
        source,
        micros(caller.now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    let waiting = leads_in(work, phone, LeadStatus::Ready).await?;
    for (campaign_id, lead_id) in &waiting {
        lead_write::set_status(work, caller.now, *lead_id, LeadStatus::OptedOut).await?;
        due::remove(work, *lead_id).await?;
        let subject = Subject::lead(*campaign_id, *lead_id);
        let data = json!({ "source": source });
        events::append(work, caller.now, "lead.opted_out", subject, &data);
        // It may have been the campaign's last open lead.
        wake::campaign(work, *campaign_id, caller.now).await?;
    }
    work.revoke(Scope::Phone(caller.tenant_id, phone.clone()));
    Ok(!was_there || !waiting.is_empty())
}

/// Takes the number off the list. Leads that had opted out go back to where they were; `edited`
/// is the lead whose change asked for it, which is told of by the caller.
pub(crate) async fn remove(
    work: &mut Work<'_>,
    caller: Caller,
    phone: &PhoneNumber,
    edited: LeadId,
) -> StoreResult<bool> {
    let sql = "DELETE FROM suppressions WHERE tenant_id = $1 AND phone = $2";
    let bound = bound![caller.tenant_id.raw(), phone.as_str()];
    let deleted = query::execute(&work.tx, sql, bound).await?;
    let opted_out = leads_in(work, phone, LeadStatus::OptedOut).await?;
    for (campaign_id, lead_id) in &opted_out {
        let Some(lead) = lead_write::find_by_id(work, *campaign_id, *lead_id).await? else {
            continue;
        };
        let status = status_before(work, &lead).await?;
        lead_write::set_status(work, caller.now, *lead_id, status).await?;
        due::put(work, *campaign_id, *lead_id, caller.now).await?;
        if *lead_id != edited {
            let subject = Subject::lead(*campaign_id, *lead_id);
            let data = json!({ "changed": ["do_not_call"], "status": status.as_str() });
            events::append(work, caller.now, "lead.updated", subject, &data);
        }
        wake::campaign(work, *campaign_id, caller.now).await?;
    }
    Ok(deleted > 0 || !opted_out.is_empty())
}

async fn leads_in(
    work: &Work<'_>,
    phone: &PhoneNumber,
    status: LeadStatus,
) -> StoreResult<Vec<(CampaignId, LeadId)>> {
    // Leads of a deleted campaign may still be there.
    let sql = "SELECT campaign_id, lead_id FROM leads
               WHERE tenant_id = $1 AND phone = $2 AND status = $3
                 AND EXISTS (SELECT 1 FROM campaigns WHERE campaigns.tenant_id = leads.tenant_id
                                                       AND campaigns.campaign_id = leads.campaign_id)
               ORDER BY lead_id";
    let bound = bound![work.tenant_id.raw(), phone.as_str(), status.as_str()];
    query::many(&work.tx, sql, bound, |cells: &Cells<'_>| {
        Ok((
            CampaignId::from_raw(cells.get("campaign_id")?),
            LeadId::from_raw(cells.get("lead_id")?),
        ))
    })
    .await
}

/// Where the lead would be had it never opted out: a person who was reached is not called again.
async fn status_before(work: &Work<'_>, lead: &Row) -> StoreResult<LeadStatus> {
    let Some(outcome) = lead.last_outcome.filter(|_| !lead.is_requeued()) else {
        return Ok(LeadStatus::Ready);
    };
    let campaign = campaigns::head(&work.tx, work.tenant_id, lead.campaign_id).await?;
    let settings = campaign.settings(work)?;
    let Some(outbound) = &settings.outbound else {
        return Ok(LeadStatus::Ready);
    };
    let counted = leads::counted_attempts(work, lead).await?;
    Ok(outbound.policy.lead_after(outcome, counted))
}

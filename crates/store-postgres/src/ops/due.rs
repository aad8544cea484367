//! The table of leads that could be scheduled. A row is there exactly while its lead is READY.

use domain::{CampaignId, LeadId};
use jiff::Timestamp;
use store::StoreResult;

use crate::code::micros;
use crate::query::{self, bound};
use crate::work::Work;

/// Puts the READY lead in, or moves it, with the zone and rank of its row.
pub(crate) async fn put(
    work: &Work<'_>,
    campaign_id: CampaignId,
    lead_id: LeadId,
    due_at: Timestamp,
) -> StoreResult<()> {
    put_all(work, campaign_id, &[(lead_id, due_at)]).await
}

/// The same for many leads of a campaign.
pub(crate) async fn put_all(
    work: &Work<'_>,
    campaign_id: CampaignId,
    leads: &[(LeadId, Timestamp)],
) -> StoreResult<()> {
    let ids: Vec<_> = leads.iter().map(|(lead_id, _)| *lead_id).collect();
    remove_all(work, &ids).await?;
    let sql = "INSERT INTO due (tenant_id, campaign_id, rank, zone, due_at, lead_id)
               SELECT leads.tenant_id, leads.campaign_id, leads.rank, coalesce(leads.timezone, ''),
                      greatest(wanted.due_at, leads.not_before), leads.lead_id
               FROM UNNEST($3::bigint[], $4::bigint[]) AS wanted (lead_id, due_at)
                    JOIN leads USING (lead_id)
               WHERE leads.tenant_id = $1 AND leads.campaign_id = $2 AND leads.status = 'READY'";
    let ids: Vec<_> = ids.into_iter().map(LeadId::raw).collect();
    let times: Vec<_> = leads.iter().map(|(_, due_at)| micros(*due_at)).collect();
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), ids, times];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// Puts leads of any campaigns in that are READY and not in it.
pub(crate) async fn put_those_out(
    work: &Work<'_>,
    leads: &[(LeadId, Timestamp)],
) -> StoreResult<()> {
    if leads.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO due (tenant_id, campaign_id, rank, zone, due_at, lead_id)
               SELECT leads.tenant_id, leads.campaign_id, leads.rank, coalesce(leads.timezone, ''),
                      greatest(wanted.due_at, leads.not_before), leads.lead_id
               FROM UNNEST($2::bigint[], $3::bigint[]) AS wanted (lead_id, due_at)
                    JOIN leads USING (lead_id)
               WHERE leads.tenant_id = $1 AND leads.status = 'READY'";
    let ids: Vec<_> = leads.iter().map(|(lead_id, _)| lead_id.raw()).collect();
    let times: Vec<_> = leads.iter().map(|(_, due_at)| micros(*due_at)).collect();
    query::execute(&work.tx, sql, bound![work.tenant_id.raw(), ids, times]).await?;
    Ok(())
}

/// Takes the lead out.
pub(crate) async fn remove(work: &Work<'_>, lead_id: LeadId) -> StoreResult<()> {
    remove_all(work, &[lead_id]).await
}

/// Takes leads out.
pub(crate) async fn remove_all(work: &Work<'_>, lead_ids: &[LeadId]) -> StoreResult<()> {
    let sql = "DELETE FROM due WHERE tenant_id = $1 AND lead_id = ANY($2)";
    let ids: Vec<_> = lead_ids.iter().map(|lead_id| lead_id.raw()).collect();
    query::execute(&work.tx, sql, bound![work.tenant_id.raw(), ids]).await?;
    Ok(())
}

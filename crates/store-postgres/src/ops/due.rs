//! The table of leads that could be scheduled. A row is there exactly while its lead is READY. Whoever
//! writes it has locked the tenant.

use domain::{CampaignId, LeadId};
use jiff::Timestamp;
use store::StoreResult;

use crate::code::{corrupt, micros};
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
    // Each lead is looked for by itself: a plan that is made while the table is empty would compare
    // all of the campaign's with all that are wanted.
    let sql = "INSERT INTO due (tenant_id, campaign_id, rank, zone, due_at, lead_id)
               SELECT $1, $2, lead.rank, coalesce(lead.timezone, ''), greatest(wanted.due_at, lead.not_before), lead_id
               FROM UNNEST($3::bigint[], $4::bigint[]) AS wanted (lead_id, due_at), LATERAL
                   (SELECT rank, timezone, not_before FROM leads
                    WHERE tenant_id = $1 AND campaign_id = $2 AND leads.lead_id = wanted.lead_id AND status = 'READY'
                    OFFSET 0) AS lead";
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
               SELECT $1, lead.campaign_id, lead.rank, coalesce(lead.timezone, ''),
                      greatest(wanted.due_at, lead.not_before), lead_id
               FROM UNNEST($2::bigint[], $3::bigint[]) AS wanted (lead_id, due_at), LATERAL
                   (SELECT campaign_id, rank, timezone, not_before FROM leads
                    WHERE tenant_id = $1 AND leads.lead_id = wanted.lead_id AND status = 'READY'
                    OFFSET 0) AS lead";
    let ids: Vec<_> = leads.iter().map(|(lead_id, _)| lead_id.raw()).collect();
    let times: Vec<_> = leads.iter().map(|(_, due_at)| micros(*due_at)).collect();
    query::execute(&work.tx, sql, bound![work.tenant_id.raw(), ids, times]).await?;
    Ok(())
}

/// Where a row of the table stands, as PostgreSQL writes it (`ctid`). It holds as long as nobody may change
/// the row: see [`remove_read`].
#[derive(Debug, Clone)]
pub(crate) struct RowAt(pub(crate) String);

/// Takes out rows that were read in this transaction, under its tenant's lock: whoever writes rows of a
/// tenant here has that lock, so that they are where they were read. Out of many millions of leads, the
/// index by lead would have to be read for each of them. (The table is one heap: were it divided, rows
/// would need the name of their part as well.)
pub(crate) async fn remove_read(work: &Work<'_>, rows: &[&RowAt]) -> StoreResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM due WHERE tenant_id = $1 AND ctid = ANY($2::text[]::tid[])";
    let all: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let removed = query::execute(&work.tx, sql, bound![work.tenant_id.raw(), all]).await?;
    if usize::try_from(removed) != Ok(rows.len()) {
        return Err(corrupt(
            "a lead that was due is no longer where it was read",
        ));
    }
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

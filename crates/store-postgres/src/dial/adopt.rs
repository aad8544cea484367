//! Calls at providers that this installation placed and this database does not remember.
//!
//! Each is put on record as an attempt that counts like any other, so that nobody is called again:
//! it takes its lead's place in line, the caps count it, and what its provider says of it is
//! applied as for every call. A call that names no campaign (some kinds of request carry no
//! metadata) counts in every campaign of its line that has the number: which one it was for cannot
//! be known, and counting too much calls nobody twice.

use std::collections::HashMap;

use domain::attempt::{EndFault, Fact, StateName};
use domain::campaign::LeadStatus;
use domain::settings::Numbers;
use domain::{AttemptId, CampaignId, LeadId, LineId, Outcome, PhoneNumber, TenantId};
use jiff::Timestamp;
use serde_json::json;
use store::{Adoption, AttemptFact, AttemptRef, PatienceOf, StoreError, StoreResult, StrangeCall};

use crate::code::{micros, to_json};
use crate::dial::facts;
use crate::ops::{campaigns, due, hold};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// Campaigns in which a call that names none is counted.
const MAX_CAMPAIGNS: i64 = 100;
/// The tenant of calls whose line nobody has any more.
const NOBODY: i64 = 0;

/// Where a strange call belongs.
struct Place {
    campaign_id: CampaignId,
    revision: i64,
    assistant_id: String,
    entity: &'static str,
    phone_number_id: Option<String>,
    lead: Option<Lead>,
}

struct Lead {
    id: LeadId,
    status: LeadStatus,
    attempts_made: i64,
}

/// Whose the lines are.
pub(crate) async fn tenants_of(
    db: &Db<'_>,
    calls: &[StrangeCall],
) -> StoreResult<HashMap<LineId, TenantId>> {
    let lines: Vec<_> = calls.iter().map(|call| call.line_id.raw()).collect();
    let sql = "SELECT tenant_id, line_id FROM lines WHERE line_id = ANY($1)";
    let found = query::many(db, sql, bound![lines], |cells| {
        let line_id = LineId::from_raw(cells.get("line_id")?);
        Ok((line_id, TenantId::from_raw(cells.get("tenant_id")?)))
    })
    .await?;
    Ok(found.into_iter().collect())
}

/// Adopts a call of the tenant's line; one that cannot be is put on the list of those.
pub(crate) async fn adopt_or_park(
    work: &mut Work<'_>,
    now: Timestamp,
    call: &StrangeCall,
    patience_of: PatienceOf,
) -> StoreResult<Adoption> {
    let mark = work.begin_part().await?;
    let adopted = adopt(work, now, call, patience_of).await;
    match work.end_part(mark, adopted).await? {
        Ok(adoption) => Ok(adoption),
        Err(error) => {
            tracing::error!(line.id = call.line_id.raw(), error = %error, "a strange call cannot be adopted");
            park(&work.tx, Some(work.tenant_id), now, call).await
        }
    }
}

async fn adopt(
    work: &mut Work<'_>,
    now: Timestamp,
    call: &StrangeCall,
    patience_of: PatienceOf,
) -> StoreResult<Adoption> {
    let unknown = hold::unknown_keys(&work.tx, &[&call.attempt_key]).await?;
    if unknown.is_empty() {
        return Ok(Adoption::Known);
    }
    let tenant_id = work.tenant_id;
    let Some(phone) = &call.phone else {
        return park(&work.tx, Some(tenant_id), now, call).await;
    };
    let mut places = places(work, call, phone).await?.into_iter();
    let Some(first) = places.next() else {
        return park(&work.tx, Some(tenant_id), now, call).await;
    };
    let target = Target {
        phone,
        at: created_at(call, now),
    };
    let attempt_id = record(work, now, call, &target, &first, &call.attempt_key).await?;
    let mut told = AttemptFact::new(AttemptRef::Id(attempt_id), Fact::Placed);
    told.at = Some(target.at);
    told.provider_call_id = Some(call.provider_call_id.clone());
    facts::apply(work, now, &told, patience_of).await?;
    for fact in &call.facts {
        let mut told = fact.clone();
        told.attempt = AttemptRef::Id(attempt_id);
        facts::apply(work, now, &told, patience_of).await?;
    }
    for place in places {
        let key = format!("{}~{}", call.attempt_key, place.campaign_id);
        let attempt_id = record(work, now, call, &target, &place, &key).await?;
        let presumed = Fact::Ended {
            outcome: Outcome::PresumedPlaced,
            fault: EndFault::None,
        };
        let told = AttemptFact::new(AttemptRef::Id(attempt_id), presumed);
        facts::apply(work, now, &told, patience_of).await?;
    }
    let sql = "UPDATE held_lines SET adopted = adopted + 1 WHERE tenant_id = $1 AND line_id = $2";
    let bound = bound![tenant_id.raw(), call.line_id.raw()];
    query::execute(&work.tx, sql, bound).await?;
    tracing::warn!(
        call.id = attempt_id.raw(),
        campaign.id = first.campaign_id.raw(),
        "adopted a call that the database did not know"
    );
    Ok(Adoption::Adopted(attempt_id))
}

/// Puts the call on the list of those that cannot be counted anywhere.
pub(crate) async fn park(
    db: &Db<'_>,
    tenant_id: Option<TenantId>,
    now: Timestamp,
    call: &StrangeCall,
) -> StoreResult<Adoption> {
    let tenant = tenant_id.map_or(NOBODY, TenantId::raw);
    let sql =
        "INSERT INTO strange_calls (tenant_id, attempt_key, line_id, provider_call_id, seen_at)
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let bound = bound![
        tenant,
        call.attempt_key,
        call.line_id.raw(),
        call.provider_call_id,
        micros(now),
    ];
    if query::execute(db, sql, bound).await? > 0 {
        let sql =
            "UPDATE held_lines SET unmatched = unmatched + 1 WHERE tenant_id = $1 AND line_id = $2";
        query::execute(db, sql, bound![tenant, call.line_id.raw()]).await?;
        tracing::error!(
            line.id = call.line_id.raw(),
            call.provider_call_id = call.provider_call_id,
            "a call of this installation belongs to no campaign of the database; its number may be called again if you add it again"
        );
    }
    Ok(Adoption::Unmatched)
}

/// What all attempts of one strange call have in common.
struct Target<'a> {
    phone: &'a PhoneNumber,
    at: Timestamp,
}

/// When the call was created at the latest, as far as is known.
pub(crate) fn created_at(call: &StrangeCall, now: Timestamp) -> Timestamp {
    let told = call.facts.iter().filter_map(|fact| fact.at).min();
    call.created_at.or(told).map_or(now, |at| at.min(now))
}

/// The campaign that the call names, or all of its line that have its number.
async fn places(
    work: &Work<'_>,
    call: &StrangeCall,
    phone: &PhoneNumber,
) -> StoreResult<Vec<Place>> {
    let ids = if let Some(campaign_id) = call.campaign_id {
        vec![campaign_id]
    } else {
        let sql = "SELECT campaign_id FROM leads JOIN campaigns USING (tenant_id, campaign_id)
                   WHERE leads.tenant_id = $1 AND leads.phone = $2 AND campaigns.line_id = $3
                   ORDER BY campaigns.status = 'RUNNING' DESC, campaign_id DESC LIMIT $4";
        let bound = bound![
            work.tenant_id.raw(),
            phone.as_str(),
            call.line_id.raw(),
            MAX_CAMPAIGNS,
        ];
        query::many(&work.tx, sql, bound, |cells| {
            Ok(CampaignId::from_raw(cells.get("campaign_id")?))
        })
        .await?
    };
    let mut places = Vec::with_capacity(ids.len());
    for campaign_id in ids {
        places.extend(place(work, campaign_id, phone).await?);
    }
    Ok(places)
}

async fn place(
    work: &Work<'_>,
    campaign_id: CampaignId,
    phone: &PhoneNumber,
) -> StoreResult<Option<Place>> {
    let head = match campaigns::head(&work.tx, work.tenant_id, campaign_id).await {
        Ok(head) => head,
        Err(StoreError::NotFound(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let settings = head.settings(work)?;
    let sql = "SELECT lead_id, status, attempts_made FROM leads
               WHERE tenant_id = $1 AND campaign_id = $2 AND phone = $3";
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), phone.as_str()];
    let lead = query::one(&work.tx, sql, bound, |cells| {
        Ok(Lead {
            id: LeadId::from_raw(cells.get("lead_id")?),
            status: cells.choice("status", LeadStatus::parse)?,
            attempts_made: cells.get("attempts_made")?,
        })
    })
    .await?;
    let phone_number_id = match &settings.numbers {
        Numbers::Single(id) => id.clone(),
        Numbers::Pool(_) => None,
    };
    Ok(Some(Place {
        campaign_id,
        revision: head.revision,
        assistant_id: settings.assistant_id.clone(),
        entity: settings.entity.as_str(),
        phone_number_id,
        lead,
    }))
}

/// Inserts the attempt as one that was just sent; facts take it on from there. It holds its number
/// only if no other does: `live` follows with the first fact.
async fn record(
    work: &Work<'_>,
    now: Timestamp,
    call: &StrangeCall,
    target: &Target<'_>,
    place: &Place,
    key: &str,
) -> StoreResult<AttemptId> {
    let attempt_id = AttemptId::from_raw(work.next_id(now));
    let (lead_id, attempt_number) = match &place.lead {
        Some(lead) => (
            lead.id,
            take_lead(work, target.at, place.campaign_id, lead).await?,
        ),
        // As for a lead that was removed: the number's attempts count if it is added again.
        None => (LeadId::from_raw(work.next_id(now)), 1),
    };
    let sql = "INSERT INTO attempts (tenant_id, attempt_id, campaign_id, lead_id, line_id, account, node,
                   attempt_number, phone, phone_number_id, assistant_id, entity, attempt_key, state, live, counts,
                   revision, verdict, planned_at, send_not_after, check_at)
               VALUES ($1, $2, $3, $4, $5,
                   (SELECT account FROM lines WHERE tenant_id = $1 AND line_id = $5), $6,
                   $7, $8, $9, $10, $11, $12, $13, false, true, $14, $15, $16, $16, $17)";
    let number = call
        .phone_number_id
        .as_ref()
        .or(place.phone_number_id.as_ref());
    let bound = bound![
        work.tenant_id.raw(),
        attempt_id.raw(),
        place.campaign_id.raw(),
        lead_id.raw(),
        call.line_id.raw(),
        work.node(),
        attempt_number,
        target.phone.as_str(),
        number.map_or("", String::as_str),
        place.assistant_id,
        place.entity,
        key,
        StateName::Dispatching.as_str(),
        place.revision,
        to_json(&json!({ "decision": "ADOPTED", "test": false })),
        micros(target.at),
        micros(now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(attempt_id)
}

/// The attempt's place among those of its lead. A lead that waits is in this call now; of any other
/// the latest attempt stays the latest, because it decides what becomes of the lead.
async fn take_lead(
    work: &Work<'_>,
    at: Timestamp,
    campaign_id: CampaignId,
    lead: &Lead,
) -> StoreResult<i64> {
    let tenant = work.tenant_id.raw();
    let made = lead.attempts_made + 1;
    let sql =
        "UPDATE leads SET attempts_made = $3, last_attempt_at = greatest(last_attempt_at, $4),
                   updated_at = greatest(updated_at, $4),
                   status = CASE status WHEN 'READY' THEN 'IN_CALL' ELSE status END
               WHERE tenant_id = $1 AND lead_id = $2";
    let bound = bound![tenant, lead.id.raw(), made, micros(at)];
    query::execute(&work.tx, sql, bound).await?;
    if lead.status == LeadStatus::Ready {
        due::remove(work, lead.id).await?;
        return Ok(made);
    }
    let sql = "UPDATE attempts SET attempt_number = $5
               WHERE tenant_id = $1 AND campaign_id = $2 AND lead_id = $3 AND attempt_number = $4";
    let bound = bound![
        tenant,
        campaign_id.raw(),
        lead.id.raw(),
        lead.attempts_made,
        made,
    ];
    let moved = query::execute(&work.tx, sql, bound).await?;
    Ok(if moved > 0 { lead.attempts_made } else { made })
}

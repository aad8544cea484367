//! Calls at providers that this installation placed and this database does not remember.
//!
//! Each is put on record as an attempt that counts like any other, so that nobody is called again:
//! it takes its lead's place in line, the caps count it, and what its provider says of it is
//! applied as for every call. A call that names no campaign (some kinds of request carry no
//! metadata) counts in every campaign of its line that has the number: which one it was for cannot
//! be known, and counting too much calls nobody twice.

use domain::attempt::{EndFault, Fact, StateName};
use domain::campaign::{CampaignType, LeadStatus};
use domain::settings::Numbers;
use domain::{AttemptId, CampaignId, LeadId, Outcome, PhoneNumber, TenantId};
use jiff::Timestamp;
use rusqlite::params;
use serde_json::json;
use store::{Adoption, AttemptFact, AttemptRef, HoldReason, PatienceOf, StoreResult, StrangeCall};

use crate::code::{micros, to_json};
use crate::dial::facts;
use crate::ops::{due, hold, query};
use crate::writer::Work;

/// Campaigns in which a call that names none is counted.
const MAX_CAMPAIGNS: u32 = 100;

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
    attempts_made: u32,
}

/// Adopts what the database does not know; that there is any puts the installation on hold.
pub(crate) fn adopt_all(
    work: &mut Work<'_>,
    now: Timestamp,
    calls: &[StrangeCall],
    patience_of: PatienceOf,
) -> StoreResult<Vec<Adoption>> {
    let keys: Vec<String> = calls.iter().map(|call| call.attempt_key.clone()).collect();
    let strange = hold::unknown_keys(work.tx, &keys)?.len();
    let strange = domain::planted!("strange_calls_ignored", strange, 0);
    // First, so that what is adopted is counted with its line.
    if strange > 0 && !hold::needs_reconciliation(work.tx)? {
        let detail = format!(
            "a voice provider has {strange} call(s) of this installation that the database does not know: it is an older copy, restored together with its marker"
        );
        // Others may have been placed about then, and not been seen yet.
        let first = calls.iter().map(|call| created_at(call, now)).min();
        hold::note_gap(work, first.unwrap_or(now), now)?;
        hold::put(work, now, HoldReason::StrangeCalls, &detail, None)?;
    }
    let mut adoptions = Vec::with_capacity(calls.len());
    for call in calls {
        let adopted = work.isolated(|work| adopt(work, now, call, patience_of))?;
        adoptions.push(match adopted {
            Ok(adoption) => adoption,
            Err(error) => {
                tracing::error!(line.id = call.line_id.raw(), error = %error, "a strange call cannot be adopted");
                park(work, now, call)?
            }
        });
    }
    Ok(adoptions)
}

fn adopt(
    work: &mut Work<'_>,
    now: Timestamp,
    call: &StrangeCall,
    patience_of: PatienceOf,
) -> StoreResult<Adoption> {
    let is_known = hold::is_known(work.tx, &call.attempt_key)?;
    if domain::planted!("strange_calls_ignored", is_known, true) {
        return Ok(Adoption::Known);
    }
    let Some(phone) = &call.phone else {
        return park(work, now, call);
    };
    let Some((tenant_id, account)) = line(work, call)? else {
        return park(work, now, call);
    };
    let mut places = places(work, tenant_id, call, phone)?.into_iter();
    let Some(first) = places.next() else {
        return park(work, now, call);
    };
    let target = Target {
        tenant_id,
        account,
        phone,
        at: created_at(call, now),
    };
    let attempt_id = record(work, now, call, &target, &first, &call.attempt_key)?;
    let mut told = AttemptFact::new(AttemptRef::Id(attempt_id), Fact::Placed);
    told.at = Some(target.at);
    told.provider_call_id = Some(call.provider_call_id.clone());
    facts::apply(work, now, &told, patience_of)?;
    for fact in &call.facts {
        let mut told = fact.clone();
        told.attempt = AttemptRef::Id(attempt_id);
        facts::apply(work, now, &told, patience_of)?;
    }
    for place in places {
        let key = format!("{}~{}", call.attempt_key, place.campaign_id);
        let attempt_id = record(work, now, call, &target, &place, &key)?;
        let presumed = Fact::Ended {
            outcome: Outcome::PresumedPlaced,
            fault: EndFault::None,
        };
        let told = AttemptFact::new(AttemptRef::Id(attempt_id), presumed);
        facts::apply(work, now, &told, patience_of)?;
    }
    let sql = "UPDATE held_lines SET adopted = adopted + 1 WHERE line_id = ?1";
    query::execute(work.tx, sql, [call.line_id.raw()])?;
    tracing::warn!(
        call.id = attempt_id.raw(),
        campaign.id = first.campaign_id.raw(),
        "adopted a call that the database did not know"
    );
    Ok(Adoption::Adopted(attempt_id))
}

/// Puts the call on the list of those that cannot be counted anywhere.
fn park(work: &Work<'_>, now: Timestamp, call: &StrangeCall) -> StoreResult<Adoption> {
    let sql = "INSERT INTO strange_calls (attempt_key, line_id, provider_call_id, seen_at)
               VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let bound = params![
        call.attempt_key,
        call.line_id.raw(),
        call.provider_call_id,
        micros(now)
    ];
    if query::execute(work.tx, sql, bound)? > 0 {
        let sql = "UPDATE held_lines SET unmatched = unmatched + 1 WHERE line_id = ?1";
        query::execute(work.tx, sql, [call.line_id.raw()])?;
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
    tenant_id: TenantId,
    account: i64,
    phone: &'a PhoneNumber,
    at: Timestamp,
}

fn created_at(call: &StrangeCall, now: Timestamp) -> Timestamp {
    let told = call.facts.iter().filter_map(|fact| fact.at).min();
    call.created_at.or(told).map_or(now, |at| at.min(now))
}

fn line(work: &Work<'_>, call: &StrangeCall) -> StoreResult<Option<(TenantId, i64)>> {
    let sql = "SELECT tenant_id, account FROM lines WHERE line_id = ?1";
    query::one(work.tx, sql, [call.line_id.raw()], |cells| {
        let tenant_id = TenantId::from_raw(cells.get("tenant_id")?);
        Ok((tenant_id, cells.get("account")?))
    })
}

/// The campaign that the call names, or all of its line that have its number.
fn places(
    work: &mut Work<'_>,
    tenant_id: TenantId,
    call: &StrangeCall,
    phone: &PhoneNumber,
) -> StoreResult<Vec<Place>> {
    let ids = if let Some(campaign_id) = call.campaign_id {
        vec![campaign_id]
    } else {
        let sql = "SELECT campaign_id FROM leads JOIN campaigns USING (campaign_id)
                   WHERE leads.tenant_id = ?1 AND leads.phone = ?2 AND campaigns.line_id = ?3
                   ORDER BY campaigns.status = 'RUNNING' DESC, campaign_id DESC LIMIT ?4";
        let bound = params![
            tenant_id.raw(),
            phone.as_str(),
            call.line_id.raw(),
            MAX_CAMPAIGNS
        ];
        query::many(work.tx, sql, bound, |cells| {
            Ok(CampaignId::from_raw(cells.get("campaign_id")?))
        })?
    };
    let mut places = Vec::with_capacity(ids.len());
    for campaign_id in ids {
        places.extend(place(work, tenant_id, campaign_id, phone)?);
    }
    Ok(places)
}

fn place(
    work: &mut Work<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    phone: &PhoneNumber,
) -> StoreResult<Option<Place>> {
    let tx = work.tx;
    let sql =
        "SELECT revision, kind, settings FROM campaigns WHERE tenant_id = ?1 AND campaign_id = ?2";
    let found = query::one(tx, sql, [tenant_id.raw(), campaign_id.raw()], |cells| {
        let revision = cells.get("revision")?;
        let kind = cells.choice("kind", CampaignType::parse)?;
        let text: String = cells.get("settings")?;
        Ok((
            revision,
            work.settings.get(campaign_id, revision, kind, &text)?,
        ))
    })?;
    let Some((revision, settings)) = found else {
        return Ok(None);
    };
    let sql =
        "SELECT lead_id, status, attempts_made FROM leads WHERE campaign_id = ?1 AND phone = ?2";
    let lead = query::one(
        tx,
        sql,
        params![campaign_id.raw(), phone.as_str()],
        |cells| {
            Ok(Lead {
                id: LeadId::from_raw(cells.get("lead_id")?),
                status: cells.choice("status", LeadStatus::parse)?,
                attempts_made: cells.u32("attempts_made")?,
            })
        },
    )?;
    let phone_number_id = match &settings.numbers {
        Numbers::Single(id) => id.clone(),
        Numbers::Pool(_) => None,
    };
    Ok(Some(Place {
        campaign_id,
        revision,
        assistant_id: settings.assistant_id.clone(),
        entity: settings.entity.as_str(),
        phone_number_id,
        lead,
    }))
}

/// Inserts the attempt as one that was just sent; facts take it on from there. It holds its number
/// only if no other does: `live` follows with the first fact.
fn record(
    work: &mut Work<'_>,
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
            take_lead(work, target.at, place.campaign_id, lead)?,
        ),
        // As for a lead that was removed: the number's attempts count if it is added again.
        None => (LeadId::from_raw(work.next_id(now)), 1),
    };
    let sql = "INSERT INTO attempts (attempt_id, tenant_id, campaign_id, lead_id, line_id, account, attempt_number, phone,
                   phone_number_id, assistant_id, entity, attempt_key, state, live, counts, revision, verdict,
                   planned_at, send_not_after, check_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, 1, ?14, ?15, ?16, ?16, ?17)";
    let number = call
        .phone_number_id
        .as_ref()
        .or(place.phone_number_id.as_ref());
    let bound = params![
        attempt_id.raw(),
        target.tenant_id.raw(),
        place.campaign_id.raw(),
        lead_id.raw(),
        call.line_id.raw(),
        target.account,
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
    query::execute(work.tx, sql, bound)?;
    Ok(attempt_id)
}

/// The attempt's place among those of its lead. A lead that waits is in this call now; of any other
/// the latest attempt stays the latest, because it decides what becomes of the lead.
fn take_lead(
    work: &mut Work<'_>,
    at: Timestamp,
    campaign_id: CampaignId,
    lead: &Lead,
) -> StoreResult<u32> {
    let made = lead.attempts_made + 1;
    let sql = "UPDATE leads SET attempts_made = ?2, last_attempt_at = max(coalesce(last_attempt_at, ?3), ?3), updated_at = max(updated_at, ?3),
                   status = CASE status WHEN 'READY' THEN 'IN_CALL' ELSE status END
               WHERE lead_id = ?1";
    query::execute(work.tx, sql, params![lead.id.raw(), made, micros(at)])?;
    if lead.status == LeadStatus::Ready {
        due::remove(work, lead.id)?;
        return Ok(made);
    }
    let sql = "UPDATE attempts SET attempt_number = ?4 WHERE campaign_id = ?1 AND lead_id = ?2 AND attempt_number = ?3";
    let bound = params![campaign_id.raw(), lead.id.raw(), lead.attempts_made, made];
    let moved = query::execute(work.tx, sql, bound)?;
    Ok(if moved > 0 { lead.attempts_made } else { made })
}

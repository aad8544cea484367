//! Reading, with filters, pages and ids of others.

use domain::attempt::StateName;
use domain::campaign::{CampaignStatus, CampaignType, LeadStatus};
use domain::{AttemptId, CampaignId, ImportId, LeadId, Outcome, TokenId};
use store::{CallFilter, CampaignFilter, LeadFilter, PageRequest};

use super::campaigns::any_campaign;
use super::facts::any_attempt;
use super::leads::{WORDS, any_lead};
use super::lines::{any_line, any_pool};
use super::{Dice, Kind, Moment, Side, Told, Who, around, pick, told, who};
use crate::differential::side::{MISSING, person};

pub(super) async fn take(side: &mut Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let who = who(side, dice, moment.now);
    match kind {
        Kind::ReadOne => one(side, who, dice).await,
        Kind::ListLeads => leads(side, who, dice).await,
        Kind::ListCalls => calls(side, who, dice).await,
        Kind::ListCampaigns => campaigns(side, who, dice).await,
        Kind::ListOthers => others(side, who, dice).await,
        Kind::ListEvents => events(side, who, dice).await,
        Kind::Payloads => payloads(side, dice).await,
        _ => unknown_keys(side, dice).await,
    }
}

/// Every page of a list, a few objects at a time.
macro_rules! pages {
    ($call:expr, $limit:expr, |$page:ident| $read:expr) => {{
        let call = $call;
        let (mut before, mut read) = (None, Vec::new());
        loop {
            let $page = PageRequest {
                limit: $limit,
                before,
            };
            match $read.await {
                Ok(page) => {
                    before = page.next;
                    read.push(page);
                }
                Err(error) => break Told::refused(call, &error),
            }
            if before.is_none() {
                let met = if read.len() > 1 { "pages" } else { "a page" };
                break Told::done(call, &read).meets(met);
            }
        }
    }};
}

async fn one(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let store = side.store();
    let tenant_id = who.caller.tenant_id;
    let known = &side.known;
    match dice.below(9) {
        0 => {
            let id = any_line(side, dice, who.place);
            told(
                format!("get_line {tenant_id:?} {id:?}"),
                store.get_line(tenant_id, id).await,
            )
            .0
        }
        1 => {
            let id = any_pool(side, dice, who.place);
            told(
                format!("get_pool {tenant_id:?} {id:?}"),
                store.get_pool(tenant_id, id).await,
            )
            .0
        }
        2 => {
            let id = pick(dice, &known.tokens, who.place, TokenId::from_raw(MISSING));
            told(
                format!("get_token {tenant_id:?} {id:?}"),
                store.get_token(tenant_id, id).await,
            )
            .0
        }
        3 => {
            let id = pick(dice, &known.imports, who.place, ImportId::from_raw(MISSING));
            told(
                format!("get_import {tenant_id:?} {id:?}"),
                store.get_import(tenant_id, id).await,
            )
            .0
        }
        4 => {
            let id = any_attempt(side, dice).map_or(AttemptId::from_raw(MISSING), |known| known.id);
            told(
                format!("get_call {tenant_id:?} {id:?}"),
                store.get_call(tenant_id, id).await,
            )
            .0
        }
        5 => {
            let id = any_line(side, dice, who.place);
            let call = format!("line_for_dialing {id:?}");
            told(call, store.line_for_dialing(id).await).0
        }
        _ => one_more(side, who, dice).await,
    }
}

async fn one_more(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let (store, now) = (side.store(), who.caller.now);
    let tenant_id = who.caller.tenant_id;
    match dice.below(3) {
        0 => {
            let id = any_campaign(side, dice, who.place);
            let call = format!("get_campaign {tenant_id:?} {id:?}");
            told(call, store.get_campaign(tenant_id, id).await).0
        }
        1 => {
            let id = any_pool(side, dice, who.place);
            let call = format!("pool_health {tenant_id:?} {id:?}");
            told(call, store.pool_health(tenant_id, id, now).await).0
        }
        _ => {
            let id = any_campaign(side, dice, who.place);
            let key = any_lead(side, dice, id);
            let call = format!("get_lead {tenant_id:?} {id:?} {key:?}");
            told(call, store.get_lead(tenant_id, id, key, now).await).0
        }
    }
}

async fn leads(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let (store, tenant_id) = (side.store(), who.caller.tenant_id);
    let campaign_id: CampaignId = any_campaign(side, dice, who.place);
    let filter = LeadFilter {
        status: dice.maybe(4, LeadStatus::ALL),
        outcome: dice.maybe(5, Outcome::ALL),
        phone: dice.one_in(5).then(|| person(dice)),
        text: dice.one_in(3).then(|| word(dice)),
    };
    let limit = dice.of(&[2, 1, 50]);
    let call = format!("list_leads {tenant_id:?} {campaign_id:?} {filter:?} by {limit}");
    let now = who.caller.now;
    pages!(call, limit, |page| store.list_leads(
        tenant_id,
        campaign_id,
        filter.clone(),
        page,
        now
    ))
}

/// What somebody types into a search.
fn word(dice: &mut Dice<'_>) -> String {
    let words = [WORDS, &["A", "ä", "%", "_", "\\", "555", "+1", "É"]].concat();
    dice.of(&words).to_owned()
}

async fn calls(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let (store, tenant_id) = (side.store(), who.caller.tenant_id);
    let filter = CallFilter {
        campaign_id: dice.one_in(3).then(|| any_campaign(side, dice, who.place)),
        state: dice.maybe(5, StateName::ALL),
        outcome: dice.maybe(5, Outcome::ALL),
        phone: dice.one_in(5).then(|| person(dice)),
        from: dice.one_in(5).then(|| around(dice, who.caller.now)),
        to: dice.one_in(5).then(|| around(dice, who.caller.now)),
    };
    let limit = dice.of(&[2, 1, 50]);
    let call = format!("list_calls {tenant_id:?} {filter:?} by {limit}");
    pages!(call, limit, |page| store.list_calls(
        tenant_id,
        filter.clone(),
        page
    ))
}

async fn campaigns(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let (store, tenant_id) = (side.store(), who.caller.tenant_id);
    let filter = CampaignFilter {
        status: dice.maybe(4, CampaignStatus::ALL),
        kind: dice.maybe(5, CampaignType::ALL),
        name: dice
            .maybe(3, &["out", "ÄRZ", "ärz", "%", "\\", "Spring", "_"])
            .map(str::to_owned),
    };
    let limit = dice.of(&[2, 1, 50]);
    let call = format!("list_campaigns {tenant_id:?} {filter:?} by {limit}");
    pages!(call, limit, |page| store.list_campaigns(
        tenant_id,
        filter.clone(),
        page
    ))
}

async fn others(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let (store, tenant_id) = (side.store(), who.caller.tenant_id);
    let limit = dice.of(&[2, 1, 50]);
    match dice.below(5) {
        0 => {
            let id = any_campaign(side, dice, who.place);
            let call = format!("list_revisions {tenant_id:?} {id:?} by {limit}");
            pages!(call, limit, |page| store
                .list_revisions(tenant_id, id, page))
        }
        1 => pages!(
            format!("list_lines {tenant_id:?} by {limit}"),
            limit,
            |page| { store.list_lines(tenant_id, page) }
        ),
        2 => pages!(
            format!("list_pools {tenant_id:?} by {limit}"),
            limit,
            |page| { store.list_pools(tenant_id, page) }
        ),
        3 => pages!(
            format!("list_tokens {tenant_id:?} by {limit}"),
            limit,
            |page| { store.list_tokens(tenant_id, page) }
        ),
        _ => pages!(format!("list_tenants by {limit}"), limit, |page| store
            .list_tenants(page)),
    }
}

async fn events(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let tenant_id = who.caller.tenant_id;
    let after = i64::from(dice.byte());
    let limit = dice.of(&[3, 1, 1_000]);
    let read = side.store().list_events(tenant_id, after, limit).await;
    told(
        format!("list_events {tenant_id:?} after {after}, {limit}"),
        read,
    )
    .0
}

async fn payloads(side: &Side, dice: &mut Dice<'_>) -> Told {
    let mut ids = vec![LeadId::from_raw(MISSING)];
    let newest = side
        .known
        .leads
        .iter()
        .rev()
        .take(8)
        .map(|(_, lead_id)| *lead_id);
    ids.extend(newest);
    // Not in the order of their ids, and one of them twice.
    let turn = usize::from(dice.byte()) % ids.len();
    ids.rotate_left(turn);
    ids.push(ids[0]);
    let call = format!("lead_payloads {ids:?}");
    told(call, side.store().lead_payloads(ids).await).0
}

async fn unknown_keys(side: &Side, dice: &mut Dice<'_>) -> Told {
    let mut keys = vec!["forgotten-1-0".to_owned(), "nobodys".to_owned()];
    keys.extend(any_attempt(side, dice).map(|known| known.key.clone()));
    let call = format!("unknown_attempt_keys {keys:?}");
    told(call, side.store().unknown_attempt_keys(keys).await).0
}

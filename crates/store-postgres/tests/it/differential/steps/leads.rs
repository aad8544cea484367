//! Leads, one by one and in bulk.

use domain::campaign::LeadStatus;
use domain::{CampaignId, LeadId};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::{
    LeadChange, LeadField, LeadFields, LeadKey, NewLead, OnDuplicate, OptOut, StoreResult,
};

use super::campaigns::any_campaign;
use super::{
    Came, Dice, Kind, Moment, Side, Told, Who, around, guard, idempotent, name_of, shown, told,
    who, written,
};
use crate::differential::side::{MISSING, Owned, person};

pub(super) async fn take(side: &mut Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    match kind {
        Kind::RunImports => {
            let most = u32::from(dice.of(&[3_u8, 1, 10]));
            let more = side.store().run_imports(moment.now, most).await;
            return told(format!("run_imports {most}"), more).0;
        }
        Kind::RunErasures => {
            let most = u32::from(dice.of(&[3_u8, 1, 10]));
            let more = side.store().run_erasures(most).await;
            return told(format!("run_erasures {most}"), more).0;
        }
        _ => {}
    }
    let who = who(side, dice, moment.now);
    match kind {
        Kind::AddLead => add(side, who, dice, moment).await,
        Kind::QueueLeads => queue(side, who, dice, moment).await,
        Kind::UpdateLead | Kind::RemoveLead => change_one(side, kind, who, dice).await,
        _ => change_many(side, kind, who, dice).await,
    }
}

/// A first, a last name or an address, with what searches stumble over.
pub(super) const WORDS: &[&str] = &[
    "Ann",
    "ann",
    "Ägid",
    "50%",
    "a_b",
    "O'Neil",
    "back\\slash",
    "",
];

fn custom_fields(dice: &mut Dice<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    for _ in 0..dice.below(4) {
        let key = dice.of(&["plan", "b", "ä", "a"]);
        let value = dice.of(&[
            json!("gold"),
            json!(null),
            json!(1.0),
            json!(-7),
            json!(true),
            json!({ "z": 1, "a": [null, "x"] }),
            json!("ü\"\\ \u{1f600}"),
        ]);
        fields.insert(key.to_owned(), value);
    }
    if dice.one_in(80) {
        // More than a lead may hold, together with what is there.
        let key = dice.of(&["long", "longer"]);
        fields.insert(key.to_owned(), json!("x".repeat(40_000)));
    }
    fields
}

const ZONES: &[&str] = &["America/Los_Angeles", "Asia/Kolkata"];

fn new_lead(dice: &mut Dice<'_>, now: Timestamp) -> NewLead {
    let word = |dice: &mut Dice<'_>| dice.maybe(3, WORDS).map(str::to_owned);
    let phone = person(dice);
    let fields = LeadFields {
        first_name: word(dice),
        last_name: word(dice),
        email: word(dice),
        custom_fields: custom_fields(dice),
        timezone: dice.maybe(6, ZONES).map(str::to_owned),
        priority: dice.maybe(4, &[1, 5, 10]),
        not_before: dice.one_in(6).then(|| around(dice, now)),
    };
    let mut cleared = Vec::new();
    if dice.one_in(6) {
        cleared.push(LeadField::LastName);
    }
    if dice.one_in(6) {
        cleared.extend([LeadField::Timezone, LeadField::NotBefore]);
    }
    NewLead {
        phone,
        fields,
        cleared,
    }
}

fn change(dice: &mut Dice<'_>, now: Timestamp) -> LeadChange {
    let word = |dice: &mut Dice<'_>| {
        let words = dice.maybe(4, WORDS);
        words.map(|word| Some(word.to_owned()).filter(|word| !word.is_empty()))
    };
    LeadChange {
        do_not_call: dice.maybe(
            2,
            &[OptOut::Enter, OptOut::Deny, OptOut::Deny, OptOut::Lift],
        ),
        mark_as_unanswered: dice.maybe(3, &[true, true, false]),
        first_name: word(dice),
        last_name: word(dice),
        email: word(dice),
        custom_fields: dice.one_in(4).then(|| custom_fields(dice)),
        timezone: dice.maybe(6, ZONES).map(|zone| Some(zone.to_owned())),
        priority: dice.maybe(5, &[None, Some(1), Some(9)]),
        not_before: dice.one_in(6).then(|| {
            let at = around(dice, now);
            (!dice.one_in(3)).then_some(at)
        }),
    }
}

pub(super) fn any_lead(side: &Side, dice: &mut Dice<'_>, campaign_id: CampaignId) -> LeadKey {
    let newest = side.known.leads.iter().rev();
    let is_own = |of: &CampaignId, elsewhere: bool| (*of == campaign_id) != elsewhere;
    let how = dice.below(16);
    let of_campaign = newest.filter(|(of, _)| is_own(of, how == 14));
    let ids: Vec<_> = of_campaign.map(|(_, lead_id)| *lead_id).take(12).collect();
    match how {
        15 => LeadKey::Id(LeadId::from_raw(MISSING)),
        11..=14 if !ids.is_empty() => LeadKey::Id(dice.of(&ids)),
        _ => LeadKey::Phone(person(dice)),
    }
}

fn on_duplicate(dice: &mut Dice<'_>) -> OnDuplicate {
    dice.of(&[OnDuplicate::Update, OnDuplicate::Update, OnDuplicate::Skip])
}

async fn add(side: &mut Side, who: Who, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let campaign_id = any_campaign(side, dice, who.place);
    let lead = new_lead(dice, moment.now);
    let on_duplicate = on_duplicate(dice);
    let idempotency = idempotent(dice, Kind::AddLead, moment);
    let shown = shown(idempotency.as_ref());
    let call = format!(
        "add_lead {:?} {campaign_id:?} {lead:?} {on_duplicate:?}{shown}",
        who.caller
    );
    let store = side.store();
    let added = store
        .add_lead(who.caller, campaign_id, lead, on_duplicate, idempotency)
        .await;
    let (told, added) = written(call, added);
    let Some(added) = added else { return told };
    side.known.lead(campaign_id, added.lead.lead_id);
    told.meets(if added.created { "new" } else { "again" })
}

async fn queue(side: &mut Side, who: Who, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let campaign_id = any_campaign(side, dice, who.place);
    let count = dice.of(&[3_u8, 1, 2, 5]);
    let leads: Vec<_> = (0..count).map(|_| new_lead(dice, moment.now)).collect();
    let on_duplicate = on_duplicate(dice);
    let idempotency = idempotent(dice, Kind::QueueLeads, moment);
    let shown = shown(idempotency.as_ref());
    let call = format!(
        "queue_leads {:?} {campaign_id:?} {leads:?} {on_duplicate:?}{shown}",
        who.caller
    );
    let store = side.store();
    let queued = store
        .queue_leads(who.caller, campaign_id, leads, on_duplicate, idempotency)
        .await;
    let (told, queued) = written(call, queued);
    if let Some(queued) = queued {
        let owned = Owned {
            tenant: who.place,
            id: queued.import_id,
        };
        side.known.imports.push(owned);
    }
    told
}

async fn change_one(side: &Side, kind: Kind, who: Who, dice: &mut Dice<'_>) -> Told {
    let store = side.store();
    let campaign_id = any_campaign(side, dice, who.place);
    let key = any_lead(side, dice, campaign_id);
    let (tenant_id, now) = (who.caller.tenant_id, who.caller.now);
    let known = store
        .get_lead(tenant_id, campaign_id, key.clone(), now)
        .await
        .ok();
    let guard = guard(dice, known.as_ref().map(|lead| lead.revision));
    if kind == Kind::RemoveLead {
        let call = format!(
            "remove_lead {:?} {campaign_id:?} {key:?} {guard:?}",
            who.caller
        );
        return told(
            call,
            store.remove_lead(who.caller, campaign_id, key, guard).await,
        )
        .0;
    }
    let denies = !dice.one_in(3);
    let mut change = change(dice, now);
    if denies && known.is_some_and(|lead| lead.status == LeadStatus::OptedOut) {
        change.do_not_call = Some(OptOut::Deny);
    }
    let call = format!(
        "update_lead {:?} {campaign_id:?} {key:?} {change:?} {guard:?}",
        who.caller
    );
    let changed = store
        .update_lead(who.caller, campaign_id, key, change, guard)
        .await;
    let (told, lead) = told(call, changed);
    match lead {
        Some(lead) => told.meets(format!("now {}", lead.status)),
        None => told,
    }
}

/// Refused: as a whole, or one of its parts.
fn of_parts<T: std::fmt::Debug>(call: String, parts: StoreResult<Vec<StoreResult<T>>>) -> Told {
    let (mut told, parts) = told(call, parts);
    let refused = parts.into_iter().flatten().filter_map(Result::err);
    for error in refused {
        told.met.push(name_of(&error));
        told.came = Came::Refused;
    }
    told
}

async fn change_many(side: &Side, kind: Kind, who: Who, dice: &mut Dice<'_>) -> Told {
    let store = side.store();
    let campaign_id = any_campaign(side, dice, who.place);
    let keys: Vec<_> = (0..dice.of(&[2_u8, 1, 4]))
        .map(|_| any_lead(side, dice, campaign_id))
        .collect();
    if kind == Kind::RemoveLeads {
        let call = format!("remove_leads {:?} {campaign_id:?} {keys:?}", who.caller);
        return of_parts(
            call,
            store.remove_leads(who.caller, campaign_id, keys).await,
        );
    }
    let changes: Vec<_> = keys
        .into_iter()
        .map(|key| (key, change(dice, who.caller.now)))
        .collect();
    let call = format!("update_leads {:?} {campaign_id:?} {changes:?}", who.caller);
    of_parts(
        call,
        store.update_leads(who.caller, campaign_id, changes).await,
    )
}

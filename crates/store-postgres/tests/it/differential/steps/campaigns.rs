//! Campaigns and their life.

use std::sync::Arc;

use domain::CampaignId;
use domain::campaign::{CampaignCommand, CampaignStatus, CampaignType};
use domain::settings::CampaignSettings;
use store::{CampaignOrder, CampaignRecord, CampaignUpdate, NewCampaign};

use super::lines::{any_line, any_pool};
use super::{
    Came, Dice, Kind, Moment, Side, Told, Who, guard, idempotent, pick, settings, shown, told, who,
    written,
};
use crate::differential::side::{MISSING, Owned};

pub(super) async fn take(side: &mut Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let who = who(side, dice, moment.now);
    match kind {
        Kind::CreateCampaign => create(side, who, dice, moment).await,
        Kind::UpdateCampaign => update(side, who, dice).await,
        Kind::DeleteCampaign => delete(side, who, dice).await,
        _ => order(side, kind, who, dice, moment).await,
    }
}

pub(super) fn any_campaign(side: &Side, dice: &mut Dice<'_>, tenant: usize) -> CampaignId {
    pick(
        dice,
        &side.known.campaigns,
        tenant,
        CampaignId::from_raw(MISSING),
    )
}

/// Of settings that nobody could send there is nothing to compare.
fn unsound(call: String) -> Told {
    let mut told = Told::done(call, &"not sound");
    told.came = Came::Repeated;
    told
}

async fn create(side: &mut Side, who: Who, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let line_id = any_line(side, dice, who.place);
    let pool_id = any_pool(side, dice, who.place);
    let draft = settings::draft(dice, line_id, pool_id);
    let is_inbound = dice.one_in(9);
    let kind = if is_inbound {
        CampaignType::Inbound
    } else {
        CampaignType::Outbound
    };
    let leads_of = dice.one_in(3).then(|| any_campaign(side, dice, who.place));
    let unverified = dice.one_in(3);
    let idempotency = idempotent(dice, Kind::CreateCampaign, moment);
    let shown = shown(idempotency.as_ref());
    let call = format!(
        "create_campaign {:?} {draft:?} {leads_of:?}{shown}",
        who.caller
    );
    let Ok(settings) = CampaignSettings::parse(kind, &draft) else {
        return unsound(call);
    };
    let campaign = NewCampaign {
        kind,
        draft,
        settings: Arc::new(settings),
        unverified,
        leads_of,
    };
    let made = side
        .store()
        .create_campaign(who.caller, campaign, idempotency)
        .await;
    let (told, made) = written(call, made);
    if let Some(made) = made {
        let owned = Owned {
            tenant: who.place,
            id: made.campaign_id,
        };
        side.known.campaigns.push(owned);
        if let Some(import_id) = made.import_id {
            let owned = Owned {
                tenant: who.place,
                id: import_id,
            };
            side.known.imports.push(owned);
        }
    }
    told
}

async fn update(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let store = side.store();
    let campaign_id = any_campaign(side, dice, who.place);
    // Of another tenant's campaign one may know the settings all the same.
    let mut known = Err(store::StoreError::NotFound("campaign"));
    for tenant_id in &side.known.tenants {
        known = known.or(store.get_campaign(*tenant_id, campaign_id).await);
    }
    let Ok(known) = known else {
        return Told::done(format!("update_campaign {campaign_id:?}"), &"gone");
    };
    let mut draft = known.draft;
    let line_id = any_line(side, dice, who.place);
    let pool_id = any_pool(side, dice, who.place);
    for _ in 0..dice.of(&[1_u8, 2, 3]) {
        settings::edit(dice, Arc::make_mut(&mut draft), line_id, pool_id);
    }
    let base_revision = known.revision - i64::from(dice.one_in(8));
    let unverified = dice.maybe(4, &[true, false]);
    let call = format!(
        "update_campaign {:?} {campaign_id:?} at {base_revision} {draft:?}",
        who.caller
    );
    let Ok(settings) = CampaignSettings::parse(known.kind, &draft) else {
        return unsound(call);
    };
    let update = CampaignUpdate {
        campaign_id,
        base_revision,
        draft,
        settings: Arc::new(settings),
        unverified,
    };
    told(call, store.update_campaign(who.caller, update).await).0
}

async fn order(side: &Side, kind: Kind, who: Who, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let store = side.store();
    let campaign_id = any_campaign(side, dice, who.place);
    let known = store
        .get_campaign(who.caller.tenant_id, campaign_id)
        .await
        .ok();
    let command = if kind == Kind::Start {
        let starts = known.is_none() || is_in(known.as_ref(), CampaignStatus::Draft);
        if starts {
            CampaignCommand::Start
        } else {
            CampaignCommand::Resume
        }
    } else if is_in(known.as_ref(), CampaignStatus::Stopped) && dice.one_in(2) {
        CampaignCommand::Archive
    } else {
        dice.of(&[
            CampaignCommand::Pause,
            CampaignCommand::Resume,
            CampaignCommand::Stop,
            CampaignCommand::Archive,
            CampaignCommand::Start,
        ])
    };
    let order = CampaignOrder {
        campaign_id,
        command,
        precondition: guard(dice, known.map(|known| known.revision)),
    };
    let idempotency = idempotent(dice, kind, moment);
    let call = format!(
        "order_campaign {:?} {order:?}{}",
        who.caller,
        shown(idempotency.as_ref())
    );
    let done = store.order_campaign(who.caller, order, idempotency).await;
    let (told, done) = written(call, done);
    match done {
        Some(done) if done.changed => told.meets(format!("now {}", done.campaign.status)),
        _ => told,
    }
}

fn is_in(known: Option<&CampaignRecord>, status: CampaignStatus) -> bool {
    known.is_some_and(|known| known.status == status)
}

async fn delete(side: &Side, who: Who, dice: &mut Dice<'_>) -> Told {
    let store = side.store();
    let campaign_id = any_campaign(side, dice, who.place);
    let known = store
        .get_campaign(who.caller.tenant_id, campaign_id)
        .await
        .ok();
    let guard = guard(dice, known.map(|known| known.revision));
    let call = format!("delete_campaign {:?} {campaign_id:?} {guard:?}", who.caller);
    told(
        call,
        store.delete_campaign(who.caller, campaign_id, guard).await,
    )
    .0
}

//! Making, reading and deleting campaigns.

use domain::campaign::{CampaignCommand, CampaignStatus, CampaignType, LeadStatus};
use domain::settings::SettingsDraft;
use domain::{LineId, Outcome, PoolId};
use serde_json::json;

use super::fixture::{
    add, assert_not_found, at, call_and_end, campaign, change, conflict, do_not_call, draft, edit,
    first, fresh, later, lead, line, morning, new_campaign, new_lead, order, pool, tenant,
    tenant_with_campaign, tenant_with_running,
};
use crate::{
    Caller, CampaignFilter, Conflict, NewCampaign, OnDuplicate, OptOut, PageRequest, Precondition,
    Store,
};

pub async fn a_new_campaign_is_a_draft_at_revision_one(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let made = campaign(store, caller, draft(line.line_id)).await;
    assert_eq!(
        (made.status, made.kind, made.revision),
        (CampaignStatus::Draft, CampaignType::Outbound, 1)
    );
    assert_eq!(
        (made.status_reason, made.unverified, made.created_at),
        (None, false, morning())
    );
    assert_eq!(*made.draft, draft(line.line_id));
    assert_eq!(made.settings.line_id, line.line_id);
    let zeros: Vec<_> = made.lead_counts.iter().collect();
    assert_eq!(zeros.len(), LeadStatus::ALL.len());
    assert!(zeros.iter().all(|(_, leads)| **leads == 0));

    let page = store
        .list_revisions(caller.tenant_id, made.campaign_id, first(10))
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(
        (page.items[0].revision, page.items[0].created_at),
        (1, morning())
    );
    assert_eq!(
        page.items[0].changes["name"],
        json!({ "from": null, "to": "Outreach" })
    );
    assert!(!page.items[0].changes.contains_key("end_date"));
}

pub async fn a_campaign_needs_a_line_and_pool_of_its_tenant(store: &dyn Store) {
    let (caller, other) = (tenant(store, "Acme").await, tenant(store, "Other").await);
    let (own, foreign) = (line(store, caller).await, line(store, other).await);
    let foreign_pool = pool(store, other, foreign.line_id, &["a"]).await;
    let with_pool = |pool_id: PoolId| SettingsDraft {
        dialer_type: Some("POOL".to_owned()),
        phone_number_pool_id: Some(pool_id.raw()),
        ..draft(own.line_id)
    };
    for line_id in [foreign.line_id, LineId::from_raw(1)] {
        let refused = store
            .create_campaign(caller, new_campaign(draft(line_id)), None)
            .await;
        assert_not_found(refused, "voice provider");
    }
    for pool_id in [foreign_pool.pool_id, PoolId::from_raw(1)] {
        let refused = store
            .create_campaign(caller, new_campaign(with_pool(pool_id)), None)
            .await;
        assert_not_found(refused, "phone number pool");
    }
    // A pool that is named but not used does not matter.
    let unused = SettingsDraft {
        dialer_type: Some("SINGLE".to_owned()),
        ..with_pool(foreign_pool.pool_id)
    };
    campaign(store, caller, unused).await;
}

pub async fn a_copy_takes_the_leads_with_fresh_caps(store: &dyn Store) {
    let (caller, source) = tenant_with_running(store, "Acme").await;
    let mut given = new_lead(1);
    given.fields.first_name = Some("Ada".to_owned());
    given.fields.priority = Some(9);
    given
        .fields
        .custom_fields
        .insert("plan".to_owned(), json!("gold"));
    store
        .add_lead(caller, source, given, OnDuplicate::Update, None)
        .await
        .unwrap();
    call_and_end(store, caller.now, Outcome::Answered).await;
    add(store, caller, source, 2).await;
    change(store, caller, source, 2, do_not_call(OptOut::Enter))
        .await
        .unwrap();

    let settings = store
        .get_campaign(caller.tenant_id, source)
        .await
        .unwrap()
        .draft;
    let copy_of = NewCampaign {
        leads_of: Some(source),
        ..new_campaign(settings)
    };
    let copy = fresh(
        store
            .create_campaign(caller, copy_of.clone(), None)
            .await
            .unwrap(),
    );
    assert_eq!(
        (
            copy.status,
            copy.lead_counts["READY"],
            copy.lead_counts["OPTED_OUT"]
        ),
        (CampaignStatus::Draft, 1, 1)
    );
    let original = lead(store, caller, source, 1).await;
    let copied = lead(store, caller, copy.campaign_id, 1).await;
    assert_eq!(copied.fields, original.fields);
    assert_ne!(copied.lead_id, original.lead_id);
    assert_eq!(
        (copied.attempts, copied.last_outcome, copied.revision),
        (0, None, 1)
    );

    let stranger = tenant(store, "Other").await;
    let line = line(store, stranger).await;
    let stolen = NewCampaign {
        leads_of: Some(source),
        ..new_campaign(draft(line.line_id))
    };
    assert_not_found(
        store.create_campaign(stranger, stolen, None).await,
        "campaign",
    );
}

async fn names(store: &dyn Store, caller: Caller, filter: CampaignFilter) -> Vec<String> {
    let page = store
        .list_campaigns(caller.tenant_id, filter, first(50))
        .await
        .unwrap();
    page.items
        .into_iter()
        .filter_map(|campaign| campaign.draft.name.clone())
        .collect()
}

pub async fn campaigns_are_filtered(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let mut ids = Vec::new();
    for name in ["Spring 100%", "summer", "SPRINGS"] {
        let named = SettingsDraft {
            name: Some(name.to_owned()),
            ..draft(line.line_id)
        };
        ids.push(campaign(store, caller, named).await.campaign_id);
    }
    order(store, caller, ids[1], CampaignCommand::Start).await;
    let by_name = |name: &str| CampaignFilter {
        name: Some(name.to_owned()),
        ..CampaignFilter::default()
    };
    assert_eq!(
        names(store, caller, CampaignFilter::default()).await,
        ["SPRINGS", "summer", "Spring 100%"]
    );
    assert_eq!(
        names(store, caller, by_name("spring")).await,
        ["SPRINGS", "Spring 100%"]
    );
    assert_eq!(names(store, caller, by_name("0%")).await, ["Spring 100%"]);
    assert!(names(store, caller, by_name("s_ring")).await.is_empty());
    let running = CampaignFilter {
        status: Some(CampaignStatus::Running),
        ..CampaignFilter::default()
    };
    assert_eq!(names(store, caller, running).await, ["summer"]);
    let inbound = CampaignFilter {
        kind: Some(CampaignType::Inbound),
        ..CampaignFilter::default()
    };
    assert!(names(store, caller, inbound).await.is_empty());
}

pub async fn pages_are_stable_while_campaigns_are_added(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(
            campaign(store, caller, draft(line.line_id))
                .await
                .campaign_id,
        );
    }
    made.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let request = PageRequest { limit: 2, before };
        let page = store
            .list_campaigns(caller.tenant_id, CampaignFilter::default(), request)
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|campaign| campaign.campaign_id));
        campaign(store, caller, draft(line.line_id)).await;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
}

pub async fn only_drafts_and_archived_campaigns_are_deleted(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    add(store, caller, id, 1).await;
    for (command, status) in [
        (CampaignCommand::Start, CampaignStatus::Running),
        (CampaignCommand::Pause, CampaignStatus::Paused),
        (CampaignCommand::Stop, CampaignStatus::Stopped),
    ] {
        order(store, caller, id, command).await;
        assert_eq!(
            conflict(store.delete_campaign(caller, id, Precondition::None).await),
            Conflict::NotDeletable(status)
        );
    }
    order(store, caller, id, CampaignCommand::Archive).await;
    store
        .delete_campaign(caller, id, Precondition::None)
        .await
        .unwrap();
    assert_not_found(store.get_campaign(caller.tenant_id, id).await, "campaign");
    assert_not_found(
        store.list_revisions(caller.tenant_id, id, first(10)).await,
        "campaign",
    );
    assert_not_found(
        store.delete_campaign(caller, id, Precondition::None).await,
        "campaign",
    );

    let line_id = made.settings.line_id;
    let never_started = campaign(store, caller, draft(line_id)).await.campaign_id;
    let import = fresh(
        store
            .queue_leads(
                caller,
                never_started,
                vec![new_lead(1)],
                OnDuplicate::Skip,
                None,
            )
            .await
            .unwrap(),
    );
    store
        .delete_campaign(caller, never_started, Precondition::None)
        .await
        .unwrap();
    assert!(!store.run_imports(caller.now, 100).await.unwrap());
    assert_not_found(
        store.get_import(caller.tenant_id, import.import_id).await,
        "import",
    );
}

pub async fn campaigns_of_another_tenant_are_not_found(store: &dyn Store) {
    let (owner, made) = tenant_with_campaign(store, "Acme").await;
    let stranger = tenant(store, "Other").await;
    let id = made.campaign_id;
    assert_not_found(store.get_campaign(stranger.tenant_id, id).await, "campaign");
    assert_not_found(
        store
            .delete_campaign(stranger, id, Precondition::None)
            .await,
        "campaign",
    );
    assert_not_found(
        store
            .list_revisions(stranger.tenant_id, id, first(10))
            .await,
        "campaign",
    );
    let update = crate::CampaignUpdate {
        campaign_id: id,
        base_revision: 1,
        draft: made.draft.clone(),
        settings: made.settings.clone(),
        unverified: None,
    };
    assert_not_found(store.update_campaign(stranger, update).await, "campaign");
    assert!(
        names(store, stranger, CampaignFilter::default())
            .await
            .is_empty()
    );
    edit(store, at(owner, later(1)), id, |draft| {
        draft.name = Some("Mine".to_owned());
    })
    .await
    .unwrap();
}

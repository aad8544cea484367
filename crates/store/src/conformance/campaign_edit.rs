//! The edit matrix of the contract, revisions, and when new settings hold.

use std::sync::Arc;

use domain::campaign::{CampaignCommand, CampaignStatus};
use domain::settings::SettingsDraft;
use domain::{CampaignId, LineId};
use serde_json::json;

use super::fixture::{
    add, assert_not_found, at, complete, conflict, edit, first, later, line, order, parsed, pool,
    stale, tenant, tenant_with_campaign, tenant_with_running, tick,
};
use crate::{Caller, CampaignRecord, CampaignUpdate, Conflict, Precondition, Store};

fn unchanged(campaign: &CampaignRecord) -> CampaignUpdate {
    CampaignUpdate {
        campaign_id: campaign.campaign_id,
        base_revision: campaign.revision,
        draft: campaign.draft.clone(),
        settings: campaign.settings.clone(),
        unverified: None,
    }
}

async fn get(store: &dyn Store, caller: Caller, campaign_id: CampaignId) -> CampaignRecord {
    store
        .get_campaign(caller.tenant_id, campaign_id)
        .await
        .unwrap()
}

pub async fn an_update_counts_a_revision_and_keeps_what_changed(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let caller = at(caller, later(60));
    let changed = edit(store, caller, made.campaign_id, |draft| {
        draft.name = Some("Second".to_owned());
        draft.end_date = Some("2026-12-31".to_owned());
    });
    let changed = changed.await.unwrap();
    assert_eq!(
        (changed.revision, changed.updated_at, changed.created_at),
        (2, later(60), made.created_at)
    );
    assert_eq!(changed.draft.name.as_deref(), Some("Second"));
    assert_eq!(
        changed.settings.outbound.as_ref().unwrap().hours.last_date,
        Some(jiff::civil::date(2026, 12, 31))
    );

    let page = store
        .list_revisions(caller.tenant_id, made.campaign_id, first(1))
        .await
        .unwrap();
    assert_eq!(
        (page.items[0].revision, page.items[0].created_at),
        (2, later(60))
    );
    let told = json!({
        "name": { "from": "Outreach", "to": "Second" },
        "end_date": { "from": null, "to": "2026-12-31" },
    });
    assert_eq!(serde_json::Value::from(page.items[0].changes.clone()), told);
    let before = crate::PageRequest {
        limit: 1,
        before: page.next,
    };
    let rest = store
        .list_revisions(caller.tenant_id, made.campaign_id, before)
        .await
        .unwrap();
    assert_eq!((rest.items[0].revision, rest.next), (1, None));
}

pub async fn an_update_that_changes_nothing_is_no_revision(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let same = store
        .update_campaign(at(caller, later(60)), unchanged(&made))
        .await
        .unwrap();
    assert_eq!((same.revision, same.updated_at), (1, made.updated_at));
}

pub async fn a_stale_update_is_refused(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    edit(store, caller, made.campaign_id, |draft| {
        draft.priority = Some(7);
    })
    .await
    .unwrap();
    assert_eq!(
        stale(store.update_campaign(caller, unchanged(&made)).await),
        2
    );
    assert_eq!(
        get(store, caller, made.campaign_id).await.draft.priority,
        Some(7)
    );
}

pub async fn a_draft_may_change_everything(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let other = line(store, caller).await;
    let numbers = pool(store, caller, other.line_id, &["a"]).await;
    let changed = edit(store, caller, made.campaign_id, |draft| {
        *draft = SettingsDraft {
            tenant_voice_provider_id: Some(other.line_id.raw()),
            dialer_type: Some("POOL".to_owned()),
            phone_number_id: None,
            phone_number_pool_id: Some(numbers.pool_id.raw()),
            max_call_attempts: Some(9),
            ..draft.clone()
        };
    });
    let changed = changed.await.unwrap();
    assert_eq!(
        (changed.status, changed.settings.line_id),
        (CampaignStatus::Draft, other.line_id)
    );
    assert!(matches!(
        store
            .delete_pool(caller, numbers.pool_id, Precondition::None)
            .await,
        Err(crate::StoreError::Conflict(_))
    ));
}

pub async fn a_running_campaign_keeps_its_line(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let other = line(store, caller).await;
    let moved = edit(store, caller, id, |draft| {
        draft.tenant_voice_provider_id = Some(other.line_id.raw());
        draft.max_call_attempts = Some(9);
    });
    let frozen = Conflict::Frozen {
        status: CampaignStatus::Running,
        fields: vec!["tenant_voice_provider_id"],
    };
    assert_eq!(conflict(moved.await), frozen);
    let kept = get(store, caller, id).await;
    assert_eq!((kept.revision, kept.draft.max_call_attempts), (2, Some(3)));
    let changed = edit(store, caller, id, |draft| draft.max_call_attempts = Some(9))
        .await
        .unwrap();
    assert_eq!(
        (changed.status, changed.revision),
        (CampaignStatus::Running, 3)
    );
}

pub async fn a_paused_campaign_may_change_its_line(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let other = line(store, caller).await;
    add(store, caller, id, 1).await;
    order(store, caller, id, CampaignCommand::Pause).await;
    edit(store, caller, id, |draft| {
        draft.tenant_voice_provider_id = Some(other.line_id.raw());
    })
    .await
    .unwrap();
    order(store, caller, id, CampaignCommand::Resume).await;
    let due = tick(store, caller.now).await;
    assert_eq!(due[0].line_id, other.line_id);
}

pub async fn a_closed_campaign_keeps_everything_that_dials(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    for (command, status) in [
        (CampaignCommand::Stop, CampaignStatus::Stopped),
        (CampaignCommand::Archive, CampaignStatus::Archived),
    ] {
        order(store, caller, id, command).await;
        let frozen = edit(store, caller, id, |draft| {
            draft.end_date = Some("2026-12-31".to_owned());
            draft.name = Some("Renamed".to_owned());
            draft.priority = Some(1);
        });
        let fields = vec!["end_date", "priority"];
        assert_eq!(conflict(frozen.await), Conflict::Frozen { status, fields });
        let renamed = edit(store, caller, id, |draft| {
            draft.name = Some(format!("Renamed {status}"));
            draft.webhook_url = Some(format!("https://example.org/{status}"));
            draft.metadata = Some([("status".to_owned(), status.to_string())].into());
        });
        assert_eq!(renamed.await.unwrap().status, status);
    }
}

pub async fn a_new_end_date_reopens_a_completed_campaign(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    complete(store, caller, id, 1).await;
    let elsewhere = line(store, caller).await.line_id;
    for (moves, fields) in [
        (false, vec!["max_daily_attempts"]),
        (true, vec!["tenant_voice_provider_id"]),
    ] {
        let frozen = edit(store, caller, id, |draft| {
            draft.max_daily_attempts = Some(3);
            if moves {
                draft.end_date = Some("2026-12-31".to_owned());
                draft.tenant_voice_provider_id = Some(elsewhere.raw());
            }
        });
        let status = CampaignStatus::Completed;
        assert_eq!(conflict(frozen.await), Conflict::Frozen { status, fields });
    }
    let renamed = edit(store, caller, id, |draft| {
        draft.name = Some("Renamed".to_owned());
    })
    .await
    .unwrap();
    assert_eq!(renamed.status, CampaignStatus::Completed);

    let reopened = edit(store, caller, id, |draft| {
        draft.end_date = Some("2026-12-31".to_owned());
        draft.max_daily_attempts = Some(3);
    })
    .await
    .unwrap();
    assert_eq!(
        (reopened.status, reopened.revision),
        (CampaignStatus::Running, renamed.revision + 1)
    );
    assert_eq!(reopened.draft.max_daily_attempts, Some(3));
    let page = store
        .list_revisions(caller.tenant_id, id, first(1))
        .await
        .unwrap();
    assert_eq!(
        page.items[0].changes["status"],
        json!({ "from": "COMPLETED", "to": "RUNNING" })
    );
    assert_eq!(
        page.items[0].changes["end_date"],
        json!({ "from": null, "to": "2026-12-31" })
    );
}

pub async fn an_update_needs_a_line_and_pool_of_its_tenant(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let stranger = tenant(store, "Other").await;
    let foreign = line(store, stranger).await;
    let foreign_pool = pool(store, stranger, foreign.line_id, &["a"]).await;
    let id = made.campaign_id;
    for line_id in [foreign.line_id, LineId::from_raw(1)] {
        let moved = edit(store, caller, id, |draft| {
            draft.tenant_voice_provider_id = Some(line_id.raw());
        });
        assert_not_found(moved.await, "voice provider");
    }
    let pooled = edit(store, caller, id, |draft| {
        draft.dialer_type = Some("POOL".to_owned());
        draft.phone_number_pool_id = Some(foreign_pool.pool_id.raw());
    });
    assert_not_found(pooled.await, "phone number pool");
    assert_eq!(get(store, caller, id).await.draft, made.draft);
}

pub async fn an_update_may_verify_a_campaign(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let draft = SettingsDraft {
        assistant_id: Some("asst_2".to_owned()),
        ..SettingsDraft::clone(&made.draft)
    };
    let settings = parsed(&draft);
    let unchecked = CampaignUpdate {
        draft: Arc::new(draft),
        settings,
        unverified: Some(true),
        ..unchanged(&made)
    };
    let changed = store.update_campaign(caller, unchecked).await.unwrap();
    assert!(changed.unverified);
    let silent = edit(store, caller, made.campaign_id, |draft| {
        draft.priority = Some(2);
    })
    .await
    .unwrap();
    assert!(silent.unverified);
    let verified = CampaignUpdate {
        unverified: Some(false),
        ..unchanged(&silent)
    };
    let changed = store.update_campaign(caller, verified).await.unwrap();
    assert!(!changed.unverified);
    assert_eq!(changed.revision, silent.revision + 1);
}

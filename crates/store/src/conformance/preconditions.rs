//! Whoever names a revision changes that revision or nothing.

use domain::campaign::{CampaignCommand, CampaignStatus};

use super::fixture::{
    add, assert_not_found, campaign, draft, fresh, line, order, pool, stale, tenant,
    tenant_with_running,
};
use crate::{
    Caller, CampaignOrder, LeadChange, LeadKey, LineChange, NewToken, Precondition, Scopes, Store,
    TokenRecord,
};

/// A revision that nothing here ever has.
fn never() -> Precondition {
    Precondition::exactly(4_711)
}

async fn token(store: &dyn Store, caller: Caller) -> TokenRecord {
    let token = NewToken {
        name: "x".to_owned(),
        scopes: Scopes::default(),
        hash: [9; 32],
        masked: "cmp_…".to_owned(),
        expires_at: None,
    };
    fresh(store.create_token(caller, token, None).await.unwrap())
}

const fn ordered(
    campaign_id: domain::CampaignId,
    command: CampaignCommand,
    precondition: Precondition,
) -> CampaignOrder {
    CampaignOrder {
        campaign_id,
        command,
        precondition,
    }
}

pub async fn a_stale_change_changes_nothing(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let lead = add(store, caller, id, 1).await;
    let key = LeadKey::Id(lead.lead_id);
    let line = line(store, caller).await;
    let pool = pool(store, caller, line.line_id, &["pn_1"]).await;
    let token = token(store, caller).await;
    let draft = campaign(store, caller, draft(line.line_id)).await;
    let tenant_id = caller.tenant_id;

    for command in CampaignCommand::ALL {
        let order = ordered(id, *command, never());
        assert_eq!(stale(store.order_campaign(caller, order, None).await), 2);
    }
    let running = store.get_campaign(tenant_id, id).await.unwrap();
    assert_eq!(
        (running.status, running.revision),
        (CampaignStatus::Running, 2)
    );
    let gone = store.delete_campaign(caller, draft.campaign_id, never());
    assert_eq!(stale(gone.await), 1);

    let rename = LeadChange {
        first_name: Some(Some("x".to_owned())),
        ..LeadChange::default()
    };
    let renamed = store.update_lead(caller, id, key.clone(), rename, never());
    assert_eq!(stale(renamed.await), 1);
    assert_eq!(
        stale(store.remove_lead(caller, id, key.clone(), never()).await),
        1
    );
    let kept = store
        .get_lead(tenant_id, id, key, caller.now)
        .await
        .unwrap();
    assert_eq!(kept.fields, lead.fields);

    let change = LineChange {
        name: Some("x".to_owned()),
        ..LineChange::default()
    };
    let changed = store.update_line(caller, line.line_id, change, never());
    assert_eq!(stale(changed.await), 1);
    assert_eq!(
        stale(store.delete_pool(caller, pool.pool_id, never()).await),
        1
    );
    assert_eq!(
        stale(store.delete_line(caller, line.line_id, never()).await),
        1
    );
    let disabled = store.set_token_enabled(caller, token.token_id, false, never());
    assert_eq!(stale(disabled.await), 1);
    assert_eq!(
        stale(store.delete_token(caller, token.token_id, never()).await),
        1
    );
    assert_eq!(
        store.get_token(tenant_id, token.token_id).await.unwrap(),
        token
    );
    let numbers = store.set_test_call_numbers(caller, vec![super::fixture::phone(1)], never());
    assert_eq!(stale(numbers.await), 1);
}

pub async fn of_many_changes_of_one_revision_one_is_done(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let lead = add(store, caller, id, 1).await;
    let rename = |n: i32| {
        let change = LeadChange {
            first_name: Some(Some(format!("name {n}"))),
            ..LeadChange::default()
        };
        let key = LeadKey::Id(lead.lead_id);
        store.update_lead(caller, id, key, change, Precondition::exactly(1))
    };
    let (a, b, c, d) = tokio::join!(rename(1), rename(2), rename(3), rename(4));
    let (done, refused): (Vec<_>, Vec<_>) = [a, b, c, d].into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 3));
    assert!(refused.into_iter().all(|one| stale(one) == 2));

    let pause = || {
        let order = ordered(id, CampaignCommand::Pause, Precondition::OneOf(vec![1, 2]));
        store.order_campaign(caller, order, None)
    };
    let (a, b, c, d) = tokio::join!(pause(), pause(), pause(), pause());
    let paused = [a, b, c, d];
    assert_eq!(paused.iter().filter(|one| one.is_ok()).count(), 1);
    let campaign = store.get_campaign(caller.tenant_id, id).await.unwrap();
    assert_eq!(campaign.revision, 3);
}

pub async fn another_tenants_object_is_missing_before_it_is_stale(store: &dyn Store) {
    let (owner, id) = tenant_with_running(store, "Acme").await;
    let lead = add(store, owner, id, 1).await;
    let token = token(store, owner).await;
    let line = line(store, owner).await;
    let pool = pool(store, owner, line.line_id, &["pn_1"]).await;
    let stranger = tenant(store, "Other").await;
    let pause = ordered(id, CampaignCommand::Pause, never());
    assert_not_found(
        store.order_campaign(stranger, pause, None).await,
        "campaign",
    );
    assert_not_found(
        store.delete_campaign(stranger, id, never()).await,
        "campaign",
    );
    let key = LeadKey::Id(lead.lead_id);
    let update = store.update_lead(stranger, id, key.clone(), LeadChange::default(), never());
    assert_not_found(update.await, "campaign");
    assert_not_found(
        store.remove_lead(stranger, id, key, never()).await,
        "campaign",
    );
    assert_not_found(
        store.delete_line(stranger, line.line_id, never()).await,
        "voice provider",
    );
    assert_not_found(
        store.delete_pool(stranger, pool.pool_id, never()).await,
        "phone number pool",
    );
    assert_not_found(
        store.delete_token(stranger, token.token_id, never()).await,
        "token",
    );
    order(store, owner, id, CampaignCommand::Pause).await;
}

pub async fn tokens_and_tenants_count_their_changes(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let made = token(store, caller).await;
    assert_eq!(made.revision, 1);
    for (enabled, revision) in [(true, 1), (false, 2), (false, 2), (true, 3)] {
        let before = store
            .get_token(caller.tenant_id, made.token_id)
            .await
            .unwrap();
        let precondition = Precondition::exactly(before.revision);
        let changed = store.set_token_enabled(caller, made.token_id, enabled, precondition);
        assert_eq!(changed.await.unwrap().revision, revision, "{enabled}");
    }
    let phone = super::fixture::phone(1);
    for (numbers, revision) in [(vec![], 1), (vec![phone.clone()], 2), (vec![phone], 2)] {
        let tenant = store.get_tenant(caller.tenant_id).await.unwrap();
        let precondition = Precondition::exactly(tenant.revision);
        let changed = store.set_test_call_numbers(caller, numbers, precondition);
        assert_eq!(changed.await.unwrap().revision, revision);
    }
}

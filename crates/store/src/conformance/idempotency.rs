//! One effect for each idempotency key.

use std::time::Duration;

use domain::LineId;

use super::fixture::{
    add, at, draft, first, later, line, new_campaign, tenant, tenant_with_running, tick,
};
use crate::{
    Caller, CampaignRecord, IdempotencyKey, Idempotent, Store, StoreError, StoredAnswer, Written,
};

fn key(name: &str, fingerprint: u8) -> IdempotencyKey {
    IdempotencyKey {
        key: name.to_owned(),
        operation: "POST /api/v2/voice-campaigns".to_owned(),
        fingerprint: [fingerprint; 32],
    }
}

fn answer_of(campaign: &CampaignRecord) -> StoredAnswer {
    StoredAnswer {
        status: 201,
        revision: None,
        body: campaign.campaign_id.to_string().into_bytes(),
    }
}

async fn create(
    store: &dyn Store,
    caller: Caller,
    line_id: LineId,
    key: IdempotencyKey,
) -> Result<Written<StoredAnswer>, StoreError> {
    let idempotent = Idempotent {
        key,
        render: Box::new(answer_of),
    };
    let written = store
        .create_campaign(caller, new_campaign(draft(line_id)), Some(idempotent))
        .await?;
    Ok(match written {
        Written::Fresh(campaign) => Written::Fresh(answer_of(&campaign)),
        Written::Replayed(answer) => Written::Replayed(answer),
    })
}

async fn campaigns(store: &dyn Store, caller: Caller) -> usize {
    store
        .list_campaigns(
            caller.tenant_id,
            crate::CampaignFilter::default(),
            first(200),
        )
        .await
        .unwrap()
        .items
        .len()
}

pub async fn a_repeated_request_has_one_effect_and_one_answer(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    assert_eq!(
        store
            .find_answer(caller.tenant_id, &key("k", 1), caller.now)
            .await
            .unwrap(),
        None
    );
    let Written::Fresh(answer) = create(store, caller, line.line_id, key("k", 1))
        .await
        .unwrap()
    else {
        panic!("the first request is fresh");
    };
    let again = create(store, at(caller, later(60)), line.line_id, key("k", 1))
        .await
        .unwrap();
    assert_eq!(again, Written::Replayed(answer.clone()));
    assert_eq!(campaigns(store, caller).await, 1);
    let found = store
        .find_answer(caller.tenant_id, &key("k", 1), later(60))
        .await
        .unwrap();
    assert_eq!(found, Some(answer));
}

pub async fn another_request_with_the_same_key_is_refused(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    create(store, caller, line.line_id, key("k", 1))
        .await
        .unwrap();
    let other = create(store, caller, line.line_id, key("k", 2)).await;
    assert!(
        matches!(other, Err(StoreError::IdempotencyMismatch)),
        "{other:?}"
    );
    let found = store
        .find_answer(caller.tenant_id, &key("k", 2), caller.now)
        .await;
    assert!(
        matches!(found, Err(StoreError::IdempotencyMismatch)),
        "{found:?}"
    );
    assert_eq!(campaigns(store, caller).await, 1);
}

pub async fn a_key_counts_within_its_tenant_and_operation(store: &dyn Store) {
    let (caller, other) = (tenant(store, "Acme").await, tenant(store, "Other").await);
    let (own_line, other_line) = (line(store, caller).await, line(store, other).await);
    create(store, caller, own_line.line_id, key("k", 1))
        .await
        .unwrap();
    assert_eq!(
        store
            .find_answer(other.tenant_id, &key("k", 1), caller.now)
            .await
            .unwrap(),
        None
    );
    let fresh = create(store, other, other_line.line_id, key("k", 2))
        .await
        .unwrap();
    assert!(matches!(fresh, Written::Fresh(_)));
    let elsewhere = IdempotencyKey {
        operation: "POST /other".to_owned(),
        ..key("k", 3)
    };
    let fresh = create(store, caller, own_line.line_id, elsewhere)
        .await
        .unwrap();
    assert!(matches!(fresh, Written::Fresh(_)));
}

pub async fn a_key_is_forgotten_after_a_day(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    create(store, caller, line.line_id, key("k", 1))
        .await
        .unwrap();
    let day = 24 * 3_600;
    let nearly = create(store, at(caller, later(day - 1)), line.line_id, key("k", 1))
        .await
        .unwrap();
    assert!(matches!(nearly, Written::Replayed(_)));
    // Whether or not it was swept, it no longer counts; and the new answer is kept.
    assert_eq!(
        store
            .find_answer(caller.tenant_id, &key("k", 1), later(day))
            .await
            .unwrap(),
        None
    );
    let anew = create(store, at(caller, later(day)), line.line_id, key("k", 2))
        .await
        .unwrap();
    assert!(matches!(anew, Written::Fresh(_)));
    assert!(
        store
            .find_answer(caller.tenant_id, &key("k", 2), later(day))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(campaigns(store, caller).await, 2);
}

pub async fn a_refused_request_keeps_no_answer(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let refused = create(store, caller, LineId::from_raw(1), key("k", 1)).await;
    assert!(
        matches!(refused, Err(StoreError::NotFound(_))),
        "{refused:?}"
    );
    let mended = create(store, caller, line.line_id, key("k", 2))
        .await
        .unwrap();
    assert!(matches!(mended, Written::Fresh(_)));
}

pub async fn an_answer_is_kept_alone_and_replaced_for_the_same_request_only(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let answer = |status, revision| StoredAnswer {
        status,
        revision,
        body: vec![1, 2, 3],
    };
    let found = async |key: IdempotencyKey| {
        store
            .find_answer(caller.tenant_id, &key, caller.now)
            .await
            .unwrap()
    };
    for kept in [answer(202, None), answer(200, Some(7))] {
        store
            .keep_answer(caller, key("k", 1), kept.clone())
            .await
            .unwrap();
        assert_eq!(found(key("k", 1)).await, Some(kept));
    }
    let other = store
        .keep_answer(caller, key("k", 2), answer(201, None))
        .await;
    assert!(
        matches!(other, Err(StoreError::IdempotencyMismatch)),
        "{other:?}"
    );
    assert_eq!(found(key("k", 1)).await, Some(answer(200, Some(7))));
}

pub async fn a_repeated_answer_waits_for_calls_that_are_on_their_way(store: &dyn Store) {
    let (caller, campaign_id) = tenant_with_running(store, "Acme").await;
    add(store, caller, campaign_id, 1).await;
    let dispatch = tick(store, caller.now).await.remove(0);
    let permit = store.send_board().begin(dispatch.attempt_id);
    assert!(permit.is_some());
    let settled = store.settle_tenant(caller.tenant_id);
    tokio::pin!(settled);
    let early = Duration::from_millis(100);
    assert!(tokio::time::timeout(early, &mut settled).await.is_err());
    drop(permit);
    settled.await;
    let other = tenant(store, "Other").await;
    store.settle_tenant(other.tenant_id).await;
}

//! Lines.

use domain::LineId;
use domain::attempt::{Fact, Refusal};
use domain::campaign::CampaignCommand;
use jiff::SignedDuration;

use super::fixture::{
    add, apply, assert_not_found, at, campaign, conflict, draft, first, fresh, later, line,
    morning, new_line, order, pool, stale, tenant, tenant_with_running, tick,
};
use crate::{
    AttemptFact, AttemptRef, Conflict, LineChange, NewLine, PageRequest, Precondition, Store,
};

pub async fn a_line_keeps_what_it_was_given(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let given = new_line();
    let made = fresh(
        store
            .create_line(caller, given.clone(), None)
            .await
            .unwrap(),
    );
    assert_eq!(made.tenant_id, caller.tenant_id);
    assert_eq!(
        (made.provider.as_str(), made.name.as_str()),
        ("VAPI", "Main")
    );
    assert_eq!(made.sealed_credentials, given.sealed_credentials);
    assert_eq!(made.sealed_webhook_secret, given.sealed_webhook_secret);
    assert_eq!(
        (made.max_concurrent_calls, made.max_calls_per_second),
        (10, 10)
    );
    assert_eq!(
        (made.revision, made.created_at, made.rests_until),
        (1, morning(), None)
    );
    let by_key = store.line_by_key(&given.line_key).await.unwrap().unwrap();
    assert_eq!(by_key.line_id, made.line_id);
    assert!(store.line_by_key("unknown").await.unwrap().is_none());
    assert_eq!(
        store.line_for_dialing(made.line_id).await.unwrap().line_key,
        given.line_key
    );
    assert_not_found(
        store.line_for_dialing(LineId::from_raw(1)).await,
        "voice provider",
    );
}

pub async fn a_change_leaves_absent_fields_and_counts_a_revision(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let made = line(store, caller).await;
    let change = LineChange {
        name: Some("Second".to_owned()),
        base_url: Some(Some("https://example.org".to_owned())),
        sealed_credentials: Some(vec![9]),
        ..LineChange::default()
    };
    let caller = at(caller, later(60));
    let changed = store
        .update_line(caller, made.line_id, change, Precondition::exactly(1))
        .await
        .unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.base_url.as_deref()),
        ("Second", Some("https://example.org"))
    );
    assert_eq!(
        (changed.sealed_credentials, changed.sealed_webhook_secret),
        (vec![9], made.sealed_webhook_secret)
    );
    assert_eq!(
        (changed.revision, changed.updated_at, changed.created_at),
        (2, later(60), morning())
    );

    let change = LineChange {
        base_url: Some(None),
        max_concurrent_calls: Some(3),
        ..LineChange::default()
    };
    let changed = store
        .update_line(caller, made.line_id, change, Precondition::None)
        .await
        .unwrap();
    assert_eq!(
        (
            changed.base_url,
            changed.max_concurrent_calls,
            changed.revision
        ),
        (None, 3, 3)
    );
}

pub async fn a_stale_change_of_a_line_is_refused(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let made = line(store, caller).await;
    let rename = |name: &str| LineChange {
        name: Some(name.to_owned()),
        ..LineChange::default()
    };
    store
        .update_line(caller, made.line_id, rename("B"), Precondition::exactly(1))
        .await
        .unwrap();
    assert_eq!(
        stale(
            store
                .update_line(caller, made.line_id, rename("C"), Precondition::exactly(1))
                .await
        ),
        2
    );
    assert_eq!(
        store
            .get_line(caller.tenant_id, made.line_id)
            .await
            .unwrap()
            .name,
        "B"
    );
}

pub async fn a_line_in_use_is_not_deleted(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let (of_campaign, of_pool, unused) = (
        line(store, caller).await,
        line(store, caller).await,
        line(store, caller).await,
    );
    let campaign = campaign(store, caller, draft(of_campaign.line_id)).await;
    let pool = pool(store, caller, of_pool.line_id, &["pn_1"]).await;
    for used in [&of_campaign, &of_pool] {
        let refused = conflict(
            store
                .delete_line(caller, used.line_id, Precondition::None)
                .await,
        );
        assert!(matches!(refused, Conflict::InUse(_)), "{refused:?}");
    }
    store
        .delete_campaign(caller, campaign.campaign_id, Precondition::None)
        .await
        .unwrap();
    store
        .delete_pool(caller, pool.pool_id, Precondition::None)
        .await
        .unwrap();
    for line in [of_campaign, of_pool, unused] {
        store
            .delete_line(caller, line.line_id, Precondition::None)
            .await
            .unwrap();
        assert_not_found(
            store.get_line(caller.tenant_id, line.line_id).await,
            "voice provider",
        );
    }
}

pub async fn lines_are_listed_newest_first(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let (old, new) = (line(store, caller).await, line(store, caller).await);
    let page = store.list_lines(caller.tenant_id, first(1)).await.unwrap();
    assert_eq!(page.items[0].line_id, new.line_id);
    let rest = store
        .list_lines(
            caller.tenant_id,
            PageRequest {
                limit: 1,
                before: page.next,
            },
        )
        .await
        .unwrap();
    assert_eq!((rest.items[0].line_id, rest.next), (old.line_id, None));
}

pub async fn lines_of_another_tenant_are_not_found(store: &dyn Store) {
    let (owner, stranger) = (tenant(store, "Acme").await, tenant(store, "Other").await);
    let made = line(store, owner).await;
    assert_not_found(
        store.get_line(stranger.tenant_id, made.line_id).await,
        "voice provider",
    );
    let update = store
        .update_line(
            stranger,
            made.line_id,
            LineChange::default(),
            Precondition::None,
        )
        .await;
    assert_not_found(update, "voice provider");
    assert_not_found(
        store
            .delete_line(stranger, made.line_id, Precondition::None)
            .await,
        "voice provider",
    );
    assert!(
        store
            .list_lines(stranger.tenant_id, first(10))
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

pub async fn a_mended_account_is_tried_at_once(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    for n in 1..=3 {
        add(store, caller, id, n).await;
    }
    let due = tick(store, caller.now).await;
    let line_id = due[0].line_id;
    for dispatch in &due {
        store.send_board().forget(dispatch.attempt_id);
        apply(
            store,
            caller.now,
            dispatch.attempt_id,
            Fact::Refused(Refusal::Credentials),
        )
        .await;
    }
    let resting = store.get_line(caller.tenant_id, line_id).await.unwrap();
    assert!(resting.rests_until > Some(later(3)) && resting.rest_reason.is_some());
    let renamed = LineChange {
        name: Some("Renamed".to_owned()),
        ..LineChange::default()
    };
    let renamed = store
        .update_line(caller, line_id, renamed, Precondition::None)
        .await
        .unwrap();
    assert_eq!(renamed.rests_until, resting.rests_until);
    let just_after = at(caller, later(3));
    assert!(tick(store, just_after.now).await.is_empty());

    let mended = LineChange {
        sealed_credentials: Some(vec![7]),
        ..LineChange::default()
    };
    let mended = store
        .update_line(just_after, line_id, mended, Precondition::None)
        .await
        .unwrap();
    assert_eq!((mended.rests_until, mended.rest_reason), (None, None));
    assert!(!tick(store, just_after.now).await.is_empty());
}

/// How long the line of a running campaign rests after each failure, when its calls fail by `fact` in a row.
async fn rests(store: &dyn Store, fact: Fact, times: u32) -> Vec<Option<i64>> {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let mut now = caller.now;
    let mut rests = Vec::new();
    for n in 1..=times {
        add(store, caller, id, n).await;
        let dispatch = tick(store, now).await.remove(0);
        store.send_board().forget(dispatch.attempt_id);
        let failed = AttemptFact {
            line_fault: Some("no answer"),
            ..AttemptFact::new(AttemptRef::Id(dispatch.attempt_id), fact.clone())
        };
        store.apply_facts(now, vec![failed]).await.unwrap();
        let line = store
            .get_line(caller.tenant_id, dispatch.line_id)
            .await
            .unwrap();
        rests.push(line.rests_until.map(|until| (until - now).as_secs()));
        now = line
            .rests_until
            .unwrap_or(now + SignedDuration::from_secs(2));
    }
    rests
}

pub async fn a_line_that_fails_in_a_row_rests_longer_each_time(store: &dyn Store) {
    let at_once = rests(store, Fact::NeverSent, 7).await;
    assert_eq!(at_once, [2, 4, 8, 16, 32, 60, 60].map(Some));
    // A single answer that is lost happens to every network.
    let lost = rests(store, Fact::AnswerLost, 6).await;
    assert_eq!(lost, [None, None, Some(2), Some(4), Some(8), Some(16)]);
}

/// A group of facts may be told again, when it is not known what became of it.
pub async fn a_fault_of_a_line_that_is_told_again_counts_once(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let dispatch = tick(store, caller.now).await.remove(0);
    store.send_board().forget(dispatch.attempt_id);
    let failed = || AttemptFact {
        line_fault: Some("no answer"),
        ..AttemptFact::new(AttemptRef::Id(dispatch.attempt_id), Fact::NeverSent)
    };
    for _ in 0..3 {
        let told = vec![failed(), failed()];
        store.apply_facts(caller.now, told).await.unwrap();
    }
    let line = store.get_line(caller.tenant_id, dispatch.line_id).await;
    assert_eq!(line.unwrap().rests_until, Some(later(2)));
}

pub async fn new_limits_of_a_line_hold_at_once(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let narrow = NewLine {
        max_concurrent_calls: 1,
        ..new_line()
    };
    let line = fresh(store.create_line(caller, narrow, None).await.unwrap());
    let id = campaign(store, caller, draft(line.line_id))
        .await
        .campaign_id;
    order(store, caller, id, CampaignCommand::Start).await;
    for n in 1..=4 {
        add(store, caller, id, n).await;
    }
    assert_eq!(tick(store, caller.now).await.len(), 1);
    assert!(tick(store, later(60)).await.is_empty());
    let limit = |most| LineChange {
        max_concurrent_calls: Some(most),
        ..LineChange::default()
    };
    store
        .update_line(
            at(caller, later(60)),
            line.line_id,
            limit(3),
            Precondition::None,
        )
        .await
        .unwrap();
    let due = tick(store, later(60)).await;
    assert_eq!(due.len(), 2);
    store
        .update_line(
            at(caller, later(60)),
            line.line_id,
            limit(1),
            Precondition::None,
        )
        .await
        .unwrap();
    for dispatch in due {
        assert!(store.send_board().begin(dispatch.attempt_id).is_none());
    }
}

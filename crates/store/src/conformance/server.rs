//! What the server asks about its store.

use domain::Outcome;
use domain::attempt::Fact;

use super::fixture::{
    add, apply, call_and_end, fresh, later, morning, new_line, tenant, tenant_with_running, tick,
};
use crate::{Gauges, IdempotencyKey, Idempotent, LineRecord, Store, StoredAnswer};

pub async fn the_feed_is_read_in_order_and_without_gaps(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let (other, _) = tenant_with_running(store, "Other").await;
    add(store, caller, id, 1).await;
    call_and_end(store, caller.now, Outcome::Answered).await;
    let all = store.list_events(caller.tenant_id, 0, 1_000).await.unwrap();
    let sequences: Vec<i64> = all.iter().map(|event| event.sequence).collect();
    let count = i64::try_from(all.len()).unwrap();
    assert_eq!(sequences, (1..=count).collect::<Vec<_>>());
    let kinds: Vec<&str> = all.iter().map(|event| event.kind.as_str()).collect();
    assert!(kinds.contains(&"lead.added") && kinds.contains(&"call.ended"));
    assert!(
        all.iter()
            .all(|event| event.campaign_id.is_none_or(|campaign| campaign == id))
    );
    // A page begins where the one before ended.
    let mut paged: Vec<crate::EventRecord> = Vec::new();
    loop {
        let last = paged.last().map_or(0, |event| event.sequence);
        let page = store.list_events(caller.tenant_id, last, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let theirs = store.list_events(other.tenant_id, 0, 1_000).await.unwrap();
    assert!(!theirs.is_empty() && theirs.len() < all.len());
}

pub async fn a_healthy_store_answers(store: &dyn Store) {
    store.ping(morning()).await.unwrap();
    store.ping(later(1)).await.unwrap();
    // Alone, a process may have any key.
    for mark in ["one", "another"] {
        let agreed = store.agree_on_key(mark.to_owned(), false).await;
        assert_eq!(agreed.unwrap(), mark);
    }
}

pub async fn gauges_count_what_there_is(store: &dyn Store) {
    assert_eq!(store.gauges().await.unwrap(), Gauges::default());
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    call_and_end(store, caller.now, Outcome::Answered).await;
    for n in 2..=4 {
        add(store, caller, id, n).await;
    }
    let one_second = Gauges {
        live_calls: 0,
        unresolved_calls: 0,
        running_campaigns: 1,
        due_leads: 3,
    };
    assert_eq!(store.gauges().await.unwrap(), one_second);
    let due = tick(store, later(1)).await;
    let reserved = u64::try_from(due.len()).unwrap();
    assert!(reserved > 0);
    apply(store, later(5), due[0].attempt_id, Fact::AnswerLost).await;
    let gauges = store.gauges().await.unwrap();
    assert_eq!((gauges.live_calls, gauges.unresolved_calls), (reserved, 1));
    assert_eq!(gauges.due_leads, 3 - reserved);
}

pub async fn sweeping_deletes_only_expired_keys(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let key = |name: &str| IdempotencyKey {
        key: name.to_owned(),
        operation: "POST /lines".to_owned(),
        fingerprint: [0; 32],
    };
    for (name, seconds) in [("old", 0), ("young", 3_600)] {
        let render = |_: &LineRecord| StoredAnswer {
            status: 201,
            revision: None,
            body: Vec::new(),
        };
        let idempotent = Idempotent {
            key: key(name),
            render: Box::new(render),
        };
        let caller = super::fixture::at(caller, later(seconds));
        fresh(
            store
                .create_line(caller, new_line(), Some(idempotent))
                .await
                .unwrap(),
        );
    }
    let a_day_later = later(24 * 3_600);
    assert_eq!(store.sweep(later(60)).await.unwrap(), 0);
    assert_eq!(store.sweep(a_day_later).await.unwrap(), 1);
    assert_eq!(store.sweep(a_day_later).await.unwrap(), 0);
    assert!(
        store
            .find_answer(caller.tenant_id, &key("young"), a_day_later)
            .await
            .unwrap()
            .is_some()
    );
}

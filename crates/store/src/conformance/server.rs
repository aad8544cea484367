//! What the server asks about its store.

use domain::Outcome;
use domain::attempt::Fact;

use super::fixture::{
    add, apply, call_and_end, fresh, later, morning, new_line, tenant, tenant_with_running, tick,
};
use crate::{Gauges, IdempotencyKey, Idempotent, LineRecord, Store, StoredAnswer};

pub async fn a_healthy_store_answers(store: &dyn Store) {
    store.ping(morning()).await.unwrap();
    store.ping(later(1)).await.unwrap();
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

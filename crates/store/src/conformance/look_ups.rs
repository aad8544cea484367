//! Which look-ups are handed out.

use std::collections::HashMap;

use domain::attempt::Fact;

use super::fixture::{add, apply, later, tenant_with_running, tick};
use crate::{Caller, CheckRoom, LineRecord, Store};

/// Calls of the tenant whose answer is lost.
async fn lost(store: &dyn Store, caller: Caller, id: domain::CampaignId, calls: u32) {
    for n in 1..=calls {
        add(store, caller, id, n).await;
    }
    let mut placed = 0;
    for second in 0..20 {
        for call in tick(store, later(second)).await {
            store.send_board().forget(call.attempt_id);
            apply(store, later(second), call.attempt_id, Fact::AnswerLost).await;
            placed += 1;
        }
    }
    assert_eq!(placed, calls);
}

async fn only_line(store: &dyn Store, caller: Caller) -> LineRecord {
    let page = super::fixture::first(1);
    store
        .list_lines(caller.tenant_id, page)
        .await
        .unwrap()
        .items
        .remove(0)
}

pub async fn look_ups_are_handed_out_as_far_as_their_line_has_room(store: &dyn Store) {
    let (one, first_id) = tenant_with_running(store, "Acme").await;
    let (two, second_id) = tenant_with_running(store, "Other").await;
    lost(store, one, first_id, 5).await;
    lost(store, two, second_id, 2).await;
    let busy = only_line(store, one).await.line_id;
    let other = only_line(store, two).await.line_id;
    let room = |limit, under_way: &[(domain::LineId, u32)]| CheckRoom {
        limit,
        per_line: 3,
        under_way: under_way.iter().copied().collect::<HashMap<_, _>>(),
    };
    // The first line has one place left, and the more overdue look-ups.
    let now = later(100);
    let claimed = store
        .claim_checks(now, room(10, &[(busy, 2)]))
        .await
        .unwrap();
    let of = |line_id| claimed.iter().filter(move |check| check.line_id == line_id);
    assert_eq!((of(busy).count(), of(other).count()), (1, 2));
    let full = store.claim_checks(now, room(10, &[(busy, 3)])).await;
    assert!(full.unwrap().is_empty(), "the rest waits for its line");
    let rest = store.claim_checks(now, room(10, &[])).await.unwrap();
    assert_eq!(rest.len(), 3);
    assert!(rest.iter().all(|check| check.line_id == busy));
    let last = store.claim_checks(now, CheckRoom::of(10)).await.unwrap();
    assert_eq!(last.len(), 1);
    let none = store.claim_checks(now, CheckRoom::of(10)).await.unwrap();
    assert!(none.is_empty(), "each is handed out once");
}

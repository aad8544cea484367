//! Ticks that fail in part, and ticks of many tenants.

use std::collections::HashSet;

use store::conformance::Bench;
use store::conformance::fixture::{add, later, phone, tenant_with_running, unique};
use store::{Dispatch, Precondition, Store, StoreResult, TestCall, Tick};

use crate::bench::PostgresBench;

async fn tick(store: &dyn Store, second: i64, max_calls: u32) -> StoreResult<Vec<Dispatch>> {
    let tick = Tick {
        now: later(second),
        keys: Box::new(|| format!("att_{}", unique())),
        max_lines: 100,
        max_calls,
    };
    store.tick(tick).await.map(|ticked| ticked.dispatches)
}

#[tokio::test]
async fn a_tick_that_fails_loses_no_test_call() {
    for (table, fails) in [("holds", true), ("lines", false)] {
        let bench = PostgresBench::open();
        let store = bench.store();
        let (caller, campaign_id) = tenant_with_running(store, "Acme").await;
        let call = TestCall {
            campaign_id,
            phone: phone(7),
            attempt_key: format!("att_{}", unique()),
            precondition: Precondition::None,
        };
        store.reserve_test_call(caller, call, None).await.unwrap();
        bench.admin(&format!("ALTER TABLE {table} RENAME TO away"));
        let ticked = tick(store, 1, 100).await;
        bench.admin(&format!("ALTER TABLE away RENAME TO {table}"));
        assert_eq!(ticked.is_err(), fails, "{ticked:?}");
        let mut calls = ticked.unwrap_or_default();
        calls.extend(tick(store, 2, 100).await.unwrap());
        let phones: Vec<_> = calls.iter().map(|call| &call.phone).collect();
        assert_eq!(phones, [&phone(7)], "once, without {table}");
        bench.check();
    }
}

#[tokio::test]
async fn a_tick_ends_when_it_has_enough_and_each_tenant_gets_its_turn() {
    const TENANTS: usize = 6;
    let bench = PostgresBench::open();
    let store = bench.store();
    for n in 0..TENANTS {
        let (caller, campaign) = tenant_with_running(store, &format!("Tenant {n}")).await;
        for n in 0..3 {
            add(store, caller, campaign, n).await;
        }
    }
    let mut served = HashSet::new();
    for second in 0..8 {
        let calls = tick(store, second, 2).await.unwrap();
        let tenants: HashSet<_> = calls.iter().map(|call| call.tenant_id).collect();
        assert!(tenants.len() <= 2, "a third one was planned: {tenants:?}");
        served.extend(tenants);
    }
    assert_eq!(served.len(), TENANTS);
    bench.check();
}

#[tokio::test]
async fn a_line_whose_due_leads_are_not_where_they_were_read_is_planned_again_later() {
    let bench = PostgresBench::open();
    let store = bench.store();
    let (caller, campaign_id) = tenant_with_running(store, "Acme").await;
    add(store, caller, campaign_id, 1).await;
    let (other, others_campaign) = tenant_with_running(store, "Other").await;
    add(store, other, others_campaign, 2).await;
    bench.admin(&format!(
        "CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER keeps BEFORE DELETE ON due FOR EACH ROW
             WHEN (OLD.tenant_id = {}) EXECUTE FUNCTION keeps()",
        caller.tenant_id.raw()
    ));
    let calls = tick(store, 1, 100).await.unwrap();
    let phones: Vec<_> = calls.iter().map(|call| &call.phone).collect();
    assert_eq!(phones, [&phone(2)], "nothing of the line is reserved");
    bench.admin("DROP TRIGGER keeps ON due");
    assert!(tick(store, 2, 100).await.unwrap().is_empty());
    assert_eq!(tick(store, 62, 100).await.unwrap().len(), 1);
    assert!(tick(store, 63, 100).await.unwrap().is_empty());
    bench.check();
}

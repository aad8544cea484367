//! Several processes on one database.

use std::collections::HashSet;
use std::time::Duration;

use domain::attempt::Fact;
use domain::campaign::{CampaignCommand, CampaignStatus};
use domain::{AttemptId, CampaignId};
use store::conformance::Bench;
use store::conformance::fixture::{
    add, apply, at, later, order, phone, tenant_with_running, tick, unique,
};
use store::{Caller, PageRequest, Precondition, Store, TestCall, Tick, Written};

use store_postgres::{Options, PostgresStore};

use crate::bench::PostgresBench;

#[tokio::test]
async fn nodes_that_tick_at_once_call_nobody_twice() {
    let bench = PostgresBench::open();
    let (one, two) = (bench.store(), bench.other_node());
    let (caller, campaign) = tenant_with_running(one, "Acme").await;
    for n in 0..8 {
        add(one, caller, campaign, n).await;
    }
    let mut calls = Vec::new();
    for second in 0..8 {
        let now = later(second);
        let (left, right) = tokio::join!(tick(one, now), tick(&two, now));
        calls.extend(left.into_iter().chain(right));
    }
    let phones: HashSet<_> = calls.iter().map(|call| &call.phone).collect();
    let ids: HashSet<_> = calls.iter().map(|call| call.attempt_id).collect();
    assert_eq!((calls.len(), phones.len(), ids.len()), (8, 8, 8));
    drop(two);
    bench.check();
}

#[tokio::test]
async fn a_pause_waits_for_a_call_that_another_node_may_be_sending() {
    let bench = PostgresBench::open();
    let (sender, pauser) = (bench.other_node(), bench.store());
    let (caller, campaign) = tenant_with_running(pauser, "Acme").await;
    add(pauser, caller, campaign, 1).await;
    let call = tick(&sender, caller.now).await.remove(0);
    let mut pause = Box::pin(order(pauser, caller, campaign, CampaignCommand::Pause));
    let early = tokio::time::timeout(Duration::from_millis(300), pause.as_mut()).await;
    assert!(early.is_err(), "answered while the call could still leave");
    sender.send_board().forget(call.attempt_id);
    apply(&sender, caller.now, call.attempt_id, Fact::Placed).await;
    let done = pause.await;
    assert_eq!(done.live_calls.len(), 1, "it is listed as up");
    add(pauser, caller, campaign, 2).await;
    assert!(
        tick(&sender, later(60)).await.is_empty(),
        "paused everywhere"
    );
    drop(sender);
    bench.check();
}

#[tokio::test]
async fn a_silent_node_holds_a_pause_no_longer_than_a_call_could_leave() {
    let bench = PostgresBench::open();
    let (silent, pauser) = (bench.other_node(), bench.store());
    let (caller, campaign) = tenant_with_running(pauser, "Acme").await;
    add(pauser, caller, campaign, 1).await;
    assert_eq!(tick(&silent, caller.now).await.len(), 1);
    let pause = order(pauser, caller, campaign, CampaignCommand::Pause);
    let answered = tokio::time::timeout(Duration::from_secs(20), pause).await;
    assert!(answered.is_ok(), "the pause never answered");
    drop(silent);
    bench.check();
}

/// The server ends the session that holds a node's number.
fn break_the_only_session_with_a_number(bench: &PostgresBench) {
    let broken = bench.admin(
        "SELECT count(*) FROM (SELECT pg_terminate_backend(pid, 10000) FROM pg_locks
             WHERE locktype = 'advisory' AND objsubid = 2
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS ended",
    );
    assert_eq!(broken.trim(), "1");
}

#[tokio::test]
async fn a_fresh_node_hides_no_call_that_a_node_without_a_session_may_send() {
    let bench = PostgresBench::open();
    let (sender, fresh) = (bench.other_node(), bench.store());
    let (caller, campaign) = tenant_with_running(&sender, "Acme").await;
    add(&sender, caller, campaign, 1).await;
    let call = tick(&sender, caller.now).await.remove(0);
    break_the_only_session_with_a_number(&bench);
    let pauser = bench.other_node();
    let recovered = fresh.recover(caller.now);
    let narrowed = async {
        // When a fresh node has looked, the call is anybody's; a pause must wait for it all the same.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut pause = Box::pin(order(&pauser, caller, campaign, CampaignCommand::Pause));
        let early = tokio::time::timeout(Duration::from_secs(1), pause.as_mut()).await;
        assert!(early.is_err(), "answered while the call could still leave");
        sender.send_board().forget(call.attempt_id);
        apply(&sender, caller.now, call.attempt_id, Fact::Placed).await;
        assert_eq!(pause.await.live_calls.len(), 1, "it is listed as up");
    };
    let (given_up, ()) = tokio::join!(recovered, narrowed);
    assert_eq!(given_up.unwrap(), 0, "somebody has told what became of it");
    drop((sender, pauser));
    bench.check();
}

#[tokio::test]
async fn a_number_that_changed_hands_hides_no_call_of_its_former_owner() {
    let bench = PostgresBench::open();
    let (sender, pauser) = (bench.other_node(), bench.store());
    let (caller, campaign) = tenant_with_running(&sender, "Acme").await;
    add(&sender, caller, campaign, 1).await;
    let call = tick(&sender, caller.now).await.remove(0);
    // The sender lives, and its call may leave.
    break_the_only_session_with_a_number(&bench);
    let mut pause = Box::pin(order(pauser, caller, campaign, CampaignCommand::Pause));
    let early = tokio::time::timeout(Duration::from_millis(300), pause.as_mut()).await;
    assert!(early.is_err(), "answered while the call could still leave");
    sender.send_board().forget(call.attempt_id);
    apply(&sender, caller.now, call.attempt_id, Fact::Placed).await;
    assert_eq!(pause.await.live_calls.len(), 1, "it is listed as up");
    drop(sender);
    bench.check();
}

#[tokio::test]
async fn a_fresh_node_gives_up_calls_of_dead_nodes_only() {
    let bench = PostgresBench::open();
    let (fresh, sender) = (bench.store(), bench.other_node());
    let (caller, campaign) = tenant_with_running(fresh, "Acme").await;
    add(fresh, caller, campaign, 1).await;
    assert_eq!(tick(&sender, caller.now).await.len(), 1);
    assert_eq!(fresh.recover(caller.now).await.unwrap(), 0, "it lives");
    drop(sender);
    let mut given_up = 0;
    for _ in 0..200 {
        // The server notices a closed session in its own time.
        given_up += fresh.recover(caller.now).await.unwrap();
        if given_up > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(given_up, 1);
    bench.check();
}

#[tokio::test]
async fn nodes_that_write_at_once_leave_no_gap_in_the_feed() {
    let bench = PostgresBench::open();
    let (one, two) = (bench.store(), bench.other_node());
    let (caller, campaign) = tenant_with_running(one, "Acme").await;
    let adding = async |store: &dyn Store, first: u32| {
        for n in first..first + 20 {
            add(store, caller, campaign, n).await;
        }
    };
    tokio::join!(adding(one, 0), adding(&two, 100));
    let page = PageRequest {
        limit: 200,
        before: None,
    };
    let filter = store::LeadFilter::default();
    let leads = one.list_leads(caller.tenant_id, campaign, filter, page, caller.now);
    assert_eq!(leads.await.unwrap().items.len(), 40);
    let events = one.list_events(caller.tenant_id, 0, 1_000).await.unwrap();
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=41).collect::<Vec<_>>());
    drop(two);
    bench.check();
}

#[tokio::test]
async fn a_tenant_that_is_held_up_takes_no_connection_from_others() {
    // More than the process has connections.
    const WAITING: u32 = 12;
    let bench = PostgresBench::open();
    let options = Options {
        connections: 8,
        ..bench.options()
    };
    let node = PostgresStore::connect(&options).unwrap();
    let store = &node;
    let (held, its_campaign) = tenant_with_running(store, "Held").await;
    let (other, campaign) = tenant_with_running(store, "Other").await;
    let lock = bench.lock_tenant("Held", 4);
    let waiting = (0..WAITING).map(|n| add(store, held, its_campaign, n));
    let waiting = async {
        futures_util::future::join_all(waiting).await;
        assert!(lock.is_finished(), "they wait for the tenant's row");
    };
    let others = async {
        for n in 0..5 {
            add(store, other, campaign, n).await;
        }
        assert!(!lock.is_finished(), "others do not wait for it");
    };
    tokio::join!(waiting, others);
    lock.join().unwrap();
    drop(node);
    bench.check();
}

/// A test call that is reserved by a node that does not dial.
async fn reserve_test_call(node: &dyn Store, caller: Caller, campaign: CampaignId) -> AttemptId {
    let call = TestCall {
        campaign_id: campaign,
        phone: phone(7),
        attempt_key: format!("att_{}", unique()),
        precondition: Precondition::None,
    };
    match node.reserve_test_call(caller, call, None).await.unwrap() {
        Written::Fresh(call) => call.attempt_id,
        Written::Replayed(_) => panic!("there was no key"),
    }
}

#[tokio::test]
async fn a_test_call_of_a_node_without_a_dialer_is_placed_once_by_one_that_has() {
    let bench = PostgresBench::open();
    let (api, one, two) = (
        bench.node_without_dialer(),
        bench.store(),
        bench.other_node(),
    );
    let (caller, campaign) = tenant_with_running(&api, "Acme").await;
    let attempt_id = reserve_test_call(&api, caller, campaign).await;
    assert_eq!(
        one.recover(caller.now).await.unwrap(),
        0,
        "nobody has lost it"
    );
    let (left, right) = tokio::join!(tick(one, later(1)), tick(&two, later(1)));
    let ids: Vec<_> = left
        .iter()
        .chain(&right)
        .map(|call| call.attempt_id)
        .collect();
    assert_eq!(ids, [attempt_id]);
    let board = if left.is_empty() {
        two.send_board()
    } else {
        one.send_board()
    };
    assert!(board.begin(attempt_id).is_some(), "it may be sent");
    drop((api, two));
    bench.check();
}

#[tokio::test]
async fn a_tick_that_may_reserve_nothing_leaves_the_test_calls_of_others_to_others() {
    let bench = PostgresBench::open();
    let (api, barred, dialer) = (
        bench.node_without_dialer(),
        bench.other_node(),
        bench.store(),
    );
    let (caller, campaign) = tenant_with_running(&api, "Acme").await;
    add(&api, caller, campaign, 1).await;
    let foreign = reserve_test_call(&api, caller, campaign).await;
    let barred_tick = async || {
        let nothing = Tick {
            now: later(1),
            keys: Box::new(|| format!("att_{}", unique())),
            max_lines: 0,
            max_calls: 0,
        };
        barred.tick(nothing).await.unwrap().dispatches
    };
    assert_eq!(
        barred_tick().await,
        [],
        "neither the lead nor the test call"
    );
    let placed: Vec<_> = tick(dialer, later(1)).await;
    assert!(placed.iter().any(|call| call.attempt_id == foreign));
    assert_eq!(placed.len(), 2, "the lead is called as well");
    apply(dialer, later(1), foreign, Fact::NeverSent).await;
    let own = reserve_test_call(&barred, at(caller, later(5)), campaign).await;
    let handed = barred_tick().await;
    assert_eq!(handed.len(), 1, "its own is handed out, to be given back");
    assert_eq!(handed[0].attempt_id, own);
    drop((api, barred));
    bench.check();
}

#[tokio::test]
async fn a_test_call_that_was_paused_before_it_was_claimed_is_not_sent() {
    let bench = PostgresBench::open();
    let (api, dialer) = (bench.node_without_dialer(), bench.store());
    let (caller, campaign) = tenant_with_running(&api, "Acme").await;
    let attempt_id = reserve_test_call(&api, caller, campaign).await;
    let paused = order(&api, caller, campaign, CampaignCommand::Pause);
    let claimed = async {
        // The pause waits for the call to be decided; it is committed before it waits.
        loop {
            let status = dialer
                .get_campaign(caller.tenant_id, campaign)
                .await
                .unwrap()
                .status;
            if status == CampaignStatus::Paused {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let claimed = tick(dialer, later(1)).await;
        assert_eq!(claimed.len(), 1, "it is handed out to be given back");
        assert!(dialer.send_board().begin(attempt_id).is_none());
        apply(dialer, later(1), attempt_id, Fact::NeverSent).await;
    };
    tokio::join!(paused, claimed);
    drop(api);
    bench.check();
}

#[tokio::test]
async fn processes_that_live_at_once_have_one_key() {
    let bench = PostgresBench::open();
    let first = bench.other_node();
    let agreed = async |store: &PostgresStore, mark: &str, is_proven| {
        store
            .agree_on_key(mark.to_owned(), is_proven)
            .await
            .unwrap()
    };
    assert_eq!(agreed(&first, "one", false).await, "one");
    assert_eq!(agreed(&first, "one", false).await, "one", "again");
    assert_eq!(agreed(&first, "another", false).await, "another", "alone");
    let second = bench.other_node();
    assert_eq!(agreed(&second, "two", false).await, "another");
    assert_eq!(agreed(&second, "another", false).await, "another");
    assert_eq!(
        agreed(&second, "two", true).await,
        "two",
        "it opens what is stored"
    );
    assert_eq!(agreed(&first, "another", false).await, "two");
    drop((first, second));
    bench.check();
}

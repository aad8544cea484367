//! A restored, promoted or copied database is on hold on every node until it is released.

use std::time::Duration;

use domain::attempt::Fact;
use domain::{CampaignId, Outcome};
use store::conformance::Bench;
use store::conformance::fixture::{add, apply, call_and_end, later, tenant_with_running, tick};
use store::{Caller, HoldReason, LineProgress, Release, Store};

use crate::bench::PostgresBench;

async fn reasons(store: &dyn Store) -> Vec<HoldReason> {
    let status = store.hold_status().await.unwrap();
    status.holds.iter().map(|hold| hold.reason).collect()
}

async fn release(store: &dyn Store, second: i64) {
    for mut line in store.hold_status().await.unwrap().lines {
        line.progress = LineProgress::Done;
        store.note_held_line(later(second), line).await.unwrap();
    }
    let released = store.release_hold(later(second), false).await.unwrap();
    assert!(matches!(released, Release::Released(_)), "{released:?}");
}

/// An installation that has called one person, with another one waiting.
async fn dialed(store: &dyn Store) -> (Caller, CampaignId) {
    let (caller, campaign) = tenant_with_running(store, "Acme").await;
    add(store, caller, campaign, 1).await;
    call_and_end(store, later(1), Outcome::Answered).await;
    add(store, caller, campaign, 2).await;
    (caller, campaign)
}

#[tokio::test]
async fn a_copy_of_the_database_is_on_hold_on_every_node() {
    let bench = PostgresBench::open();
    dialed(bench.store()).await;
    let copy = bench.copy();
    let (one, two) = (copy.store(), copy.other_node());
    one.recover(later(10)).await.unwrap();
    assert_eq!(reasons(one).await, [HoldReason::WentBack]);
    two.recover(later(11)).await.unwrap();
    for node in [one, &two] {
        assert!(tick(node, later(20)).await.is_empty());
        assert_eq!(reasons(node).await, [HoldReason::WentBack]);
    }
    assert!(matches!(
        two.release_hold(later(21), false).await.unwrap(),
        Release::NotReconciled(_)
    ));
    release(&two, 30).await;
    assert_eq!(tick(one, later(40)).await.len(), 1, "one dials again");
    one.recover(later(50)).await.unwrap();
    assert_eq!(reasons(one).await, [], "it is the server from now on");
    drop(two);
    copy.check();
    bench.check();
}

#[tokio::test]
async fn a_node_that_runs_notices_that_another_server_took_over() {
    let bench = PostgresBench::open();
    dialed(bench.store()).await;
    // What a promotion changes is the branch of the server's history.
    bench.admin("UPDATE installation SET identity = 'another.' || identity");
    assert!(tick(bench.store(), later(20)).await.is_empty());
    assert_eq!(reasons(bench.store()).await, [HoldReason::WentBack]);
    release(bench.store(), 21).await;
    assert_eq!(tick(bench.store(), later(22)).await.len(), 1);
    bench.check();
}

#[tokio::test]
async fn calls_of_the_time_that_another_server_lost_are_asked_for_each_time() {
    let bench = PostgresBench::open();
    let store = bench.store();
    let (caller, campaign) = dialed(store).await;
    for (round, called_at) in [(20, later(1)), (40, later(32))] {
        // Whatever else the new server is told before a node looks: it knows no later call.
        add(store, caller, campaign, u32::try_from(round).unwrap()).await;
        bench.admin("UPDATE installation SET identity = 'another.' || identity");
        assert!(tick(store, later(round)).await.is_empty());
        let status = store.hold_status().await.unwrap();
        let last = status.gaps.last().expect("a time that may be forgotten");
        assert!(last.from <= called_at, "{last:?}");
        assert_eq!(last.until, later(round));
        assert!(!status.is_reconciled());
        release(store, round + 1).await;
        assert_eq!(store.hold_status().await.unwrap().gaps, []);
        assert!(!tick(store, later(round + 12)).await.is_empty());
    }
    bench.check();
}

#[tokio::test]
async fn a_node_that_runs_notices_that_its_own_calls_are_missing() {
    let bench = PostgresBench::open();
    let (caller, campaign) = dialed(bench.store()).await;
    let forget = "DELETE FROM call_details; DELETE FROM attempts";
    bench.admin(forget);
    assert!(tick(bench.store(), later(20)).await.is_empty());
    assert_eq!(reasons(bench.store()).await, [HoldReason::WentBack]);
    release(bench.store(), 21).await;
    assert_eq!(tick(bench.store(), later(22)).await.len(), 1);
    let _ = (caller, campaign);
    bench.check();
}

#[tokio::test]
async fn a_nodes_file_tells_the_next_process_what_the_database_forgot() {
    let bench = PostgresBench::open();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.marker");
    {
        let node = bench.node_with_marker(&file);
        dialed(&node).await;
        let last = tick(&node, later(400)).await.remove(0);
        apply(&node, later(401), last.attempt_id, Fact::Placed).await;
    }
    let same = bench.node_with_marker(&file);
    same.recover(later(410)).await.unwrap();
    assert_eq!(reasons(&same).await, [], "nothing is missing");
    bench.admin(
        "DELETE FROM call_details; DELETE FROM attempts; UPDATE leads SET status = 'READY';
         INSERT INTO due SELECT tenant_id, campaign_id, rank, '', 0, lead_id FROM leads ON CONFLICT DO NOTHING",
    );
    let late = folder.path().join("late.marker");
    std::fs::copy(&file, &late).unwrap();
    let next = bench.node_with_marker(&file);
    next.recover(later(420)).await.unwrap();
    assert_eq!(reasons(&next).await, [HoldReason::WentBack]);
    release(&next, 430).await;
    for file in [&file, &late] {
        let again = bench.node_with_marker(file);
        again.recover(later(440)).await.unwrap();
        assert_eq!(reasons(&again).await, [], "it was forgiven");
    }
    let stale = PostgresBench::open();
    let elsewhere = stale.node_with_marker(&file);
    elsewhere.recover(later(450)).await.unwrap();
    assert_eq!(
        reasons(&elsewhere).await,
        [],
        "a marker without calls is nobody's"
    );
    drop((same, next, elsewhere));
    stale.check();
    bench.check();
}

#[tokio::test]
async fn a_node_whose_file_is_anothers_or_garbled_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.marker");
    let bench = PostgresBench::open();
    {
        let node = bench.node_with_marker(&file);
        dialed(&node).await;
        tick(&node, later(400)).await;
    }
    let other = PostgresBench::open();
    let node = other.node_with_marker(&file);
    node.recover(later(500)).await.unwrap();
    assert_eq!(reasons(&node).await, [HoldReason::MarkerForeign]);
    std::fs::write(&file, "garbage").unwrap();
    let bench_node = bench.node_with_marker(&file);
    bench_node.recover(later(500)).await.unwrap();
    assert_eq!(reasons(&bench_node).await, [HoldReason::MarkerUnreadable]);
    let fresh = bench.node_with_marker(&folder.path().join("other.marker"));
    release(&fresh, 501).await;
    fresh.recover(later(502)).await.unwrap();
    assert_eq!(
        reasons(&fresh).await,
        [],
        "a node without a file says nothing"
    );
    drop((node, bench_node, fresh));
    other.check();
    bench.check();
}

#[tokio::test]
async fn a_hold_waits_for_a_call_that_another_node_may_be_sending() {
    let bench = PostgresBench::open();
    let (sender, holder) = (bench.other_node(), bench.store());
    let (caller, campaign) = tenant_with_running(holder, "Acme").await;
    add(holder, caller, campaign, 1).await;
    let call = tick(&sender, caller.now).await.remove(0);
    let mut held = holder.hold(later(1), HoldReason::ClockStep, "because".to_owned());
    let early = tokio::time::timeout(Duration::from_millis(300), held.as_mut()).await;
    assert!(early.is_err(), "answered while the call could still leave");
    sender.send_board().forget(call.attempt_id);
    apply(&sender, later(1), call.attempt_id, Fact::Placed).await;
    held.await.unwrap();
    add(holder, caller, campaign, 2).await;
    assert!(
        tick(&sender, later(60)).await.is_empty(),
        "on hold everywhere"
    );
    drop(sender);
    bench.check();
}

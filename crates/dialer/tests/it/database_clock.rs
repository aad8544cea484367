//! A process whose clock differs from the one of its database's server.

use dialer::{Core, Dialer};
use domain::CampaignId;
use domain::attempt::Fact;
use domain::campaign::LeadStatus;
use jiff::SignedDuration;
use store::conformance::fixture::{fresh, lead, phone};
use store::{Caller, Dispatch, Precondition, TestCall};
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, until};

const HOST: &str = "works.example.com";

fn set_by(scene: &Scene, millis: i64) {
    scene.clock.set_by(SignedDuration::from_millis(millis));
}

/// A campaign that has been due for ten seconds.
async fn waiting_campaign(scene: &Scene, leads: u32) -> (Caller, CampaignId) {
    set_by(scene, -10_000);
    let campaign = scene.campaign(HOST, (5, 5), leads).await;
    set_by(scene, 10_000);
    campaign
}

/// Sends the call and records what came of it.
async fn send(core: &Core, dispatch: Dispatch, planned: dialer::Moment) -> Vec<Fact> {
    let ready = core.prepare(vec![dispatch], planned).await.remove(0);
    let (facts, permit) = core.send(&ready).await;
    let told = facts.iter().map(|fact| fact.fact.clone()).collect();
    assert!(facts.iter().all(|fact| fact.line_fault.is_none()));
    core.record(facts).await.unwrap();
    drop(permit);
    told
}

#[tokio::test]
async fn a_process_whose_clock_differs_plans_nothing_until_it_is_right() {
    let scene = Scene::on_postgresql().await;
    let core = scene.core();
    waiting_campaign(&scene, 1).await;
    for millis in [3_000, -3_000] {
        set_by(&scene, millis);
        for _ in 0..3 {
            let planned = core.tick().await.unwrap().0.dispatches;
            assert_eq!(planned, [], "{millis} ms apart");
        }
        set_by(&scene, -millis);
    }
    let (mut ticked, planned) = core.tick().await.unwrap();
    assert_eq!(ticked.dispatches.len(), 1, "the clock is right again");
    let told = send(&core, ticked.dispatches.remove(0), planned).await;
    assert_eq!(told, [Fact::Placed]);
}

#[tokio::test]
async fn a_clock_within_the_limit_dials() {
    for millis in [1_500, -1_500] {
        let scene = Scene::on_postgresql().await;
        let core = scene.core();
        waiting_campaign(&scene, 1).await;
        set_by(&scene, millis);
        let planned = core.tick().await.unwrap().0.dispatches;
        assert_eq!(planned.len(), 1, "{millis} ms apart");
    }
}

#[tokio::test]
async fn a_call_that_is_reserved_does_not_leave_when_the_clock_is_set_too_far() {
    let scene = Scene::on_postgresql().await;
    let core = scene.core();
    let (caller, campaign) = waiting_campaign(&scene, 1).await;
    set_by(&scene, 1_700);
    let (mut ticked, planned) = core.tick().await.unwrap();
    let dispatch = ticked.dispatches.remove(0);
    // Neither too late for its deadline nor before its time, but 2.4 s ahead.
    set_by(&scene, 700);
    assert_eq!(
        send(&core, dispatch, planned).await,
        [Fact::NeverSent],
        "it is given back"
    );
    assert_eq!(scene.network.called.lock().unwrap().len(), 0);
    let given_back = lead(scene.store.as_ref(), caller, campaign, 0).await;
    let used = (given_back.status, given_back.attempts);
    assert_eq!(used, (LeadStatus::Ready, 0), "nothing is used up");
}

#[tokio::test]
async fn a_call_that_is_reserved_is_withdrawn_when_the_clock_is_found_off() {
    let scene = Scene::on_postgresql().await;
    let core = scene.core();
    let (caller, campaign) = waiting_campaign(&scene, 1).await;
    let (mut ticked, planned) = core.tick().await.unwrap();
    let dispatch = ticked.dispatches.remove(0);
    set_by(&scene, -3_000);
    assert_eq!(core.tick().await.unwrap().0.dispatches, []);
    // A clock that is right again makes no call leave that was withdrawn.
    set_by(&scene, 3_000);
    assert_eq!(core.tick().await.unwrap().0.dispatches, []);
    assert_eq!(send(&core, dispatch, planned).await, [Fact::NeverSent]);
    assert_eq!(scene.network.called.lock().unwrap().len(), 0);
    let given_back = lead(scene.store.as_ref(), caller, campaign, 0).await;
    assert_eq!(
        (given_back.status, given_back.attempts),
        (LeadStatus::Ready, 0)
    );
}

#[tokio::test]
async fn a_test_call_that_a_process_took_before_its_clock_was_found_off_is_given_back() {
    let scene = Scene::on_postgresql().await;
    let core = scene.core();
    let (caller, campaign_id) = waiting_campaign(&scene, 0).await;
    set_by(&scene, 3_000);
    let call = TestCall {
        campaign_id,
        phone: phone(7),
        attempt_key: "att_test".to_owned(),
        precondition: Precondition::None,
    };
    let caller = Caller {
        now: domain::ambient::Clock::now(scene.clock.as_ref()),
        ..caller
    };
    let call = fresh(
        scene
            .store
            .reserve_test_call(caller, call, None)
            .await
            .unwrap(),
    );
    let (mut ticked, planned) = core.tick().await.unwrap();
    assert_eq!(ticked.dispatches.len(), 1, "it is handed out");
    let dispatch = ticked.dispatches.remove(0);
    assert_eq!(dispatch.attempt_id, call.attempt_id);
    assert_eq!(send(&core, dispatch, planned).await, [Fact::NeverSent]);
    assert_eq!(scene.network.called.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_dialer_whose_clock_is_off_says_so_and_goes_on_by_itself() {
    const LEADS: u32 = 3;
    let scene = Scene::on_postgresql().await;
    waiting_campaign(&scene, LEADS).await;
    set_by(&scene, 3_000);
    let dialer = Dialer::new(scene.parts());
    let heartbeat = dialer.heartbeat();
    assert_eq!(heartbeat.withheld(), None, "nothing is known yet");
    let stop = CancellationToken::new();
    let running = tokio::task::JoinSet::from_iter([dialer.run(stop.clone())]);
    until("it notices", || heartbeat.withheld().is_some()).await;
    let why = heartbeat.withheld().unwrap();
    assert!(why.contains("ahead of the database server's"), "{why}");
    assert_eq!(heartbeat.check(), Ok(()), "it lives");
    assert_eq!(scene.network.tried.lock().unwrap().len(), 0);
    set_by(&scene, -3_000);
    let called = || scene.network.called.lock().unwrap().len();
    until("everybody is called", || {
        called() == usize::try_from(LEADS).unwrap()
    })
    .await;
    assert_eq!(heartbeat.withheld(), None);
    stop.cancel();
    for ended in running.join_all().await {
        ended.unwrap();
    }
}

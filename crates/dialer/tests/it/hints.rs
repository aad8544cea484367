//! A change at one process, and the dialer of another: with hints it is woken, without it looks by
//! itself.

use std::sync::Arc;
use std::time::Duration;

use dialer::{Dialer, Parts};
use domain::ambient::Clock as _;
use domain::campaign::CampaignCommand;
use store::conformance::fixture::{add, order, phone, unique};
use store::{Caller, Precondition, Store, TestCall};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, until};

const HOST: &str = "works.example.com";

/// Asks one process for a test call and then for a lead's; answers when another has placed both.
async fn two_calls_are_placed(scan_period: Duration, hints: bool) {
    let scene = Scene::on_postgresql().await;
    let (caller, campaign) = scene.campaign(HOST, (5, 5), 0).await;
    let api = Arc::new(scene.other_node(false));
    let mut parts: Parts = scene.parts();
    parts.options.scan_period = scan_period;
    let stop = CancellationToken::new();
    let dialers = JoinSet::from_iter([Dialer::new(parts).run(stop.clone())]);
    let mut carriers = JoinSet::new();
    if hints {
        let (dialing, asked) = (Arc::clone(&scene.store), Arc::clone(&api));
        carriers.spawn(async move { dialing.stay_in_touch().await });
        carriers.spawn(async move { asked.stay_in_touch().await });
        until("it listens", || scene.listeners() == 1).await;
    }
    let placed = || scene.network.called.lock().unwrap().len();
    let caller = || Caller {
        now: scene.clock.now(),
        ..caller
    };
    let call = TestCall {
        campaign_id: campaign,
        phone: phone(7),
        attempt_key: format!("att_{}", unique()),
        precondition: Precondition::None,
    };
    api.reserve_test_call(caller(), call, None).await.unwrap();
    until("the test call is placed", || placed() == 1).await;
    order(api.as_ref(), caller(), campaign, CampaignCommand::Pause).await;
    add(api.as_ref(), caller(), campaign, 1).await;
    order(api.as_ref(), caller(), campaign, CampaignCommand::Resume).await;
    until("the lead is called", || placed() == 2).await;
    stop.cancel();
    for ended in dialers.join_all().await {
        ended.unwrap();
    }
    carriers.shutdown().await;
}

#[tokio::test]
async fn a_dialer_that_scans_hardly_ever_is_woken_by_what_another_process_did() {
    two_calls_are_placed(Duration::from_secs(3_600), true).await;
}

#[tokio::test]
async fn without_hints_everything_happens_at_the_next_scan() {
    two_calls_are_placed(dialer::SCAN_PERIOD, false).await;
}

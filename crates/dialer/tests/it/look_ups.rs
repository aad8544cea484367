use std::time::Duration;

use dialer::Dialer;
use domain::CampaignId;
use domain::attempt::StateName;
use store::{CallFilter, Caller, PageRequest};
use tokio_util::sync::CancellationToken;

use crate::scene::{Habit, Scene, instant, until};

/// Look-ups of one line at the same time; the dialer's own limit.
const MOST: usize = 8;

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_does_not_delay_the_look_ups_of_others() {
    let scene = Scene::new();
    scene.network.teach("hangs.example.com", Habit::Hangs);
    let core = scene.core();
    scene.campaign("hangs.example.com", (100, 100), 90).await;
    scene.lose_calls(&core, 90).await;
    // Younger, and so behind all of these.
    scene.campaign("works.example.com", (10, 10), 3).await;
    scene.lose_calls(&core, 3).await;

    let stop = CancellationToken::new();
    let began = instant();
    let running = tokio::task::JoinSet::from_iter([Dialer::new(scene.parts()).run(stop.clone())]);
    let asked = |host: &str| {
        let asked = scene.network.asked.lock().unwrap();
        let of_host = asked.iter().filter(|(asked, _)| asked == host);
        of_host.map(|(_, at)| *at).collect::<Vec<_>>()
    };
    until("three look-ups where it works", || {
        asked("works.example.com").len() >= 3
    })
    .await;
    // The first look-up is due two seconds after a call is lost.
    let third = asked("works.example.com")[2].duration_since(began);
    assert!(third < Duration::from_secs(4), "only after {third:?}");

    until("a second round where it hangs", || {
        asked("hangs.example.com").len() > 2 * MOST
    })
    .await;
    let most = scene.network.most.lock().unwrap()["hangs.example.com"];
    // And the one question of a fresh process, whether it has forgotten calls.
    assert_eq!(most, MOST + 1);
    stop.cancel();
    for ended in running.join_all().await {
        ended.unwrap();
    }
}

/// Calls of a busy line, whose list has thousands in the minutes around each of ours; the dialer runs
/// until `met`.
async fn lose_answers(
    has_ours: bool,
    met: impl AsyncFn(&Scene, Caller, CampaignId) -> bool,
) -> Scene {
    let scene = Scene::new();
    let crowd = Habit::Crowded {
        per_second: 50,
        has_ours,
    };
    scene.network.teach("crowded.example.com", crowd);
    let (caller, campaign_id) = scene.campaign("crowded.example.com", (100, 100), 3).await;
    let stop = CancellationToken::new();
    let running = tokio::task::JoinSet::from_iter([Dialer::new(scene.parts()).run(stop.clone())]);
    let mut waited = 0;
    while !met(&scene, caller, campaign_id).await {
        assert!(waited < 3_600, "never happened within an hour");
        waited += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stop.cancel();
    for ended in running.join_all().await {
        ended.unwrap();
    }
    scene
}

#[tokio::test(start_paused = true)]
async fn a_call_is_found_among_thousands() {
    let scene = lose_answers(true, async |scene, caller, campaign_id| {
        let filter = CallFilter {
            campaign_id: Some(campaign_id),
            ..CallFilter::default()
        };
        let page = PageRequest {
            limit: 10,
            before: None,
        };
        let calls = scene.store.list_calls(caller.tenant_id, filter, page);
        let calls = calls.await.unwrap().items;
        calls.len() == 3 && calls.iter().all(|call| call.state == StateName::Ringing)
    })
    .await;
    assert_eq!(scene.network.tried.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn that_a_call_is_not_among_thousands_is_proven() {
    let scene = lose_answers(false, async |scene, _, _| {
        scene.network.tried.lock().unwrap().len() >= 6
    })
    .await;
    let tried = scene.network.tried.lock().unwrap();
    let settled = Duration::from_mins(15);
    assert!(
        tried[3].duration_since(tried[2]) >= settled,
        "sooner than the list is complete"
    );
}

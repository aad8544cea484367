use std::time::Duration;

use dialer::Dialer;
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

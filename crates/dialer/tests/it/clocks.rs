use std::time::Duration;

use domain::ambient::Clock;
use domain::attempt::{Fact, StateName};
use jiff::SignedDuration;
use store::{Check, CheckRoom, Store};

use crate::scene::{Habit, Scene};

const HOST: &str = "works.example.com";

/// A lost call whose look-up is due.
async fn lost_call(scene: &Scene) -> Check {
    let core = scene.core();
    scene.campaign(HOST, (1, 10), 1).await;
    scene.lose_calls(&core, 1).await;
    scene.store.recover(scene.clock.now()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let claimed = scene
        .store
        .claim_checks(scene.clock.now(), CheckRoom::of(10))
        .await;
    let check = claimed.unwrap().remove(0);
    assert_eq!(check.state, StateName::Unknown);
    check
}

/// What an empty list proves whose answer carries a date so far from our clock.
async fn proves(scene: &Scene, check: &Check, apart_seconds: i64) -> Fact {
    let date = scene.clock.now() + SignedDuration::from_secs(apart_seconds);
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    scene.network.teach(HOST, Habit::Dated(date));
    let mut facts = scene.core().look_up(check).await;
    assert_eq!(facts.len(), 1);
    facts.remove(0).fact
}

#[tokio::test(start_paused = true)]
async fn a_provider_whose_clock_differs_proves_no_absence() {
    let scene = Scene::new();
    let check = lost_call(&scene).await;
    for near in [0, 110, -110] {
        let fact = proves(&scene, &check, near).await;
        assert_eq!(fact, Fact::NotFound, "{near} s apart");
    }
    for far in [125, -125, 3_600, -86_400] {
        let fact = proves(&scene, &check, far).await;
        assert_eq!(fact, Fact::LookupFailed, "{far} s apart");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_readable_date_says_nothing_of_clocks() {
    let scene = Scene::new();
    let check = lost_call(&scene).await;
    for date in ["", "yesterday"] {
        scene.network.teach(HOST, Habit::Dated(date.to_owned()));
        let facts = scene.core().look_up(&check).await;
        assert_eq!(facts[0].fact, Fact::NotFound, "{date:?}");
    }
    scene.network.teach(HOST, Habit::Empty);
    assert_eq!(scene.core().look_up(&check).await[0].fact, Fact::NotFound);
}

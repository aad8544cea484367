use std::time::Duration;

use dialer::Dialer;
use domain::ambient::Clock;
use domain::attempt::{Fact, StateName};
use jiff::SignedDuration;
use store::{AttemptFact, Check, CheckRoom, HoldReason, Release};
use tokio_util::sync::CancellationToken;

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

/// What a provider answers whose clock is so far from ours.
fn apart(scene: &Scene, seconds: i64) -> Habit {
    let date = scene.clock.now() + SignedDuration::from_secs(seconds);
    Habit::Dated(date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// What an empty list proves whose answer carries a date so far from our clock.
async fn proves(scene: &Scene, check: &Check, apart_seconds: i64) -> Fact {
    scene.network.teach(HOST, apart(scene, apart_seconds));
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

/// A key that was changed may be another of the same account, or of another one.
#[tokio::test(start_paused = true)]
async fn another_key_finds_a_call_and_proves_no_absence() {
    let scene = Scene::new();
    let mut check = lost_call(&scene).await;
    check.same_account = false;
    let facts = scene.core().look_up(&check).await;
    assert_eq!(facts[0].fact, Fact::LookupInconclusive);
    check.provider_call_id = Some("00000000-0000-4000-8000-000000000001".to_owned());
    let facts = scene.core().look_up(&check).await;
    assert!(
        matches!(
            facts[..],
            [AttemptFact {
                fact: Fact::Ended { .. },
                ..
            }]
        ),
        "{facts:?}"
    );
}

/// The holds of a fresh process whose two providers' clocks are so far from ours, and how many calls
/// it then places.
async fn starts(clocks: [Option<i64>; 2]) -> (Vec<HoldReason>, usize) {
    const SECOND_HOST: &str = "other.example.com";
    let scene = Scene::new();
    let core = scene.core();
    scene.campaign(HOST, (5, 5), 1).await;
    scene.lose_calls(&core, 1).await;
    scene.campaign(SECOND_HOST, (5, 5), 3).await;
    for (host, clock) in [HOST, SECOND_HOST].into_iter().zip(clocks) {
        let habit = clock.map_or(Habit::Empty, |seconds| apart(&scene, seconds));
        scene.network.teach(host, habit);
    }
    with_dialer(&scene, async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        held_and_sent(&scene).await
    })
    .await
}

/// What comes of it while a fresh process runs.
async fn with_dialer<T>(scene: &Scene, meanwhile: impl Future<Output = T>) -> T {
    let stop = CancellationToken::new();
    let running = tokio::task::JoinSet::from_iter([Dialer::new(scene.parts()).run(stop.clone())]);
    let came = meanwhile.await;
    stop.cancel();
    for ended in running.join_all().await {
        ended.unwrap();
    }
    came
}

async fn held_and_sent(scene: &Scene) -> (Vec<HoldReason>, usize) {
    let status = scene.store.hold_status().await.unwrap();
    let reasons = status.holds.iter().map(|hold| hold.reason).collect();
    (reasons, scene.network.sent.lock().unwrap().len())
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_on_a_clock_with_which_no_provider_agrees_dials_nobody() {
    let held = (vec![HoldReason::ClockStep], 0);
    assert_eq!(starts([Some(10_800), Some(10_800)]).await, held);
    assert_eq!(starts([None, Some(-86_400)]).await, held);
    // One that agrees is enough, and who says nothing does not count.
    assert_eq!(starts([Some(-86_400), Some(1)]).await, (vec![], 3));
    assert_eq!(starts([None, None]).await, (vec![], 3));
}

/// The holds of a fresh process, and how many calls it places, when its only provider is back after it
/// could not be asked for anything at the start, and tells a time so far from ours.
async fn meets(clock: Option<i64>) -> (Vec<HoldReason>, usize) {
    let scene = Scene::new();
    scene.campaign(HOST, (5, 5), 3).await;
    scene.network.teach(HOST, Habit::Refused);
    with_dialer(&scene, async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(scene.network.tried.lock().unwrap().is_empty());
        let habit = clock.map_or(Habit::Empty, |seconds| apart(&scene, seconds));
        scene.network.teach(HOST, habit);
        tokio::time::sleep(Duration::from_secs(100)).await;
        held_and_sent(&scene).await
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn nobody_is_called_by_a_clock_that_no_provider_was_asked_about() {
    assert_eq!(meets(Some(10_800)).await, (vec![HoldReason::ClockStep], 0));
    assert_eq!(meets(Some(1)).await, (vec![], 3));
    assert_eq!(meets(None).await, (vec![], 3));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_only_takes_calls_is_dialed() {
    let scene = Scene::new();
    scene.campaign(HOST, (5, 5), 3).await;
    scene.network.teach(HOST, Habit::TakesCallsOnly);
    with_dialer(&scene, async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(held_and_sent(&scene).await, (vec![], 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_ends_the_hold_vouches_for_a_clock_with_which_no_provider_agrees() {
    let scene = Scene::new();
    scene.campaign(HOST, (5, 5), 3).await;
    scene.network.teach(HOST, apart(&scene, 10_800));
    with_dialer(&scene, async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(is_held_for_the_clock(&scene).await);
        let released = scene.store.release_hold(scene.clock.now(), true).await;
        assert!(matches!(released, Ok(Release::Released(_))));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(held_and_sent(&scene).await, (vec![], 3));
    })
    .await;
}

fn set_clock(scene: &Scene, hours: i64) {
    scene.clock.set_by(SignedDuration::from_hours(hours));
}

async fn is_held_for_the_clock(scene: &Scene) -> bool {
    let status = scene.store.hold_status().await.unwrap();
    status.by(HoldReason::ClockStep).is_some()
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_the_operator_vouched_for_is_watched_on() {
    let scene = Scene::new();
    let core = scene.core();
    core.watch_clock().await.unwrap();
    for hours in [24, 9, -3] {
        set_clock(&scene, hours);
        core.watch_clock().await.unwrap();
        assert!(is_held_for_the_clock(&scene).await, "set by {hours} h");
        let now = scene.clock.now();
        let released = scene.store.release_hold(now, true).await.unwrap();
        assert!(matches!(released, Release::Released(_)), "{released:?}");
        core.watch_clock().await.unwrap();
        core.watch_clock().await.unwrap();
        assert!(!is_held_for_the_clock(&scene).await, "it was vouched for");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_another_process_ended_makes_no_wrong_clock_right() {
    let scene = Scene::new();
    let core = scene.core();
    core.watch_clock().await.unwrap();
    set_clock(&scene, 8);
    core.watch_clock().await.unwrap();
    let now = scene.clock.now();
    let lifted = scene.store.lift_hold(now, HoldReason::ClockStep).await;
    assert!(lifted.unwrap());
    core.watch_clock().await.unwrap();
    assert!(is_held_for_the_clock(&scene).await);
    set_clock(&scene, -8);
    core.watch_clock().await.unwrap();
    assert!(!is_held_for_the_clock(&scene).await, "the clock is back");
}

use std::time::Duration;

use dialer::Dialer;
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, until};

const CALLS_PER_SECOND: u32 = 50;

#[tokio::test(start_paused = true)]
async fn a_process_that_was_frozen_does_not_send_a_burst() {
    let scene = Scene::new();
    scene
        .campaign("works.example.com", (200, CALLS_PER_SECOND), 150)
        .await;
    let stop = CancellationToken::new();
    let running = tokio::task::JoinSet::from_iter([Dialer::new(scene.parts()).run(stop.clone())]);
    let sent = || scene.network.sent.lock().unwrap().clone();
    until("calls", || sent().len() >= 20).await;

    // Whatever became due meanwhile is due at the same instant now, as after SIGSTOP and SIGCONT.
    let before = sent().len();
    tokio::time::advance(Duration::from_millis(700)).await;
    until("calls after the freeze", || sent().len() >= before + 10).await;
    // Again, while these are spread out: they have missed their turns as well.
    tokio::time::advance(Duration::from_millis(400)).await;
    until("calls after another freeze", || sent().len() >= before + 80).await;

    let sent = sent();
    let spacing = Duration::from_secs(1) / CALLS_PER_SECOND;
    // One that comes a little late to its turn takes it; the next ones keep theirs.
    let least = spacing.checked_sub(Duration::from_millis(11)).unwrap();
    for pair in sent.windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        assert!(apart >= least, "two calls only {apart:?} apart");
    }
    let most = usize::try_from(CALLS_PER_SECOND).unwrap();
    for crowd in sent.windows(most + 1) {
        let took = crowd[most].duration_since(crowd[0]);
        assert!(
            took >= Duration::from_millis(989),
            "{} calls in {took:?}",
            most + 1
        );
    }
    stop.cancel();
    for ended in running.join_all().await {
        ended.unwrap();
    }
}

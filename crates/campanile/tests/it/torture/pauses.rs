//! Pause, as its user sees it: when it has been answered, the count of calls stands still.

use std::time::Duration;

use serde_json::json;

use super::scene::{Scene, Setting};
use super::users::Deed;
use super::wait::{pause, wait_until};

#[test]
fn nothing_rings_after_a_pause_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(1);
    setting.users = 0;
    setting.faults = json!({});
    (setting.concurrency, setting.per_second) = (100, 100);
    let scene = Scene::start(folder.path(), setting);
    for _ in 0..10 {
        scene.keep_busy(300);
        let before = scene.rings();
        wait_until(Duration::from_secs(30), || scene.rings() > before);
        for campaign in 0..2 {
            scene.desk.insist(campaign, &Deed::Pause);
        }
        let answered = scene.rings();
        pause(300);
        assert_eq!(
            scene.rings(),
            answered,
            "a call was placed after the pause was answered"
        );
        for campaign in 0..2 {
            scene.desk.insist(campaign, &Deed::Resume);
        }
    }
    let verdict = scene.finish(Duration::from_secs(120));
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
}

//! Orderly ends under load, and a second server that must not be.

use std::path::Path;
use std::time::Duration;

use super::BOUND;
use crate::torture::Plan;
use crate::torture::dice::Dice;
use crate::torture::process::Launch;
use crate::torture::report::Done;
use crate::torture::scene::{Scene, Setting};
use crate::torture::truth::Micros;
use crate::torture::wait::{instant, pause};

/// Promised for SIGTERM.
const DRAIN: Duration = Duration::from_secs(10);
/// From the signal until the process has heard it, on a machine that is busy.
const HEARING: Micros = 500_000;

pub(crate) fn under_load(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let mut setting = Setting::new(seed);
    // Requests are under way when the signal comes.
    setting.faults["create_delay_seconds"] = serde_json::json!([0.0, 0.8]);
    let mut scene = Scene::start(folder, setting);
    let mut dice = Dice::new(seed);
    let mut broken = Vec::new();
    for restart in 0..plan.restarts {
        scene.keep_busy(40);
        pause(dice.between(300, 1_500));
        broken.extend(refuse_a_second_server(&scene));
        let told_at = scene.desk.truth.at_latest();
        let began = instant();
        scene.installation.server.signal("TERM");
        let ended = scene.installation.server.ends_within(DRAIN * 2);
        if ended.and_then(|status| status.code()) != Some(0) || began.elapsed() > DRAIN {
            broken.push(format!("SIGTERM: {ended:?} after {:?}", began.elapsed()));
        }
        let silent_until = scene.desk.truth.at_earliest();
        let silence = (told_at + HEARING, silent_until, "after SIGTERM");
        scene.silences.push(silence);
        scene.installation.restart(&Launch::default());
        plan.progress("restarts", restart + 1, plan.restarts);
    }
    let mut verdict = scene.finish(BOUND);
    verdict.violations.extend(broken);
    Done::Judged(plan.restarts, verdict)
}

/// While the first one lives, a second one ends at once and says who has the file.
fn refuse_a_second_server(scene: &Scene) -> Option<String> {
    let holder = format!("in use by process {}", scene.installation.server.id());
    let mut second = scene
        .installation
        .another("127.0.0.1:0", &Launch::default());
    let ended = second.ends_within(Duration::from_secs(10));
    let refused = ended.and_then(|status| status.code()) == Some(1)
        && second.address.is_none()
        && scene.installation.log().contains(&holder);
    (!refused).then(|| format!("a second server was not refused: {ended:?}"))
}

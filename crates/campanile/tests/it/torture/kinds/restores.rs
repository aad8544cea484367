//! A database that is copied back: what it has forgotten is found at the provider before anything
//! rings again.
//!
//! Users do nothing here: what they did in the lost time would be lost with it, and nobody could be
//! blamed for that.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::BOUND;
use crate::torture::Plan;
use crate::torture::dice::Dice;
use crate::torture::process::Launch;
use crate::torture::report::Done;
use crate::torture::scene::{Scene, Setting};
use crate::torture::wait::{met_within, pause};

/// From a restart until the hold is known.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);
/// Until every line was asked: the sandbox's list counts as complete 30 s after the start.
const ASKED_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn of_the_database(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let mut setting = Setting::new(seed);
    setting.users = 0;
    let mut scene = Scene::start(folder, setting);
    let mut dice = Dice::new(seed);
    let mut broken = Vec::new();
    for round in 0..plan.restores {
        lose_some_calls(&mut scene, folder, &mut dice);
        broken.extend(ask_and_release(&mut scene, &mut dice).err());
        plan.progress("restores", round + 1, plan.restores);
    }
    let mut verdict = scene.finish(BOUND);
    verdict.violations.extend(broken);
    Done::Judged(plan.restores, verdict)
}

/// Dials, copies the database, dials on, and puts the copy back; the server is dead then.
fn lose_some_calls(scene: &mut Scene, folder: &Path, dice: &mut Dice) {
    let copy = folder.join("copy");
    scene.keep_busy(60);
    pause(dice.between(500, 2_000));
    scene.installation.server.kill();
    scene.installation.back_up(&copy);
    let known = scene.desk.deeds();
    scene.installation.restart(&Launch::default());
    scene.keep_busy(60);
    let before = scene.rings();
    let _ = met_within(NOTICED_WITHIN, || scene.rings() > before);
    pause(dice.between(200, 2_000));
    scene.installation.server.kill();
    scene.remember_deadlines();
    scene.installation.put_back(&copy);
    scene.desk.forget_since(known);
}

/// The server finds out by itself, asks, and dials again only when it was released.
fn ask_and_release(scene: &mut Scene, dice: &mut Dice) -> Result<(), String> {
    // What the dead process had sent arrives.
    pause(300);
    let began = scene.desk.truth.at_latest();
    scene.installation.restart(&Launch::default());
    let hold = |scene: &Scene, member: &str| -> Value {
        let (_, text) = scene.installation.run(&["hold", "status", "--json"]);
        serde_json::from_str::<Value>(&text).unwrap_or_default()[member].take()
    };
    if !met_within(NOTICED_WITHIN, || hold(scene, "on_hold") == true) {
        return Err("P11: a database that went back was not noticed".to_owned());
    }
    if dice.between(0, 2) == 0 {
        // It survives a death amid the questions.
        pause(dice.between(0, 3_000));
        scene.installation.server.kill();
        scene.installation.restart(&Launch::default());
    }
    if !met_within(ASKED_WITHIN, || hold(scene, "reconciled") == true) {
        let (_, status) = scene.installation.run(&["hold", "status", "--json"]);
        return Err(format!("P11: not asked after {ASKED_WITHIN:?}: {status}"));
    }
    let until = scene.desk.truth.at_earliest();
    scene.silences.push((began, until, "P11 (on hold)"));
    let (code, text) = scene.installation.run(&["hold", "release", "--json"]);
    if code != Some(0) {
        return Err(format!("P11: not released: {text}"));
    }
    Ok(())
}

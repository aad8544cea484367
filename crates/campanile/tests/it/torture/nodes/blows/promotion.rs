//! The database dies with its last seconds, and a standby takes over that has not heard them: the
//! servers find themselves on hold, ask the provider, and dial when an operator has released them.
//!
//! Users do nothing meanwhile: what they did in the lost time is lost with it, and nobody could be
//! blamed for that.

use std::time::Duration;

use super::database::goes_on;
use crate::torture::nodes::scene::Scene;
use crate::torture::wait::{met_within, pause};

/// What the standby does not hear.
const BEHIND_MS: u64 = 5_000;
/// What was reserved before leaves within its deadline, or never.
const LEAVING_MS: u64 = 2_500;
/// From the promotion until the hold is known.
const NOTICED_WITHIN: Duration = Duration::from_secs(120);
/// Until every line was asked: the sandbox's list counts as complete after 30 s.
const ASKED_WITHIN: Duration = Duration::from_secs(300);

pub(super) fn of_a_standby(scene: &mut Scene) -> Result<(), String> {
    scene.users_stop();
    scene.keep_busy(100);
    let standby = scene.nodes.cluster.standby();
    standby.fall_behind();
    let known = scene.desk.deeds();
    scene.keep_busy(100);
    pause(BEHIND_MS);
    // One of them sleeps through it all, at times beyond the release.
    let frozen = (scene.dice.between(0, 1) == 0).then(|| scene.any());
    if let Some(index) = frozen {
        scene.nodes.doors.shut(index);
        scene.nodes.members[index].server.signal("STOP");
    }
    scene.nodes.wire.close();
    let records = scene.nodes.records();
    scene.remember_deadlines(&records);
    scene.nodes.cluster.crash();
    scene.desk.forget_since(known);
    pause(LEAVING_MS);
    let silent_from = scene.desk.truth.at_latest();
    standby.promote();
    scene.nodes.wire.lead_to(standby.socket());
    scene.nodes.cluster = standby;
    let asked = ask(scene, frozen);
    let until = scene.desk.truth.at_earliest();
    scene.silences.push((silent_from, until, "P11 (on hold)"));
    let released = asked.and_then(|()| release(scene));
    if let Some(index) = frozen {
        scene.nodes.members[index].server.signal("CONT");
    }
    let went_on = released.and_then(|()| goes_on(scene));
    scene.users_start();
    went_on
}

/// The servers find out by themselves, and ask; one may die amid the questions.
fn ask(scene: &mut Scene, frozen: Option<usize>) -> Result<(), String> {
    let is = |scene: &Scene, member: &str| scene.nodes.hold("status").1[member] == true;
    if !met_within(NOTICED_WITHIN, || is(scene, "on_hold")) {
        return Err("P11: another server took over, and nobody noticed".to_owned());
    }
    let index = scene.any();
    if scene.dice.between(0, 1) == 0 && frozen != Some(index) {
        pause(scene.dice.between(0, 3_000));
        scene.nodes.kill(index);
        scene.nodes.revive(index)?;
    }
    if !met_within(ASKED_WITHIN, || is(scene, "reconciled")) {
        let status = scene.nodes.hold("status").1;
        return Err(format!("P11: not asked after {ASKED_WITHIN:?}: {status}"));
    }
    Ok(())
}

fn release(scene: &Scene) -> Result<(), String> {
    match scene.nodes.hold("release") {
        (Some(0), _) => Ok(()),
        (_, said) => Err(format!("P11: not released: {said}")),
    }
}

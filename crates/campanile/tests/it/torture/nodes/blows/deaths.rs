//! Sudden deaths of one server while others live.

use std::time::Duration;

use failpoint::{Failpoint, Transaction};

use crate::torture::kinds::deaths::{most_times, provoked_by, was_killed};
use crate::torture::nodes::scene::Scene;
use crate::torture::process::Launch;
use crate::torture::wait::{met_within, pause};

/// Until an armed moment has come, on a machine that others use too.
const REACHED_WITHIN: Duration = Duration::from_secs(120);

pub(super) fn at_random(scene: &mut Scene) -> Result<(), String> {
    let index = scene.any();
    pause(scene.dice.between(20, 900));
    scene.nodes.kill(index);
    // The others go on for a while.
    pause(scene.dice.between(0, 1_200));
    scene.nodes.revive(index)
}

pub(super) fn at(scene: &mut Scene, failpoint: Failpoint) -> Result<(), String> {
    let index = scene.any();
    if provoked_by(failpoint) == Some(Transaction::Recovery) {
        // There must be a call to give up, and the others leave it to whoever takes the number next.
        die(scene, index, Failpoint::CallPermitted, 1)?;
    }
    let times = scene.dice.between(1, most_times(failpoint).min(4));
    let died = die(scene, index, failpoint, times);
    scene.nodes.revive(index)?;
    died
}

/// Has one of them die of this moment, and leaves it dead.
fn die(scene: &mut Scene, index: usize, failpoint: Failpoint, times: u64) -> Result<(), String> {
    let order = format!("{}:kill@{times}", failpoint.name());
    scene.nodes.kill(index);
    scene.nodes.launch(index, &Launch::armed(&order));
    let desk = scene.desk.at(&scene.nodes.members[index].address);
    let mut waits = 0;
    let _ = met_within(REACHED_WITHIN, || {
        if waits % 20 == 0 {
            scene.keep_busy(40);
            if let Some(transaction) = provoked_by(failpoint) {
                desk.provoke(transaction, &mut scene.dice);
            }
        }
        waits += 1;
        scene.nodes.members[index].server.ended().is_some()
    });
    let ended = scene.nodes.members[index].server.ended();
    scene.nodes.kill(index);
    match ended {
        Some(status) if was_killed(status) => Ok(()),
        other => Err(format!("{order} was never reached: {other:?}")),
    }
}

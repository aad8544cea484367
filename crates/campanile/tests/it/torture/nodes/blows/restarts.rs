//! Orderly ends of one server while others go on.

use std::time::Duration;

use crate::torture::nodes::installation::{NODES, Nodes};
use crate::torture::nodes::scene::Scene;
use crate::torture::wait::{instant, pause};

/// Promised for SIGTERM, and as long again for a machine that others use too.
const DRAIN: Duration = Duration::from_secs(20);

pub(super) fn of_one(scene: &mut Scene) -> Result<(), String> {
    let index = scene.any();
    pause(scene.dice.between(100, 900));
    terminate(&mut scene.nodes, index)?;
    pause(scene.dice.between(0, 1_200));
    scene.nodes.revive(index)
}

pub(super) fn of_all(scene: &mut Scene) -> Result<(), String> {
    for index in 0..NODES {
        terminate(&mut scene.nodes, index)?;
        scene.nodes.revive(index)?;
        scene.keep_busy(40);
    }
    Ok(())
}

/// It ends by itself, in time and with success.
pub(in crate::torture::nodes) fn terminate(nodes: &mut Nodes, index: usize) -> Result<(), String> {
    let began = instant();
    nodes.doors.shut(index);
    nodes.members[index].server.signal("TERM");
    let ended = nodes.members[index].server.ends_within(DRAIN * 2);
    let took = began.elapsed();
    nodes.kill(index);
    if ended.and_then(|status| status.code()) == Some(0) && took < DRAIN {
        Ok(())
    } else {
        Err(format!("V4: SIGTERM: {ended:?} after {took:?}"))
    }
}

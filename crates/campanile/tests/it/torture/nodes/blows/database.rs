//! A database that ends sessions, is cut off, or goes away and comes back.

use std::time::Duration;

use postgres_cluster::{ROLE, Stop};

use crate::torture::nodes::installation::NODES;
use crate::torture::nodes::scene::Scene;
use crate::torture::wait::{met_within, pause};

/// Until calls are placed again, on a machine that others use too.
const DIALING_WITHIN: Duration = Duration::from_secs(120);

pub(super) fn end_sessions(scene: &mut Scene) -> Result<(), String> {
    pause(scene.dice.between(20, 900));
    let end = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{ROLE}'"
    );
    scene.nodes.admin(&end);
    goes_on(scene)
}

pub(super) fn cut_wire(scene: &mut Scene) -> Result<(), String> {
    pause(scene.dice.between(20, 900));
    if scene.dice.between(0, 1) == 0 {
        // What is committed in these moments is committed, and nobody hears of it.
        scene.nodes.wire.lose_answers();
        pause(scene.dice.between(5, 250));
    }
    scene.nodes.wire.close();
    pause(scene.dice.between(0, 2_500));
    scene.nodes.wire.lead_to(scene.nodes.cluster.socket());
    goes_on(scene)
}

pub(super) fn restart(scene: &mut Scene, how: Stop) -> Result<(), String> {
    pause(scene.dice.between(20, 900));
    scene.nodes.cluster.stop(how);
    pause(scene.dice.between(0, 2_500));
    scene.nodes.cluster.start();
    goes_on(scene)
}

/// Every server is ready again, and somebody is called.
pub(super) fn goes_on(scene: &Scene) -> Result<(), String> {
    for index in 0..NODES {
        scene.nodes.admit(index)?;
    }
    let before = scene.rings();
    let mut waits = 0;
    let rang = met_within(DIALING_WITHIN, || {
        if waits % 20 == 0 {
            scene.keep_busy(40);
        }
        waits += 1;
        pause(100);
        scene.rings() > before
    });
    if rang {
        Ok(())
    } else {
        Err(format!("V1: nobody is called after {DIALING_WITHIN:?}"))
    }
}

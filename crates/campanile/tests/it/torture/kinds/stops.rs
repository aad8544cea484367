//! A process that stands still for a while and then goes on as if nothing had been: a suspended
//! machine, a debugger, a host that steals the processor.

use std::path::Path;
use std::time::Duration;

use super::BOUND;
use crate::torture::Plan;
use crate::torture::dice::Dice;
use crate::torture::process::Launch;
use crate::torture::report::Done;
use crate::torture::scene::{Scene, Setting};
use crate::torture::wait::{met_within, pause};

/// Between the commit of a reservation and the question whether it may be sent.
pub(crate) const MOMENTS: [&str; 3] = ["after_commit.tick", "call.reserved", "call.due"];

/// SIGSTOP between commit and send: what was reserved before is late after, and must not leave.
pub(crate) fn before_sends(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let mut scene = Scene::start(folder, Setting::new(seed));
    let mut dice = Dice::new(seed);
    let mut missed = Vec::new();
    for stop in 0..plan.stops_before_sends {
        let order = format!("{}:stop@{}", dice.pick(&MOMENTS), dice.between(1, 9));
        scene.installation.server.kill();
        scene.installation.restart(&Launch::armed(&order));
        scene.keep_busy(40);
        if !met_within(Duration::from_secs(60), || {
            scene.installation.server.is_stopped()
        }) {
            missed.push(format!("{order} was never reached"));
            continue;
        }
        pause(length(&mut dice, plan.longest_stop_ms));
        scene.installation.server.signal("CONT");
        // What was held back would leave now, if it could.
        pause(700);
        plan.progress("stops before sends", stop + 1, plan.stops_before_sends);
    }
    let mut verdict = scene.finish(BOUND);
    verdict.violations.extend(missed);
    Done::Judged(plan.stops_before_sends, verdict)
}

/// SIGSTOP at random, in a process that is otherwise left alone.
pub(crate) fn at_random(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let mut scene = Scene::start(folder, Setting::new(seed));
    let mut dice = Dice::new(seed);
    for stop in 0..plan.stops_at_random {
        scene.keep_busy(40);
        pause(dice.between(100, 1_500));
        scene.installation.server.signal("STOP");
        pause(length(&mut dice, plan.longest_stop_ms));
        scene.installation.server.signal("CONT");
        if dice.between(0, 2) == 0 {
            // Again, while what became due meanwhile is still being spread out.
            pause(dice.between(5, 200));
            scene.installation.server.signal("STOP");
            pause(dice.between(300, 1_500));
            scene.installation.server.signal("CONT");
        }
        plan.progress("stops at random", stop + 1, plan.stops_at_random);
    }
    scene.users_stop();
    Done::Judged(plan.stops_at_random, scene.finish(BOUND))
}

/// From half a second to the longest, short ones more often: each doubling is as likely.
pub(crate) fn length(dice: &mut Dice, longest_ms: u64) -> u64 {
    let mut milliseconds = 500;
    while milliseconds * 2 <= longest_ms && dice.between(0, 7) < 6 {
        milliseconds *= 2;
    }
    dice.between(milliseconds, (milliseconds * 2).min(longest_ms))
}

//! Sudden deaths: at random, and at every named moment.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use failpoint::{Failpoint, Transaction};

use super::BOUND;
use crate::torture::Plan;
use crate::torture::dice::Dice;
use crate::torture::process::Launch;
use crate::torture::report::Done;
use crate::torture::scene::{Scene, Setting};
use crate::torture::wait::{met_within, pause};

const SIGKILL: i32 = 9;

/// SIGKILL while everything is going on.
pub(crate) fn at_random(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let mut scene = Scene::start(folder, Setting::new(seed));
    let mut dice = Dice::new(seed);
    for death in 0..plan.deaths {
        scene.keep_busy(40);
        pause(dice.between(20, 600));
        scene.installation.server.kill();
        scene.installation.restart(&Launch::default());
        plan.progress("deaths at random", death + 1, plan.deaths);
    }
    Done::Judged(plan.deaths, scene.finish(BOUND))
}

/// SIGKILL when the request has been read and its answer is on its way: a moment of the sandbox's,
/// which has no failpoint.
pub(crate) fn between_request_and_answer(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let mut setting = Setting::new(seed);
    setting.faults["create_delay_seconds"] = serde_json::json!([0.3, 0.6]);
    let mut scene = Scene::start(folder, setting);
    for death in 0..plan.unanswered {
        scene.keep_busy(40);
        let before = scene.rings();
        let _ = met_within(Duration::from_secs(20), || scene.rings() > before);
        scene.installation.server.kill();
        scene.installation.restart(&Launch::default());
        plan.progress("deaths before the answer", death + 1, plan.unanswered);
    }
    Done::Judged(plan.unanswered, scene.finish(BOUND))
}

/// SIGKILL at each failpoint.
pub(crate) fn at_every_failpoint(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let mut scene = Scene::start(folder, Setting::new(seed));
    let mut dice = Dice::new(seed);
    let moments = Failpoint::all();
    let mut missed = Vec::new();
    scene.installation.server.kill();
    for round in 0..plan.failpoint_rounds {
        for (index, moment) in moments.iter().enumerate() {
            let times = dice.between(1, most_times(*moment));
            let order = format!("{}:kill@{times}", moment.name());
            if !dies(&mut scene, *moment, &order, &mut dice) {
                missed.push(format!("{order} was never reached"));
            }
            let done = round * moments.len() + index + 1;
            plan.progress(
                "deaths at failpoints",
                done,
                plan.failpoint_rounds * moments.len(),
            );
        }
    }
    scene.installation.restart(&Launch::default());
    let mut verdict = scene.finish(BOUND);
    verdict.violations.extend(missed);
    Done::Judged(plan.failpoint_rounds * moments.len(), verdict)
}

/// How often a moment may come before it is the fatal one: those that come by themselves often.
pub(crate) const fn most_times(moment: Failpoint) -> u64 {
    match moment {
        Failpoint::BeforeCommit(Transaction::Recovery)
        | Failpoint::AfterCommit(Transaction::Recovery) => 1,
        Failpoint::BeforeCommit(Transaction::Tick | Transaction::Facts)
        | Failpoint::AfterCommit(Transaction::Tick | Transaction::Facts)
        | Failpoint::CallsReserved
        | Failpoint::CallDue
        | Failpoint::CallPermitted
        | Failpoint::CallHalfSent
        | Failpoint::CallAnswered
        | Failpoint::CallbackVerified
        | Failpoint::CallbackApplied => 9,
        _ => 2,
    }
}

/// Starts a server that is to die of this order, and waits until it has.
fn dies(scene: &mut Scene, moment: Failpoint, order: &str, dice: &mut Dice) -> bool {
    // The port of the dead server may be taken for a moment; that end is another one.
    for _ in 0..20 {
        scene.installation.restart_as(&Launch::armed(order));
        let mut waits = 0;
        let _ = met_within(Duration::from_secs(90), || {
            if waits % 20 == 0 {
                scene.keep_busy(40);
                if let Some(transaction) = provoked_by(moment) {
                    scene.desk.provoke(transaction, dice);
                }
            }
            waits += 1;
            scene.installation.server.ended().is_some()
        });
        match scene.installation.server.ended() {
            Some(status) if was_killed(status) => return true,
            Some(_) => pause(200),
            None => {
                scene.installation.server.kill();
                return false;
            }
        }
    }
    false
}

/// The transaction that brings the process to this moment.
pub(crate) const fn provoked_by(moment: Failpoint) -> Option<Transaction> {
    match moment {
        Failpoint::BeforeCommit(transaction) | Failpoint::AfterCommit(transaction) => {
            Some(transaction)
        }
        Failpoint::OrderSettled => Some(Transaction::CampaignOrder),
        Failpoint::RemovalSettled => Some(Transaction::LeadRemoval),
        _ => None,
    }
}

pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(SIGKILL)
}

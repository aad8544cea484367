//! A disk that fails: the n-th write or fsync of the journal or the database answers EIO.

use std::path::Path;
use std::time::Duration;

use super::BOUND;
use crate::torture::Plan;
use crate::torture::dice::Dice;
use crate::torture::process::{Launch, runs};
use crate::torture::report::Done;
use crate::torture::scene::{Scene, Setting};
use crate::torture::truth::Micros;
use crate::torture::wait::{met_within, pause};

/// From the failure until the process is gone.
const ENDING: Micros = 250_000;

pub(crate) fn errors(plan: &Plan, folder: &Path, seed: u64) -> Done {
    if !runs(&["strace", "-qq", "-o", "/dev/null", "true"]) {
        return Done::Skipped("strace is not installed, or may not trace".to_owned());
    }
    let mut setting = Setting::new(seed);
    // Tracing makes every step slow.
    setting.per_second = 20;
    let mut scene = Scene::start(folder, setting);
    let mut dice = Dice::new(seed);
    let mut broken = Vec::new();
    for error in 0..plan.disk_errors {
        let syncs = error % 2 == 0;
        let nth = dice.between(2, 80);
        let failed = fail_once(&mut scene, folder, syncs, nth);
        broken.extend(failed.err());
        plan.progress("disk errors", error + 1, plan.disk_errors);
    }
    scene.installation.restart(&Launch::default());
    let mut verdict = scene.finish(BOUND);
    verdict.violations.extend(broken);
    Done::Judged(plan.disk_errors, verdict)
}

/// One life in which the n-th sync or write fails.
fn fail_once(scene: &mut Scene, folder: &Path, syncs: bool, nth: u64) -> Result<(), String> {
    let trace = folder.join("trace.log");
    let _ = std::fs::remove_file(&trace);
    let calls = if syncs { "fsync,fdatasync" } else { "pwrite64" };
    let inject = format!("inject={calls}:error=EIO:when={nth}");
    let journal = format!("{}-wal", scene.installation.database().display());
    let launch = Launch::under(&[
        "strace",
        "-D",
        "-f",
        "-qq",
        "-ttt",
        "-P",
        &journal,
        "-o",
        trace.to_str().unwrap(),
        "-e",
        &format!("trace={calls}"),
        "-e",
        &inject,
        "--",
    ]);
    scene.installation.server.kill();
    scene.installation.restart(&launch);
    let mut waits = 0;
    let injected = met_within(Duration::from_secs(60), || {
        if waits % 50 == 0 {
            scene.keep_busy(40);
        }
        waits += 1;
        injected_at(scene, &trace).is_some() || scene.installation.server.ended().is_some()
    });
    let Some(failed_at) = injected_at(scene, &trace).filter(|_| injected) else {
        scene.installation.server.kill();
        return Err(format!("the {nth}th of {calls} was never reached"));
    };
    if !syncs {
        // A write that failed undid its transaction, and everybody was told: life goes on.
        pause(1_500);
        scene.installation.server.kill();
        return Ok(());
    }
    let ended = scene
        .installation
        .server
        .ends_within(Duration::from_secs(10));
    let now = scene.desk.truth.at_earliest();
    scene
        .silences
        .push((failed_at + ENDING, now, "after a failed fsync"));
    let complaint = "campanile: the disk refused to make data durable";
    if ended.and_then(|status| status.code()) == Some(1)
        && scene.installation.log().contains(complaint)
    {
        return Ok(());
    }
    scene.installation.server.kill();
    Err(format!(
        "the {nth}th of {calls} failed and the server ended with {ended:?}"
    ))
}

/// When the failure was injected, on the clock of the sandbox.
fn injected_at(scene: &Scene, trace: &Path) -> Option<Micros> {
    let trace = std::fs::read_to_string(trace).ok()?;
    let line = trace.lines().find(|line| line.contains("(INJECTED)"))?;
    // `pid seconds.micros call(…) = -1 EIO … (INJECTED)`
    let at = line.split_whitespace().nth(1)?.replace('.', "");
    let at: Micros = at.parse().ok()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "strace writes the machine's time"
    )]
    let machine = jiff::Timestamp::now().as_microsecond();
    Some(at + scene.desk.truth.at_latest() - machine)
}

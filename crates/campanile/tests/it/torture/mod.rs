//! Torture of the real process: it is killed, stopped, starved and lied to while it dials and while
//! people use it, and then judged from outside.
//!
//! Each kind of torture ([`kinds`]) has a sandbox and a server of its own ([`scene`]), with users at
//! work ([`users`]). The judge ([`judge`]) reads the sandbox's log of phones and what users were
//! told. What must not be here: a look into the product to find out what happened; a wait for a
//! while where something can be waited for; a kind that cannot fail.
//!
//! `make test` runs [`Plan::SMALL`], all kinds side by side, since they mostly wait.
//! `make torture` runs [`Plan::LARGE`], a few scenes at a time, and prints a report.

mod dice;
mod doors;
pub(crate) mod http;
mod installation;
mod judge;
mod kinds;
mod nodes;
mod pauses;
mod process;
mod pulse;
mod records;
mod report;
mod scene;
mod stage;
mod truth;
mod users;
pub(crate) mod wait;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use report::{Done, Line, Report, Verdict};

/// How much of each kind.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    deaths: usize,
    /// In so many scenes; so for the stops below, which mostly wait.
    death_scenes: usize,
    unanswered: usize,
    failpoint_rounds: usize,
    stops_before_sends: usize,
    stop_scenes: usize,
    stops_at_random: usize,
    random_stop_scenes: usize,
    longest_stop_ms: u64,
    restarts: usize,
    limit_rounds: usize,
    disk_errors: usize,
    full_disks: usize,
    clock_steps: usize,
    restores: usize,
    /// Whether it tells how far it is.
    is_told: bool,
}

impl Plan {
    const SMALL: Self = Self {
        deaths: 30,
        death_scenes: 1,
        unanswered: 3,
        failpoint_rounds: 1,
        stops_before_sends: 5,
        stop_scenes: 1,
        stops_at_random: 3,
        random_stop_scenes: 1,
        longest_stop_ms: 4_000,
        restarts: 2,
        limit_rounds: 1,
        disk_errors: 4,
        full_disks: 2,
        clock_steps: 14,
        restores: 1,
        is_told: false,
    };

    const LARGE: Self = Self {
        deaths: 250,
        death_scenes: 4,
        unanswered: 100,
        failpoint_rounds: 3,
        stops_before_sends: 20,
        stop_scenes: 10,
        stops_at_random: 17,
        random_stop_scenes: 3,
        longest_stop_ms: 120_000,
        restarts: 100,
        limit_rounds: 20,
        disk_errors: 100,
        full_disks: 100,
        clock_steps: 140,
        restores: 10,
        is_told: true,
    };

    fn progress(&self, kind: &str, done: usize, of: usize) {
        progress(self.is_told, kind, done, of);
    }
}

/// What one scene came to, as soon as it is over.
#[expect(
    clippy::print_stderr,
    reason = "whoever runs it for half an hour wants to know"
)]
fn tell(is_told: bool, line: &Line) {
    if is_told {
        eprintln!("{line}");
        line.violations()
            .iter()
            .for_each(|what| eprintln!("{what}"));
    }
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs it for half an hour wants to know"
)]
fn progress(is_told: bool, kind: &str, done: usize, of: usize) {
    if is_told && (done == of || done.is_multiple_of(of.div_ceil(10))) {
        eprintln!("{kind}: {done} of {of}");
    }
}

/// Its name, and its run with a folder and a seed of its own.
type Kind<Plan> = (&'static str, fn(&Plan, &Path, u64) -> Done);

const KINDS: [Kind<Plan>; 8] = [
    (
        "SIGKILL at every failpoint",
        kinds::deaths::at_every_failpoint,
    ),
    (
        "SIGKILL between request and answer",
        kinds::deaths::between_request_and_answer,
    ),
    (
        "SIGTERM under load, second server",
        kinds::restarts::under_load,
    ),
    ("few files, little memory", kinds::limits::files_and_memory),
    ("EIO on a write or fsync", kinds::input_output::errors),
    ("full disk", kinds::disk::full),
    ("clock steps", kinds::clock::steps),
    ("database copied back", kinds::restores::of_the_database),
];

/// The kinds, some in several scenes side by side, so that the long run ends in time.
fn menu(plan: &Plan) -> Vec<Kind<Plan>> {
    let before_sends: Kind<Plan> = (
        "SIGSTOP between commit and send",
        kinds::stops::before_sends,
    );
    let stops: Kind<Plan> = ("SIGSTOP at random", kinds::stops::at_random);
    let deaths: Kind<Plan> = ("SIGKILL at random", kinds::deaths::at_random);
    let mut all = KINDS.to_vec();
    all.extend(std::iter::repeat_n(before_sends, plan.stop_scenes));
    all.extend(std::iter::repeat_n(stops, plan.random_stop_scenes));
    all.extend(std::iter::repeat_n(deaths, plan.death_scenes));
    all
}

/// A part of a kind's name, to look into one of them.
const ONLY_VARIABLE: &str = "TORTURE_ONLY";

/// Set to anything, it keeps the folder of every scene in which something was found.
const KEEP_VARIABLE: &str = "TORTURE_KEEP";

/// Scenes of a long run at a time: more of them starve each other on two cores, until what is judged is
/// the machine.
const LONG_AT_ONCE: usize = 8;

/// Runs every kind, a few or all side by side; each tells what it came to.
fn torture<Plan: Sync>(plan: &Plan, is_told: bool, kinds: &[Kind<Plan>]) -> Report {
    let mut all = kinds.to_vec();
    if let Some(only) = chosen(ONLY_VARIABLE) {
        all.retain(|(kind, _)| kind.contains(&only));
        assert!(!all.is_empty(), "no kind of torture is called {only:?}");
    }
    let at_once = if is_told { LONG_AT_ONCE } else { all.len() };
    let waiting = Mutex::new(all.into_iter().enumerate());
    let next = || waiting.lock().unwrap().next();
    std::thread::scope(|scope| {
        let work = || {
            let mut lines = Vec::new();
            while let Some((index, kind)) = next() {
                let line = play(plan, index as u64 + 1, &kind);
                tell(is_told, &line);
                lines.push(line);
            }
            lines
        };
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let lines = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap());
        Report::of(lines)
    })
}

/// One scene. One that cannot go on says so in the report, and stops no other.
fn play<Plan>(plan: &Plan, seed: u64, (kind, run): &Kind<Plan>) -> Line {
    let folder = tempfile::tempdir().unwrap();
    let began = wait::instant();
    let run = AssertUnwindSafe(|| run(plan, folder.path(), seed));
    let done = catch_unwind(run).unwrap_or_else(|_| {
        let stopped = "it could not go on; the panic is above".to_owned();
        Done::Judged(0, Verdict::broken(stopped))
    });
    let took = began.elapsed();
    let line = Line { kind, took, done };
    if !line.violations().is_empty() && chosen(KEEP_VARIABLE).is_some() {
        let kept = folder.keep();
        tell_kept(kind, &kept);
    }
    line
}

#[expect(clippy::print_stderr, reason = "whoever asked for it wants to find it")]
fn tell_kept(kind: &str, folder: &Path) {
    eprintln!("{kind}: kept in {}", folder.display());
}

#[expect(
    clippy::disallowed_methods,
    reason = "a choice of whoever runs the test, not a setting of the product"
)]
fn chosen(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
fn judge_all<Plan: Sync>(plan: &Plan, is_told: bool, kinds: &[Kind<Plan>]) -> Report {
    let report = torture(plan, is_told, kinds);
    report.tell_what_was_skipped();
    println!("{report}");
    let violations = report.violations();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    report
}

#[test]
fn a_small_torture_of_the_real_process_harms_nobody() {
    judge_all(&Plan::SMALL, false, &menu(&Plan::SMALL));
}

#[test]
#[ignore = "half an hour: make torture"]
fn the_whole_torture_harms_nobody() {
    judge_all(&Plan::LARGE, true, &menu(&Plan::LARGE));
}

#[test]
fn every_failpoint_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reliability.md");
    let page = std::fs::read_to_string(page).unwrap();
    for moment in failpoint::Failpoint::all() {
        let name = moment.name();
        let around = ["before_commit.", "after_commit."];
        let short = around.iter().find_map(|prefix| name.strip_prefix(prefix));
        let written = format!("`{}`", short.unwrap_or(&name));
        assert!(
            page.contains(&written),
            "{name} is not in docs/reliability.md"
        );
    }
}

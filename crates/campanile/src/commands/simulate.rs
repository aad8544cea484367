//! `campanile simulate`: seeds of the deterministic simulation, side by side, and what they came to.
//!
//! Exit code 1 when a promise was broken, when a repeated seed went another way, or when enough
//! seeds with all faults never reached a rare state.

mod tell;

use std::num::NonZero;

use ::simulation::{Options, Report, Summary, run as run_seed, shrink};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinSet;

use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::process::StopSignals;

/// One seed in so many is run twice, and must go the same way.
const SAMPLE: u64 = 25;
/// Failing seeds that are made small; the rest is told as it is.
const MOST_SHRUNK: usize = 3;
/// Seeds between two plain lines of progress.
const PLAIN_STEP: u64 = 100;

/// A seed with broken promises.
pub(super) struct Broken {
    report: Report,
    /// How to repeat it.
    replay: String,
}

/// What all seeds came to.
#[derive(Default)]
pub(super) struct Tally {
    summary: Summary,
    broken: Vec<Broken>,
    /// Seeds that were run twice.
    repeated: u64,
    /// Of these, seeds that went another way.
    unsteady: Vec<u64>,
}

pub(crate) async fn run(settings: &Settings) -> Outcome {
    let signals = StopSignals::listen()?;
    let (first, last) = settings.simulate.seeds;
    let options = &settings.simulate.options;
    let progress = Progress::new(last - first + 1);
    let mut tally = Tally::default();
    let mut seeds = first..=last;
    let mut running = JoinSet::new();
    let width = std::thread::available_parallelism().map_or(1, NonZero::get);
    loop {
        while running.len() < width && !signals.stop().is_cancelled() {
            let Some(seed) = seeds.next() else { break };
            let options = options.clone();
            running.spawn_blocking(move || one(seed, first, &options));
        }
        let Some(done) = running.join_next().await else {
            break;
        };
        let (report, is_steady) = done.map_err(Failure::failed)?.map_err(Failure::failed)?;
        tally.add(report, is_steady, options);
        progress.show(&tally);
    }
    progress.end();
    if signals.stop().is_cancelled() {
        output::complaint("stopped before the last seed; this is what was run");
    } else {
        make_small(&mut tally, options).await?;
    }
    tally.broken.sort_by_key(|broken| broken.report.seed);
    let never_reached = tally.never_reached(options);
    if settings.json {
        output::json(&tell::as_json(&tally, &never_reached, settings));
    } else {
        tell::as_text(&tally, &never_reached);
    }
    if tally.broken.is_empty() && tally.unsteady.is_empty() && never_reached.is_empty() {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

/// Runs a seed; `Some` tells whether a second run went the same way.
fn one(seed: u64, first: u64, options: &Options) -> Result<(Report, Option<bool>), String> {
    let report = run_seed(seed, options)?;
    if !(seed - first).is_multiple_of(SAMPLE) {
        return Ok((report, None));
    }
    let again = run_seed(seed, options)?;
    let is_steady = again.trace == report.trace;
    Ok((report, Some(is_steady)))
}

async fn make_small(tally: &mut Tally, options: &Options) -> Outcome {
    for broken in tally.broken.iter_mut().take(MOST_SHRUNK) {
        let (report, options) = (broken.report.clone(), options.clone());
        let seed = report.seed;
        let shrunk = tokio::task::spawn_blocking({
            let options = options.clone();
            move || shrink(seed, &options, report)
        });
        let shrunk = shrunk.await.map_err(Failure::failed)?;
        let shrunk = shrunk.map_err(Failure::failed)?;
        let smaller = Options {
            cuts: shrunk.cuts,
            ..options
        };
        broken.replay = replay(seed, &smaller);
        broken.report = shrunk.report;
    }
    Ok(())
}

/// The command that repeats a seed.
fn replay(seed: u64, options: &Options) -> String {
    let usual = Options::default();
    let mut command = vec![format!("campanile simulate --seeds {seed}")];
    if options.campaign_days != usual.campaign_days {
        command.push(format!("--campaign-days {}", options.campaign_days));
    }
    if options.faults != usual.faults {
        command.push(format!("--faults {}", options.faults));
    }
    if options.cuts != usual.cuts {
        command.push(format!("--cut {}", options.cuts));
    }
    command.join(" ")
}

impl Tally {
    fn add(&mut self, report: Report, is_steady: Option<bool>, options: &Options) {
        self.summary.add(&report);
        self.repeated += u64::from(is_steady.is_some());
        if is_steady == Some(false) {
            self.unsteady.push(report.seed);
        }
        if !report.violations.is_empty() {
            let first = report.violations.first();
            let promise = first.map_or("", |violation| violation.invariant);
            // At once: a long run shall not hide for an hour what it has found.
            output::complaint(&format!("seed {} breaks {promise}", report.seed));
            let replay = replay(report.seed, options);
            self.broken.push(Broken { report, replay });
        }
    }

    /// Rare states that should have been reached, and were not.
    fn never_reached(&self, options: &Options) -> Vec<&'static str> {
        let whole = options.faults == ::simulation::FaultSet::all()
            && options.cuts == ::simulation::Cuts::default();
        if whole && self.summary.seeds >= ::simulation::ENOUGH_SEEDS {
            self.summary.never_reached()
        } else {
            Vec::new()
        }
    }
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    is_plain: bool,
}

impl Progress {
    fn new(seeds: u64) -> Self {
        let is_plain = !std::io::IsTerminal::is_terminal(&std::io::stderr());
        let target = if is_plain {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(seeds), target);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} seeds, {msg}, {eta} to go");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar, is_plain }
    }

    fn show(&self, tally: &Tally) {
        let (seeds, broken) = (tally.summary.seeds, tally.summary.broken);
        self.bar.set_position(seeds);
        self.bar.set_message(format!("{broken} broken"));
        if self.is_plain && seeds.is_multiple_of(PLAIN_STEP) {
            output::complaint(&format!("{seeds} seeds, {broken} broken"));
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

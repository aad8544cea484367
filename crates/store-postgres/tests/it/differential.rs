//! The two back ends, held against each other.
//!
//! The same steps, drawn from a seed, are taken on a SQLite store (a real file) and on a PostgreSQL
//! store (a database of the test cluster). After each, both must have answered alike; every few
//! steps, and at the end, everything that can be seen of them must be alike. So what the
//! conformance suite does not say of an operation is at least one thing and not two.
//!
//! - Time and keys are given; ids are told by the order in which they come up ([`names`]).
//! - What may differ is listed where it is left out: what a process of many does by itself (the
//!   wake-up on hold, clocks, hints, the disk), and the order of tenants within a tick.
//! - A run that never met an operation's success or its refusal, or one of [`MUST_BE_MET`], fails.
//!   A failing seed is made small by proptest, and told with its steps and the first difference.

mod dice;
mod kind;
mod names;
mod observe;
mod run;
mod side;
#[path = "../../../store-sqlite/tests/it/violations.rs"]
mod sqlite_violations;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use kind::{Kind, Must};
use run::Step;
use steps::Came;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Which seeds to run: `7`, or `1..2000`.
const SEEDS: &str = "CAMPANILE_TEST_DIFFERENTIAL_SEEDS";
/// Those of every test run.
const EVERY_TIME: RangeInclusive<u64> = 1..=22;
/// After so many failing seeds no more are begun.
const MOST_FAILURES: usize = 4;
/// Most steps of a seed; half as many on an average.
const STEPS: usize = 300;
/// Seeds that run side by side.
const SIDE_BY_SIDE: usize = 6;

/// How often, and for how long, a failing run is made smaller (`PROPTEST_MAX_SHRINK_ITERS`: less often).
const SHRUNK_AT_MOST: u32 = 300;
const SHRUNK_FOR_MS: u32 = 120_000;

/// What a run must have met beside each operation's ends: else it did not come near what can differ.
const MUST_BE_MET: &[(Kind, &str)] = &[
    (Kind::Tick, "calls"),
    (Kind::Tick, "calls of two tenants"),
    (Kind::Tick, "a call on trial"),
    (Kind::Tick, "on hold"),
    (Kind::Recover, "calls given up"),
    (Kind::ClaimChecks, "Unknown"),
    (Kind::Facts, "Unknown"),
    (Kind::Facts, "Placed"),
    (Kind::Facts, "Ringing"),
    (Kind::Facts, "InProgress"),
    (Kind::Facts, "Ended"),
    (Kind::Facts, "Rejected"),
    (Kind::Facts, "Released"),
    (Kind::Facts, "Unchanged"),
    (Kind::Facts, "Unmatched"),
    (Kind::Start, "now RUNNING"),
    (Kind::OrderCampaign, "now PAUSED"),
    (Kind::OrderCampaign, "now STOPPED"),
    (Kind::OrderCampaign, "now ARCHIVED"),
    (Kind::UpdateCampaign, "Stale"),
    (Kind::UpdateCampaign, "Frozen"),
    (Kind::UpdateLead, "now READY"),
    (Kind::UpdateLead, "now OPTED_OUT"),
    (Kind::UpdateLead, "Stale"),
    (Kind::AddLead, "new"),
    (Kind::AddLead, "again"),
    (Kind::AddLead, "IdempotencyMismatch"),
    (Kind::ListLeads, "pages"),
    (Kind::ListCalls, "pages"),
    (Kind::LiftHold, "lifted"),
    (Kind::ReleaseHold, "released"),
    (Kind::ReleaseHold, "not reconciled"),
    (Kind::AdoptCalls, "adopted"),
    (Kind::AdoptCalls, "unmatched"),
    (Kind::AdoptCalls, "known"),
];

/// How often each kind of step ended how, and what was met.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    came: BTreeMap<(Kind, Came), u64>,
    met: BTreeMap<(Kind, String), u64>,
}

impl Coverage {
    fn note(&mut self, kind: Kind, told: &steps::Told) {
        *self.came.entry((kind, told.came)).or_default() += 1;
        for met in &told.met {
            *self.met.entry((kind, met.clone())).or_default() += 1;
        }
    }

    fn times(&self, kind: Kind, came: Came) -> u64 {
        self.came.get(&(kind, came)).copied().unwrap_or_default()
    }

    /// What should have been met and was not.
    fn missing(&self) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        for (kind, _, must) in Kind::ALL {
            let ends: &[Came] = match must {
                Must::Do => &[Came::Done],
                Must::DoAndRefuse => &[Came::Done, Came::Refused],
                Must::DoAndRepeat => &[Came::Done, Came::Repeated],
                Must::DoRefuseAndRepeat => &[Came::Done, Came::Refused, Came::Repeated],
            };
            let never = ends.iter().filter(|end| self.times(*kind, **end) == 0);
            missing.extend(never.map(|end| format!("{kind:?} never came to {end:?}")));
        }
        for (kind, met) in MUST_BE_MET {
            if !self.met.contains_key(&(*kind, (*met).to_owned())) {
                missing.insert(format!("{kind:?} never met {met:?}"));
            }
        }
        missing
    }

    fn table(&self) -> String {
        let rows = Kind::ALL.iter().map(|(kind, ..)| {
            let ends =
                [Came::Done, Came::Refused, Came::Repeated].map(|end| self.times(*kind, end));
            let of_kind = self.met.iter().filter(|((of, _), _)| of == kind);
            let met: Vec<_> = of_kind
                .map(|((_, met), times)| format!("{met} {times}"))
                .collect();
            let [done, refused, repeated] = ends;
            format!(
                "{kind:?}: {done} done, {refused} refused, {repeated} repeated; {}",
                met.join(", ")
            )
        });
        rows.collect::<Vec<_>>().join("\n")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how much to test is said by whoever runs the tests"
)]
fn seeds() -> RangeInclusive<u64> {
    let Ok(text) = std::env::var(SEEDS) else {
        return EVERY_TIME;
    };
    let number = |text: &str| {
        text.parse()
            .unwrap_or_else(|_| panic!("{SEEDS} is `7` or `1..2000`"))
    };
    match text.split_once("..") {
        Some((first, last)) => number(first)..=number(last),
        None => number(&text)..=number(&text),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kinds = Kind::ALL.iter();
    let drawn: Vec<Kind> = kinds
        .flat_map(|(kind, weight, _)| std::iter::repeat_n(*kind, *weight))
        .collect();
    let kind = proptest::sample::select(drawn);
    let step = (kind, any::<[u8; 32]>()).prop_map(|(kind, bytes)| Step { kind, bytes });
    vec(step, 1..=STEPS)
}

/// Runs one seed; a difference is made small, and told.
fn run_seed(seed: u64, coverage: &Mutex<Coverage>) -> Result<(), String> {
    let asked = Config::default();
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: asked.max_shrink_iters.min(SHRUNK_AT_MOST),
        max_shrink_time: SHRUNK_FOR_MS,
        ..asked
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let failure = runner.run(&steps(), |steps| {
        run::run(&steps, coverage, None).map_err(TestCaseError::fail)
    });
    match failure {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, _)) => Err(format!("seed {seed}: {reason}")),
        Err(TestError::Abort(reason)) => Err(format!("seed {seed} was not run: {reason}")),
    }
}

#[test]
fn both_back_ends_answer_alike() {
    let seeds = seeds();
    let coverage = Mutex::new(Coverage::default());
    let (next, failures) = (AtomicU64::new(*seeds.start()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let failures = || failures.lock().unwrap_or_else(PoisonError::into_inner);
                    if !seeds.contains(&seed) || failures().len() >= MOST_FAILURES {
                        break;
                    }
                    if let Err(failure) = run_seed(seed, &coverage) {
                        failures().push(failure);
                    }
                }
            });
        }
    });
    let coverage = coverage
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    println!("{}", coverage.table());
    let failures = failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let missing = coverage.missing();
    let is_whole = seeds.clone().count() >= EVERY_TIME.count();
    assert!(!is_whole || missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_step_that_one_store_leaves_out_is_seen() {
    let coverage = Mutex::new(Coverage::default());
    let step = |kind| Step {
        kind,
        bytes: [0; 32],
    };
    let run = |kinds: &[Kind], skipped| {
        let steps: Vec<_> = kinds.iter().copied().map(step).collect();
        run::run(&steps, &coverage, skipped)
    };
    let steps = [Kind::Ping, Kind::RemoveLead, Kind::Tick];
    assert_eq!(run(&steps, None), Ok(()));
    let by_its_answers = run(&steps, Some(1)).unwrap_err();
    assert!(by_its_answers.contains("\nof tick"), "{by_its_answers}");
    // Nothing is answered after it, but everything is looked at in the end.
    let by_looking = run(&steps[..2], Some(1)).unwrap_err();
    assert!(by_looking.contains("\nof event"), "{by_looking}");
}

//! Which faults strike, and when.

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::rngs::SmallRng;
use sandbox::{Scenario, SecondsRange};

use super::later;
use crate::faults::{FaultKind, FaultSet};

/// Deaths of the process.
#[derive(Debug, Clone)]
pub(crate) struct CrashPlan {
    /// Chance after any event.
    pub(crate) rate: f64,
    /// After the n-th event of a kind, by the kind's name.
    pub(crate) targeted: Vec<(&'static str, u32)>,
    /// Share of stops that are orderly.
    pub(crate) orderly: f64,
    /// Chance that the fresh process dies again after its first few events.
    pub(crate) again: f64,
    /// Most deaths.
    pub(crate) most: u32,
}

/// A change of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockChange {
    /// A step, in milliseconds.
    Step(i64),
    /// From now on it gains or loses, per million.
    Drift(i64),
    /// It is set right.
    Correct,
}

/// A step of the wall clock a moment after the n-th reservation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockAmbush {
    pub(crate) nth: u32,
    pub(crate) after: SignedDuration,
    pub(crate) step_ms: i64,
    /// When it is set right again.
    pub(crate) corrected_after: Option<SignedDuration>,
}

/// The faults of one run.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) scenario: Scenario,
    pub(crate) crashes: CrashPlan,
    /// From when, for how long the process stands still.
    pub(crate) freezes: Vec<(Timestamp, SignedDuration)>,
    pub(crate) clock: Vec<(Timestamp, ClockChange)>,
    /// Steps of the wall clock while a call is on its way.
    pub(crate) clock_ambushes: Vec<ClockAmbush>,
    /// From when until when the provider is down.
    pub(crate) outages: Vec<(Timestamp, Timestamp)>,
    /// Chance that a commit fails.
    pub(crate) failing_commits: f64,
    /// Chance that a commit or a sender is late by seconds.
    pub(crate) slowness: f64,
    /// Chance that a read shows what an earlier one showed.
    pub(crate) stale_reads: f64,
    pub(crate) lost_users: bool,
    /// From when the copy is that is put back, and when it is put back.
    pub(crate) restores: Vec<(Timestamp, Timestamp)>,
}

/// The names of events after which the process can be made to die.
const STEPS: [&str; 8] = [
    "tick",
    "prepare",
    "send",
    "record",
    "look-up",
    "scan",
    "callbacks",
    "import",
];

fn calm_scenario() -> Scenario {
    let mut scenario = Scenario {
        concurrency: 50,
        calls_per_second: 100.0,
        ..Scenario::default()
    };
    scenario.rejected_rate = 0.05;
    scenario.answer_rate = 0.3;
    scenario.ring_seconds = SecondsRange {
        low: 1.0,
        high: 40.0,
    };
    scenario.talk_seconds = SecondsRange {
        low: 1.0,
        high: 600.0,
    };
    scenario
}

impl Weather {
    /// No faults and short calls.
    pub(super) fn fair() -> Self {
        let mut scenario = calm_scenario();
        scenario.ring_seconds = SecondsRange {
            low: 1.0,
            high: 5.0,
        };
        scenario.talk_seconds = SecondsRange {
            low: 1.0,
            high: 20.0,
        };
        Self {
            scenario,
            crashes: CrashPlan {
                rate: 0.0,
                targeted: Vec::new(),
                orderly: 0.0,
                again: 0.0,
                most: 0,
            },
            freezes: Vec::new(),
            clock: Vec::new(),
            clock_ambushes: Vec::new(),
            outages: Vec::new(),
            failing_commits: 0.0,
            slowness: 0.0,
            stale_reads: 0.0,
            lost_users: false,
            restores: Vec::new(),
        }
    }

    /// Draws for every kind in `drawn`, so that the dice fall alike, and keeps those in `kept`.
    pub(super) fn draw(
        rng: &mut SmallRng,
        drawn: FaultSet,
        kept: FaultSet,
        span: (Timestamp, Timestamp),
    ) -> Self {
        let mut weather = Self::fair();
        weather.scenario = calm_scenario();
        for kind in drawn.kinds() {
            // A bad day has many faults at once, a fair one few: both find bugs.
            let strikes = rng.random_bool(0.45);
            let mut with = weather.clone();
            with.add(rng, kind, span);
            if strikes && kept.has(kind) {
                weather = with;
            }
        }
        weather
    }

    /// Sets the clock while calls are on their way, if it is one that is set at all.
    pub(super) fn ambush_by_clock(&mut self, rng: &mut SmallRng) {
        let ambush = |rng: &mut SmallRng, step_ms, corrected_after| ClockAmbush {
            nth: rng.random_range(0..60),
            after: SignedDuration::from_millis(rng.random_range(0..400)),
            step_ms,
            corrected_after,
        };
        let count = rng.random_range(0..=6);
        let mut steps: Vec<_> = (0..count)
            .map(|_| {
                let step_ms = rng.random_range(-30_000..=10_000);
                ambush(rng, step_ms, None)
            })
            .collect();
        // A step that no clock makes by itself holds the installation.
        if rng.random_bool(0.25) {
            let far_ms = rng.random_range(200_000..2_000_000);
            let step_ms = if rng.random_bool(0.5) {
                far_ms
            } else {
                -far_ms
            };
            let right_after = SignedDuration::from_secs(rng.random_range(60..7_200));
            steps.push(ambush(rng, step_ms, Some(right_after)));
        }
        if !self.clock.is_empty() {
            self.clock_ambushes = steps;
        }
    }

    fn add(&mut self, rng: &mut SmallRng, kind: FaultKind, span: (Timestamp, Timestamp)) {
        let wrong = &mut self.scenario.faults;
        let mut rate = |most: f64| rng.random_range(0.0..most);
        let seconds = |high: f64| SecondsRange { low: 0.0, high };
        match kind {
            FaultKind::LostAnswers => {
                wrong.create_timeout = rate(0.1);
                wrong.create_timeout_after_accept = rate(0.25);
            }
            FaultKind::Errors => {
                wrong.create_500 = rate(0.1);
                wrong.create_500_after_accept = rate(0.2);
                wrong.get_500 = rate(0.4);
            }
            FaultKind::Refusals => {
                wrong.create_429 = rate(0.15);
                self.scenario.concurrency = rng.random_range(1..=6);
                self.scenario.calls_per_second = f64::from(rng.random_range(1..=10_u32));
                self.scenario.concurrency_refusal = refusal(rng);
            }
            FaultKind::Garbage => wrong.create_garbage = rate(0.15),
            FaultKind::LateAnswers => wrong.create_delay_seconds = seconds(rate(25.0)),
            FaultKind::Callbacks => {
                wrong.webhook_loss = rate(0.7);
                wrong.webhook_duplicate = rate(0.5);
                wrong.webhook_reorder = rate(0.4);
                wrong.webhook_before_response = rate(0.6);
                // Some so late that the call was given up before.
                let latest = if rng.random_bool(0.2) {
                    10_800.0
                } else {
                    600.0
                };
                wrong.webhook_delay_seconds = seconds(rng.random_range(0.0..latest));
            }
            FaultKind::ListLag => wrong.list_lag_seconds = seconds(rate(20.0)),
            FaultKind::StaleReads => self.stale_reads = rate(0.5),
            FaultKind::Outages => self.outages = outages(rng, span),
            FaultKind::Crashes => self.crashes = crashes(rng),
            FaultKind::Freezes => self.freezes = freezes(rng, span),
            FaultKind::Clock => self.clock = clock(rng, span),
            FaultKind::Storage => self.failing_commits = rate(0.05),
            FaultKind::Slowness => self.slowness = rate(0.2),
            FaultKind::LostUsers => self.lost_users = true,
            FaultKind::Restores => self.restores = restores(rng, span),
        }
    }
}

fn refusal(rng: &mut SmallRng) -> sandbox::ConcurrencyRefusal {
    match rng.random_range(0..3) {
        0 => sandbox::ConcurrencyRefusal::BadRequest,
        1 => sandbox::ConcurrencyRefusal::TooManyRequests,
        _ => sandbox::ConcurrencyRefusal::Blocked,
    }
}

fn moment(rng: &mut SmallRng, (from, until): (Timestamp, Timestamp)) -> Timestamp {
    let span = until.duration_since(from).as_secs().max(1);
    later(
        from,
        SignedDuration::from_millis(rng.random_range(0..span * 1_000)),
    )
}

fn outages(rng: &mut SmallRng, span: (Timestamp, Timestamp)) -> Vec<(Timestamp, Timestamp)> {
    let count = rng.random_range(1..=4);
    (0..count)
        .map(|_| {
            let from = moment(rng, span);
            let long = SignedDuration::from_secs(rng.random_range(5..7_200));
            (from, later(from, long).min(span.1))
        })
        .collect()
}

/// At most one, and in few runs: nothing dials while it is being mended.
fn restores(rng: &mut SmallRng, span: (Timestamp, Timestamp)) -> Vec<(Timestamp, Timestamp)> {
    let copied_at = moment(rng, span);
    let most = if rng.random_bool(0.5) { 300 } else { 7_200 };
    let put_back_at = later(
        copied_at,
        SignedDuration::from_millis(rng.random_range(100..most * 1_000)),
    );
    if rng.random_bool(0.4) && put_back_at < span.1 {
        vec![(copied_at, put_back_at)]
    } else {
        Vec::new()
    }
}

fn crashes(rng: &mut SmallRng) -> CrashPlan {
    let count = rng.random_range(0..=6);
    let targeted = (0..count)
        .map(|_| {
            let step = STEPS[rng.random_range(0..STEPS.len())];
            (step, rng.random_range(1..40))
        })
        .collect();
    CrashPlan {
        rate: if rng.random_bool(0.6) {
            rng.random_range(0.0..0.01)
        } else {
            0.0
        },
        targeted,
        orderly: rng.random_range(0.0..0.4),
        again: rng.random_range(0.0..0.5),
        most: u32::MAX,
    }
}

fn freezes(rng: &mut SmallRng, span: (Timestamp, Timestamp)) -> Vec<(Timestamp, SignedDuration)> {
    let count = rng.random_range(1..=40);
    (0..count)
        .map(|_| {
            let long = if rng.random_bool(0.5) {
                rng.random_range(100..3_000)
            } else {
                rng.random_range(500..120_000)
            };
            (moment(rng, span), SignedDuration::from_millis(long))
        })
        .collect()
}

fn clock(rng: &mut SmallRng, span: (Timestamp, Timestamp)) -> Vec<(Timestamp, ClockChange)> {
    let count = rng.random_range(1..=8);
    let mut changes: Vec<_> = (0..count)
        .map(|_| {
            let change = match rng.random_range(0..4) {
                0 => ClockChange::Drift(rng.random_range(-500..=500)),
                1 => ClockChange::Correct,
                _ => ClockChange::Step(rng.random_range(-40_000..=40_000)),
            };
            (moment(rng, span), change)
        })
        .collect();
    changes.push((span.1, ClockChange::Correct));
    changes.sort_by_key(|(at, _)| *at);
    changes
}

//! A clock that is set while calls are placed.

use std::path::{Path, PathBuf};

use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp};

use super::BOUND;
use crate::torture::Plan;
use crate::torture::dice::Dice;
use crate::torture::process::{Launch, runs};
use crate::torture::report::Done;
use crate::torture::scene::{Scene, Setting};
use crate::torture::truth::{Micros, Truth};
use crate::torture::wait::pause;

/// Where Debian puts the library.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// By how much the clock is wrong, one after the other: small steps and large ones, over the end
/// of the window, over midnight, forward and back.
const WRONG_BY: [i64; 14] = [
    1,
    0,
    -1,
    30,
    0,
    59,
    0,
    3 * HOUR,
    0,
    -3 * HOUR,
    0,
    DAY,
    0,
    -DAY,
];
/// So long after a step, a call may come that was planned by the clock before it: it has two seconds to
/// leave, and then its way.
const UNSURE: Micros = 2_500_000;

/// The process's wall clock, set by a file.
struct Clock(PathBuf);

impl Clock {
    fn set(&self, seconds: i64) {
        // Replaced whole, as it is read at any moment.
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}

pub(crate) fn steps(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let library = LIBRARIES.iter().find(|path| Path::new(path).exists());
    let Some(library) = library.filter(|_| runs(&["faketime", "-f", "+1h", "true"])) else {
        return Done::Skipped("faketime is not installed".to_owned());
    };
    let clock = Clock(folder.join("clock"));
    clock.set(0);
    let mut launch = Launch::with("LD_PRELOAD", library);
    for (name, value) in [
        ("FAKETIME_TIMESTAMP_FILE", clock.0.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ] {
        launch.environment.push((name.to_owned(), value.to_owned()));
    }
    let mut setting = Setting::new(seed);
    let window = Window::around_now();
    setting.window = window.texts();
    setting.launch = launch.clone();
    setting.has_true_clock = false;
    let mut scene = Scene::start(folder, setting);
    let mut dice = Dice::new(seed);
    let mut readings = Readings::new();
    for step in 0..plan.clock_steps {
        scene.keep_busy(40);
        pause(dice.between(500, 1_500));
        let wrong_by = WRONG_BY[step % WRONG_BY.len()];
        readings.set(&clock, wrong_by, scene.desk.truth);
        pause(dice.between(500, 2_500));
        if dice.between(0, 4) == 0 {
            scene.installation.server.kill();
            scene.installation.restart(&launch);
        }
        plan.progress("clock steps", step + 1, plan.clock_steps);
    }
    // Right again: what is in doubt can be looked up.
    readings.set(&clock, 0, scene.desk.truth);
    let calls = scene.calls_received_at();
    let outside = calls
        .iter()
        .filter(|at| !window.explains(**at, &readings))
        .count();
    let mut verdict = scene.finish(BOUND);
    if outside > 0 {
        verdict
            .violations
            .push(format!("P3: {outside} calls outside of the window"));
    }
    Done::Judged(plan.clock_steps, verdict)
}

/// By how much the clock was wrong, and when: from before a step, to after the next.
struct Readings(Vec<Reading>);

struct Reading {
    from: Micros,
    until: Micros,
    wrong_by: i64,
}

impl Readings {
    fn new() -> Self {
        let (from, until) = (Micros::MIN, Micros::MAX);
        Self(vec![Reading {
            from,
            until,
            wrong_by: 0,
        }])
    }

    /// Sets the clock. Which of the two readings the server sees meanwhile nobody knows.
    fn set(&mut self, clock: &Clock, wrong_by: i64, truth: Truth) {
        let from = truth.at_earliest();
        clock.set(wrong_by);
        if let Some(last) = self.0.last_mut() {
            last.until = truth.at_latest();
        }
        let until = Micros::MAX;
        self.0.push(Reading {
            from,
            until,
            wrong_by,
        });
    }

    /// All that the server may have seen between two true instants.
    fn between(&self, from: Micros, until: Micros) -> impl Iterator<Item = i64> {
        let seen = self.0.iter();
        let seen = seen.filter(move |reading| reading.from <= until && reading.until >= from);
        seen.map(|reading| reading.wrong_by)
    }
}

/// The hours of calling: two before and two after the beginning of the test, every day.
struct Window {
    opens: Time,
    closes: Time,
}

impl Window {
    fn around_now() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the window lies around the present"
        )]
        let now = Timestamp::now();
        let at = |hours: i64| {
            let at = now
                .saturating_add(SignedDuration::from_hours(hours))
                .unwrap();
            let time = jiff::tz::TimeZone::UTC.to_datetime(at).time();
            Time::new(time.hour(), time.minute(), 0, 0).unwrap()
        };
        Self {
            opens: at(-2),
            closes: at(2),
        }
    }

    fn texts(&self) -> (String, String) {
        let text = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
        (text(self.opens), text(self.closes))
    }

    fn has(&self, at: Micros) -> bool {
        let at = Timestamp::from_microsecond(at).unwrap();
        let time = jiff::tz::TimeZone::UTC.to_datetime(at).time();
        if self.opens < self.closes {
            (self.opens..self.closes).contains(&time)
        } else {
            time >= self.opens || time < self.closes
        }
    }

    /// Whether a call at this true instant lay inside by a clock that the server had when it came or
    /// shortly before.
    fn explains(&self, at: Micros, readings: &Readings) -> bool {
        let mut had = readings.between(at - UNSURE, at);
        had.any(|wrong_by| self.has(at + wrong_by * 1_000_000))
    }
}

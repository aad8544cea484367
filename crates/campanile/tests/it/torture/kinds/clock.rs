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
use crate::torture::truth::Micros;
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
    let mut steps = vec![(Micros::MIN, 0)];
    for step in 0..plan.clock_steps {
        scene.keep_busy(40);
        pause(dice.between(500, 1_500));
        let wrong_by = WRONG_BY[step % WRONG_BY.len()];
        clock.set(wrong_by);
        steps.push((scene.desk.truth.now(), wrong_by));
        pause(dice.between(500, 2_500));
        if dice.between(0, 4) == 0 {
            scene.installation.server.kill();
            scene.installation.restart(&launch);
        }
        plan.progress("clock steps", step + 1, plan.clock_steps);
    }
    // Right again: what is in doubt can be looked up.
    clock.set(0);
    steps.push((scene.desk.truth.now(), 0));
    let calls = scene.calls_received_at();
    let outside = calls
        .iter()
        .filter(|at| !window.explains(**at, &steps))
        .count();
    let mut verdict = scene.finish(BOUND);
    if outside > 0 {
        verdict
            .violations
            .push(format!("P3: {outside} calls outside of the window"));
    }
    Done::Judged(plan.clock_steps, verdict)
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

    /// Whether a call at this true instant lay inside by the clock that the server had; for a
    /// moment after a step, by the one that it had before.
    fn explains(&self, at: Micros, steps: &[(Micros, i64)]) -> bool {
        let wrong_by = |at: Micros| {
            let last = steps.iter().rev().find(|(since, _)| *since <= at);
            last.map_or(0, |(_, wrong_by)| *wrong_by)
        };
        let shown = |at: Micros| at + wrong_by(at) * 1_000_000;
        self.has(shown(at)) || self.has(shown(at - UNSURE))
    }
}

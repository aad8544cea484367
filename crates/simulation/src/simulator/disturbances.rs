//! What befalls the process and its surroundings: deaths, freezes, clock steps, outages.

use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use sandbox::Scenario;
use store::{Scope, Store};

use super::{Event, Presence, Simulator, process};
use crate::plan::{ClockChange, later};

/// How long an orderly stop finishes what it began.
const DRAIN: SignedDuration = SignedDuration::from_secs(8);

impl Simulator {
    /// Sets the chance that a commit fails.
    pub(super) fn failing(&self, rate: f64) {
        self.failing_commits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rate = rate;
    }

    /// How many commits failed.
    pub(super) fn failed_commits(&self) -> u64 {
        self.failing_commits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count
    }

    /// Lets the process die after this event, if the dice or the plan say so.
    pub(super) fn maybe_die(&mut self, now: Timestamp, name: &'static str) {
        if self.quiet || self.presence == Presence::Down {
            return;
        }
        let count = self.events_by_name.entry(name).or_default();
        *count += 1;
        let count = *count;
        let crashes = &self.plan.weather.crashes;
        let targeted = crashes.targeted.contains(&(name, count));
        let (rate, orderly) = (crashes.rate, crashes.orderly);
        let again = match &mut self.dies_in {
            Some(0) => {
                self.dies_in = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        let by_chance = rate > 0.0 && self.rng.random_bool(rate);
        if !(targeted || again || by_chance) || self.deaths_left == 0 {
            return;
        }
        self.deaths_left -= 1;
        if again {
            self.note("died_again");
        }
        if self.presence == Presence::Up && orderly > 0.0 && self.rng.random_bool(orderly) {
            self.stop_orderly(now);
        } else {
            self.die(now);
        }
    }

    /// SIGTERM: nothing new begins, what was begun is finished.
    fn stop_orderly(&mut self, now: Timestamp) {
        self.note("orderly_stop");
        self.presence = Presence::Stopping;
        self.process.store.send_board().revoke(&Scope::Everything);
        self.history.stops.push((now, later(now, DRAIN)));
        self.push(later(now, DRAIN), Event::Restart);
    }

    /// SIGKILL: the memory is gone, the file and the world stay.
    pub(super) fn die(&mut self, now: Timestamp) {
        self.note("death");
        self.presence = Presence::Down;
        self.life += 1;
        self.next_tick = None;
        self.frozen_until = now;
        self.queue.retain(|_, (_, event)| !event.is_of_process());
        self.history.deaths.push(now);
        let pause = SignedDuration::from_millis(self.rng.random_range(10..3_000));
        self.push(later(now, pause), Event::Restart);
    }

    /// A fresh process on the old file. The old store must be closed before the new one can take
    /// its lock, so the field holds a store on a scratch file for that instant.
    pub(super) async fn restart(&mut self, now: Timestamp) {
        if self.presence == Presence::Up {
            return;
        }
        self.life += 1;
        self.next_tick = None;
        self.queue.retain(|_, (_, event)| !event.is_of_process());
        self.history.deaths.push(now);
        if let Some(stop) = self.history.stops.last_mut() {
            stop.1 = stop.1.min(now);
        }
        let stand_in = self.path.with_extension("standin");
        for path in [stand_in, self.path.clone()] {
            if path == self.path {
                self.restore_files(now);
            }
            let started = process::start(
                &path,
                &self.clock,
                &self.transport,
                &self.entropy,
                &self.failing_commits,
            );
            match started {
                Ok(process) => drop(std::mem::replace(&mut self.process, process)),
                Err(error) => return self.broken("L6", error),
            }
        }
        self.presence = Presence::Up;
        self.recover(now).await;
    }

    async fn recover(&mut self, now: Timestamp) {
        use domain::ambient::Clock;
        match self.process.store.recover(self.clock.now()).await {
            Ok(unknown) if unknown > 0 => self.note("recovered_unknown"),
            Ok(_) => {}
            Err(error) if error.is_retryable() => {
                // Whoever supervises the process starts it again.
                self.note("failed_start");
                self.presence = Presence::Down;
                return self.push(later(now, SignedDuration::from_secs(1)), Event::Restart);
            }
            Err(error) => return self.broken("L6", error.to_string()),
        }
        for event in [
            Event::Tick,
            Event::ScanChecks,
            Event::Import,
            Event::Erase,
            Event::Hold,
        ] {
            self.push(now, event);
        }
        if self.strikes(self.plan.weather.crashes.again) {
            self.dies_in = Some(self.rng.random_range(0..8));
        }
    }

    pub(super) fn freeze(&mut self, now: Timestamp, long: SignedDuration) {
        if self.presence == Presence::Down {
            return;
        }
        self.note("freeze");
        self.frozen_until = self.frozen_until.max(later(now, long));
        self.history.freezes.push((now, self.frozen_until));
    }

    pub(super) fn change_clock(&mut self, now: Timestamp, change: ClockChange) {
        let before = self.clock.ahead_micros();
        match change {
            ClockChange::Step(by_ms) => {
                self.note(if by_ms > 0 {
                    "clock_forward"
                } else {
                    "clock_back"
                });
                self.clock.step(by_ms * 1_000);
            }
            ClockChange::Drift(ppm) => {
                self.note("clock_drift");
                self.clock.set_drift(ppm);
            }
            ClockChange::Correct => self.clock.correct(),
        }
        let ahead = self.clock.ahead_micros();
        self.history.clock.push((now, ahead));
        if self.presence == Presence::Up {
            self.history.clock_steps.push((now, ahead - before));
        }
    }

    /// A drifting clock is where it is only for a while.
    pub(super) fn sample_clock(&mut self, now: Timestamp) {
        let ahead = self.clock.ahead_micros();
        let last = self.history.clock.last().map_or(0, |(_, ahead)| *ahead);
        if ahead.abs_diff(last) > 2_000 {
            self.history.clock.push((now, ahead));
        }
    }

    /// The provider goes down until `until`, or (`None`) is there again.
    pub(super) fn outage(&mut self, now: Timestamp, until: Option<Timestamp>) {
        let down = until.is_some();
        if let Some(until) = until {
            self.note("outage");
            self.push(until.max(now), Event::Outage(None));
            if self.rng.random_bool(0.4) {
                self.transport.set_unreachable(true);
                return;
            }
        }
        self.transport.set_unreachable(false);
        let mut world = self.world();
        let mut scenario = world.scenario().clone();
        scenario.faults.down = if down { 1.0 } else { 0.0 };
        world.set_scenario(scenario);
    }

    /// From now on nothing goes wrong any more: everything must come to its end.
    pub(super) fn calm_down(&mut self, now: Timestamp) {
        self.quiet = true;
        self.failing(0.0);
        self.transport.read_truly();
        self.transport.set_unreachable(false);
        self.change_clock(now, ClockChange::Correct);
        let mut world = self.world();
        let calm = Scenario {
            faults: sandbox::Faults::default(),
            concurrency: 50,
            calls_per_second: 100.0,
            ..world.scenario().clone()
        };
        world.set_scenario(calm);
    }
}

//! The loops of the dialer, step by step: what `dialer::run` does with tasks and timers.

use std::time::Duration;

use dialer::{Moment, Ready};
use domain::ambient::Clock;
use domain::attempt::Fact;
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use store::{AttemptFact, Check, CheckRoom, Dispatch, SendPermit, Store};

use super::{Event, Presence, Simulator};
use crate::history::Reserved;
use crate::plan::later;

/// Leads of bulk additions in one transaction; few, so that a death can come between.
const IMPORT_STEP: u32 = 7;
/// Look-ups that are claimed at once.
const MAX_CHECKS: u32 = 64;

impl Simulator {
    pub(super) async fn tick(&mut self, now: Timestamp) {
        if self.next_tick.is_some_and(|planned| planned > now) {
            return; // An earlier wake-up replaced this one, or it was planned twice.
        }
        self.next_tick = None;
        if self.presence == Presence::Stopping {
            return;
        }
        let (ticked, planned) = match self.process.core.tick().await {
            Ok(done) => done,
            Err(error) if error.is_retryable() => {
                self.schedule_tick(later(now, SignedDuration::from_millis(500)));
                return;
            }
            Err(error) => return self.broken("STORE", error.to_string()),
        };
        if let Some(at) = ticked.next_wake_at {
            // The loop looks at least once a second, whatever it was told.
            let wait = at.duration_since(self.clock.now());
            let wait = wait.clamp(SignedDuration::from_millis(1), SignedDuration::from_secs(1));
            let far = at.duration_since(self.clock.now()) > SignedDuration::from_secs(1);
            // Jumping over idle hours is what makes simulated weeks cheap; the scan itself is
            // kept by looking once a minute.
            let wait = if far {
                at.duration_since(self.clock.now())
                    .min(SignedDuration::from_secs(60))
            } else {
                wait
            };
            self.schedule_tick(later(now, wait));
        }
        if ticked.dispatches.is_empty() {
            return;
        }
        for dispatch in &ticked.dispatches {
            self.reserved(now, dispatch);
        }
        let commit = if self.strikes(self.plan.weather.slowness) {
            self.note("slow_commit");
            self.rng.random_range(0..4_000)
        } else {
            self.rng.random_range(0..10)
        };
        self.push(
            later(now, SignedDuration::from_millis(commit)),
            Event::Prepare(ticked.dispatches, planned),
        );
    }

    fn reserved(&mut self, now: Timestamp, dispatch: &Dispatch) {
        let campaigns = &self.history.campaigns;
        let Some(campaign) = campaigns
            .iter()
            .position(|made| made.id == dispatch.campaign_id)
        else {
            return self.broken("P10", "a call of no campaign was reserved".to_owned());
        };
        let reserved = Reserved {
            at: now,
            campaign,
            phone: dispatch.phone.clone(),
        };
        let key = dispatch.attempt_key.clone();
        if self.history.reserved.insert(key, reserved).is_some() {
            self.broken("P1", "an attempt key was used twice".to_owned());
        }
        self.reservations += 1;
        self.ambush(now, campaign, &dispatch.phone);
    }

    pub(super) fn strikes(&mut self, rate: f64) -> bool {
        !self.quiet && rate > 0.0 && self.rng.random_bool(rate)
    }

    pub(super) async fn prepare(
        &mut self,
        now: Timestamp,
        dispatches: Vec<Dispatch>,
        planned: Moment,
    ) {
        for ready in self.process.core.prepare(dispatches, planned).await {
            let wait = ready.dispatch.send_at.duration_since(self.clock.now());
            let late = if self.strikes(self.plan.weather.slowness) {
                self.rng.random_range(0..4_000)
            } else {
                self.rng.random_range(0..10)
            };
            let wait = wait.max(SignedDuration::ZERO) + SignedDuration::from_millis(late);
            self.push(later(now, wait), Event::Pace(Box::new(ready)));
        }
    }

    pub(super) fn pace(&mut self, now: Timestamp, ready: Box<Ready>) {
        let apart = self.process.core.pace(&ready);
        self.push(plus(now, apart), Event::Send(ready));
    }

    pub(super) async fn send(&mut self, now: Timestamp, ready: &Ready) {
        let (facts, permit) = self.process.core.send(ready).await;
        let took = if permit.is_some() {
            self.transport.last_took()
        } else {
            Duration::ZERO
        };
        for fact in &facts {
            match fact.fact {
                Fact::NeverSent if fact.line_fault.is_none() => self.note("released"),
                Fact::NeverSent => self.note("unreachable"),
                Fact::AnswerLost => self.note("answer_lost"),
                Fact::Refused(domain::attempt::Refusal::Capacity) => self.note("over_capacity"),
                Fact::Refused(domain::attempt::Refusal::RateLimited { .. }) => {
                    self.note("rate_limited");
                }
                Fact::Refused(domain::attempt::Refusal::Credentials) => self.note("key_refused"),
                _ => {}
            }
        }
        let network = SignedDuration::from_millis(self.rng.random_range(1..200));
        self.push(
            later(plus(now, took), network),
            Event::Record(facts, permit),
        );
    }

    pub(super) async fn record(
        &mut self,
        now: Timestamp,
        facts: Vec<AttemptFact>,
        permit: Option<SendPermit>,
    ) {
        match self.process.core.record(facts.clone()).await {
            Ok(()) => drop(permit),
            Err(error) if error.is_retryable() => {
                let again = later(now, SignedDuration::from_millis(250));
                self.push(again, Event::Record(facts, permit));
            }
            Err(error) => self.broken("STORE", error.to_string()),
        }
    }

    pub(super) async fn scan_checks(&mut self, now: Timestamp) {
        if self.presence == Presence::Stopping {
            return;
        }
        match self
            .process
            .core
            .due_checks(CheckRoom::of(MAX_CHECKS))
            .await
        {
            Ok(checks) => {
                for check in checks {
                    self.push(now, Event::LookUp(check));
                }
            }
            Err(error) if error.is_retryable() => {}
            Err(error) => self.broken("STORE", error.to_string()),
        }
        let next = self.process.store.next_check_at().await.ok().flatten();
        let wait = next.map(|at| at.duration_since(self.clock.now()));
        let wait = wait.unwrap_or(SignedDuration::from_secs(30)).clamp(
            SignedDuration::from_millis(500),
            SignedDuration::from_secs(30),
        );
        self.push(later(now, wait), Event::ScanChecks);
    }

    pub(super) async fn look_up(&mut self, now: Timestamp, check: &Check) {
        self.note("look_up");
        let facts = self.process.core.look_up(check).await;
        let took = self.transport.last_took();
        self.push(plus(now, took), Event::Record(facts, None));
    }

    /// Whether any bulk addition is unfinished.
    async fn imports_wait(&self) -> bool {
        for (campaign, import_id) in &self.imports {
            if self.history.is_deleted(*campaign) {
                continue;
            }
            let tenant_id = self.tenants[self.history.campaigns[*campaign].tenant];
            let import = self.process.store.get_import(tenant_id, *import_id).await;
            if !import.is_ok_and(|import| import.finished_at.is_some()) {
                return true;
            }
        }
        false
    }

    pub(super) async fn import(&mut self, now: Timestamp) {
        if self.presence == Presence::Stopping {
            return;
        }
        let done = self
            .process
            .store
            .run_imports(self.clock.now(), IMPORT_STEP)
            .await;
        let pause = match done {
            Ok(true) => {
                self.note("import_step");
                SignedDuration::from_millis(50)
            }
            // Held back by a full disk: the loop asks again.
            Ok(false) if self.imports_wait().await => SignedDuration::from_secs(1),
            Ok(false) => {
                self.copying.clear();
                return self.history.queued_is_done(now);
            }
            Err(error) if error.is_retryable() => SignedDuration::from_secs(1),
            Err(error) => return self.broken("STORE", error.to_string()),
        };
        self.push(later(now, pause), Event::Import);
    }
}

fn plus(at: Timestamp, pause: Duration) -> Timestamp {
    later(at, SignedDuration::try_from(pause).unwrap_or_default())
}

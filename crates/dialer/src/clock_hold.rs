//! Hold while the clock cannot be trusted: begins with a step, or with a start at which no provider
//! agrees with it, and ends when the clock is back, when the providers' clocks agree with it, or
//! when the operator says so.
//!
//! No call is sent by a clock that nobody was asked about: if no provider answered when the process
//! started, the first calls are preceded by a question. Otherwise a call that was sent by a wrong clock, and
//! whose answer was lost, is looked for in the wrong hours once the clock is right, and not found.
//!
//! Several processes may share a database, and each has a clock of its own. A hold that is gone
//! makes a clock that was set no better, unless the operator ended it: another process, whose clock
//! is right, may have done so for itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lines::OpenLine;
use store::{HoldReason, HoldStatus, PageRequest, StoreResult};
use tokio::sync::OnceCell;

use crate::clock_watch::{ClockState, ClockWatch};
use crate::core::Core;
use crate::trial::Failed;

/// Readings of both clocks that took longer belong to no common instant: the process was stopped
/// between them.
const READING_LIMIT: Duration = Duration::from_secs(1);
/// So close to what the database remembers, the clock has caught up.
const CAUGHT_UP_WITHIN: SignedDuration = SignedDuration::from_secs(2);
/// Most providers that are asked for the time.
const MAX_ASKED: usize = 8;
/// Objects read at once.
const PAGE: u32 = 200;

/// What this process knows of its clock.
#[derive(Debug, Default)]
pub(crate) struct ClockGuard {
    watched: Mutex<Watched>,
    /// What providers say of the clock is known, and has put the installation on hold if it must.
    compared: OnceCell<()>,
}

#[derive(Debug, Default)]
struct Watched {
    watch: ClockWatch,
    /// This process has put the installation on hold for it, when so many holds had been released
    /// by the operator.
    held: Option<u64>,
    /// Why it must do so, as long as it is not durable.
    must_hold: Option<String>,
    /// Providers that were heard to agree with it, and not to.
    agreeing: u32,
    /// See `agreeing`.
    differing: u32,
}

impl ClockGuard {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Looks at the clock, and puts the installation on hold when it was set, or ends that hold
    /// when it is back. Until that is durable the error keeps the caller from dialing.
    pub async fn watch_clock(&self) -> StoreResult<()> {
        let readings = domain::planted!("clock_step_ignored", self.readings(), None);
        let Some((now, uptime)) = readings else {
            return Ok(());
        };
        self.hold_as_it_must(now).await?;
        let (state, held) = {
            let mut watched = self.guard_of_clock.lock();
            (watched.watch.look(now, uptime), watched.held)
        };
        match (state, held) {
            (ClockState::Stepped(by), None) => self.hold_for_step(now, by).await,
            (ClockState::Stepped(by), Some(released)) => {
                let status = self.parts().store.hold_status().await?;
                if status.by(HoldReason::ClockStep).is_some() {
                    return Ok(());
                }
                if status.released > released {
                    // The operator has ended it: the clock is right as it is.
                    self.accept_the_clock();
                    return Ok(());
                }
                self.hold_for_step(now, by).await
            }
            (ClockState::Steady, Some(_)) => {
                let store = &self.parts().store;
                store.lift_hold(now, HoldReason::ClockStep).await?;
                self.guard_of_clock.lock().held = None;
                Ok(())
            }
            (ClockState::Steady, None) => Ok(()),
        }
    }

    async fn hold_for_step(&self, now: Timestamp, by: SignedDuration) -> StoreResult<()> {
        let store = &self.parts().store;
        let detail = format!("the clock was set by {by:#} while the server ran; it says {now:.0}");
        store.hold(now, HoldReason::ClockStep, detail).await?;
        // If the operator is faster than this, it holds once more.
        let released = store.hold_status().await?.released;
        self.guard_of_clock.lock().held = Some(released);
        Ok(())
    }

    fn accept_the_clock(&self) {
        let mut watched = self.guard_of_clock.lock();
        watched.watch.accept();
        watched.held = None;
    }

    /// Makes durable what could not be so far.
    async fn hold_as_it_must(&self, now: Timestamp) -> StoreResult<()> {
        let detail = self.guard_of_clock.lock().must_hold.clone();
        if let Some(detail) = detail {
            let store = &self.parts().store;
            store.hold(now, HoldReason::ClockStep, detail).await?;
            self.guard_of_clock.lock().must_hold = None;
        }
        Ok(())
    }

    /// Takes note of what an answer says of the clock.
    pub(crate) fn hear_the_time(&self, answer: &providers::ProviderAnswer) {
        let mut watched = self.guard_of_clock.lock();
        match self.clocks_agree(answer) {
            Some(true) => {
                watched.agreeing += 1;
                // Fails if it is known already, or a call is finding it out.
                self.guard_of_clock.compared.set(()).ok();
            }
            Some(false) => watched.differing += 1,
            None => {}
        }
    }

    /// Asks the provider of a call that is about to be sent for the time, if none has told it to this
    /// process yet; other calls wait for the answer. One that answers and does not tell it is not asked
    /// again; one that answers with a failure of its own tells it as well. An error says why the call must
    /// not be sent.
    pub(crate) async fn compare_clocks(
        &self,
        line: &OpenLine,
        deadline: Duration,
    ) -> Result<(), Failed> {
        let not_now = |reason: String| Failed {
            line_fault: None,
            reason,
        };
        let ask = async || {
            if self.parts().clock.monotonic() >= deadline {
                return Err(not_now("nobody has told the time yet".to_owned()));
            }
            let answer = self.ask_provider(line).await?;
            self.hear_the_time(&answer);
            let held = self.hold_if_none_agrees().await;
            held.map_err(|error| not_now(error.to_string()))
        };
        self.guard_of_clock.compared.get_or_try_init(ask).await?;
        Ok(())
    }

    /// Puts the installation on hold if providers told the time and none agreed with the clock: a
    /// process that starts on a wrong clock has seen no step. One that agrees is enough to go on,
    /// since one that does not may have been made up by a user. Until that is durable,
    /// [`Self::watch_clock`] keeps the caller from dialing.
    pub(crate) async fn hold_if_none_agrees(&self) -> StoreResult<()> {
        let (agreeing, differing) = {
            let watched = self.guard_of_clock.lock();
            (watched.agreeing, watched.differing)
        };
        if agreeing > 0 || differing == 0 {
            return Ok(());
        }
        let now = self.parts().clock.now();
        let detail = format!(
            "the server started while the clock said {now:.0}, and the clock of no voice provider that was asked agrees with it"
        );
        self.guard_of_clock.lock().must_hold = Some(detail);
        self.hold_as_it_must(now).await?;
        // Whoever ends that hold vouches for the clock. Fails if a call is finding it out.
        self.guard_of_clock.compared.set(()).ok();
        Ok(())
    }

    /// Both clocks at one instant.
    fn readings(&self) -> Option<(Timestamp, Duration)> {
        let clock = &self.parts().clock;
        for _ in 0..3 {
            let before = clock.uptime()?;
            let now = clock.now();
            let after = clock.uptime()?;
            if after.saturating_sub(before) < READING_LIMIT {
                return Some((now, after));
            }
        }
        None
    }

    /// Ends a hold for the clock that has lost its reason, as far as this machine can tell.
    pub async fn tend_clock(&self, status: &HoldStatus) -> StoreResult<()> {
        let now = self.parts().clock.now();
        let behind = status.by(HoldReason::ClockBehind);
        if let Some(ends_at) = behind.and_then(|hold| hold.ends_at)
            && ends_at.duration_since(now) <= CAUGHT_UP_WITHIN
        {
            let store = &self.parts().store;
            store.lift_hold(now, HoldReason::ClockBehind).await?;
        }
        Ok(())
    }

    /// Asks providers for the time, and ends holds for the clock if all that tell it agree with
    /// it. One that does not agree is enough to stay on hold: a user may have made it up, and that
    /// must not make others' calls.
    pub async fn ask_the_time(&self) -> StoreResult<bool> {
        let mut agreed = false;
        for line in self.some_lines().await? {
            let request = line.adapter().verify_credentials(&line.access);
            let Ok(answer) = self.try_exchange(request).await else {
                continue;
            };
            match self.clocks_agree(&answer) {
                Some(true) => agreed = true,
                Some(false) => return Ok(false),
                None => {}
            }
        }
        if agreed {
            self.accept_the_clock();
            let (store, now) = (&self.parts().store, self.parts().clock.now());
            store.lift_hold(now, HoldReason::ClockStep).await?;
            store.lift_hold(now, HoldReason::ClockBehind).await?;
        }
        Ok(agreed)
    }

    /// Lines at different addresses.
    async fn some_lines(&self) -> StoreResult<Vec<Arc<OpenLine>>> {
        let store = &self.parts().store;
        let first = |before| PageRequest {
            limit: PAGE,
            before,
        };
        let (mut lines, mut addresses) = (Vec::new(), HashSet::new());
        let mut before = None;
        loop {
            let tenants = store.list_tenants(first(before)).await?;
            for tenant in &tenants.items {
                let page = store.list_lines(tenant.tenant_id, first(None)).await?;
                for record in page.items {
                    if lines.len() >= MAX_ASKED {
                        return Ok(lines);
                    }
                    let Ok(line) = self.open_line(record.line_id).await else {
                        continue;
                    };
                    if addresses.insert(line.access.base_url.clone()) {
                        lines.push(line);
                    }
                }
            }
            before = tenants.next;
            if before.is_none() {
                return Ok(lines);
            }
        }
    }
}

//! The course of a call: it rings, is answered, ends, and is reported, and each step may send a
//! callback.

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Call, CallStatus, Callback, World};
use crate::{
    dice::{Dice, uuid_text},
    time,
    vapi::render::{self, Message},
};

/// Scenario seconds from the end of a call to the vendor's report with transcript and cost.
const REPORT_SECONDS: f64 = 0.5;
/// How long after the callback that overtook it a held-back one is sent.
const REORDER_GAP: Duration = Duration::from_millis(50);
/// How long after the first copy the second copy of a doubled callback is sent, at most.
const DUPLICATE_GAP_SECONDS: f64 = 2.0;

/// What happens to a call by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A scheduled call's time has come.
    Dial,
    /// The phone begins to ring.
    Ring,
    /// Somebody takes the call.
    Answer,
    /// The call ends as planned.
    End,
    /// The report goes out.
    Report,
}

impl World {
    /// Plans a call's next step. A call has at most one.
    pub(super) fn plan_step(&mut self, at: Timestamp, number: u64, step: Step) {
        let key = (at, self.next_step);
        self.next_step += 1;
        self.agenda.insert(key, (number, step));
        if let Some(call) = self.calls.get_mut(number) {
            call.next_step = Some(key);
        }
    }

    pub(super) fn take_step(&mut self, at: Timestamp, number: u64, step: Step) {
        let Some(call) = self.calls.get_mut(number) else {
            return;
        };
        call.next_step = None;
        let plan = call.plan.clone();
        match step {
            Step::Dial => {
                call.status = CallStatus::Queued;
                call.updated_at = at;
                self.plan_dialling(at, number);
            }
            Step::Ring => {
                self.begin_ringing(at, number);
                let rung = time::later(at, self.scaled(plan.ring_seconds.unwrap_or(0.0)));
                let next = if plan.talk_seconds.is_some() {
                    Step::Answer
                } else {
                    Step::End
                };
                self.plan_step(rung, number, next);
            }
            Step::Answer => {
                call.status = CallStatus::InProgress;
                call.updated_at = at;
                call.started_at = Some(at);
                self.emit(at, number, Message::Status);
                let talked = time::later(at, self.scaled(plan.talk_seconds.unwrap_or(0.0)));
                self.plan_step(talked, number, Step::End);
            }
            Step::End => {
                let outcome = match plan.outcome {
                    crate::PhoneOutcome::EndedReason(reason) => Cow::Owned(reason),
                    named => Cow::Owned(named.name().to_owned()),
                };
                self.end_call(at, number, plan.ended_reason, outcome);
            }
            Step::Report => self.report(at, number),
        }
    }

    /// Plans what follows when a call leaves the vendor's queue.
    pub(super) fn plan_dialling(&mut self, at: Timestamp, number: u64) {
        let Some(call) = self.calls.get(number) else {
            return;
        };
        let first = if call.plan.ring_seconds.is_some() {
            Step::Ring
        } else {
            Step::End
        };
        let dialled = time::later(at, self.scaled(call.plan.queue_seconds));
        self.plan_step(dialled, number, first);
    }

    fn begin_ringing(&mut self, at: Timestamp, number: u64) {
        let Some(call) = self.calls.get_mut(number) else {
            return;
        };
        call.status = CallStatus::Ringing;
        call.updated_at = at;
        if let Some(ring) = call.ring.and_then(|ring| self.rings.get_mut(ring)) {
            ring.rang_at = Some(at);
        }
        self.emit(at, number, Message::Status);
    }

    /// Ends a call that has not ended: now, for this reason, with this outcome in the ring log.
    pub(super) fn end_call(
        &mut self,
        at: Timestamp,
        number: u64,
        reason: Cow<'static, str>,
        outcome: Cow<'static, str>,
    ) {
        let Some(call) = self.calls.get_mut(number) else {
            return;
        };
        if let Some(planned) = call.next_step.take() {
            self.agenda.remove(&planned);
        }
        let was_answered = call.status == CallStatus::InProgress;
        call.status = CallStatus::Ended;
        call.updated_at = at;
        call.ended_at = Some(at);
        call.ended_reason = Some(reason);
        if let Some(ring) = call.ring.and_then(|ring| self.rings.get_mut(ring)) {
            ring.ended_at = Some(at);
            ring.outcome = Some(outcome);
        }
        self.live_calls = self.live_calls.saturating_sub(1);
        if let Some(account) = self.accounts.get_mut(&call.account) {
            account.live_calls = account.live_calls.saturating_sub(1);
        }
        if was_answered {
            self.emit(at, number, Message::Hang);
        }
        self.emit(at, number, Message::Status);
        let reported = time::later(at, self.scaled(REPORT_SECONDS));
        self.plan_step(reported, number, Step::Report);
    }

    fn report(&mut self, at: Timestamp, number: u64) {
        let Some(call) = self.calls.get_mut(number) else {
            return;
        };
        call.is_reported = true;
        call.updated_at = at;
        self.emit(at, number, Message::Report);
        // Nothing follows that could overtake it any more.
        if let Some(held) = self
            .calls
            .get_mut(number)
            .and_then(|call| call.held_back.take())
        {
            self.send_later(held, at, REORDER_GAP);
        }
    }

    /// Makes a callback about the call as it stands at `at`, if its caller wants one, and lets the
    /// faults at it.
    fn emit(&mut self, at: Timestamp, number: u64, message: Message) {
        let (seed, epoch) = (self.options.seed, self.epoch);
        let faults = self.options.scenario.faults.clone();
        let Some(call) = self.calls.get_mut(number) else {
            return;
        };
        let is_wanted = !call.is_deleted
            && match message {
                Message::Status => call.wants.status_update,
                Message::Hang => call.wants.hang,
                Message::Report => call.wants.end_of_call_report,
            };
        let Some(target) = call.target.clone().filter(|_| is_wanted) else {
            return;
        };
        let mut dice = Dice::new(seed, "callback", &uuid_text(call.id), call.callbacks);
        call.callbacks += 1;
        let is_lost = dice.strikes(faults.webhook_loss);
        let is_doubled = dice.strikes(faults.webhook_duplicate);
        let is_held_back = dice.strikes(faults.webhook_reorder) && message != Message::Report;
        let delay = time::seconds(faults.webhook_delay_seconds.at(dice.unit()));
        let double_gap = time::seconds(DUPLICATE_GAP_SECONDS * dice.unit());

        let overtaken = call.held_back.take();
        if !is_lost {
            let body = render::message(call, message, at);
            let target = Arc::clone(&target);
            let callback = Callback {
                call: number,
                at: time::later(at, delay),
                attempt: 0,
                target,
                body,
                epoch,
            };
            if is_doubled {
                let copy = callback.clone();
                self.send_later(copy, callback.at, double_gap);
            }
            if is_held_back {
                self.hold_back(number, callback);
            } else {
                self.outbox.push(callback);
            }
        }
        if let Some(held) = overtaken {
            self.send_later(held, time::later(at, delay), REORDER_GAP);
        }
    }

    fn hold_back(&mut self, number: u64, callback: Callback) {
        if let Some(call) = self.calls.get_mut(number) {
            call.held_back = Some(callback);
        }
    }

    fn send_later(&mut self, callback: Callback, at: Timestamp, gap: Duration) {
        self.outbox.push(Callback {
            at: time::later(at, gap),
            ..callback
        });
    }

    /// Whether the call exists for this account and was not deleted.
    pub(super) fn find_call(&self, account: Option<&str>, id: &str) -> Option<&Call> {
        let number = self.calls.number_of(crate::dice::uuid_bits(id)?)?;
        let call = self.calls.get(number)?;
        let is_own = account.is_none_or(|account| *call.account == *account);
        (is_own && !call.is_deleted).then_some(call)
    }
}

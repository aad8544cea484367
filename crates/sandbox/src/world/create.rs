//! `POST /call`: limits, faults, and the making of a call.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Call, CallStatus, CallbackTarget, MAX_PHONES, ResourceKind, Ring, Visit, Wants, World, clip,
    life::Step,
};
use crate::{
    dice::Dice,
    phone::{is_e164, plan_call},
    scenario::{ConcurrencyRefusal, Faults},
    time,
    vapi::{
        errors,
        render::{self, SubscriptionLimits},
        settings,
        validate::{self, CallOrder},
    },
    wire::{Answer, Reply},
};

/// How long a swallowed request's connection is held open.
const WITHHELD_HOLD: Duration = Duration::from_secs(120);
/// How long an answer waits at most for the callback that is to come first.
const CALLBACK_FIRST_LIMIT: Duration = Duration::from_secs(1);

/// The faults that strike one create request.
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag for each fault, drawn independently"
)]
#[derive(Clone, Copy, Debug)]
struct Struck {
    timeout: bool,
    timeout_after_accept: bool,
    internal: bool,
    internal_after_accept: bool,
    rate_limit: bool,
    garbage: bool,
    callback_first: bool,
    delay: Duration,
}

impl Struck {
    fn draw(seed: u64, faults: &Faults, phone: &str, index: u64) -> Self {
        // One stream for each fault: turning one on must not move where another strikes.
        let strikes = |name: &str, rate: f64| Dice::new(seed, name, phone, index).strikes(rate);
        let delay = Dice::new(seed, "create_delay_seconds", phone, index).unit();
        Self {
            timeout: strikes("create_timeout", faults.create_timeout),
            timeout_after_accept: strikes(
                "create_timeout_after_accept",
                faults.create_timeout_after_accept,
            ),
            internal: strikes("create_500", faults.create_500),
            internal_after_accept: strikes(
                "create_500_after_accept",
                faults.create_500_after_accept,
            ),
            rate_limit: strikes("create_429", faults.create_429),
            garbage: strikes("create_garbage", faults.create_garbage),
            callback_first: strikes("webhook_before_response", faults.webhook_before_response),
            delay: time::seconds(faults.create_delay_seconds.at(delay)),
        }
    }
}

/// An order whose saved objects exist, with what follows from their settings.
struct Checked {
    order: CallOrder,
    target: Option<Arc<CallbackTarget>>,
    wants: Wants,
}

impl World {
    /// `POST /call`. The order of checks: outage, key, credit, faults without a call, pace, form,
    /// concurrency; then the call is made, and faults may spoil the answer.
    pub(super) fn create_call(&mut self, visit: &mut Visit<'_>) -> Reply {
        let document: Value = serde_json::from_slice(&visit.request.body).unwrap_or_default();
        let nothing = Map::new();
        let body = document.as_object().unwrap_or(&nothing);
        let phone = validate::wanted_phone(body)
            .filter(|number| is_e164(number))
            .unwrap_or("");
        visit.record.attempt_key = validate::attempt_key(body).map(|key| Box::from(clip(key, 200)));
        let Some(index) = self.count_request(visit, phone) else {
            return Reply::now(errors::full("phones"));
        };
        if let Some(reply) = self.strike_down(visit, phone, Some(index)) {
            return reply;
        }
        if let Err(answer) = self.enter(&visit.account) {
            return Reply::now(answer);
        }
        let key = if phone.is_empty() {
            &*visit.account
        } else {
            phone
        };
        let struck = Struck::draw(self.options.seed, &self.options.scenario.faults, key, index);
        let mut reply = if document.is_object() {
            self.answer_create(visit, body, struck)
        } else {
            Reply::now(errors::bad_request(
                "the request body must be a JSON object",
            ))
        };
        if reply.status().is_some() && !struck.delay.is_zero() {
            // By then the callback that was to come first has come.
            reply.after = reply.after.max(struck.delay);
            reply.after_callback_of = None;
        }
        reply
    }

    fn answer_create(
        &mut self,
        visit: &mut Visit<'_>,
        body: &Map<String, Value>,
        struck: Struck,
    ) -> Reply {
        if visit.account.starts_with("broke") {
            return Reply::now(errors::payment_required());
        }
        if struck.timeout {
            visit.record.fault = Some("create_timeout");
            return Reply::withheld(WITHHELD_HOLD);
        }
        if struck.internal {
            visit.record.fault = Some("create_500");
            return Reply::now(errors::internal());
        }
        if struck.rate_limit {
            visit.record.fault = Some("create_429");
            return Reply::now(errors::rate_limited());
        }
        if !self.is_within_pace(&visit.account) {
            visit.record.fault = Some("calls_per_second");
            return Reply::now(errors::rate_limited());
        }
        let checked = match self.check_order(&visit.account, body) {
            Ok(checked) => checked,
            Err(answer) => return Reply::now(answer),
        };
        if self.calls.is_full() {
            return Reply::now(errors::full("calls"));
        }
        let limit = self.options.scenario.concurrency;
        let live = self
            .accounts
            .get(&visit.account)
            .map_or(0, |account| account.live_calls);
        if live < limit {
            self.make_call(visit, checked, struck)
        } else {
            visit.record.fault = Some("concurrency");
            match self.options.scenario.concurrency_refusal {
                ConcurrencyRefusal::BadRequest => Reply::now(errors::over_concurrency(400)),
                ConcurrencyRefusal::TooManyRequests => Reply::now(errors::over_concurrency(429)),
                ConcurrencyRefusal::Blocked => self.make_blocked_call(visit, checked),
            }
        }
    }

    /// Counts a create request for a phone and returns its index; `None` when no further phone can
    /// be remembered.
    fn count_request(&mut self, visit: &Visit<'_>, phone: &str) -> Option<u64> {
        if phone.is_empty() {
            return Some(self.next_draw(&visit.account));
        }
        if !self.phones.contains_key(phone) {
            if self.phones.len() >= MAX_PHONES {
                return None;
            }
            self.phones
                .insert(Arc::from(phone), super::PhoneCounters::default());
        }
        let counters = self.phones.get_mut(phone)?;
        counters.requests += 1;
        Some(counters.requests - 1)
    }

    fn is_within_pace(&mut self, account: &str) -> bool {
        let (now, pace) = (self.now, self.options.scenario.calls_per_second);
        self.accounts
            .get_mut(account)
            .is_some_and(|account| account.take_create(now, pace))
    }

    fn check_order(&self, account: &str, body: &Map<String, Value>) -> Result<Checked, Answer> {
        if body.contains_key("customers") {
            let message = "batch calls are not simulated; customers must be omitted";
            return Err(errors::bad_request(message));
        }
        let order = validate::call_order(body).map_err(|problems| errors::invalid(&problems))?;
        let saved_objects = self.accounts.get(account);
        let find = |kind, id: &str| saved_objects.and_then(|account| account.find(kind, id));
        let saved = match &order.saved {
            None => None,
            Some((kind, id)) => Some(find(*kind, id).ok_or_else(|| unknown_saved(*kind, id))?),
        };
        let number = match &order.phone_number_id {
            None => None,
            Some(id) => {
                let kind = ResourceKind::PhoneNumber;
                Some(find(kind, id).ok_or_else(|| unknown_saved(kind, id))?)
            }
        };
        // The vendor's precedence: the call's own settings, the assistant's, the number's.
        let sources: Vec<_> = [
            validate::overrides(body),
            validate::transient(body),
            saved,
            number,
        ]
        .into_iter()
        .flatten()
        .collect();
        let target = settings::callback_target(&sources).map(Arc::new);
        let wants = settings::wants(&sources);
        Ok(Checked {
            order,
            target,
            wants,
        })
    }

    /// Makes the call, then answers as the faults allow.
    fn make_call(&mut self, visit: &mut Visit<'_>, checked: Checked, struck: Struck) -> Reply {
        let earliest_at = checked.order.earliest_at.filter(|&at| at > self.now);
        let is_callback_first =
            struck.callback_first && checked.target.is_some() && checked.wants.status_update;
        let number = self.place(visit, checked, true);
        if is_callback_first && let Some(call) = self.calls.get_mut(number) {
            call.plan.queue_seconds = 0.0;
        }
        match earliest_at {
            Some(at) => {
                if let Some(call) = self.calls.get_mut(number) {
                    call.status = CallStatus::Scheduled;
                }
                self.plan_step(at, number, Step::Dial);
            }
            None => self.plan_dialling(self.now, number),
        }
        let answer = self.answer_with_call(number, false);
        if struck.timeout_after_accept {
            visit.record.fault = Some("create_timeout_after_accept");
            return Reply::withheld(WITHHELD_HOLD);
        }
        if struck.internal_after_accept {
            visit.record.fault = Some("create_500_after_accept");
            return Reply::now(errors::internal());
        }
        if struck.garbage {
            visit.record.fault = Some("create_garbage");
            return Reply::now(self.garble(answer, number));
        }
        let mut reply = Reply::now(answer);
        if is_callback_first {
            visit.record.fault = Some("webhook_before_response");
            reply.after = CALLBACK_FIRST_LIMIT;
            reply.after_callback_of = Some(number);
        }
        reply
    }

    /// Makes a call that the concurrency limit ends before anything rings.
    fn make_blocked_call(&mut self, visit: &mut Visit<'_>, checked: Checked) -> Reply {
        let number = self.place(visit, checked, false);
        let answer = self.answer_with_call(number, true);
        let reason = Cow::Borrowed("call.start.error-subscription-concurrency-limit-reached");
        self.end_call(self.now, number, reason.clone(), reason);
        Reply::now(answer)
    }

    /// Enters a call into the books; `is_rung` says whether it gets a line in the ring log.
    fn place(&mut self, visit: &mut Visit<'_>, checked: Checked, is_rung: bool) -> u64 {
        let Checked {
            order,
            target,
            wants,
        } = checked;
        let seed = self.options.seed;
        let phone: Arc<str> = Arc::from(&*order.phone);
        let (id, call_index) = self.count_call(&phone, is_rung);
        visit.record.provider_call = Some(id);
        let ring = is_rung.then(|| self.enter_ring(visit, &order, &phone, id));
        let number = self.calls.next_number();
        let org_id = self.enter_live_call(&visit.account, number);
        let created_at = time::to_millisecond(self.now);
        let lag = Dice::new(seed, "list_lag_seconds", &phone, call_index).unit();
        let lag = self.options.scenario.faults.list_lag_seconds.at(lag);
        let call = Call {
            number,
            id,
            account: Arc::clone(&visit.account),
            org_id,
            ring,
            name: order.name,
            echo: order.echo,
            customer: order.customer,
            assistant_id: order.saved.map(|(_, id)| id),
            phone_number_id: order.phone_number_id,
            plan: plan_call(seed, &self.options.scenario, &phone, call_index),
            status: CallStatus::Queued,
            created_at,
            updated_at: created_at,
            started_at: None,
            ended_at: None,
            ended_reason: None,
            listed_at: time::later(self.now, time::seconds(lag)),
            is_reported: false,
            is_deleted: false,
            origin: self.origin(visit.request),
            target,
            wants,
            next_step: None,
            callbacks: 0,
            held_back: None,
            reads: 0,
            time_scale: self.options.time_scale,
        };
        self.calls.push(call);
        number
    }

    /// Counts a call to a phone; returns the call's id and which of the phone's calls it is.
    fn count_call(&mut self, phone: &Arc<str>, is_rung: bool) -> (u128, u64) {
        let counters = self.phones.entry(Arc::clone(phone)).or_default();
        let call_index = counters.calls;
        // Blocked calls do not use up one of the phone's scripted outcomes.
        counters.calls += u64::from(is_rung);
        counters.placed += 1;
        let id = Dice::new(self.options.seed, "call id", phone, counters.placed).uuid();
        (id, call_index)
    }

    fn enter_ring(
        &mut self,
        visit: &Visit<'_>,
        order: &CallOrder,
        phone: &Arc<str>,
        id: u128,
    ) -> u64 {
        self.rings.push(Ring {
            number: self.rings.next_number(),
            received_at: visit.record.received_at,
            rang_at: None,
            ended_at: None,
            vendor: "vapi",
            account: Arc::clone(&visit.account),
            assistant_id: order.saved.as_ref().map(|(_, id)| id.clone()),
            phone_number_id: order.phone_number_id.clone(),
            to: Arc::clone(phone),
            attempt_key: visit.record.attempt_key.clone(),
            provider_call: id,
            outcome: None,
            variables: order.variables.clone().map(Arc::from),
        })
    }

    /// Counts a call as live, lists it under its account, and returns the account's organisation.
    fn enter_live_call(&mut self, account: &str, number: u64) -> Arc<str> {
        self.live_calls += 1;
        let Some(account) = self.accounts.get_mut(account) else {
            return Arc::from("");
        };
        account.live_calls += 1;
        // What the book has forgotten need not be listed.
        while account
            .calls
            .front()
            .is_some_and(|&oldest| self.calls.get(oldest).is_none())
        {
            account.calls.pop_front();
        }
        account.calls.push_back(number);
        Arc::clone(&account.org_id)
    }

    fn answer_with_call(&self, number: u64, is_blocked: bool) -> Answer {
        let Some(call) = self.calls.get(number) else {
            return errors::internal();
        };
        let limit = self.options.scenario.concurrency;
        let live = self
            .accounts
            .get(&call.account)
            .map_or(0, |account| account.live_calls);
        let limits = SubscriptionLimits {
            concurrency_blocked: is_blocked,
            concurrency_limit: limit,
            remaining_concurrent_calls: limit.saturating_sub(live),
        };
        Answer::raw_json(201, render::call(call, Some(limits)))
    }

    /// Spoils a good answer in one of the ways that are seen in the wild.
    fn garble(&self, mut answer: Answer, number: u64) -> Answer {
        let mut dice = Dice::new(self.options.seed, "garbage", "", number);
        match dice.index(4) {
            0 => answer.body.truncate(answer.body.len() / 2),
            1 => answer.body = bytes::Bytes::new(),
            2 => answer.body = "{\"status\":\"queued\",\"id\":null}".into(),
            _ => {
                answer.headers = vec![("content-type", "text/html".to_owned())];
                answer.body = "<html><body><h1>502 Bad Gateway</h1></body></html>".into();
            }
        }
        answer
    }
}

fn unknown_saved(kind: ResourceKind, id: &str) -> Answer {
    let (what, key) = match kind {
        ResourceKind::Assistant => ("Assistant", "assistantId"),
        ResourceKind::PhoneNumber => ("Phone Number", "phoneNumberId"),
        ResourceKind::Squad => ("Squad", "squadId"),
        ResourceKind::Workflow => ("Workflow", "workflowId"),
    };
    errors::bad_request(&format!(
        "Couldn't Find {what}. `{key}` {id} Does Not Exist."
    ))
}

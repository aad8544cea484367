//! The steps of the dialer, each of which can be driven alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ambient::{Clock, Entropy};
use domain::attempt::{EndFault, Fact, Refusal};
use domain::{LeadId, LineId, Outcome};
use failpoint::Failpoint;
use jiff::Timestamp;
use lines::{OpenLine, attempt_key, callback_url, facts_about};
use providers::public_address::is_loopback;
use providers::{
    CallbackTarget, Departure, PLACE_TIMEOUT, PlaceAnswer, PlaceCall, ProviderRequest, Transport,
    TransportError,
};
use serde_json::{Map, Value};
use store::{
    AttemptFact, AttemptRef, Check, CheckRoom, Dispatch, LeadPayload, NO_LEAD, Scope, SendPermit,
    Store, StoreResult, Tick, Ticked, Vault,
};

use crate::clock_hold::ClockGuard;
use crate::clock_offset::ClockAgreement;
use crate::trial::{Answered, Failed};

/// Most lines and calls in one transaction: long enough to share an fsync, short enough that a
/// user's pause does not wait.
const MAX_LINES: u32 = 64;
/// See [`MAX_LINES`].
const MAX_CALLS: u32 = 512;
/// Time limit of one look-up.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// How far around the reservation a lost call is searched at the provider: its clock may differ.
pub(crate) const SEARCH_MARGIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// A clock that is corrected by less between plan and send was not set back.
const CLOCK_GRAIN: jiff::SignedDuration = jiff::SignedDuration::from_millis(10);

/// How soon a process looks again whose clock differs from the database's.
const LOOK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Beyond this difference of clocks the provider's list is no proof of absence.
const MAX_CLOCK_SKEW: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);

/// What the dialer works with.
#[derive(Clone)]
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Opens credentials.
    pub vault: Vault,
    /// Reaches providers.
    pub transport: Arc<dyn Transport>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes keys.
    pub entropy: Arc<dyn Entropy>,
    /// Settings.
    pub options: Options,
}

/// Settings of the dialer.
#[derive(Debug, Clone)]
pub struct Options {
    /// Root under which providers reach this server; without it calls are only looked up.
    pub public_url: Option<String>,
    /// Root of the sandbox inside this process.
    pub sandbox_base_url: Option<String>,
    /// How much faster than real time `clock` runs; 1 outside demonstrations.
    pub time_scale: f64,
    /// Pauses, in real time, before a provider's list of past calls that failed is asked for again.
    pub list_retry_pauses: &'static [Duration],
    /// The scan by time, in real time: no wait for the next tick is longer, whatever events were
    /// missed.
    pub scan_period: Duration,
}

/// Usual [`Options::list_retry_pauses`].
pub const LIST_RETRY_PAUSES: &[Duration] = &[Duration::from_secs(1), Duration::from_secs(4)];

/// Opened lines with the revision they were opened at.
type OpenLines = HashMap<LineId, (i64, Arc<OpenLine>)>;

/// The steps. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    parts: Parts,
    lines: Arc<Mutex<OpenLines>>,
    /// Earliest next send of each line, on the monotonic clock.
    paces: Arc<Mutex<HashMap<LineId, Duration>>>,
    /// What is known of lines that are tried out.
    pub(crate) answered: Arc<Answered>,
    /// Whether the clock is as it should be.
    pub(crate) guard_of_clock: Arc<ClockGuard>,
    /// Whether it agrees with the database's.
    pub(crate) agreement: Arc<ClockAgreement>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Core")
    }
}

/// A reserved call with what its request needs.
#[derive(Clone)]
pub struct Ready {
    /// The reservation.
    pub dispatch: Dispatch,
    /// The line, or why it cannot be used.
    line: Result<Arc<OpenLine>, String>,
    /// `None`: the lead is gone or cannot be read; nobody is called without their own words.
    payload: Option<LeadPayload>,
    /// The deadline on a clock that nobody can set.
    deadline: Duration,
}

impl Ready {
    /// Whether it may not be sent any more, by the clock that nobody can set.
    pub(crate) fn is_overdue(&self, monotonic: Duration) -> bool {
        monotonic >= self.deadline
    }
}

/// One instant on both clocks: the one that people set, and the one that nobody can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    wall: Timestamp,
    monotonic: Duration,
}

impl Core {
    /// The steps over these parts.
    pub fn new(parts: Parts) -> Self {
        // A clock that runs faster than real time agrees with no other.
        let is_comparable = parts.options.time_scale <= 1.0;
        Self {
            agreement: Arc::new(ClockAgreement::new(is_comparable)),
            parts,
            lines: Arc::default(),
            paces: Arc::default(),
            answered: Arc::default(),
            guard_of_clock: Arc::default(),
        }
    }

    /// What it works with.
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Plans and reserves. Every dispatch in the answer is durable, and there is none while the
    /// clock cannot be trusted; the moment is the one it was planned at, for [`Self::prepare`].
    /// While the clock differs from the database's, what is handed out is so to be given back.
    pub async fn tick(&self) -> StoreResult<(Ticked, Moment)> {
        self.watch_clock().await?;
        let store = self.parts.store.as_ref();
        let agrees = self
            .agreement
            .check(store, self.parts.clock.as_ref())
            .await?;
        if !agrees {
            store.send_board().revoke(&Scope::Everything);
        }
        let planned = self.moment();
        let (entropy, vault) = (Arc::clone(&self.parts.entropy), self.parts.vault.clone());
        let keys = Box::new(move || attempt_key(entropy.as_ref(), &vault));
        let tick = Tick {
            now: planned.wall,
            keys,
            max_lines: if agrees { MAX_LINES } else { 0 },
            max_calls: if agrees { MAX_CALLS } else { 0 },
        };
        let mut ticked = store.tick(tick).await?;
        if !agrees {
            // What is due stays so: others plan it, or this process when its clock is right.
            ticked.next_wake_at = planned.wall.checked_add(LOOK_AGAIN).ok();
        }
        Ok((ticked, planned))
    }

    fn moment(&self) -> Moment {
        // In this order: a pause between the two makes deadlines earlier, never later.
        let monotonic = self.parts.clock.monotonic();
        Moment {
            wall: self.parts.clock.now(),
            monotonic,
        }
    }

    /// Reads, outside the writer, what the requests of these reservations need.
    pub async fn prepare(&self, dispatches: Vec<Dispatch>, planned: Moment) -> Vec<Ready> {
        let mut payloads = self.payloads(&dispatches).await.into_iter();
        let mut ready = Vec::with_capacity(dispatches.len());
        let mut lines: HashMap<LineId, Result<Arc<OpenLine>, String>> = HashMap::new();
        for dispatch in dispatches {
            let payload = payloads.next().flatten();
            let test_call = dispatch.lead_id == NO_LEAD;
            let payload = payload.or_else(|| test_call.then(LeadPayload::default));
            let deadline = self.monotonic_deadline(dispatch.send_not_after, planned);
            let line = if let Some(line) = lines.get(&dispatch.line_id) {
                line.clone()
            } else {
                let line = self.open_line(dispatch.line_id).await;
                lines.insert(dispatch.line_id, line.clone());
                line
            };
            ready.push(Ready {
                dispatch,
                line,
                payload,
                deadline,
            });
        }
        ready
    }

    /// Variables of each lead. If they cannot be read together, one that is damaged must not keep
    /// the others from being called.
    async fn payloads(&self, dispatches: &[Dispatch]) -> Vec<Option<LeadPayload>> {
        let mut ids: Vec<LeadId> = dispatches.iter().map(|dispatch| dispatch.lead_id).collect();
        domain::planted!(
            "words_of_a_neighbour",
            ids.rotate_left(0),
            ids.rotate_left(1)
        );
        if let Ok(payloads) = self.parts.store.lead_payloads(ids.clone()).await {
            return payloads;
        }
        let mut payloads = Vec::with_capacity(ids.len());
        for id in ids {
            let alone = self
                .parts
                .store
                .lead_payloads(vec![id])
                .await
                .unwrap_or_default();
            payloads.push(alone.into_iter().next().flatten());
        }
        payloads
    }

    /// The line as it is now; opened anew only when it changed.
    pub(crate) async fn open_line(&self, line_id: LineId) -> Result<Arc<OpenLine>, String> {
        let record = self
            .parts
            .store
            .line_for_dialing(line_id)
            .await
            .map_err(|error| error.to_string())?;
        let mut cache = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, line)) = cache.get(&line_id)
            && *revision == record.revision
        {
            return Ok(Arc::clone(line));
        }
        let opened = OpenLine::open(
            &record,
            &self.parts.vault,
            self.parts.options.sandbox_base_url.as_deref(),
        );
        let line = Arc::new(opened.map_err(|error| error.to_string())?);
        cache.insert(line_id, (record.revision, Arc::clone(&line)));
        Ok(line)
    }

    /// How long to wait so that the line's sends keep their distance.
    ///
    /// The planner spaces calls in time already; this holds when that spacing was lost on the way:
    /// a process that was frozen for a moment would send all that became due meanwhile at once.
    pub fn pace(&self, ready: &Ready) -> Duration {
        let Ok(line) = &ready.line else {
            return Duration::ZERO;
        };
        let second = Duration::from_secs(1).div_f64(self.parts.options.time_scale.max(1.0));
        let spacing = second / line.max_calls_per_second.max(1);
        let now = self.parts.clock.monotonic();
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let next = paces.entry(ready.dispatch.line_id).or_insert(now);
        let slot = (*next).max(now);
        *next = slot + domain::planted!("line_rate_ignored", spacing, Duration::ZERO);
        slot.saturating_sub(now)
    }

    /// Sends one reserved call, once, and says what its answer proves. The permit in the answer
    /// must be held until the facts are stored.
    pub async fn send(&self, ready: &Ready) -> (Vec<AttemptFact>, Option<SendPermit>) {
        let dispatch = &ready.dispatch;
        let (line, payload) = match (&ready.line, &ready.payload) {
            (Ok(line), Some(payload)) => (Arc::clone(line), payload),
            (Err(message), _) => return self.withhold(dispatch, message, Some("line_unusable")),
            (Ok(_), None) => return self.withhold(dispatch, "the lead cannot be read", None),
        };
        if let Err(failed) = self.ask_before(ready, &line).await {
            let reason = line.conceal(&failed.reason);
            return self.withhold(dispatch, &reason, failed.line_fault);
        }
        let request = line
            .adapter()
            .place_call(&line.access, &self.place_call(dispatch, &line, payload));
        let permit: Arc<Mutex<Option<SendPermit>>> = Arc::default();
        let guard = self.guard(ready, Arc::clone(&permit));
        let result = self
            .parts
            .transport
            .place(request, PLACE_TIMEOUT, guard)
            .await;
        failpoint::reach(Failpoint::CallAnswered);
        let permit = permit.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut facts = match result {
            Ok(answer) => Self::read_placed(dispatch, line.adapter().read_place_call(&answer)),
            Err(error) => vec![Self::not_answered(dispatch, error)],
        };
        for fact in &mut facts {
            fact.reason = fact.reason.take().map(|reason| line.conceal(&reason));
        }
        if permit.is_some() {
            self.answered.use_up(dispatch.line_id);
        } else {
            self.parts.store.send_board().forget(dispatch.attempt_id);
        }
        (facts, permit)
    }

    /// What must be asked before a call is risked.
    async fn ask_before(&self, ready: &Ready, line: &OpenLine) -> Result<(), Failed> {
        let line_id = ready.dispatch.line_id;
        self.compare_clocks(line, ready.deadline).await?;
        if ready.dispatch.on_trial {
            self.ask_first(line_id, line).await?;
        }
        Ok(())
    }

    /// Gives a reservation back without sending.
    fn withhold(
        &self,
        dispatch: &Dispatch,
        reason: &str,
        line_fault: Option<&'static str>,
    ) -> (Vec<AttemptFact>, Option<SendPermit>) {
        self.parts.store.send_board().forget(dispatch.attempt_id);
        let mut fact = about(dispatch, Fact::NeverSent);
        fact.reason = Some(reason.to_owned());
        fact.line_fault = line_fault;
        (vec![fact], None)
    }

    /// The last question before the first byte: is it still allowed, and still in time?
    fn guard(&self, ready: &Ready, into: Arc<Mutex<Option<SendPermit>>>) -> providers::SendGuard {
        let board = self.parts.store.send_board();
        let clock = Arc::clone(&self.parts.clock);
        let agreement = Arc::clone(&self.agreement);
        let deadline = ready.deadline;
        let (attempt_id, send_not_after) =
            (ready.dispatch.attempt_id, ready.dispatch.send_not_after);
        let send_at = ready.dispatch.send_at;
        Box::new(move || {
            let permit = board.begin(attempt_id);
            let Some(permit) = domain::planted!("board_not_asked", permit, {
                match permit {
                    None => return true,
                    permit => permit,
                }
            }) else {
                return false;
            };
            let now = clock.now();
            let late = now >= send_not_after || clock.monotonic() >= deadline;
            let late = domain::planted!("wall_clock_only", late, now >= send_not_after);
            // The clock was set back since the plan: what was open then may not be open yet.
            let early = send_at.duration_since(now) > CLOCK_GRAIN;
            let early = domain::planted!("set_back_ignored", early, false);
            let differs = !agreement.permits(clock.as_ref());
            if differs || early || domain::planted!("deadline_ignored", late, false) {
                return false;
            }
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
            failpoint::reach(Failpoint::CallPermitted);
            true
        })
    }

    /// The deadline on a clock that nobody can set. Counted from the moment of planning: a wall
    /// clock that was set back since must not lengthen it.
    fn monotonic_deadline(&self, send_not_after: Timestamp, planned: Moment) -> Duration {
        let left = send_not_after.duration_since(planned.wall);
        let left = Duration::try_from(left)
            .unwrap_or_default()
            .div_f64(self.parts.options.time_scale.max(1.0));
        planned.monotonic + left
    }

    fn place_call(&self, dispatch: &Dispatch, line: &OpenLine, payload: &LeadPayload) -> PlaceCall {
        // A vendor elsewhere cannot call back to this machine; its calls are followed by asking.
        let public_url = self.parts.options.public_url.as_deref();
        let reachable =
            public_url.filter(|url| !is_loopback(url) || is_loopback(&line.access.base_url));
        let callback = reachable.map(|public_url| CallbackTarget {
            url: callback_url(public_url, line, &dispatch.attempt_key),
            secret: line.webhook_secret.clone(),
        });
        let names = [payload.first_name.as_deref(), payload.last_name.as_deref()];
        let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        PlaceCall {
            attempt_key: dispatch.attempt_key.clone(),
            campaign_id: dispatch.campaign_id.to_string(),
            entity: dispatch.entity,
            assistant_id: dispatch.assistant_id.clone(),
            phone_number_id: dispatch.phone_number_id.clone(),
            to: dispatch.phone.clone(),
            customer_name: (!name.is_empty()).then_some(name),
            variables: variables(dispatch, payload),
            callback,
        }
    }

    fn read_placed(dispatch: &Dispatch, answer: PlaceAnswer) -> Vec<AttemptFact> {
        match answer {
            PlaceAnswer::Placed {
                provider_call_id,
                control_url,
                events,
            } => {
                let mut fact = about(dispatch, Fact::Placed);
                fact.provider_call_id = Some(provider_call_id);
                fact.control_url = control_url;
                let later = events
                    .into_iter()
                    .flat_map(|event| facts_about(dispatch.attempt_id, event));
                std::iter::once(fact).chain(later).collect()
            }
            PlaceAnswer::Refused { refusal, message } => {
                let mut fact = about(dispatch, Fact::Refused(refusal));
                fact.reason = Some(message);
                vec![fact]
            }
            PlaceAnswer::Unknown { message } => {
                let mut fact = about(dispatch, Fact::AnswerLost);
                fact.reason = Some(message);
                fact.line_fault = Some("provider_broken");
                vec![fact]
            }
        }
    }

    fn not_answered(dispatch: &Dispatch, error: TransportError) -> AttemptFact {
        let (fact, line_fault) = match error.departure {
            Departure::Withdrawn => (Fact::NeverSent, None),
            Departure::NeverSent => (Fact::NeverSent, Some("provider_unreachable")),
            Departure::MayHaveArrived => (Fact::AnswerLost, Some("provider_unreachable")),
        };
        let mut fact = about(dispatch, fact);
        fact.reason = Some(error.message);
        fact.line_fault = line_fault;
        fact
    }

    /// Stores facts; they are durable when this answers.
    pub async fn record(&self, facts: Vec<AttemptFact>) -> StoreResult<()> {
        if facts.is_empty() {
            return Ok(());
        }
        count_facts(&facts);
        self.parts
            .store
            .apply_facts(self.parts.clock.now(), facts)
            .await
            .map(|_| ())
    }

    /// Look-ups that are due and have room, claimed.
    pub async fn due_checks(&self, room: CheckRoom) -> StoreResult<Vec<Check>> {
        self.parts
            .store
            .claim_checks(self.parts.clock.now(), room)
            .await
    }

    /// Whether the provider's clock is so far from ours that a window of its list may be the wrong
    /// one. An answer without a date says nothing about that.
    pub(crate) fn clocks_differ(&self, answer: &providers::ProviderAnswer) -> bool {
        self.clocks_agree(answer) == Some(false)
    }

    /// Whether the provider's clock agrees with ours, if it told its own.
    pub(crate) fn clocks_agree(&self, answer: &providers::ProviderAnswer) -> Option<bool> {
        let apart = self.clocks_apart(answer)?;
        Some(self.parts.options.time_scale > 1.0 || apart <= MAX_CLOCK_SKEW)
    }

    /// Whether the provider told that its clock is so close to ours.
    pub(crate) fn are_clocks_within(
        &self,
        answer: &providers::ProviderAnswer,
        limit: jiff::SignedDuration,
    ) -> bool {
        let apart = self.clocks_apart(answer);
        self.parts.options.time_scale <= 1.0 && apart.is_some_and(|apart| apart <= limit)
    }

    fn clocks_apart(&self, answer: &providers::ProviderAnswer) -> Option<jiff::SignedDuration> {
        let date = answer.headers.get(http::header::DATE)?;
        let date = jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok()?;
        let apart = date.timestamp().duration_since(self.parts.clock.now());
        Some(apart.abs())
    }

    pub(crate) async fn try_exchange(
        &self,
        request: ProviderRequest,
    ) -> Result<providers::ProviderAnswer, TransportError> {
        self.parts.transport.exchange(request, LOOKUP_TIMEOUT).await
    }
}

fn about(dispatch: &Dispatch, fact: Fact) -> AttemptFact {
    AttemptFact::new(AttemptRef::Id(dispatch.attempt_id), fact)
}

/// The four standard variables and every custom field; a custom field of the same name wins, as
/// the user chose it.
fn variables(dispatch: &Dispatch, payload: &LeadPayload) -> Map<String, Value> {
    let mut variables = Map::new();
    variables.insert("phone_number".to_owned(), dispatch.phone.as_str().into());
    let standard = [
        ("first_name", &payload.first_name),
        ("last_name", &payload.last_name),
        ("email", &payload.email),
    ];
    for (name, value) in standard {
        variables.insert(name.to_owned(), value.as_deref().unwrap_or_default().into());
    }
    variables.extend(payload.custom_fields.clone());
    variables
}

/// Counts ends by outcome, so that an operator sees what calls come to.
fn count_facts(facts: &[AttemptFact]) {
    for fact in facts {
        match &fact.fact {
            Fact::Ended { outcome, fault } => {
                let fault = if *fault == EndFault::None {
                    "none"
                } else {
                    "ours"
                };
                metrics::counter!("campanile_calls_ended_total", "outcome" => Outcome::as_str(*outcome), "fault" => fault).increment(1);
            }
            Fact::Refused(refusal) => {
                metrics::counter!("campanile_calls_refused_total", "refusal" => refusal_name(refusal)).increment(1);
            }
            Fact::AnswerLost => metrics::counter!("campanile_answers_lost_total").increment(1),
            Fact::NeverSent => metrics::counter!("campanile_calls_released_total").increment(1),
            Fact::Placed => metrics::counter!("campanile_calls_placed_total").increment(1),
            Fact::Ringing
            | Fact::Connected
            | Fact::NotFound
            | Fact::LookupInconclusive
            | Fact::LookupFailed => {}
        }
    }
}

const fn refusal_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Capacity => "capacity",
        Refusal::RateLimited { .. } => "rate_limited",
        Refusal::Credentials => "credentials",
        Refusal::Payment => "payment",
        Refusal::NumberDailyLimit => "number_daily_limit",
        Refusal::Configuration => "configuration",
        Refusal::InvalidNumber => "invalid_number",
    }
}

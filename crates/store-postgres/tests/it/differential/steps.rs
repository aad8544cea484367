//! Steps: each kind's arguments are read from its bytes, and one operation of the store is called.

mod campaigns;
mod dialing;
mod facts;
mod furniture;
mod hold;
mod leads;
mod lines;
mod reads;
mod settings;
mod tokens;

pub(crate) use tokens::hash as hash_of_step;

use std::fmt::Debug;

use jiff::{SignedDuration, Timestamp};
use store::conformance::fixture;
use store::{
    Caller, IdempotencyKey, Idempotent, Precondition, StoreError, StoreResult, StoredAnswer,
    Written,
};

use super::dice::Dice;
use super::kind::Kind;
use super::side::{Side, pick};

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Came {
    Done,
    Refused,
    Repeated,
}

/// What was asked and what was answered, with the store's own ids.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) call: String,
    pub(crate) answer: String,
    pub(crate) came: Came,
    /// What was met on the way, to be counted.
    pub(crate) met: Vec<String>,
}

impl Told {
    fn done(call: String, answer: &impl Debug) -> Self {
        Self {
            call,
            answer: format!("{answer:?}"),
            came: Came::Done,
            met: Vec::new(),
        }
    }

    fn refused(call: String, error: &StoreError) -> Self {
        let met = vec![name_of(error)];
        Self {
            call,
            answer: format!("{error:?}"),
            came: Came::Refused,
            met,
        }
    }

    /// Adds to what was met.
    fn meets(mut self, met: impl Into<String>) -> Self {
        self.met.push(met.into());
        self
    }
}

/// The name of a variant, and of a conflict what it is.
fn name_of(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let mut words = text.split(|c: char| !c.is_ascii_alphabetic());
    match words.next() {
        Some("Conflict") => words.next().unwrap_or_default().to_owned(),
        first => first.unwrap_or_default().to_owned(),
    }
}

fn told<T: Debug>(call: String, result: StoreResult<T>) -> (Told, Option<T>) {
    match result {
        Ok(done) => (Told::done(call, &done), Some(done)),
        Err(error) => (Told::refused(call, &error), None),
    }
}

fn written<T: Debug>(call: String, result: StoreResult<Written<T>>) -> (Told, Option<T>) {
    let (mut told, written) = told(call, result);
    match written {
        Some(Written::Fresh(effect)) => (told, Some(effect)),
        Some(Written::Replayed(_)) => {
            told.came = Came::Repeated;
            (told, None)
        }
        None => (told, None),
    }
}

/// What a step is taken at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// The step's place in the run.
    pub(crate) number: usize,
}

/// A tenant, and who asks for it.
struct Who {
    /// The tenant's place.
    place: usize,
    caller: Caller,
}

fn who(side: &Side, dice: &mut Dice<'_>, now: Timestamp) -> Who {
    let place = usize::from(dice.one_in(4));
    let token_id = dice.one_in(3).then(|| side.known.tokens.iter().rev());
    let token_id = token_id.and_then(|mut tokens| tokens.find(|token| token.tenant == place));
    let caller = Caller {
        tenant_id: side.known.tenants[place],
        token_id: token_id.map(|token| token.id),
        now,
    };
    Who { place, caller }
}

/// What the caller says of a revision that is `current`; `None`: there is no such object.
fn guard(dice: &mut Dice<'_>, current: Option<i64>) -> Precondition {
    let current = current.unwrap_or(1);
    match dice.below(10) {
        6 => Precondition::exactly(current),
        7 => Precondition::exactly(current + 1),
        8 => Precondition::OneOf(vec![current + 7, current]),
        9 => Precondition::OneOf(Vec::new()),
        _ => Precondition::None,
    }
}

fn key(dice: &mut Dice<'_>, operation: Kind) -> IdempotencyKey {
    // Few, so that they are met again.
    let n = dice.below(if is_frequent(operation) { 3 } else { 1 });
    IdempotencyKey {
        key: format!("key-{n}"),
        operation: format!("{operation:?}"),
        fingerprint: [u8::from(dice.one_in(3)); 32],
    }
}

const fn is_frequent(kind: Kind) -> bool {
    matches!(kind, Kind::AddLead | Kind::OrderCampaign)
}

/// Often a key, with an answer that says at which step it was given.
fn idempotent<T>(dice: &mut Dice<'_>, kind: Kind, moment: Moment) -> Option<Idempotent<T>> {
    let times = if is_frequent(kind) { 4 } else { 2 };
    dice.one_in(times).then(|| Idempotent {
        key: key(dice, kind),
        render: Box::new(move |_| StoredAnswer {
            status: 201,
            revision: moment.number.is_multiple_of(2).then_some(7),
            body: format!("answer of step {}", moment.number).into_bytes(),
        }),
    })
}

fn shown<T>(idempotency: Option<&Idempotent<T>>) -> String {
    idempotency.map_or_else(String::new, |idempotent| {
        let IdempotencyKey {
            key, fingerprint, ..
        } = &idempotent.key;
        format!(" with {key} of request {}", fingerprint[0])
    })
}

/// An instant around now.
fn around(dice: &mut Dice<'_>, now: Timestamp) -> Timestamp {
    let seconds = dice.of(&[-1, 60, -30, 5, -300, 3_600, -7_200, 86_400]);
    now + SignedDuration::from_secs(seconds)
}

/// What every run begins with: each tenant has a line, a pool, a token and a campaign that runs.
pub(crate) async fn furnish(side: &mut Side, now: Timestamp) {
    for (place, name) in ["first", "second"].into_iter().enumerate() {
        let caller = fixture::tenant(side.store(), name).await;
        let caller = fixture::at(caller, now);
        furniture::place(side, place, caller).await;
    }
}

/// Takes a step.
pub(crate) async fn take(side: &mut Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    match kind {
        // The runner's.
        Kind::Advance | Kind::SetClockBack => Told::done(format!("{kind:?}"), &moment.now),
        Kind::Tick
        | Kind::Send
        | Kind::ClaimChecks
        | Kind::Recover
        | Kind::Restart
        | Kind::ReserveTestCall => dialing::take(side, kind, dice, moment).await,
        Kind::Facts => facts::take(side, dice, moment).await,
        Kind::EnsureTenant
        | Kind::SetTestCallNumbers
        | Kind::CreateToken
        | Kind::SetTokenEnabled
        | Kind::DeleteToken
        | Kind::KeepAnswer
        | Kind::FindAnswer => tokens::take(side, kind, dice, moment).await,
        Kind::CreateLine
        | Kind::UpdateLine
        | Kind::DeleteLine
        | Kind::CreatePool
        | Kind::UpdatePool
        | Kind::DeletePool => lines::take(side, kind, dice, moment).await,
        Kind::CreateCampaign
        | Kind::UpdateCampaign
        | Kind::Start
        | Kind::OrderCampaign
        | Kind::DeleteCampaign => campaigns::take(side, kind, dice, moment).await,
        Kind::AddLead
        | Kind::QueueLeads
        | Kind::RunImports
        | Kind::RunErasures
        | Kind::UpdateLead
        | Kind::RemoveLead
        | Kind::UpdateLeads
        | Kind::RemoveLeads => leads::take(side, kind, dice, moment).await,
        Kind::Hold | Kind::LiftHold | Kind::ReleaseHold | Kind::NoteHeldLine | Kind::AdoptCalls => {
            hold::take(side, kind, dice, moment).await
        }
        Kind::ReadOne
        | Kind::ListLeads
        | Kind::ListCalls
        | Kind::ListCampaigns
        | Kind::ListOthers
        | Kind::ListEvents
        | Kind::Payloads
        | Kind::UnknownKeys => reads::take(side, kind, dice, moment).await,
        Kind::Sweep => told("sweep".to_owned(), side.store().sweep(moment.now).await).0,
        Kind::Ping => told("ping".to_owned(), side.store().ping(moment.now).await).0,
    }
}

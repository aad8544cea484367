//! One run: the same steps on both stores, compared.

use std::fmt::Write as _;
use std::iter::repeat_n;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use store::conformance::fixture;

use super::Coverage;
use super::dice::Dice;
use super::kind::Kind;
use super::observe::observe;
use super::side::Side;
use super::steps::{self, Moment, Told};

/// After so many steps everything that can be seen is compared.
const OBSERVED_EVERY: usize = 25;
/// Steps that a failure tells.
const TOLD: usize = 40;
/// How far time leaps, from seconds to more than a day.
const LEAPS_SECONDS: &[i64] = &[
    1, 2, 5, 5, 20, 31, 61, 61, 185, 185, 301, 301, 700, 700, 3_600, 21_600, 90_000,
];
/// Characters of a difference that are told.
const SHOWN: usize = 600;

/// A step: its kind, and the bytes that its arguments are read from.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) bytes: [u8; 32],
}

impl Step {
    /// Now and then it is taken twice, as by a client that got no answer.
    fn times(&self) -> usize {
        let [.., last] = self.bytes;
        1 + usize::from(last % 5 == 4)
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

/// Takes the steps on a pair of fresh stores; a difference is the error. To prove that one is seen,
/// PostgreSQL can leave out the step `skipped` and say that it did as SQLite.
pub(crate) fn run(
    steps: &[Step],
    coverage: &Mutex<Coverage>,
    skipped: Option<usize>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let (mut sqlite, mut postgres) = (Side::sqlite(), Side::postgres());
    let compared = runtime.block_on(compare(
        &mut sqlite,
        &mut postgres,
        steps,
        coverage,
        skipped,
    ));
    let compared = compared.map_err(|difference| {
        let (one, other) = (sqlite.wake_ups(), postgres.wake_ups());
        format!("{difference}\nwake-ups of SQLite:\n{one}\nof PostgreSQL:\n{other}")
    });
    sqlite.close(compared.is_ok());
    postgres.close(compared.is_ok());
    compared
}

async fn compare(
    sqlite: &mut Side,
    postgres: &mut Side,
    steps: &[Step],
    coverage: &Mutex<Coverage>,
    skipped: Option<usize>,
) -> Result<(), String> {
    let mut now = fixture::morning();
    let mut trace = Vec::new();
    for side in [&mut *sqlite, &mut *postgres] {
        steps::furnish(side, now).await;
    }
    let taken = steps.iter().flat_map(|step| repeat_n(step, step.times()));
    let count = steps.iter().map(Step::times).sum::<usize>();
    for (number, step) in taken.enumerate() {
        let mut dice = Dice::new(&step.bytes);
        now = advanced(now, step.kind, &mut dice);
        let rest = dice.rest();
        let moment = Moment { now, number };
        let ours = answer(sqlite, step.kind, rest, moment).await;
        trace.push(format!("{number:>3} {now} {}", ours.text));
        if skipped != Some(number) {
            let theirs = answer(postgres, step.kind, rest, moment).await;
            if ours.text != theirs.text || is_broken(&ours.told) || is_broken(&theirs.told) {
                return Err(report(&trace, &difference(&ours.text, &theirs.text)));
            }
        }
        coverage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(step.kind, &ours.told);
        if number % OBSERVED_EVERY == 0 || number + 1 == count {
            let seen = observe(sqlite, now, number + 1).await;
            let other_seen = observe(postgres, now, number + 1).await;
            compare_seen(&seen, &other_seen).map_err(|both| report(&trace, &both))?;
        }
    }
    Ok(())
}

/// A step's answer, as told and with a name for every id.
struct Answer {
    told: Told,
    text: String,
}

async fn answer(side: &mut Side, kind: Kind, bytes: &[u8], moment: Moment) -> Answer {
    let told = steps::take(side, kind, &mut Dice::new(bytes), moment).await;
    let call = side.names.rename(&told.call);
    let text = format!("{call}\n    = {}", side.names.rename(&told.answer));
    Answer { told, text }
}

/// Time passes with every step, and with some it leaps. A clock that is set back by more than a minute
/// while a server runs is its dialer's to notice, so here it is not.
fn advanced(now: Timestamp, kind: Kind, dice: &mut Dice<'_>) -> Timestamp {
    let milliseconds = i64::from(dice.byte()) * 4;
    let seconds = match kind {
        Kind::Advance => dice.of(LEAPS_SECONDS),
        Kind::SetClockBack => dice.of(&[-2_i64, -20, -45]),
        _ => 0,
    };
    now + SignedDuration::from_secs(seconds) + SignedDuration::from_millis(milliseconds)
}

/// What no step may end with, alike or not.
fn is_broken(told: &Told) -> bool {
    ["Corrupt", "Unavailable", "Full", "Held"]
        .iter()
        .any(|variant| {
            let met = told.met.iter();
            met.clone().any(|met| met == variant)
        })
}

fn compare_seen(sqlite: &[String], postgres: &[String]) -> Result<(), String> {
    let first = sqlite
        .iter()
        .zip(postgres)
        .find(|(one, other)| one != other);
    if let Some((one, other)) = first {
        return Err(difference(one, other));
    }
    if sqlite.len() == postgres.len() {
        return Ok(());
    }
    let shorter = sqlite.len().min(postgres.len());
    let end = |seen: &[String]| seen.get(shorter).cloned().unwrap_or_default();
    Err(difference(&end(sqlite), &end(postgres)))
}

/// Two texts from a little before the place where they part.
fn difference(sqlite: &str, postgres: &str) -> String {
    let pairs = sqlite.chars().zip(postgres.chars());
    let alike = pairs.take_while(|(one, other)| one == other).count();
    let from = alike.saturating_sub(SHOWN / 3);
    let part = |text: &str| text.chars().skip(from).take(SHOWN).collect::<String>();
    let head: String = sqlite.chars().take(60).collect();
    format!(
        "of {head} …\n  SQLite:     … {}\n  PostgreSQL: … {}",
        part(sqlite),
        part(postgres)
    )
}

fn report(trace: &[String], both: &str) -> String {
    let mut text = String::from("the back ends differ after these steps\n");
    for step in trace.iter().skip(trace.len().saturating_sub(TOLD)) {
        let shown: String = step.chars().take(SHOWN).collect();
        let _ = writeln!(text, "{shown}");
    }
    text.push_str(both);
    text
}

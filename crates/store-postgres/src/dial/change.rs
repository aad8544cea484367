//! What facts make of attempts, gathered and written by one statement for all of a batch.
//!
//! Several facts about one attempt become one row: later ones are laid over earlier ones as if each had
//! been written by itself.

use std::collections::BTreeMap;

use domain::attempt::{AttemptState, Change, StateName};
use domain::{AttemptId, Outcome};
use jiff::Timestamp;
use store::{AttemptFact, NO_LEAD, StoreResult, call_rules};

use tokio_postgres::Statement;

use crate::code::micros;
use crate::dial::row::AttemptRow;
use crate::query::bound;
use crate::work::Work;

/// When an attempt ended, and from when its gap counts.
#[derive(Debug, Clone, Copy)]
struct End {
    ended_at: i64,
    gap_from: i64,
}

/// What becomes of the end that is on record.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// There is none any more, or yet.
    None,
    /// It stays as it was told first; this one, if there is none.
    Kept(End),
    /// It is this one.
    New(End),
}

/// What facts have made of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    state: &'static str,
    live: bool,
    counts: bool,
    outcome: Option<&'static str>,
    missed: bool,
    probes: i64,
    absent_at: Option<i64>,
    check_at: Option<i64>,
    /// The last that was told wins.
    ended_reason: Option<String>,
    /// See `ended_reason`.
    control_url: Option<String>,
    /// The first that was told wins, of this and of the instants below.
    provider_call_id: Option<String>,
    unknown_at: Option<i64>,
    placed_at: Option<i64>,
    ringing_at: Option<i64>,
    in_progress_at: Option<i64>,
    ending: Ending,
}

/// The instants that a fact brings: when it was told, when it happened, and until when a call of its
/// attempt can be up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instants {
    pub(crate) now: Timestamp,
    pub(crate) at: Timestamp,
    pub(crate) overdue_at: Timestamp,
}

impl Changed {
    /// What one fact makes of an attempt.
    pub(crate) fn by(
        row: &AttemptRow,
        told: &AttemptFact,
        change: &Change,
        instants: Instants,
        live: bool,
    ) -> Self {
        let Instants { now, at, .. } = instants;
        let state = &change.state;
        let entered = |name, at| (state.name() == name).then(|| micros(at));
        let outcome = match state {
            AttemptState::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        };
        let (probes, absent_at) = match state {
            AttemptState::Unknown {
                probes, absent_at, ..
            } => (*probes, absent_at.map(micros)),
            _ => (0, None),
        };
        Self {
            state: state.name().as_str(),
            live,
            // A test call is nobody's attempt.
            counts: state.counts() && row.lead_id != NO_LEAD,
            outcome: outcome.map(Outcome::as_str),
            missed: call_rules::is_missed(now, row.missed, &told.fact, state),
            probes: i64::from(probes),
            absent_at,
            check_at: change.check_at.map(micros),
            ended_reason: told.reason.clone(),
            control_url: told.control_url.clone(),
            provider_call_id: told.provider_call_id.clone(),
            unknown_at: entered(StateName::Unknown, now),
            placed_at: entered(StateName::Placed, at),
            ringing_at: entered(StateName::Ringing, at),
            in_progress_at: entered(StateName::InProgress, at),
            ending: ending(row, told, change, instants, outcome),
        }
    }

    /// Whether a complete look-up has missed it.
    pub(crate) const fn is_missed(&self) -> bool {
        self.missed
    }

    /// This one, and then the other.
    fn then(&mut self, later: Self) {
        let earlier = std::mem::replace(self, later);
        self.ended_reason = self.ended_reason.take().or(earlier.ended_reason);
        self.control_url = self.control_url.take().or(earlier.control_url);
        self.provider_call_id = earlier.provider_call_id.or(self.provider_call_id.take());
        self.unknown_at = earlier.unknown_at.or(self.unknown_at);
        self.placed_at = earlier.placed_at.or(self.placed_at);
        self.ringing_at = earlier.ringing_at.or(self.ringing_at);
        self.in_progress_at = earlier.in_progress_at.or(self.in_progress_at);
        if let Ending::Kept(end) = self.ending {
            self.ending = match earlier.ending {
                Ending::None => Ending::New(end),
                known @ (Ending::Kept(_) | Ending::New(_)) => known,
            };
        }
    }

    fn end(&self) -> Option<End> {
        match self.ending {
            Ending::None => None,
            Ending::Kept(end) | Ending::New(end) => Some(end),
        }
    }
}

fn ending(
    row: &AttemptRow,
    told: &AttemptFact,
    change: &Change,
    Instants {
        now,
        at,
        overdue_at,
    }: Instants,
    outcome: Option<Outcome>,
) -> Ending {
    if change.state.name().is_live() {
        return Ending::None;
    }
    let ended_by_vendor = told.details.as_ref().and_then(|details| details.ended_at);
    let latest = call_rules::latest(row.planned_at, now, overdue_at);
    let ended_at = ended_by_vendor.map_or(at, |ended| ended.clamp(row.planned_at, latest));
    // When a call ended of which nobody says when, while the clock was set back, is unknown; its gap
    // counts from the latest instant at which it can have been up.
    let unknown = now < row.planned_at && told.at.is_none() && ended_by_vendor.is_none();
    let gap_from = if unknown || outcome == Some(Outcome::PresumedPlaced) {
        overdue_at
    } else {
        ended_at
    };
    let end = End {
        ended_at: micros(ended_at),
        gap_from: micros(gap_from),
    };
    // The end is as it was told first, unless the state itself is new.
    if change.state == row.state {
        Ending::Kept(end)
    } else {
        Ending::New(end)
    }
}

/// Writes changes of attempts.
///
/// Each attempt is looked for by itself: a plan that is made before the server has any statistics
/// would read all attempts of the tenant for each of them, were the tenant a constant.
const WRITE: &str = "UPDATE attempts SET state = told.state, live = told.live, counts = told.counts,
                       outcome = told.outcome, missed = told.missed, probes = told.probes,
                       absent_at = told.absent_at, check_at = told.check_at,
                       ended_reason = coalesce(told.ended_reason, attempts.ended_reason),
                       control_url = coalesce(told.control_url, attempts.control_url),
                       provider_call_id = coalesce(attempts.provider_call_id, told.provider_call_id),
                       unknown_at = coalesce(attempts.unknown_at, told.unknown_at),
                       placed_at = coalesce(attempts.placed_at, told.placed_at),
                       ringing_at = coalesce(attempts.ringing_at, told.ringing_at),
                       in_progress_at = coalesce(attempts.in_progress_at, told.in_progress_at),
                       ended_at = CASE WHEN keeps_end THEN coalesce(attempts.ended_at, told.ended_at) ELSE told.ended_at END,
                       gap_from = CASE WHEN keeps_end THEN coalesce(attempts.gap_from, told.gap_from) ELSE told.gap_from END
                   FROM (SELECT $1::bigint AS tenant_id, facts.* FROM UNNEST($2::bigint[], $3::text[], $4::boolean[], $5::boolean[], $6::text[], $7::boolean[], $8::bigint[],
                               $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[],
                               $16::bigint[], $17::bigint[], $18::boolean[], $19::bigint[], $20::bigint[])
                       AS facts (attempt_id, state, live, counts, outcome, missed, probes, absent_at, check_at, ended_reason,
                                control_url, provider_call_id, unknown_at, placed_at, ringing_at, in_progress_at,
                                keeps_end, ended_at, gap_from)
                         OFFSET 0) AS told
                   WHERE attempts.tenant_id = told.tenant_id AND attempts.attempt_id = told.attempt_id";

/// What waits to be written, of all attempts.
#[derive(Default)]
pub(crate) struct Changes(BTreeMap<AttemptId, Changed>);

impl Changes {
    /// Lays a change over what waits already.
    pub(crate) fn add(&mut self, attempt_id: AttemptId, changed: Changed) {
        match self.0.entry(attempt_id) {
            std::collections::btree_map::Entry::Occupied(mut known) => {
                known.get_mut().then(changed);
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(changed);
            }
        }
    }

    /// Writes all that waits.
    pub(crate) async fn write(&mut self, work: &Work<'_>) -> StoreResult<()> {
        let statement = self.prepare(work).await?;
        self.write_by(work, statement.as_ref()).await
    }

    /// The statement that writes, if anything waits.
    pub(crate) async fn prepare(&self, work: &Work<'_>) -> StoreResult<Option<Statement>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        work.tx.prepare(WRITE).await.map(Some)
    }

    /// The same by the prepared statement, which is sent when this is first polled.
    pub(crate) async fn write_by(
        &mut self,
        work: &Work<'_>,
        statement: Option<&Statement>,
    ) -> StoreResult<()> {
        let Some(statement) = statement else {
            return Ok(());
        };
        let waiting = std::mem::take(&mut self.0);
        let ids: Vec<_> = waiting.keys().map(|attempt_id| attempt_id.raw()).collect();
        let all: Vec<_> = waiting.into_values().collect();
        let bound = bound![
            work.tenant_id.raw(),
            ids,
            column(&all, |changed| changed.state),
            column(&all, |changed| changed.live),
            column(&all, |changed| changed.counts),
            column(&all, |changed| changed.outcome),
            column(&all, |changed| changed.missed),
            column(&all, |changed| changed.probes),
            column(&all, |changed| changed.absent_at),
            column(&all, |changed| changed.check_at),
            column(&all, |changed| changed.ended_reason.as_deref()),
            column(&all, |changed| changed.control_url.as_deref()),
            column(&all, |changed| changed.provider_call_id.as_deref()),
            column(&all, |changed| changed.unknown_at),
            column(&all, |changed| changed.placed_at),
            column(&all, |changed| changed.ringing_at),
            column(&all, |changed| changed.in_progress_at),
            column(&all, |changed| matches!(changed.ending, Ending::Kept(_))),
            column(&all, |changed| changed.end().map(|end| end.ended_at)),
            column(&all, |changed| changed.end().map(|end| end.gap_from)),
        ];
        work.tx.execute(statement, bound).await?;
        Ok(())
    }
}

/// One column of all rows.
fn column<'a, T>(all: &'a [Changed], of: impl Fn(&'a Changed) -> T) -> Vec<T> {
    all.iter().map(of).collect()
}

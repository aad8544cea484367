//! What a fact makes of an attempt.

use jiff::{SignedDuration, Timestamp};

use super::facts::{Change, Effect, EndFault, Fact, Patience, Refusal};
use super::look_up::{
    ABSENCE_APART, QUIET_IN_CALL, UNANSWERED_PAUSE, after, after_ms, is_exhausted, is_scheduled,
    next_check, overdue_at, silent_at, unanswered_until,
};
use super::state::{AttemptState, StateName};
use crate::outcome::Outcome;

/// Pause of a lead whose attempt was refused for capacity or rate.
const REFUSED_PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// Pause of a lead whose attempt failed by configuration.
const MISCONFIGURED_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Applies one fact.
pub fn apply(
    state: AttemptState,
    fact: &Fact,
    planned_at: Timestamp,
    patience: Patience,
    now: Timestamp,
) -> Change {
    let dispatching = state.name() == StateName::Dispatching;
    let fact = crate::planted!(
        "lost_means_unsent",
        fact,
        match fact {
            Fact::AnswerLost => &Fact::NeverSent,
            fact => fact,
        }
    );
    match fact {
        Fact::NeverSent if dispatching => {
            nothing_rang(AttemptState::Released, SignedDuration::ZERO, Vec::new())
        }
        Fact::Refused(refusal) if dispatching => refused(refusal),
        Fact::AnswerLost => answer_lost(state, planned_at, patience, now),
        // Too late: something else is known already, or the request may have left after all.
        Fact::NeverSent | Fact::Refused(_) => no_news(state, planned_at, patience, now),
        Fact::Placed => progress(state, AttemptState::Placed, planned_at, patience, now),
        Fact::Ringing => progress(state, AttemptState::Ringing, planned_at, patience, now),
        Fact::Connected => progress(state, AttemptState::InProgress, planned_at, patience, now),
        Fact::Ended { outcome, fault } => ended(state, *outcome, *fault),
        Fact::NotFound => looked_up(state, LookUp::Absent, planned_at, patience, now),
        Fact::LookupInconclusive => {
            looked_up(state, LookUp::Inconclusive, planned_at, patience, now)
        }
        Fact::LookupFailed => looked_up(state, LookUp::Unanswered, planned_at, patience, now),
    }
}

fn answer_lost(
    state: AttemptState,
    planned_at: Timestamp,
    patience: Patience,
    now: Timestamp,
) -> Change {
    let AttemptState::Dispatching { send_not_after } = state else {
        return no_news(state, planned_at, patience, now);
    };
    let sent_by = send_not_after.min(now);
    let state = AttemptState::Unknown {
        sent_by,
        probes: 0,
        absent_at: None,
    };
    let check_at = next_check(&state, planned_at, patience, now);
    Change {
        state,
        effects: vec![Effect::LeadUnresolved],
        check_at,
    }
}

fn nothing_rang(
    state: AttemptState,
    retry_after: SignedDuration,
    mut effects: Vec<Effect>,
) -> Change {
    effects.push(Effect::LeadFreed {
        outcome: None,
        retry_after,
    });
    Change {
        state,
        effects,
        check_at: None,
    }
}

fn refused(refusal: &Refusal) -> Change {
    let rest = |pause, reason| vec![Effect::LineRests { pause, reason }];
    let (pause, effects) = match refusal {
        Refusal::Capacity => (
            REFUSED_PAUSE,
            rest(Some(SignedDuration::from_secs(1)), "capacity"),
        ),
        Refusal::RateLimited { retry_after_ms } => {
            let asked_ms = retry_after_ms.unwrap_or(1_000).min(3_600_000);
            let asked = SignedDuration::from_millis(i64::try_from(asked_ms).unwrap_or(1_000));
            (REFUSED_PAUSE, rest(Some(asked), "rate_limited"))
        }
        Refusal::Credentials => (REFUSED_PAUSE, rest(None, "credentials")),
        Refusal::Payment => (REFUSED_PAUSE, rest(None, "payment")),
        Refusal::NumberDailyLimit => (REFUSED_PAUSE, vec![Effect::NumberRests]),
        Refusal::Configuration => (MISCONFIGURED_PAUSE, vec![Effect::CircuitOpens]),
        Refusal::InvalidNumber => {
            let freed = Effect::LeadFreed {
                outcome: Some(Outcome::InvalidNumber),
                retry_after: SignedDuration::ZERO,
            };
            return Change {
                state: AttemptState::Rejected,
                effects: vec![freed],
                check_at: None,
            };
        }
    };
    nothing_rang(AttemptState::Rejected, pause, effects)
}

fn progress(
    state: AttemptState,
    to: AttemptState,
    planned_at: Timestamp,
    patience: Patience,
    now: Timestamp,
) -> Change {
    let from = state.name();
    let corrects = match from {
        StateName::Absent | StateName::Released => true,
        // A refused request may have left a record at the provider; only a ring is proof.
        StateName::Rejected => matches!(to, AttemptState::Ringing | AttemptState::InProgress),
        _ => false,
    };
    let is_old = !corrects && from.rank() >= to.name().rank();
    if crate::planted!(
        "progress_goes_back",
        is_old,
        is_old && !from.is_at_provider()
    ) {
        return no_news(state, planned_at, patience, now);
    }
    let mut effects = proves_the_line(from);
    if corrects {
        // A call exists that we had written off: it holds its lead and its number again.
        effects.extend([Effect::LeadInCall, Effect::Corrected]);
    } else if from == StateName::Unknown {
        effects.push(Effect::LeadInCall);
    }
    Change {
        state: to,
        effects,
        check_at: next_check(&to, planned_at, patience, now),
    }
}

/// Only news of a request whose fate was open says that the line takes requests: a call placed
/// long ago goes on whatever has become of the account since.
fn proves_the_line(from: StateName) -> Vec<Effect> {
    match from {
        StateName::Dispatching | StateName::Unknown => vec![Effect::LineWorks],
        _ => Vec::new(),
    }
}

/// The state stays, unless its call can no longer be up: then even a provider that goes on
/// calling it live frees its slot.
fn no_news(
    state: AttemptState,
    planned_at: Timestamp,
    patience: Patience,
    now: Timestamp,
) -> Change {
    let overdue = now >= overdue_at(planned_at, patience);
    if state.name().is_at_provider() && overdue {
        return presumed_placed();
    }
    keep(state, next_check(&state, planned_at, patience, now))
}

fn keep(state: AttemptState, check_at: Option<Timestamp>) -> Change {
    Change {
        state,
        effects: Vec::new(),
        check_at,
    }
}

fn ended(state: AttemptState, outcome: Outcome, fault: EndFault) -> Change {
    // A fault of ours that strikes when the phone has rung has still disturbed somebody.
    let counts = fault == EndFault::None
        || matches!(state, AttemptState::Ringing | AttemptState::InProgress);
    let corrects = match state {
        AttemptState::Ended {
            outcome: Outcome::PresumedPlaced,
            ..
        } => outcome != Outcome::PresumedPlaced,
        // A mailbox is often recognised only after the call: one refinement, no more.
        AttemptState::Ended {
            outcome: Outcome::Answered,
            ..
        } => counts && outcome == Outcome::Voicemail,
        AttemptState::Absent | AttemptState::Released => counts,
        AttemptState::Rejected => counts && proves_a_call(outcome),
        _ => false,
    };
    let known = !state.name().is_live() && !corrects;
    if crate::planted!("ended_twice", known, false) {
        return keep(state, None);
    }
    let mut effects = match fault {
        EndFault::None => proves_the_line(state.name()),
        EndFault::Capacity => {
            vec![Effect::LineRests {
                pause: Some(SignedDuration::from_secs(1)),
                reason: "capacity",
            }]
        }
        EndFault::NumberDailyLimit => vec![Effect::NumberRests],
        EndFault::Configuration => vec![Effect::CircuitOpens],
    };
    if corrects {
        effects.push(Effect::Corrected);
    }
    let retry_after = if fault == EndFault::Configuration {
        MISCONFIGURED_PAUSE
    } else {
        REFUSED_PAUSE
    };
    effects.push(Effect::LeadFreed {
        outcome: counts.then_some(outcome),
        retry_after,
    });
    Change {
        state: AttemptState::Ended { outcome, counts },
        effects,
        check_at: None,
    }
}

/// Whether the callee's side must have been reached, even if the request looked refused.
const fn proves_a_call(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Answered
            | Outcome::Voicemail
            | Outcome::NoAnswer
            | Outcome::Busy
            | Outcome::Rejected
            | Outcome::Screened
    )
}

/// What came of a look-up that did not find how the call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookUp {
    Absent,
    Inconclusive,
    Unanswered,
}

fn looked_up(
    state: AttemptState,
    look_up: LookUp,
    planned_at: Timestamp,
    patience: Patience,
    now: Timestamp,
) -> Change {
    let absent = look_up == LookUp::Absent;
    let unanswered = look_up == LookUp::Unanswered;
    match state {
        // Its sender died without a word.
        AttemptState::Dispatching { send_not_after } if now >= silent_at(send_not_after) => {
            let state = AttemptState::Unknown {
                sent_by: send_not_after,
                probes: 0,
                absent_at: None,
            };
            let mut change = looked_up(state, look_up, planned_at, patience, now);
            change.effects.insert(0, Effect::LeadUnresolved);
            change
        }
        AttemptState::Unknown {
            sent_by,
            probes,
            absent_at,
        } => {
            let settled = now >= after_ms(sent_by, patience.list_settle_ms);
            let first_absent_at = absent_at.filter(|_| absent && settled);
            let is_proven = first_absent_at.is_some_and(|first| now >= after(first, ABSENCE_APART));
            if crate::planted!("one_look_is_absence", is_proven, absent) {
                return nothing_rang(AttemptState::Absent, SignedDuration::ZERO, Vec::new());
            }
            let absent_at = absent_at.or((absent && settled).then_some(now));
            let counts = absent || absent_at.is_some() || is_scheduled(sent_by, probes, now);
            let probes = probes.saturating_add(u32::from(counts));
            let state = AttemptState::Unknown {
                sent_by,
                probes,
                absent_at,
            };
            let waits = unanswered && now < unanswered_until(sent_by);
            if absent_at.is_none() && is_exhausted(probes) && !waits {
                return presumed_placed();
            }
            match next_check(&state, planned_at, patience, now) {
                Some(check_at) if absent => keep(state, Some(check_at)),
                Some(check_at) => {
                    let again = after(now, UNANSWERED_PAUSE);
                    keep(state, Some(check_at.min(again)))
                }
                None => presumed_placed(),
            }
        }
        // It rang, and only its provider can tell how it ended.
        AttemptState::Placed | AttemptState::Ringing | AttemptState::InProgress
            if unanswered && now < unanswered_until(overdue_at(planned_at, patience)) =>
        {
            let check_at = next_check(&state, planned_at, patience, now);
            let again = after(now, QUIET_IN_CALL);
            keep(state, check_at.max(Some(again)))
        }
        _ => no_news(state, planned_at, patience, now),
    }
}

fn presumed_placed() -> Change {
    let outcome = Outcome::PresumedPlaced;
    let freed = Effect::LeadFreed {
        outcome: Some(outcome),
        retry_after: SignedDuration::ZERO,
    };
    Change {
        state: AttemptState::Ended {
            outcome,
            counts: crate::planted!("presumed_does_not_count", true, false),
        },
        effects: vec![freed],
        check_at: None,
    }
}

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::outcome::Outcome;

const PATIENCE: Patience = Patience {
    list_settle_ms: 900_000,
    max_ring_ms: 300_000,
    max_talk_ms: 1_800_000,
};
/// For how long a provider that does not answer is waited for, seconds.
const SIX_HOURS: i64 = 6 * 3_600;
const DISPATCHING: AttemptState = AttemptState::Dispatching {
    send_not_after: second(2),
};
const FRESH_UNKNOWN: AttemptState = AttemptState::Unknown {
    sent_by: second(2),
    probes: 0,
    absent_at: None,
};
const ANSWERED: AttemptState = AttemptState::Ended {
    outcome: Outcome::Answered,
    counts: true,
};
const PRESUMED: AttemptState = AttemptState::Ended {
    outcome: Outcome::PresumedPlaced,
    counts: true,
};

/// Seconds since the attempt was planned.
const fn second(second: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000 + second, 0)
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn apply_at(state: AttemptState, fact: &Fact, now: i64) -> Change {
    apply(state, fact, second(0), PATIENCE, second(now))
}

fn ended_by(outcome: Outcome, fault: EndFault) -> Fact {
    Fact::Ended { outcome, fault }
}

fn ended_with(outcome: Outcome) -> Fact {
    ended_by(outcome, EndFault::None)
}

fn freed(outcome: Option<Outcome>, retry_seconds: i64) -> Effect {
    Effect::LeadFreed {
        outcome,
        retry_after: seconds(retry_seconds),
    }
}

fn rests(pause_ms: Option<i64>, reason: &'static str) -> Effect {
    Effect::LineRests {
        pause: pause_ms.map(SignedDuration::from_millis),
        reason,
    }
}

/// Asserts that `fact` changes nothing.
fn assert_unchanged(state: AttemptState, fact: &Fact) {
    let change = apply_at(state, fact, 5);
    assert_eq!((change.state, change.effects), (state, vec![]), "{fact:?}");
}

#[test]
fn a_call_is_followed_from_its_place_to_its_end() {
    let steps = [
        (Fact::Placed, AttemptState::Placed, Some(31)),
        (Fact::Ringing, AttemptState::Ringing, Some(32)),
        (Fact::Connected, AttemptState::InProgress, Some(63)),
        (ended_with(Outcome::Answered), ANSWERED, None),
    ];
    let mut state = DISPATCHING;
    for (now, (fact, expected, check_at)) in (1..).zip(&steps) {
        let change = apply_at(state, fact, now);
        assert_eq!(
            (change.state, change.check_at),
            (*expected, check_at.map(second))
        );
        let mut effects = Vec::new();
        if *fact == Fact::Placed {
            effects.push(Effect::LineWorks);
        }
        if matches!(fact, Fact::Ended { .. }) {
            effects.push(freed(Some(Outcome::Answered), 2));
        }
        assert_eq!(change.effects, effects, "{fact:?}");
        state = change.state;
    }
}

#[test]
fn callbacks_may_overtake_the_answer_and_each_other() {
    assert_eq!(
        apply_at(DISPATCHING, &Fact::Connected, 1).state,
        AttemptState::InProgress
    );
    assert_eq!(
        apply_at(DISPATCHING, &ended_with(Outcome::Answered), 1).state,
        ANSWERED
    );
    for late in [
        Fact::Placed,
        Fact::Ringing,
        Fact::AnswerLost,
        Fact::NeverSent,
    ] {
        assert_unchanged(AttemptState::InProgress, &late);
        assert_unchanged(ANSWERED, &late);
    }
    assert_unchanged(AttemptState::Placed, &Fact::Refused(Refusal::Capacity));
}

#[test]
fn what_provably_never_left_burns_nothing() {
    let change = apply_at(DISPATCHING, &Fact::NeverSent, 1);
    assert_eq!(change.state, AttemptState::Released);
    assert_eq!(change.effects, [freed(None, 0)]);
    assert_eq!(change.check_at, None);
    assert!(!change.state.counts());
    // Only the sender may say so, and only before anything else is known.
    assert_unchanged(FRESH_UNKNOWN, &Fact::NeverSent);
}

#[test]
fn each_refusal_has_its_consequence_and_burns_nothing() {
    let limited = |retry_after_ms| Refusal::RateLimited { retry_after_ms };
    let cases = [
        (Refusal::Capacity, rests(Some(1_000), "capacity"), 2),
        (limited(None), rests(Some(1_000), "rate_limited"), 2),
        (limited(Some(4_500)), rests(Some(4_500), "rate_limited"), 2),
        (
            limited(Some(u64::MAX)),
            rests(Some(3_600_000), "rate_limited"),
            2,
        ),
        (Refusal::Credentials, rests(None, "credentials"), 2),
        (Refusal::Payment, rests(None, "payment"), 2),
        (Refusal::NumberDailyLimit, Effect::NumberRests, 2),
        (Refusal::Configuration, Effect::CircuitOpens, 30),
    ];
    for (refusal, effect, retry_seconds) in cases {
        let change = apply_at(DISPATCHING, &Fact::Refused(refusal.clone()), 1);
        assert_eq!(change.state, AttemptState::Rejected);
        assert_eq!(
            change.effects,
            [effect, freed(None, retry_seconds)],
            "{refusal:?}"
        );
        assert!(!change.state.counts());
    }
    let invalid = apply_at(DISPATCHING, &Fact::Refused(Refusal::InvalidNumber), 1);
    assert_eq!(invalid.state, AttemptState::Rejected);
    assert_eq!(invalid.effects, [freed(Some(Outcome::InvalidNumber), 0)]);
    assert_unchanged(FRESH_UNKNOWN, &Fact::Refused(Refusal::Capacity));
}

#[test]
fn each_fault_that_ends_a_call_has_its_consequence() {
    let cases = [
        (EndFault::Capacity, rests(Some(1_000), "capacity"), 2),
        (EndFault::NumberDailyLimit, Effect::NumberRests, 2),
        (EndFault::Configuration, Effect::CircuitOpens, 30),
    ];
    for (fault, effect, retry_seconds) in cases {
        let change = apply_at(
            AttemptState::Placed,
            &ended_by(Outcome::FailedTransient, fault),
            9,
        );
        let outcome = Outcome::FailedTransient;
        assert_eq!(
            change.state,
            AttemptState::Ended {
                outcome,
                counts: false
            }
        );
        assert_eq!(change.effects, [effect, freed(None, retry_seconds)]);
        assert!(!change.state.counts());
    }
}

#[test]
fn an_answer_that_never_came_is_looked_up_on_schedule() {
    let change = apply_at(DISPATCHING, &Fact::AnswerLost, 20);
    let mut state = change.state;
    assert_eq!(state, FRESH_UNKNOWN);
    assert_eq!(change.effects, [Effect::LeadUnresolved]);
    assert_eq!(change.check_at, Some(second(22)));
    let mut check_at = change.check_at;
    let mut checks = Vec::new();
    while let Some(now) = check_at {
        checks.push((now - second(2)).as_secs());
        let change = apply(state, &Fact::LookupFailed, second(0), PATIENCE, now);
        (state, check_at) = (change.state, change.check_at);
    }
    // Beside the schedule, a provider that does not answer is asked every five minutes.
    let every_five_minutes = (1..=72).map(|five| five * 300);
    let expected: Vec<_> = [20, 28, 48, 120]
        .into_iter()
        .chain(every_five_minutes)
        .collect();
    assert_eq!(checks, expected);
    assert_eq!(state, PRESUMED);
}

#[test]
fn a_look_up_between_does_not_shorten_the_schedule() {
    let unknown = |probes| AttemptState::Unknown {
        sent_by: second(2),
        probes,
        absent_at: None,
    };
    for (at, probes) in [(2 + 3_599, 6), (2 + 3_600, 7), (2 + 3_900, 7)] {
        let change = apply_at(unknown(probes.min(6)), &Fact::LookupFailed, at);
        assert_eq!(change.state, unknown(probes), "{at}");
    }
    // One that was answered is followed as scheduled.
    let answered = apply_at(unknown(5), &Fact::NotFound, 2 + 600);
    assert_eq!(answered.check_at, Some(second(2 + 3_600)));
}

#[test]
fn a_server_that_was_down_does_not_ask_everything_at_once() {
    let late = 7_200;
    let pauses: Vec<_> = (0..7)
        .map(|probes| {
            let state = AttemptState::Unknown {
                sent_by: second(2),
                probes,
                absent_at: None,
            };
            let check_at = next_check(&state, second(0), PATIENCE, second(late)).unwrap();
            (check_at - second(late)).as_secs()
        })
        .collect();
    assert_eq!(pauses, [2, 8, 20, 60, 60, 60, 60]);
}

#[test]
fn absence_needs_a_settled_list_and_two_look_ups_a_minute_apart() {
    let settled = 2 + 900;
    let early = apply_at(FRESH_UNKNOWN, &Fact::NotFound, settled - 1);
    let unsettled = AttemptState::Unknown {
        sent_by: second(2),
        probes: 1,
        absent_at: None,
    };
    assert_eq!((early.state, early.effects), (unsettled, vec![]));

    let first = apply_at(unsettled, &Fact::NotFound, settled);
    let absent_at = Some(second(settled));
    let once = AttemptState::Unknown {
        sent_by: second(2),
        probes: 2,
        absent_at,
    };
    assert_eq!(
        (first.state, first.check_at),
        (once, Some(second(settled + 60)))
    );

    let too_soon = apply_at(once, &Fact::NotFound, settled + 59);
    assert!(
        matches!(too_soon.state, AttemptState::Unknown { absent_at: kept, .. } if kept == absent_at)
    );
    assert_eq!(too_soon.check_at, Some(second(settled + 60)));

    let second_look = apply_at(once, &Fact::NotFound, settled + 60);
    assert_eq!(second_look.state, AttemptState::Absent);
    assert_eq!(second_look.effects, [freed(None, 0)]);
    assert!(!second_look.state.counts());
}

#[test]
fn absence_that_nobody_confirms_ends_as_presumed_placed() {
    let mut state = AttemptState::Unknown {
        sent_by: second(2),
        probes: 7,
        absent_at: Some(second(3_602)),
    };
    let mut now = second(3_662);
    let mut checks = 0;
    while state != PRESUMED {
        let change = apply(state, &Fact::LookupFailed, second(0), PATIENCE, now);
        state = change.state;
        checks += 1;
        let check_at = change.check_at.unwrap_or(now + seconds(60));
        assert_eq!(check_at, now + seconds(60));
        now = check_at;
    }
    assert_eq!(checks, 5);
}

/// Asking goes on every minute, so the questions are counted, in whatever part of the schedule.
#[test]
fn absence_that_nobody_confirms_early_does_not_hold_its_slot_for_an_hour() {
    let quick = Patience {
        list_settle_ms: 30_000,
        ..PATIENCE
    };
    let mut state = AttemptState::Unknown {
        sent_by: second(2),
        probes: 3,
        absent_at: Some(second(32)),
    };
    let mut now = second(92);
    let mut checks = 0;
    while state != PRESUMED {
        let change = apply(state, &Fact::LookupFailed, second(0), quick, now);
        state = change.state;
        checks += 1;
        now += seconds(60);
        assert!(change.check_at.is_none_or(|check_at| check_at == now));
    }
    assert_eq!(checks, 9);
}

#[test]
fn everything_that_may_have_rung_counts() {
    let counting = [
        DISPATCHING,
        FRESH_UNKNOWN,
        AttemptState::Placed,
        AttemptState::Ringing,
        AttemptState::InProgress,
        ANSWERED,
        PRESUMED,
    ];
    for state in counting {
        assert!(state.counts() && state.name().counts(), "{state:?}");
    }
    for state in [
        AttemptState::Rejected,
        AttemptState::Released,
        AttemptState::Absent,
    ] {
        assert!(!state.counts() && !state.name().counts(), "{state:?}");
    }
}

#[test]
fn after_the_last_look_up_a_call_is_presumed_placed_and_counts() {
    let patient = Patience {
        list_settle_ms: 7_200_000,
        ..PATIENCE
    };
    let last = AttemptState::Unknown {
        sent_by: second(2),
        probes: 6,
        absent_at: None,
    };
    for (fact, at) in [(Fact::NotFound, 3_602), (Fact::LookupFailed, 2 + SIX_HOURS)] {
        let change = apply(last, &fact, second(0), patient, second(at));
        assert_eq!(change.state, PRESUMED);
        assert_eq!(change.effects, [freed(Some(Outcome::PresumedPlaced), 0)]);
        assert_eq!(change.check_at, None);
        assert!(change.state.counts());
    }
}

/// Whom the call reached would be called again.
#[test]
fn a_provider_that_does_not_answer_is_waited_for() {
    let unanswered = AttemptState::Unknown {
        sent_by: second(2),
        probes: 7,
        absent_at: None,
    };
    let mut change = apply_at(unanswered, &Fact::LookupFailed, SIX_HOURS + 1);
    assert_eq!((change.state, change.effects.len()), (unanswered, 0));
    assert_eq!(change.check_at, Some(second(SIX_HOURS + 301)));
    // Back again, it is believed as ever: absence needs to be seen twice.
    change = apply_at(unanswered, &Fact::NotFound, SIX_HOURS);
    assert_eq!(change.check_at, Some(second(SIX_HOURS + 60)));
    change = apply_at(change.state, &Fact::NotFound, SIX_HOURS + 60);
    assert_eq!(change.state, AttemptState::Absent);
}

#[test]
fn an_unresolved_call_that_is_found_goes_on() {
    let found = apply_at(FRESH_UNKNOWN, &Fact::Ringing, 30);
    assert_eq!(found.state, AttemptState::Ringing);
    assert_eq!(found.effects, [Effect::LineWorks, Effect::LeadInCall]);
    let over = apply_at(FRESH_UNKNOWN, &ended_with(Outcome::Busy), 30);
    let outcome = Outcome::Busy;
    assert_eq!(
        over.state,
        AttemptState::Ended {
            outcome,
            counts: true
        }
    );
    assert_eq!(
        over.effects,
        [Effect::LineWorks, freed(Some(Outcome::Busy), 2)]
    );
}

#[test]
fn a_dispatch_whose_sender_died_is_looked_up_and_never_sent_again() {
    let check_at = next_check(&DISPATCHING, second(0), PATIENCE, second(0));
    assert_eq!(check_at, Some(second(32)));
    assert_unchanged(DISPATCHING, &Fact::LookupFailed);
    let change = apply_at(DISPATCHING, &Fact::NotFound, 32);
    let unknown = AttemptState::Unknown {
        sent_by: second(2),
        probes: 1,
        absent_at: None,
    };
    assert_eq!(
        (change.state, change.effects),
        (unknown, vec![Effect::LeadUnresolved])
    );
    assert_eq!(
        apply_at(DISPATCHING, &Fact::Placed, 32).state,
        AttemptState::Placed
    );
}

#[test]
fn a_call_whose_end_is_overdue_frees_its_slot() {
    let overdue = 300 + 1_800 + 600;
    assert_eq!(overdue_at(second(0), PATIENCE), second(overdue));
    let endless = Patience {
        max_talk_ms: u64::MAX,
        ..PATIENCE
    };
    assert_eq!(overdue_at(second(0), endless), Timestamp::MAX);
    let live = [
        AttemptState::Placed,
        AttemptState::Ringing,
        AttemptState::InProgress,
    ];
    for state in live {
        for (fact, until) in [
            (Fact::NotFound, overdue),
            (Fact::LookupInconclusive, overdue),
            (Fact::LookupFailed, overdue + SIX_HOURS),
            (Fact::Placed, overdue),
        ] {
            let before = apply_at(state, &fact, until - 1);
            assert_eq!((before.state, before.effects), (state, vec![]));
            let check_at = before.check_at.unwrap();
            assert!(check_at > second(until - 1) && check_at <= second(until + 60));
            let after = apply_at(state, &fact, until);
            assert_eq!(after.state, PRESUMED);
            assert_eq!(after.effects, [freed(Some(Outcome::PresumedPlaced), 0)]);
        }
    }
    // A provider that says for ever that the call goes on.
    let stuck = apply_at(AttemptState::InProgress, &Fact::Connected, overdue);
    assert_eq!(stuck.state, PRESUMED);
}

#[test]
fn silence_is_looked_up_sooner_before_the_answer_than_after() {
    let check = |state, now| next_check(&state, second(0), PATIENCE, second(now));
    assert_eq!(check(AttemptState::Placed, 10), Some(second(40)));
    assert_eq!(check(AttemptState::InProgress, 10), Some(second(70)));
    assert_eq!(check(AttemptState::Ringing, 2_690), Some(second(2_700)));
    assert_eq!(check(AttemptState::Ringing, 2_699), Some(second(2_704)));
    for over in [
        ANSWERED,
        AttemptState::Rejected,
        AttemptState::Released,
        AttemptState::Absent,
    ] {
        assert_eq!(check(over, 10), None);
    }
}

#[test]
fn proof_of_a_call_that_was_given_up_is_a_correction() {
    for given_up in [AttemptState::Absent, AttemptState::Released] {
        for fact in [Fact::Placed, Fact::Ringing, Fact::Connected] {
            let change = apply_at(given_up, &fact, 9);
            assert!(change.state.name().is_live());
            let effects = [Effect::LeadInCall, Effect::Corrected];
            assert_eq!(change.effects, effects);
        }
        let over = apply_at(given_up, &ended_with(Outcome::Answered), 9);
        assert_eq!(over.state, ANSWERED);
        let freed = freed(Some(Outcome::Answered), 2);
        assert_eq!(over.effects, [Effect::Corrected, freed]);
        // Nothing rang, as we thought.
        let failed = ended_by(Outcome::FailedPermanent, EndFault::Configuration);
        assert_unchanged(given_up, &failed);
    }
}

#[test]
fn only_a_ring_proves_that_a_refused_call_exists() {
    assert_unchanged(AttemptState::Rejected, &Fact::Placed);
    assert_unchanged(
        AttemptState::Rejected,
        &ended_with(Outcome::FailedTransient),
    );
    assert_unchanged(AttemptState::Rejected, &ended_with(Outcome::InvalidNumber));
    let rings = apply_at(AttemptState::Rejected, &Fact::Ringing, 9);
    assert_eq!(rings.state, AttemptState::Ringing);
    assert!(rings.effects.contains(&Effect::Corrected));
    let answered = apply_at(AttemptState::Rejected, &ended_with(Outcome::Answered), 9);
    assert_eq!(answered.state, ANSWERED);
    assert!(answered.effects.contains(&Effect::Corrected));
}

#[test]
fn a_presumed_call_takes_the_first_real_end_and_no_other() {
    let real = apply_at(PRESUMED, &ended_with(Outcome::Answered), 9_000);
    assert_eq!(real.state, ANSWERED);
    assert!(real.effects.contains(&Effect::Corrected));
    assert_unchanged(real.state, &ended_with(Outcome::NoAnswer));
    let refunded = apply_at(
        PRESUMED,
        &ended_by(Outcome::FailedTransient, EndFault::Capacity),
        9,
    );
    assert!(!refunded.state.counts());
    assert_unchanged(PRESUMED, &ended_with(Outcome::PresumedPlaced));
    assert_unchanged(PRESUMED, &Fact::Ringing);
}

#[test]
fn a_mailbox_that_is_recognised_late_is_one_refinement() {
    let refined = apply_at(ANSWERED, &ended_with(Outcome::Voicemail), 9);
    let outcome = Outcome::Voicemail;
    assert_eq!(
        refined.state,
        AttemptState::Ended {
            outcome,
            counts: true
        }
    );
    assert!(refined.effects.contains(&Effect::Corrected));
    assert_unchanged(refined.state, &ended_with(Outcome::Voicemail));
    assert_unchanged(refined.state, &ended_with(Outcome::Answered));
    assert_unchanged(ANSWERED, &ended_with(Outcome::Answered));
    // A conversation took place; a fault cannot take it back.
    assert_unchanged(ANSWERED, &ended_by(Outcome::Voicemail, EndFault::Capacity));
}

fn facts() -> impl Strategy<Value = Fact> {
    let refusals = select(vec![
        Refusal::Capacity,
        Refusal::RateLimited {
            retry_after_ms: Some(10),
        },
        Refusal::Credentials,
        Refusal::Payment,
        Refusal::NumberDailyLimit,
        Refusal::Configuration,
        Refusal::InvalidNumber,
    ]);
    let faults = select(vec![
        EndFault::None,
        EndFault::None,
        EndFault::Capacity,
        EndFault::NumberDailyLimit,
        EndFault::Configuration,
    ]);
    let plain = select(vec![
        Fact::NeverSent,
        Fact::AnswerLost,
        Fact::Placed,
        Fact::Ringing,
        Fact::Connected,
        Fact::NotFound,
        Fact::LookupInconclusive,
        Fact::LookupFailed,
    ]);
    prop_oneof![
        6 => plain,
        1 => refusals.prop_map(Fact::Refused),
        2 => (select(Outcome::ALL), faults)
            .prop_map(|(outcome, fault)| Fact::Ended { outcome, fault }),
    ]
}

/// Facts with the seconds that pass before each.
fn histories() -> impl Strategy<Value = Vec<(Fact, i64)>> {
    vec(
        (facts(), prop_oneof![Just(0i64), 1i64..90, 300i64..4_000]),
        1..25,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in_whatever_order_keeps_the_invariants(history in histories()) {
        let (mut state, mut now) = (DISPATCHING, 0);
        let mut holds_lead = true;
        for (fact, pause) in history {
            now += pause;
            let before = state;
            let change = apply_at(before, &fact, now);
            state = change.state;
            let corrected = change.effects.contains(&Effect::Corrected);
            let frees = change.effects.iter().filter(|e| matches!(e, Effect::LeadFreed { .. }));
            let frees = frees.count();
            prop_assert!(frees <= 1);
            if before == state {
                prop_assert!(change.effects.is_empty(), "{fact:?} told twice");
            }
            // A terminal state changes by a correction only, and nothing else is one.
            prop_assert_eq!(corrected, !before.name().is_live() && before != state);
            // Whatever becomes terminal frees its lead, and nothing else does.
            let ends = before != state && !state.name().is_live();
            prop_assert_eq!(frees == 1, ends, "{:?} of {:?}", fact, before);
            // A lead is freed once, unless a correction speaks of it again.
            prop_assert!(frees == 0 || holds_lead || corrected);
            holds_lead = state.name().is_live();
            if !corrected {
                prop_assert!(state.name().rank() >= before.name().rank());
            }
            prop_assert!(before == DISPATCHING || state.name() != StateName::Dispatching);
            // A live state has a look-up ahead, a terminal one has none.
            prop_assert_eq!(change.check_at.is_some(), state.name().is_live());
            prop_assert!(change.check_at.is_none_or(|at| at > second(now)));
            prop_assert!(!state.counts() || state.name().counts());
            prop_assert!(state.counts() || !state.name().is_live());
            // The same fact again, at once, says nothing new, except that look-ups are counted
            // and that a call which cannot be up any more ends.
            let looked_up = matches!(
                fact,
                Fact::NotFound | Fact::LookupInconclusive | Fact::LookupFailed
            );
            if !looked_up && second(now) < overdue_at(second(0), PATIENCE) {
                let again = apply_at(state, &fact, now);
                prop_assert_eq!((again.state, again.effects), (state, vec![]));
            }
        }
    }

    /// Whatever was learned so far, look-ups that find nothing bring every attempt to its end.
    #[test]
    fn look_ups_end_every_attempt(history in histories(), found_nothing: bool) {
        let (mut state, mut now) = (DISPATCHING, second(0));
        let mut check_at = next_check(&state, second(0), PATIENCE, now);
        for (fact, pause) in history {
            now += seconds(pause);
            let change = apply(state, &fact, second(0), PATIENCE, now);
            (state, check_at) = (change.state, change.check_at);
        }
        let look_up = if found_nothing { Fact::NotFound } else { Fact::LookupFailed };
        let started_at = now;
        while let Some(at) = check_at {
            now = at;
            let change = apply(state, &look_up, second(0), PATIENCE, now);
            (state, check_at) = (change.state, change.check_at);
            prop_assert!(now - started_at < seconds(3 * 3_600 + SIX_HOURS), "{state:?}");
        }
        prop_assert!(!state.name().is_live());
    }
}

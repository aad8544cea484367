//! Limits at the very instant at which they begin or end.

use super::*;
use crate::planner::minute_spacing;

#[test]
fn what_holds_until_now_does_not_hold_now() {
    let mut rested = line(vec![campaign(1, settings(), vec![lead(1)])]);
    rested.rests_until = Some(noon());
    assert_eq!(called(&plan(noon(), &rested)), [1]);

    let mut closed_circuit = campaign(1, settings(), vec![lead(1)]);
    closed_circuit.circuit_open_until = Some(noon());
    assert_eq!(called(&plan_one(closed_circuit).0), [1]);

    let mut free = campaign(1, settings(), vec![lead(1)]);
    free.numbers[0].rests_until = Some(noon());
    assert_eq!(called(&plan_one(free).0), [1]);

    let mut wanted = lead(1);
    wanted.not_before = Some(noon());
    let due = campaign(1, settings(), vec![wanted.clone()]);
    assert_eq!(called(&plan_one(due).0), [1]);
    wanted.not_before = Some(noon() + SignedDuration::from_nanos(1));
    let early = campaign(1, settings(), vec![wanted]);
    assert_eq!(called(&plan_one(early).0), [0_i64; 0]);
}

#[test]
fn a_start_at_the_end_of_the_look_ahead_is_planned_and_a_later_one_is_not() {
    let (last, too_late) = (noon() + LOOKAHEAD, noon() + LOOKAHEAD + millis(1));
    let mut settings = settings();
    settings.max_calls_per_minute = Some(60);
    for (next_start_at, planned) in [(last, 1), (too_late, 0)] {
        let mut paced_line = line(vec![campaign(1, settings.clone(), vec![lead(1)])]);
        paced_line.max_calls_per_second = 1;
        paced_line.next_start_at = Some(next_start_at);
        let calls = plan(noon(), &paced_line).calls;
        assert_eq!(calls.len(), planned);
        assert!(calls.iter().all(|call| call.send_at == last));

        let mut paced = campaign(1, settings.clone(), vec![lead(1)]);
        paced.next_start_at = Some(next_start_at);
        let calls = plan_one(paced).0.calls;
        assert_eq!(calls.len(), planned);
        assert!(calls.iter().all(|call| call.send_at == last));
    }
}

#[test]
fn a_line_on_trial_without_a_free_slot_is_looked_at_again() {
    let mut full = line(vec![campaign(1, settings(), vec![lead(1)])]);
    full.on_trial = true;
    full.max_concurrent_calls = 3;
    full.live_calls = 2;
    assert_eq!(called(&plan(noon(), &full)), [1]);
    for live_calls in [3, 4] {
        full.live_calls = live_calls;
        let waiting = plan(noon(), &full);
        assert_eq!(called(&waiting), [0_i64; 0]);
        assert_eq!(waiting.wake_at, Some(noon() + RECHECK));
    }
}

#[test]
fn a_busy_number_whose_rest_ends_now_is_looked_at_again_and_not_at_once() {
    let mut waiting = campaign(1, settings(), vec![lead(1)]);
    waiting.numbers = vec![NumberSnapshot {
        max_concurrent_calls: Some(1),
        live_calls: 1,
        rests_until: Some(noon()),
        ..number("a")
    }];
    let (plan, of_campaign) = plan_one(waiting);
    assert_eq!(called(&plan), [0_i64; 0]);
    assert_eq!(of_campaign.wake_at, Some(noon() + RECHECK));
}

#[test]
fn with_nobody_left_to_call_a_live_call_still_counts_as_dialing() {
    let mut last = campaign(1, settings(), vec![]);
    (last.has_leads, last.has_open_leads) = (true, true);
    let reason = |campaign: &CampaignSnapshot| plan_one(campaign.clone()).1.reason;
    assert_eq!(reason(&last), StatusReason::NoDialableLeads);
    last.live_calls = 1;
    assert_eq!(reason(&last), StatusReason::Dialing);
}

#[test]
fn calls_a_minute_are_spread_with_a_margin() {
    for (rate, spacing_ms) in [(1, 63_000), (60, 1_050), (600, 105), (0, 63_000)] {
        assert_eq!(minute_spacing(rate), millis(spacing_ms), "{rate}");
    }
}

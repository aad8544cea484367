//! Slots and pace: of a line, and of a campaign on it.

use super::*;

#[test]
fn the_line_takes_no_more_calls_than_it_has_slots() {
    let mut line = line(vec![campaign(1, settings(), (0..9).map(lead).collect())]);
    line.max_concurrent_calls = 5;
    line.live_calls = 3;
    let full = plan(noon(), &line);
    assert_eq!(called(&full), [0, 1]);
    // Only an end frees a slot; until then the campaign stays awake.
    assert_eq!(full.wake_at, None);
    assert_eq!(full.campaigns[0].wake_at, Some(noon()));
    line.live_calls = 6;
    let over = plan(noon(), &line);
    assert_eq!((over.calls.len(), over.wake_at), (0, None));
    assert_eq!(over.campaigns[0].wake_at, Some(noon()));
    assert_eq!(over.campaigns[0].reason, StatusReason::AtCapacity);
}

#[test]
fn starts_are_spaced_and_planned_only_a_moment_ahead() {
    let mut line = line(vec![campaign(1, settings(), (0..20).map(lead).collect())]);
    line.max_calls_per_second = 20;
    let first = plan(noon(), &line);
    let offsets = |plan: &LinePlan| -> Vec<_> {
        plan.calls
            .iter()
            .map(|call| (call.send_at - noon()).as_micros())
            .collect()
    };
    assert_eq!(offsets(&first), [0, 52_500, 105_000, 157_500]);
    assert_eq!(first.next_start_at, Some(noon() + millis(210)));
    // Looked at again early enough that the next start is not missed.
    assert_eq!(first.wake_at, Some(noon() + millis(110)));
    line.next_start_at = first.next_start_at;
    let second = plan(noon() + millis(110), &line);
    assert_eq!(offsets(&second), [210_000, 262_500]);
    let late = plan(noon() + seconds(5), &line);
    assert_eq!(offsets(&late)[0], 5_000_000);
}

#[test]
fn a_line_of_one_call_a_second_keeps_its_pace() {
    let mut line = line(vec![campaign(1, settings(), (0..20).map(lead).collect())]);
    line.max_calls_per_second = 1;
    let first = plan(noon(), &line);
    assert_eq!(first.calls.len(), 1);
    assert_eq!(first.wake_at, Some(noon() + millis(950)));
    line.next_start_at = first.next_start_at;
    let second = plan(noon() + millis(950), &line);
    assert_eq!(second.calls[0].send_at, noon() + millis(1_050));
}

#[test]
fn a_pace_from_a_slower_rate_or_another_clock_does_not_hold_the_line() {
    let mut slow = campaign(1, settings(), vec![lead(1)]);
    slow.next_start_at = Some(noon() + seconds(60));
    // The limit per minute was lifted meanwhile.
    assert_eq!(called(&plan_one(slow.clone()).0), [1]);
    let mut line = line(vec![campaign(1, settings(), vec![lead(1)])]);
    line.max_calls_per_second = 1;
    line.next_start_at = Some(noon() + seconds(86_400));
    let healed = plan(noon(), &line);
    assert_eq!(healed.calls, []);
    assert_eq!(healed.next_start_at, Some(noon() + millis(1_250)));
    assert_eq!(healed.wake_at, Some(noon() + millis(1_150)));
}

#[test]
fn a_campaign_takes_no_more_than_its_own_slots() {
    let mut settings = settings();
    settings.max_concurrent_calls = Some(4);
    let mut limited = campaign(1, settings, (0..9).map(lead).collect());
    limited.live_calls = 2;
    let (plan, of_campaign) = plan_one(limited.clone());
    assert_eq!(called(&plan), [0, 1]);
    // The end of one of its own calls wakes it.
    assert_eq!((of_campaign.wake_at, plan.wake_at), (None, None));
    limited.live_calls = 4;
    let (_, of_campaign) = plan_one(limited);
    assert_eq!(
        (of_campaign.wake_at, of_campaign.reason),
        (None, StatusReason::AtCapacity)
    );
}

#[test]
fn a_campaign_keeps_its_calls_per_minute() {
    let mut settings = settings();
    settings.max_calls_per_minute = Some(1);
    let mut paced = campaign(1, settings, (0..9).map(lead).collect());
    let (plan, of_campaign) = plan_one(paced.clone());
    assert_eq!(called(&plan), [0]);
    assert_eq!(of_campaign.next_start_at, Some(noon() + seconds(63)));
    assert_eq!(of_campaign.wake_at, Some(noon() + millis(62_900)));
    paced.next_start_at = of_campaign.next_start_at;
    let early = planner_at(noon() + seconds(30), paced.clone());
    assert_eq!(
        (early.calls.len(), early.campaigns[0].reason),
        (0, StatusReason::AtCapacity)
    );
    let due = planner_at(noon() + millis(62_900), paced);
    assert_eq!(due.calls[0].send_at, noon() + seconds(63));
}

#[test]
fn a_paced_campaign_does_not_waste_the_starts_of_others() {
    let mut settings = settings();
    settings.max_calls_per_minute = Some(60);
    let mut paced = campaign(1, settings.clone(), vec![lead(1), lead(2)]);
    paced.next_start_at = Some(noon() + millis(180));
    settings.max_calls_per_minute = None;
    let mut free = campaign(2, settings, (10..30).map(lead).collect());
    free.pass = STRIDE;
    let mut line = line(vec![paced, free]);
    line.max_calls_per_second = 20;
    let plan = plan(noon(), &line);
    assert_eq!(called(&plan), [10, 11, 12, 13]);
    assert_eq!(plan.campaigns[0].wake_at, Some(noon()));
}

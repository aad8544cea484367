mod cohorts;
mod edges;
mod fairness;
mod limits;
mod properties;
mod reading;
mod trial;
mod waking;
mod world;

use std::sync::Arc;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::turns::STRIDE;
use super::*;
use crate::calendar::{DAY_SECONDS, DailyRange, Hours, Weekdays};
use crate::campaign::{CampaignStatus, LeadStatus, StatusReason};
use crate::id::{CampaignId, LeadId, LineId, PoolId};
use crate::outcome::Outcome;
use crate::phone::PhoneNumber;
use crate::planner;
use crate::policy::{AttemptPolicy, CountedAttempt};
use crate::settings::{CallingEntity, CampaignSettings, Numbers, Outbound};

/// A Wednesday, 12:00 UTC.
const NOON: &str = "2026-08-26T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at(NOON)
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn millis(millis: i64) -> SignedDuration {
    SignedDuration::from_millis(millis)
}

fn phone(number: usize) -> PhoneNumber {
    PhoneNumber::parse(&format!("+1555{number:08}")).unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn hours(start_hour: u32, end_hour: u32) -> Hours {
    let (start_second, end_second) = (start_hour * 3600, end_hour * 3600);
    let range = DailyRange {
        days: Weekdays::ALL,
        start_second,
        end_second,
    };
    Hours {
        ranges: vec![range],
        ..Hours::default()
    }
}

/// Open around the clock in UTC, three attempts, without limits.
fn settings() -> CampaignSettings {
    CampaignSettings {
        assistant_id: "asst".to_owned(),
        line_id: LineId::from_raw(1),
        entity: CallingEntity::Assistant,
        numbers: Numbers::Pool(Some(PoolId::from_raw(1))),
        outbound: Some(Outbound {
            hours: hours(0, DAY_SECONDS / 3600),
            zone: TimeZone::UTC,
            lead_timezone: LeadTimezone::Campaign,
            policy: AttemptPolicy {
                max_call_attempts: 3,
                max_daily_attempts: 2,
                min_gap_minutes: 60,
                retry_gaps_minutes: vec![],
                retry_outcomes: Outcome::RETRIED_BY_DEFAULT.to_vec(),
                voicemail_is_answered: false,
            },
        }),
        max_concurrent_calls: None,
        max_calls_per_minute: None,
        priority: 5,
        complete_when_done: true,
    }
}

fn with_hours(hours: Hours) -> CampaignSettings {
    let mut settings = settings();
    settings.outbound.as_mut().unwrap().hours = hours;
    settings
}

fn number(id: &str) -> NumberSnapshot {
    NumberSnapshot {
        phone_number_id: id.to_owned(),
        max_concurrent_calls: None,
        live_calls: 0,
        rests_until: None,
    }
}

fn lead(id: usize) -> LeadSnapshot {
    LeadSnapshot {
        lead_id: LeadId::from_raw(i64::try_from(id).unwrap()),
        phone: phone(id),
        status: LeadStatus::Ready,
        not_before: None,
        history: vec![],
        suppressed: false,
        phone_in_call: false,
    }
}

fn cohort(leads: Vec<LeadSnapshot>) -> CohortSnapshot {
    CohortSnapshot {
        zone: None,
        leads,
        next_due_at: None,
    }
}

fn campaign(id: i64, settings: CampaignSettings, leads: Vec<LeadSnapshot>) -> CampaignSnapshot {
    CampaignSnapshot {
        campaign_id: CampaignId::from_raw(id),
        status: CampaignStatus::Running,
        settings: Arc::new(settings),
        live_calls: 0,
        next_start_at: None,
        circuit_open_until: None,
        pass: 0,
        numbers: vec![number("a")],
        has_open_leads: !leads.is_empty(),
        has_leads: !leads.is_empty(),
        cohorts: vec![cohort(leads)],
    }
}

fn line(campaigns: Vec<CampaignSnapshot>) -> LineSnapshot {
    LineSnapshot {
        line_id: LineId::from_raw(1),
        max_concurrent_calls: 1_000,
        max_calls_per_second: 1_000,
        live_calls: 0,
        next_start_at: None,
        rests_until: None,
        on_trial: false,
        dispatching_calls: 0,
        virtual_time: 0,
        campaigns,
        more_campaigns: false,
    }
}

/// The plan of one campaign alone, at noon.
fn plan_one(campaign: CampaignSnapshot) -> (LinePlan, CampaignPlan) {
    let plan = plan(noon(), &line(vec![campaign]));
    let of_campaign = plan.campaigns[0].clone();
    (plan, of_campaign)
}

fn planner_at(now: Timestamp, campaign: CampaignSnapshot) -> LinePlan {
    plan(now, &line(vec![campaign]))
}

/// A LEAD-zone campaign of New York with leads in the given zones, each with one due lead.
fn campaign_of_zones(hours: Hours, zones: &[&str], now: Timestamp) -> CampaignSnapshot {
    let mut settings = with_hours(hours);
    let outbound = settings.outbound.as_mut().unwrap();
    outbound.zone = zone("America/New_York");
    outbound.lead_timezone = LeadTimezone::Lead;
    let outbound = outbound.clone();
    let mut snapshot = campaign(1, settings, vec![lead(0)]);
    let cohorts = zones.iter().enumerate().map(|(index, name)| {
        let zone = Some(zone(name));
        let calendar = cohort_calendar(&outbound, zone.as_ref(), now);
        let open = matches!(calendar, CalendarStatus::Open { .. });
        CohortSnapshot {
            zone,
            leads: if open { vec![lead(index)] } else { vec![] },
            next_due_at: (!open).then_some(now - seconds(1)),
        }
    });
    snapshot.cohorts = cohorts.collect();
    snapshot
}

fn called(plan: &LinePlan) -> Vec<i64> {
    plan.calls.iter().map(|call| call.lead_id.raw()).collect()
}

fn numbers_used(plan: &LinePlan) -> Vec<&str> {
    plan.calls
        .iter()
        .map(|call| call.phone_number_id.as_str())
        .collect()
}

#[test]
fn a_call_is_fully_decided() {
    let mut settings = with_hours(hours(9, 18));
    settings.outbound.as_mut().unwrap().zone = zone("Europe/Berlin");
    let (plan, of_campaign) = plan_one(campaign(7, settings, vec![lead(1)]));
    let call = PlannedCall {
        campaign_id: CampaignId::from_raw(7),
        lead_id: LeadId::from_raw(1),
        phone: phone(1),
        phone_number_id: "a".to_owned(),
        send_at: noon(),
        send_not_after: noon() + SEND_DEADLINE,
        allowed_until: Some(at("2026-08-26T16:00:00Z")),
        zone: "Europe/Berlin".to_owned(),
        on_trial: false,
    };
    assert_eq!(plan.calls, [call]);
    assert_eq!(plan.deferrals, []);
    assert_eq!(plan.wake_at, None);
    assert_eq!(of_campaign.reason, StatusReason::Dialing);
    assert_eq!(of_campaign.wake_at, Some(at("2026-08-26T16:00:00Z")));
    assert!(!of_campaign.completes);
}

#[test]
fn nothing_leaves_after_the_window_closes() {
    let campaign = campaign(1, with_hours(hours(9, 12)), (1..9).map(lead).collect());
    let closes = noon();
    let mut line = line(vec![campaign]);
    line.max_calls_per_second = 12;
    let plan = plan(closes - millis(150), &line);
    let sends: Vec<_> = plan.calls.iter().map(|call| call.send_at).collect();
    assert_eq!(
        sends,
        [
            closes - millis(150),
            closes - SignedDuration::from_micros(62_500)
        ]
    );
    assert!(plan.calls.iter().all(|call| call.send_not_after == closes));
    // The rest is neither called nor told anything: the calendar says when to look again.
    assert_eq!(plan.deferrals, []);
    assert_eq!(plan.campaigns[0].wake_at, Some(closes));
    // A start at the very instant of closing is too late.
    line.max_calls_per_second = 10;
    let plan = planner::plan(closes - millis(105), &line);
    assert_eq!(plan.calls.len(), 1);
    assert_eq!(plan.campaigns[0].wake_at, Some(closes));
}

#[test]
fn leads_are_called_by_urgency_then_in_their_order() {
    let mut campaign = campaign(1, settings(), vec![lead(5), lead(3)]);
    campaign.cohorts.push(cohort(vec![lead(1), lead(2)]));
    assert_eq!(called(&plan_one(campaign).0), [5, 3, 1, 2]);
}

#[test]
fn a_pool_rotates_and_a_single_number_does_not() {
    let leads = || (0..5).map(lead).collect();
    let single = campaign(1, settings(), leads());
    assert_eq!(numbers_used(&plan_one(single).0), ["a"; 5]);
    let mut pool = campaign(1, settings(), leads());
    pool.numbers = vec![number("b"), number("a"), number("c")];
    assert_eq!(numbers_used(&plan_one(pool).0), ["b", "a", "c", "b", "a"]);
}

#[test]
fn numbers_that_rest_or_are_busy_are_passed_over() {
    let mut campaign = campaign(1, settings(), (0..9).map(lead).collect());
    campaign.numbers = vec![
        NumberSnapshot {
            rests_until: Some(noon() + seconds(90)),
            ..number("resting")
        },
        NumberSnapshot {
            rests_until: Some(noon()),
            ..number("rested")
        },
        NumberSnapshot {
            max_concurrent_calls: Some(3),
            live_calls: 1,
            ..number("busy")
        },
    ];
    campaign.numbers[1].max_concurrent_calls = Some(1);
    let (plan, of_campaign) = plan_one(campaign);
    assert_eq!(numbers_used(&plan), ["rested", "busy", "busy"]);
    // A rest that is over says nothing about when a busy number is free again.
    assert_eq!(of_campaign.wake_at, Some(noon() + RECHECK));
    assert_eq!(plan.wake_at, None);
}

#[test]
fn without_a_free_number_the_campaign_waits_for_the_first() {
    let resting = |id, pause| NumberSnapshot {
        rests_until: Some(noon() + seconds(pause)),
        ..number(id)
    };
    let mut waiting = campaign(1, settings(), vec![lead(1)]);
    waiting.numbers = vec![resting("a", 90), resting("b", 3)];
    let (plan, of_campaign) = plan_one(waiting);
    assert_eq!((plan.calls.len(), plan.wake_at), (0, None));
    assert_eq!(of_campaign.reason, StatusReason::AtCapacity);
    assert_eq!(of_campaign.wake_at, Some(noon() + seconds(3)));

    let mut numberless = campaign(1, settings(), vec![lead(1)]);
    numberless.numbers.clear();
    let (plan, of_campaign) = plan_one(numberless);
    assert_eq!(
        (plan.calls.len(), plan.deferrals.len(), of_campaign.wake_at),
        (0, 0, None)
    );
}

#[test]
fn a_number_shared_by_campaigns_is_limited_over_both() {
    let mut first = campaign(1, settings(), (0..5).map(lead).collect());
    first.numbers[0].max_concurrent_calls = Some(3);
    let mut second = campaign(2, settings(), (10..15).map(lead).collect());
    second.numbers[0].max_concurrent_calls = Some(3);
    let plan = plan(noon(), &line(vec![first, second]));
    assert_eq!(called(&plan), [0, 10, 1]);
    assert!(
        plan.campaigns
            .iter()
            .all(|plan| plan.wake_at == Some(noon() + RECHECK))
    );
}

#[test]
fn a_line_that_rests_and_a_circuit_that_is_open_place_nothing() {
    let until = noon() + seconds(30);
    let mut resting = line(vec![campaign(1, settings(), vec![lead(1)])]);
    resting.rests_until = Some(until);
    let rest = plan(noon(), &resting);
    assert_eq!((rest.calls.len(), rest.wake_at), (0, Some(until)));
    assert_eq!(rest.campaigns[0].reason, StatusReason::ProviderUnavailable);
    assert_eq!(called(&plan(until, &resting)), [1]);

    let mut broken = campaign(1, settings(), vec![lead(1)]);
    broken.circuit_open_until = Some(until);
    let (plan, of_campaign) = plan_one(broken);
    assert_eq!((plan.calls.len(), plan.wake_at), (0, None));
    assert_eq!(
        (of_campaign.wake_at, of_campaign.reason),
        (Some(until), StatusReason::CircuitOpen)
    );
}

#[test]
fn a_campaign_that_does_not_run_keeps_its_hints() {
    for status in CampaignStatus::ALL
        .iter()
        .filter(|status| **status != CampaignStatus::Running)
    {
        let mut held = campaign(1, settings(), vec![lead(1)]);
        held.status = *status;
        held.has_open_leads = false;
        let (plan, of_campaign) = plan_one(held);
        assert_eq!(
            (plan.calls.len(), plan.deferrals.len(), plan.wake_at),
            (0, 0, None)
        );
        assert_eq!(
            (of_campaign.wake_at, of_campaign.completes),
            (None, false),
            "{status}"
        );
    }
}

#[test]
fn a_phone_is_called_once_at_a_time() {
    let twin = LeadSnapshot {
        phone: phone(1),
        ..lead(2)
    };
    let in_call = LeadSnapshot {
        phone_in_call: true,
        ..lead(3)
    };
    let first = campaign(1, settings(), vec![lead(1), twin.clone(), in_call, lead(4)]);
    let second = campaign(
        2,
        settings(),
        vec![LeadSnapshot {
            phone: phone(4),
            ..lead(9)
        }],
    );
    let plan = plan(noon(), &line(vec![first, second]));
    let calls: Vec<_> = plan.calls.iter().map(|call| call.phone.as_str()).collect();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0], calls[1]);
    let recheck = Some(noon() + RECHECK);
    assert!(
        plan.deferrals
            .iter()
            .all(|deferral| deferral.due_at == recheck)
    );
    assert_eq!(plan.deferrals.len(), 3);
}

#[test]
fn each_hold_moves_the_hint_to_its_end() {
    let attempt = |minutes_ago: i64| {
        let ended_at = noon() - SignedDuration::from_mins(minutes_ago);
        CountedAttempt {
            started_at: ended_at - seconds(60),
            ended_at,
        }
    };
    let leads = vec![
        LeadSnapshot {
            not_before: Some(noon() + seconds(30)),
            ..lead(1)
        },
        LeadSnapshot {
            history: vec![attempt(59)],
            ..lead(2)
        },
        LeadSnapshot {
            history: vec![attempt(300), attempt(200)],
            ..lead(3)
        },
        LeadSnapshot {
            status: LeadStatus::InCall,
            ..lead(4)
        },
        LeadSnapshot {
            status: LeadStatus::Unresolved,
            ..lead(5)
        },
        LeadSnapshot {
            history: vec![attempt(900), attempt(800), attempt(700)],
            ..lead(6)
        },
        LeadSnapshot {
            suppressed: true,
            ..lead(7)
        },
        LeadSnapshot {
            status: LeadStatus::Answered,
            suppressed: true,
            ..lead(8)
        },
        lead(9),
    ];
    let (plan, of_campaign) = plan_one(campaign(1, settings(), leads));
    assert_eq!(called(&plan), [9]);
    let told: Vec<_> = plan
        .deferrals
        .iter()
        .map(|d| (d.lead_id.raw(), d.due_at, d.status))
        .collect();
    assert_eq!(
        told,
        [
            (1, Some(noon() + seconds(30)), None),
            (2, Some(noon() + seconds(60)), None),
            (3, Some(at("2026-08-27T00:00:00Z")), None),
            (4, None, None),
            (5, None, None),
            (6, None, Some(LeadStatus::Exhausted)),
            (7, None, Some(LeadStatus::OptedOut)),
            (8, None, None),
        ]
    );
    // Two leads became final, which may have ended the campaign: looked at once more.
    assert_eq!(of_campaign.wake_at, Some(noon()));
    assert_eq!(plan.wake_at, Some(noon()));
}

#[test]
fn the_campaign_wakes_for_the_earliest_hint() {
    let leads = vec![
        LeadSnapshot {
            not_before: Some(noon() + seconds(30)),
            ..lead(1)
        },
        LeadSnapshot {
            not_before: Some(noon() + seconds(20)),
            ..lead(2)
        },
    ];
    let mut waiting = campaign(1, settings(), leads);
    let (plan, of_campaign) = plan_one(waiting.clone());
    assert_eq!(
        (of_campaign.wake_at, plan.wake_at),
        (Some(noon() + seconds(20)), None)
    );
    assert_eq!(of_campaign.reason, StatusReason::NoDialableLeads);
    waiting.cohorts[0].next_due_at = Some(noon() + seconds(10));
    assert_eq!(
        plan_one(waiting.clone()).1.wake_at,
        Some(noon() + seconds(10))
    );
    // More leads are due than were listed.
    waiting.cohorts[0].next_due_at = Some(noon() - seconds(10));
    let (plan, of_campaign) = plan_one(waiting);
    assert_eq!(
        (of_campaign.wake_at, plan.wake_at),
        (Some(noon()), Some(noon()))
    );
}

#[test]
fn a_closed_calendar_says_why_and_until_when() {
    let waiting = |hours: Hours| {
        let mut closed = campaign(1, with_hours(hours), vec![]);
        closed.cohorts[0].next_due_at = Some(noon() - seconds(9));
        (closed.has_leads, closed.has_open_leads) = (true, true);
        let (plan, of_campaign) = plan_one(closed);
        assert_eq!((plan.calls.len(), plan.wake_at), (0, None));
        (
            of_campaign.reason,
            of_campaign.wake_at,
            of_campaign.completes,
        )
    };
    let day = |day: Date| Some(day);
    assert_eq!(
        waiting(hours(13, 18)),
        (
            StatusReason::OutsideWindow,
            Some(at("2026-08-26T13:00:00Z")),
            false
        )
    );
    assert_eq!(
        waiting(Hours {
            first_date: day(date(2026, 9, 1)),
            ..hours(9, 18)
        }),
        (
            StatusReason::BeforeStartDate,
            Some(at("2026-09-01T09:00:00Z")),
            false
        )
    );
    assert_eq!(
        waiting(Hours {
            last_date: day(date(2026, 8, 25)),
            ..hours(9, 18)
        }),
        (StatusReason::OutsideWindow, None, true)
    );
}

#[test]
fn a_campaign_is_done_when_every_lead_is_final() {
    let done = |change: fn(&mut CampaignSnapshot)| {
        let mut finished = campaign(1, settings(), vec![]);
        finished.has_leads = true;
        change(&mut finished);
        plan_one(finished).1.completes
    };
    assert!(done(|_| {}));
    assert!(!done(|campaign| campaign.has_leads = false));
    assert!(!done(|campaign| campaign.has_open_leads = true));
    assert!(!done(|campaign| campaign.live_calls = 1));
    assert!(!done(|campaign| {
        Arc::make_mut(&mut campaign.settings).complete_when_done = false;
    }));
}

#[test]
fn a_campaign_whose_end_has_passed_waits_for_its_last_calls() {
    let over = Hours {
        last_date: Some(date(2026, 8, 25)),
        ..hours(9, 18)
    };
    let mut ending = campaign(1, with_hours(over), vec![]);
    (ending.has_leads, ending.has_open_leads) = (true, true);
    Arc::make_mut(&mut ending.settings).complete_when_done = false;
    ending.live_calls = 1;
    assert!(!plan_one(ending.clone()).1.completes);
    ending.live_calls = 0;
    // The end date ends it even so, and even behind its own limits.
    assert!(plan_one(ending.clone()).1.completes);
    ending.circuit_open_until = Some(noon() + seconds(600));
    ending.numbers.clear();
    let (_, of_campaign) = plan_one(ending);
    assert_eq!((of_campaign.completes, of_campaign.wake_at), (true, None));
}

#[test]
fn the_end_is_noticed_even_if_no_lead_is_due() {
    let last_day = Hours {
        last_date: Some(date(2026, 8, 26)),
        ..hours(9, 18)
    };
    let mut waiting = campaign(1, with_hours(last_day), vec![]);
    (waiting.has_leads, waiting.has_open_leads) = (true, true);
    waiting.cohorts[0].next_due_at = Some(noon() + SignedDuration::from_hours(72));
    let closes = at("2026-08-26T18:00:00Z");
    assert_eq!(plan_one(waiting.clone()).1.wake_at, Some(closes));
    waiting.cohorts.clear();
    assert_eq!(plan_one(waiting.clone()).1.wake_at, Some(closes));
    assert!(planner_at(closes, waiting).campaigns[0].completes);
}

#[test]
fn the_daily_cap_follows_the_local_date_of_the_campaign() {
    // The window is read in Los Angeles, the days are counted in UTC.
    let now = at("2026-08-26T16:00:00Z");
    let mut zoned = campaign_of_zones(hours(8, 20), &["America/Los_Angeles"], now);
    let outbound = Arc::make_mut(&mut zoned.settings)
        .outbound
        .as_mut()
        .unwrap();
    outbound.zone = zone("UTC");
    outbound.policy.max_daily_attempts = 1;
    let mut with_attempt_at = |started_at: &str| {
        let started_at = at(started_at);
        zoned.cohorts[0].leads[0].history = vec![CountedAttempt {
            started_at,
            ended_at: started_at,
        }];
        planner_at(now, zoned.clone())
    };
    assert_eq!(called(&with_attempt_at("2026-08-25T23:30:00Z")), [0]);
    let plan = with_attempt_at("2026-08-26T00:30:00Z");
    assert_eq!(plan.deferrals[0].due_at, Some(at("2026-08-27T00:00:00Z")));
}

#[test]
fn an_inbound_campaign_neither_dials_nor_ends() {
    let mut settings = settings();
    settings.outbound = None;
    let (plan, of_campaign) = plan_one(campaign(1, settings, vec![lead(1)]));
    assert_eq!(
        (plan.calls.len(), plan.deferrals.len(), plan.wake_at),
        (0, 0, None)
    );
    assert_eq!((of_campaign.completes, of_campaign.wake_at), (false, None));
}

#[test]
fn a_plan_has_a_bounded_size_and_goes_on_at_once() {
    let mut line = line(vec![campaign(1, settings(), (0..400).map(lead).collect())]);
    line.max_calls_per_second = 1_000_000;
    let plan = plan(noon(), &line);
    assert_eq!(plan.calls.len(), MAX_CALLS_PER_PLAN);
    assert_eq!(plan.wake_at, Some(noon()));
    assert_eq!(plan.campaigns[0].wake_at, Some(noon()));
}

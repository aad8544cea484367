//! Leads of one campaign in several zones.

use super::*;

#[test]
fn each_cohort_is_called_on_its_own_clock() {
    let zones = [
        "America/New_York",
        "Pacific/Honolulu",
        "Europe/Berlin",
        "Asia/Kolkata",
    ];
    // 12:00 UTC: 8:00 in New York, 2:00 in Honolulu, 14:00 in Berlin, 17:30 in Kolkata.
    let plan = planner_at(noon(), campaign_of_zones(hours(9, 18), &zones, noon()));
    assert_eq!(called(&plan), [2, 3]);
    let zones: Vec<_> = plan.calls.iter().map(|call| call.zone.as_str()).collect();
    assert_eq!(zones, ["Europe/Berlin", "Asia/Kolkata"]);
    assert_eq!(
        plan.calls[1].allowed_until,
        Some(at("2026-08-26T12:30:00Z"))
    );
    // Kolkata closes first; then New York opens.
    assert_eq!(plan.campaigns[0].wake_at, Some(at("2026-08-26T12:30:00Z")));
}

#[test]
fn a_campaign_of_many_zones_begins_with_the_first_and_ends_with_the_last() {
    let only_the_26th = Hours {
        first_date: Some(date(2026, 8, 26)),
        last_date: Some(date(2026, 8, 26)),
        ..hours(9, 18)
    };
    let zones = ["Pacific/Auckland", "Pacific/Honolulu"];
    let at_instant = |text: &str| {
        let now = at(text);
        let plan = planner_at(now, campaign_of_zones(only_the_26th.clone(), &zones, now));
        (called(&plan), plan.campaigns[0].clone())
    };
    let (calls, early) = at_instant("2026-08-25T12:00:00Z");
    assert_eq!(
        (calls.len(), early.reason),
        (0, StatusReason::BeforeStartDate)
    );
    assert_eq!(early.wake_at, Some(at("2026-08-25T21:00:00Z")));
    assert_eq!(at_instant("2026-08-25T21:00:00Z").0, [0]);
    // Auckland is over, New York and Honolulu are not.
    let (calls, middle) = at_instant("2026-08-26T12:00:00Z");
    assert_eq!((calls.len(), middle.completes), (0, false));
    assert_eq!(middle.wake_at, Some(at("2026-08-26T13:00:00Z")));
    // New York is over, Honolulu is not.
    assert_eq!(at_instant("2026-08-27T03:00:00Z").0, [1]);
    let (_, last) = at_instant("2026-08-27T04:00:00Z");
    assert!(last.completes);
}

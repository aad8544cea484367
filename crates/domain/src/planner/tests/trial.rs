//! Lines that have failed.

use super::*;

#[test]
fn a_line_on_trial_takes_one_call_at_a_time() {
    let mut tried = line(vec![campaign(1, settings(), (1..9).map(lead).collect())]);
    tried.on_trial = true;
    let trial = plan(noon(), &tried);
    assert_eq!(called(&trial), [1]);
    assert!(trial.calls[0].on_trial);
    let reason = trial.campaigns[0].reason;
    assert_eq!(reason, StatusReason::ProviderUnavailable);

    tried.live_calls = 1;
    tried.dispatching_calls = 1;
    let waiting = plan(noon(), &tried);
    assert!(waiting.calls.is_empty());
    assert_eq!(waiting.wake_at, Some(noon() + RECHECK));
    let reason = waiting.campaigns[0].reason;
    assert_eq!(reason, StatusReason::ProviderUnavailable);

    // Calls in doubt that fill the line are the provider's doing as well.
    tried.dispatching_calls = 0;
    tried.live_calls = tried.max_concurrent_calls;
    let full = plan(noon(), &tried);
    assert!(full.calls.is_empty());
    let reason = full.campaigns[0].reason;
    assert_eq!(reason, StatusReason::ProviderUnavailable);

    tried.on_trial = false;
    tried.live_calls = 0;
    assert_eq!(called(&plan(noon(), &tried)).len(), 8);
}

#[test]
fn a_line_that_fails_hides_no_reason_that_holds_longer() {
    let closed = campaign(1, with_hours(hours(14, 18)), vec![lead(1)]);
    let mut waiting = campaign(2, settings(), Vec::new());
    waiting.has_leads = true;
    waiting.has_open_leads = true;
    let mut failing = line(vec![closed, waiting]);
    failing.on_trial = true;
    let reasons = |line: &LineSnapshot| {
        let plan = plan(noon(), line);
        plan.campaigns
            .iter()
            .map(|campaign| campaign.reason)
            .collect::<Vec<_>>()
    };
    let own = [StatusReason::OutsideWindow, StatusReason::NoDialableLeads];
    assert_eq!(reasons(&failing), own);
    failing.rests_until = Some(noon() + seconds(30));
    assert_eq!(reasons(&failing)[0], StatusReason::OutsideWindow);
}

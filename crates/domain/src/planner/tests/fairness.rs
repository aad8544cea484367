//! Campaigns share a line by weight.

use super::world::World;
use super::*;
use crate::planner::turns::foretell;

fn weighted(priority: u8) -> CampaignSettings {
    CampaignSettings {
        priority,
        ..settings()
    }
}

/// A line of few slots, so that every campaign always has more to call than it may.
fn saturated(priorities: &[u8]) -> World {
    let mut world = World::new(noon());
    world.max_concurrent_calls = 3;
    world.max_calls_per_second = 5;
    for priority in priorities {
        let campaign = world.start(weighted(*priority), &["a"]);
        world.add_leads(campaign, 400);
    }
    world
}

fn shares(world: &World) -> Vec<usize> {
    (0..world.campaigns.len())
        .map(|campaign| world.calls_of(campaign))
        .collect()
}

#[test]
fn weights_of_one_and_three_share_one_to_three() {
    let mut world = saturated(&[1, 3]);
    world.run_calls(200);
    let shares = shares(&world);
    assert!(shares[0].abs_diff(50) <= 1, "{shares:?}");
}

#[test]
fn shares_are_by_weight_when_pace_is_the_limit() {
    let mut world = saturated(&[10, 5, 1]);
    world.max_concurrent_calls = 1_000;
    world.max_calls_per_second = 50;
    world.run_calls(160);
    let shares = shares(&world);
    for (share, expected) in shares.iter().zip([100, 50, 10]) {
        assert!(share.abs_diff(expected) <= 1, "{shares:?}");
    }
}

#[test]
fn a_campaign_that_slept_does_not_hoard() {
    let mut world = saturated(&[5]);
    world.run_calls(100);
    let late = world.start(weighted(5), &["a"]);
    world.add_leads(late, 400);
    world.run_calls(120);
    assert!(
        world.calls_of(late).abs_diff(10) <= 1,
        "{}",
        world.calls_of(late)
    );
}

#[test]
fn nobody_starves_when_not_all_campaigns_fit_into_a_snapshot() {
    let priorities = [1, 3, 1, 3, 1, 3, 1, 3, 1, 3];
    let mut world = saturated(&priorities);
    world.max_campaigns = 2;
    world.max_concurrent_calls = 10;
    world.max_calls_per_second = 100;
    world.run_calls(400);
    let shares = shares(&world);
    for (share, priority) in shares.iter().zip(priorities) {
        let expected = 400 * usize::from(priority) / 20;
        assert!(share.abs_diff(expected) <= 3, "{shares:?}");
    }
}

#[test]
fn a_campaign_with_a_slow_pace_of_its_own_gets_that_pace() {
    let mut world = saturated(&[5, 5]);
    world.max_concurrent_calls = 1_000;
    world.max_calls_per_second = 10;
    let mut slow = weighted(1);
    slow.max_calls_per_minute = Some(30);
    let slow = world.start(slow, &["a"]);
    world.add_leads(slow, 100);
    world.run(noon() + seconds(60));
    assert!(
        (27..=30).contains(&world.calls_of(slow)),
        "{}",
        world.calls_of(slow)
    );
    // And the line is full all the same.
    assert!(
        (565..=600).contains(&world.log.len()),
        "{}",
        world.log.len()
    );
}

/// A plan at one instant of campaigns that all have leads enough, and what was foretold of it.
fn planned_and_foretold(passes_and_priorities: &[(i64, u8)]) -> (Vec<usize>, Vec<usize>) {
    let mut snapshot = line(Vec::new());
    snapshot.max_calls_per_second = 100;
    snapshot.max_concurrent_calls = 1_000;
    for (index, (pass, priority)) in passes_and_priorities.iter().enumerate() {
        let leads = (0..40).map(|number| lead(index * 100 + number)).collect();
        let id = i64::try_from(index).unwrap();
        let mut campaign = campaign(id, weighted(*priority), leads);
        campaign.pass = *pass;
        snapshot.campaigns.push(campaign);
    }
    let plan = planner::plan(noon(), &snapshot);
    let planned = |id: i64| {
        let calls = plan.calls.iter();
        calls.filter(|call| call.campaign_id.raw() == id).count()
    };
    let planned = (0..).take(snapshot.campaigns.len()).map(planned).collect();
    let contenders: Vec<_> = snapshot
        .campaigns
        .iter()
        .map(|campaign| (campaign.pass, campaign.settings.as_ref()))
        .collect();
    let foretold = foretell(snapshot.virtual_time, &contenders, plan.calls.len());
    (planned, foretold)
}

proptest::proptest! {
    #[test]
    fn turns_fall_as_they_were_foretold(
        contenders in proptest::collection::vec((0_i64..4 * STRIDE, 1_u8..=10), 1..8)
    ) {
        let (planned, foretold) = planned_and_foretold(&contenders);
        proptest::prop_assert_eq!(planned, foretold);
    }
}

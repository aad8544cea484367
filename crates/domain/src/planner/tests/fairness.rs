//! Campaigns share a line by weight.

use super::world::World;
use super::*;

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

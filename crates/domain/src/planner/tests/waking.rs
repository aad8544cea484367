//! Whole campaigns on a line, followed by their own wake-ups alone.

use super::world::World;
use super::*;

#[test]
fn a_campaign_is_called_through_its_retries_to_its_end() {
    let mut world = World::new(noon());
    world.fate = |_| (seconds(45), Outcome::NoAnswer);
    let campaign = world.start(with_hours(hours(9, 18)), &["a", "b"]);
    world.add_leads(campaign, 10);
    world.run(noon() + SignedDuration::from_hours(100));
    // Three attempts each, two a day, an hour apart.
    assert_eq!(world.log.len(), 30);
    let days: Vec<_> = world
        .log
        .iter()
        .map(|call| call.send_at.to_string()[..10].to_owned())
        .collect();
    assert_eq!(days.iter().filter(|day| *day == "2026-08-26").count(), 20);
    assert_eq!(days.iter().filter(|day| *day == "2026-08-27").count(), 10);
    let campaign = &world.campaigns[campaign];
    assert_eq!(campaign.status, CampaignStatus::Completed);
    assert!(
        campaign
            .leads
            .iter()
            .all(|lead| lead.status == LeadStatus::Exhausted)
    );
    assert_eq!(world.next_at(), None);
}

#[test]
fn a_full_line_serves_everybody_by_the_ends_of_calls_alone() {
    let mut world = World::new(noon());
    world.max_concurrent_calls = 1;
    for _ in 0..3 {
        let campaign = world.start(settings(), &["a"]);
        world.add_leads(campaign, 5);
    }
    world.run(noon() + SignedDuration::from_hours(1));
    assert_eq!(world.log.len(), 15);
    assert!(
        world
            .campaigns
            .iter()
            .all(|campaign| campaign.status == CampaignStatus::Completed)
    );
}

#[test]
fn a_number_that_another_campaign_frees_is_found_again() {
    let mut world = World::new(noon());
    world.number_limits.insert("a".to_owned(), 1);
    world.fate = |_| (seconds(100), Outcome::Answered);
    let first = world.start(settings(), &["a"]);
    world.add_leads(first, 1);
    let second = world.start(settings(), &["a"]);
    world.add_leads(second, 1);
    world.run(noon() + SignedDuration::from_hours(1));
    let pause = world.log[1].send_at - world.log[0].send_at;
    assert!(pause >= seconds(100) && pause <= seconds(105), "{pause:?}");
}

#[test]
fn a_lead_whose_phone_another_campaign_called_gets_its_turn() {
    let mut world = World::new(noon());
    world.fate = |_| (seconds(33), Outcome::Answered);
    for _ in 0..2 {
        let campaign = world.start(settings(), &["a"]);
        world.add_lead(campaign, phone(1));
    }
    world.run(noon() + SignedDuration::from_hours(1));
    let pause = world.log[1].send_at - world.log[0].send_at;
    assert!(pause >= seconds(33) && pause <= seconds(38), "{pause:?}");
}

#[test]
fn a_campaign_of_opted_out_people_ends_without_a_call() {
    let mut world = World::new(noon());
    world.spare_leads = 2;
    world.max_calls_per_second = 1;
    let campaign = world.start(settings(), &["a"]);
    world.add_leads(campaign, 50);
    world.suppressed = (0..50).map(phone).collect();
    world.run(noon() + seconds(1));
    assert_eq!(world.log.len(), 0);
    assert_eq!(world.campaigns[campaign].status, CampaignStatus::Completed);
}

#[test]
fn an_end_date_ends_a_campaign_that_has_people_left() {
    let mut world = World::new(noon());
    world.max_concurrent_calls = 1;
    world.fate = |_| (seconds(3_600), Outcome::NoAnswer);
    let last_day = Hours {
        last_date: Some(date(2026, 8, 26)),
        ..hours(9, 18)
    };
    let campaign = world.start(with_hours(last_day), &["a"]);
    world.add_leads(campaign, 50);
    world.run(noon() + SignedDuration::from_hours(24));
    assert_eq!(world.campaigns[campaign].status, CampaignStatus::Completed);
    assert_eq!(world.live_calls(), 0);
    assert!(
        world
            .log
            .iter()
            .all(|call| call.send_at < at("2026-08-26T18:00:00Z"))
    );
}

#[test]
fn a_campaign_without_people_waits_for_them() {
    let mut world = World::new(noon());
    let campaign = world.start(with_hours(hours(9, 18)), &["a"]);
    world.run(noon() + seconds(60));
    assert_eq!(
        world.campaigns[campaign].reason,
        Some(StatusReason::NoDialableLeads)
    );
    world.add_leads(campaign, 1);
    world.run(noon() + seconds(120));
    assert_eq!(world.log.len(), 1);
    assert_eq!(world.campaigns[campaign].status, CampaignStatus::Completed);
}

#[test]
fn a_rested_line_and_a_closed_circuit_go_on_by_themselves() {
    let mut world = World::new(noon());
    world.rests_until = Some(noon() + seconds(40));
    let campaign = world.start(settings(), &["a"]);
    world.add_leads(campaign, 1);
    let broken = world.start(settings(), &["a"]);
    world.add_leads(broken, 1);
    world.campaigns[broken].circuit_open_until = Some(noon() + seconds(70));
    world.run(noon() + seconds(100));
    let sends: Vec<_> = world.log.iter().map(|call| call.send_at - noon()).collect();
    assert_eq!(sends, [seconds(40), seconds(70)]);
}

#[test]
fn crowds_of_sleeping_campaigns_do_not_hide_one_that_can_dial() {
    let mut world = World::new(noon());
    world.max_campaigns = 4;
    for _ in 0..40 {
        let closed = world.start(with_hours(hours(1, 2)), &["a"]);
        world.add_leads(closed, 1);
    }
    let open = world.start(settings(), &["a"]);
    world.add_leads(open, 1);
    world.run(noon() + seconds(1));
    assert_eq!(world.calls_of(open), 1);
    assert_eq!(world.log.len(), 1);
}

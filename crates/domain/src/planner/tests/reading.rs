//! How much of a line is read for one plan.

use super::*;

fn limited(slots: u32, per_second: u32) -> LineSnapshot {
    let mut limited = line(vec![]);
    limited.max_concurrent_calls = slots;
    limited.max_calls_per_second = per_second;
    limited
}

#[test]
fn a_plan_reads_for_the_calls_that_its_line_can_start() {
    // What the rate allows within the look-ahead, both ends counted.
    for (per_second, calls) in [(1, 1), (10, 3), (20, 5), (1_000, 201), (100_000, 256)] {
        assert_eq!(budget(&limited(1_000, per_second), noon()), calls);
    }
    let mut busy = limited(10, 1_000);
    for (live, free) in [(0, 10), (7, 3), (10, 0), (12, 0)] {
        busy.live_calls = live;
        assert_eq!(budget(&busy, noon()), free, "{live} live");
    }
    busy.live_calls = 0;
    busy.on_trial = true;
    assert_eq!(budget(&busy, noon()), 1);
    let mut resting = limited(10, 1_000);
    resting.rests_until = Some(noon() + seconds(1));
    assert_eq!(budget(&resting, noon()), 0);
    assert_eq!(budget(&resting, noon() + seconds(1)), 10, "rested");
    assert_eq!(budget(&resting, noon() + seconds(2)), 10, "long rested");
}

#[test]
fn a_few_campaigns_more_are_listed_than_calls_can_start() {
    let listed = [0, 12, 13, 40, 60, 61, 256].map(campaigns_to_list);
    assert_eq!(listed, [16, 16, 17, 44, 64, 64, 64]);
}

#[test]
fn each_campaign_is_read_for_its_own_turns_and_its_part_of_the_spare() {
    let of = |priority| CampaignSettings {
        priority,
        ..settings()
    };
    let (light, heavy) = (of(1), of(3));
    let share = |calls, spare| Share { calls, spare };
    let contenders = [(0, &light), (0, &heavy)];
    assert_eq!(
        shares(0, &contenders, 8),
        [share(2, 4), share(6, 12)],
        "by weight"
    );
    // One that is far ahead gets no turn, and has one lead read in case the other has none.
    let ahead = [(100 * STRIDE, &light), (0, &heavy)];
    assert_eq!(shares(0, &ahead, 4), [share(1, 0), share(4, 16)]);
    assert_eq!(shares(0, &contenders, 0), [share(0, 0), share(0, 0)]);
    assert_eq!(shares(0, &[], 4), []);
}

#[test]
fn a_share_keeps_within_the_calls_that_the_campaign_may_have() {
    let share = Share { calls: 5, spare: 7 };
    assert_eq!(share.within(None), share);
    for (free, calls) in [(9, 5), (5, 5), (2, 2), (0, 0)] {
        assert_eq!(share.within(Some(free)), Share { calls, spare: 7 });
    }
}

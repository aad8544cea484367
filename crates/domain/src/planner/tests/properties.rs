//! Random lines, followed for days. The world checks every plan against every limit; here it is
//! checked that nothing is called too late either.

use proptest::prelude::*;

use super::world::World;
use super::*;

/// SplitMix64: a whole world from one number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn small(&mut self, sides: u32) -> u32 {
        u32::try_from(self.roll(u64::from(sides))).unwrap()
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()].clone()
    }

    fn seconds(&mut self, most: u64) -> SignedDuration {
        seconds(i64::try_from(self.roll(most)).unwrap())
    }
}

const ZONES: [&str; 6] = [
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "Pacific/Honolulu",
    "Australia/Lord_Howe",
];

fn random_hours(dice: &mut Dice) -> Hours {
    let range = |dice: &mut Dice| {
        let days = match dice.small(3) {
            0 => Weekdays::ALL,
            _ => (0..7_u8)
                .filter(|_| dice.one_in(2))
                .fold(Weekdays::default(), |days, day| {
                    let weekday = jiff::civil::Weekday::from_monday_zero_offset(day.cast_signed());
                    days.with(weekday.unwrap())
                }),
        };
        let start = dice.small(24) * 3600 + dice.small(2) * 1800;
        let length = 1_800 + dice.small(20) * 1_800;
        let end_second = (start + length - 1) % DAY_SECONDS + 1;
        DailyRange {
            days,
            start_second: start,
            end_second,
        }
    };
    let ranges = (0..=dice.small(2)).map(|_| range(dice)).collect();
    let today = date(2026, 8, 26);
    let day = |offset: u32| today.saturating_add(jiff::Span::new().days(i64::from(offset)));
    let blackout_dates = (0..dice.small(3)).map(|_| day(dice.small(5))).collect();
    let first_date = dice.one_in(4).then(|| day(dice.small(3)));
    let last_date = dice.one_in(3).then(|| day(dice.small(5)));
    Hours {
        ranges,
        first_date,
        last_date,
        blackout_dates,
    }
}

fn random_settings(dice: &mut Dice) -> CampaignSettings {
    let mut random = settings();
    random.max_concurrent_calls = dice.one_in(3).then(|| 1 + dice.small(3));
    random.max_calls_per_minute = dice.one_in(3).then(|| dice.pick(&[1, 7, 60, 600]));
    random.priority = u8::try_from(1 + dice.small(10)).unwrap();
    random.complete_when_done = !dice.one_in(4);
    let outbound = random.outbound.as_mut().unwrap();
    if !dice.one_in(3) {
        outbound.hours = random_hours(dice);
    }
    outbound.zone = zone(dice.pick(&ZONES));
    if dice.one_in(2) {
        outbound.lead_timezone = LeadTimezone::Lead;
    }
    outbound.policy.max_call_attempts = 1 + dice.small(4);
    outbound.policy.max_daily_attempts = 1 + dice.small(3);
    outbound.policy.min_gap_minutes = dice.pick(&[3, 60, 300]);
    random
}

/// `shared`: campaigns have numbers with limits and people in common.
fn random_world(dice: &mut Dice, shared: bool) -> World {
    let mut world = World::new(noon() + dice.seconds(86_400));
    world.max_concurrent_calls = 1 + dice.small(8);
    world.max_calls_per_second = dice.pick(&[1, 3, 10, 50]);
    world.max_campaigns = dice.pick(&[1, 2, 3, 64]);
    world.spare_leads = dice.pick(&[1, 3, 16]);
    world.fate = dice.pick::<fn(usize) -> (SignedDuration, Outcome)>(&[
        |_| (seconds(7), Outcome::NoAnswer),
        |_| (seconds(900), Outcome::Busy),
        |call| {
            let mut dice = Dice(call as u64);
            let outcome = dice.pick(Outcome::ALL);
            (millis(10) + dice.seconds(400), outcome)
        },
    ]);
    let numbers = ["a", "b", "c"];
    for id in numbers {
        if shared && dice.one_in(2) {
            world.number_limits.insert(id.to_owned(), 1 + dice.small(2));
        }
        if dice.one_in(5) {
            world
                .number_rests
                .insert(id.to_owned(), world.now + dice.seconds(7_200));
        }
    }
    if dice.one_in(8) {
        world.rests_until = Some(world.now + dice.seconds(600));
    }
    for _ in 0..=dice.small(5) {
        let used = usize::try_from(dice.small(4)).unwrap();
        let campaign = world.start(random_settings(dice), &numbers[..used]);
        if dice.one_in(8) {
            world.campaigns[campaign].circuit_open_until = Some(world.now + dice.seconds(3_600));
        }
        for index in 0..dice.small(12) {
            add_random_lead(dice, &mut world, campaign, index, shared);
        }
    }
    world
}

fn add_random_lead(dice: &mut Dice, world: &mut World, campaign: usize, index: u32, shared: bool) {
    let index = usize::try_from(index).unwrap();
    let id = if shared && dice.one_in(2) {
        index % 5
    } else {
        100 * (campaign + 1) + index
    };
    let now = world.now;
    if dice.one_in(9) {
        world.suppressed.push(phone(id));
    }
    let lead = world.add_lead(campaign, phone(id));
    lead.rank = u8::try_from(dice.small(3)).unwrap();
    lead.zone = dice.one_in(2).then(|| zone(dice.pick(&ZONES)));
    lead.not_before = dice.one_in(5).then(|| now + dice.seconds(40_000));
    // Hints may be wrong in both directions, but a late one is an error of the store.
    lead.due_at = Some(lead.not_before.filter(|_| dice.one_in(2)).unwrap_or(now));
}

/// At any instant before the next wake-up, planning everything finds nothing that could leave
/// before that wake-up (`slack` later, where another campaign's call may have ended unnoticed).
fn assert_nothing_is_missed(dice: &mut Dice, world: &World, slack: SignedDuration) {
    let Some(next) = world
        .next_at()
        .or_else(|| Some(world.now + seconds(10 * 86_400)))
    else {
        return;
    };
    let ahead = u64::try_from((next - world.now).as_micros()).unwrap();
    if ahead < 2 {
        return;
    }
    for _ in 0..2 {
        let pause = i64::try_from(1 + dice.roll(ahead - 1)).unwrap();
        let instant = world.now + SignedDuration::from_micros(pause);
        let hypothetical = plan(instant, &world.snapshot(instant, true));
        let Some(first) = hypothetical.calls.first() else {
            continue;
        };
        let in_time = world
            .wake_at()
            .is_some_and(|wake| wake <= first.send_at + slack);
        assert!(
            in_time,
            "at {} {first:?} could leave, but the line sleeps until {:?}; it is {}",
            instant,
            world.wake_at(),
            world.now
        );
    }
}

fn follow(seed: u64, shared: bool) {
    let mut dice = Dice(seed);
    let mut world = random_world(&mut dice, shared);
    let until = world.now + SignedDuration::from_hours(7 * 24);
    let slack = if shared {
        RECHECK
    } else {
        SignedDuration::ZERO
    };
    while world.step(until) {
        assert_nothing_is_missed(&mut dice, &world, slack);
    }
    assert!(world.live_calls() == 0 || world.next_at().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn a_line_keeps_every_limit_and_misses_nothing(seed: u64) {
        follow(seed, false);
    }

    #[test]
    fn campaigns_that_share_numbers_and_people_keep_every_limit(seed: u64) {
        follow(seed, true);
    }
}

//! Everything that a seed draws before the run begins: who there is, what users do and when, and
//! which faults may strike.
//!
//! Drawn whole and ahead of time from streams of dice of their own, so that cutting a part away
//! leaves the rest as it was.

mod actions;
mod settings;
mod weather;

use domain::PhoneNumber;
use domain::settings::SettingsDraft;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

pub(crate) use actions::{Action, PlannedAction, When};
pub(crate) use settings::{closing, parse};
pub(crate) use weather::{ClockChange, Weather};

use crate::cuts::Cuts;
use crate::faults::FaultSet;

/// How a run is to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Kinds of faults that may strike.
    pub faults: FaultSet,
    /// Campaign-days of a run: its campaigns times the days it lasts. At least 2, at most 1,000.
    pub campaign_days: u32,
    /// What to leave out.
    pub cuts: Cuts,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            faults: FaultSet::all(),
            campaign_days: DEFAULT_CAMPAIGN_DAYS,
            cuts: Cuts::default(),
        }
    }
}

/// Campaign-days of a run when nothing else is asked.
pub const DEFAULT_CAMPAIGN_DAYS: u32 = 10;
/// Shortest run: what was begun at its worst moment must still come to its end.
const LEAST_DAYS: i64 = 2;
/// Longest run.
const MOST_DAYS: i64 = 60;
/// Share of a run with faults and users' actions, percent; the rest is quiet.
const BUSY_PERCENT: i64 = 45;

/// A line that is to be made.
#[derive(Debug, Clone)]
pub(crate) struct PlannedLine {
    pub(crate) tenant: usize,
    pub(crate) max_concurrent_calls: u32,
    pub(crate) max_calls_per_second: u32,
    /// Index of each number of its pool, and the number's own limit.
    pub(crate) pool: Vec<(u32, Option<u32>)>,
    pub(crate) round_robin: bool,
}

/// A person in a campaign.
#[derive(Debug, Clone)]
pub(crate) struct PlannedLead {
    pub(crate) phone: PhoneNumber,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) zone: Option<&'static str>,
}

/// A campaign that is to be made.
#[derive(Debug, Clone)]
pub(crate) struct PlannedCampaign {
    pub(crate) line: usize,
    pub(crate) uses_pool: bool,
    /// Without ids of line and pool, which exist only in the run.
    pub(crate) draft: SettingsDraft,
    pub(crate) leads: Vec<PlannedLead>,
}

/// A whole run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) start: Timestamp,
    pub(crate) quiet_from: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) tenants: usize,
    pub(crate) lines: Vec<PlannedLine>,
    pub(crate) campaigns: Vec<PlannedCampaign>,
    pub(crate) actions: Vec<PlannedAction>,
    pub(crate) weather: Weather,
    /// How many actions were drawn, before cuts.
    pub(crate) drawn_actions: usize,
    /// Two tenants with more to do than their lines can take: fairness is judged.
    pub(crate) saturated: bool,
}

/// Streams of dice; one that is used less often does not shift another.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Stream {
    People = 1,
    Actions = 2,
    Weather = 3,
    Shape = 4,
    /// What was thought of later, so that earlier draws stay.
    More = 5,
}

fn dice(seed: u64, stream: Stream) -> SmallRng {
    SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream as u64)
}

impl Plan {
    /// Draws the run of a seed.
    pub(crate) fn draw(seed: u64, options: &Options) -> Self {
        let mut shape = dice(seed, Stream::Shape);
        let saturated = shape.random_bool(0.08);
        let start = settings::start(&mut shape);
        let tenants = if saturated {
            2
        } else {
            shape.random_range(1..=3)
        };
        let mut people = dice(seed, Stream::People);
        let lines: Vec<_> = (0..tenants)
            .flat_map(|tenant| lines(&mut people, tenant, saturated))
            .collect();
        let mut campaigns = if saturated {
            settings::saturated(&mut people, start)
        } else {
            settings::campaigns(&mut people, start, &lines)
        };
        let days = (i64::from(options.campaign_days) / i64::try_from(campaigns.len()).unwrap_or(1))
            .clamp(LEAST_DAYS, MOST_DAYS);
        let hours = days * 24;
        let quiet_from = later(
            start,
            SignedDuration::from_mins(hours * 60 * BUSY_PERCENT / 100),
        );
        let mut acts = actions::draw(
            &mut dice(seed, Stream::Actions),
            &campaigns,
            &lines,
            (start, quiet_from),
        );
        let mut more = dice(seed, Stream::More);
        acts.extend(actions::draw_more(
            &mut more,
            campaigns.len(),
            (start, quiet_from),
        ));
        let faults = options.cuts.left_of(options.faults);
        let mut weather = Weather::draw(
            &mut dice(seed, Stream::Weather),
            options.faults,
            faults,
            (start, quiet_from),
        );
        weather.ambush_by_clock(&mut more);
        if saturated {
            acts.clear();
            weather = Weather::fair();
        }
        let drawn_actions = acts.len();
        cut(&options.cuts, &mut campaigns, &mut acts, &mut weather);
        Self {
            start,
            quiet_from,
            end: later(start, SignedDuration::from_hours(hours)),
            tenants,
            lines,
            campaigns,
            actions: acts,
            weather,
            drawn_actions,
            saturated,
        }
    }
}

fn lines(rng: &mut SmallRng, tenant: usize, saturated: bool) -> Vec<PlannedLine> {
    let count = if saturated || rng.random_bool(0.7) {
        1
    } else {
        2
    };
    (0..count)
        .map(|_| {
            let numbers = rng.random_range(1..=4);
            PlannedLine {
                tenant,
                max_concurrent_calls: if saturated {
                    4
                } else {
                    rng.random_range(1..=8)
                },
                max_calls_per_second: if saturated {
                    10
                } else {
                    rng.random_range(1..=20)
                },
                pool: (1..=numbers)
                    .map(|index| {
                        let most = rng.random_bool(0.7).then(|| rng.random_range(1..=2));
                        (index, most)
                    })
                    .collect(),
                round_robin: rng.random_bool(0.5),
            }
        })
        .collect()
}

fn cut(
    cuts: &Cuts,
    campaigns: &mut [PlannedCampaign],
    actions: &mut Vec<PlannedAction>,
    weather: &mut Weather,
) {
    for (index, campaign) in campaigns.iter_mut().enumerate() {
        if let Some(most) = cuts.leads {
            campaign.leads.truncate(most);
        }
        if cuts.silent.contains(&index) {
            campaign.leads.clear();
        }
    }
    if let Some(kept) = &cuts.actions {
        let mut index = 0;
        actions.retain(|_| {
            index += 1;
            kept.contains(&(index - 1))
        });
    }
    weather.crashes.most = weather.crashes.most.min(cuts.crashes.unwrap_or(u32::MAX));
}

/// `at` and a while.
pub(crate) fn later(at: Timestamp, pause: SignedDuration) -> Timestamp {
    at.saturating_add(pause).unwrap_or(at)
}

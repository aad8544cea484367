//! What users do, and when: at any time, and around the moment of a dispatch on purpose.

use domain::campaign::CampaignCommand;
use domain::settings::SettingsDraft;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{PlannedCampaign, PlannedLine, later, settings};

/// A user's action. Campaigns, lines and leads are named by their index in the plan.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Start, pause, resume, stop.
    Order(usize, CampaignCommand),
    /// New settings, drawn from the present ones with these dice.
    Edit(usize, u64),
    /// Opt a lead out, everywhere.
    OptOut(usize, usize),
    /// Remove a lead.
    Remove(usize, usize),
    /// Put an answered or exhausted lead back.
    Requeue(usize, usize),
    /// Add a lead again (an upsert).
    AddAgain(usize, usize),
    /// Queue all leads of a campaign again, and some new ones.
    Import(usize, u32),
    /// Other limits of a line.
    Limits(usize, u32, u32),
    /// A key that the provider refuses, or the right one again.
    Credentials(usize, bool),
    /// Switch a number of a line's pool off or on.
    PoolNumber(usize, usize, bool),
    /// Disable or enable a token of a tenant.
    Token(usize, bool),
    /// Let the window close so many seconds from now.
    CloseSoon(usize, u32),
    /// Copy a campaign, maybe with its leads; then maybe edit the copy, with these dice, and start
    /// it.
    Copy(usize, bool, u64),
    /// Stop, put away and delete a campaign: the next of these steps, and then the others.
    Delete(usize),
}

impl Action {
    /// The next settings of a campaign under an [`Action::Edit`] with these dice.
    pub(crate) fn edited(dice: u64, draft: &SettingsDraft) -> SettingsDraft {
        settings::edit(&mut SmallRng::seed_from_u64(dice), draft)
    }
}

/// When an action happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// At an instant.
    At(Timestamp),
    /// So many milliseconds after the n-th reservation of the run, and aimed at its campaign and
    /// lead.
    AfterReservation(u32, i64),
}

/// An action with its time.
#[derive(Debug, Clone)]
pub(crate) struct PlannedAction {
    pub(crate) when: When,
    pub(crate) action: Action,
    /// The process dies after it was carried out and before the user hears of it.
    pub(crate) answer_lost: bool,
}

/// Actions between two instants, in no order.
pub(super) fn draw(
    rng: &mut SmallRng,
    campaigns: &[PlannedCampaign],
    lines: &[PlannedLine],
    (from, until): (Timestamp, Timestamp),
) -> Vec<PlannedAction> {
    let most = campaigns.len() * 8;
    let count = rng.random_range(0..=most);
    let span_ms = i64::try_from(until.duration_since(from).as_millis()).unwrap_or(1);
    let mut actions: Vec<_> = (0..count)
        .map(|_| {
            let when = if rng.random_bool(0.5) {
                When::AfterReservation(rng.random_range(0..60), rng.random_range(0..400))
            } else {
                let after = SignedDuration::from_millis(rng.random_range(0..span_ms.max(1)));
                When::At(later(from, after))
            };
            PlannedAction {
                when,
                action: action(rng, campaigns, lines),
                answer_lost: rng.random_bool(0.08),
            }
        })
        .collect();
    // What was stopped for good or broken by its owner would leave little to see.
    for line in 0..lines.len() {
        actions.push(PlannedAction {
            when: When::At(until),
            action: Action::Credentials(line, true),
            answer_lost: false,
        });
    }
    actions
}

/// Further actions of the same time, with dice of their own: copies, deletions, and windows that
/// are closed while calls are on their way.
pub(super) fn draw_more(
    rng: &mut SmallRng,
    campaigns: usize,
    (from, until): (Timestamp, Timestamp),
) -> Vec<PlannedAction> {
    let span_ms = i64::try_from(until.duration_since(from).as_millis()).unwrap_or(1);
    let mut actions = Vec::new();
    let mut add = |rng: &mut SmallRng, in_ambush: f64, action: Action| {
        let when = if rng.random_bool(in_ambush) {
            When::AfterReservation(rng.random_range(0..60), rng.random_range(0..400))
        } else {
            let after = SignedDuration::from_millis(rng.random_range(0..span_ms.max(1)));
            When::At(later(from, after))
        };
        actions.push(PlannedAction {
            when,
            action,
            answer_lost: rng.random_bool(0.08),
        });
    };
    if rng.random_bool(0.4) {
        let action = Action::CloseSoon(rng.random_range(0..campaigns), rng.random_range(1..=4));
        add(rng, 0.9, action);
    }
    let copies = if rng.random_bool(0.6) { 2 } else { 0 };
    for _ in 0..rng.random_range(0..=copies) {
        let campaign = rng.random_range(0..campaigns);
        let action = Action::Copy(campaign, rng.random_bool(0.9), rng.random());
        add(rng, 0.5, action);
    }
    for _ in 0..2 {
        // Made before all copies are: any number may be meant, of those that are there then.
        let action = Action::Delete(rng.random_range(0..campaigns + 3));
        if rng.random_bool(0.3) {
            add(rng, 0.5, action);
        }
    }
    actions
}

fn action(rng: &mut SmallRng, campaigns: &[PlannedCampaign], lines: &[PlannedLine]) -> Action {
    let campaign = rng.random_range(0..campaigns.len());
    let lead = rng.random_range(0..campaigns[campaign].leads.len().max(1));
    let line = rng.random_range(0..lines.len());
    match rng.random_range(0..24) {
        0..=2 => Action::Order(campaign, CampaignCommand::Pause),
        3..=6 => Action::Order(campaign, CampaignCommand::Resume),
        7 if rng.random_bool(0.3) => Action::Order(campaign, CampaignCommand::Stop),
        7..=10 => Action::Edit(campaign, rng.random()),
        11 | 12 => Action::OptOut(campaign, lead),
        13 | 14 => Action::Remove(campaign, lead),
        15 => Action::Requeue(campaign, lead),
        16 => Action::AddAgain(campaign, lead),
        17 => Action::Import(campaign, rng.random_range(1..30)),
        18 | 19 => Action::Limits(line, rng.random_range(1..=8), rng.random_range(1..=20)),
        20 => Action::Credentials(line, false),
        21 => Action::Credentials(line, true),
        22 => {
            let numbers = lines[line].pool.len();
            Action::PoolNumber(line, rng.random_range(0..numbers), rng.random_bool(0.4))
        }
        _ => Action::Token(lines[line].tenant, rng.random_bool(0.5)),
    }
}

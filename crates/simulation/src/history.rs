//! What happened, as far as the outside knows: what users were told, what was reserved, when the
//! process died. The judge reads this and the world's logs, and nothing else, about people.

use std::collections::{BTreeMap, BTreeSet};

use domain::settings::SettingsDraft;
use domain::{CampaignId, PhoneNumber};
use jiff::{SignedDuration, Timestamp};

use crate::plan::{PlannedLead, later};

/// Until then at the latest, what is queued takes effect: soon, and nobody is told when.
pub(crate) const QUEUED: Timestamp = Timestamp::constant(253_000_000_000, 0);
/// It may have taken effect or not, for ever.
pub(crate) const NEVER_KNOWN: Timestamp = Timestamp::MAX;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name in `docs/reliability.md`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// What a user was told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Settings(Box<SettingsDraft>),
    Running(bool),
    Added(PhoneNumber),
    Removed(PhoneNumber),
    OptedOut(PhoneNumber),
    Requeued(PhoneNumber),
    /// The campaign is deleted.
    Deleted,
}

/// What a user was told of a campaign: it took effect in `from..=until`, an instant unless the
/// answer was lost.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    /// Index of the campaign.
    pub(crate) campaign: usize,
    pub(crate) told: Told,
}

/// Limits and numbers of a line from an instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineTerms {
    pub(crate) max_concurrent_calls: u32,
    pub(crate) max_calls_per_second: u32,
    /// Enabled numbers of the pool with their own limits.
    pub(crate) pool: Vec<(String, Option<u32>)>,
}

/// A line of the run.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The right key at the provider.
    pub(crate) account: String,
    pub(crate) terms: Vec<(Timestamp, Timestamp, LineTerms)>,
    /// From when on its key is right, or wrong.
    pub(crate) keys: Vec<(Timestamp, bool)>,
}

/// A campaign of the run.
#[derive(Debug, Clone)]
pub(crate) struct Campaign {
    pub(crate) id: CampaignId,
    pub(crate) tenant: usize,
    pub(crate) line: usize,
    pub(crate) uses_pool: bool,
    pub(crate) leads: Vec<PlannedLead>,
}

/// A reservation that the process was told of.
#[derive(Debug, Clone)]
pub(crate) struct Reserved {
    pub(crate) at: Timestamp,
    pub(crate) campaign: usize,
    pub(crate) phone: PhoneNumber,
}

/// A copy of the database that was put back.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_field_names,
    reason = "instants are named `*_at` everywhere"
)]
pub(crate) struct Restore {
    pub(crate) copied_at: Timestamp,
    /// When the process found it.
    pub(crate) found_at: Timestamp,
    /// When the operator was told that dialing goes on.
    pub(crate) released_at: Option<Timestamp>,
}

/// The log of a run.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
    pub(crate) lines: Vec<Line>,
    pub(crate) campaigns: Vec<Campaign>,
    pub(crate) reserved: BTreeMap<String, Reserved>,
    /// Attempt keys of calls whose end a callback told.
    pub(crate) heard: BTreeSet<String>,
    /// When the process died or stopped.
    pub(crate) deaths: Vec<Timestamp>,
    /// From when until when it was stopping in good order.
    pub(crate) stops: Vec<(Timestamp, Timestamp)>,
    /// From when until when it stood still.
    pub(crate) freezes: Vec<(Timestamp, Timestamp)>,
    /// Copies that were put back.
    pub(crate) restores: Vec<Restore>,
    /// What the wall clock was ahead of the true time, from each instant on, in microseconds.
    pub(crate) clock: Vec<(Timestamp, i64)>,
    /// When a process that was there had its clock set, and by how much, in microseconds.
    pub(crate) clock_steps: Vec<(Timestamp, i64)>,
    pub(crate) violations: Vec<Violation>,
}

impl History {
    pub(crate) fn broken(&mut self, invariant: &'static str, what: String) {
        self.violations.push(Violation { invariant, what });
    }

    pub(crate) fn told(&mut self, at: Timestamp, campaign: usize, told: Told) {
        self.told_between(at, at, campaign, told);
    }

    pub(crate) fn told_between(
        &mut self,
        from: Timestamp,
        until: Timestamp,
        campaign: usize,
        told: Told,
    ) {
        self.entries.push(Entry {
            from,
            until,
            campaign,
            told,
        });
    }

    /// What was queued has been done by now.
    pub(crate) fn queued_is_done(&mut self, now: Timestamp) {
        for entry in &mut self.entries {
            if entry.until == QUEUED {
                entry.until = now;
            }
        }
    }

    /// Entries of one campaign.
    pub(crate) fn of(&self, campaign: usize) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.campaign == campaign)
    }

    /// The settings that may be in force at `at`; never empty once the campaign was made.
    pub(crate) fn settings_at(&self, campaign: usize, at: Timestamp) -> Vec<&SettingsDraft> {
        self.settings_during(campaign, at, at)
    }

    /// The settings that may be in force at any instant of `from..=until`.
    pub(crate) fn settings_during(
        &self,
        campaign: usize,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<&SettingsDraft> {
        let changes = self.of(campaign).filter_map(|entry| match &entry.told {
            Told::Settings(draft) => Some((entry.from, entry.until, &**draft)),
            _ => None,
        });
        possible(changes, (from, until))
    }

    /// The terms of a line that may hold at any instant of `from..=until`.
    pub(crate) fn terms_during(
        &self,
        line: usize,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<&LineTerms> {
        let terms = self.lines[line].terms.iter();
        possible(
            terms.map(|(from, until, terms)| (*from, *until, terms)),
            (from, until),
        )
    }

    /// Whether the campaign may be RUNNING, and whether it may not be, at `at`.
    pub(crate) fn running_at(&self, campaign: usize, at: Timestamp) -> Vec<bool> {
        let changes = self.of(campaign).filter_map(|entry| match entry.told {
            Told::Running(running) => Some((entry.from, entry.until, running)),
            _ => None,
        });
        possible(changes, (at, at))
    }

    /// Whether the campaign has certainly been deleted before `at`.
    pub(crate) fn deleted_before(&self, campaign: usize, at: Timestamp) -> bool {
        self.of(campaign)
            .any(|entry| matches!(entry.told, Told::Deleted) && entry.until < at)
    }

    /// Whether something about the lead is still on its way at `at`.
    pub(crate) fn is_changing(&self, campaign: usize, phone: &PhoneNumber, at: Timestamp) -> bool {
        self.of(campaign).any(|entry| match &entry.told {
            Told::Added(of) | Told::Removed(of) => of == phone && entry.until > at,
            _ => false,
        })
    }

    /// Whether a user deleted the campaign, even if the answer was lost.
    pub(crate) fn is_deleted(&self, campaign: usize) -> bool {
        self.of(campaign)
            .any(|entry| matches!(entry.told, Told::Deleted))
    }

    /// Whether the lead may be in the campaign, and whether it may not be, at `at`.
    pub(crate) fn present_at(
        &self,
        campaign: usize,
        phone: &PhoneNumber,
        at: Timestamp,
    ) -> Vec<bool> {
        let changes = self.of(campaign).filter_map(|entry| match &entry.told {
            Told::Added(added) if added == phone => Some((entry.from, entry.until, true)),
            Told::Removed(removed) if removed == phone => Some((entry.from, entry.until, false)),
            _ => None,
        });
        possible(changes, (at, at))
    }

    /// Whether the tenant was told before `at` that the number is opted out.
    pub(crate) fn opted_out_before(
        &self,
        tenant: usize,
        phone: &PhoneNumber,
        at: Timestamp,
    ) -> bool {
        self.entries.iter().any(|entry| {
            entry.until < at
                && self.campaigns[entry.campaign].tenant == tenant
                && matches!(&entry.told, Told::OptedOut(out) if out == phone)
        })
    }

    /// The latest instant up to `at` at which the lead may have been put back.
    pub(crate) fn requeued_before(
        &self,
        campaign: usize,
        phone: &PhoneNumber,
        at: Timestamp,
    ) -> Option<Timestamp> {
        self.of(campaign)
            .filter(|entry| {
                entry.from <= at && matches!(&entry.told, Told::Requeued(back) if back == phone)
            })
            .map(|entry| entry.from)
            .max()
    }

    /// Whether the line's key was wrong at some instant of `from..=until`.
    pub(crate) fn key_was_wrong(&self, line: usize, from: Timestamp, until: Timestamp) -> bool {
        let keys = self.lines[line].keys.iter();
        let keys = keys.map(|(at, right)| (*at, *at, *right));
        possible(keys, (from, until)).contains(&false)
    }

    /// Whether the database has forgotten what was reserved at `at`.
    pub(crate) fn is_forgotten(&self, at: Timestamp) -> bool {
        self.restores
            .iter()
            .any(|restore| restore.copied_at <= at && at < restore.found_at)
    }

    /// The wall clock of the process at the true instant `at`.
    pub(crate) fn wall(&self, at: Timestamp) -> Timestamp {
        let before = self.clock.partition_point(|(from, _)| *from <= at);
        let ahead = before.checked_sub(1).map_or(0, |index| self.clock[index].1);
        later(at, SignedDuration::from_micros(ahead))
    }

    /// The most by which two readings of the wall clock can disagree about a duration.
    pub(crate) fn clock_error(&self) -> SignedDuration {
        let ahead = || self.clock.iter().map(|(_, ahead)| *ahead).chain([0]);
        let spread = ahead().max().unwrap_or(0) - ahead().min().unwrap_or(0);
        SignedDuration::from_micros(spread)
    }

    /// Whether the process died or stood still in `from..=until`.
    pub(crate) fn was_disturbed(&self, from: Timestamp, until: Timestamp) -> bool {
        self.deaths.iter().any(|at| (from..=until).contains(at))
            || self
                .freezes
                .iter()
                .any(|(begin, end)| *begin <= until && *end >= from)
    }
}

/// The values that may hold at any instant of `during`, of changes in the order they were asked
/// for: those that have certainly been replaced before it are gone, later ones are not there yet,
/// and one that may still have been on its way is not replaced by another.
fn possible<T>(
    changes: impl Iterator<Item = (Timestamp, Timestamp, T)>,
    during: (Timestamp, Timestamp),
) -> Vec<T> {
    let mut values: Vec<(Timestamp, T)> = Vec::new();
    for (from, until, value) in changes {
        if until < during.0 {
            values.retain(|(until, _)| *until >= during.0);
            values.push((until, value));
        } else if from <= during.1 {
            values.push((until, value));
        }
    }
    values.into_iter().map(|(_, value)| value).collect()
}

//! The verdict, from the phones that rang and from what users were told; never from the product's
//! own records, but for one thing that only they have: until when a call was meant to be sent.
//!
//! It is told everything as plain data, so that the tests beside it can show that it condemns.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::pulse::Trip;
use super::truth::Micros;
use super::users::{Deed, Told};

const SECOND: Micros = 1_000_000;
/// On its way a request may be this late; the next one need not be.
const TRAVEL: Micros = SECOND / 4;

/// A call as the sandbox saw it.
#[derive(Debug, Clone)]
pub(super) struct Ring {
    pub(super) key: String,
    pub(super) to: String,
    /// The caller's number, by the provider's id.
    pub(super) from: String,
    /// What the request's variables say whom it is meant for.
    pub(super) meant_for: Option<String>,
    pub(super) campaign: Option<usize>,
    pub(super) received_at: Micros,
    pub(super) ended_at: Option<Micros>,
}

/// A request to place a call as the sandbox saw it.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub(super) key: String,
    pub(super) received_at: Micros,
}

/// What was promised to hold.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) concurrency: usize,
    pub(super) per_second: usize,
    pub(super) attempts: usize,
    pub(super) gap: Micros,
    /// Calls up at once of each campaign.
    pub(super) of_campaign: Vec<Option<usize>>,
    /// Calls of each campaign in a minute.
    pub(super) per_minute: Vec<Option<usize>>,
    /// Calls up at once from each of the caller's numbers.
    pub(super) of_number: Option<usize>,
}

/// Everything there is to know of a run.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) rings: Vec<Ring>,
    pub(super) posts: Vec<Post>,
    pub(super) told: Vec<Told>,
    pub(super) limits: Limits,
    /// Until when each attempt was meant to be sent, on the clock of the sandbox.
    pub(super) deadlines: HashMap<String, Micros>,
    /// Spans in which no call may begin, whatever users did: after a SIGTERM, for one.
    pub(super) silences: Vec<(Micros, Micros, &'static str)>,
    /// When a server was known to be gone, and the next was started. What it had written before may
    /// still be on its way when the next one answers a user.
    pub(super) ends: Vec<Micros>,
    /// What questions to the sandbox took, one after the other all along: how late its log may be.
    pub(super) trips: Vec<Trip>,
}

/// How long a request may have been on its way is measured by small questions that left at the same
/// time. One that left later and was answered shows that the way was free: nothing that left before it
/// is excused any longer, however slow other questions were.
impl Evidence {
    /// When a request that had left by then was there at the latest.
    fn arrived_by(&self, left_by: Micros) -> Micros {
        let earlier = self.trips.partition_point(|(asked, _)| *asked < left_by);
        let free_at = self.trips.get(earlier).map(|(_, answered)| *answered);
        free_at.unwrap_or(left_by) + TRAVEL
    }

    /// Whether the ring may come from a request of a server that was gone before this answer.
    fn was_left_over(&self, ring: &Ring, answered_at: Micros) -> bool {
        let mut before = self.ends.iter().filter(|end| **end <= answered_at);
        before.any(|end| ring.received_at <= self.arrived_by(*end))
    }

    /// When a request that came then had left at the earliest.
    fn left_after(&self, came_at: Micros) -> Micros {
        let before = came_at - TRAVEL;
        let ended = self
            .trips
            .partition_point(|(_, answered)| *answered <= before);
        let last = self.trips[..ended].last();
        last.map_or(before, |(asked, _)| *asked)
    }
}

/// Broken promises, by the names of `docs/reliability.md`.
pub(super) fn judge(evidence: &Evidence) -> Vec<String> {
    let mut broken = Vec::new();
    once_each(evidence, &mut broken);
    people(evidence, &mut broken);
    capacity(evidence, &mut broken);
    users(evidence, &mut broken);
    let silences: Vec<_> = evidence
        .silences
        .iter()
        // Their beginnings leave time for one way; a jammed one takes more.
        .map(|(from, until, why)| (evidence.arrived_by(*from) - TRAVEL..*until, why))
        .collect();
    for post in &evidence.posts {
        if let Some(deadline) = evidence.deadlines.get(&post.key)
            && post.received_at > evidence.arrived_by(*deadline)
        {
            let late = post.received_at - deadline;
            broken.push(format!(
                "late: {} came {late} µs after its deadline, at {}",
                post.key, post.received_at
            ));
        }
        for (silence, why) in &silences {
            if silence.contains(&post.received_at) {
                broken.push(format!("{why}: {} was sent", post.key));
            }
        }
    }
    broken
}

/// P1: one request and one call for an attempt; P10: to the number it is meant for.
fn once_each(evidence: &Evidence, broken: &mut Vec<String>) {
    let mut posted = HashSet::new();
    for post in &evidence.posts {
        if post.key.is_empty() || !posted.insert(&post.key) {
            broken.push(format!("P1: attempt {:?} was sent twice", post.key));
        }
    }
    let mut rang = HashSet::new();
    for ring in &evidence.rings {
        if !rang.insert(&ring.key) {
            broken.push(format!("P1: attempt {:?} rang twice", ring.key));
        }
        if ring.meant_for.as_ref() != Some(&ring.to) || ring.campaign.is_none() {
            broken.push(format!("P10: {} was called for another", ring.to));
        }
    }
}

/// P2: no two calls to a number at once; P6 and P7: as many as allowed, as far apart.
fn people(evidence: &Evidence, broken: &mut Vec<String>) {
    let mut by_number: BTreeMap<&str, Vec<&Ring>> = BTreeMap::new();
    for ring in &evidence.rings {
        by_number.entry(&ring.to).or_default().push(ring);
    }
    for (number, rings) in by_number {
        let mut by_campaign: BTreeMap<Option<usize>, Vec<&Ring>> = BTreeMap::new();
        for (index, ring) in rings.iter().enumerate() {
            let is_up = |earlier: &&Ring| earlier.ended_at.is_none_or(|end| end > ring.received_at);
            if rings[..index].iter().any(is_up) {
                broken.push(format!("P2: two calls to {number} at once"));
            }
            by_campaign.entry(ring.campaign).or_default().push(ring);
        }
        for rings in by_campaign.values() {
            if rings.len() > evidence.limits.attempts {
                broken.push(format!("P6: {} calls to {number}", rings.len()));
            }
            for pair in rings.windows(2) {
                let ended = pair[0].ended_at.unwrap_or(Micros::MAX);
                if pair[1].received_at < ended.saturating_add(evidence.limits.gap) {
                    broken.push(format!("P7: {number} was called again too soon"));
                }
            }
        }
    }
}

/// Which limits of calls at once were reached: a run that never came near one says nothing of it.
pub(super) fn reached(evidence: &Evidence) -> BTreeSet<&'static str> {
    let limits = &evidence.limits;
    let mut reached = BTreeSet::new();
    if most_at_once(&evidence.rings, |_| true) >= limits.concurrency {
        reached.insert("line");
    }
    for (campaign, most) in limits.of_campaign.iter().enumerate() {
        let its = |ring: &Ring| ring.campaign == Some(campaign);
        if most.is_some_and(|most| most_at_once(&evidence.rings, its) >= most) {
            reached.insert("campaign");
        }
    }
    for number in evidence
        .rings
        .iter()
        .map(|ring| &ring.from)
        .collect::<BTreeSet<_>>()
    {
        let its = |ring: &Ring| ring.from == *number;
        if limits
            .of_number
            .is_some_and(|most| most_at_once(&evidence.rings, its) >= most)
        {
            reached.insert("number");
        }
    }
    reached
}

/// A1: calls up at once, of the line, of each campaign and from each number; A2: calls in a second of
/// the line, and in a minute of each campaign.
fn capacity(evidence: &Evidence, broken: &mut Vec<String>) {
    let limits = &evidence.limits;
    at_once(&evidence.rings, |_| true, limits.concurrency, "", broken);
    for (campaign, most) in limits.of_campaign.iter().enumerate() {
        let Some(most) = *most else { continue };
        let is_its = |ring: &Ring| ring.campaign == Some(campaign);
        let whose = format!(" of campaign {campaign}");
        at_once(&evidence.rings, is_its, most, &whose, broken);
    }
    if let Some(most) = limits.of_number {
        let numbers: BTreeSet<&str> = evidence.rings.iter().map(|ring| &*ring.from).collect();
        for number in numbers {
            let whose = format!(" from {number}");
            at_once(
                &evidence.rings,
                |ring| ring.from == number,
                most,
                &whose,
                broken,
            );
        }
    }
    let times = evidence.posts.iter().map(|post| post.received_at).collect();
    not_too_many(evidence, times, limits.per_second, SECOND, "", broken);
    for (campaign, most) in limits.per_minute.iter().enumerate() {
        let Some(most) = *most else { continue };
        let its = |ring: &&Ring| ring.campaign == Some(campaign);
        let times = evidence
            .rings
            .iter()
            .filter(its)
            .map(|ring| ring.received_at);
        let whose = format!(" of campaign {campaign}");
        not_too_many(evidence, times.collect(), most, 60 * SECOND, &whose, broken);
    }
}

fn at_once(
    rings: &[Ring],
    counts: impl Fn(&Ring) -> bool,
    limit: usize,
    whose: &str,
    broken: &mut Vec<String>,
) {
    let most = most_at_once(rings, counts);
    if most > limit {
        broken.push(format!("A1: {most} calls{whose} at once"));
    }
}

fn most_at_once(rings: &[Ring], counts: impl Fn(&Ring) -> bool) -> usize {
    let mut changes: Vec<(Micros, i64)> = Vec::new();
    for ring in rings.iter().filter(|ring| counts(ring)) {
        changes.push((ring.received_at, 1));
        // One that is still up at the end never frees its place.
        changes.extend(ring.ended_at.map(|end| (end, -1)));
    }
    // At the same instant the end comes first.
    changes.sort_unstable();
    let (mut up, mut most) = (0, 0);
    for (_, change) in changes {
        up += change;
        most = most.max(up);
    }
    usize::try_from(most).unwrap_or_default()
}

fn not_too_many(
    evidence: &Evidence,
    mut times: Vec<Micros>,
    allowed: usize,
    period: Micros,
    whose: &str,
    broken: &mut Vec<String>,
) {
    times.sort_unstable();
    for (first, last) in crowds(&times, allowed) {
        // Those that were held up together on their way did not leave together.
        let micros = last - evidence.left_after(first);
        if micros < period {
            let calls = allowed + 1;
            broken.push(format!("A2: {calls} calls{whose} in {micros} µs"));
        }
    }
}

/// The spans of one instant more than allowed, first and last.
fn crowds(times: &[Micros], allowed: usize) -> impl Iterator<Item = (Micros, Micros)> {
    let spans = times.windows(allowed + 1);
    spans.map(|span| (span[0], span[span.len() - 1]))
}

/// P4 and P5: nothing rings after a removal, an opt-out, a pause or a narrower schedule was answered.
fn users(evidence: &Evidence, broken: &mut Vec<String>) {
    let after = |ring: &Ring, told: &Told| {
        let broken = |at: Micros| ring.received_at > at && !evidence.was_left_over(ring, at);
        told.answered_at.is_some_and(broken)
    };
    for (index, told) in evidence.told.iter().enumerate() {
        match &told.deed {
            Deed::Pause | Deed::Narrow => {
                let ends = if told.deed == Deed::Pause {
                    Deed::Resume
                } else {
                    Deed::Widen
                };
                let ended = evidence.told[index..]
                    .iter()
                    .find(|later| later.campaign == told.campaign && later.deed == ends);
                let until = ended.map_or(Micros::MAX, |ended| ended.asked_at);
                let rings = evidence.rings.iter().filter(|ring| {
                    ring.campaign == Some(told.campaign) && ring.received_at < until
                });
                for ring in rings.filter(|ring| after(ring, told)) {
                    let (to, deed, late) = (&ring.to, &told.deed, late(ring, told));
                    broken.push(format!(
                        "P5: {to} was called in a campaign {late} after {deed:?}"
                    ));
                }
            }
            Deed::Remove(phone) | Deed::OptOut(phone) => {
                let everywhere = matches!(told.deed, Deed::OptOut(_));
                let rings = evidence.rings.iter().filter(|ring| {
                    ring.to == *phone && (everywhere || ring.campaign == Some(told.campaign))
                });
                for ring in rings.filter(|ring| after(ring, told)) {
                    let (to, deed, late) = (&ring.to, &told.deed, late(ring, told));
                    broken.push(format!("P4: {to} was called {late} after {deed:?}"));
                }
            }
            Deed::Resume | Deed::Widen | Deed::Add(_) | Deed::Edit => {}
        }
    }
}

/// How long after the answer, and when, for whoever looks into the logs.
fn late(ring: &Ring, told: &Told) -> String {
    let late = ring.received_at - told.answered_at.unwrap_or(ring.received_at);
    format!("{late} µs, at {},", ring.received_at)
}

/// Numbers whose addition was acknowledged and that nobody tried to take away.
pub(super) fn to_be_called(told: &[Told]) -> BTreeSet<(usize, String)> {
    let mut numbers = BTreeSet::new();
    for told in told.iter().filter(|told| told.answered_at.is_some()) {
        if let Deed::Add(phones) = &told.deed {
            numbers.extend(phones.iter().map(|phone| (told.campaign, phone.clone())));
        }
    }
    for told in told {
        match &told.deed {
            Deed::Remove(phone) => {
                numbers.remove(&(told.campaign, phone.clone()));
            }
            Deed::OptOut(phone) => numbers.retain(|(_, number)| number != phone),
            _ => {}
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "+14152000000";

    fn ring(key: &str, to: &str, received_at: Micros, ended_at: Micros) -> Ring {
        Ring {
            key: key.to_owned(),
            to: to.to_owned(),
            from: "pn_001".to_owned(),
            meant_for: Some(to.to_owned()),
            campaign: Some(0),
            received_at,
            ended_at: Some(ended_at),
        }
    }

    fn evidence(rings: Vec<Ring>) -> Evidence {
        let post = |ring: &Ring| Post {
            key: ring.key.clone(),
            received_at: ring.received_at,
        };
        Evidence {
            posts: rings.iter().map(post).collect(),
            rings,
            told: Vec::new(),
            limits: Limits {
                concurrency: 2,
                per_second: 2,
                attempts: 2,
                gap: 10,
                of_campaign: vec![None],
                per_minute: vec![None],
                of_number: None,
            },
            deadlines: HashMap::new(),
            silences: Vec::new(),
            ends: Vec::new(),
            trips: Vec::new(),
        }
    }

    fn told(deed: Deed, asked_at: Micros) -> Told {
        Told {
            campaign: 0,
            deed,
            asked_at,
            answered_at: Some(asked_at + 5),
        }
    }

    /// The one promise that is broken.
    fn verdict(evidence: &Evidence) -> String {
        let broken = judge(evidence);
        let names: BTreeSet<&str> = broken
            .iter()
            .map(|what| what.split(':').next().unwrap())
            .collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_run_without_fault_is_acquitted() {
        let mut run = evidence(vec![
            ring("a", NUMBER, 0, 100),
            ring("b", NUMBER, 110, 200),
            ring("c", "+14152000001", 2 * SECOND, 2 * SECOND + 10),
        ]);
        run.told = vec![
            told(Deed::Pause, SECOND),
            told(Deed::Resume, SECOND + 100),
            told(Deed::Remove(NUMBER.to_owned()), 300),
            told(Deed::OptOut(NUMBER.to_owned()), 400),
        ];
        run.deadlines = HashMap::from([("a".to_owned(), 0), ("c".to_owned(), 2 * SECOND)]);
        assert_eq!(judge(&run), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_fault_is_found() {
        let twice = evidence(vec![
            ring("a", NUMBER, 0, 1),
            ring("a", "+14152000001", 9, 10),
        ]);
        assert_eq!(verdict(&twice), "P1");
        let overlap = evidence(vec![ring("a", NUMBER, 0, 50), ring("b", NUMBER, 40, 90)]);
        assert_eq!(verdict(&overlap), "P2 P7");
        let soon = evidence(vec![ring("a", NUMBER, 0, 50), ring("b", NUMBER, 59, 90)]);
        assert_eq!(verdict(&soon), "P7");
        let often = evidence(vec![
            ring("a", NUMBER, 0, 1),
            ring("b", NUMBER, SECOND, SECOND + 1),
            ring("c", NUMBER, 2 * SECOND, 2 * SECOND + 1),
        ]);
        assert_eq!(verdict(&often), "P6");
        let others = ["+14152000001", "+14152000002", "+14152000003"];
        let apart = |index: usize| Micros::try_from(index).unwrap() * SECOND;
        let crowd =
            |(index, to): (usize, &&str)| ring(&index.to_string(), to, apart(index), 9 * SECOND);
        assert_eq!(
            verdict(&evidence(others.iter().enumerate().map(crowd).collect())),
            "A1"
        );
        let burst = |(index, to): (usize, &&str)| {
            let at = Micros::try_from(index).unwrap() * 10;
            ring(&index.to_string(), to, at, at + 5)
        };
        assert_eq!(
            verdict(&evidence(others.iter().enumerate().map(burst).collect())),
            "A2"
        );
        let mut tight = evidence(others.iter().take(2).enumerate().map(crowd).collect());
        tight.limits.of_number = Some(1);
        assert_eq!(verdict(&tight), "A1");
        assert_eq!(Vec::from_iter(reached(&tight)), ["line", "number"]);
        tight.rings[1].from = "pn_002".to_owned();
        assert_eq!(verdict(&tight), "", "two numbers, one call each");
        tight.limits.of_campaign = vec![Some(1)];
        assert_eq!(verdict(&tight), "A1");
        tight.limits.of_campaign = vec![None];
        tight.limits.per_minute = vec![Some(1)];
        assert_eq!(verdict(&tight), "A2");
        let mut wrong = evidence(vec![ring("a", NUMBER, 0, 1)]);
        wrong.rings[0].meant_for = Some(others[0].to_owned());
        assert_eq!(verdict(&wrong), "P10");
    }

    #[test]
    fn what_users_were_told_binds() {
        let mut run = evidence(vec![ring("a", NUMBER, 100, 101)]);
        run.told = vec![told(Deed::Pause, 10), told(Deed::Resume, 200)];
        assert_eq!(verdict(&run), "P5");
        run.told = vec![told(Deed::Narrow, 10), told(Deed::Resume, 20)];
        assert_eq!(verdict(&run), "P5", "the schedule is narrow all the same");
        run.told = vec![told(Deed::Narrow, 10), told(Deed::Widen, 20)];
        assert_eq!(verdict(&run), "", "it was wide again");
        run.told = vec![told(Deed::Pause, 10)];
        assert_eq!(verdict(&run), "P5");
        // The ring came at 100; the answer at 15.
        run.ends = vec![16];
        assert_eq!(
            verdict(&run),
            "P5",
            "the server that answered was still there"
        );
        run.ends = vec![14];
        assert_eq!(verdict(&run), "", "left over by the server before");
        run.ends = vec![14 - TRAVEL];
        run.trips = vec![(14 - TRAVEL, 99 - TRAVEL)];
        assert_eq!(verdict(&run), "P5", "what that one wrote was long there");
        run.ends.clear();
        run.trips.clear();
        run.told[0].answered_at = None;
        assert_eq!(verdict(&run), "", "nobody was told anything");
        for deed in [
            Deed::Remove(NUMBER.to_owned()),
            Deed::OptOut(NUMBER.to_owned()),
        ] {
            run.told = vec![told(deed, 10)];
            assert_eq!(verdict(&run), "P4");
        }
        run.told.clear();
        run.deadlines = HashMap::from([("a".to_owned(), 99 - TRAVEL)]);
        assert_eq!(verdict(&run), "late");
        let deadline = 98 - TRAVEL;
        run.deadlines = HashMap::from([("a".to_owned(), deadline)]);
        run.trips = vec![(deadline - 1, deadline)];
        assert_eq!(verdict(&run), "late", "the way was free");
        run.trips = vec![(deadline - SECOND, 200), (deadline, deadline + 1)];
        assert_eq!(verdict(&run), "late", "it was free all the same");
        run.trips = vec![(deadline, 100)];
        assert_eq!(verdict(&run), "", "nobody came through at the time");
        run.trips.clear();
        run.deadlines.clear();
        run.silences = vec![(50, 101, "after SIGTERM")];
        assert_eq!(verdict(&run), "after SIGTERM");
        run.trips = vec![(0, 200), (60, 70)];
        assert_eq!(verdict(&run), "after SIGTERM", "a slow one beside it");
        run.trips = vec![(60, 101)];
        assert_eq!(verdict(&run), "", "nobody came through since");
    }

    #[test]
    fn a_burst_is_excused_by_a_jam_only() {
        // Three calls at one instant, where two a second are allowed.
        let at = 10 * SECOND;
        let burst = |n: i64| {
            ring(
                &n.to_string(),
                &format!("+1415200000{n}"),
                at + n,
                at + n + 5,
            )
        };
        let mut run = evidence((0..3).map(burst).collect());
        run.limits.concurrency = 3;
        assert_eq!(verdict(&run), "A2");
        let slow = (at - 3 * SECOND, at - SECOND);
        run.trips = vec![slow, (at - SECOND * 6 / 10, at - SECOND / 2)];
        assert_eq!(verdict(&run), "A2", "the jam was over by then");
        run.trips = vec![slow, (at - SECOND, at)];
        assert_eq!(verdict(&run), "", "they may have left seconds apart");
    }

    #[test]
    fn who_must_be_called_was_added_for_certain_and_never_taken_away() {
        let many = vec![NUMBER.to_owned(), "+14152000001".to_owned()];
        let mut log = vec![told(Deed::Add(many), 0)];
        assert_eq!(to_be_called(&log).len(), 2);
        log.push(told(Deed::Remove(NUMBER.to_owned()), 1));
        log[1].answered_at = None;
        assert_eq!(to_be_called(&log).len(), 1, "it may have been removed");
        log[0].answered_at = None;
        assert!(
            to_be_called(&log).is_empty(),
            "it may never have been added"
        );
    }
}

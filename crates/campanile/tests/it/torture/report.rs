//! What a run came to, in words that can be put into the documentation as they are.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;
use std::time::Duration;

/// What the judge found.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    pub(super) calls: usize,
    pub(super) requests: usize,
    /// Orders of users that were answered with success.
    pub(super) orders: usize,
    /// Attempts in doubt that turned out to have been placed.
    pub(super) unknown_placed: i64,
    pub(super) absent: i64,
    pub(super) presumed: i64,
    pub(super) violations: Vec<String>,
    /// Which limits of calls at once were reached.
    pub(super) reached: BTreeSet<&'static str>,
}

/// What one kind of torture did.
#[derive(Debug)]
pub(super) enum Done {
    /// So often, with what the judge found.
    Judged(usize, Verdict),
    /// Not here, and why.
    Skipped(String),
}

/// A line of the report.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) took: Duration,
    pub(super) done: Done,
}

/// The whole report.
#[derive(Debug)]
pub(super) struct Report(pub(super) Vec<Line>);

impl Line {
    pub(super) fn violations(&self) -> Vec<String> {
        match &self.done {
            Done::Judged(_, verdict) => {
                let named = |what: &String| format!("{}: {what}", self.kind);
                verdict.violations.iter().map(named).collect()
            }
            Done::Skipped(_) => Vec::new(),
        }
    }
}

impl Report {
    pub(super) fn violations(&self) -> Vec<String> {
        self.0.iter().flat_map(Line::violations).collect()
    }

    /// Which limits of calls at once any scene has reached.
    pub(super) fn reached(&self) -> BTreeSet<&'static str> {
        let of_line = |line: &Line| match &line.done {
            Done::Judged(_, verdict) => verdict.reached.clone(),
            Done::Skipped(_) => BTreeSet::new(),
        };
        self.0.iter().flat_map(of_line).collect()
    }

    /// Past the test's captured output: who runs the tests must see what was not tried.
    pub(super) fn tell_what_was_skipped(&self) {
        for line in &self.0 {
            if let Done::Skipped(why) = &line.done {
                let _ = writeln!(std::io::stderr(), "skipped: {}: {why}", line.kind);
            }
        }
    }
}

impl Verdict {
    /// Of a scene that was not judged.
    pub(super) fn broken(why: String) -> Self {
        Self {
            violations: vec![why],
            ..Self::default()
        }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.requests += other.requests;
        self.orders += other.orders;
        self.unknown_placed += other.unknown_placed;
        self.absent += other.absent;
        self.presumed += other.presumed;
        self.violations.extend(other.violations);
        self.reached.extend(other.reached);
    }
}

impl Report {
    /// One line for each kind, however many scenes it had; the time is that of the longest.
    pub(super) fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut report = Self(Vec::new());
        for line in lines {
            let before = report.0.iter_mut().find(|other| other.kind == line.kind);
            match (before, line) {
                (
                    Some(Line {
                        took,
                        done: Done::Judged(times, verdict),
                        ..
                    }),
                    Line {
                        took: also_took,
                        done: Done::Judged(more, other),
                        ..
                    },
                ) => {
                    *took = also_took.max(*took);
                    *times += more;
                    verdict.add(other);
                }
                (_, line) => report.0.push(line),
            }
        }
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| torture | times | requests | calls | orders | in doubt → placed | → absent | → presumed | violations | time |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, seconds) = (self.kind, self.took.as_secs());
        match &self.done {
            Done::Judged(times, verdict) => write!(
                f,
                "| {kind} | {times} | {} | {} | {} | {} | {} | {} | {} | {seconds} s |",
                verdict.requests,
                verdict.calls,
                verdict.orders,
                verdict.unknown_placed,
                verdict.absent,
                verdict.presumed,
                verdict.violations.len(),
            ),
            Done::Skipped(why) => write!(f, "| {kind} | skipped: {why} |"),
        }
    }
}

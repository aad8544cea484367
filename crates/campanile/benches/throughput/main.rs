//! `make bench`: the figures of `docs/performance.md`, each beside its baseline, in one run.
//!
//! The server and the sandbox are the release binary in processes of their own; the load comes from
//! this process, over loopback only. Every measurement is bounded in count and time, and every
//! process that is started here is ended here. Nothing asserts: figures are for people.
//!
//! `cargo bench -p campanile -- calls` runs only the measurement of that name: pure,
//! start, patch, calls, refill, ingest, slots, idle, restart, million, ticks; `postgres` runs all those
//! on PostgreSQL, each of which has a name as well (`postgres/mod.rs`); `full-tick` and `postgres-full`
//! run only when they are named. `-- --database URL` gives the servers databases of another kind: `{number}` in
//! the URL becomes 1, 2, 3 …, and each of these databases must exist and be empty.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark owns its clocks and tasks"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is the table, and what is being measured"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run should say where"
)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod baseline;
mod calls;
mod ceiling;
mod client;
mod idle;
mod ingest;
mod leads;
mod machine;
mod numbers;
mod patch;
mod postgres;
mod pure;
mod report;
mod servers;
mod ticks;

use std::time::Instant;

/// Ten million leads: several minutes and several GiB of disk, so only when asked for by name.
const FULL_TICKS: &str = "full-tick";

/// One line of the table.
#[derive(Default)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) measured: String,
    /// The baseline of the same run, and what else explains the figure.
    pub(crate) beside: String,
    /// Measured by baseline, where there is one.
    pub(crate) ratio: Option<f64>,
    /// What is promised; empty for a figure that only explains others.
    pub(crate) target: &'static str,
    /// Whether the target was met, where there is one.
    pub(crate) met: Option<bool>,
}

impl Figure {
    /// One that broke off.
    pub(crate) fn failed(name: &'static str) -> Self {
        Self {
            name,
            measured: "could not be measured: the output above says why".to_owned(),
            met: Some(false),
            ..Self::default()
        }
    }
}

fn main() {
    let filter = arguments();
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let figures = runtime.block_on(measure(&filter));
    let report = report::write(&filter, &figures, began.elapsed());
    println!("\n{report}");
    let path = report::keep(&report);
    println!("Kept in {path}; `make bench-record` appends it to docs/performance.md.");
}

/// Reads the command line: the filter, and the database of the servers. `cargo bench` adds
/// `--bench` of its own.
fn arguments() -> String {
    let mut filter = String::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--database" {
            let url = arguments.next();
            servers::use_database(url.expect("--database takes a URL that contains {number}"));
        } else if !argument.starts_with('-') {
            filter = argument;
        }
    }
    filter
}

/// Everything, or the one measurement that `filter` names.
async fn measure(filter: &str) -> Vec<Figure> {
    let mut run = Run {
        filter: filter.to_owned(),
        figures: Vec::new(),
    };
    run.add("pure", async { pure::measure() }).await;
    run.add("start", servers::measure_start()).await;
    run.add("patch", patch::measure()).await;
    run.add("calls", calls::measure_starts()).await;
    run.add("refill", calls::measure_refill()).await;
    run.add("ingest", ingest::measure()).await;
    run.add("slots", async { vec![calls::measure_slots().await] })
        .await;
    run.add("idle", idle::measure()).await;
    run.add("restart", leads::measure_restart()).await;
    run.add("million", leads::measure_million()).await;
    if servers::uses_other_database() {
        eprintln!(
            "left out: ticks, which are measured inside the SQLite store, and campaigns on a PostgreSQL server of the bench's own"
        );
        return run.figures;
    }
    let size = |leads| ticks::Size {
        campaigns: 10_000,
        leads,
    };
    let one_million = "tick, 10,000 campaigns × 1 million leads";
    run.add("ticks", ticks::measure(one_million, size(1_000_000)))
        .await;
    if filter == FULL_TICKS {
        let ten_million = "tick, 10,000 campaigns × 10 million leads";
        run.add(FULL_TICKS, ticks::measure(ten_million, size(10_000_000)))
            .await;
    }
    postgres::add_to(&mut run).await;
    run.figures
}

/// The measurements of one run.
pub(crate) struct Run {
    filter: String,
    figures: Vec<Figure>,
}

impl Run {
    /// Whether a measurement is asked for.
    fn wants(&self, name: &str) -> bool {
        self.filter.is_empty() || self.filter == name || postgres::includes(&self.filter, name)
    }

    /// Takes a measurement if it is wanted. One that breaks off is a missed figure and does not
    /// take the others with it.
    async fn add<F>(&mut self, name: &'static str, measurement: F)
    where
        F: Future<Output = Vec<Figure>> + Send + 'static,
    {
        if !self.wants(name) {
            return;
        }
        eprintln!("measuring: {name}");
        match tokio::spawn(measurement).await {
            Ok(figures) => self.figures.extend(figures),
            Err(_) => self.figures.push(Figure::failed(name)),
        }
    }
}

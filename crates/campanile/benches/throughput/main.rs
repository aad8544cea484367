//! `make bench`: the figures of `docs/performance.md`, each beside its baseline, in one run.
//!
//! The server and the sandbox are the release binary in processes of their own; the load comes from
//! this process, over loopback only. Every measurement is bounded in count and time, and every
//! process that is started here is ended here. Nothing asserts: figures are for people.
//!
//! `cargo bench -p campanile -- calls` runs only the measurements whose name contains `calls`: pure,
//! start, patch, calls, refill, ingest, slots, idle, restart, million, ticks; `full-tick` runs only
//! when it is named.
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
mod pure;
mod servers;
mod ticks;

/// Ten million leads: several minutes and several GiB of disk, so only when asked for by name.
const FULL_TICKS: &str = "full-tick";

/// One line of the table.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) measured: String,
    pub(crate) beside: String,
    pub(crate) goal: &'static str,
}

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let figures = runtime.block_on(measure(&filter));
    machine::print(&filter);
    println!("\n| figure | measured | beside it | goal |\n|---|---|---|---|");
    for figure in figures {
        println!(
            "| {} | {} | {} | {} |",
            figure.name, figure.measured, figure.beside, figure.goal
        );
    }
}

/// Everything whose name contains `filter`; what takes many minutes only when it is named.
async fn measure(filter: &str) -> Vec<Figure> {
    let wanted = |name: &str| {
        let wanted = name.contains(filter);
        if wanted {
            eprintln!("measuring: {name}");
        }
        wanted
    };
    let mut figures = Vec::new();
    if wanted("pure") {
        figures.extend(pure::measure());
    }
    if wanted("start") {
        figures.push(servers::measure_start().await);
    }
    if wanted("patch") {
        figures.extend(patch::measure().await);
    }
    if wanted("calls") {
        figures.extend(calls::measure_starts().await);
    }
    if wanted("refill") {
        figures.push(calls::measure_refill().await);
    }
    if wanted("ingest") {
        figures.extend(ingest::measure().await);
    }
    if wanted("slots") {
        figures.push(calls::measure_slots().await);
    }
    if wanted("idle") {
        figures.push(idle::measure().await);
    }
    if wanted("restart") {
        figures.extend(leads::measure_restart().await);
    }
    if wanted("million") {
        figures.extend(leads::measure_million().await);
    }
    if wanted("ticks") {
        let size = ticks::Size {
            campaigns: 10_000,
            leads: 1_000_000,
        };
        figures.extend(ticks::measure("tick, 10,000 campaigns × 1 million leads", size).await);
    }
    if filter == FULL_TICKS && wanted(FULL_TICKS) {
        let size = ticks::Size {
            campaigns: 10_000,
            leads: 10_000_000,
        };
        figures.extend(ticks::measure("tick, 10,000 campaigns × 10 million leads", size).await);
    }
    figures
}

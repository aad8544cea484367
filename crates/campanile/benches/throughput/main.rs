//! `make bench`: the figures of `docs/performance.md`, each beside its baseline, in one run.
//!
//! The server and the sandbox are the release binary in processes of their own; the load comes from
//! this process, over loopback only. Every measurement is bounded in count and time, and every
//! process that is started here is ended here. Nothing asserts: figures are for people.
//!
//! `cargo bench -p campanile -- calls` runs only the measurements whose name contains `calls`.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark owns its clocks and tasks"
)]
#![expect(clippy::print_stdout, reason = "its output is the table")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run should say where"
)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod baseline;
mod calls;
mod client;
mod idle;
mod patch;
mod pure;
mod servers;

use std::time::Duration;

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
    let wanted = |name: &str| name.contains(&filter);
    let mut figures = Vec::new();
    if wanted("pure") {
        figures.extend(pure::measure());
    }
    runtime.block_on(async {
        if wanted("start") {
            figures.push(servers::measure_start().await);
        }
        if wanted("patch") {
            figures.extend(patch::measure(Duration::from_secs(5)).await);
        }
        if wanted("calls") {
            figures.extend(calls::measure_starts().await);
        }
        if wanted("slots") {
            figures.push(calls::measure_slots().await);
        }
        if wanted("idle") {
            figures.push(idle::measure().await);
        }
    });
    println!("\n| figure | measured | beside it | goal |\n|---|---|---|---|");
    for figure in figures {
        println!(
            "| {} | {} | {} | {} |",
            figure.name, figure.measured, figure.beside, figure.goal
        );
    }
}

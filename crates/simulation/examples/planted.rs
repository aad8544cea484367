//! Plants every bug and prints the first seed that catches it, as a table:
//! `cargo run --release -p simulation --features planted --example planted -- 1000`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a developer's tool"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use simulation::Options;
use simulation::planted::{BUGS, hunt};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let most: u64 = arguments
        .first()
        .map_or(1_000, |text| text.parse().unwrap());
    let chosen: Vec<_> = BUGS
        .iter()
        .filter(|bug| arguments.len() < 2 || arguments.iter().any(|name| name == bug.name))
        .collect();
    let next = AtomicUsize::new(0);
    println!("| planted bug | caught by | seed |\n|---|---|---|");
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some(bug) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seeds = std::iter::once(bug.seed).chain(1..=most);
                    let caught = hunt(**bug, seeds, &Options::default()).unwrap();
                    let (promise, seed) = caught.map_or(("-", "never".to_owned()), |caught| {
                        (caught.invariant, caught.seed.to_string())
                    });
                    println!("| {} (`{}`) | {promise} | {seed} |", bug.what, bug.name);
                }
            });
        }
    });
}

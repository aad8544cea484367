//! Runs seeds and prints what they came to: `cargo run -p simulation --example seed -- 1 50 rough`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a developer's tool"
)]

use simulation::{Faults, run};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| {
        arguments
            .get(index)
            .and_then(|text| text.parse().ok())
            .unwrap_or(1_u64)
    };
    let rough = arguments.get(2).is_some_and(|text| text == "rough");
    let began = std::time::Instant::now();
    let mut broken = 0;
    for seed in number(0)..=number(1).max(number(0)) {
        match run(
            seed,
            Faults {
                provider: rough,
                crashes: rough,
            },
        ) {
            Ok(report) => {
                println!(
                    "seed {seed}: {} rings, {} violations, {:?}",
                    report.rings,
                    report.violations.len(),
                    report.reached
                );
                for violation in report.violations.iter().take(8) {
                    println!("    {} {}", violation.invariant, violation.what);
                }
                broken += usize::from(!report.violations.is_empty());
            }
            Err(error) => println!("seed {seed}: {error}"),
        }
    }
    println!(
        "{broken} seeds broken, {:.1} s",
        began.elapsed().as_secs_f64()
    );
}

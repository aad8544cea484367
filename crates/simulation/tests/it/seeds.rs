use simulation::{Faults, Report, run};

fn clean(seed: u64, faults: Faults) -> Report {
    let report = run(seed, faults).unwrap();
    assert!(
        report.violations.is_empty(),
        "seed {seed}: {:#?}",
        report.violations
    );
    report
}

const CALM: Faults = Faults {
    provider: false,
    crashes: false,
};
const ROUGH: Faults = Faults {
    provider: true,
    crashes: true,
};

#[test]
fn calm_days_break_no_promise() {
    let rings: usize = (1..=20).map(|seed| clean(seed, CALM).rings).sum();
    assert!(rings > 100, "the simulation hardly dials: {rings} calls");
}

#[test]
fn rough_days_break_no_promise() {
    let mut reached = std::collections::BTreeMap::new();
    for seed in 100..160 {
        for (state, count) in clean(seed, ROUGH).reached {
            *reached.entry(state).or_insert(0) += count;
        }
    }
    for state in [
        "crash",
        "recovered_unknown",
        "answer_lost",
        "released",
        "look_up",
        "callback",
        "edit",
        "removed",
        "lead_change",
        "pause",
        "resume",
    ] {
        assert!(
            reached.contains_key(state),
            "{state} was never reached: {reached:?}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 200..205 {
        let (first, second) = (run(seed, ROUGH).unwrap(), run(seed, ROUGH).unwrap());
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
}

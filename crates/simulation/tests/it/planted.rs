use simulation::Options;
use simulation::planted::{BUGS, hunt};

/// Bugs that every test run plants, one of each kind; `examples/planted` plants them all.
const EVERY_RUN: &[&str] = &[
    "answered_is_retried",
    "blackout_ignored",
    "board_not_asked",
    "calendar_in_utc",
    "daily_cap_off_by_one",
    "death_means_unsent",
    "ends_not_told",
    "gap_in_the_feed",
    "growing_gaps_ignored",
    "history_forgotten",
    "hold_ignored",
    "lost_answer_sent_again",
    "number_limit_ignored",
];

fn is_caught(name: &str) {
    let bug = *BUGS.iter().find(|bug| bug.name == name).unwrap();
    let caught = hunt(bug, [bug.seed], &Options::default()).unwrap();
    assert!(
        caught.is_some(),
        "{name} was not caught by seed {}",
        bug.seed
    );
}

#[test]
fn what_is_planted_is_caught() {
    for name in EVERY_RUN {
        is_caught(name);
    }
}

#[test]
fn there_are_many_bugs_and_each_has_its_own_name() {
    let mut names: Vec<_> = BUGS.iter().map(|bug| bug.name).collect();
    names.dedup();
    assert!(names.len() >= 40);
    assert!(EVERY_RUN.iter().all(|name| names.contains(name)));
}

#[test]
fn nothing_stays_planted() {
    let bug = BUGS[0];
    hunt(bug, [bug.seed], &Options::default()).unwrap();
    let after = simulation::run(1, &Options::default()).unwrap();
    assert_eq!(after.violations, []);
}

//! The simulation as a command.

use serde_json::Value;

use crate::program::Home;

#[test]
fn seeds_are_run_and_summed_up() {
    let home = Home::new();
    let answer = home
        .run(&["simulate", "--seeds", "3..5", "--faults", "none", "--json"])
        .answer();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["seeds"]["run"], 3);
    assert_eq!(answer["seeds"]["broken"], 0);
    assert_eq!(answer["violations"], serde_json::json!([]));
    // The first seed is run twice, and goes the same way.
    assert_eq!(
        answer["repeated"],
        serde_json::json!({ "seeds": 1, "differing": [] })
    );
    assert!(answer["calls"].as_u64().unwrap() > 10, "{answer}");
    assert!(
        answer["reached"]["callback"].as_u64().unwrap() > 10,
        "{answer}"
    );
}

#[test]
fn a_replay_command_is_read_as_it_was_told() {
    let home = Home::new();
    let cuts = "leads=2,silent=1,actions=0+2,without=clock+storage,crashes=1";
    let told = home
        .run(&[
            "simulate",
            "--seeds",
            "4",
            "--campaign-days",
            "4",
            "--cut",
            cuts,
        ])
        .answer();
    assert!(told.contains("1 seeds, "), "{told}");
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_can() {
    let home = Home::new();
    for (flag, value, hint) in [
        ("--seeds", "9..3", "first and last"),
        ("--seeds", "many", "1..100"),
        ("--faults", "crashes,rain", "lost-answers"),
        ("--cut", "people=3", "known are leads"),
        ("--campaign-days", "1", "from 2 to 1000"),
    ] {
        home.run(&["simulate", flag, value]).refused(2, &[hint]);
    }
}

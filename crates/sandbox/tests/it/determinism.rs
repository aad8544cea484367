//! The promises of the crate's documentation: equal inputs give equal worlds, and phones do not
//! influence each other.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bench::{Bench, call_body, create_request, kinds};

fn everything_at_once() -> Value {
    json!({
        "concurrency": 50, "calls_per_second": 20, "rejected_rate": 0.02,
        "faults": {
            "create_timeout": 0.05, "create_timeout_after_accept": 0.05, "create_500": 0.05,
            "create_500_after_accept": 0.05, "create_429": 0.05, "create_garbage": 0.05,
            "create_delay_seconds": [0, 3], "webhook_loss": 0.1, "webhook_duplicate": 0.1,
            "webhook_reorder": 0.2, "webhook_delay_seconds": [0, 20],
            "webhook_before_response": 0.1, "list_lag_seconds": [0, 30],
            "get_500": 0.1, "down": 0.02
        }
    })
}

/// One step of a made-up history.
#[derive(Clone, Debug)]
enum Move {
    Create { phone: u32, key: u8 },
    List { key: u8 },
    Wait { milliseconds: u64 },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0_u32..20, 0_u8..3).prop_map(|(phone, key)| Move::Create { phone, key }),
        1 => (0_u8..3).prop_map(|key| Move::List { key }),
        2 => (0_u64..20_000).prop_map(|milliseconds| Move::Wait { milliseconds }),
    ];
    prop::collection::vec(one, 1..120)
}

/// Plays a history and returns everything that can be seen of it.
fn play(seed: u64, history: &[Move]) -> Vec<String> {
    let mut bench = Bench::with_seed(seed, &everything_at_once());
    let mut visible = Vec::new();
    for step in history {
        match step {
            Move::Create { phone, key } => {
                let body = call_body(&format!("+1415{phone:07}"));
                let reply = bench.send(&create_request(&format!("key-{key}"), &body));
                visible.push(format!("{reply:?}"));
            }
            Move::List { key } => {
                let list = sandbox::Request::new(http::Method::GET, "/vapi/call")
                    .bearer(&format!("key-{key}"));
                visible.push(format!("{:?}", bench.send(&list)));
            }
            Move::Wait { milliseconds } => bench.pass(Duration::from_millis(*milliseconds)),
        }
    }
    visible.extend(
        bench
            .settle()
            .into_iter()
            .map(|(at, body)| format!("{at} {body}")),
    );
    visible.push(bench.ring_lines());
    visible.push(String::from_utf8(bench.get("/control/requests").body.to_vec()).unwrap());
    visible
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn equal_histories_give_equal_worlds(seed in any::<u64>(), history in moves()) {
        prop_assert_eq!(play(seed, &history), play(seed, &history));
    }

    #[test]
    fn calls_keep_their_books(seed in any::<u64>(), history in moves()) {
        let mut bench = Bench::with_seed(seed, &everything_at_once());
        for step in &history {
            match step {
                Move::Create { phone, key } => {
                    let body = call_body(&format!("+1415{phone:07}"));
                    bench.send(&create_request(&format!("key-{key}"), &body));
                }
                Move::List { .. } => {}
                Move::Wait { milliseconds } => bench.pass(Duration::from_millis(*milliseconds)),
            }
        }
        bench.settle();
        prop_assert_eq!(bench.world.live_calls(), 0);
        for ring in bench.world.rings(0) {
            let ended_at = ring.ended_at.unwrap();
            prop_assert!(ring.received_at <= ring.rang_at.unwrap_or(ring.received_at));
            prop_assert!(ring.rang_at.unwrap_or(ended_at) <= ended_at);
            prop_assert!(ring.outcome.is_some());
        }
        let made = bench.world.requests(0).filter(|record| record.provider_call.is_some()).count();
        prop_assert_eq!(made, bench.world.rings(0).count());
    }
}

#[test]
fn another_seed_gives_another_world() {
    let history: Vec<Move> = (0..20)
        .map(|phone| Move::Create { phone, key: 0 })
        .collect();
    assert_ne!(play(1, &history), play(2, &history));
}

#[test]
fn a_phones_behaviour_does_not_depend_on_the_other_phones() {
    // Without the limits of the account, which couple phones by nature.
    let change = json!({"faults": {
        "create_timeout": 0.1, "create_500_after_accept": 0.1, "webhook_loss": 0.2,
        "webhook_duplicate": 0.2, "down": 0.05
    }});
    let fates = |phones: &[u32]| {
        let mut bench = Bench::with_seed(9, &change);
        let mut fates: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for &phone in phones {
            let reply = bench.create(&call_body(&format!("+1415{phone:07}")));
            fates
                .entry(phone)
                .or_default()
                .push(format!("{:?} {:?}", reply.status(), reply.after));
        }
        let start = bench.now;
        for (at, body) in bench.settle() {
            let number = body["message"]["customer"]["number"].as_str().unwrap();
            let phone: u32 = number[5..].parse().unwrap();
            let kind = kinds(&[(at, body.clone())]).remove(0);
            let fate = format!(
                "{:?} {kind} {} {}",
                at.duration_since(start),
                body["message"]["call"]["id"],
                body["message"]["endedReason"]
            );
            fates.entry(phone).or_default().push(fate);
        }
        fates
    };
    let forwards: Vec<u32> = (0..300).collect();
    let backwards: Vec<u32> = (0..300).rev().collect();
    let all = fates(&forwards);
    assert_eq!(all, fates(&backwards));
    let alone = fates(&[17]);
    assert_eq!(all[&17], alone[&17]);
}

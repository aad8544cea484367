//! Many requests at once that must have one effect, also when the process dies amid them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::crowds::{Answer, Asking};
use crate::program::alone;
use crate::sigkill::{Installation, wait_until};

/// Requests at once with one key.
const SAME: usize = 200;
/// How many answers have come when the process is killed, by round; none: as soon as all have asked.
const DEATHS: [usize; 8] = [0, 0, 1, 1, 2, 10, 60, 150];

fn installation(directory: &tempfile::TempDir) -> Installation {
    let scenario = json!({ "concurrency": 500, "calls_per_second": 1_000, "ring_seconds": 1, "talk_seconds": 2 });
    Installation::start(directory.path(), &scenario)
}

fn line(installation: &Installation) -> Value {
    let body = json!({
        "provider": "SANDBOX", "name": "pressed", "base_url": format!("http://{}/vapi", installation.sandbox.address),
        // Rounds follow each other faster than the usual pace of a line.
        "max_concurrent_calls": 100, "max_calls_per_second": 100,
    });
    installation.call("POST", "/api/v2/voice-providers", Some(&body))["data"]["tenant_voice_provider_id"]
        .clone()
}

fn campaign(name: &str, line: &Value) -> Value {
    json!({
        "name": name, "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE", "phone_number_id": "pn_abc123",
        "tenant_voice_provider_id": line, "start_date": "2020-01-01", "timezone": "UTC", "days_of_week": ["MONDAY"],
        "daily_start_time": "09:00", "daily_end_time": "17:00",
        "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
    })
}

/// Asks often at once with one key, kills the process when `deaths` answers have come, starts it
/// again and asks once more; the last answer. Every success that was answered must be that answer.
fn survive(
    installation: &mut Installation,
    path: &str,
    key: &str,
    body: &Value,
    deaths: usize,
) -> Answer {
    let (address, token) = (
        installation.server.address.clone(),
        installation.token.clone(),
    );
    let asking = Asking {
        address: &address,
        token: &token,
        method: "POST",
        path,
        header: ("idempotency-key", key),
    };
    let answers = AtomicUsize::new(0);
    let all = asking.ask_at_once(
        SAME,
        |_| body.clone(),
        || {
            answers.fetch_add(1, Ordering::Relaxed);
        },
        || {
            while answers.load(Ordering::Relaxed) < deaths {
                std::thread::yield_now();
            }
            installation.server.kill();
        },
    );
    installation.restart();
    let last = asking.ask(body).unwrap();
    assert!((200..300).contains(&last.status), "{last:?}");
    for answer in all.into_iter().flatten() {
        match answer.status {
            200..300 => {
                assert_eq!(answer.body, last.body, "a promise was forgotten");
                assert!(last.is_replayed());
            }
            409 => assert_eq!(answer.json()["code"], "idempotency_running"),
            _ => panic!("{answer:?}"),
        }
    }
    last
}

#[test]
fn of_fifty_changes_of_one_revision_one_is_done() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let installation = installation(&directory);
    let line = line(&installation);
    let made = installation.call(
        "POST",
        "/api/v2/voice-campaigns",
        Some(&campaign("raced", &line)),
    );
    let path = format!(
        "/api/v2/voice-campaigns/{}",
        made["data"]["campaign_id"].as_str().unwrap()
    );
    for revision in 1..=10 {
        let tag = format!("\"{revision}\"");
        let asking = Asking {
            address: &installation.server.address,
            token: &installation.token,
            method: "PATCH",
            path: &path,
            header: ("if-match", &tag),
        };
        let name = |number| json!({ "name": format!("{revision} by {number}") });
        let all = asking.ask_at_once(50, name, || (), || ());
        let all: Vec<Answer> = all.into_iter().map(Option::unwrap).collect();
        let count = |status| all.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(200), count(412)), (1, 49), "{all:?}");
        let done = all.iter().find(|answer| answer.status == 200).unwrap();
        let now = installation.call("GET", &path, None);
        assert_eq!(now["data"]["name"], done.json()["data"]["name"]);
        assert_eq!(now["data"]["revision"], revision + 1);
    }
}

#[test]
fn two_hundred_posts_with_one_key_have_one_effect_also_when_the_process_dies_amid_them() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut installation = installation(&directory);
    let line = line(&installation);
    for (round, deaths) in DEATHS.into_iter().enumerate() {
        let name = format!("round {round}");
        let body = campaign(&name, &line);
        let path = "/api/v2/voice-campaigns";
        let last = survive(&mut installation, path, &name, &body, deaths);
        let listed = installation.call("GET", "/api/v2/voice-campaigns?limit=200", None);
        let listed = listed["data"].as_array().unwrap();
        let effects: Vec<_> = listed
            .iter()
            .filter(|campaign| campaign["name"] == name)
            .collect();
        assert_eq!(effects.len(), 1, "{effects:?}");
        assert_eq!(
            effects[0]["campaign_id"],
            last.json()["data"]["campaign_id"]
        );
    }
}

#[test]
fn a_phone_rings_once_for_one_key_also_when_the_process_dies_amid_the_requests() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut installation = installation(&directory);
    let line = line(&installation);
    let made = installation.call(
        "POST",
        "/api/v2/voice-campaigns",
        Some(&campaign("called", &line)),
    );
    let phones: Vec<String> = (0..DEATHS.len())
        .map(|round| format!("+1415555010{round}"))
        .collect();
    installation.call(
        "PATCH",
        "/api/v2/tenant",
        Some(&json!({ "test_call_numbers": phones })),
    );
    let campaign = made["data"]["campaign_id"].as_str().unwrap();
    let path = format!("/api/v2/voice-campaigns/{campaign}/test-call");
    for (phone, deaths) in phones.iter().zip(DEATHS) {
        let body = json!({ "phone_number": phone });
        let last = survive(&mut installation, &path, phone, &body, deaths);
        let id = last.json()["data"]["call_id"].clone();
        let listed = installation.call("GET", "/api/v2/calls?limit=200", None);
        let listed = listed["data"].as_array().unwrap();
        let calls: Vec<_> = listed
            .iter()
            .filter(|call| call["phone_number"] == *phone)
            .collect();
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(calls[0]["call_id"], id);
    }
    let rings = |installation: &Installation| {
        let mut rings: HashMap<String, u32> = HashMap::new();
        for ring in installation.rings() {
            let phone = ring["to"].as_str().unwrap().to_owned();
            *rings.entry(phone).or_default() += 1;
        }
        rings
    };
    // A call that the dead process had not sent yet ends without a ring; that of the last round
    // may also have been sent by then.
    wait_until(Duration::from_secs(60), || !rings(&installation).is_empty());
    for phone in &phones {
        let asking = Asking {
            address: &installation.server.address,
            token: &installation.token,
            method: "POST",
            path: &path,
            header: ("idempotency-key", phone),
        };
        let again = asking.ask(&json!({ "phone_number": phone })).unwrap();
        assert!(again.status == 202 && again.is_replayed(), "{again:?}");
    }
    let rings = rings(&installation);
    assert!(
        rings.values().all(|times| *times == 1),
        "called more often than once: {rings:?}"
    );
}

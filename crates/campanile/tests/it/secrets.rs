//! A whole campaign through the real process at the most talkative level: no secret and no whole
//! phone number in its log, and no secret in clear in its files.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Home, Server};

const API_KEY: &str = "canary-api-key-c0ffee";
const WEBHOOK_SECRET: &str = "canary-webhook-secret-c0ffee";
/// What every number called begins with.
const DIGITS: &str = "1628555";
const LEADS: u32 = 5;

/// The whole answer to a POST that must be a success.
pub(crate) fn post(server: &Server, token: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = server.post(path, token, body);
    assert!((200..300).contains(&status), "{path}: {answer}");
    answer["data"].clone()
}

/// A campaign that calls at once through this provider; its path, and the provider as answered.
pub(crate) fn campaign(server: &Server, token: &str, provider: &Value) -> (String, Value) {
    let provider = post(server, token, "/api/v2/voice-providers", provider);
    let days = [
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY",
    ];
    let campaign = json!({
        "name": "Trial", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE",
        "tenant_voice_provider_id": provider["tenant_voice_provider_id"], "phone_number_id": "pn_001",
        "start_date": "2026-01-01", "timezone": "UTC", "days_of_week": days,
        "daily_start_time": "00:00", "daily_end_time": "23:59:59",
        "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 5,
    });
    let campaign = post(server, token, "/api/v2/voice-campaigns", &campaign);
    let id = campaign["campaign_id"].as_str().unwrap();
    (format!("/api/v2/voice-campaigns/{id}"), provider)
}

/// Waits until every call is known to the provider; answers them as they are told.
fn calls(server: &Server, token: &str, campaign: &str) -> String {
    loop {
        let (status, answer) = server.get(&format!("{campaign}/calls"), token);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let calls = answer["data"].as_array().into_iter().flatten();
        let placed = calls.filter(|call| call["provider_call_id"].is_string());
        // Asked too eagerly, it says 429.
        if status == 200 && placed.count() == LEADS as usize {
            return answer.to_string();
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_campaign_leaves_no_secret_behind_in_log_or_files() {
    let home = Home::new();
    let token = home.run(&["token", "create"]).answer();
    let token = token.trim_end();
    let server = home.serve(&["--log-level", "trace"]);
    let provider = json!({ "provider": "SANDBOX", "name": "phones", "credentials": { "api_key": API_KEY },
        "webhook_secret": WEBHOOK_SECRET });
    let (campaign, provider) = campaign(&server, token, &provider);
    for lead in 0..LEADS {
        let lead = json!({ "phone_number": format!("+{DIGITS}{lead:04}"), "first_name": "Jane" });
        post(&server, token, &format!("{campaign}/leads"), &lead);
    }
    post(&server, token, &format!("{campaign}/start"), &json!({}));
    let told = calls(&server, token, &campaign) + &provider.to_string();
    let (_, metrics) = server.get("/metrics", "");
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0));

    let secrets = [token, API_KEY, WEBHOOK_SECRET];
    assert!(log.contains("TRACE"), "the level has no effect");
    for line in log.lines() {
        for secret in secrets.iter().chain([&DIGITS]) {
            assert!(!line.contains(secret), "{secret} is logged: {line}");
        }
    }
    for secret in secrets {
        assert!(!told.contains(secret), "{secret} is told: {told}");
    }
    // Anybody may read the metrics: they count, and name nobody.
    let id = campaign.rsplit('/').next().unwrap();
    assert!(
        metrics.contains("campanile_calls_placed_total"),
        "{metrics}"
    );
    for name in [id, DIGITS, "Trial", "Jane", "default"]
        .iter()
        .chain(&secrets)
    {
        assert!(!metrics.contains(name), "the metrics name {name}");
    }
    let mut files = 0;
    for file in std::fs::read_dir(home.path()).unwrap() {
        files += 1;
        holds_none(&file.unwrap().path(), &secrets);
    }
    assert!(files >= 2, "a database and its key");
}

pub(crate) fn holds_none(file: &Path, secrets: &[&str]) {
    let bytes = std::fs::read(file).unwrap();
    for secret in secrets {
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{} holds {secret} in clear", file.display());
    }
}

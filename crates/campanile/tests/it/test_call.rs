//! A test call through the whole server, to the sandbox in its process.

use serde_json::{Value, json};

use crate::program::{Home, Server, request};

/// The object of an answer that must be a success.
fn post(server: &Server, token: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = server.post(path, token, body);
    assert!((200..300).contains(&status), "{path}: {answer}");
    answer["data"].clone()
}

/// A DRAFT campaign on the sandbox; its id.
fn draft(server: &Server, token: &str) -> String {
    let provider =
        json!({ "provider": "SANDBOX", "name": "phones", "credentials": { "api_key": "k" } });
    let provider = post(server, token, "/api/v2/voice-providers", &provider);
    let campaign = json!({
        "name": "Trial", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE",
        "tenant_voice_provider_id": provider["tenant_voice_provider_id"], "phone_number_id": "pn_001",
        "start_date": "2026-01-01", "timezone": "UTC", "days_of_week": ["MONDAY"],
        "windows": [{ "start_time": "09:00", "end_time": "09:01" }],
        "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 5,
    });
    let campaign = post(server, token, "/api/v2/voice-campaigns", &campaign);
    campaign["campaign_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_test_call_of_a_draft_reaches_a_phone_at_any_hour() {
    let home = Home::new();
    let token = home.run(&["token", "create"]).answer();
    let token = token.trim_end();
    let server = home.serve(&[]);
    let campaign = draft(&server, token);
    let phone = "+14155550100";
    let allow = json!({ "test_call_numbers": [phone] }).to_string();
    let (status, answer) = request(&server.address, "PATCH", "/api/v2/tenant", token, &allow);
    assert_eq!(status, 200, "{answer}");
    let path = format!("/api/v2/voice-campaigns/{campaign}/test-call");
    let call = post(&server, token, &path, &json!({ "phone_number": phone }));
    let path = format!("/api/v2/calls/{}", call["call_id"].as_str().unwrap());
    loop {
        let (status, answer) = server.get(&path, token);
        if status == 429 {
            // Asked too eagerly.
            std::thread::yield_now();
            continue;
        }
        let call: Value = serde_json::from_str(&answer).unwrap();
        let call = &call["data"];
        assert!(call["test"].as_bool().unwrap(), "{call}");
        let state = call["state"].as_str().unwrap();
        assert!(
            !matches!(state, "RELEASED" | "REJECTED" | "ABSENT"),
            "{call}"
        );
        // The sandbox's phone knows of the call: it was sent, and its answer came back.
        if call["provider_call_id"].is_string() {
            break;
        }
        std::thread::yield_now();
    }
    server.stop();
}

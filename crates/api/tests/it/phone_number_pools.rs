use http::Method;
use serde_json::{Value, json};

use crate::scene::{dial, end_report, hidden_from_strangers, hook, lead, line_id, report};
use crate::support::{Mood, Server, campaign_body};

const PATH: &str = "/api/v2/phone-number-pools";

async fn made(server: &Server, body: &Value) -> (String, Value) {
    let reply = server.post(PATH, body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let data = reply.body["data"].clone();
    (
        format!("{PATH}/{}", data["phone_number_pool_id"].as_str().unwrap()),
        data,
    )
}

#[tokio::test]
async fn a_pool_is_made_read_changed_and_deleted() {
    let server = Server::start().await;
    let line = line_id(server.line().await);
    let body = json!({
        "name": "East", "tenant_voice_provider_id": line, "sticky": null,
        "phone_numbers": [
            { "phone_number_id": "pn_listed" },
            { "phone_number_id": "pn_far", "e164": "+14155550102", "max_concurrent_calls": 2, "enabled": false, "daily_cap": null },
        ],
    });
    let (path, data) = made(&server, &body).await;
    let numbers = json!([
        { "phone_number_id": "pn_listed", "e164": "+14155550101", "max_concurrent_calls": null, "daily_cap": null, "cooldown_seconds": null, "enabled": true },
        { "phone_number_id": "pn_far", "e164": "+14155550102", "max_concurrent_calls": 2, "daily_cap": null, "cooldown_seconds": null, "enabled": false },
    ]);
    assert_eq!(data["phone_numbers"], numbers);
    assert_eq!(
        (&data["strategy"], &data["sticky"], &data["revision"]),
        (&json!("LEAST_RECENTLY_USED"), &json!(false), &json!(1))
    );
    // One list, and one look for the number that is not on it.
    assert_eq!(server.vendor.requests(), 2);
    assert_eq!(server.get(&path).await.body["data"], data);
    assert_eq!(server.get(PATH).await.body["data"], json!([data]));
    assert_eq!(server.delete(&path).await.status, 200);
    assert_eq!(server.get(&path).await.status, 404);
}

#[tokio::test]
async fn the_vendor_is_asked_only_about_numbers_that_change() {
    let server = Server::start().await;
    let body = json!({
        "name": "East", "tenant_voice_provider_id": line_id(server.line().await),
        "phone_numbers": [{ "phone_number_id": "pn_listed" }],
    });
    let (path, data) = made(&server, &body).await;

    // What does not concern the numbers does not concern the vendor.
    server.vendor.set(Mood::Down);
    let change = server
        .request(Method::PATCH, &path)
        .json(&json!({ "name": "West", "strategy": "ROUND_ROBIN" }));
    let changed = change.header("if-match", "\"1\"").send().await;
    assert_eq!(
        (changed.status.as_u16(), changed.header("etag")),
        (200, "\"2\""),
        "{}",
        changed.body
    );
    assert_eq!(changed.body["data"]["phone_numbers"], data["phone_numbers"]);
    assert_eq!(
        server
            .patch(
                &path,
                &json!({ "phone_numbers": [{ "phone_number_id": "pn_x" }] })
            )
            .await
            .status,
        503
    );
    let skipped = server
        .patch(
            &format!("{path}?skip_provider_check=true"),
            &json!({ "phone_numbers": [{ "phone_number_id": "pn_missing" }] }),
        )
        .await;
    assert_eq!(
        (
            skipped.status.as_u16(),
            &skipped.body["data"]["phone_numbers"][0]["phone_number_id"]
        ),
        (200, &json!("pn_missing"))
    );
    let stale = server
        .request(Method::PATCH, &path)
        .json(&json!({ "name": "x" }))
        .header("if-match", "\"1\"");
    assert_eq!(stale.send().await.status, 412);

    assert_eq!(
        server
            .patch(&path, &json!({ "phone_numbers": [] }))
            .await
            .body["data"]["phone_numbers"],
        json!([])
    );
}

#[tokio::test]
async fn every_fault_of_a_pool_is_told() {
    let server = Server::start().await;
    let line = line_id(server.line().await);
    let body = json!({
        "name": "", "tenant_voice_provider_id": "TenantVoiceProvider:1", "strategy": "LOCAL_PRESENCE", "sticky": true,
        "phone_numbers": [
            { "phone_number_id": "a", "e164": "5", "daily_cap": 5 },
            { "phone_number_id": "a", "cooldown_seconds": 5 },
        ],
    });
    assert_eq!(
        server.post(PATH, &body).await.faults(),
        [
            "name: empty",
            "phone_numbers[0].daily_cap: not_supported",
            "phone_numbers[0].e164: invalid_format",
            "phone_numbers[1].cooldown_seconds: not_supported",
            "phone_numbers[1].phone_number_id: duplicate",
            "sticky: not_supported",
            "strategy: not_supported",
            "tenant_voice_provider_id: no_such_object",
        ]
    );
    let numbers: Vec<_> = (0..501)
        .map(|n| json!({ "phone_number_id": format!("pn_{n}") }))
        .collect();
    let body = json!({ "name": "x", "tenant_voice_provider_id": "VoiceCall:1", "strategy": "RANDOM", "phone_numbers": numbers });
    assert_eq!(
        server.post(PATH, &body).await.faults(),
        [
            "phone_numbers: too_many",
            "strategy: invalid_choice",
            "tenant_voice_provider_id: wrong_id_type"
        ]
    );
    assert_eq!(
        server.post(PATH, &json!({})).await.faults(),
        ["name: required", "tenant_voice_provider_id: required"]
    );
    let unknown = json!({
        "name": "x", "tenant_voice_provider_id": line,
        "phone_numbers": [{ "phone_number_id": "pn_missing" }, { "phone_number_id": "pn_listed", "e164": "+14155559999" }],
    });
    assert_eq!(
        server.post(PATH, &unknown).await.faults(),
        [
            "phone_numbers[0].phone_number_id: unknown_at_provider",
            "phone_numbers[1].e164: contradiction"
        ]
    );
    server.vendor.set(Mood::Unauthorized);
    assert_eq!(server.post(PATH, &unknown).await.status, 502);
    let nulls = json!({ "name": null, "phone_numbers": null, "strategy": null, "tenant_voice_provider_id": null });
    let (path, _) = made(
        &server,
        &json!({ "name": "x", "tenant_voice_provider_id": line }),
    )
    .await;
    assert_eq!(
        server.patch(&path, &nulls).await.faults(),
        [
            "name: not_nullable",
            "phone_numbers: not_nullable",
            "strategy: not_nullable",
            "tenant_voice_provider_id: not_nullable"
        ]
    );
}

#[tokio::test]
async fn another_provider_is_asked_about_the_numbers() {
    let server = Server::start().await;
    let body = json!({ "name": "x", "tenant_voice_provider_id": line_id(server.line().await), "phone_numbers": [{ "phone_number_id": "pn_missing" }] });
    let reply = server
        .post(&format!("{PATH}?skip_provider_check=true"), &body)
        .await;
    let path = format!(
        "{PATH}/{}",
        reply.body["data"]["phone_number_pool_id"].as_str().unwrap()
    );
    let other = json!({ "tenant_voice_provider_id": line_id(server.line().await) });
    assert_eq!(
        server.patch(&path, &other).await.faults(),
        ["phone_numbers[0].phone_number_id: unknown_at_provider"]
    );
    let moved = server
        .patch(&format!("{path}?skip_provider_check=true"), &other)
        .await;
    assert_eq!(
        moved.body["data"]["tenant_voice_provider_id"],
        other["tenant_voice_provider_id"]
    );
}

#[tokio::test]
async fn a_pool_in_use_stays_and_tells_its_health() {
    let server = Server::start().await;
    let line = server.line().await;
    let body = json!({
        "name": "x", "tenant_voice_provider_id": line_id(line),
        "phone_numbers": [{ "phone_number_id": "pn_listed" }, { "phone_number_id": "pn_off", "enabled": false }],
    });
    let (path, data) = made(&server, &body).await;
    let mut body = campaign_body(line);
    body["dialer_type"] = json!("POOL");
    body["phone_number_pool_id"] = data["phone_number_pool_id"].clone();
    let campaign = server.post("/api/v2/voice-campaigns", &body).await;
    let campaign = format!(
        "/api/v2/voice-campaigns/{}",
        campaign.body["data"]["campaign_id"].as_str().unwrap()
    );
    server.command(&format!("{campaign}/start")).await;
    lead(&server, &campaign, "+14155552671").await;
    let key = dial(&server).await.remove("+14155552671").unwrap();
    let during = server.get(&format!("{path}/health")).await;
    assert_eq!(
        during.body["data"]["phone_numbers"][0]["live_calls"], 1,
        "{}",
        during.body
    );
    server.clock.advance(std::time::Duration::from_secs(60));
    report(
        &server,
        &hook(&server, line).await,
        &end_report(Some(&key), "call-1", "customer-ended-call"),
    )
    .await;

    let health = server.get(&format!("{path}/health")).await;
    let expected = json!([
        { "phone_number_id": "pn_listed", "e164": "+14155550101", "enabled": true, "status": "AVAILABLE", "rests_until": null,
          "live_calls": 0, "calls": 1, "answered": 1, "answer_rate": 1.0, "short_calls": 0 },
        { "phone_number_id": "pn_off", "e164": null, "enabled": false, "status": "AVAILABLE", "rests_until": null,
          "live_calls": 0, "calls": 0, "answered": 0, "answer_rate": null, "short_calls": 0 },
    ]);
    assert_eq!(health.body["data"]["phone_numbers"], expected);
    let used = server.delete(&path).await;
    assert_eq!((used.status.as_u16(), used.code()), (409, "in_use"));

    let missing = format!("{PATH}/VoicePhoneNumberPool:1");
    hidden_from_strangers(&server, Method::GET, &path, &missing, None).await;
    hidden_from_strangers(&server, Method::PATCH, &path, &missing, Some(&json!({}))).await;
    hidden_from_strangers(&server, Method::DELETE, &path, &missing, None).await;
    hidden_from_strangers(
        &server,
        Method::GET,
        &format!("{path}/health"),
        &format!("{missing}/health"),
        None,
    )
    .await;
}

use http::Method;
use serde_json::{Value, json};

use crate::support::{Mood, Server, campaign_body, global};

fn path(id: &str) -> String {
    format!("/api/v2/voice-campaigns/{id}")
}

fn without(body: &Value, field: &str) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove(field);
    body
}

fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

#[tokio::test]
async fn a_new_campaign_shows_every_setting_after_the_four_documented_keys() {
    let server = Server::start().await;
    let reply = server
        .post(
            "/api/v2/voice-campaigns",
            &campaign_body(server.line().await),
        )
        .await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.body["message"], "Campaign created successfully");
    assert_eq!(
        reply.header("etag"),
        format!("\"{}\"", reply.body["data"]["revision"])
    );
    let data = reply.body["data"].as_object().unwrap();
    let keys: Vec<_> = data.keys().map(String::as_str).collect();
    assert_eq!(
        keys[..4],
        [
            "campaign_id",
            "campaign_name",
            "campaign_type",
            "campaign_status"
        ]
    );
    for setting in domain::settings::SettingsDraft::FIELDS {
        assert!(keys.contains(setting), "{setting} is not shown");
    }
    assert_eq!(data["campaign_status"], "DRAFT");
    assert_eq!(data["unverified"], false);
    assert_eq!(data["status_reason"], Value::Null);
    assert_eq!(data["created_at"], "2026-01-05T15:00:00Z");
    assert_eq!(
        (&data["priority"], &data["calling_rules"], &data["metadata"]),
        (&json!(5), &json!(["none"]), &json!({}))
    );
    assert_eq!(
        (&data["lead_timezone"], &data["complete_when_done"]),
        (&json!("CAMPAIGN"), &json!(true))
    );
    assert_eq!(data["leads"].as_object().unwrap().len(), 7);

    let read = server
        .get(&path(data["campaign_id"].as_str().unwrap()))
        .await;
    assert_eq!(read.body["data"], reply.body["data"]);
}

#[tokio::test]
async fn every_fault_of_a_new_campaign_is_told_at_once() {
    let server = Server::start().await;
    let line_id = server.line().await;
    let body = json!({
        "name": "", "type": "OUTBOUND", "assistant_id": "asst_missing", "dialer_type": "TRIPLE",
        "tenant_voice_provider_id": global("TenantVoiceProvider", line_id.raw()),
        "phone_number_pool_id": global("VoiceCampaign", 1), "timezone": "Mars/Olympus",
        "days_of_week": ["MONDAY", "MONDAY", "FUNDAY"], "daily_start_time": "17:00", "daily_end_time": "09:00",
        "start_date": "2026-02-30", "max_call_attempts": 0, "max_daily_attempts": "2",
        "webhook_url": "http://127.0.0.1/hook", "timezon": 1, "metadata": { "a": 1 }, "disclosure": "Hello",
    });
    let reply = server.post("/api/v2/voice-campaigns", &body).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (422, "validation_failed")
    );
    assert_eq!(
        reply.faults(),
        [
            "assistant_id: unknown_at_provider",
            "daily_end_time: not_after_start",
            "days_of_week: duplicate",
            "days_of_week[2]: invalid_choice",
            "dialer_type: invalid_choice",
            "disclosure: not_supported",
            "max_call_attempts: out_of_range",
            "max_daily_attempts: invalid_type",
            "metadata.a: invalid_type",
            "min_gap_between_attempts: required",
            "name: empty",
            "phone_number_pool_id: wrong_id_type",
            "start_date: invalid_date",
            "timezon: unknown_field",
            "timezone: unknown_timezone",
            "webhook_url: private_address",
        ]
    );
    assert!(reply.body.to_string().contains("did you mean `timezone`?"));
    assert_eq!(
        server.get("/api/v2/voice-campaigns").await.body["data"],
        json!([])
    );
}

#[tokio::test]
async fn what_outbound_campaigns_need_is_required_one_by_one() {
    let server = Server::start().await;
    let body = campaign_body(server.line().await);
    for field in [
        "name",
        "type",
        "assistant_id",
        "tenant_voice_provider_id",
        "dialer_type",
        "start_date",
        "timezone",
        "days_of_week",
        "daily_start_time",
        "daily_end_time",
        "max_call_attempts",
        "max_daily_attempts",
        "min_gap_between_attempts",
    ] {
        let reply = server
            .post("/api/v2/voice-campaigns", &without(&body, field))
            .await;
        assert_eq!(reply.status, 422, "{field}");
        assert_eq!(reply.faults(), [format!("{field}: required")]);
    }
    let inbound = json!({ "name": "In", "type": "INBOUND", "assistant_id": "asst_1", "dialer_type": "SINGLE",
        "tenant_voice_provider_id": body["tenant_voice_provider_id"] });
    let reply = server.post("/api/v2/voice-campaigns", &inbound).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let started = server
        .command(&format!(
            "{}/start",
            path(reply.body["data"]["campaign_id"].as_str().unwrap())
        ))
        .await;
    assert_eq!(
        (started.status.as_u16(), started.faults()),
        (422, vec!["type: not_supported".to_owned()])
    );
}

#[tokio::test]
async fn the_older_name_of_the_voice_provider_is_understood() {
    let server = Server::start().await;
    let (one, two) = (server.line().await, server.line().await);
    let mut body = campaign_body(one);
    let id = body["tenant_voice_provider_id"].clone();
    body = with(
        &without(&body, "tenant_voice_provider_id"),
        "voiceai_pod_id",
        id.clone(),
    );
    let reply = server.post("/api/v2/voice-campaigns", &body).await;
    assert_eq!(
        reply.body["data"]["tenant_voice_provider_id"], id,
        "{}",
        reply.body
    );
    body["tenant_voice_provider_id"] = json!(format!("TenantVoiceProvider:{}", one.raw()));
    assert_eq!(
        server.post("/api/v2/voice-campaigns", &body).await.status,
        201
    );
    body["tenant_voice_provider_id"] = json!(global("TenantVoiceProvider", two.raw()));
    assert_eq!(
        server.post("/api/v2/voice-campaigns", &body).await.faults(),
        ["voiceai_pod_id: contradiction"]
    );
    body = with(
        &without(&body, "tenant_voice_provider_id"),
        "voiceai_pod_id",
        json!("nonsense"),
    );
    assert_eq!(
        server.post("/api/v2/voice-campaigns", &body).await.faults(),
        ["voiceai_pod_id: invalid_id"]
    );
}

#[tokio::test]
async fn references_must_be_the_tenants_own_and_fit_together() {
    let server = Server::start().await;
    let (one, two) = (server.line().await, server.line().await);
    let pool = server.pool(two, true).await;
    let stranger = server.stranger().await;
    let body = with(
        &campaign_body(one),
        "phone_number_pool_id",
        json!(global("VoicePhoneNumberPool", pool.raw())),
    );
    let reply = server.post("/api/v2/voice-campaigns", &body).await;
    assert_eq!(reply.faults(), ["phone_number_pool_id: wrong_provider"]);
    let foreign = server
        .request(Method::POST, "/api/v2/voice-campaigns")
        .token(&stranger)
        .json(&body)
        .send()
        .await;
    assert_eq!(
        foreign.faults(),
        [
            "phone_number_pool_id: no_such_object",
            "tenant_voice_provider_id: no_such_object"
        ]
    );
}

#[tokio::test]
async fn the_provider_decides_about_assistant_and_number() {
    let server = Server::start().await;
    let body = campaign_body(server.line().await);
    let post = async |body: &Value, query: &str| {
        server
            .post(&format!("/api/v2/voice-campaigns{query}"), body)
            .await
    };
    let missing = with(
        &with(&body, "assistant_id", json!("missing_a")),
        "phone_number_id",
        json!("missing_n"),
    );
    let reply = post(&missing, "").await;
    assert_eq!(
        reply.faults(),
        [
            "assistant_id: unknown_at_provider",
            "phone_number_id: unknown_at_provider"
        ]
    );

    for (mood, status, code, words) in [
        (Mood::Unauthorized, 502, "provider_refused", "Invalid Key"),
        (Mood::Broken, 502, "provider_refused", "500"),
        (
            Mood::Down,
            503,
            "provider_unreachable",
            "connection refused",
        ),
    ] {
        server.vendor.set(mood);
        let reply = post(&body, "").await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (status, code),
            "{}",
            reply.body
        );
        assert!(
            reply.body["message"].as_str().unwrap().contains(words),
            "{}",
            reply.body
        );
        assert_eq!(status == 503, !reply.header("retry-after").is_empty());
    }
    assert_eq!(
        server.get("/api/v2/voice-campaigns").await.body["data"],
        json!([])
    );

    let asked = server.vendor.requests();
    let reply = post(&missing, "?skip_provider_check=true").await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["data"]["unverified"]),
        (201, &json!(true))
    );
    assert_eq!(server.vendor.requests(), asked);
}

#[tokio::test]
async fn lists_are_filtered_by_status_type_and_name() {
    let server = Server::start().await;
    let line_id = server.line().await;
    let running = server.campaign(line_id).await;
    server
        .post(
            "/api/v2/voice-campaigns",
            &with(&campaign_body(line_id), "name", json!("Winter 100%")),
        )
        .await;
    assert_eq!(
        server
            .command(&format!("{}/start", path(&running)))
            .await
            .status,
        200
    );
    let found = async |query: &str| {
        let reply = server
            .get(&format!("/api/v2/voice-campaigns?{query}"))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body["data"].as_array().unwrap().len()
    };
    assert_eq!(found("status=RUNNING").await, 1);
    assert_eq!(found("status=DRAFT&type=OUTBOUND").await, 1);
    assert_eq!(found("type=INBOUND").await, 0);
    assert_eq!(found("name=wInTeR").await, 1);
    assert_eq!(found("name=100%25").await, 1);
    assert_eq!(found("name=_").await, 0);
    let bad = server
        .get("/api/v2/voice-campaigns?status=running&type=X")
        .await;
    assert_eq!(
        bad.faults(),
        ["status: invalid_choice", "type: invalid_choice"]
    );
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let before = server.get(&path(&id)).await.body["data"].clone();
    let change =
        json!({ "name": "New", "end_date": "2026-03-31", "metadata": { "a": "b" }, "priority": 9 });
    let reply = server.patch(&path(&id), &change).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["message"]),
        (200, &json!("Campaign updated successfully"))
    );
    let after = &reply.body["data"];
    for (key, value) in before.as_object().unwrap() {
        let expected = match key.as_str() {
            "campaign_name" => &change["name"],
            "revision" => &after["revision"],
            "updated_at" => &after["updated_at"],
            key => change.get(key).unwrap_or(value),
        };
        assert_eq!(&after[key], expected, "{key}");
    }
    assert_eq!(
        after["revision"],
        json!(before["revision"].as_i64().unwrap() + 1)
    );
    assert_eq!(reply.header("etag"), format!("\"{}\"", after["revision"]));

    let cleared = server
        .patch(
            &path(&id),
            &json!({ "end_date": null, "metadata": null, "priority": null }),
        )
        .await;
    assert_eq!(
        (
            &cleared.body["data"]["end_date"],
            &cleared.body["data"]["priority"]
        ),
        (&Value::Null, &json!(5))
    );
    let nothing = server.patch(&path(&id), &json!({})).await;
    assert_eq!(
        nothing.body["data"], cleared.body["data"],
        "an empty change changes nothing"
    );
}

#[tokio::test]
async fn a_patch_with_a_fault_changes_nothing() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let before = server.get(&path(&id)).await.body;
    for (change, faults) in [
        (
            json!({ "name": "New", "daily_end_time": "08:00" }),
            vec!["daily_end_time: not_after_start"],
        ),
        (
            json!({ "name": null, "timezone": null, "type": "INBOUND" }),
            vec![
                "name: not_nullable",
                "timezone: required",
                "type: immutable",
            ],
        ),
        (
            json!({ "status": "RUNNING", "campaign_id": "x" }),
            vec!["campaign_id: unknown_field", "status: unknown_field"],
        ),
        (
            json!({ "end_date": "2025-12-31", "windows": [] }),
            vec!["end_date: before_start_date", "windows: empty"],
        ),
        (
            json!({ "windows": [{ "start_time": "09:00", "end_time": "09:00", "x": 1 }] }),
            vec!["windows[0].x: unknown_field"],
        ),
        (
            json!({ "assistant_id": "missing", "priority": 11 }),
            vec![
                "assistant_id: unknown_at_provider",
                "priority: out_of_range",
            ],
        ),
    ] {
        let reply = server.patch(&path(&id), &change).await;
        assert_eq!(reply.status, 422);
        assert_eq!(reply.faults(), faults, "{change}");
    }
    assert_eq!(server.get(&path(&id)).await.body, before);
}

#[tokio::test]
async fn daily_hours_that_windows_replace_are_refused_not_ignored() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let windows = json!([{ "start_time": "00:00", "end_time": "24:00" }]);
    let all_day = server
        .patch(&path(&id), &json!({ "windows": windows }))
        .await;
    assert_eq!(all_day.status, 200);
    let narrower = json!({ "daily_start_time": "01:00", "daily_end_time": "02:00" });
    let reply = server.patch(&path(&id), &narrower).await;
    assert_eq!(reply.status, 422);
    let faults = [
        "daily_end_time: contradiction",
        "daily_start_time: contradiction",
    ];
    assert_eq!(reply.faults(), faults);
    // Both at once, or the daily hours in their place.
    for change in [
        json!({ "daily_start_time": "01:00", "windows": windows }),
        json!({ "daily_start_time": "01:00", "daily_end_time": "02:00", "windows": null }),
        narrower,
    ] {
        assert_eq!(
            server.patch(&path(&id), &change).await.status,
            200,
            "{change}"
        );
    }
}

#[tokio::test]
async fn if_match_is_honoured() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let patch = async |tag: &str, name: &str| {
        server
            .request(Method::PATCH, &path(&id))
            .header("if-match", tag)
            .json(&json!({ "name": name }))
            .send()
            .await
    };
    let etag = server.get(&path(&id)).await.header("etag").to_owned();
    assert_eq!(patch(&etag, "one").await.status, 200);
    let stale = patch(&etag, "two").await;
    assert_eq!(
        (stale.status.as_u16(), stale.code()),
        (412, "stale_revision")
    );
    let current = stale.header("etag").to_owned();
    assert_ne!(current, etag);
    assert_eq!(
        patch(&format!("{etag}, {current}"), "three").await.status,
        200
    );
    assert_eq!(patch("*", "four").await.status, 200);
    assert_eq!(patch("\"abc\"", "five").await.status, 412);
    assert_eq!(patch("7", "six").await.code(), "invalid_header");
    let gone = server
        .request(Method::DELETE, &path(&id))
        .header("if-match", &etag)
        .send()
        .await;
    assert_eq!(gone.status, 412);
}

#[tokio::test]
async fn changes_at_the_same_time_are_merged() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let changes = [
        json!({ "name": "Both" }),
        json!({ "priority": 7 }),
        json!({ "max_call_attempts": 9 }),
        json!({ "end_date": "2026-04-01" }),
    ];
    let target = path(&id);
    let all =
        futures_util::future::join_all(changes.iter().map(|change| server.patch(&target, change)))
            .await;
    assert!(all.iter().all(|reply| reply.status == 200));
    let after = server.get(&path(&id)).await.body["data"].clone();
    for change in changes {
        for (key, value) in change.as_object().unwrap() {
            assert_eq!(&after[key], value);
        }
    }
    let same = futures_util::future::join_all((0..4).map(|index| {
        let call = server
            .request(Method::PATCH, &target)
            .header("if-match", &format!("\"{}\"", after["revision"]));
        call.json(&json!({ "name": format!("n{index}") })).send()
    }));
    let statuses: Vec<_> = same
        .await
        .iter()
        .map(|reply| reply.status.as_u16())
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn the_provider_is_asked_about_what_a_patch_names() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let other = global("TenantVoiceProvider", server.line().await.raw());
    let asked = async |change: Value, query: &str| {
        let before = server.vendor.requests();
        let reply = server
            .patch(&format!("{}{query}", path(&id)), &change)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        (
            server.vendor.requests() - before,
            reply.body["data"]["unverified"].as_bool().unwrap(),
        )
    };
    assert_eq!(asked(json!({ "name": "x" }), "").await, (0, false));
    assert_eq!(
        asked(json!({ "assistant_id": "asst_2" }), "").await,
        (1, false)
    );
    assert_eq!(
        asked(json!({ "phone_number_id": "pn_2" }), "").await,
        (1, false)
    );
    assert_eq!(
        asked(json!({ "tenant_voice_provider_id": other }), "").await,
        (2, false)
    );
    assert_eq!(
        asked(
            json!({ "assistant_id": "missing" }),
            "?skip_provider_check=true"
        )
        .await,
        (0, true)
    );
    assert_eq!(asked(json!({ "name": "y" }), "").await, (0, true));
    assert_eq!(
        asked(json!({ "assistant_id": "asst_3" }), "").await,
        (2, false)
    );
}

#[tokio::test]
async fn revisions_tell_who_changed_what() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let other = global("TenantVoiceProvider", server.line().await.raw());
    server
        .patch(
            &path(&id),
            &json!({ "priority": 9, "tenant_voice_provider_id": other }),
        )
        .await;
    let reply = server.get(&format!("{}/revisions", path(&id))).await;
    assert_eq!(reply.status, 200);
    let latest = &reply.body["data"][0];
    assert_eq!(latest["changes"]["priority"]["to"], 9);
    assert_eq!(latest["changes"]["tenant_voice_provider_id"]["to"], other);
    let mine = server.get("/api/v2/tokens").await.body["data"][0]["token_id"].clone();
    assert_eq!(latest["token_id"], mine);
}

#[tokio::test]
async fn zones_and_dates_that_are_refused_say_truly_why() {
    let server = Server::start().await;
    let line = server.line().await;
    let with = |field: &str, value: &str| {
        let mut body = campaign_body(line);
        body[field] = json!(value);
        body
    };
    for zone in ["EST5EDT", "MST7MDT", "CET", "HST", "Japan"] {
        let made = server
            .post("/api/v2/voice-campaigns", &with("timezone", zone))
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.body["data"]["timezone"], zone);
    }
    for (field, value, code, part) in [
        ("timezone", "EST", "ambiguous_timezone", "America/Panama"),
        ("timezone", "MST", "ambiguous_timezone", "America/Denver"),
        ("timezone", "PST", "unknown_timezone", "America/New_York"),
        ("end_date", "9999-12-31", "out_of_range", "9000-12-31"),
        ("start_date", "1969-12-31", "out_of_range", "1970-01-01"),
        ("end_date", "2026-02-30", "invalid_date", "does not exist"),
        ("end_date", "31.12.2026", "invalid_date", "2026-01-31"),
    ] {
        let refused = server
            .post("/api/v2/voice-campaigns", &with(field, value))
            .await;
        assert_eq!(refused.faults(), [format!("{field}: {code}")], "{value}");
        let message = refused.body["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
}

use std::time::Duration;

use domain::PhoneNumber;
use domain::ambient::Clock;
use domain::attempt::Fact;
use domain::campaign::CampaignStatus;
use http::Method;
use serde_json::{Value, json};
use store::{AttemptFact, AttemptRef, LeadFields, NewLead, OnDuplicate, Store, Tick};

use crate::support::{Call, Mood, Server, campaign_body, campaign_number, global};

fn path(id: &str, rest: &str) -> String {
    format!("/api/v2/voice-campaigns/{id}{rest}")
}

async fn status(server: &Server, id: &str) -> String {
    server.get(&path(id, "")).await.body["data"]["campaign_status"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_campaign_goes_through_its_life_and_repeated_commands_change_nothing() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    for (command, reached) in [
        ("start", CampaignStatus::Running),
        ("pause", CampaignStatus::Paused),
        ("resume", CampaignStatus::Running),
        ("stop", CampaignStatus::Stopped),
        ("archive", CampaignStatus::Archived),
    ] {
        let first = server.command(&path(&id, &format!("/{command}"))).await;
        assert_eq!(first.status, 200, "{command}: {}", first.body);
        assert_eq!(first.body["data"]["campaign_status"], reached.as_str());
        let again = server.command(&path(&id, &format!("/{command}"))).await;
        assert_eq!(again.status, 200);
        assert_eq!(
            again.body["data"]["revision"],
            first.body["data"]["revision"]
        );
    }
    let illegal = server.command(&path(&id, "/start")).await;
    assert_eq!(
        (illegal.status.as_u16(), illegal.code()),
        (409, "illegal_transition")
    );
    assert_eq!(server.delete(&path(&id, "")).await.status, 200);
    assert_eq!(server.get(&path(&id, "")).await.status, 404);
}

#[tokio::test]
async fn the_answer_to_start_and_resume_tells_at_once_what_the_campaign_does() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let reason_after = async |command: &str| {
        let done = server.command(&path(&id, command)).await;
        let read = server.get(&path(&id, "")).await;
        let reasons = [&done, &read].map(|reply| reply.body["data"]["status_reason"].clone());
        assert_eq!(reasons[0], reasons[1]);
        reasons[0].as_str().unwrap().to_owned()
    };
    assert_eq!(reason_after("/start").await, "NO_DIALABLE_LEADS");
    server.command(&path(&id, "/pause")).await;
    let lead = json!({ "phone_number": "+14155550123" });
    assert_eq!(server.post(&path(&id, "/leads"), &lead).await.status, 201);
    assert_eq!(reason_after("/resume").await, "DIALING");
    server.command(&path(&id, "/pause")).await;
    server.clock.advance(Duration::from_secs(12 * 3_600));
    assert_eq!(reason_after("/resume").await, "OUTSIDE_WINDOW");
}

#[tokio::test]
async fn an_illegal_command_names_the_legal_ones() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let reply = server.command(&path(&id, "/pause")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (409, "illegal_transition")
    );
    assert!(
        reply.body["message"].as_str().unwrap().contains("`start`"),
        "{}",
        reply.body
    );
    server.command(&path(&id, "/start")).await;
    let kept = server.delete(&path(&id, "")).await;
    assert_eq!((kept.status.as_u16(), kept.code()), (409, "not_deletable"));
}

#[tokio::test]
async fn a_start_lists_all_that_is_missing() {
    let server = Server::start().await;
    let line_id = server.line().await;
    let mut body = campaign_body(line_id);
    body.as_object_mut().unwrap().remove("phone_number_id");
    body["end_date"] = json!("2026-01-05");
    body["days_of_week"] = json!(["TUESDAY"]);
    let made = server.post("/api/v2/voice-campaigns", &body).await;
    let id = made.body["data"]["campaign_id"].as_str().unwrap();
    server.vendor.set(Mood::Unauthorized);
    let reply = server.command(&path(id, "/start")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (422, "validation_failed")
    );
    assert_eq!(
        reply.faults(),
        [
            "end_date: never_opens",
            "phone_number_id: no_number",
            "tenant_voice_provider_id: credentials_refused"
        ]
    );
    assert_eq!(status(&server, id).await, "DRAFT");

    server.vendor.set(Mood::Well);
    let pool = global(
        "VoicePhoneNumberPool",
        server.pool(line_id, false).await.raw(),
    );
    let change = json!({ "dialer_type": "POOL", "phone_number_pool_id": pool, "end_date": null });
    assert_eq!(server.patch(&path(id, ""), &change).await.status, 200);
    assert_eq!(
        server.command(&path(id, "/start")).await.faults(),
        ["phone_number_pool_id: no_number"]
    );
    let change = json!({ "dialer_type": "SINGLE", "phone_number_id": "pn_1" });
    assert_eq!(server.patch(&path(id, ""), &change).await.status, 200);
    server.vendor.set(Mood::Down);
    assert_eq!(
        server.command(&path(id, "/start")).await.code(),
        "provider_unreachable"
    );
    server.vendor.set(Mood::Well);
    assert_eq!(server.command(&path(id, "/start")).await.status, 200);
}

#[tokio::test]
async fn a_running_campaign_stays_able_to_dial() {
    let server = Server::start().await;
    let line_id = server.line().await;
    let id = server.campaign(line_id).await;
    server.command(&path(&id, "/start")).await;
    for (change, fault) in [
        (
            json!({ "phone_number_id": null }),
            "phone_number_id: no_number",
        ),
        (
            json!({ "dialer_type": "POOL" }),
            "phone_number_pool_id: no_number",
        ),
        (
            json!({ "start_date": "2026-01-01", "end_date": "2026-01-04" }),
            "end_date: never_opens",
        ),
    ] {
        let reply = server.patch(&path(&id, ""), &change).await;
        assert_eq!(
            (reply.status.as_u16(), reply.faults()),
            (422, vec![fault.to_owned()]),
            "{change}"
        );
    }
    let other = global("TenantVoiceProvider", server.line().await.raw());
    let frozen = server
        .patch(
            &path(&id, ""),
            &json!({ "tenant_voice_provider_id": other }),
        )
        .await;
    assert_eq!(
        (frozen.status.as_u16(), frozen.code()),
        (409, "settings_frozen")
    );
    assert_eq!(
        frozen.faults(),
        ["tenant_voice_provider_id: settings_frozen"]
    );
    assert_eq!(
        server
            .patch(
                &path(&id, ""),
                &json!({ "daily_end_time": "16:00", "name": "On" })
            )
            .await
            .status,
        200
    );

    server.command(&path(&id, "/pause")).await;
    assert_eq!(
        server
            .patch(&path(&id, ""), &json!({ "phone_number_id": null }))
            .await
            .status,
        200
    );
    assert_eq!(
        server.command(&path(&id, "/resume")).await.faults(),
        ["phone_number_id: no_number"]
    );
}

#[tokio::test]
async fn settings_of_a_stopped_campaign_are_frozen_but_for_its_labels() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    for command in ["/start", "/stop"] {
        assert_eq!(server.command(&path(&id, command)).await.status, 200);
    }
    let frozen = server
        .patch(
            &path(&id, ""),
            &json!({ "name": "x", "priority": 1, "timezone": "Europe/Berlin" }),
        )
        .await;
    assert_eq!(
        (frozen.status.as_u16(), frozen.code()),
        (409, "settings_frozen")
    );
    assert_eq!(
        frozen.faults(),
        ["priority: settings_frozen", "timezone: settings_frozen"]
    );
    let message = frozen.body["message"].as_str().unwrap();
    assert!(message.contains("Duplicate the campaign"), "{message}");
    let allowed =
        json!({ "name": "x", "metadata": { "a": "b" }, "webhook_url": "https://example.com/h" });
    assert_eq!(server.patch(&path(&id, ""), &allowed).await.status, 200);
}

#[tokio::test]
async fn a_pause_lists_live_calls_and_takes_a_key() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    server.command(&path(&id, "/start")).await;
    let pause = async |query: &str| {
        let target = path(&id, &format!("/pause{query}"));
        server
            .request(Method::POST, &target)
            .header("idempotency-key", "p")
            .send()
            .await
    };
    let first = pause("?hang_up=true").await;
    assert_eq!(
        (first.status.as_u16(), &first.body["data"]["live_calls"]),
        (200, &json!([]))
    );
    assert_eq!(first.body["data"]["campaign_status"], "PAUSED");
    server.command(&path(&id, "/resume")).await;
    let again = pause("?hang_up=true").await;
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(
        status(&server, &id).await,
        "RUNNING",
        "a replay has no effect"
    );
    assert_eq!(pause("").await.code(), "idempotency_mismatch");
}

/// Leads whose calls the vendor has, with or without an address to control them.
async fn calls_under_way(server: &Server, campaign: &str, control_urls: &[Option<&str>]) {
    let campaign_id = campaign_number(campaign);
    let caller = server.caller(server.tenant_id);
    for index in 0..control_urls.len() {
        let phone = PhoneNumber::parse(&format!("+1415555267{index}")).unwrap();
        let lead = NewLead::new(phone, LeadFields::default());
        server
            .store
            .add_lead(caller, campaign_id, lead, OnDuplicate::Skip, None)
            .await
            .unwrap();
    }
    for (index, control_url) in control_urls.iter().enumerate() {
        // The line's pace allows one call at a time.
        server.clock.advance(Duration::from_secs(2));
        let now = server.clock.now();
        let keys = Box::new(move || format!("key{index}"));
        let ticked = server
            .store
            .tick(Tick {
                now,
                keys,
                max_lines: 10,
                max_calls: 1,
            })
            .await
            .unwrap();
        let dispatch = &ticked.dispatches[0];
        let permit = server
            .store
            .send_board()
            .begin(dispatch.attempt_id)
            .unwrap();
        let mut fact = AttemptFact::new(AttemptRef::Id(dispatch.attempt_id), Fact::Placed);
        fact.provider_call_id = Some(format!("call-{index}"));
        fact.control_url = control_url.map(str::to_owned);
        server.store.apply_facts(now, vec![fact]).await.unwrap();
        drop(permit);
    }
}

#[tokio::test]
async fn a_pause_can_hang_up_what_is_still_up_and_tells_the_result_of_each() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    server.command(&path(&id, "/start")).await;
    calls_under_way(&server, &id, &[Some("https://control.example.com/1"), None]).await;

    let held = server.command(&path(&id, "/pause")).await;
    assert_eq!(
        held.body["data"]["live_calls"].as_array().unwrap().len(),
        2,
        "{}",
        held.body
    );
    assert_eq!(held.body["data"]["live_calls"][0]["hang_up"], Value::Null);

    let asked = server.vendor.requests();
    let pause = server
        .request(Method::POST, &path(&id, "/pause?hang_up=true"))
        .header("idempotency-key", "h");
    let ended = pause.send().await;
    let mut results: Vec<_> = ended.body["data"]["live_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["hang_up"]["success"].as_bool().unwrap())
        .collect();
    results.sort_unstable();
    assert_eq!(results, [false, true]);
    // One order, and one question where the other call is controlled.
    assert_eq!(server.vendor.hang_ups().len(), 1);
    assert_eq!(server.vendor.requests() - asked, 2);
    let pause = server
        .request(Method::POST, &path(&id, "/pause?hang_up=true"))
        .header("idempotency-key", "h");
    assert_eq!(pause.send().await.bytes, ended.bytes);
    assert_eq!(server.vendor.requests() - asked, 2);

    server.vendor.set(Mood::Down);
    let stopped = server.command(&path(&id, "/stop?hang_up=true")).await;
    assert_eq!(
        stopped.status, 200,
        "a vendor that is down does not hinder the stop"
    );
    assert_eq!(stopped.body["data"]["campaign_status"], "STOPPED");
    assert!(stopped.body.to_string().contains("connection refused"));
}

#[tokio::test]
async fn a_copy_has_the_settings_and_is_a_draft() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    server.command(&path(&id, "/start")).await;
    let original = server.get(&path(&id, "")).await.body["data"].clone();
    let copy = server.command(&path(&id, "/duplicate")).await;
    assert_eq!(copy.status, 201, "{}", copy.body);
    let copy = &copy.body["data"];
    assert_eq!(
        (&copy["name"], &copy["campaign_status"]),
        (&json!("Q4 Outreach (copy)"), &json!("DRAFT"))
    );
    for setting in domain::settings::SettingsDraft::FIELDS
        .iter()
        .filter(|name| **name != "name")
    {
        assert_eq!(copy[*setting], original[*setting], "{setting}");
    }
    let named = server
        .post(
            &path(&id, "/duplicate"),
            &json!({ "name": "Q1", "include_leads": true }),
        )
        .await;
    assert_eq!(named.body["data"]["name"], "Q1");
    let bad = server
        .post(
            &path(&id, "/duplicate"),
            &json!({ "name": "", "include_leads": null }),
        )
        .await;
    assert_eq!(bad.faults(), ["include_leads: not_nullable", "name: empty"]);
}

#[tokio::test]
async fn another_tenant_sees_and_changes_nothing() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let stranger = server.stranger().await;
    let before = server.get(&path(&id, "")).await.body;
    for (method, rest, body) in [
        (Method::GET, "", Value::Null),
        (Method::PATCH, "", json!({ "name": "mine" })),
        (Method::DELETE, "", Value::Null),
        (Method::POST, "/start", json!({})),
        (Method::POST, "/pause", json!({})),
        (Method::POST, "/resume", json!({})),
        (Method::POST, "/stop", json!({})),
        (Method::POST, "/archive", json!({})),
        (Method::POST, "/duplicate", json!({})),
        (Method::GET, "/revisions", Value::Null),
    ] {
        let call = |id: &str| {
            let call = server
                .request(method.clone(), &path(id, rest))
                .token(&stranger)
                .header("x-request-id", "same");
            if body.is_null() {
                call
            } else {
                call.json(&body)
            }
        };
        let foreign = call(&id).send().await;
        let missing = call(&global("VoiceCampaign", 4_711)).send().await;
        assert_eq!(foreign.status, 404, "{method} {rest}");
        assert_eq!(foreign.bytes, missing.bytes, "{method} {rest}");
    }
    assert_eq!(server.get(&path(&id, "")).await.body, before);
}

/// `pause?hang_up=true` with the key `h`.
fn pause_and_hang_up<'a>(server: &'a Server, id: &str) -> Call<'a> {
    server
        .request(Method::POST, &path(id, "/pause?hang_up=true"))
        .header("idempotency-key", "h")
}

#[tokio::test]
async fn a_campaign_resumed_while_its_calls_are_hung_up_stays_resumed() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    server.command(&path(&id, "/start")).await;
    calls_under_way(&server, &id, &[Some("https://control.example.com/1")]).await;
    let asked = server.vendor.requests();
    server.vendor.set_answering(false);
    let pause = pause_and_hang_up(&server, &id).send();
    let meanwhile = async {
        server.vendor.requested(asked + 1).await;
        let again = pause_and_hang_up(&server, &id).send().await;
        assert_eq!(
            (again.status.as_u16(), again.code()),
            (409, "idempotency_running")
        );
        let resumed = server.command(&path(&id, "/resume")).await;
        assert_eq!(resumed.status, 200, "{}", resumed.body);
        server.vendor.set_answering(true);
    };
    let (paused, ()) = tokio::join!(pause, meanwhile);
    assert_eq!(paused.body["data"]["campaign_status"], "PAUSED");
    assert_eq!(
        paused.body["data"]["live_calls"][0]["hang_up"]["success"],
        true
    );
    assert_eq!(status(&server, &id).await, "RUNNING");
    let again = pause_and_hang_up(&server, &id).send().await;
    assert_eq!(again.bytes, paused.bytes);
    assert_eq!(status(&server, &id).await, "RUNNING");
    assert_eq!(server.vendor.hang_ups().len(), 1);
}

#[tokio::test]
async fn a_pause_that_breaks_off_is_told_again_and_not_done_again() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    server.command(&path(&id, "/start")).await;
    calls_under_way(&server, &id, &[Some("https://control.example.com/1")]).await;
    let asked = server.vendor.requests();
    server.vendor.set_answering(false);
    tokio::select! {
        _ = pause_and_hang_up(&server, &id).send() => panic!("nobody answers"),
        () = server.vendor.requested(asked + 1) => {}
    }
    server.vendor.set_answering(true);
    assert_eq!(status(&server, &id).await, "PAUSED");
    server.command(&path(&id, "/resume")).await;
    let again = pause_and_hang_up(&server, &id).send().await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    let live_call = &again.body["data"]["live_calls"][0];
    assert_eq!(live_call["hang_up"]["success"], false, "{live_call}");
    let message = live_call["hang_up"]["message"].as_str().unwrap();
    assert!(message.contains("not known"), "{message}");
    assert_eq!(status(&server, &id).await, "RUNNING");
    assert_eq!(server.vendor.requests(), asked + 1);
}

#[tokio::test]
async fn calls_that_are_over_at_the_vendor_count_as_hung_up() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    server.command(&path(&id, "/start")).await;
    calls_under_way(&server, &id, &[Some("https://control.example.com/call-0")]).await;
    let over =
        json!({ "id": "call-0", "status": "ended", "endedReason": "customer-did-not-answer" });
    server.vendor.set_call("call-0", over);
    let stopped = server.command(&path(&id, "/stop?hang_up=true")).await;
    let live_call = &stopped.body["data"]["live_calls"][0];
    assert_eq!(live_call["hang_up"]["success"], true, "{live_call}");
    let again = server.command(&path(&id, "/stop?hang_up=true")).await;
    assert_eq!(again.body["data"]["live_calls"], json!([]));
    assert_eq!(server.vendor.hang_ups().len(), 1);
}

#[tokio::test]
async fn a_campaign_begins_as_it_was_judged() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let asked = server.vendor.requests();
    server.vendor.set_answering(false);
    let target = path(&id, "/start");
    let start = server.command(&target);
    let meanwhile = async {
        server.vendor.requested(asked + 1).await;
        let cleared = server
            .patch(&path(&id, ""), &json!({ "phone_number_id": null }))
            .await;
        assert_eq!(cleared.status, 200, "{}", cleared.body);
        server.vendor.set_answering(true);
    };
    let (started, ()) = tokio::join!(start, meanwhile);
    assert_eq!(
        (started.status.as_u16(), started.faults()),
        (422, vec!["phone_number_id: no_number".to_owned()])
    );
    assert_eq!(status(&server, &id).await, "DRAFT");
}

/// Ends a RUNNING campaign that has a passed `end_date`.
async fn complete_past_end(server: &Server, id: &str) {
    let ends = server
        .patch(&path(id, ""), &json!({ "end_date": "2026-01-05" }))
        .await;
    assert_eq!(ends.status, 200, "{}", ends.body);
    server.clock.advance(Duration::from_secs(48 * 3_600));
    crate::scene::dial(server).await;
    assert_eq!(status(server, id).await, "COMPLETED");
}

#[tokio::test]
async fn what_is_told_of_a_completed_campaign_works_when_it_is_followed() {
    let server = Server::start().await;
    let (line, other) = (server.line().await, server.line().await);
    let id = server.campaign(line).await;
    server.command(&path(&id, "/start")).await;
    complete_past_end(&server, &id).await;

    let resumed = server.command(&path(&id, "/resume")).await;
    assert_eq!(resumed.status, 409);
    let told = resumed.body["message"].as_str().unwrap();
    assert!(told.contains("another `end_date`"), "{told}");

    let more = json!({ "max_call_attempts": 9, "days_of_week": ["THURSDAY"] });
    let refused = server.patch(&path(&id, ""), &more).await;
    assert_eq!(refused.code(), "settings_frozen");
    let told = refused.body["message"].as_str().unwrap();
    assert!(told.contains("together with another `end_date`"), "{told}");

    // The same date, and one that has passed, reopen nothing.
    let same = json!({ "max_call_attempts": 9, "end_date": "2026-01-05" });
    let same = server.patch(&path(&id, ""), &same).await;
    assert_eq!(same.faults(), ["max_call_attempts: settings_frozen"]);
    let passed = json!({ "max_call_attempts": 9, "end_date": "2026-01-06" });
    let passed = server.patch(&path(&id, ""), &passed).await;
    assert_eq!(passed.faults(), ["end_date: never_opens"]);

    let moved = json!({ "end_date": null, "priority": 2, "tenant_voice_provider_id": global("TenantVoiceProvider", other.raw()) });
    let moved = server.patch(&path(&id, ""), &moved).await;
    assert_eq!(
        moved.faults(),
        ["tenant_voice_provider_id: settings_frozen"]
    );
    let told = moved.body["message"].as_str().unwrap();
    assert!(told.contains("Duplicate the campaign"), "{told}");
    let copy = server.command(&path(&id, "/duplicate")).await;
    assert_eq!(copy.status, 201, "{}", copy.body);

    let mut both = more;
    both["end_date"] = json!("2026-02-28");
    let reopened = server.patch(&path(&id, ""), &both).await;
    assert_eq!(reopened.status, 200, "{}", reopened.body);
    let data = &reopened.body["data"];
    assert_eq!(
        (&data["campaign_status"], &data["max_call_attempts"]),
        (&json!("RUNNING"), &json!(9))
    );
}

#[tokio::test]
async fn a_repeated_pause_answers_no_earlier_than_calls_on_their_way_are_sent() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    server.command(&path(&id, "/start")).await;
    let dispatch = reserved(&server, &id).await;
    let board = server.store.send_board();
    let permit = board.begin(dispatch.attempt_id).unwrap();
    let pause = || {
        server
            .request(Method::POST, &path(&id, "/pause"))
            .header("idempotency-key", "p")
            .send()
    };
    let first = pause();
    let again = async {
        while status(&server, &id).await != "PAUSED" {
            tokio::task::yield_now().await;
        }
        let early = pause().await;
        assert_eq!(
            early.code(),
            "idempotency_running",
            "the call may still ring"
        );
        drop(permit);
    };
    let (first, ()) = tokio::join!(first, again);
    let again = pause().await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (200, 200));
    assert_eq!(again.body["data"]["campaign_status"], "PAUSED");
}

/// A lead of the campaign whose call is reserved.
async fn reserved(server: &Server, campaign: &str) -> store::Dispatch {
    let lead = NewLead {
        phone: PhoneNumber::parse("+14155552671").unwrap(),
        fields: LeadFields::default(),
        cleared: Vec::new(),
    };
    let caller = server.caller(server.tenant_id);
    let (store, id) = (&server.store, campaign_number(campaign));
    store
        .add_lead(caller, id, lead, OnDuplicate::Skip, None)
        .await
        .unwrap();
    server.clock.advance(Duration::from_secs(2));
    let tick = Tick {
        now: server.clock.now(),
        keys: Box::new(|| "key".to_owned()),
        max_lines: 10,
        max_calls: 1,
    };
    store.tick(tick).await.unwrap().dispatches.remove(0)
}

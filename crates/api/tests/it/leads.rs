use std::time::Duration;

use domain::ambient::Clock;
use http::Method;
use serde_json::{Value, json};
use store::Store;

use crate::scene::{dial, end_report, hidden_from_strangers, hook, lead, report, running_campaign};
use crate::support::{Reply, Server, global};

const PHONE: &str = "+14155552671";

async fn draft(server: &Server) -> String {
    let line = server.line().await;
    format!("/api/v2/voice-campaigns/{}", server.campaign(line).await)
}

fn messages(reply: &Reply) -> Vec<String> {
    let results = reply.body["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["message"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_lead_is_added_then_updated_then_skipped() {
    let server = Server::start().await;
    let campaign = draft(&server).await;
    let path = format!("{campaign}/leads");
    let body = json!({
        "phone_number": PHONE, "first_name": "Jane", "last_name": "Doe", "email": "jane.doe@example.com",
        "custom_fields": { "company": "Acme Corp", "plan": "enterprise" }, "timezone": "America/Chicago",
        "priority": 2, "not_before": "2026-01-06T00:00:00+01:00", "region": null, "consent": null,
    });
    let added = server.post(&path, &body).await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(
        added.body["message"],
        "Lead added to the campaign successfully"
    );
    let data = &added.body["data"];
    let expected = json!({
        "phone_number": PHONE, "first_name": "Jane", "last_name": "Doe", "email": "jane.doe@example.com",
        "custom_fields": { "company": "Acme Corp", "plan": "enterprise" }, "timezone": "America/Chicago",
        "priority": 2, "not_before": "2026-01-05T23:00:00Z", "status": "READY", "attempts": 0, "attempts_today": 0,
        "last_outcome": null, "last_attempt_at": null, "next_attempt_at": null,
        "next_attempt_reason": "campaign_not_running", "revision": 1,
        "created_at": "2026-01-05T15:00:00Z", "updated_at": "2026-01-05T15:00:00Z",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(data[field], *value, "{field}");
    }
    assert_eq!(added.header("etag"), "\"1\"");

    let change = json!({ "phone_number": PHONE, "first_name": "Janet", "custom_fields": { "plan": null, "seats": 5 } });
    let updated = server.post(&path, &change).await;
    assert_eq!(
        (updated.status.as_u16(), updated.body["message"].as_str()),
        (200, Some("Lead updated successfully"))
    );
    assert_eq!(
        updated.body["data"]["custom_fields"],
        json!({ "company": "Acme Corp", "seats": 5 })
    );
    assert_eq!(updated.body["data"]["last_name"], "Doe");

    let body = json!({ "phone_number": PHONE, "first_name": "X" });
    let skipped = server
        .post(&format!("{path}?on_duplicate=skip"), &body)
        .await;
    assert_eq!(skipped.status, 200);
    assert_eq!(skipped.body["data"]["first_name"], "Janet");
    assert_eq!(
        skipped.body["data"]["campaign_lead_id"],
        data["campaign_lead_id"]
    );
}

#[tokio::test]
async fn every_fault_of_a_lead_is_told() {
    let server = Server::start().await;
    let path = format!("{}/leads", draft(&server).await);
    let mut deep = json!(1);
    for _ in 0..17 {
        deep = json!({ "x": deep });
    }
    let body = json!({
        "phone_number": "4155552671", "email": "jane", "timezone": "EST", "priority": 11, "not_before": "tomorrow",
        "region": "US-CA", "consent": {}, "custom_fields": deep, "first_nam": "x", "last_name": "x".repeat(201),
    });
    let refused = server.post(&path, &body).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.faults(),
        [
            "consent: not_supported",
            "custom_fields: invalid_value",
            "email: invalid_format",
            "first_nam: unknown_field",
            "last_name: too_long",
            "not_before: invalid_format",
            "phone_number: invalid_format",
            "priority: out_of_range",
            "region: not_supported",
            "timezone: ambiguous_timezone",
        ]
    );
    let many: serde_json::Map<_, _> = (0..201).map(|key| (key.to_string(), json!(1))).collect();
    let refused = server
        .post(
            &path,
            &json!({ "phone_number": PHONE, "custom_fields": many }),
        )
        .await;
    assert_eq!(refused.faults(), ["custom_fields: too_many"]);
    let big = json!({ "phone_number": PHONE, "custom_fields": { "x": "y".repeat(65_536) } });
    assert_eq!(
        server.post(&path, &big).await.faults(),
        ["custom_fields: too_long"]
    );
    assert_eq!(
        server.post(&path, &json!({})).await.faults(),
        ["phone_number: required"]
    );
    let unknown = server
        .post(
            &format!("{path}?on_duplicate=replace"),
            &json!({ "phone_number": PHONE }),
        )
        .await;
    assert_eq!(unknown.faults(), ["on_duplicate: invalid_choice"]);
    assert_eq!(server.get(&path).await.body["data"], json!([]));
}

#[tokio::test]
async fn a_bulk_addition_is_queued_as_an_import() {
    let server = Server::start().await;
    let campaign = draft(&server).await;
    lead(&server, &campaign, PHONE).await;
    let leads: Vec<_> = (0..3)
        .map(|n| json!({ "phone_number": format!("+1415555267{n}"), "first_name": "New" }))
        .collect();
    let call = server.request(
        Method::POST,
        &format!("{campaign}/leads/bulk?on_duplicate=skip"),
    );
    let queued = call
        .json(&json!(leads))
        .header("idempotency-key", "one")
        .send()
        .await;
    assert_eq!(queued.status, 202, "{}", queued.body);
    assert_eq!(
        queued.body["message"],
        "Leads are queued to be added to the campaign"
    );
    assert_eq!(
        (
            &queued.body["data"]["total"],
            &queued.body["data"]["status"]
        ),
        (&json!(3), &json!("QUEUED"))
    );
    let import = format!(
        "/api/v2/imports/{}",
        queued.body["data"]["import_id"].as_str().unwrap()
    );

    while server
        .store
        .run_imports(server.clock.now(), 100)
        .await
        .unwrap()
    {}
    let done = server.get(&import).await;
    let expected = json!({ "status": "COMPLETED", "total": 3, "processed": 3, "added": 2, "updated": 0, "skipped": 1, "rejected": 0 });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(done.body["data"][field], *value, "{field}");
    }
    let call = server.request(
        Method::POST,
        &format!("{campaign}/leads/bulk?on_duplicate=skip"),
    );
    let again = call
        .json(&json!(leads))
        .header("idempotency-key", "one")
        .send()
        .await;
    assert_eq!(
        (again.header("idempotent-replayed"), &again.bytes),
        ("true", &queued.bytes)
    );
    hidden_from_strangers(
        &server,
        Method::GET,
        &import,
        "/api/v2/imports/LeadImport:1",
        None,
    )
    .await;
}

#[tokio::test]
async fn a_bulk_addition_with_any_fault_is_refused_with_the_place_of_each() {
    let server = Server::start().await;
    let path = format!("{}/leads/bulk", draft(&server).await);
    let body = json!([
        { "phone_number": PHONE },
        { "phone_number": 5 },
        { "phone_number": "0", "email": "x" },
        { "first_name": "x" },
        { "phone_number": PHONE, "plan": "x" },
        "x",
    ]);
    let refused = server.post(&path, &body).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.faults(),
        [
            "[1].phone_number: invalid_type",
            "[2].email: invalid_format",
            "[2].phone_number: invalid_format",
            "[3].phone_number: required",
            "[4].plan: unknown_field",
            "[5]: invalid_type",
        ]
    );
    let many: Vec<_> = (0..150).map(|_| json!({ "phone_number": "0" })).collect();
    assert_eq!(server.post(&path, &json!(many)).await.faults().len(), 100);
    assert_eq!(server.post(&path, &json!([])).await.faults(), [": empty"]);
    let many: Vec<_> = (0..10_001)
        .map(|_| json!({ "phone_number": PHONE }))
        .collect();
    assert_eq!(
        server.post(&path, &json!(many)).await.faults(),
        [": too_many"]
    );
    assert_eq!(
        server.post(&path, &json!({ "leads": [] })).await.faults(),
        [": invalid_type"]
    );
}

#[tokio::test]
async fn a_bulk_update_answers_for_each_item() {
    let server = Server::start().await;
    let campaign = draft(&server).await;
    let one = lead(&server, &campaign, PHONE).await;
    let path = format!("{campaign}/leads/update/bulk");
    let body = json!([
        { "phone_number": PHONE, "first_name": "Jane", "do_not_call": true },
        { "phone_number": "+14155559999" },
        { "phone_number": "garbage" },
        { "phone_number": PHONE, "last_name": "x".repeat(201) },
    ]);
    let done = server.patch(&path, &body).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.body["message"], "Bulk lead update completed");
    let first = json!({ "index": 0, "phone_number": PHONE, "success": true, "message": "Lead updated successfully" });
    let second = json!({ "index": 1, "phone_number": "+14155559999", "success": false, "message": "Lead not found" });
    assert_eq!(done.body["results"][0], first);
    assert_eq!(done.body["results"][1], second);
    assert_eq!(
        done.body["results"][2]["message"],
        "`phone_number` must be a phone number in E.164, like `+14155552671`."
    );
    assert_eq!(
        done.body["results"][3]["message"],
        "`last_name` may have at most 200 characters."
    );
    let lead = server.get(&one).await;
    assert_eq!(
        (
            &lead.body["data"]["status"],
            &lead.body["data"]["first_name"]
        ),
        (&json!("OPTED_OUT"), &json!("Jane"))
    );

    // What is wrong with the request and not with a value refuses it as a whole.
    assert_eq!(server.patch(&path, &json!([])).await.faults(), [": empty"]);
    let shape = json!([{ "phone_number": PHONE, "do_not_call": "yes" }, { "first_name": "x" }]);
    assert_eq!(
        server.patch(&path, &shape).await.faults(),
        [
            "[0].do_not_call: invalid_type",
            "[1].phone_number: required"
        ]
    );
}

#[tokio::test]
async fn a_bulk_removal_finds_leads_by_id_before_number() {
    let server = Server::start().await;
    let campaign = draft(&server).await;
    let one = lead(&server, &campaign, PHONE).await;
    let two = lead(&server, &campaign, "+14155552672").await;
    let id = two.rsplit('/').next().unwrap();
    let body = json!([
        { "campaign_lead_id": id, "phone_number": PHONE },
        { "campaign_lead_id": "VoiceCampaignLead:42" },
        { "campaign_lead_id": "garbage" },
        { "campaign_lead_id": "VoiceCampaign:42" },
        { "phone_number": "garbage" },
        {},
    ]);
    let done = server
        .delete_with(&format!("{campaign}/leads/remove/bulk"), &body)
        .await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.body["message"], "Bulk lead removal completed");
    let first = json!({
        "index": 0, "phone_number": PHONE, "campaign_lead_id": id, "success": true, "message": "Lead removed successfully",
    });
    let second = json!({
        "index": 1, "campaign_lead_id": "VoiceCampaignLead:42", "success": false,
        "message": "Lead not found with the given phone number or campaign lead id",
    });
    assert_eq!(
        (&done.body["results"][0], &done.body["results"][1]),
        (&first, &second)
    );
    let messages = messages(&done);
    assert!(
        messages[3].contains("`VoiceCampaignLead`") && messages[3].contains("`VoiceCampaign`"),
        "{messages:?}"
    );
    assert_eq!(
        messages[5],
        "Name the lead by `phone_number` or by `campaign_lead_id`."
    );
    assert_eq!(server.get(&two).await.status, 404);
    assert_eq!(server.get(&one).await.status, 200);
}

#[tokio::test]
async fn leads_are_listed_by_page_and_filter() {
    let server = Server::start().await;
    let campaign = draft(&server).await;
    for n in 0..3 {
        lead(&server, &campaign, &format!("+1415555267{n}")).await;
    }
    let change = json!({ "phone_number": "+14155552671", "last_name": "Doe", "do_not_call": true });
    server
        .patch(&format!("{campaign}/leads/update/bulk"), &json!([change]))
        .await;
    let phones = async |query: &str| {
        let listed = server.get(&format!("{campaign}/leads{query}")).await;
        assert_eq!(listed.status, 200, "{}", listed.body);
        let items = listed.body["data"].as_array().unwrap().iter();
        let phones: Vec<_> = items
            .map(|lead| lead["phone_number"].as_str().unwrap()[8..].to_owned())
            .collect();
        (
            phones,
            listed.body["next_cursor"].as_str().map(str::to_owned),
        )
    };
    let (newest, cursor) = phones("?limit=2").await;
    assert_eq!(newest, ["2672", "2671"]);
    assert_eq!(
        phones(&format!("?limit=2&cursor={}", cursor.unwrap())).await,
        (vec!["2670".to_owned()], None)
    );
    assert_eq!(phones("?status=OPTED_OUT").await.0, ["2671"]);
    assert_eq!(phones("?q=DOE").await.0, ["2671"]);
    assert_eq!(phones("?phone_number=%2B14155552672").await.0, ["2672"]);
    assert_eq!(phones("?phone_number=+14155552672").await.0, ["2672"]);
    assert_eq!(phones("?outcome=BUSY").await.0, Vec::<String>::new());
    let wrong = server
        .get(&format!(
            "{campaign}/leads?status=DONE&phone_number=5&cursor=x&colour=red"
        ))
        .await;
    assert_eq!(
        wrong.faults(),
        [
            "colour: unknown_parameter",
            "cursor: invalid_cursor",
            "phone_number: invalid_format",
            "status: invalid_choice"
        ]
    );
}

#[tokio::test]
async fn one_lead_is_changed_as_it_was_read() {
    let server = Server::start().await;
    let path = lead(&server, &draft(&server).await, PHONE).await;
    let change =
        json!({ "first_name": "Jane", "timezone": "Europe/Berlin", "custom_fields": { "a": 1 } });
    let changed = server.patch(&path, &change).await;
    assert_eq!(
        (changed.status.as_u16(), &changed.body["data"]["revision"]),
        (200, &json!(2))
    );
    assert_eq!(changed.header("etag"), "\"2\"");
    let cleared = server
        .request(Method::PATCH, &path)
        .json(&json!({ "first_name": null }))
        .header("if-match", "\"2\"");
    assert_eq!(cleared.send().await.body["data"]["first_name"], Value::Null);
    let stale = server
        .request(Method::PATCH, &path)
        .json(&json!({ "first_name": "x" }))
        .header("if-match", "\"2\"");
    assert_eq!(stale.send().await.status, 412);
    let nulls = json!({ "custom_fields": null, "do_not_call": null, "phone_number": "+1" });
    assert_eq!(
        server.patch(&path, &nulls).await.faults(),
        [
            "custom_fields: not_nullable",
            "do_not_call: not_nullable",
            "phone_number: unknown_field"
        ]
    );

    assert_eq!(
        server.delete(&path).await.body,
        json!({ "status": "success", "message": "Lead removed successfully" })
    );
    assert_eq!(server.get(&path).await.status, 404);
    assert_eq!(server.delete(&path).await.status, 404);
}

#[tokio::test]
async fn a_lead_tells_when_and_why_it_is_called_next() {
    let server = Server::start().await;
    let (line, campaign) = running_campaign(&server).await;
    let path = lead(&server, &campaign, PHONE).await;
    let next = async || {
        let data = server.get(&path).await.body["data"].clone();
        (
            data["next_attempt_at"].clone(),
            data["next_attempt_reason"].clone(),
        )
    };
    assert_eq!(next().await, (json!("2026-01-05T15:00:00Z"), json!("due")));
    server
        .patch(&path, &json!({ "not_before": "2026-01-05T16:00:00Z" }))
        .await;
    assert_eq!(
        next().await,
        (json!("2026-01-05T16:00:00Z"), json!("not_before"))
    );
    // Past the end of the window, the next morning in New York counts.
    server
        .patch(&path, &json!({ "not_before": "2026-01-05T23:00:00Z" }))
        .await;
    assert_eq!(
        next().await,
        (json!("2026-01-06T14:00:00Z"), json!("outside_window"))
    );
    server.patch(&path, &json!({ "not_before": null })).await;

    let key = dial(&server).await.remove(PHONE).unwrap();
    assert_eq!(next().await, (Value::Null, json!("lead_in_call")));
    let hook = hook(&server, line).await;
    server.clock.advance(Duration::from_secs(60));
    report(
        &server,
        &hook,
        &end_report(Some(&key), "call-1", "customer-did-not-answer"),
    )
    .await;
    let after = server.get(&path).await.body["data"].clone();
    assert_eq!(
        (&after["status"], &after["attempts"], &after["last_outcome"]),
        (&json!("READY"), &json!(1), &json!("NO_ANSWER"))
    );
    assert!(next().await.0.is_string());
}

#[tokio::test]
async fn strangers_and_closed_campaigns_are_told_apart() {
    let server = Server::start().await;
    let (_, campaign) = running_campaign(&server).await;
    let path = lead(&server, &campaign, PHONE).await;
    let nowhere = "/api/v2/voice-campaigns/VoiceCampaign:1";
    let body = json!({ "phone_number": PHONE });
    let list = json!([body]);
    let cases = [
        (Method::GET, "/leads", None),
        (Method::POST, "/leads", Some(&body)),
        (Method::POST, "/leads/bulk", Some(&list)),
        (Method::PATCH, "/leads/update/bulk", Some(&list)),
        (Method::DELETE, "/leads/remove/bulk", Some(&list)),
    ];
    for (method, rest, body) in cases {
        let (path, nowhere) = (format!("{campaign}{rest}"), format!("{nowhere}{rest}"));
        hidden_from_strangers(&server, method, &path, &nowhere, body).await;
    }
    let missing = format!("{nowhere}/leads/VoiceCampaignLead:1");
    hidden_from_strangers(&server, Method::GET, &path, &missing, None).await;
    hidden_from_strangers(&server, Method::PATCH, &path, &missing, Some(&json!({}))).await;
    hidden_from_strangers(&server, Method::DELETE, &path, &missing, None).await;
    let wrong = server
        .get(&format!("{campaign}/leads/{}", global("VoiceCampaign", 1)))
        .await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code()),
        (422, "wrong_id_type")
    );
    assert_eq!(
        server
            .get(&format!("{campaign}/leads/camp_abc123"))
            .await
            .status,
        404
    );

    server.command(&format!("{campaign}/stop")).await;
    let refused = server
        .post(
            &format!("{campaign}/leads"),
            &json!({ "phone_number": "+14155550000" }),
        )
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "takes_no_leads")
    );
    let reader = server.token_with("reader", &["read"]).await;
    let refused = server
        .request(Method::POST, &format!("{campaign}/leads"))
        .token(&reader)
        .json(&body)
        .send()
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "insufficient_scope")
    );
}

#[tokio::test]
async fn instants_and_zones_of_leads_that_are_refused_say_truly_why() {
    let server = Server::start().await;
    let id = server.campaign(server.line().await).await;
    let leads = format!("/api/v2/voice-campaigns/{id}/leads");
    for (field, value, code) in [
        ("not_before", "9999-12-31T23:59:59Z", "out_of_range"),
        ("not_before", "9999-12-31", "invalid_format"),
        ("timezone", "EST", "ambiguous_timezone"),
        ("timezone", "Mars/Olympus", "unknown_timezone"),
    ] {
        let lead = json!({ "phone_number": "+14155552671", field: value });
        let refused = server.post(&leads, &lead).await;
        assert_eq!(refused.faults(), [format!("{field}: {code}")], "{value}");
    }
    let ever = "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.9999999Z";
    let calls = server.get(&format!("/api/v2/calls?{ever}")).await;
    assert_eq!(calls.status, 200, "{}", calls.body);
}

#[tokio::test]
async fn adding_a_lead_again_changes_it_as_a_patch_does() {
    let server = Server::start().await;
    let campaign = draft(&server).await;
    let path = lead(&server, &campaign, PHONE).await;
    let known = json!({ "first_name": "Ada", "last_name": "L", "priority": 9, "custom_fields": { "a": 1, "b": 2 } });
    assert_eq!(server.patch(&path, &known).await.status, 200);
    let again = json!({ "phone_number": PHONE, "first_name": null, "priority": null, "email": null,
        "custom_fields": { "a": null } });
    let updated = server.post(&format!("{campaign}/leads"), &again).await;
    assert_eq!(updated.status, 200, "{}", updated.body);
    let data = &updated.body["data"];
    assert_eq!(
        [&data["first_name"], &data["last_name"], &data["priority"]],
        [&Value::Null, &json!("L"), &json!(5)]
    );
    assert_eq!(data["custom_fields"], json!({ "b": 2 }));
}

#[tokio::test]
async fn an_opt_out_is_lifted_on_purpose_only() {
    let server = Server::start().await;
    let campaign = draft(&server).await;
    let path = lead(&server, &campaign, PHONE).await;
    // Said of somebody who has not opted out, it is true.
    let all_fields = json!({ "first_name": "Ada", "do_not_call": false });
    assert_eq!(server.patch(&path, &all_fields).await.status, 200);
    let out = json!({ "do_not_call": true });
    assert_eq!(server.patch(&path, &out).await.status, 200);

    let all_fields = json!({ "first_name": "Bea", "do_not_call": false });
    let refused = server.patch(&path, &all_fields).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "opted_out")
    );
    let told = refused.body["message"].as_str().unwrap();
    assert!(told.contains("?lift_opt_out=true"), "{told}");
    let item = json!({ "phone_number": PHONE, "do_not_call": false });
    let bulk = format!("{campaign}/leads/update/bulk");
    let bulk = server.patch(&bulk, &json!([item])).await;
    assert_eq!(bulk.body["results"][0]["success"], false);
    assert!(messages(&bulk)[0].contains("do-not-call list"));
    let v1 = campaign.replace("/api/v2", "/v1/api");
    let v1 = server.patch(&format!("{v1}/lead/update"), &item).await;
    assert_eq!((v1.status.as_u16(), v1.code()), (409, "opted_out"));
    let kept = server.get(&path).await;
    assert_eq!(kept.body["data"]["status"], "OPTED_OUT");
    assert_eq!(kept.body["data"]["first_name"], "Ada");

    let on_purpose = format!("{path}?lift_opt_out=true");
    let writer = server.token_with("writer", &["write"]).await;
    let lift = json!({ "do_not_call": false });
    let call = server.request(Method::PATCH, &on_purpose).token(&writer);
    let refused = call.json(&lift).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "insufficient_scope")
    );
    let nobody = format!("{campaign}/leads/VoiceCampaignLead:1?lift_opt_out=true");
    let call = server.request(Method::PATCH, &nobody).token(&writer);
    assert_eq!(call.json(&lift).send().await.status, 404);
    for other in [json!({}), out] {
        let odd = server.patch(&on_purpose, &other).await;
        assert_eq!(odd.faults(), ["lift_opt_out: contradiction"]);
    }
    let lifted = server.patch(&on_purpose, &lift).await;
    assert_eq!(lifted.status, 200, "{}", lifted.body);
    assert_eq!(lifted.body["data"]["status"], "READY");
}

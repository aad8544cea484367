//! Lists, saved objects, and changes to them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, PHONE, answer_of, call_body};

fn ids(list: &Value) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_list_is_newest_first_and_can_be_narrowed() {
    let mut bench = Bench::new(&json!({}));
    let mut made = Vec::new();
    for n in 0..150 {
        let mut body = call_body(&format!("+1415{n:07}"));
        body["assistantId"] = json!(if n % 2 == 0 {
            "asst_abc123"
        } else {
            "asst_xyz456"
        });
        body["phoneNumberId"] = json!(if n % 3 == 0 { "pn_001" } else { "pn_020" });
        made.push(answer_of(bench.create(&body)).body_json());
        bench.pass(Duration::from_secs(1));
    }
    let all = ids(&bench.get("/vapi/call?limit=1000").body_json());
    let newest_first: Vec<_> = made
        .iter()
        .rev()
        .map(|call| call["id"].as_str().unwrap())
        .collect();
    assert_eq!(all, newest_first);
    assert_eq!(ids(&bench.get("/vapi/call").body_json()).len(), 100);
    assert_eq!(bench.get("/vapi/call?limit=1001").status, 400);
    assert_eq!(bench.get("/vapi/call?createdAtGe=yesterday").status, 400);

    let mut count = |query: &str| {
        ids(&bench
            .get(&format!("/vapi/call?limit=1000&{query}"))
            .body_json())
        .len()
    };
    assert_eq!(count("assistantId=asst_abc123"), 75);
    assert_eq!(count("assistantId=asst_abc123&phoneNumberId=pn_001"), 25);
    let at = made[100]["createdAt"].as_str().unwrap();
    assert_eq!(count(&format!("createdAtGe={at}")), 50);
    assert_eq!(count(&format!("createdAtGt={at}")), 49);
    assert_eq!(count(&format!("createdAtLe={at}")), 101);
    assert_eq!(count(&format!("createdAtLt={at}")), 100);
    assert_eq!(
        count(&format!("createdAtGe={}", at.replace('Z', "%2B00:00"))),
        50
    );
    assert_eq!(count("updatedAtLt=2026-03-02T10:00:00Z"), 0);
    assert_eq!(count(&format!("id={}", made[3]["id"].as_str().unwrap())), 1);
}

#[test]
fn a_call_can_be_renamed_and_deleted() {
    let mut bench = Bench::new(&json!({}));
    let id = bench.call(PHONE);
    let path = format!("/vapi/call/{id}");
    let renamed = bench.ask(Method::PATCH, &path, Some(json!({"name": "other"})));
    assert_eq!(
        (renamed.status, &renamed.body_json()["name"]),
        (200, &json!("other"))
    );
    assert_eq!(
        bench
            .ask(Method::PATCH, &path, Some(json!({"status": "ended"})))
            .status,
        400
    );
    assert_eq!(bench.ask(Method::DELETE, &path, None).status, 200);
    assert_eq!(bench.get(&path).status, 404);
    assert_eq!(bench.get("/vapi/call").body_json(), json!([]));
    assert_eq!(bench.rings().len(), 1, "the ground truth stays");
    assert_eq!(bench.world.live_calls(), 0);
    assert_eq!(bench.get("/vapi/call/not-an-id").status, 404);
}

#[test]
fn every_account_has_the_contracts_objects() {
    let mut bench = Bench::new(&json!({}));
    assert_eq!(
        ids(&bench.get("/vapi/assistant").body_json()),
        ["asst_abc123", "asst_xyz456"]
    );
    let numbers = bench.get("/vapi/phone-number").body_json();
    assert_eq!(numbers.as_array().unwrap().len(), 22);
    let mut distinct: Vec<_> = numbers
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["number"].to_string())
        .collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 22);
    for path in [
        "assistant/asst_xyz456",
        "phone-number/pn_abc123",
        "phone-number/pn_xyz456",
        "phone-number/pn_001",
        "phone-number/pn_020",
        "squad",
        "squad/sq_abc123",
        "workflow",
        "workflow/wf_abc123",
    ] {
        assert_eq!(bench.get(&format!("/vapi/{path}")).status, 200, "{path}");
    }
    for path in [
        "assistant/asst_nope",
        "phone-number/pn_021",
        "squad/wf_abc123",
        "workflow/x",
        "nothing",
    ] {
        let answer = bench.get(&format!("/vapi/{path}"));
        assert_eq!(
            (answer.status, &answer.body_json()["statusCode"]),
            (404, &json!(404)),
            "{path}"
        );
    }
    let page = bench
        .get("/vapi/v2/phone-number?limit=10&page=3")
        .body_json();
    assert_eq!(page["results"].as_array().unwrap().len(), 2);
    assert_eq!(page["metadata"]["totalItems"], 22);
    let found = bench
        .get("/vapi/v2/phone-number?search=%2B14155559120")
        .body_json();
    assert_eq!(ids(&found["results"]), ["pn_020"]);
}

#[test]
fn saved_objects_can_be_made_changed_and_removed() {
    let mut bench = Bench::new(&json!({}));
    for (path, body) in [
        (
            "/vapi/assistant",
            json!({"name": "Mine", "firstMessage": "Hi"}),
        ),
        (
            "/vapi/phone-number",
            json!({"provider": "vapi", "name": "Mine"}),
        ),
    ] {
        let made = bench.ask(Method::POST, path, Some(body));
        assert_eq!(made.status, 201);
        let own = format!("{path}/{}", made.body_json()["id"].as_str().unwrap());
        assert_eq!(bench.get(&own).body_json(), made.body_json());
        assert_eq!(ids(&bench.get(path).body_json())[0], made.body_json()["id"]);
        bench.pass(Duration::from_secs(1));
        let changed = bench
            .ask(Method::PATCH, &own, Some(json!({"name": "Yours"})))
            .body_json();
        assert_eq!(changed["name"], "Yours");
        assert_ne!(changed["updatedAt"], changed["createdAt"]);
        assert_eq!(bench.ask(Method::DELETE, &own, None).status, 200);
        assert_eq!(bench.get(&own).status, 404);
        assert_eq!(bench.ask(Method::DELETE, &own, None).status, 404);
    }
    assert_eq!(
        bench
            .ask(Method::POST, "/vapi/assistant", Some(json!({"x": 1})))
            .status,
        400
    );
    assert_eq!(
        bench
            .ask(
                Method::POST,
                "/vapi/phone-number",
                Some(json!({"provider": "x"}))
            )
            .status,
        400
    );
    assert_eq!(
        bench
            .ask(Method::DELETE, "/vapi/squad/sq_abc123", None)
            .status,
        404
    );
}

#[test]
fn a_recording_can_be_fetched_once_the_report_is_out() {
    let mut bench = Bench::new(&json!({"phones": {PHONE: {"outcome": "ANSWERED"}}}));
    let id = bench.call(PHONE);
    let path = format!("/vapi/call/{id}/mono-recording");
    assert_eq!(bench.get(&path).status, 404);
    bench.settle();
    let redirect = bench.get(&path);
    assert_eq!(redirect.status, 302);
    let file = bench.get(&redirect.headers[0].1.clone());
    assert_eq!((file.status, &file.body[..4]), (200, &b"RIFF"[..]));
}

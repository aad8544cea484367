use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::scene::{
    dial, end_report, hidden_from_strangers, hook, lead, line_id, only_call, report,
    running_campaign, status_update,
};
use crate::support::{Mood, Server};

const PHONE: &str = "+14155552671";

/// A call that was reported over after a minute; its path.
async fn ended_call(server: &Server) -> (String, String) {
    let (line, campaign) = running_campaign(server).await;
    lead(server, &campaign, PHONE).await;
    let key = dial(server).await.remove(PHONE).unwrap();
    let hook = hook(server, line).await;
    server.clock.advance(Duration::from_secs(5));
    report(
        server,
        &hook,
        &status_update(Some(&key), "call-1", "ringing"),
    )
    .await;
    server.clock.advance(Duration::from_secs(55));
    report(
        server,
        &hook,
        &end_report(Some(&key), "call-1", "customer-ended-call"),
    )
    .await;
    let call = only_call(server).await;
    (
        campaign,
        format!("/api/v2/calls/{}", call["call_id"].as_str().unwrap()),
    )
}

#[tokio::test]
async fn a_call_tells_everything_it_left_behind() {
    let server = Server::start().await;
    let (_, path) = ended_call(&server).await;
    let call = server.get(&path).await;
    assert_eq!(call.status, 200);
    let data = &call.body["data"];
    let expected = json!({
        "attempt": 1, "state": "ENDED", "outcome": "ANSWERED", "ended_reason": "customer-ended-call",
        "provider_call_id": "call-1", "phone_number": PHONE, "phone_number_id": "pn_abc123", "assistant_id": "asst_abc123",
        "planned_at": "2026-01-05T15:00:00Z", "started_at": "2026-01-05T15:00:10Z", "ended_at": "2026-01-05T15:00:40Z",
        "duration_seconds": 30, "cost_usd": 0.25, "recording_url": "https://example.com/r.wav", "summary": "=1+1",
        "transcript": "AI: hello", "structured_data": { "interested": true },
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(data[field], *value, "{field}");
    }
    assert!(
        data["verdict"].is_object() && data["revision"].is_i64(),
        "{data}"
    );
    let states: Vec<_> = data["states"]
        .as_array()
        .unwrap()
        .iter()
        .map(|state| state["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        (states.first(), states.last()),
        (Some(&"DISPATCHING"), Some(&"ENDED"))
    );
    assert!(states.contains(&"RINGING"), "{states:?}");
    let listed = only_call(&server).await;
    assert_eq!(
        (listed.get("transcript"), listed.get("verdict")),
        (None, None)
    );
}

#[tokio::test]
async fn calls_are_filtered_by_everything() {
    let server = Server::start().await;
    let (campaign, path) = ended_call(&server).await;
    let count = async |path: &str| {
        let listed = server.get(path).await;
        assert_eq!(listed.status, 200, "{}", listed.body);
        listed.body["data"].as_array().unwrap().len()
    };
    for base in ["/api/v2/calls".to_owned(), format!("{campaign}/calls")] {
        for (query, calls) in [
            ("", 1),
            ("?state=ENDED&outcome=ANSWERED", 1),
            ("?state=RINGING", 0),
            ("?outcome=BUSY", 0),
            ("?phone_number=%2B14155552671", 1),
            ("?phone_number=%2B14155552672", 0),
            ("?from=2026-01-05T15:00:00Z&to=2026-01-05T15:00:01Z", 1),
            ("?from=2026-01-05T15:00:01Z", 0),
            ("?to=2026-01-05T15:00:00Z", 0),
        ] {
            assert_eq!(
                count(&format!("{base}{query}")).await,
                calls,
                "{base}{query}"
            );
        }
        let wrong = server
            .get(&format!(
                "{base}?state=x&outcome=x&phone_number=x&from=x&limit=0"
            ))
            .await;
        let faults = [
            "from: invalid_format",
            "limit: out_of_range",
            "outcome: invalid_choice",
            "phone_number: invalid_format",
            "state: invalid_choice",
        ];
        assert_eq!(wrong.faults(), faults);
    }
    let nowhere = "/api/v2/voice-campaigns/VoiceCampaign:1";
    for rest in ["/calls", "/calls/export.csv"] {
        hidden_from_strangers(
            &server,
            Method::GET,
            &format!("{campaign}{rest}"),
            &format!("{nowhere}{rest}"),
            None,
        )
        .await;
    }
    hidden_from_strangers(
        &server,
        Method::GET,
        &path,
        "/api/v2/calls/VoiceCall:1",
        None,
    )
    .await;
    let stranger = server.stranger().await;
    let listed = server
        .request(Method::GET, "/api/v2/calls")
        .token(&stranger)
        .send()
        .await;
    assert_eq!(listed.body["data"], json!([]));
}

#[tokio::test]
async fn calls_are_exported_without_formulas() {
    let server = Server::start().await;
    let (campaign, _) = ended_call(&server).await;
    for path in [
        "/api/v2/calls/export.csv".to_owned(),
        format!("{campaign}/calls/export.csv?state=ENDED"),
    ] {
        let exported = server.get(&path).await;
        assert_eq!(exported.status, 200);
        assert!(exported.header("content-type").starts_with("text/csv"));
        let text = String::from_utf8(exported.bytes.to_vec()).unwrap();
        let lines: Vec<_> = text.split("\r\n").collect();
        assert!(
            lines[0].starts_with("call_id,") && lines[0].ends_with(",summary"),
            "{text}"
        );
        assert!(
            lines[1].contains(",+14155552671,ENDED,ANSWERED,\"customer-ended-call\",\"call-1\","),
            "{text}"
        );
        assert!(
            lines[1].ends_with(",30,0.25,\"https://example.com/r.wav\",\"'=1+1\""),
            "{text}"
        );
        assert_eq!((lines.len(), lines[2]), (3, ""));
    }
    assert_eq!(
        server
            .get("/api/v2/calls/export.csv?limit=1")
            .await
            .faults(),
        ["limit: unknown_parameter"]
    );
}

#[tokio::test]
async fn an_export_goes_over_every_page() {
    let server = Server::start().await;
    let (line, campaign) = running_campaign(&server).await;
    let path = format!("/api/v2/voice-providers/{}", line_id(line));
    let wide = server
        .patch(
            &path,
            &json!({ "max_concurrent_calls": 1_000, "max_calls_per_second": 1_000 }),
        )
        .await;
    assert_eq!(wide.status, 200);
    for n in 0..205 {
        lead(&server, &campaign, &format!("+1415555{n:04}")).await;
    }
    let mut dialed = 0;
    while dialed < 205 {
        dialed += dial(&server).await.len();
        server.clock.advance(Duration::from_millis(200));
    }
    let exported = server.get("/api/v2/calls/export.csv").await;
    let text = String::from_utf8(exported.bytes.to_vec()).unwrap();
    assert_eq!(
        text.split("\r\n")
            .filter(|line| line.contains("DISPATCHING"))
            .count(),
        205
    );
    assert_eq!(text.matches("call_id,campaign_id").count(), 1);
}

#[tokio::test]
async fn a_call_is_hung_up_by_the_vendor() {
    let server = Server::start().await;
    let (line, campaign) = running_campaign(&server).await;
    lead(&server, &campaign, PHONE).await;
    let key = dial(&server).await.remove(PHONE).unwrap();
    let path = format!(
        "/api/v2/calls/{}",
        only_call(&server).await["call_id"].as_str().unwrap()
    );
    let hang_up = async || server.command(&format!("{path}/hang-up")).await;
    let unnamed = hang_up().await;
    assert_eq!(
        (unnamed.status.as_u16(), unnamed.code()),
        (409, "cannot_hang_up")
    );

    let hook = hook(&server, line).await;
    report(
        &server,
        &hook,
        &status_update(Some(&key), "call-1", "in-progress"),
    )
    .await;
    let taken = hang_up().await;
    assert_eq!(
        (taken.status.as_u16(), &taken.body["data"]["state"]),
        (200, &json!("IN_PROGRESS")),
        "{}",
        taken.body
    );
    for (mood, status) in [(Mood::Broken, 502), (Mood::Down, 503)] {
        server.vendor.set(mood);
        assert_eq!(hang_up().await.status, status);
    }
    server.clock.advance(Duration::from_secs(60));
    report(
        &server,
        &hook,
        &end_report(Some(&key), "call-1", "assistant-ended-call"),
    )
    .await;
    let over = hang_up().await;
    assert_eq!((over.status.as_u16(), over.code()), (409, "call_over"));
    let missing = "/api/v2/calls/VoiceCall:1/hang-up";
    hidden_from_strangers(
        &server,
        Method::POST,
        &format!("{path}/hang-up"),
        missing,
        None,
    )
    .await;
    let reader = server.token_with("reader", &["read"]).await;
    assert_eq!(
        server
            .request(Method::POST, &format!("{path}/hang-up"))
            .token(&reader)
            .send()
            .await
            .status,
        403
    );
}

/// A call that the vendor has and we follow; its path.
async fn call_under_way(server: &Server) -> String {
    let (line, campaign) = running_campaign(server).await;
    lead(server, &campaign, PHONE).await;
    let key = dial(server).await.remove(PHONE).unwrap();
    let hook = hook(server, line).await;
    let update = status_update(Some(&key), "call-1", "in-progress");
    report(server, &hook, &update).await;
    let call = only_call(server).await;
    format!("/api/v2/calls/{}", call["call_id"].as_str().unwrap())
}

#[tokio::test]
async fn a_call_that_the_vendor_says_is_over_is_no_longer_up() {
    let server = Server::start().await;
    let path = call_under_way(&server).await;
    server.clock.advance(Duration::from_secs(60));
    let over = json!({
        "id": "call-1", "status": "ended", "endedReason": "customer-ended-call",
        "startedAt": "2026-01-05T15:00:10Z", "endedAt": "2026-01-05T15:00:40Z",
    });
    server.vendor.set_call("call-1", over);
    let reply = server.command(&format!("{path}/hang-up")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (409, "call_over"),
        "{}",
        reply.body
    );
    let call = server.get(&path).await.body["data"].clone();
    assert_eq!(
        (&call["state"], &call["outcome"], &call["ended_at"]),
        (
            &json!("ENDED"),
            &json!("ANSWERED"),
            &json!("2026-01-05T15:00:40Z")
        )
    );
    // From now on nobody is asked.
    let asked = server.vendor.requests();
    let again = server.command(&format!("{path}/hang-up")).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "call_over"));
    assert_eq!(server.vendor.requests(), asked);
}

#[tokio::test]
async fn a_hang_up_is_ordered_once_for_each_key() {
    let server = Server::start().await;
    let path = format!("{}/hang-up", call_under_way(&server).await);
    let hang_up = async |key: &str| {
        server
            .request(Method::POST, &path)
            .header("idempotency-key", key)
            .send()
            .await
    };
    let first = hang_up("k").await;
    assert_eq!(first.status, 200, "{}", first.body);
    let again = hang_up("k").await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(server.vendor.hang_ups().len(), 1);
    // Without a key it is ordered again, which ends the same call once.
    assert_eq!(server.command(&path).await.status, 200);
    assert_eq!(server.vendor.hang_ups().len(), 2);
}

#[tokio::test]
async fn where_a_call_is_controlled_is_asked_for_when_nobody_told() {
    let server = Server::start().await;
    let (line, campaign) = running_campaign(&server).await;
    lead(&server, &campaign, PHONE).await;
    let key = dial(&server).await.remove(PHONE).unwrap();
    let hook = hook(&server, line).await;
    let mut update = status_update(Some(&key), "call-1", "in-progress");
    update["call"].as_object_mut().unwrap().remove("monitor");
    report(&server, &hook, &update).await;
    let call = only_call(&server).await;
    let path = format!(
        "/api/v2/calls/{}/hang-up",
        call["call_id"].as_str().unwrap()
    );
    let up = json!({ "id": "call-1", "status": "in-progress" });
    server.vendor.set_call("call-1", up);
    let impossible = server.command(&path).await;
    assert_eq!(
        (impossible.status.as_u16(), impossible.code()),
        (409, "cannot_hang_up")
    );
    let monitor = json!({ "controlUrl": "https://control.example.com/call-1" });
    let up = json!({ "id": "call-1", "status": "in-progress", "monitor": monitor });
    server.vendor.set_call("call-1", up);
    assert_eq!(server.command(&path).await.status, 200);
    assert_eq!(
        server.vendor.hang_ups(),
        ["https://control.example.com/call-1"]
    );
}

//! What holds for every operation, taken from the document itself.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Server, campaign_body, global};

/// Every operation that needs a token, with ids of the right kind in its path.
fn operations() -> Vec<(Method, String, Value)> {
    let document: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("security").is_some() {
                let method = method.to_uppercase().parse().unwrap();
                operations.push((method, concrete(path), operation.clone()));
            }
        }
    }
    assert!(operations.len() > 15);
    operations
}

fn concrete(path: &str) -> String {
    let kinds = [
        ("token_id", "ApiToken"),
        ("campaign_id", "VoiceCampaign"),
        ("campaign_lead_id", "VoiceCampaignLead"),
        ("call_id", "VoiceCall"),
        ("tenant_voice_provider_id", "TenantVoiceProvider"),
        ("phone_number_pool_id", "VoicePhoneNumberPool"),
        ("import_id", "LeadImport"),
    ];
    let path = kinds.iter().fold(path.to_owned(), |path, (name, kind)| {
        path.replace(&format!("{{{name}}}"), &global(kind, 4_711))
    });
    assert!(!path.contains('{'), "{path}");
    path
}

#[tokio::test]
async fn without_a_token_every_operation_answers_401() {
    let server = Server::start().await;
    for (method, path, _) in operations() {
        let reply = server
            .request(method.clone(), &path)
            .no_token()
            .send()
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (401, "unauthenticated"),
            "{method} {path}"
        );
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn a_token_that_may_only_read_changes_nothing() {
    let server = Server::start().await;
    let reader = server.token_with("reader", &["read"]).await;
    for (method, path, operation) in operations() {
        let reply = server
            .request(method.clone(), &path)
            .token(&reader)
            .send()
            .await;
        if method == Method::GET {
            assert!(
                [200, 404].contains(&reply.status.as_u16()),
                "{method} {path}: {}",
                reply.body
            );
        } else {
            // An object that the tenant does not have is missing to all its tokens alike. On its
            // own objects, `isolation::matrix` finds 403.
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            let names_an_object = parameters.any(|parameter| parameter["in"] == "path");
            let refused = if names_an_object {
                (404, "not_found")
            } else {
                (403, "insufficient_scope")
            };
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                refused,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_that_may_write_reads_as_well() {
    let server = Server::start().await;
    let writer = server.token_with("writer", &["write"]).await;
    for (method, path, _) in operations()
        .into_iter()
        .filter(|(method, ..)| method == Method::GET)
    {
        let reply = server.request(method, &path).token(&writer).send().await;
        assert!(
            [200, 404].contains(&reply.status.as_u16()),
            "{path}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_everywhere() {
    let server = Server::start().await;
    for (method, path, _) in operations() {
        let reply = server
            .request(method.clone(), &format!("{path}?zzz=1"))
            .json(&json!({}))
            .send()
            .await;
        assert_eq!(reply.status, 422, "{method} {path}: {}", reply.body);
        assert!(
            reply
                .faults()
                .contains(&"zzz: unknown_parameter".to_owned()),
            "{method} {path}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn an_unknown_field_is_refused_everywhere() {
    let server = Server::start().await;
    for (method, path, operation) in operations() {
        let takes_body = operation.get("requestBody").is_some() || method == Method::POST;
        let takes_list =
            operation["requestBody"]["content"]["application/json"]["schema"]["type"] == "array";
        if !takes_body || takes_list || path.contains("leads/bulk") || path.ends_with("/bulk") {
            continue;
        }
        let reply = server
            .request(method.clone(), &path)
            .json(&json!({ "zzz": 1 }))
            .send()
            .await;
        // An object that is not there comes first.
        let refused =
            reply.status == 422 && reply.faults().contains(&"zzz: unknown_field".to_owned());
        assert!(
            refused || reply.status == 404,
            "{method} {path}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn a_body_of_the_wrong_type_is_one_fault() {
    let server = Server::start().await;
    let line = server.line().await;
    let campaign = format!("/api/v2/voice-campaigns/{}", server.campaign(line).await);
    for (method, path, body) in [
        (Method::POST, "/api/v2/voice-campaigns", json!([])),
        (Method::PATCH, campaign.as_str(), json!([])),
        (Method::POST, &format!("{campaign}/leads"), json!(true)),
        (Method::POST, &format!("{campaign}/leads/bulk"), json!({})),
        (Method::POST, "/api/v2/voice-providers", json!("text")),
        (Method::POST, "/api/v2/phone-number-pools", json!([{}])),
        (Method::POST, "/api/v2/tokens", json!(5)),
    ] {
        let call = server.request(method.clone(), path).json(&body);
        let reply = call.send().await;
        assert_eq!(reply.status, 422, "{method} {path}: {}", reply.body);
        assert_eq!(reply.faults(), [": invalid_type"], "{method} {path}");
        let message = reply.body["errors"][0]["message"].as_str().unwrap();
        let wanted = if path.ends_with("/bulk") {
            "The body must be an array."
        } else {
            "The body must be an object."
        };
        assert_eq!(message, wanted, "{method} {path}");
    }
}

#[tokio::test]
async fn ids_of_another_type_are_named_and_garbage_is_missing() {
    let server = Server::start().await;
    let lead = global("VoiceCampaignLead", 5);
    let wrong = server.get(&format!("/api/v2/voice-campaigns/{lead}")).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code()),
        (422, "wrong_id_type")
    );
    let message = wrong.body["message"].as_str().unwrap();
    assert!(
        message.contains("`VoiceCampaign`") && message.contains("`VoiceCampaignLead`"),
        "{message}"
    );
    assert_eq!(wrong.faults(), ["campaign_id: wrong_id_type"]);
    for garbage in ["camp_abc123", "%FF", "VoiceCampaign:abc", "x%2Fy"] {
        let reply = server
            .get(&format!("/api/v2/voice-campaigns/{garbage}"))
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (404, "not_found"),
            "{garbage}"
        );
    }
}

#[tokio::test]
async fn a_zero_character_ends_no_filter_early() {
    let server = Server::start().await;
    for text in ["%00zzz", "zzz%00"] {
        let reply = server
            .get(&format!("/api/v2/voice-campaigns?name={text}"))
            .await;
        assert_eq!(reply.status, 422);
        assert_eq!(reply.faults(), ["name: invalid_characters"]);
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read_have_their_own_status() {
    let server = Server::start().await;
    let post = || server.request(Method::POST, "/api/v2/tokens");
    let json = "application/json";
    let cases = [
        ("{", json, 400, "malformed_json"),
        ("", json, 400, "malformed_json"),
        (r#"{"name":"a","name":"b"}"#, json, 400, "duplicate_key"),
        ("{}", "text/plain", 415, "unsupported_media_type"),
        ("[]", json, 422, "validation_failed"),
        ("null", json, 422, "validation_failed"),
    ];
    for (body, content_type, status, code) in cases {
        let reply = post()
            .text(body)
            .header("content-type", content_type)
            .send()
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (status, code),
            "{body}"
        );
    }
    assert_eq!(post().text("{}").send().await.status, 415);
    for (encoding, status) in [("gzip", 415), ("identity", 422)] {
        let encoded = post()
            .text("{}")
            .header("content-type", json)
            .header("content-encoding", encoding);
        assert_eq!(encoded.send().await.status, status, "{encoding}");
    }
    let long = format!("\"{}\"", "x".repeat(1024 * 1024));
    let reply = post().text(&long).header("content-type", json).send().await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (413, "body_too_large")
    );
}

#[tokio::test]
async fn failures_have_the_envelope_and_the_request_id() {
    let server = Server::start().await;
    let route = server
        .request(Method::GET, "/nowhere")
        .header("x-request-id", "mine-1")
        .send()
        .await;
    assert_eq!(
        (route.status.as_u16(), route.code()),
        (404, "no_such_route")
    );
    assert_eq!(route.header("x-request-id"), "mine-1");
    let keys: Vec<_> = route.body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["status", "code", "message", "errors", "request_id"]);
    assert_eq!(route.body["request_id"], "mine-1");

    let method = server
        .request(Method::PUT, "/api/v2/tokens")
        .header("x-request-id", "not good")
        .send()
        .await;
    assert_eq!(
        (method.status.as_u16(), method.code()),
        (405, "method_not_allowed")
    );
    let mut allowed: Vec<_> = method.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    assert!(method.header("x-request-id").starts_with("req_"));
}

#[tokio::test]
async fn answers_are_not_cached_sniffed_or_framed() {
    let server = Server::start().await;
    for path in ["/api/v2/tokens", "/nowhere", "/livez"] {
        let reply = server.get(path).await;
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(
            reply
                .header("content-security-policy")
                .contains("default-src 'none'")
        );
    }
}

#[tokio::test]
async fn a_token_that_asks_too_much_is_told_when_to_come_back() {
    let server = Server::with(|options| {
        options.rate_limit_per_second = 1;
        options.rate_limit_burst = 2;
    })
    .await;
    let first = server.get("/api/v2/tokens").await;
    assert_eq!(
        (
            first.header("ratelimit-limit"),
            first.header("ratelimit-remaining")
        ),
        ("2", "1")
    );
    assert_eq!(server.get("/api/v2/tokens").await.status, 200);
    let refused = server.get("/api/v2/tokens").await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (429, "rate_limited")
    );
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    let stranger = server.stranger().await;
    assert_eq!(
        server
            .request(Method::GET, "/api/v2/tokens")
            .token(&stranger)
            .send()
            .await
            .status,
        200
    );
    assert_eq!(
        server
            .request(Method::GET, "/livez")
            .no_token()
            .send()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition_while_rows_are_added() {
    let server = Server::start().await;
    let line_id = server.line().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(server.campaign(line_id).await);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v2/voice-campaigns?limit=3".to_owned();
    loop {
        let page = server.get(&path).await;
        seen.extend(
            page.body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["campaign_id"].as_str().unwrap().to_owned()),
        );
        server
            .post("/api/v2/voice-campaigns", &campaign_body(line_id))
            .await;
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v2/voice-campaigns?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    made.reverse();
    assert_eq!(seen, made);
    let cursor = server.get("/api/v2/voice-campaigns?limit=1").await.body["next_cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let foreign = server
        .get(&format!("/api/v2/tokens?cursor={cursor}&limit=201"))
        .await;
    assert_eq!(
        foreign.faults(),
        ["cursor: invalid_cursor", "limit: out_of_range"]
    );
}

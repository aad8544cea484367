//! `If-Match`: whoever names a revision changes that revision or nothing.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::scene::{lead, line_id};
use crate::support::{Reply, Server, global};

/// One object of each kind; the path of each.
struct Objects {
    campaign: String,
    lead: String,
    line: String,
    pool: String,
    token: String,
}

impl Objects {
    async fn make(server: &Server) -> Self {
        let line = server.line().await;
        let pool = server.pool(line, true).await;
        let campaign = format!("/api/v2/voice-campaigns/{}", server.campaign(line).await);
        let lead = lead(server, &campaign, "+14155552671").await;
        let token = server
            .post(
                "/api/v2/tokens",
                &json!({ "name": "x", "scopes": ["read"] }),
            )
            .await;
        assert_eq!(token.header("etag"), "\"1\"");
        let token = token.body["data"]["token_id"].as_str().unwrap().to_owned();
        Self {
            lead,
            line: format!("/api/v2/voice-providers/{}", line_id(line)),
            pool: format!(
                "/api/v2/phone-number-pools/{}",
                global("VoicePhoneNumberPool", pool.raw())
            ),
            token: format!("/api/v2/tokens/{token}"),
            campaign,
        }
    }

    /// Each with a change of it.
    fn changes(&self) -> [(&str, Value); 6] {
        [
            (&self.campaign, json!({ "name": "y" })),
            (&self.lead, json!({ "first_name": "y" })),
            (&self.line, json!({ "name": "y" })),
            (&self.pool, json!({ "name": "y" })),
            (&self.token, json!({ "enabled": false })),
            (
                "/api/v2/tenant",
                json!({ "test_call_numbers": ["+14155552671"] }),
            ),
        ]
    }

    /// Every operation that takes `If-Match`, in the document's words, with a body that it takes.
    fn operations(&self) -> Vec<(&'static str, Method, String, Value)> {
        let campaign = "/api/v2/voice-campaigns/{campaign_id}";
        let mut all = Vec::new();
        let ids = [
            (&self.campaign, campaign.to_owned()),
            (&self.lead, format!("{campaign}/leads/{{campaign_lead_id}}")),
            (
                &self.line,
                "/api/v2/voice-providers/{tenant_voice_provider_id}".to_owned(),
            ),
            (
                &self.pool,
                "/api/v2/phone-number-pools/{phone_number_pool_id}".to_owned(),
            ),
            (&self.token, "/api/v2/tokens/{token_id}".to_owned()),
        ];
        for (path, template) in ids {
            let change = self
                .changes()
                .into_iter()
                .find(|(of, _)| of == path)
                .unwrap()
                .1;
            let template: &'static str = template.leak();
            all.push((template, Method::PATCH, path.clone(), change));
            all.push((template, Method::DELETE, path.clone(), Value::Null));
        }
        for command in ["start", "pause", "resume", "stop", "archive", "duplicate"] {
            let template: &'static str = format!("{campaign}/{command}").leak();
            let path = format!("{}/{command}", self.campaign);
            all.push((template, Method::POST, path, json!({})));
        }
        let template: &'static str = format!("{campaign}/test-call").leak();
        all.push((
            template,
            Method::POST,
            format!("{}/test-call", self.campaign),
            json!({ "phone_number": "+14155552671" }),
        ));
        let numbers = json!({ "test_call_numbers": ["+14155552671"] });
        all.push((
            "/api/v2/tenant",
            Method::PATCH,
            "/api/v2/tenant".to_owned(),
            numbers,
        ));
        all
    }
}

async fn send(server: &Server, method: &Method, path: &str, body: &Value, if_match: &str) -> Reply {
    let call = server
        .request(method.clone(), path)
        .header("if-match", if_match);
    let call = if body.is_null() {
        call
    } else {
        call.json(body)
    };
    call.send().await
}

#[tokio::test]
async fn every_object_tells_its_revision_in_its_etag() {
    let server = Server::start().await;
    let objects = Objects::make(&server).await;
    for (path, change) in objects.changes() {
        let read = server.get(path).await;
        assert_eq!(read.body["data"]["revision"], 1, "{path}");
        assert_eq!(read.header("etag"), "\"1\"", "{path}");
        let changed = server.patch(path, &change).await;
        assert_eq!(changed.status, 200, "{path}: {}", changed.body);
        assert_eq!(changed.header("etag"), "\"2\"", "{path}");
        assert_eq!(server.get(path).await.header("etag"), "\"2\"", "{path}");
    }
}

#[tokio::test]
async fn every_operation_refuses_a_stale_revision_and_says_so_in_the_document() {
    let server = Server::start().await;
    let objects = Objects::make(&server).await;
    // A test call must pass every other check first.
    server
        .patch(
            "/api/v2/tenant",
            &json!({ "test_call_numbers": ["+14155552671"] }),
        )
        .await;
    let before: Vec<_> = join_all(objects.changes().map(|(path, _)| server.get(path)))
        .await
        .into_iter()
        .map(|reply| reply.body)
        .collect();
    let mut tried = Vec::new();
    for (template, method, path, body) in objects.operations() {
        let current = if path == "/api/v2/tenant" { 2 } else { 1 };
        for stale in ["\"4711\"", "W/\"1\", W/\"2\"", "\"\"", "\"01\", \"+1\""] {
            let reply = send(&server, &method, &path, &body, stale).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (412, "stale_revision"),
                "{method} {path}: {}",
                reply.body
            );
            assert_eq!(reply.header("etag"), format!("\"{current}\""));
            let message = reply.body["message"].as_str().unwrap();
            assert!(
                message.contains(&format!("revision {current} ")),
                "{message}"
            );
        }
        let broken = send(&server, &method, &path, &body, "1").await;
        assert_eq!(
            (broken.status.as_u16(), broken.code()),
            (400, "invalid_header"),
            "{method} {path}"
        );
        tried.push(format!("{} {template}", method.as_str().to_lowercase()));
    }
    for ((path, _), before) in objects.changes().into_iter().zip(before) {
        assert_eq!(server.get(path).await.body, before, "{path}");
    }

    let document: Value = serde_json::from_str(&api::openapi_json()).unwrap();
    let mut documented = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            if parameters.clone().any(|one| one["name"] == "If-Match") {
                let stale = &operation["responses"]["412"];
                assert!(stale["headers"]["ETag"].is_object(), "{method} {path}");
                documented.push(format!("{method} {path}"));
            }
        }
    }
    tried.sort();
    documented.sort();
    assert_eq!(tried, documented);
}

#[tokio::test]
async fn the_present_revision_any_revision_and_lists_are_taken() {
    let server = Server::start().await;
    let objects = Objects::make(&server).await;
    let path = &objects.campaign;
    let forms = [
        "\"1\"",
        "*",
        "\"9\", \"3\"",
        "W/\"1\", \"4\",",
        "\"a,b\" , \"5\"",
    ];
    for (n, form) in forms.into_iter().enumerate() {
        let body = json!({ "name": format!("name {n}") });
        let reply = send(&server, &Method::PATCH, path, &body, form).await;
        assert_eq!(reply.status, 200, "{form}: {}", reply.body);
    }
    let missing = send(
        &server,
        &Method::DELETE,
        "/api/v2/voice-campaigns/VoiceCampaign:1",
        &Value::Null,
        "*",
    )
    .await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn of_fifty_changes_of_one_revision_one_is_done() {
    let server = Server::start().await;
    let objects = Objects::make(&server).await;
    for (path, field) in [
        (&objects.campaign, "name"),
        (&objects.lead, "first_name"),
        (&objects.line, "name"),
        (&objects.pool, "name"),
    ] {
        let etag = server.get(path).await.header("etag").to_owned();
        let bodies: Vec<_> = (0..50)
            .map(|n| json!({ field: format!("no {n}") }))
            .collect();
        let all = join_all(
            bodies
                .iter()
                .map(|body| send(&server, &Method::PATCH, path, body, &etag)),
        )
        .await;
        let count = |status: u16| all.iter().filter(|reply| reply.status == status).count();
        assert_eq!((count(200), count(412)), (1, 49), "{path}");
        let done = all.iter().find(|reply| reply.status == 200).unwrap();
        let now = server.get(path).await;
        assert_eq!(now.body["data"][field], done.body["data"][field]);
        assert_eq!(now.header("etag"), "\"2\"");
    }
    let path = format!("{}/start", objects.campaign);
    let body = json!({});
    let all = join_all((0..50).map(|_| send(&server, &Method::POST, &path, &body, "\"2\""))).await;
    let count = |status: u16| all.iter().filter(|reply| reply.status == status).count();
    assert_eq!((count(200), count(412)), (1, 49));
}

#[tokio::test]
async fn a_repeated_key_is_answered_before_the_revision_is_judged() {
    let server = Server::start().await;
    let objects = Objects::make(&server).await;
    let start = async || {
        server
            .request(Method::POST, &format!("{}/start", objects.campaign))
            .header("idempotency-key", "k")
            .header("if-match", "\"1\"")
            .send()
            .await
    };
    let (first, again) = (start().await, start().await);
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (200, 200));
    assert_eq!(first.bytes, again.bytes);
    assert_eq!(again.header("etag"), "\"2\"");
}

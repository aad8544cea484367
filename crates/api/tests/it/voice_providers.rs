use http::Method;
use serde_json::{Value, json};
use store::Store;

use crate::scene::{hidden_from_strangers, line_id};
use crate::support::{API_KEY, Account, Mood, Reply, Server, vault};

const PATH: &str = "/api/v2/voice-providers";

fn vapi() -> Value {
    json!({ "provider": "VAPI", "name": "Vapi", "credentials": { "api_key": "very-secret-key" } })
}

async fn made(server: &Server, body: &Value) -> (String, Value) {
    let reply = server.post(PATH, body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let data = reply.body["data"].clone();
    (
        format!(
            "{PATH}/{}",
            data["tenant_voice_provider_id"].as_str().unwrap()
        ),
        data,
    )
}

#[tokio::test]
async fn secrets_go_in_and_never_come_out() {
    let server = Server::with(|options| {
        options.public_url = Some("https://campanile.example.com".to_owned());
    })
    .await;
    let mut body = vapi();
    body["webhook_secret"] = json!("0123456789-callback-secret");
    let (path, data) = made(&server, &body).await;
    let expected = json!({
        "provider": "VAPI", "name": "Vapi", "base_url": null, "credentials_set": true, "webhook_secret_set": true,
        "max_concurrent_calls": 10, "max_calls_per_second": 5, "status": "AVAILABLE", "rests_until": null,
        "rest_reason": null, "revision": 1, "created_at": "2026-01-05T15:00:00Z", "updated_at": "2026-01-05T15:00:00Z",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(data[field], *value, "{field}");
    }
    let url = data["callback_url"].as_str().unwrap();
    assert!(
        url.starts_with("https://campanile.example.com/hooks/vapi/")
            && url.ends_with("/{attempt_key}"),
        "{url}"
    );
    for path in [PATH, &path] {
        let shown = server.get(path).await;
        let text = String::from_utf8(shown.bytes.to_vec()).unwrap();
        assert!(
            shown.status == 200
                && !text.contains("very-secret-key")
                && !text.contains("callback-secret"),
            "{text}"
        );
    }
    let line = server
        .store
        .list_lines(
            server.tenant_id,
            store::PageRequest {
                limit: 1,
                before: None,
            },
        )
        .await
        .unwrap();
    let open = lines::OpenLine::open(&line.items[0], &vault(), None).unwrap();
    assert_eq!(open.access.credentials.0["api_key"], "very-secret-key");
    assert_eq!(open.webhook_secret, "0123456789-callback-secret");
}

#[tokio::test]
async fn every_fault_of_an_account_is_told() {
    let server = Server::start().await;
    let body = json!({
        "provider": "VAPI", "name": "", "credentials": { "organization_id": "a b", "password": "x" },
        "base_url": "http://user@example.com", "max_concurrent_calls": 0, "max_calls_per_second": 10_001,
        "webhook_secret": "short", "colour": 1,
    });
    assert_eq!(
        server.post(PATH, &body).await.faults(),
        [
            "base_url: invalid_url",
            "colour: unknown_field",
            "credentials.api_key: required",
            "credentials.organization_id: invalid_value",
            "credentials.password: invalid_value",
            "max_calls_per_second: out_of_range",
            "max_concurrent_calls: out_of_range",
            "name: empty",
            "webhook_secret: too_short",
        ]
    );
    let with = |field: &str, value: Value| {
        let mut body = vapi();
        body[field] = value;
        body
    };
    for (body, fault) in [
        (with("provider", json!("RETELL")), "provider: not_supported"),
        (with("provider", json!("vapi")), "provider: invalid_choice"),
        (
            with("credentials", Value::Null),
            "credentials.api_key: required",
        ),
        (
            with("base_url", json!("http://example.com")),
            "base_url: invalid_url",
        ),
        (
            with("base_url", json!("https://example.com/?x=1")),
            "base_url: invalid_url",
        ),
        (
            with("base_url", json!("https://example.com/#x")),
            "base_url: invalid_url",
        ),
        (
            with("base_url", json!("https://10.0.0.1")),
            "base_url: private_address",
        ),
        (
            with("base_url", json!("ftp://example.com")),
            "base_url: invalid_url",
        ),
        (
            with("webhook_secret", json!("with spaces in it")),
            "webhook_secret: invalid_characters",
        ),
    ] {
        assert_eq!(server.post(PATH, &body).await.faults(), [fault], "{body}");
    }
    assert_eq!(server.get(PATH).await.body["data"], json!([]));
}

#[tokio::test]
async fn the_sandbox_needs_no_credentials_but_an_address() {
    let body = json!({ "provider": "SANDBOX", "name": "Sandbox" });
    let without = Server::start().await;
    assert_eq!(
        without.post(PATH, &body).await.faults(),
        ["base_url: required"]
    );
    let inside = Server::with(|options| {
        options.sandbox_base_url = Some("http://127.0.0.1:9/vapi".to_owned());
    })
    .await;
    assert_eq!(made(&inside, &body).await.1["base_url"], Value::Null);
    let private = Server::with(|options| options.allow_private_networks = true).await;
    let body = json!({ "provider": "SANDBOX", "name": "Sandbox", "base_url": "http://127.0.0.1:4000/vapi/" });
    let (path, data) = made(&private, &body).await;
    assert_eq!(data["base_url"], "http://127.0.0.1:4000/vapi");
    assert_eq!(
        private
            .patch(&path, &json!({ "base_url": null }))
            .await
            .faults(),
        ["base_url: required"]
    );
}

#[tokio::test]
async fn an_account_is_changed_as_it_was_read_and_deleted_when_unused() {
    let server = Server::start().await;
    let (path, data) = made(&server, &vapi()).await;
    let change = json!({ "name": "Renamed", "base_url": "https://eu.example.com/", "max_concurrent_calls": 20 });
    let changed = server
        .request(Method::PATCH, &path)
        .json(&change)
        .header("if-match", "\"1\"")
        .send()
        .await;
    assert_eq!(
        (changed.status.as_u16(), changed.header("etag")),
        (200, "\"2\"")
    );
    assert_eq!(changed.body["data"]["base_url"], "https://eu.example.com");
    assert_eq!(
        server
            .request(Method::PATCH, &path)
            .json(&change)
            .header("if-match", "\"1\"")
            .send()
            .await
            .status,
        412
    );
    let cleared = server
        .patch(&path, &json!({ "base_url": null, "provider": "VAPI" }))
        .await;
    assert_eq!(
        (cleared.status.as_u16(), &cleared.body["data"]["base_url"]),
        (200, &Value::Null)
    );
    let wrong = json!({ "provider": "SANDBOX", "name": null, "credentials": {}, "base_url": "https://127.0.0.1" });
    assert_eq!(
        server.patch(&path, &wrong).await.faults(),
        [
            "base_url: private_address",
            "credentials.api_key: required",
            "name: not_nullable",
            "provider: immutable"
        ]
    );

    let line = server
        .store
        .list_lines(
            server.tenant_id,
            store::PageRequest {
                limit: 1,
                before: None,
            },
        )
        .await
        .unwrap();
    let campaign = server.campaign(line.items[0].line_id).await;
    let used = server.delete(&path).await;
    assert_eq!((used.status.as_u16(), used.code()), (409, "in_use"));
    server
        .delete(&format!("/api/v2/voice-campaigns/{campaign}"))
        .await;
    assert_eq!(server.delete(&path).await.status, 200);
    assert_eq!(server.get(&path).await.status, 404);
    assert_eq!(data["revision"], 1);
}

#[tokio::test]
async fn the_vendor_is_asked_and_quoted() {
    let server = Server::start().await;
    let path = format!("{PATH}/{}", line_id(server.line().await));
    let verified = server.command(&format!("{path}/verify")).await;
    assert_eq!(
        (verified.status.as_u16(), &verified.body["data"]["verified"]),
        (200, &json!(true))
    );
    let assistants = server
        .get(&format!("{path}/assistants?entity=ASSISTANT"))
        .await;
    assert_eq!(
        assistants.body["data"],
        json!([{ "assistant_id": "asst_1", "name": "One" }])
    );
    let numbers = server.get(&format!("{path}/phone-numbers")).await;
    let listed = json!([{ "phone_number_id": "pn_listed", "e164": "+14155550101", "name": "One" }]);
    assert_eq!(numbers.body["data"], listed);
    assert_eq!(
        server
            .get(&format!("{path}/assistants?entity=SQUAD"))
            .await
            .faults(),
        ["entity: not_supported"]
    );
    assert_eq!(
        server
            .get(&format!("{path}/assistants?entity=x"))
            .await
            .faults(),
        ["entity: invalid_choice"]
    );

    for (mood, status, code) in [
        (Mood::Unauthorized, 502, "provider_refused"),
        (Mood::Broken, 502, "provider_refused"),
        (Mood::Down, 503, "provider_unreachable"),
    ] {
        server.vendor.set(mood);
        let verify = server.command(&format!("{path}/verify")).await;
        let assistants = server.get(&format!("{path}/assistants")).await;
        let numbers = server.get(&format!("{path}/phone-numbers")).await;
        for reply in [verify, assistants, numbers] {
            assert_eq!(
                (reply.status.as_u16(), reply.code()),
                (status, code),
                "{}",
                reply.body
            );
        }
    }
    server.vendor.set(Mood::Unauthorized);
    let refused = server.command(&format!("{path}/verify")).await;
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .contains("Invalid Key"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn what_the_vendor_lists_has_pages() {
    let server = Server::start().await;
    let path = format!("{PATH}/{}", line_id(server.line().await));
    for (collection, field) in [
        ("assistants", "assistant_id"),
        ("phone-numbers", "phone_number_id"),
    ] {
        let page = |query: String| {
            let address = format!("{path}/{collection}?{query}");
            let server = &server;
            async move { server.get(&address).await }
        };
        let ids = |page: &Reply| -> Vec<String> {
            let rows = page.body["data"].as_array().unwrap().iter();
            rows.map(|row| row[field].as_str().unwrap().to_owned())
                .collect()
        };
        vendor_has(&server, &["a", "b", "c", "d"]);
        let first = page("limit=2".to_owned()).await;
        assert_eq!(ids(&first), ["a", "b"]);
        let cursor = first.body["next_cursor"].as_str().unwrap();

        vendor_has(&server, &["new", "a", "b", "c", "d"]);
        let second = page(format!("limit=1&cursor={cursor}")).await;
        assert_eq!(ids(&second), ["c"]);
        let cursor_of_rest = second.body["next_cursor"].as_str().unwrap();
        let rest = page(format!("limit=1&cursor={cursor_of_rest}")).await;
        assert_eq!(ids(&rest), ["d"]);
        assert_eq!(rest.body["next_cursor"], Value::Null);

        vendor_has(&server, &["new", "a", "c", "d"]);
        let gone = page(format!("cursor={cursor}")).await;
        assert_eq!(gone.faults(), ["cursor: invalid_cursor"]);
        let many: Vec<_> = (0..60).map(|number| format!("id{number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        vendor_has(&server, &many);
        assert_eq!(ids(&page(String::new()).await).len(), 50);
        assert_eq!(ids(&page("limit=200".to_owned()).await).len(), 60);
    }
}

#[tokio::test]
async fn a_cursor_of_what_the_vendor_lists_belongs_to_its_list() {
    let server = Server::start().await;
    let path = format!("{PATH}/{}", line_id(server.line().await));
    vendor_has(&server, &["a", "b"]);
    let first = server.get(&format!("{path}/assistants?limit=1")).await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let asked = server.vendor.requests();
    let foreign = format!("{path}/phone-numbers?limit=0&cursor={cursor}");
    assert_eq!(
        server.get(&foreign).await.faults(),
        ["cursor: invalid_cursor", "limit: out_of_range"]
    );
    assert_eq!(server.vendor.requests(), asked, "the vendor was asked");
}

/// Lets the account of [`Server::line`] have assistants and numbers with these ids.
fn vendor_has(server: &Server, ids: &[&str]) {
    let assistants = ids.iter().map(ToString::to_string).collect();
    let numbers = ids
        .iter()
        .enumerate()
        .map(|(at, id)| ((*id).to_owned(), format!("+1415555{at:04}")));
    let account = Account {
        assistants,
        numbers: numbers.collect(),
    };
    server.vendor.set_account(API_KEY, account);
}

#[tokio::test]
async fn changes_need_the_scope_admin_and_strangers_see_nothing() {
    let server = Server::start().await;
    let path = format!("{PATH}/{}", line_id(server.line().await));
    let writer = server.token_with("writer", &["write"]).await;
    let refused = server
        .request(Method::POST, PATH)
        .token(&writer)
        .json(&vapi())
        .send()
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "insufficient_scope")
    );
    assert_eq!(
        server
            .request(Method::PATCH, &path)
            .token(&writer)
            .json(&json!({}))
            .send()
            .await
            .status,
        403
    );
    assert_eq!(
        server
            .request(Method::DELETE, &path)
            .token(&writer)
            .send()
            .await
            .status,
        403
    );
    assert_eq!(
        server
            .request(Method::GET, &path)
            .token(&writer)
            .send()
            .await
            .status,
        200
    );

    let missing = format!("{PATH}/TenantVoiceProvider:1");
    hidden_from_strangers(&server, Method::GET, &path, &missing, None).await;
    hidden_from_strangers(&server, Method::PATCH, &path, &missing, Some(&json!({}))).await;
    hidden_from_strangers(&server, Method::DELETE, &path, &missing, None).await;
    for (method, rest) in [
        (Method::POST, "verify"),
        (Method::GET, "assistants"),
        (Method::GET, "phone-numbers"),
    ] {
        let (path, missing) = (format!("{path}/{rest}"), format!("{missing}/{rest}"));
        hidden_from_strangers(&server, method, &path, &missing, None).await;
    }
    assert_eq!(server.vendor.requests(), 0);
    let stranger = server.stranger().await;
    assert_eq!(
        server
            .request(Method::GET, PATH)
            .token(&stranger)
            .send()
            .await
            .body["data"],
        json!([])
    );
}

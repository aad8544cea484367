//! What must never be told: in no answer, no log line, and not in clear in the database.

use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use domain::ambient::Clock;
use http::Method;
use serde_json::{Value, json};
use store::Store;
use tracing_subscriber::filter::LevelFilter;

use super::rows::{Scope, row_of};
use super::world::{Ask, Tenant, World, tick};
use crate::contract::Document;
use crate::support::{Mood, Reply};

/// Every line that is logged in this process, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The store's threads log as well, so the subscriber is the process's.
fn capture() -> Log {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::trace!("the log is read");
    log
}

#[tokio::test]
async fn no_secret_is_told_logged_or_kept_in_clear() {
    let log = capture();
    let mut world = World::new().await;
    let mut answers = Vec::new();
    let moods = [
        Mood::Well,
        Mood::Unauthorized,
        Mood::Broken,
        Mood::Down,
        Mood::Echoing(401),
        Mood::Echoing(400),
        Mood::Echoing(502),
    ];
    for mood in moods {
        world.server.vendor.set(mood);
        answers.extend(every_operation(&world).await);
    }
    world.server.vendor.set(Mood::Well);
    answers.extend(misplaced(&world).await);
    answers.extend(new_secrets(&mut world).await);
    tick(&world.server).await;
    world
        .server
        .store
        .sweep(world.server.clock.now())
        .await
        .unwrap();

    let secrets = secrets(&world);
    in_the_feeds(&world, &secrets).await;
    for (ask, reply) in &answers {
        let text = String::from_utf8_lossy(&reply.bytes);
        for secret in &secrets {
            assert!(
                !text.contains(secret),
                "{} tells {secret}: {text}",
                ask.text()
            );
        }
    }
    assert!(answers.len() > 200);
    in_the_log(&log, &world, &secrets);
    in_the_database(&world, &secrets);
}

fn secrets(world: &World) -> Vec<String> {
    let of = |tenant: &Tenant| {
        let bearers = tenant.weak.values().chain([&tenant.bearer]);
        let tokens = bearers.map(|bearer| bearer.replace("Bearer ", ""));
        let mut all: Vec<_> = tenant.secrets.iter().cloned().chain(tokens).collect();
        all.sort();
        all.dedup();
        all
    };
    let plain = [of(&world.one), of(&world.other)].concat();
    plain.iter().flat_map(|secret| spellings(secret)).collect()
}

/// A secret, and the ways in which it might be told all the same.
fn spellings(secret: &str) -> Vec<String> {
    let hex = |text: &str| {
        text.bytes()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    };
    let inverted: String = secret.chars().rev().collect();
    vec![
        secret.to_owned(),
        secret.to_uppercase(),
        inverted,
        hex(secret),
        STANDARD_NO_PAD.encode(secret),
        // As a user's password, and as a password's user.
        STANDARD_NO_PAD.encode(format!(":{secret}")),
        // The end may differ when more follows; most of the secret is told all the same.
        secret[..secret.len() * 3 / 4].to_owned(),
    ]
}

/// The events of both tenants, which subscribers will be told.
async fn in_the_feeds(world: &World, secrets: &[String]) {
    for tenant in [&world.one, &world.other] {
        let events = world.server.store.list_events(tenant.tenant_id, 0, 1_000);
        let events = events.await.unwrap();
        assert!(events.len() > 10, "{events:?}");
        let told = format!("{events:?}");
        for secret in secrets {
            assert!(!told.contains(secret), "an event tells {secret}: {told}");
        }
    }
}

fn in_the_log(log: &Log, world: &World, secrets: &[String]) {
    let bytes = log.0.lock().unwrap().clone();
    let log = String::from_utf8_lossy(&bytes);
    assert!(
        log.contains("request answered") && log.contains("the log is read"),
        "nothing was captured"
    );
    for line in log.lines() {
        for secret in secrets {
            assert!(!line.contains(secret), "{secret} is logged: {line}");
        }
        for tenant in [&world.one, &world.other] {
            // Addresses of callbacks are secrets too, and so are whole numbers.
            let keys = tenant.ids.iter().filter(|(name, _)| name.contains("_key"));
            for (name, key) in keys {
                assert!(!line.contains(key), "the {name} is logged: {line}");
            }
            let digits = &tenant.area[1..];
            assert!(!line.contains(digits), "a phone number is logged: {line}");
            // In every name, address, transcript and setting that is the tenant's.
            assert!(
                !line.contains(tenant.word),
                "what a tenant wrote is logged: {line}"
            );
        }
    }
}

/// The database and its journal, byte by byte.
fn in_the_database(world: &World, secrets: &[String]) {
    let mut found = 0;
    for file in ["test.db", "test.db-wal"] {
        let Ok(bytes) = std::fs::read(world.server.folder().join(file)) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        found += usize::from(text.contains(world.one.word));
        for secret in secrets {
            assert!(!text.contains(secret), "{file} holds {secret} in clear");
        }
    }
    assert!(
        found > 0,
        "the files hold nothing of the tenants: nothing was looked at"
    );
}

/// Every operation by its owner and by the other tenant.
async fn every_operation(world: &World) -> Vec<(Ask, Reply)> {
    let mut answers = Vec::new();
    for operation in &Document::get().operations {
        let row = row_of(operation);
        let ask = row.right(operation, &world.one);
        // What it shows once is what it is for.
        let shows_secret = operation.id == "createToken";
        let deletes_line = operation.id == "deleteVoiceProvider";
        for tenant in [&world.other, &world.one] {
            let mut ask = ask.clone();
            if row.scope == Scope::Vendor {
                ask = ask.header("x-vapi-secret", tenant.id("webhook_secret", None));
            }
            let reply = ask.send(&world.server, Some(&tenant.bearer)).await;
            if !shows_secret && !deletes_line {
                answers.push((ask, reply));
            }
        }
    }
    answers
}

/// Secrets where they do not belong are neither repeated nor logged.
async fn misplaced(world: &World) -> Vec<(Ask, Reply)> {
    let tenant = &world.one;
    let token = &tenant.secrets[0];
    let api_key = &tenant.secrets[1];
    let path = "/api/v2/voice-providers";
    let line = format!("{path}/{}", tenant.id("tenant_voice_provider_id", None));
    let asks = [
        Ask::new(Method::GET, format!("/api/v2/tenant?token={token}")),
        Ask::new(Method::GET, format!("/api/v2/tokens/{token}")),
        Ask::new(Method::GET, format!("/{token}")),
        Ask::new(Method::POST, path).json(&json!({ "provider": "VAPI", "name": "x", "credentials": api_key })),
        Ask::new(Method::POST, path).json(&json!({ "provider": api_key, "name": "x", "credentials": { "api_key": [api_key] } })),
        Ask::new(Method::POST, path)
            .json(&json!({ "provider": "VAPI", "name": "x", "credentials": { "apikey": api_key }, "webhook_secret": 7 })),
        Ask::new(Method::PATCH, &line).json(&json!({ "credentials": { "api_key": api_key, "other": api_key } })),
        Ask::new(Method::PATCH, &line).json(&json!({ "webhook_secret": format!("{}\n", tenant.secrets[2]) })),
        Ask {
            body: Some(format!("{{\"credentials\": {{\"api_key\": \"{api_key}\", ")),
            ..Ask::new(Method::POST, path)
        },
        Ask {
            body: Some(format!("{{\"credentials\": \"{api_key}\", \"credentials\": \"{api_key}\"}}")),
            ..Ask::new(Method::POST, path)
        },
    ];
    let mut answers = Vec::new();
    for ask in asks {
        for authorization in [None, Some(tenant.bearer.as_str())] {
            let reply = ask.send(&world.server, authorization).await;
            assert!(
                reply.status.is_client_error(),
                "{}: {}",
                ask.text(),
                reply.body
            );
            answers.push((ask.clone(), reply));
        }
    }
    answers
}

/// New secrets, with a key whose kept answers hold them.
async fn new_secrets(world: &mut World) -> Vec<(Ask, Reply)> {
    let body = json!({ "name": "New", "scopes": ["read"] });
    let ask = Ask::new(Method::POST, "/api/v2/tokens")
        .header("idempotency-key", "new-token")
        .json(&body);
    let first = ask.send(&world.server, Some(&world.one.bearer)).await;
    let again = ask.send(&world.server, Some(&world.one.bearer)).await;
    assert_eq!(first.bytes, again.bytes);
    let Value::String(secret) = &first.body["data"]["token_secret"] else {
        panic!("{}", first.body);
    };
    world.one.secrets.push(secret.clone());
    let line = json!({ "provider": "VAPI", "name": "New", "credentials": { "api_key": "alpha-rotated-c0ffee" },
        "webhook_secret": "alpha-rotated-hook-c0ffee" });
    world.one.secrets.push("alpha-rotated-c0ffee".to_owned());
    world
        .one
        .secrets
        .push("alpha-rotated-hook-c0ffee".to_owned());
    let ask = Ask::new(Method::POST, "/api/v2/voice-providers")
        .header("idempotency-key", "new-line")
        .json(&line);
    let made = ask.send(&world.server, Some(&world.one.bearer)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    vec![(ask, made)]
}

/// Examples are made up, and no scanner takes one for a token that was given away.
#[test]
fn the_document_holds_no_token() {
    let document = api::openapi_json();
    let words = document.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let tokens: Vec<_> = words
        .filter(|word| api::token::is_well_formed(word))
        .collect();
    assert!(tokens.is_empty(), "{tokens:?}");
}

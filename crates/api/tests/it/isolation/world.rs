//! Two tenants on one server, each with every kind of object and a word of its own in every field.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::TenantId;
use domain::ambient::{Clock, random_key};
use http::Method;
use serde_json::{Value, json};
use store::{Dispatch, Store, Tick};

use super::database::Database;
use super::leaks::{Canaries, ids_in};
use crate::support::{Account, Reply, Server, global};

/// A request that can be sent with any credential.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Everything of it that an answer may repeat.
    pub(super) fn text(&self) -> String {
        let body = self.body.as_deref().unwrap_or_default();
        format!("{} {} {:?} {body}", self.method, self.path, self.headers)
    }

    /// Sends it; `authorization` is the whole header.
    pub(crate) async fn send(&self, server: &Server, authorization: Option<&str>) -> Reply {
        let mut call = server
            .request(self.method.clone(), &self.path)
            .no_token()
            .header("x-request-id", "same");
        if let Some(value) = authorization {
            call = call.header("authorization", value);
        }
        for (name, value) in &self.headers {
            call = call.header(name, value);
        }
        if let Some(body) = &self.body {
            call = call.header("content-type", "application/json").text(body);
        }
        call.send().await
    }
}

/// A tenant with all it has.
#[expect(clippy::struct_field_names, reason = "an id is named alike everywhere")]
pub(crate) struct Tenant {
    /// In every text that is the tenant's.
    pub(super) word: &'static str,
    /// What all its phone numbers begin with.
    pub(super) area: &'static str,
    pub(super) tenant_id: TenantId,
    /// `Bearer` and the token of every scope.
    pub(crate) bearer: String,
    /// `Bearer` and a token, by the only scope it has; `none` has none.
    pub(super) weak: BTreeMap<&'static str, String>,
    /// Global ids and keys, by path parameter, or by `parameter/role`.
    pub(super) ids: BTreeMap<String, String>,
    /// What must never be told to anybody.
    pub(super) secrets: Vec<String>,
    pub(super) canaries: Canaries,
}

impl Tenant {
    /// The id of its object for a path parameter, in a role if it has one.
    pub(super) fn id(&self, parameter: &str, role: Option<&str>) -> &str {
        let name = match role {
            Some(role) => format!("{parameter}/{role}"),
            None => parameter.to_owned(),
        };
        let found = self.ids.get(&name);
        found.unwrap_or_else(|| {
            panic!("the tenants have no {name}: make one in `World::furnish` (isolation/world.rs)")
        })
    }

    /// A phone number of the tenant.
    pub(super) fn phone(&self, last: u32) -> String {
        format!("{}{last:04}", self.area)
    }

    fn keep(&mut self, name: &str, id: &Value) -> String {
        let id = id.as_str().unwrap().to_owned();
        self.ids.insert(name.to_owned(), id.clone());
        id
    }

    /// What it would write into a campaign.
    pub(super) fn campaign_body(&self) -> Value {
        let word = self.word;
        json!({
            "name": format!("{word} outreach"), "type": "OUTBOUND", "assistant_id": format!("asst_{word}"),
            "tenant_voice_provider_id": self.id("tenant_voice_provider_id", None), "dialer_type": "SINGLE",
            "phone_number_id": format!("pn_{word}"), "start_date": "2026-01-05", "timezone": "America/New_York",
            "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"],
            "daily_start_time": "09:00", "daily_end_time": "17:00",
            "max_call_attempts": 3, "max_daily_attempts": 1, "min_gap_between_attempts": 60,
            "webhook_url": format!("https://{word}.example.com/hook"), "metadata": { word: word },
        })
    }

    /// What it would write into a lead.
    pub(super) fn lead_body(&self, last: u32) -> Value {
        let word = self.word;
        json!({ "phone_number": self.phone(last), "first_name": word, "last_name": format!("{word}son"),
            "email": format!("{word}@example.com"), "custom_fields": { format!("{word}_key"): word } })
    }

    /// A report of the vendor about the call with this key.
    pub(super) fn report(&self, key: &str, call: &str, kind: &str) -> Value {
        let word = self.word;
        let about = json!({ "id": format!("{word}-{call}"), "name": key,
            "monitor": { "controlUrl": format!("https://api.vapi.ai/{word}/control") } });
        json!({ "message": {
            "type": kind, "status": "in-progress", "endedReason": "customer-ended-call", "cost": 0.25,
            "startedAt": "2026-01-05T15:00:00Z",
            "artifact": { "transcript": format!("AI: {word}"), "recordingUrl": format!("https://{word}.example.com/r.wav") },
            "analysis": { "summary": format!("{word} agreed"), "structuredData": { word: true } },
            "call": about,
        }})
    }
}

/// The server with two tenants.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(super) database: Database,
    pub(crate) one: Tenant,
    pub(super) other: Tenant,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = Server::with(|options| {
            options.public_url = Some("https://campanile.example.com".to_owned());
            options.metrics = Some(Arc::new(|| "# none\n".to_owned()));
        })
        .await;
        let database = Database::open(server.folder());
        let one = tenant(&server, "alphacanary", "+1628555").await;
        let other = tenant(&server, "betacanary", "+1646555").await;
        let mut world = Self {
            server,
            database,
            one,
            other,
        };
        furnish(&world.server, &mut world.one).await;
        furnish(&world.server, &mut world.other).await;
        world.dial().await;
        world
    }

    /// All that is kept of both.
    pub(super) fn rows(&self) -> String {
        let one = self.database.rows_of(self.one.tenant_id);
        one + &self.database.rows_of(self.other.tenant_id)
    }

    /// One call of each tenant is over, one is up.
    async fn dial(&mut self) {
        let mut dispatches = Vec::new();
        for _ in 0..4 {
            dispatches.extend(tick(&self.server).await);
            self.server.clock.advance(Duration::from_secs(2));
        }
        for tenant in [&mut self.one, &mut self.other] {
            let mut mine = dispatches
                .iter()
                .filter(|dispatch| dispatch.tenant_id == tenant.tenant_id);
            let (over, live) = (mine.next().unwrap(), mine.next().unwrap());
            tell(&self.server, tenant, over, "end-of-call-report").await;
            tell(&self.server, tenant, live, "status-update").await;
            for (role, dispatch) in [("", live), ("/over", over)] {
                let call_id = global("VoiceCall", dispatch.attempt_id.raw());
                tenant.ids.insert(format!("call_id{role}"), call_id.clone());
                tenant.canaries.ids.insert(call_id);
                let key = format!("attempt_key{role}");
                tenant.ids.insert(key, dispatch.attempt_key.clone());
                tenant.canaries.anywhere.push(dispatch.attempt_key.clone());
            }
        }
    }
}

/// Reserves what may be dialed now.
pub(super) async fn tick(server: &Server) -> Vec<Dispatch> {
    let entropy = Arc::clone(&server.entropy);
    let tick = Tick {
        now: server.clock.now(),
        keys: Box::new(move || random_key(entropy.as_ref(), "att_")),
        max_lines: 100,
        max_calls: 100,
    };
    server.store.tick(tick).await.unwrap().dispatches
}

async fn tell(server: &Server, tenant: &Tenant, dispatch: &Dispatch, kind: &str) {
    let path = format!("/hooks/vapi/{}", tenant.id("line_key", None));
    let key = &dispatch.attempt_key;
    let ask = Ask::new(Method::POST, path)
        .header("x-vapi-secret", tenant.id("webhook_secret", None))
        .json(&tenant.report(key, &format!("call-{}", dispatch.attempt_id.raw()), kind));
    let reply = ask.send(server, None).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

async fn tenant(server: &Server, word: &'static str, area: &'static str) -> Tenant {
    let record = server
        .store
        .ensure_tenant(word, server.clock.now())
        .await
        .unwrap();
    let tenant_id = record.tenant_id;
    let mut weak = BTreeMap::new();
    let scopes: [(&str, &[&str]); 3] = [("none", &[]), ("read", &["read"]), ("write", &["write"])];
    for (name, scopes) in scopes {
        let token = server.token_of(tenant_id, word, scopes).await;
        weak.insert(name, format!("Bearer {token}"));
    }
    let token = server
        .token_of(tenant_id, word, &["read", "write", "admin"])
        .await;
    let global_id = global("Tenant", tenant_id.raw());
    let secrets = vec![
        token.clone(),
        format!("{word}-api-key-c0ffee"),
        format!("{word}-webhook-secret-c0ffee"),
    ];
    let mut anywhere = vec![word.to_owned(), area.to_owned()];
    anywhere.extend(secrets.iter().cloned());
    Tenant {
        word,
        area,
        tenant_id,
        bearer: format!("Bearer {token}"),
        weak,
        ids: BTreeMap::from([
            ("tenant_id".to_owned(), global_id.clone()),
            ("provider".to_owned(), "vapi".to_owned()),
            ("webhook_secret".to_owned(), secrets[2].clone()),
        ]),
        secrets,
        canaries: Canaries {
            anywhere,
            ids: BTreeSet::from([global_id]),
        },
    }
}

async fn furnish(server: &Server, tenant: &mut Tenant) {
    let account = account(tenant.word, tenant.area);
    server.vendor.set_account(&tenant.secrets[1], account);
    lines_and_pools(server, tenant).await;
    let numbers = json!({ "test_call_numbers": [tenant.phone(199)] });
    make(server, tenant, Method::PATCH, "/api/v2/tenant", &numbers).await;
    let token = json!({ "name": tenant.word, "scopes": ["read"] });
    let token = make(server, tenant, Method::POST, "/api/v2/tokens", &token).await;
    tenant.keep("token_id", &token["token_id"]);
    let secret = token["token_secret"].as_str().unwrap().to_owned();
    tenant.secrets.push(secret.clone());
    tenant.canaries.anywhere.push(secret);

    for (name, commands) in [
        ("campaign_id/draft", &[][..]),
        ("campaign_id/stopped", &["start", "stop"]),
        ("campaign_id/paused", &["start", "pause"]),
        ("campaign_id", &["start"]),
    ] {
        campaign(server, tenant, name, commands).await;
    }
    leads(server, tenant).await;
}

/// What the tenant with this word has at the vendor: enough for a second page.
pub(super) fn account(word: &str, area: &str) -> Account {
    let numbers = [100, 101].map(|last| (format!("pn_{word}_{last}"), format!("{area}{last:04}")));
    Account {
        assistants: ["one", "two"]
            .map(|name| format!("asst_{word}_{name}"))
            .to_vec(),
        numbers: numbers.to_vec(),
    }
}

async fn lines_and_pools(server: &Server, tenant: &mut Tenant) {
    let word = tenant.word;
    for role in ["", "/spare"] {
        let mut body = json!({ "provider": "VAPI", "name": format!("{word} line"),
            "credentials": { "api_key": tenant.secrets[1] }, "webhook_secret": tenant.secrets[2],
            "max_calls_per_second": 5 });
        if !role.is_empty() {
            body["base_url"] = json!(format!("https://{word}.example.com"));
        }
        let line = make(
            server,
            tenant,
            Method::POST,
            "/api/v2/voice-providers",
            &body,
        )
        .await;
        let id = tenant.keep(
            &format!("tenant_voice_provider_id{role}"),
            &line["tenant_voice_provider_id"],
        );
        let url = line["callback_url"].as_str().unwrap();
        let key = url.split('/').nth(5).unwrap().to_owned();
        tenant.canaries.anywhere.push(key.clone());
        tenant.ids.insert(format!("line_key{role}"), key);
        let pool = json!({ "name": format!("{word} pool"), "tenant_voice_provider_id": id,
            "phone_numbers": [{ "phone_number_id": format!("pn_{word}"), "e164": tenant.phone(100) }] });
        let pool = make(
            server,
            tenant,
            Method::POST,
            "/api/v2/phone-number-pools",
            &pool,
        )
        .await;
        tenant.keep(
            &format!("phone_number_pool_id{role}"),
            &pool["phone_number_pool_id"],
        );
    }
    // One line without a pool can be deleted.
    let body = json!({ "provider": "VAPI", "name": word, "credentials": { "api_key": tenant.secrets[1] } });
    let line = make(
        server,
        tenant,
        Method::POST,
        "/api/v2/voice-providers",
        &body,
    )
    .await;
    tenant.keep(
        "tenant_voice_provider_id/bare",
        &line["tenant_voice_provider_id"],
    );
}

async fn campaign(server: &Server, tenant: &mut Tenant, name: &str, commands: &[&str]) {
    let body = tenant.campaign_body();
    let made = make(
        server,
        tenant,
        Method::POST,
        "/api/v2/voice-campaigns",
        &body,
    )
    .await;
    let id = tenant.keep(name, &made["campaign_id"]);
    let path = format!("/api/v2/voice-campaigns/{id}");
    let change = json!({ "metadata": { tenant.word: "twice" } });
    make(server, tenant, Method::PATCH, &path, &change).await;
    for command in commands {
        let path = format!("{path}/{command}");
        make(server, tenant, Method::POST, &path, &json!({})).await;
    }
}

async fn leads(server: &Server, tenant: &mut Tenant) {
    let id = tenant.id("campaign_id", None).to_owned();
    let path = format!("/api/v2/voice-campaigns/{id}/leads");
    for (last, role) in [(1, "/over"), (2, "/live"), (3, "")] {
        let mut body = tenant.lead_body(last);
        if role.is_empty() {
            body["not_before"] = json!("2026-01-06T15:00:00Z");
        }
        let lead = make(server, tenant, Method::POST, &path, &body).await;
        tenant.keep(
            &format!("campaign_lead_id{role}"),
            &lead["campaign_lead_id"],
        );
    }
    let draft = tenant.id("campaign_id/draft", None).to_owned();
    let path = format!("/api/v2/voice-campaigns/{draft}/leads/bulk");
    let bulk = json!([tenant.lead_body(4), tenant.lead_body(5)]);
    let import = make(server, tenant, Method::POST, &path, &bulk).await;
    tenant.keep("import_id", &import["import_id"]);
    let now = server.clock.now();
    while server.store.run_imports(now, 100).await.unwrap() {}
}

async fn make(
    server: &Server,
    tenant: &mut Tenant,
    method: Method,
    path: &str,
    body: &Value,
) -> Value {
    let ask = Ask::new(method, path).json(body);
    let reply = ask.send(server, Some(&tenant.bearer)).await;
    assert!(reply.status.is_success(), "{path}: {}", reply.body);
    ids_in(&reply.body, &mut tenant.canaries.ids);
    reply.body["data"].clone()
}

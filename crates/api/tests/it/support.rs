//! A server with a store in a temporary folder, a clock that stands still, and a vendor that does
//! as it is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{Api, Health, Options};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use domain::ambient::{Clock, Entropy};
use domain::{CampaignId, LineId, PoolId, TenantId};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use providers::{ProviderAnswer, ProviderRequest, SendGuard, Transport, TransportError};
use serde_json::{Value, json};
use store::{
    Caller, NewLine, NewToken, PoolContent, PoolNumber, PoolStrategy, Scopes, Store, Vault, Written,
};
use store_sqlite::{Access, SqliteStore};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::contract::Document;

/// The key of the account that [`Server::line`] uses.
pub(crate) const API_KEY: &str = "secret-key";

/// A Monday morning in New York.
pub(crate) const NOW: &str = "2026-01-05T15:00:00Z";

pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn at(text: &str) -> Self {
        Self(AtomicI64::new(
            text.parse::<Timestamp>().unwrap().as_microsecond(),
        ))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

pub(crate) struct TestEntropy(Mutex<u64>);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = u8::try_from(*state >> 56).unwrap();
        }
    }
}

/// How the vendor is disposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Unauthorized,
    Broken,
    Down,
    /// Answers with this status, and repeats the whole request in its words.
    Echoing(u16),
}

/// What an account at the vendor has, in the order of the vendor's lists.
#[derive(Clone)]
pub(crate) struct Account {
    /// Ids of assistants.
    pub(crate) assistants: Vec<String>,
    /// Ids of caller numbers, and the numbers.
    pub(crate) numbers: Vec<(String, String)>,
}

impl Account {
    fn usual() -> Self {
        Self {
            assistants: vec!["asst_1".to_owned()],
            numbers: vec![("pn_listed".to_owned(), "+14155550101".to_owned())],
        }
    }

    fn list(&self, collection: &str) -> Value {
        if collection == "phone-number" {
            let row = |(id, number): &(String, String)| json!({ "id": id, "number": number, "name": "One" });
            return self.numbers.iter().map(row).collect();
        }
        let row = |id: &String| json!({ "id": id, "name": "One" });
        self.assistants.iter().map(row).collect()
    }
}

/// Knows the objects `asst_…` and `pn_…` but for those with `missing` in their id.
pub(crate) struct Vendor {
    mood: Mutex<Mood>,
    requests: AtomicUsize,
    /// Addresses that were told to hang up.
    hang_ups: Mutex<Vec<String>>,
    /// Calls as the vendor knows them, by id; it refuses to hang up those that are over.
    calls: Mutex<HashMap<String, Value>>,
    /// What its accounts have, by API key; those that nobody set are all alike.
    accounts: Mutex<HashMap<String, Account>>,
    /// Requests wait until this is true.
    answers: watch::Sender<bool>,
}

impl Vendor {
    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Keeps requests waiting, or lets them go on.
    pub(crate) fn set_answering(&self, answers: bool) {
        self.answers.send_replace(answers);
    }

    /// What it says of a call.
    pub(crate) fn set_call(&self, id: &str, call: Value) {
        self.calls.lock().unwrap().insert(id.to_owned(), call);
    }

    /// What the account with this API key has.
    pub(crate) fn set_account(&self, api_key: &str, account: Account) {
        let mut accounts = self.accounts.lock().unwrap();
        accounts.insert(api_key.to_owned(), account);
    }

    fn account(&self, headers: &HeaderMap) -> Account {
        let authorization = headers["authorization"].to_str().unwrap();
        let api_key = authorization.strip_prefix("Bearer ").unwrap();
        let accounts = self.accounts.lock().unwrap();
        accounts
            .get(api_key)
            .cloned()
            .unwrap_or_else(Account::usual)
    }

    /// Addresses that were told to hang up so far.
    pub(crate) fn hang_ups(&self) -> Vec<String> {
        self.hang_ups.lock().unwrap().clone()
    }

    /// Waits until it got so many requests.
    pub(crate) async fn requested(&self, requests: usize) {
        while self.requests() < requests {
            tokio::task::yield_now().await;
        }
    }

    fn control(&self, url: &url::Url) -> (u16, Value) {
        self.hang_ups.lock().unwrap().push(url.to_string());
        let calls = self.calls.lock().unwrap();
        let over = calls.iter().any(|(id, call)| {
            call["status"] == "ended" && url.path().split('/').any(|part| part == id)
        });
        if over {
            return (400, json!({ "message": "Call has already ended." }));
        }
        (200, json!({ "success": true }))
    }

    /// How many requests it got so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Transport for Vendor {
    async fn exchange(
        &self,
        request: ProviderRequest,
        _: Duration,
    ) -> Result<ProviderAnswer, TransportError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let answer = |status: u16, body: Value| {
            Ok(ProviderAnswer {
                status,
                headers: HeaderMap::new(),
                body: Bytes::from(body.to_string()),
            })
        };
        let mut answers = self.answers.subscribe();
        answers.wait_for(|answers| *answers).await.unwrap();
        match *self.mood.lock().unwrap() {
            Mood::Well => {}
            Mood::Unauthorized => return answer(401, json!({ "message": "Invalid Key." })),
            Mood::Broken => return answer(500, json!({ "message": "Internal Server Error" })),
            Mood::Echoing(status) => {
                let headers = request.headers.values().map(HeaderValue::to_str);
                let headers: Vec<_> = headers.map(Result::unwrap).collect();
                let words = format!("{} {} {:?}", headers.join(" "), request.url, request.body);
                return answer(status, json!({ "message": words }));
            }
            Mood::Down => return Err(TransportError::never_sent("connection refused")),
        }
        let url = url::Url::parse(&request.url).unwrap();
        if request.method == Method::POST {
            let (status, body) = self.control(&url);
            return answer(status, body);
        }
        let id = url.path().rsplit('/').next().unwrap().to_owned();
        if let Some(call) = self.calls.lock().unwrap().get(&id) {
            return answer(200, call.clone());
        }
        if url.query().is_some() {
            return answer(200, self.account(&request.headers).list(&id));
        }
        if id.contains("missing") {
            return answer(404, json!({ "message": "Not found" }));
        }
        answer(200, json!({ "id": id, "name": "Named" }))
    }

    async fn place(
        &self,
        request: ProviderRequest,
        _: Duration,
        _: SendGuard,
    ) -> Result<ProviderAnswer, TransportError> {
        panic!("the API placed a call: {}", request.url)
    }
}

/// The dialer's health as a test sets it.
pub(crate) struct TestHealth(
    pub(crate) Mutex<Result<(), String>>,
    /// Why nothing is dialed.
    pub(crate) Mutex<Option<String>>,
);

impl Health for TestHealth {
    fn dialer_alive(&self) -> Result<(), String> {
        self.0.lock().unwrap().clone()
    }

    fn dialing_withheld(&self) -> Option<String> {
        self.1.lock().unwrap().clone()
    }
}

pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) vendor: Arc<Vendor>,
    pub(crate) health: Arc<TestHealth>,
    pub(crate) entropy: Arc<TestEntropy>,
    pub(crate) tenant_id: TenantId,
    /// A token with every scope.
    pub(crate) token: String,
    folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let (server, api) = Self::assemble(change).await;
        Self {
            router: api::router(api),
            ..server
        }
    }

    /// The server without a router, and what it would serve.
    pub(crate) async fn assemble(change: impl FnOnce(&mut Options)) -> (Self, Api) {
        let folder = tempfile::tempdir().unwrap();
        let options = store_sqlite::Options {
            access: Access::Owner,
            readers: 1,
            patience_of: lines::patience_of,
            reserve_bytes: 0,
            on_failed_sync: |reason| panic!("{reason}"),
        };
        let store = Arc::new(SqliteStore::open(&folder.path().join("test.db"), options).unwrap());
        let clock = Arc::new(TestClock::at(NOW));
        let vendor = Arc::new(Vendor {
            mood: Mutex::new(Mood::Well),
            requests: AtomicUsize::new(0),
            hang_ups: Mutex::default(),
            calls: Mutex::default(),
            accounts: Mutex::default(),
            answers: watch::Sender::new(true),
        });
        let health = Arc::new(TestHealth(Mutex::new(Ok(())), Mutex::default()));
        let entropy = Arc::new(TestEntropy(Mutex::new(1)));
        let mut options = Options {
            rate_limit_per_second: 100_000,
            rate_limit_burst: 100_000,
            ..Options::default()
        };
        change(&mut options);
        let api = Api {
            store: Arc::clone(&store) as Arc<dyn Store>,
            vault: vault(),
            transport: Arc::clone(&vendor) as Arc<dyn Transport>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::clone(&entropy) as Arc<dyn Entropy>,
            health: Arc::clone(&health) as Arc<dyn Health>,
            options,
        };
        let tenant = store.ensure_tenant("acme", clock.now()).await.unwrap();
        let mut server = Self {
            router: Router::new(),
            store,
            clock,
            vendor,
            health,
            entropy,
            tenant_id: tenant.tenant_id,
            token: String::new(),
            folder,
        };
        server.token = server.token_with("all", &["read", "write", "admin"]).await;
        (server, api)
    }

    /// Where the database is.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A token of the tenant with these scopes.
    pub(crate) async fn token_with(&self, name: &str, scopes: &[&str]) -> String {
        self.token_of(self.tenant_id, name, scopes).await
    }

    pub(crate) async fn token_of(
        &self,
        tenant_id: TenantId,
        name: &str,
        scopes: &[&str],
    ) -> String {
        let secret = api::token::generate(self.entropy.as_ref());
        let token = NewToken {
            name: name.to_owned(),
            scopes: Scopes::from_names(scopes.iter().copied()).unwrap(),
            hash: api::token::hash(&secret),
            masked: api::token::mask(&secret),
            expires_at: None,
        };
        self.store
            .create_token(self.caller(tenant_id), token, None)
            .await
            .unwrap();
        secret
    }

    /// Another tenant's token with every scope.
    pub(crate) async fn stranger(&self) -> String {
        let tenant = self
            .store
            .ensure_tenant("stranger", self.clock.now())
            .await
            .unwrap();
        self.token_of(tenant.tenant_id, "all", &["read", "write", "admin"])
            .await
    }

    pub(crate) fn caller(&self, tenant_id: TenantId) -> Caller {
        Caller {
            tenant_id,
            token_id: None,
            now: self.clock.now(),
        }
    }

    /// A line of the tenant.
    pub(crate) async fn line(&self) -> LineId {
        let line_key = domain::ambient::random_key(self.entropy.as_ref(), "");
        let mut nonce = [0; 24];
        self.entropy.fill(&mut nonce);
        let credentials = json!({ "api_key": API_KEY }).to_string();
        let line = NewLine {
            provider: "VAPI".to_owned(),
            name: "Main".to_owned(),
            base_url: None,
            sealed_credentials: vault().seal(
                credentials.as_bytes(),
                &lines::credentials_context(&line_key),
                nonce,
            ),
            sealed_webhook_secret: vault().seal(
                b"hook-secret",
                &lines::webhook_secret_context(&line_key),
                nonce,
            ),
            line_key,
            max_concurrent_calls: 10,
            max_calls_per_second: 5,
        };
        match self
            .store
            .create_line(self.caller(self.tenant_id), line, None)
            .await
            .unwrap()
        {
            Written::Fresh(record) => record.line_id,
            Written::Replayed(_) => panic!("replayed"),
        }
    }

    /// A pool of the tenant with one number, enabled or not.
    pub(crate) async fn pool(&self, line_id: LineId, enabled: bool) -> PoolId {
        let number = PoolNumber {
            phone_number_id: "pn_1".to_owned(),
            e164: None,
            max_concurrent_calls: None,
            enabled,
        };
        let content = PoolContent {
            name: format!("Pool {enabled}"),
            line_id,
            strategy: PoolStrategy::RoundRobin,
            numbers: vec![number],
        };
        match self
            .store
            .create_pool(self.caller(self.tenant_id), content, None)
            .await
            .unwrap()
        {
            Written::Fresh(record) => record.pool_id,
            Written::Replayed(_) => panic!("replayed"),
        }
    }

    /// A campaign through the API; answers its global id.
    pub(crate) async fn campaign(&self, line_id: LineId) -> String {
        let reply = self
            .post("/api/v2/voice-campaigns", &campaign_body(line_id))
            .await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body["data"]["campaign_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::POST, path).json(body).send().await
    }

    pub(crate) async fn command(&self, path: &str) -> Reply {
        self.request(Method::POST, path).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::PATCH, path).json(body).send().await
    }

    pub(crate) async fn delete_with(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::DELETE, path).json(body).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path).send().await
    }

    /// A request with the token of every scope.
    pub(crate) fn request(&self, method: Method, path: &str) -> Call<'_> {
        let builder = Request::builder().method(method).uri(path);
        Call {
            server: self,
            builder,
            token: Some(self.token.clone()),
            body: Body::empty(),
        }
    }
}

pub(crate) fn vault() -> Vault {
    Vault::new(&[7; 32])
}

pub(crate) fn global(kind: &str, id: i64) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{kind}:{id}"))
}

/// The number in a campaign's global id.
pub(crate) fn campaign_number(global: &str) -> CampaignId {
    use base64::Engine as _;
    let plain = base64::engine::general_purpose::STANDARD
        .decode(global)
        .unwrap();
    let (_, number) = std::str::from_utf8(&plain)
        .unwrap()
        .split_once(':')
        .unwrap();
    CampaignId::from_raw(number.parse().unwrap())
}

/// A sound outbound campaign.
pub(crate) fn campaign_body(line_id: LineId) -> Value {
    json!({
        "name": "Q4 Outreach", "type": "OUTBOUND", "assistant_id": "asst_abc123",
        "tenant_voice_provider_id": global("TenantVoiceProvider", line_id.raw()), "dialer_type": "SINGLE",
        "phone_number_id": "pn_abc123", "start_date": "2026-01-05", "timezone": "America/New_York",
        "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"],
        "daily_start_time": "09:00", "daily_end_time": "17:00",
        "max_call_attempts": 3, "max_daily_attempts": 1, "min_gap_between_attempts": 60,
    })
}

pub(crate) struct Call<'a> {
    server: &'a Server,
    builder: http::request::Builder,
    token: Option<String>,
    body: Body,
}

impl Call<'_> {
    pub(crate) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub(crate) fn no_token(mut self) -> Self {
        self.token = None;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
            .header("content-type", "application/json")
    }

    pub(crate) fn text(mut self, body: &str) -> Self {
        self.body = Body::from(body.to_owned());
        self
    }

    pub(crate) async fn send(mut self) -> Reply {
        if let Some(token) = &self.token {
            self.builder = self
                .builder
                .header("authorization", format!("Bearer {token}"));
        }
        let request = self.builder.body(self.body).unwrap();
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let response = self.server.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let reply = Reply {
            status: parts.status,
            headers: parts.headers,
            bytes,
            body,
        };
        Document::get().hold(&method, &path, &reply);
        reply
    }
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// `field: code` of each fault, sorted.
    pub(crate) fn faults(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        let mut faults: Vec<_> = errors
            .map(|fault| {
                format!(
                    "{}: {}",
                    fault["field"].as_str().unwrap(),
                    fault["code"].as_str().unwrap()
                )
            })
            .collect();
        faults.sort();
        faults
    }
}

//! One installation in virtual time: an embedded store, and providers that answer as told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dialer::{Core, Options, Parts, SystemClock, SystemEntropy};
use domain::ambient::Clock;
use domain::attempt::Patience;
use domain::campaign::CampaignCommand;
use domain::{CampaignId, PhoneNumber};
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use providers::{ProviderAnswer, ProviderRequest, SendGuard, Transport, TransportError};
use serde_json::{Value, json};
use store::conformance::fixture::{draft, fresh, new_campaign, order, tenant};
use store::{Caller, LeadFields, LineRecord, NewLead, NewLine, OnDuplicate, Store, Vault};
use store_postgres::PostgresStore;
use store_sqlite::{Access, SqliteStore};
use tempfile::TempDir;
use tokio::time::Instant;

/// The instant on the clock that the tests move.
pub(crate) fn instant() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time is read from the runtime that moves it"
    )]
    Instant::now()
}

/// Wall-clock time that passes with the runtime's.
pub(crate) struct VirtualClock {
    began_at: Timestamp,
    began: Instant,
    /// How far somebody has set it.
    set_by: Mutex<SignedDuration>,
}

impl VirtualClock {
    /// Somebody sets it.
    pub(crate) fn set_by(&self, by: SignedDuration) {
        *self.set_by.lock().unwrap() += by;
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let passed = instant().duration_since(self.began);
        let passed = SignedDuration::from_micros(i64::try_from(passed.as_micros()).unwrap());
        self.began_at + passed + *self.set_by.lock().unwrap()
    }

    fn uptime(&self) -> Option<Duration> {
        Some(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        instant().duration_since(self.began)
    }
}

/// How a provider answers.
#[derive(Debug, Clone, Default)]
pub(crate) enum Habit {
    /// It takes every call, and lists none.
    #[default]
    Empty,
    /// The same, with this date on its answers.
    Dated(String),
    /// It takes requests and never answers.
    Hangs,
    /// It takes calls and its answers are lost. Its list has so many calls of others a second besides, and
    /// tells the right time; those it took are in it, or it never had them.
    Crowded {
        /// Calls of others.
        per_second: i64,
        /// Whether it has the calls it took.
        has_ours: bool,
    },
    /// It takes every call, and fails at everything else.
    TakesCallsOnly,
    /// Nobody listens there.
    Refused,
    /// It answers requests to place calls, and all others, with these statuses.
    Answers {
        /// To a request to place a call.
        places: u16,
        /// To any other.
        reads: u16,
    },
}

/// The network: every call is placed and was answered when it is asked about, every list is empty,
/// unless told otherwise.
#[derive(Default)]
pub(crate) struct Network {
    habits: Mutex<HashMap<String, Habit>>,
    /// When each call was sent that was placed.
    pub(crate) sent: Mutex<Vec<Instant>>,
    /// Whom these calls were to.
    pub(crate) called: Mutex<Vec<String>>,
    /// When each request to place a call was made, whatever came of it.
    pub(crate) tried: Mutex<Vec<Instant>>,
    /// Host and begin of each look-up.
    pub(crate) asked: Mutex<Vec<(String, Instant)>>,
    /// The clock of those that tell the time.
    clock: OnceLock<Arc<VirtualClock>>,
    /// What a crowded provider took, and when.
    taken: Mutex<Vec<(Timestamp, Value)>>,
    under_way: Mutex<HashMap<String, usize>>,
    /// Most look-ups at the same time, by host.
    pub(crate) most: Mutex<HashMap<String, usize>>,
}

impl Network {
    pub(crate) fn teach(&self, host: &str, habit: Habit) {
        self.habits.lock().unwrap().insert(host.to_owned(), habit);
    }

    /// The newest calls of a window, as a crowded provider lists them.
    fn crowd(&self, url: &str, per_second: i64) -> String {
        let url = url::Url::parse(url).unwrap();
        let end = |name: &str| -> i64 {
            let value = url
                .query_pairs()
                .find(|(known, _)| known == name)
                .unwrap()
                .1;
            value.parse::<Timestamp>().unwrap().as_microsecond()
        };
        let (from, until) = (end("createdAtGe"), end("createdAtLe"));
        let apart = 1_000_000 / per_second;
        let others = ((from + apart - 1) / apart..=until / apart).rev().map(|number| {
            let at = Timestamp::from_microsecond(number * apart).unwrap();
            json!({ "id": format!("other-{number}"), "status": "ended", "createdAt": at.to_string() })
        });
        let ours = self.taken.lock().unwrap();
        let ours = ours.iter().enumerate().filter(|(_, (at, _))| {
            let at = at.as_microsecond();
            from <= at && at <= until
        });
        let ours = ours.map(|(number, (at, body))| {
            let mut call = body.clone();
            call["id"] = format!("{CALL_IDS}{number:012}").into();
            call["status"] = "ringing".into();
            call["createdAt"] = at.to_string().into();
            call
        });
        let mut calls: Vec<Value> = others.take(MOST_LISTED).chain(ours).collect();
        calls.sort_by_key(|call| std::cmp::Reverse(call["createdAt"].as_str().unwrap().to_owned()));
        calls.truncate(MOST_LISTED);
        Value::Array(calls).to_string()
    }

    fn habit(&self, host: &str) -> Habit {
        let habits = self.habits.lock().unwrap();
        habits.get(host).cloned().unwrap_or_default()
    }

    fn wall_clock(&self) -> Arc<VirtualClock> {
        Arc::clone(self.clock.get().unwrap())
    }

    /// Takes the request and answers nothing.
    async fn hang(&self, host: &str, timeout: Duration) -> TransportError {
        self.count(host, true);
        tokio::time::sleep(timeout).await;
        self.count(host, false);
        TransportError::lost("no answer in time")
    }

    fn count(&self, host: &str, up: bool) {
        let mut under_way = self.under_way.lock().unwrap();
        let count = under_way.entry(host.to_owned()).or_default();
        *count = if up { *count + 1 } else { *count - 1 };
        let mut most = self.most.lock().unwrap();
        let most = most.entry(host.to_owned()).or_default();
        *most = (*most).max(*count);
    }
}

/// As Vapi documents it.
const MOST_LISTED: usize = 1_000;
/// What the ids of placed calls begin with.
const CALL_IDS: &str = "00000000-0000-4000-8000-";
/// What is said with a status that is no success.
const UNWILLING: &str = r#"{"message":"not today"}"#;

fn answer(status: u16, body: &str) -> ProviderAnswer {
    ProviderAnswer {
        status,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn refused() -> TransportError {
    TransportError::never_sent("connection refused")
}

fn host_of(url: &str) -> String {
    url::Url::parse(url).unwrap().host_str().unwrap().to_owned()
}

#[async_trait]
impl Transport for Network {
    async fn place(
        &self,
        request: ProviderRequest,
        timeout: Duration,
        guard: SendGuard,
    ) -> Result<ProviderAnswer, TransportError> {
        let host = host_of(&request.url);
        let habit = self.habit(&host);
        self.tried.lock().unwrap().push(instant());
        if matches!(habit, Habit::Refused) {
            return Err(refused());
        }
        if !guard() {
            return Err(TransportError::withdrawn());
        }
        match habit {
            Habit::Hangs => return Err(self.hang(&host, timeout).await),
            Habit::Answers { places, .. } => return Ok(answer(places, UNWILLING)),
            Habit::Empty
            | Habit::Dated(_)
            | Habit::Crowded { .. }
            | Habit::TakesCallsOnly
            | Habit::Refused => {}
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if let Habit::Crowded { has_ours, .. } = habit {
            if has_ours {
                let at = self.wall_clock().now();
                self.taken.lock().unwrap().push((at, body));
            }
            return Err(TransportError::lost("the answer was lost"));
        }
        let to = body["customer"]["number"].as_str().unwrap().to_owned();
        self.called.lock().unwrap().push(to);
        let number = {
            let mut sent = self.sent.lock().unwrap();
            sent.push(instant());
            sent.len()
        };
        let body = format!(r#"{{"id":"{CALL_IDS}{number:012}","status":"queued"}}"#);
        Ok(answer(201, &body))
    }

    async fn exchange(
        &self,
        request: ProviderRequest,
        timeout: Duration,
    ) -> Result<ProviderAnswer, TransportError> {
        let host = host_of(&request.url);
        self.asked.lock().unwrap().push((host.clone(), instant()));
        let id = request.url.rsplit('/').next().unwrap();
        let body = if id.starts_with(CALL_IDS) {
            format!(r#"{{"id":"{id}","status":"ended","endedReason":"customer-ended-call"}}"#)
        } else {
            "[]".to_owned()
        };
        let mut found = answer(200, &body);
        match self.habit(&host) {
            Habit::Empty | Habit::Answers { reads: 200, .. } => {}
            Habit::Dated(date) => {
                let date = HeaderValue::from_str(&date).unwrap();
                found.headers.insert(http::header::DATE, date);
            }
            Habit::Crowded { per_second, .. } => {
                if request.url.contains("createdAtGe") {
                    found = answer(200, &self.crowd(&request.url, per_second));
                }
                let date = self
                    .wall_clock()
                    .now()
                    .strftime("%a, %d %b %Y %H:%M:%S GMT");
                let date = HeaderValue::from_str(&date.to_string()).unwrap();
                found.headers.insert(http::header::DATE, date);
            }
            Habit::Hangs => return Err(self.hang(&host, timeout).await),
            Habit::Refused => return Err(refused()),
            Habit::TakesCallsOnly => return Ok(answer(503, UNWILLING)),
            Habit::Answers { reads, .. } => return Ok(answer(reads, UNWILLING)),
        }
        Ok(found)
    }
}

fn node_options(database: &str, dials: bool) -> store_postgres::Options {
    let address = postgres_cluster::shared().address(database);
    store_postgres::Options {
        address: address.parse().unwrap(),
        connections: 6,
        patience_of: patience,
        dials,
        marker: None,
    }
}

/// A store, a network and a dialer's parts.
pub(crate) struct Scene {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) network: Arc<Network>,
    pub(crate) clock: Arc<VirtualClock>,
    vault: Vault,
    place: Place,
}

/// Where its database is, as long as it lives.
enum Place {
    Folder(#[expect(dead_code, reason = "kept until the end")] TempDir),
    Database(String),
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Database(name) = self {
            postgres_cluster::shared().drop_database(name);
        }
    }
}

fn patience(_: &str) -> Patience {
    Patience {
        list_settle_ms: 900_000,
        max_ring_ms: 300_000,
        max_talk_ms: 1_800_000,
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let options = store_sqlite::Options {
            access: Access::Simulated,
            readers: 1,
            patience_of: patience,
            reserve_bytes: 0,
            on_failed_sync: |failure| panic!("{failure}"),
        };
        let path = directory.path().join("campanile.db");
        let store = Arc::new(SqliteStore::open(&path, options).unwrap());
        Self::over(
            store,
            store::conformance::fixture::morning(),
            Place::Folder(directory),
        )
    }

    /// On PostgreSQL, with a clock that agrees with the server's; in real time.
    pub(crate) async fn on_postgresql() -> Self {
        let database = postgres_cluster::shared().empty_database();
        let store = PostgresStore::open(&node_options(&database, true)).await;
        let store = Arc::new(store.unwrap());
        Self::over(store, SystemClock.now(), Place::Database(database))
    }

    fn over(store: Arc<dyn Store>, began_at: Timestamp, place: Place) -> Self {
        let clock = Arc::new(VirtualClock {
            began_at,
            began: instant(),
            set_by: Mutex::default(),
        });
        let network = Network {
            clock: OnceLock::from(Arc::clone(&clock)),
            ..Network::default()
        };
        Self {
            store,
            network: Arc::new(network),
            clock,
            vault: Vault::new(&[7; 32]),
            place,
        }
    }

    /// Another process on the same PostgreSQL database.
    pub(crate) fn other_node(&self, dials: bool) -> PostgresStore {
        let Place::Database(database) = &self.place else {
            panic!("a file has one process");
        };
        PostgresStore::connect(&node_options(database, dials)).unwrap()
    }

    /// Sessions that listen for hints; one that only tells them has told none yet.
    pub(crate) fn listeners(&self) -> usize {
        let Place::Database(database) = &self.place else {
            panic!("a file has one process");
        };
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND query ~ '^(LISTEN|NOTIFY) ' AND state = 'idle'";
        let count = postgres_cluster::shared().admin(database, sql);
        count.parse().unwrap()
    }

    pub(crate) fn parts(&self) -> Parts {
        Parts {
            store: self.store.clone(),
            vault: self.vault.clone(),
            transport: self.network.clone(),
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy),
            options: Options {
                public_url: None,
                sandbox_base_url: None,
                time_scale: 1.0,
                list_retry_pauses: dialer::LIST_RETRY_PAUSES,
                scan_period: dialer::SCAN_PERIOD,
            },
        }
    }

    pub(crate) fn core(&self) -> Core {
        Core::new(self.parts())
    }

    /// A tenant's line at this host.
    pub(crate) async fn line(&self, caller: Caller, host: &str, limits: (u32, u32)) -> LineRecord {
        let line_key = format!("key-{host}");
        let seal = |plain: &[u8], context: &str| self.vault.seal(plain, context, [1; 24]);
        let line = NewLine {
            provider: "VAPI".to_owned(),
            name: host.to_owned(),
            base_url: Some(format!("https://{host}")),
            sealed_credentials: seal(
                br#"{"api_key":"secret"}"#,
                &lines::credentials_context(&line_key),
            ),
            sealed_webhook_secret: seal(b"whsec", &lines::webhook_secret_context(&line_key)),
            line_key,
            max_concurrent_calls: limits.0,
            max_calls_per_second: limits.1,
        };
        fresh(self.store.create_line(caller, line, None).await.unwrap())
    }

    /// A tenant with a RUNNING campaign of so many leads on a line at this host, which takes so
    /// many calls at once and per second.
    pub(crate) async fn campaign(
        &self,
        host: &str,
        limits: (u32, u32),
        leads: u32,
    ) -> (Caller, CampaignId) {
        let caller = tenant(self.store.as_ref(), host).await;
        let caller = Caller {
            now: self.clock.now(),
            ..caller
        };
        let line = self.line(caller, host, limits).await;
        let campaign = new_campaign(draft(line.line_id));
        let made = self.store.create_campaign(caller, campaign, None).await;
        let id = fresh(made.unwrap()).campaign_id;
        for n in 0..leads {
            let phone = PhoneNumber::parse(&format!("+1415555{n:04}")).unwrap();
            let lead = NewLead::new(phone, LeadFields::default());
            self.store
                .add_lead(caller, id, lead, OnDuplicate::Skip, None)
                .await
                .unwrap();
        }
        order(self.store.as_ref(), caller, id, CampaignCommand::Start).await;
        (caller, id)
    }

    /// Reserves calls until there are so many whose sender then vanishes.
    pub(crate) async fn lose_calls(&self, core: &Core, count: usize) {
        let mut lost = 0;
        while lost < count {
            for dispatch in core.tick().await.unwrap().0.dispatches {
                self.store.send_board().forget(dispatch.attempt_id);
                lost += 1;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(lost, count);
    }
}

/// Lets time pass until `met`.
pub(crate) async fn until(what: &str, mut met: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if met() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

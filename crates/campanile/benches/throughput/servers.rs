//! The processes under measurement.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Figure;
use crate::client::Connection;
use crate::machine;

/// A well-formed token, for the bootstrap of a fresh database.
pub(crate) fn bootstrap_token() -> String {
    api::token::generate(&dialer::SystemEntropy)
}

/// A child process that ends with its value.
pub(crate) struct Running {
    child: Child,
    pub(crate) host: String,
    pub(crate) token: String,
    database: Option<Database>,
    /// What must outlive the process.
    files: Option<tempfile::TempDir>,
}

/// Where a server keeps its data, and its key in a folder of ours that goes with it.
pub(crate) struct Database {
    url: String,
    directory: tempfile::TempDir,
    /// What must outlive every server on it.
    _keeper: Option<Arc<dyn Send + Sync>>,
}

/// The URL of other databases than SQLite, with `{number}` in it.
static OTHER_DATABASE: OnceLock<String> = OnceLock::new();

/// Lets the servers use databases of another kind.
pub(crate) fn use_database(url: String) {
    assert!(
        url.contains("{number}"),
        "every measurement needs a database of its own: put {{number}} into the URL"
    );
    let _ = OTHER_DATABASE.set(url);
}

pub(crate) fn uses_other_database() -> bool {
    OTHER_DATABASE.get().is_some()
}

impl Database {
    /// The next empty one.
    fn fresh() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let directory = tempfile::tempdir_in(machine::DISK).unwrap();
        let url = match OTHER_DATABASE.get() {
            Some(url) => {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
                url.replace("{number}", &number)
            }
            None => format!("sqlite://{}", directory.path().join("bench.db").display()),
        };
        Self {
            url,
            directory,
            _keeper: None,
        }
    }

    /// One that is there, and kept by `keeper`.
    pub(crate) fn at(url: String, keeper: Arc<dyn Send + Sync>) -> Self {
        Self {
            url,
            directory: tempfile::tempdir_in(machine::DISK).unwrap(),
            _keeper: Some(keeper),
        }
    }

    fn key_file(&self) -> String {
        self.directory
            .path()
            .join("campanile.key")
            .display()
            .to_string()
    }

    /// The same key for another server of the same installation.
    pub(crate) fn copy_key_of(&self, other: &Self) {
        std::fs::copy(other.key_file(), self.key_file()).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Seconds of processor time used so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        machine::cpu_seconds(self.child.id())
    }

    /// Resident memory, MiB.
    pub(crate) fn memory_mib(&self) -> f64 {
        machine::memory_mib(self.child.id(), "VmRSS:")
    }

    /// The most resident memory so far, MiB.
    pub(crate) fn peak_memory_mib(&self) -> f64 {
        machine::memory_mib(self.child.id(), "VmHWM:")
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    /// Ends the process without a word to it, and hands over its database.
    pub(crate) fn kill(mut self) -> Database {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.database.take().unwrap()
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(&self.host, Some(&self.token)).await
    }
}

fn start(arguments: &[&str], environment: &[(&str, &str)], token: String) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command
        .args(arguments)
        .args(["--log-level", "error"])
        .envs(environment.iter().copied());
    start_program(&mut command, token)
}

/// Starts a program that says nothing of where it listens.
pub(crate) fn start_silent(command: &mut Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Running {
        child: command.spawn().expect("the program starts"),
        host: String::new(),
        token: String::new(),
        database: None,
        files: None,
    }
}

/// Starts a program that says where it listens in its first line.
pub(crate) fn start_program(command: &mut Command, token: String) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let host = line
        .trim()
        .rsplit("http://")
        .next()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    Running {
        child,
        host,
        token,
        database: None,
        files: None,
    }
}

/// The sandbox in a process of its own.
pub(crate) fn sandbox(scenario: &Value) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scenario.json");
    std::fs::write(&path, scenario.to_string()).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let arguments = ["sandbox", "--listen", "127.0.0.1:0", "--scenario", &path];
    let mut sandbox = start(&arguments, &[], String::new());
    sandbox.files = Some(directory);
    sandbox
}

/// The server on a fresh database on disk.
pub(crate) fn server() -> Running {
    server_of(Database::fresh())
}

/// The server on a fresh database of the caller's.
pub(crate) fn server_of(database: Database) -> Running {
    server_on(database, &bootstrap_token(), "127.0.0.1:0")
}

/// The server on a database; a fresh one gets `token`.
pub(crate) fn server_on(database: Database, token: &str, listen: &str) -> Running {
    let key_file = database.key_file();
    let arguments = [
        "serve",
        "--listen",
        listen,
        "--database-url",
        &database.url,
        "--secret-key-file",
        &key_file,
        "--allow-private-networks",
        "--api-rate-limit",
        "1000000",
        "--api-rate-burst",
        "1000000",
    ];
    let environment = [("CAMPANILE_BOOTSTRAP_TOKEN", token)];
    let mut server = start(&arguments, &environment, token.to_owned());
    server.database = Some(database);
    server
}

/// A token of a tenant, who is made.
pub(crate) fn token_of(server: &Running, tenant: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    let database = &server.database().url;
    command.args([
        "token",
        "create",
        "--tenant",
        tenant,
        "--database-url",
        database,
    ]);
    let made = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success(), "no token for {tenant}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Makes a line to the vendor at `host` and a campaign that may dial at any time.
pub(crate) async fn campaign(
    server: &Running,
    host: Option<&str>,
    concurrency: u32,
    rate: u32,
) -> String {
    let mut connection = server.connect().await;
    let mut line = json!({ "provider": "SANDBOX", "name": "bench", "max_concurrent_calls": concurrency, "max_calls_per_second": rate });
    if let Some(host) = host {
        line["base_url"] = format!("http://{host}/vapi").into();
    }
    let line = post(&mut connection, "/api/v2/voice-providers", &line).await;
    let campaign = json!({
        "name": "bench", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE", "phone_number_id": "pn_abc123",
        "tenant_voice_provider_id": line["data"]["tenant_voice_provider_id"], "start_date": "2020-01-01", "timezone": "UTC",
        "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
        "daily_start_time": "00:00", "daily_end_time": "24:00", "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
    });
    let campaign = post(&mut connection, "/api/v2/voice-campaigns", &campaign).await;
    campaign["data"]["campaign_id"].as_str().unwrap().to_owned()
}

/// Carries out a life-cycle command.
pub(crate) async fn order(server: &Running, campaign: &str, command: &str) {
    let path = format!("/api/v2/voice-campaigns/{campaign}/{command}");
    post(&mut server.connect().await, &path, &json!({})).await;
}

pub(crate) async fn post(connection: &mut Connection, path: &str, body: &Value) -> Value {
    let answer = connection.send("POST", path, Some(&body.to_string())).await;
    assert!(
        answer.status < 300,
        "{path}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    answer.json()
}

/// From the start of the process to its readiness, on an empty database.
pub(crate) async fn measure_start() -> Vec<Figure> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let server = server();
        let ready = server.connect().await.send("GET", "/readyz", None).await;
        assert_eq!(ready.status, 200);
        times.push(began.elapsed());
    }
    times.sort();
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_campanile"))
        .unwrap()
        .len() as f64
        / (1024.0 * 1024.0);
    vec![
        Figure {
            name: "start to ready, empty database (median of 5)",
            measured: format!("{:.0} ms", times[2].as_secs_f64() * 1000.0),
            target: "≤ 500 ms",
            met: Some(times[2] <= Duration::from_millis(500)),
            ..Figure::default()
        },
        Figure {
            name: "the binary, stripped",
            measured: format!("{size:.1} MiB"),
            target: "≤ 60 MiB",
            met: Some(size <= 60.0),
            ..Figure::default()
        },
    ]
}

pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

//! A sandbox and a server beside each other, each a process of its own, over one folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::http::request;
use super::process::{Launch, Process, patiently};
use super::wait::instant;

/// How much faster than real time the phones ring and talk.
const PHONES_SCALE: &str = "60";

pub(super) struct Installation {
    sandbox: Process,
    /// The server that is meant to live; tests kill, stop and restart it.
    pub(super) server: Process,
    pub(super) token: String,
    folder: PathBuf,
    database: PathBuf,
    /// Where the server is, in each of its lives: callbacks find it again.
    pub(super) address: String,
    /// When a server was gone and the next was started.
    pub(super) ends: Vec<Instant>,
}

impl Installation {
    /// `database_folder` is where the database lies, if that is to be a file system of its own.
    pub(super) fn start(
        folder: &Path,
        database_folder: &Path,
        scenario: &Value,
        launch: &Launch,
    ) -> Self {
        let path = folder.join("scenario.json");
        std::fs::write(&path, scenario.to_string()).unwrap();
        let arguments = [
            "sandbox",
            "--listen",
            "127.0.0.1:0",
            "--time-scale",
            PHONES_SCALE,
            "--scenario",
            path.to_str().unwrap(),
        ];
        let sandbox = Process::start(&arguments, &Launch::default(), &folder.join("sandbox.log"));
        let token = api::token::generate(&dialer::SystemEntropy);
        let database = database_folder.join("tortured.db");
        let server = serve(&database, "127.0.0.1:0", &token, launch, folder);
        let address = server.address.clone().expect("the first start works");
        Self {
            sandbox,
            server,
            token,
            folder: folder.to_owned(),
            database,
            address,
            ends: Vec::new(),
        }
    }

    /// Starts the server again at its address. It may end before it listens, where that is the test.
    pub(super) fn restart_as(&mut self, launch: &Launch) {
        self.ends.push(instant());
        self.server = self.another(&self.address, launch);
    }

    /// Starts it again until it listens.
    pub(super) fn restart(&mut self, launch: &Launch) {
        self.ends.push(instant());
        self.server = patiently(|| {
            let server = self.another(&self.address, launch);
            server.address.is_some().then_some(server)
        });
    }

    /// A further server on the same database.
    pub(super) fn another(&self, listen: &str, launch: &Launch) -> Process {
        serve(&self.database, listen, &self.token, launch, &self.folder)
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// Copies the database with its journal, as a backup would, while no server runs.
    pub(super) fn back_up(&self, folder: &Path) {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir(folder).unwrap();
        for (file, name) in self.files() {
            if file.exists() {
                std::fs::copy(file, folder.join(name)).unwrap();
            }
        }
    }

    /// Puts such a copy in the place of the database. The marker beside it stays.
    pub(super) fn put_back(&self, folder: &Path) {
        for (file, name) in self.files() {
            let _ = std::fs::remove_file(&file);
            if folder.join(&name).exists() {
                std::fs::copy(folder.join(name), file).unwrap();
            }
        }
    }

    /// The files of the database, and their names.
    fn files(&self) -> [(PathBuf, String); 3] {
        ["", "-wal", "-shm"].map(|end| {
            let name = format!("tortured.db{end}");
            (self.database.with_file_name(&name), name)
        })
    }

    /// Runs a command on the database to its end: its code, and what it answers.
    pub(super) fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
        let url = database_url(&self.database);
        let done = command.args(arguments).args(["--database-url", &url]);
        let done = done.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        (done.status.code(), text)
    }

    /// Everything that the servers complained of.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// A request of a user that must succeed; the server lives.
    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = request(&self.address, &self.token, method, path, body);
        let (status, text) = answer.expect("the server answers");
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Lines of a log of the sandbox.
    pub(super) fn sandbox_log(&self, name: &str) -> Vec<Value> {
        let path = format!("/control/{name}");
        let (_, text) = request(self.sandbox_address(), "", "GET", &path, None).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// From now on the provider behaves.
    pub(super) fn end_faults(&self, faults: &Value) {
        let names = faults.as_object().into_iter().flatten();
        let none: serde_json::Map<String, Value> =
            names.map(|(name, _)| (name.clone(), json!(0))).collect();
        let scenario = json!({ "faults": none });
        let address = self.sandbox_address();
        let answer = request(address, "", "PUT", "/control/scenario", Some(&scenario));
        let (status, text) = answer.expect("the sandbox answers");
        assert_eq!(status, 200, "{text}");
    }

    pub(super) fn sandbox_address(&self) -> &str {
        self.sandbox.address.as_deref().unwrap()
    }

    /// A line of the sandbox; its id.
    pub(super) fn line(&self, concurrency: u32, per_second: u32) -> String {
        let line = json!({
            "provider": "SANDBOX", "name": "tortured", "base_url": format!("http://{}/vapi", self.sandbox_address()),
            "max_concurrent_calls": concurrency, "max_calls_per_second": per_second
        });
        let line = self.call("POST", "/api/v2/voice-providers", Some(&line));
        let id = &line["data"]["tenant_voice_provider_id"];
        id.as_str().unwrap().to_owned()
    }
}

fn serve(database: &Path, listen: &str, token: &str, launch: &Launch, folder: &Path) -> Process {
    let database_url = database_url(database);
    let arguments = [
        "serve",
        "--listen",
        listen,
        "--database-url",
        &database_url,
        "--allow-private-networks",
        "--api-rate-limit",
        "100000",
        "--api-rate-burst",
        "100000",
    ];
    let mut launch = launch.clone();
    let variable = ("CAMPANILE_BOOTSTRAP_TOKEN".to_owned(), token.to_owned());
    launch.environment.push(variable);
    Process::start(&arguments, &launch, &folder.join("server.log"))
}

fn database_url(database: &Path) -> String {
    format!("sqlite://{}", database.display())
}

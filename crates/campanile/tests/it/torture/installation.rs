//! A server, a process of its own, over one folder with its database.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::process::{Launch, Process, patiently};
use super::wait::instant;

/// What a server says, in its folder.
pub(super) const LOG: &str = "server.log";

pub(super) struct Installation {
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
    pub(super) fn start(folder: &Path, database_folder: &Path, launch: &Launch) -> Self {
        let token = api::token::generate(&dialer::SystemEntropy);
        let database = database_folder.join("tortured.db");
        let server = serve(
            &database_url(&database),
            "127.0.0.1:0",
            &token,
            launch,
            folder,
            &[],
        );
        let address = server.address.clone().expect("the first start works");
        Self {
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
        let url = database_url(&self.database);
        serve(&url, listen, &self.token, launch, &self.folder, &[])
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
        std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default()
    }
}

/// A server on a database, which it logs beside.
pub(super) fn serve(
    url: &str,
    listen: &str,
    token: &str,
    launch: &Launch,
    folder: &Path,
    more: &[&str],
) -> Process {
    let arguments = [
        "serve",
        "--listen",
        listen,
        "--database-url",
        url,
        "--allow-private-networks",
        "--api-rate-limit",
        "100000",
        "--api-rate-burst",
        "100000",
    ];
    let mut launch = launch.clone();
    let variable = ("CAMPANILE_BOOTSTRAP_TOKEN".to_owned(), token.to_owned());
    launch.environment.push(variable);
    let arguments = [&arguments, more].concat();
    Process::start(&arguments, &launch, &folder.join(LOG))
}

fn database_url(database: &Path) -> String {
    format!("sqlite://{}", database.display())
}

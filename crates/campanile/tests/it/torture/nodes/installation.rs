//! Several equal servers over one PostgreSQL, each with a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postgres_cluster::{OwnCluster, ROLE};
use serde_json::Value;

use super::wire::Wire;
use crate::torture::doors::Doors;
use crate::torture::http::request_within;
use crate::torture::installation::{self, LOG};
use crate::torture::process::{Launch, Process, patiently};
use crate::torture::records::Records;
use crate::torture::wait::{instant, met_within, wait_until};

/// How many there are.
pub(super) const NODES: usize = 3;
/// From its start until a server answers, on a machine that others use too.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(90);
/// One small question to a server that lives.
const QUESTION: Duration = Duration::from_secs(15);

pub(super) struct Node {
    pub(super) server: Process,
    /// Where it is, in each of its lives: callbacks find it again.
    pub(super) address: String,
    folder: PathBuf,
}

pub(super) struct Nodes {
    pub(super) members: Vec<Node>,
    pub(super) doors: Doors,
    pub(super) token: String,
    pub(super) wire: Wire,
    pub(super) cluster: OwnCluster,
    database: String,
    /// When a server was gone.
    pub(super) ends: Vec<Instant>,
}

impl Nodes {
    pub(super) fn start(folder: &Path) -> Self {
        let cluster = OwnCluster::start_new();
        let database = cluster.empty_database();
        let wire = Wire::to(cluster.socket());
        let token = api::token::generate(&dialer::SystemEntropy);
        let mut members: Vec<Node> = Vec::new();
        for number in 0..NODES {
            let own = folder.join(format!("node-{number}"));
            std::fs::create_dir(&own).unwrap();
            if let Some(first) = members.first() {
                // The first one has made it.
                std::fs::copy(first.folder.join(KEY), own.join(KEY)).unwrap();
            }
            let url = url(&wire, &database);
            let server = serve(&url, "127.0.0.1:0", &token, &Launch::default(), &own);
            let address = server.address.clone().expect("the first start works");
            wait_until(READY_WITHIN, || is_ready(&address));
            members.push(Node {
                server,
                address,
                folder: own,
            });
        }
        let doors = Doors::of(members.iter().map(|node| node.address.clone()));
        Self {
            members,
            doors,
            token,
            wire,
            cluster,
            database,
            ends: Vec::new(),
        }
    }

    pub(super) fn is_ready(&self, index: usize) -> bool {
        is_ready(&self.members[index].address)
    }

    /// Dies at once; nobody comes to it until its door is opened.
    pub(super) fn kill(&mut self, index: usize) {
        self.doors.shut(index);
        self.members[index].server.kill();
        self.ends.push(instant());
        self.doors.wait_until_empty(index);
    }

    /// Starts the dead one again at its address. Its door stays as it is.
    pub(super) fn launch(&mut self, index: usize, launch: &Launch) {
        let (url, token) = (url(&self.wire, &self.database), self.token.clone());
        let node = &mut self.members[index];
        node.server = patiently(|| {
            let server = serve(&url, &node.address, &token, launch, &node.folder);
            server.address.is_some().then_some(server)
        });
    }

    /// The same, and users come again when it is ready; told if that takes too long.
    pub(super) fn revive(&mut self, index: usize) -> Result<(), String> {
        self.launch(index, &Launch::default());
        self.admit(index)
    }

    /// Users come again when it is ready.
    pub(super) fn admit(&self, index: usize) -> Result<(), String> {
        if !met_within(READY_WITHIN, || self.is_ready(index)) {
            return Err(format!("a server is not ready after {READY_WITHIN:?}"));
        }
        self.doors.open(index);
        Ok(())
    }

    /// Asks the database itself, past the wire.
    pub(super) fn admin(&self, sql: &str) -> String {
        self.cluster.admin(&self.database, sql)
    }

    pub(super) fn records(&self) -> Records {
        Records::of_postgres(|sql| self.admin(sql))
    }

    /// A command of `hold` as an operator gives it: its code, and what it answers.
    pub(super) fn hold(&self, command: &str) -> (Option<i32>, Value) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_campanile"));
        let done = program
            .args(["hold", command, "--json", "--database-url"])
            .arg(url(&self.wire, &self.database))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_ne!(done.status.code(), Some(2), "{done:?}");
        let answer = serde_json::from_slice(&done.stdout).unwrap_or_default();
        (done.status.code(), answer)
    }

    /// Everything that the servers complained of.
    pub(super) fn log(&self) -> String {
        let of = |node: &Node| std::fs::read_to_string(node.folder.join(LOG)).unwrap_or_default();
        self.members.iter().map(of).collect()
    }
}

const KEY: &str = "campanile.key";

fn url(wire: &Wire, database: &str) -> String {
    let port = wire.port();
    format!("postgres://{ROLE}@127.0.0.1:{port}/{database}?sslmode=disable")
}

fn is_ready(address: &str) -> bool {
    let answer = request_within(QUESTION, address, "", "GET", "/readyz", None);
    answer.is_some_and(|(status, _)| status == 200)
}

fn serve(url: &str, listen: &str, token: &str, launch: &Launch, folder: &Path) -> Process {
    let key = folder.join(KEY);
    let more = ["--secret-key-file", key.to_str().unwrap()];
    installation::serve(url, listen, token, launch, folder, &more)
}

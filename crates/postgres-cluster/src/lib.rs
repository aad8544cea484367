//! A throwaway PostgreSQL for tests, run from the server that is installed on the machine.
//!
//! All test processes of a user share one cluster: the first starts it, a supervisor stops it and
//! removes its folder when no process has used it for a few seconds, however they ended. It listens on
//! a Unix socket in its own folder only, and does not sync: its data is worth nothing. A benchmark has
//! one of its own that syncs as a server in use does ([`OwnCluster::start_durable`]).
//!
//! It is for tests and benchmarks: it panics with what went wrong instead of returning errors.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "a test that cannot have its database says so by panicking"
)]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

mod own;

pub use own::{OwnCluster, Stop};

/// A role that must say its password, which is its name, on clusters of a test's own.
pub const GUARDED: &str = "guarded";

/// The role that tests work as: an ordinary one, so that row-level security holds for it.
pub const ROLE: &str = "campanile";

/// Runs and stops the server. `$1` folder, `$2` programs, `$3…` how to become the server's user.
const SUPERVISOR: &str = r#"
folder=$1; programs=$2; shift 2
"$@" "$programs/postgres" -D "$folder/data" >"$folder/log" 2>&1 </dev/null 8>&- &
server=$!
stop() { kill -INT "$server" 2>/dev/null; wait "$server"; rm -rf "$folder"; exit 0; }
trap stop INT TERM HUP
while kill -0 "$server" 2>/dev/null; do
    sleep 3 & wait $!
    exec 8>>"$folder/users"
    if flock -n -x 8; then stop; fi
    exec 8>&-
done
rm -rf "$folder"
"#;

/// Settings of a cluster whose data is worth nothing.
const WORTH_NOTHING: &str = "fsync = off\nfull_page_writes = off\nshared_buffers = 64MB\n";

/// Settings of a cluster that is measured: as safe as PostgreSQL is by default, with the memory of a
/// small server, and room for writes between two checkpoints.
const DURABLE: &str = "fsync = on\nfull_page_writes = on\nsynchronous_commit = on\n\
    shared_buffers = 1GB\neffective_cache_size = 3GB\nmax_wal_size = 4GB\n";

/// A running cluster, kept running while this lives.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    /// What keeps the shared one; one of a test's own has none.
    _use: Option<File>,
}

/// The cluster of this process's user.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::join)
}

impl Cluster {
    fn join() -> Self {
        let programs = programs().expect(
            "PostgreSQL is not installed: `make deps` installs the Debian package postgresql",
        );
        let base = std::env::temp_dir();
        let name = format!("campanile-postgres-{}", user_id());
        let starting = open(&base.join(format!("{name}.lock")));
        starting.lock().expect("the lock of the test cluster");
        let folder = base.join(name);
        let cluster = Self {
            _use: Some(use_folder(&folder)),
            folder,
            programs,
        };
        if !cluster.answers() {
            cluster.start();
        }
        drop(starting);
        cluster
    }

    fn start(&self) {
        let user = server_user();
        init(
            &self.programs,
            &self.folder,
            user.as_ref(),
            WORTH_NOTHING,
            &[],
        );
        let mut supervisor = Command::new("setsid");
        supervisor
            .args(["sh", "-c", SUPERVISOR, "supervisor"])
            .arg(&self.folder)
            .arg(&self.programs)
            .args(user.iter().flat_map(|(_, command)| command))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if user.is_none() {
            supervisor.arg("env");
        }
        start_detached(&mut supervisor);
        self.wait_until_up();
        self.admin("postgres", &format!("CREATE ROLE {ROLE} LOGIN"));
    }

    fn wait_until_up(&self) {
        // A server that does not come up says why in its log.
        let ready = (0..150).any(|_| self.answers());
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(ready, "the test cluster does not start: {}", log());
    }

    fn answers(&self) -> bool {
        let mut command = Command::new(self.programs.join("psql"));
        let status = command
            .args(["-X", "-q", "-U", "postgres", "-d", "postgres", "-h"])
            .arg(&self.folder)
            .args(["-c", "SELECT 1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let up = status.is_ok_and(|status| status.success());
        if !up && self.folder.join("log").exists() {
            let _ = Command::new("sleep").arg("0.2").status();
        }
        up
    }

    /// Runs statements as the superuser; answers their rows, columns separated by `|`.
    pub fn admin(&self, database: &str, sql: &str) -> String {
        run(&mut self.psql("postgres", database, sql))
    }

    /// Runs statements as the ordinary role: their rows, or what the server said against it.
    pub fn as_role(&self, database: &str, sql: &str) -> Result<String, String> {
        answer_of(&mut self.psql(ROLE, database, sql))
    }

    fn psql(&self, role: &str, database: &str, sql: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", role, "-d", database, "-h"])
            .arg(&self.folder)
            .args(["-c", sql]);
        command
    }

    /// The folder of the socket, which is a host to whatever connects.
    pub fn host(&self) -> &Path {
        &self.folder
    }

    /// The address of a database, for the ordinary role.
    pub fn address(&self, database: &str) -> String {
        let host = self.folder.display();
        format!("postgres:///{database}?user={ROLE}&host={host}&sslmode=disable")
    }

    /// A fresh database, copied from a template that is prepared when it is first asked for.
    /// `prepare` gets the template's address.
    pub fn fresh_database(&self, template: &str, prepare: impl FnOnce(&str)) -> String {
        let preparing = open(&self.folder.join("templates"));
        preparing.lock().expect("the lock of the templates");
        let sql = format!("SELECT 1 FROM pg_database WHERE datname = '{template}'");
        if self.admin("postgres", &sql).is_empty() {
            let draft = format!("{template}_draft");
            self.admin("postgres", &format!("DROP DATABASE IF EXISTS {draft}"));
            self.admin("postgres", &format!("CREATE DATABASE {draft} OWNER {ROLE}"));
            prepare(&self.address(&draft));
            let sql = format!("ALTER DATABASE {draft} RENAME TO {template}");
            self.admin("postgres", &sql);
        }
        drop(preparing);
        let name = format!("test_{}_{}", std::process::id(), next_number());
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}");
        self.admin("postgres", &sql);
        name
    }

    /// An empty database.
    pub fn empty_database(&self) -> String {
        let name = format!("test_{}_{}", std::process::id(), next_number());
        self.admin("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        name
    }

    /// A copy of a database as it is now; whoever is connected to it is cut off.
    pub fn copy_of(&self, database: &str) -> String {
        let name = format!("test_{}_{}", std::process::id(), next_number());
        let cut = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        );
        self.admin("postgres", &cut);
        let sql = format!("CREATE DATABASE {name} TEMPLATE {database} OWNER {ROLE}");
        self.admin("postgres", &sql);
        name
    }

    /// Drops a database, whoever is connected to it.
    pub fn drop_database(&self, database: &str) {
        let sql = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        self.admin("postgres", &sql);
    }
}

/// Makes a cluster in a folder, not started. `lines` go before all others in `pg_hba.conf`.
fn init(
    programs: &Path,
    folder: &Path,
    user: Option<&(String, Vec<String>)>,
    settings: &str,
    lines: &[&str],
) {
    let data = folder.join("data");
    let _ = fs::remove_dir_all(&data);
    if let Some((name, _)) = user {
        run(Command::new("chown").arg(name).arg(folder));
    }
    let mut command = become_user(user, &programs.join("initdb"));
    let options = [
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ];
    run(command.args(options).arg("-D").arg(&data));
    let settings = format!(
        "listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = 300\n{settings}",
        folder.display()
    );
    fs::write(data.join("postgresql.auto.conf"), settings).expect("the cluster's settings");
    let access = data.join("pg_hba.conf");
    let rest = fs::read_to_string(&access).expect("the cluster's access rules");
    fs::write(&access, format!("{}\n{rest}", lines.join("\n"))).expect("the access rules");
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The folder with a lock that says that it is used. The supervisor takes the folder away only while
/// nobody has the lock.
fn use_folder(folder: &Path) -> File {
    loop {
        fs::create_dir_all(folder).expect("the folder of the test cluster");
        let path = folder.join("users");
        let file = open(&path);
        file.lock_shared().expect("the lock of the test cluster");
        let same =
            |there: fs::Metadata| file.metadata().is_ok_and(|ours| ours.ino() == there.ino());
        if fs::metadata(&path).is_ok_and(same) {
            return file;
        }
        // It was taken away while we waited.
    }
}

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    options
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a server is installed that a cluster could be made with.
pub fn is_installed() -> bool {
    programs().is_some()
}

/// Where the newest installed server's programs are.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().filter_map(version).max()?;
    let programs = PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"));
    programs.join("initdb").exists().then_some(programs)
}

fn user_id() -> u32 {
    fs::metadata("/proc/self").map_or(0, |own| own.uid())
}

/// The server refuses to run as root: then it runs as the user that the package made.
fn server_user() -> Option<(String, Vec<String>)> {
    if user_id() != 0 {
        return None;
    }
    let command = [
        "setpriv",
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
    ];
    Some(("postgres".to_owned(), command.map(str::to_owned).to_vec()))
}

fn become_user(user: Option<&(String, Vec<String>)>, program: &Path) -> Command {
    match user {
        Some((_, command)) => {
            let mut started = Command::new(&command[0]);
            started.args(&command[1..]).arg(program);
            started
        }
        None => Command::new(program),
    }
}

/// Nobody waits for the supervisor: it outlives the process that happened to start it.
#[expect(clippy::zombie_processes, reason = "it ends after this process")]
fn start_detached(command: &mut Command) {
    command.spawn().expect("the supervisor of the test cluster");
}

fn run(command: &mut Command) -> String {
    let answer = answer_of(command);
    answer.unwrap_or_else(|said| panic!("{command:?}: {said}"))
}

fn answer_of(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

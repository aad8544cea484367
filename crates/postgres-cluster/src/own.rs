//! A cluster of one test, which may stop it, start it, and have another follow it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{
    Cluster, DURABLE, GUARDED, ROLE, WORTH_NOTHING, answer_of, become_user, init, next_number,
    programs, run, server_user, start_detached,
};

/// A cluster of one test, which may stop and start it.
#[derive(Debug)]
pub struct OwnCluster {
    cluster: Cluster,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are cut off, everything is written.
    Fast,
    /// As a crash: it recovers when it starts.
    Immediate,
}

/// Runs the server until its test is gone. `$1` folder, `$2` programs, `$3` the test's process, `$4…`
/// how to become the server's user.
const WATCH: &str = r#"
folder=$1; programs=$2; test=$3; shift 3
"$@" "$programs/postgres" -D "$folder/data" >>"$folder/log" 2>&1 </dev/null &
server=$!
while kill -0 "$server" 2>/dev/null; do
    if ! kill -0 "$test" 2>/dev/null; then kill -INT "$server"; wait "$server"; rm -rf "$folder"; fi
    sleep 1 & wait $!
done
"#;

impl OwnCluster {
    /// A cluster that runs. Who logs in as [`GUARDED`] needs the password of that name, and over TCP
    /// TLS as well.
    pub fn start_new() -> Self {
        Self::start_in(&std::env::temp_dir(), WORTH_NOTHING)
    }

    /// The same, and what it has committed is on the disk of `base`: for measurements. The server's
    /// user must be able to reach that folder, and the path of its socket must not be too long.
    pub fn start_durable(base: &Path) -> Self {
        Self::start_in(base, DURABLE)
    }

    fn start_in(base: &Path, settings: &str) -> Self {
        let own = Self::stopped(base);
        let lines = [
            format!("local all {GUARDED} scram-sha-256"),
            format!("hostssl all {GUARDED} samehost scram-sha-256"),
            format!("hostnossl all {GUARDED} samehost reject"),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let Cluster {
            folder, programs, ..
        } = &own.cluster;
        init(programs, folder, server_user().as_ref(), settings, &lines);
        own.start();
        let make =
            format!("CREATE ROLE {ROLE} LOGIN; CREATE ROLE {GUARDED} LOGIN PASSWORD '{GUARDED}'");
        own.cluster.admin("postgres", &make);
        own
    }

    /// A folder for one.
    fn stopped(base: &Path) -> Self {
        let programs = programs().expect(
            "PostgreSQL is not installed: `make deps` installs the Debian package postgresql",
        );
        let name = format!("campanile-own-{}-{}", std::process::id(), next_number());
        let folder = base.join(name);
        fs::create_dir_all(&folder).expect("the folder of the test cluster");
        Self {
            cluster: Cluster {
                folder,
                programs,
                _use: None,
            },
        }
    }

    /// Starts it again.
    pub fn start(&self) {
        let user = server_user();
        let mut watch = Command::new("setsid");
        watch
            .args(["sh", "-c", WATCH, "watch"])
            .arg(&self.cluster.folder)
            .arg(&self.cluster.programs)
            .arg(std::process::id().to_string())
            .args(user.iter().flat_map(|(_, command)| command))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if user.is_none() {
            watch.arg("env");
        }
        start_detached(&mut watch);
        self.cluster.wait_until_up();
    }

    /// Stops it at once, as a crash would.
    pub fn crash(&self) {
        self.stop(Stop::Immediate);
    }

    /// Stops it.
    pub fn stop(&self, how: Stop) {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        run(self
            .control()
            .args(["stop", "-m", mode, "-w", "-D"])
            .arg(self.data()));
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.cluster.folder.join(".s.PGSQL.5432")
    }

    /// The process that all others of the server descend from.
    pub fn process_id(&self) -> u32 {
        let file = fs::read_to_string(self.data().join("postmaster.pid"));
        let file = file.expect("a server that runs has written down its process");
        let first = file
            .lines()
            .next()
            .and_then(|line| line.trim().parse().ok());
        first.expect("its first line is the number of the process")
    }

    /// Listens on TCP as well, from a restart on: on an address of the loopback that is its own, so
    /// that the port is free.
    pub fn listen(&self) -> Ipv4Addr {
        let [.., high, low] = std::process::id().to_be_bytes();
        let number = u8::try_from(next_number() % 100).expect("below 100");
        let address = Ipv4Addr::new(127, 100 + number, high, low);
        let set = format!("ALTER SYSTEM SET listen_addresses = '{address}'");
        self.admin("postgres", &set);
        self.stop(Stop::Fast);
        self.start();
        address
    }

    /// Speaks TLS with this certificate and its key, both PEM, from now on.
    pub fn present(&self, certificate: &str, key: &str) {
        let name = format!("server-{}", next_number());
        for (end, text) in [("crt", certificate), ("key", key)] {
            let file = self.data().join(format!("{name}.{end}"));
            fs::write(&file, text).expect("the server's certificate");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its rights");
            if let Some((user, _)) = server_user() {
                run(Command::new("chown").arg(user).arg(&file));
            }
        }
        for set in [
            format!("ssl_cert_file = '{name}.crt'"),
            format!("ssl_key_file = '{name}.key'"),
            "ssl = on".to_owned(),
        ] {
            self.admin("postgres", &format!("ALTER SYSTEM SET {set}"));
        }
        self.admin("postgres", "SELECT pg_reload_conf()");
        let shown = "current_setting('ssl') || current_setting('ssl_cert_file')";
        self.wait_for(&format!("SELECT {shown} = 'on{name}.crt'"));
    }

    /// Speaks TLS no more.
    pub fn present_nothing(&self) {
        self.admin("postgres", "ALTER SYSTEM SET ssl = off");
        self.admin("postgres", "SELECT pg_reload_conf()");
        self.wait_for("SELECT current_setting('ssl') = 'off'");
    }

    /// Another server that follows this one, a copy of it made now, and has caught up.
    #[must_use]
    pub fn standby(&self) -> Self {
        let standby = Self::stopped(&std::env::temp_dir());
        let user = server_user();
        let folder = &standby.cluster.folder;
        if let Some((name, _)) = &user {
            run(Command::new("chown").arg(name).arg(folder));
        }
        let program = self.cluster.programs.join("pg_basebackup");
        let mut copy = become_user(user.as_ref(), &program);
        copy.args([
            "-U",
            "postgres",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
            "-h",
        ]);
        run(copy.arg(&self.cluster.folder).arg("-D").arg(standby.data()));
        let settings = standby.data().join("postgresql.auto.conf");
        let mut settings = OpenOptions::new()
            .append(true)
            .open(settings)
            .expect("the settings");
        // The last line of a name counts.
        writeln!(settings, "unix_socket_directories = '{}'", folder.display())
            .expect("the settings");
        standby.start();
        standby.wait_for(&format!(
            "SELECT pg_last_wal_replay_lsn() >= '{}'",
            self.admin("postgres", "SELECT pg_current_wal_lsn()")
        ));
        standby
    }

    /// It hears nothing more of the server that it follows.
    pub fn fall_behind(&self) {
        self.admin("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
        self.admin("postgres", "SELECT pg_reload_conf()");
        self.wait_for("SELECT NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)");
    }

    /// It becomes a server of its own, with a history of its own.
    pub fn promote(&self) {
        run(self
            .control()
            .args(["promote", "-w", "-D"])
            .arg(self.data()));
    }

    fn wait_for(&self, sql: &str) {
        let so = (0..150).any(|_| {
            let so = self.admin("postgres", sql) == "t";
            if !so {
                let _ = Command::new("sleep").arg("0.2").status();
            }
            so
        });
        assert!(so, "never true: {sql}");
    }

    fn control(&self) -> Command {
        become_user(
            server_user().as_ref(),
            &self.cluster.programs.join("pg_ctl"),
        )
    }

    fn data(&self) -> PathBuf {
        self.cluster.folder.join("data")
    }
}

impl std::ops::Deref for OwnCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        let mut stop = self.control();
        // It may have been stopped already.
        let _ = answer_of(
            stop.args(["stop", "-m", "immediate", "-w", "-D"])
                .arg(self.data()),
        );
        let _ = fs::remove_dir_all(&self.cluster.folder);
    }
}

//! What the rivals are made of, installed into the target folder when it is needed: packages of Node
//! and Python at pinned versions, and a Redis of their own.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine;
use crate::servers::{self, Running};

/// Where the rivals are written.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals")
}

/// The tables of every rival.
pub(super) fn schema() -> String {
    std::fs::read_to_string(sources().join("schema.sql")).unwrap()
}

/// Where they are installed.
fn folder() -> PathBuf {
    Path::new(machine::DISK)
        .parent()
        .unwrap()
        .join("bench-rivals")
}

/// A program of Node, or why there is none.
pub(super) fn node(name: &str) -> Result<Command, String> {
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(sources()).unwrap() {
        let path = entry.unwrap().path();
        let wanted = path
            .extension()
            .is_some_and(|kind| kind == "mjs" || kind == "json");
        if wanted {
            std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
    let lock = std::fs::read_to_string(sources().join("package-lock.json")).unwrap();
    once(&folder.join("installed-package-lock.json"), &lock, || {
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder))
    })?;
    let mut node = Command::new("node");
    node.arg(folder.join(name));
    Ok(node)
}

/// A program of Python, or why there is none.
pub(super) fn python(name: &str) -> Result<Command, String> {
    let environment = folder().join("venv");
    let requirements = sources().join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).unwrap();
    let program = environment.join("bin/python");
    once(
        &environment.join("installed-requirements.txt"),
        &wanted,
        || {
            run(Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment))?;
            run(Command::new(&program)
                .args(["-m", "pip", "install", "--quiet", "--no-deps", "-r"])
                .arg(&requirements))
        },
    )?;
    let mut python = Command::new(program);
    python.arg(sources().join(name));
    Ok(python)
}

/// Does something unless it was done for the same content.
fn once(
    done: &Path,
    content: &str,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    if std::fs::read_to_string(done).is_ok_and(|installed| installed == content) {
        return Ok(());
    }
    install()?;
    std::fs::write(done, content).map_err(|error| format!("{}: {error}", done.display()))
}

/// Runs a command to its end; what it said when it failed.
pub(super) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}", said.trim()))
}

/// How safe Redis keeps what it was told.
#[derive(Clone, Copy)]
pub(super) enum Redis {
    /// As it comes: a snapshot now and then.
    Default,
    /// On the disk before the answer.
    Always,
}

/// A Redis that listens on a socket in a folder of its own.
pub(super) struct RunningRedis {
    pub(super) process: Running,
    pub(super) socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Redis {
    pub(super) fn start(self) -> Result<RunningRedis, String> {
        let folder = tempfile::tempdir_in(machine::DISK).unwrap();
        let socket = folder.path().join("redis.sock");
        let mut command = redis_program()?;
        command.args(["--port", "0", "--daemonize", "no", "--dir"]);
        command.arg(folder.path()).arg("--unixsocket").arg(&socket);
        if matches!(self, Self::Always) {
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        }
        let process = servers::start_silent(&mut command);
        let began = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("Redis does not answer on its socket".to_owned());
            }
            std::thread::yield_now();
        }
        Ok(RunningRedis {
            process,
            socket,
            _folder: folder,
        })
    }
}

/// The server, which Debian's package of tools has under another name, without a service that starts
/// by itself.
fn redis_program() -> Result<Command, String> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| {
        std::env::split_paths(&places)
            .map(|place| place.join(name))
            .find(|path| path.is_file())
    };
    let program = find("redis-server").or_else(|| find("redis-check-rdb"));
    let program = program.ok_or(
        "there is no redis-server (`make bench-deps` installs the package redis-tools, which has it)",
    )?;
    let mut command = Command::new(program);
    command.arg0("redis-server");
    Ok(command)
}

//! The program as a process of the system: started under any tool, sent any signal.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::wait::{met_within, pause};

/// How a process is started: under a tool, with further variables.
#[derive(Debug, Clone, Default)]
pub(super) struct Launch {
    /// A command line before the program's own, such as `prlimit --nofile=80 --`.
    pub(super) prefix: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
}

impl Launch {
    /// Dies or stops at a failpoint: `call.permitted:kill@1`.
    pub(super) fn armed(order: &str) -> Self {
        Self::with("CAMPANILE_FAILPOINT", order)
    }

    pub(super) fn with(name: &str, value: &str) -> Self {
        Self {
            environment: vec![(name.to_owned(), value.to_owned())],
            ..Self::default()
        }
    }

    pub(super) fn under(prefix: &[&str]) -> Self {
        Self {
            prefix: prefix.iter().map(|word| (*word).to_owned()).collect(),
            ..Self::default()
        }
    }
}

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// `127.0.0.1:PORT`; `None` when it ended before it listened.
    pub(super) address: Option<String>,
}

impl Process {
    /// Starts it and waits for its first line, or its end. What it complains of goes to `log`.
    pub(super) fn start(arguments: &[&str], launch: &Launch, log: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_campanile");
        let mut command = match launch.prefix.split_first() {
            Some((tool, words)) => {
                let mut command = Command::new(tool);
                command.args(words).arg(program);
                command
            }
            None => Command::new(program),
        };
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        command
            .args(arguments)
            .args(["--log-level", "error"])
            .envs(launch.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().rsplit_once("http://");
        let address = address.map(|(_, address)| address.trim_end_matches('/').to_owned());
        Self { child, address }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub(super) fn kill(&mut self) {
        // It may have died before; that is what `wait` tells.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Any other signal, by its name without the dash.
    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "no process to signal");
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// How it ended, if it does in time.
    pub(super) fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let _ = met_within(limit, || self.ended().is_some());
        self.ended()
    }

    /// Whether every thread of it stands still after a SIGSTOP.
    pub(super) fn is_stopped(&self) -> bool {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        status
            .lines()
            .any(|line| line.starts_with("State:") && line.contains('T'))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a tool can be run here; for tests that are skipped where it cannot.
pub(super) fn runs(command: &[&str]) -> bool {
    let (tool, words) = command.split_first().unwrap();
    let status = Command::new(tool)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Starts `attempt` until it answers something; the port of a dead server may be taken for a moment.
pub(super) fn patiently<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..100 {
        if let Some(done) = attempt() {
            return done;
        }
        pause(200);
    }
    panic!("the server does not come back");
}

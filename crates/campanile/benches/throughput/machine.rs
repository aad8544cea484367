//! What the figures were measured on, and by which command.

use std::process::Command;

use crate::servers;

/// Where databases are made: the disk of the build, whichever folder the bench runs in.
pub(crate) const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// The machine and the command.
pub(crate) fn describe(filter: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let name = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").and_then(|text| {
        let kib: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some(kib / (1024.0 * 1024.0))
    });
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let command = if filter.is_empty() {
        "make bench".to_owned()
    } else {
        format!("cargo bench -p campanile --bench throughput -- {filter}")
    };
    let database = if servers::uses_other_database() {
        "another database than SQLite"
    } else {
        "SQLite with `synchronous=FULL`"
    };
    format!(
        "Machine: {cores} cores ({name}, {}), {:.0} GiB, Linux {}; load average at the end {}.\nCommand: `{command}`, release build, {database}.",
        std::env::consts::ARCH,
        memory.unwrap_or_default(),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("unknown")
    )
}

/// The commit that was measured, marked when the tree holds more than it.
pub(crate) fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

/// The value of the first `name: value` in a file of the kernel.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

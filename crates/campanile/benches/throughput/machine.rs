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

/// Seconds of processor time that a process has used so far.
pub(crate) fn cpu_seconds(process_id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap();
    of_stat(&stat, [11, 12])
}

/// The same of a process, its children and those of them that have ended.
pub(crate) fn family_cpu_seconds(process_id: u32) -> f64 {
    let own = std::fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap();
    let parent = process_id.to_string();
    let children = std::fs::read_dir("/proc").unwrap().flatten();
    let children = children.filter_map(|entry| {
        // One that has just ended is counted with its parent.
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let fields = stat.rsplit(')').next()?;
        let is_child = fields.split_whitespace().nth(1) == Some(parent.as_str());
        is_child.then(|| of_stat(&stat, [11, 12]))
    });
    of_stat(&own, [11, 12]) + of_stat(&own, [13, 14]) + children.sum::<f64>()
}

/// The sum of two of the times in a line of the kernel, counted after the name, in seconds.
fn of_stat(stat: &str, fields: [usize; 2]) -> f64 {
    let times: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = fields.map(|field| times[field].parse::<f64>().unwrap());
    ticks.iter().sum::<f64>() / 100.0
}

/// A size in the status of a process, MiB.
pub(crate) fn memory_mib(process_id: u32, name: &str) -> f64 {
    let size = field(&format!("/proc/{process_id}/status"), name).unwrap();
    let kib: f64 = size.split_whitespace().next().unwrap().parse().unwrap();
    kib / 1024.0
}

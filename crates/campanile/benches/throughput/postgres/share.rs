//! A share of the processor that a process may not exceed, by a control group of the kernel. Not every
//! machine lets this user make one.

use std::path::{Path, PathBuf};

/// What a process has of each period: the least that the kernel takes, so that one that has used it stands
/// still for a moment only, as on a slower core, and not with a lock for which others wait.
const QUOTA_US: u32 = 1_000;

/// A bound for the processes in it; they must have ended before this goes.
pub(super) struct Share(PathBuf);

impl Share {
    /// A bound of so many hundredths of a core, where one can be made.
    pub(super) fn of(percent: u32, name: &str) -> Option<Self> {
        let period = QUOTA_US * 100 / percent;
        let name = format!("campanile-bench-{}-{name}", std::process::id());
        let old = Self::make(Path::new("/sys/fs/cgroup/cpu").join(&name));
        if let Some(share) = old {
            let write = |file: &str, value: u32| share.write(file, &value.to_string());
            let bound = write("cpu.cfs_period_us", period) && write("cpu.cfs_quota_us", QUOTA_US);
            return bound.then_some(share);
        }
        let share = Self::make(Path::new("/sys/fs/cgroup").join(&name))?;
        let bound = share.write("cpu.max", &format!("{QUOTA_US} {period}"));
        bound.then_some(share)
    }

    fn make(folder: PathBuf) -> Option<Self> {
        std::fs::create_dir(&folder).ok()?;
        Some(Self(folder))
    }

    /// Puts a process under the bound.
    pub(super) fn take(&self, process_id: u32) -> bool {
        self.write("cgroup.procs", &process_id.to_string())
    }

    fn write(&self, file: &str, text: &str) -> bool {
        let path = self.0.join(file);
        path.exists() && std::fs::write(path, text).is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

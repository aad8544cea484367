//! Whether the disk has room for new promises.
//!
//! A reserved call is a promise: its facts must be written for as long as it is up, and a user must
//! be able to pause. So dialing and bulk additions stop while the reserve is still free, and what
//! is under way and users' commands may use the reserve up.
//!
//! Invariants: once SQLite has said that the disk is full, nothing is planned until the reserve is
//! free and a large write has succeeded, whatever the file system says of itself (quotas are not
//! in its figures); the first such word takes back what was reserved and not begun, before anybody
//! is told of the failure.
//!
//! What it must not do: sleep, or remember figures; the file system is asked each time, which costs
//! a microsecond.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use store::{DiskRoom, StoreError, StoreResult};

use crate::ops::query;
use crate::writer::Work;

/// The reserve is at most this part of the file system, so that a small one is usable as well.
const LARGEST_PART: u64 = 8;
/// Size of the write that proves that there is room again: a user's largest single object.
const PROBE_BYTES: u64 = 256 * 1024;
/// The proof must not use up the reserve of a small file system.
const PROBE_PART: u64 = 8;

/// What is known of the disk that holds the database.
#[derive(Debug)]
pub(crate) struct Room {
    directory: PathBuf,
    reserve_bytes: u64,
    full: AtomicBool,
}

impl Room {
    /// The disk that holds `database`, with what shall stay free on it.
    pub(crate) fn new(database: &Path, reserve_bytes: u64) -> Self {
        let directory = database
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        Self {
            directory: directory.unwrap_or(Path::new(".")).to_owned(),
            reserve_bytes,
            full: AtomicBool::new(false),
        }
    }

    /// SQLite could not write for want of room.
    pub(crate) fn saw_full(&self) {
        if !self.full.swap(true, Ordering::SeqCst) {
            tracing::error!(
                "the disk is full: no call is placed until there is room again; free space on it"
            );
        }
    }

    /// Whether SQLite said so and no large write has succeeded since.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::SeqCst)
    }

    /// A large write has succeeded.
    pub(crate) fn has_room_again(&self) {
        if self.full.swap(false, Ordering::SeqCst) {
            tracing::info!("the disk has room again");
        }
    }

    /// How it stands, asked of the file system now.
    pub(crate) fn look(&self) -> DiskRoom {
        let (free_bytes, reserve_bytes) = match figures(&self.directory) {
            Some((free, size)) => (Some(free), self.reserve_bytes.min(size / LARGEST_PART)),
            None => (None, self.reserve_bytes),
        };
        let held = if self.is_full() {
            Some("the disk is full; free space on it".to_owned())
        } else {
            free_bytes.filter(|free| *free < reserve_bytes).map(|free| {
                format!(
                    "the disk has {} free, less than the reserve of {}; free space on it",
                    mebibytes(free),
                    mebibytes(reserve_bytes)
                )
            })
        };
        DiskRoom {
            free_bytes,
            reserve_bytes,
            full: self.is_full(),
            held,
        }
    }

    /// Refuses what makes new promises while there is no room for them.
    pub(crate) fn check(&self) -> StoreResult<()> {
        self.look()
            .held
            .map_or(Ok(()), |why| Err(StoreError::Held(why)))
    }

    /// How much to write to prove that there is room; `None`: there cannot be.
    pub(crate) fn probe_bytes(&self) -> Option<u64> {
        let room = self.look();
        let enough = room
            .free_bytes
            .is_none_or(|free| free >= room.reserve_bytes);
        let part = match room.reserve_bytes / PROBE_PART {
            0 => PROBE_BYTES,
            part => part,
        };
        enough.then_some(PROBE_BYTES.min(part))
    }
}

/// Writes so much.
pub(crate) fn probe(work: &Work<'_>, bytes: u64) -> StoreResult<()> {
    let text = "x".repeat(usize::try_from(bytes).unwrap_or_default());
    let sql = "INSERT INTO meta (key, value) VALUES ('room_probe', ?1)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    query::execute(work.tx, sql, [text]).map(|_| ())
}

/// Takes the probe away.
pub(crate) fn end_probe(work: &Work<'_>) -> StoreResult<()> {
    let sql = "DELETE FROM meta WHERE key = 'room_probe'";
    query::execute(work.tx, sql, []).map(|_| ())
}

/// Free bytes (for this user) and size of the file system; `None` when it does not say.
#[cfg(unix)]
fn figures(directory: &Path) -> Option<(u64, u64)> {
    let answer = rustix::fs::statvfs(directory).ok()?;
    let size = answer.f_blocks.saturating_mul(answer.f_frsize);
    (size > 0).then(|| (answer.f_bavail.saturating_mul(answer.f_frsize), size))
}

/// Elsewhere only SQLite's own word counts.
#[cfg(not(unix))]
fn figures(_: &Path) -> Option<(u64, u64)> {
    None
}

/// For people; a fraction counts as less.
fn mebibytes(bytes: u64) -> String {
    const MEBIBYTE: u64 = 1024 * 1024;
    if bytes < MEBIBYTE {
        format!("{} KiB", bytes / 1024)
    } else {
        format!("{} MiB", bytes / MEBIBYTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_beyond_the_disk_is_cut_to_a_part_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::new(&directory.path().join("a.db"), u64::MAX).look();
        assert!(
            room.reserve_bytes < u64::MAX && room.reserve_bytes > 0,
            "{room:?}"
        );
        assert!(room.free_bytes.is_some(), "{room:?}");
    }

    #[test]
    fn without_a_reserve_only_a_failed_write_holds() {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::new(&directory.path().join("a.db"), 0);
        assert_eq!(room.look().held, None);
        room.saw_full();
        assert!(matches!(room.check(), Err(StoreError::Held(_))));
        assert_eq!(room.probe_bytes(), Some(PROBE_BYTES));
        room.has_room_again();
        assert!(room.check().is_ok());
    }

    #[test]
    fn a_disk_that_does_not_say_is_not_held_by_figures() {
        let room = Room::new(Path::new("/nowhere/at/all/a.db"), 1 << 40).look();
        assert_eq!((room.free_bytes, room.held), (None, None));
    }
}

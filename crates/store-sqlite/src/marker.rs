//! The marker beside the database: a small file that tells a database that was copied back.
//!
//! It holds the installation's name, the number of the last tick that handed out calls, and its
//! instant, and is written after that tick's commit and before any of its calls can be sent. So it
//! is never ahead of its own database; one that is ahead of a database proves that this database is
//! older. A crash between commit and write leaves it behind, which says nothing and does no harm.
//!
//! Each mark is one plain write, which survives the death of the process; it is forced to the disk
//! once a second by a thread of its own, and when the store is closed, so that a power loss costs
//! at most the marks of a second.
//!
//! What it must not do: decide anything. [`crate::ops::hold`] compares.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::Mark;

/// More than any marker has.
const MAX_BYTES: u64 = 512;
/// Least pause between two times that the file is forced to the disk.
const SYNC_PERIOD: Duration = Duration::from_secs(1);

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is no file.
    Missing,
    /// It cannot be read; why.
    Unreadable(String),
    /// This.
    Mark(Mark),
}

#[derive(Default)]
struct State {
    /// Open while marks are written.
    file: Option<Arc<File>>,
    /// The mark that could not be written, and why.
    failed: Option<(Mark, String)>,
}

/// The file beside a database.
pub(crate) struct Marker {
    path: PathBuf,
    state: Mutex<State>,
    /// How the file is forced to the disk; not at all in a simulation.
    syncing: Option<Syncing>,
}

struct Syncing {
    sender: SyncSender<Arc<File>>,
    on_failed_sync: fn(&str),
}

impl Drop for Marker {
    fn drop(&mut self) {
        if let (Some(file), Some(syncing)) = (self.lock().file.take(), &self.syncing) {
            force(&file, syncing.on_failed_sync);
        }
    }
}

impl Marker {
    /// The marker of the database at `path`; with `on_failed_sync`, forced to the disk behind the
    /// writer's back.
    pub(crate) fn beside(path: &Path, on_failed_sync: Option<fn(&str)>) -> std::io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".marker");
        let syncing = on_failed_sync.map(start_syncing).transpose()?;
        Ok(Self {
            path: PathBuf::from(name),
            state: Mutex::default(),
            syncing,
        })
    }

    /// Where it is, for people.
    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file says now.
    pub(crate) fn read(&self) -> Found {
        let mut text = String::new();
        let read =
            File::open(&self.path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
        match read {
            Ok(_) => Mark::parse(&text).map_or_else(
                || Found::Unreadable("it does not hold a marker".to_owned()),
                Found::Mark,
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => Found::Missing,
            Err(error) => Found::Unreadable(error.to_string()),
        }
    }

    /// Writes the mark; answers whether it could be. What cannot be written is kept: see
    /// [`Self::fault`].
    pub(crate) fn write(&self, mark: &Mark) -> bool {
        let mut state = self.lock();
        let written = self.try_write(&mut state, mark);
        Self::keep_fault(&mut state, mark, written)
    }

    /// Makes the file anew, whatever was there, and durable; answers whether it could be.
    pub(crate) fn replace(&self, mark: &Mark) -> bool {
        let mut state = self.lock();
        state.file = None;
        let written = self.try_replace(mark);
        Self::keep_fault(&mut state, mark, written)
    }

    /// Removes the file; answers whether it could be.
    pub(crate) fn remove(&self) -> bool {
        self.lock().file = None;
        let removed = match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.sync_folder(),
        };
        if let Err(error) = &removed {
            tracing::error!(%error, path = %self.path.display(), "the marker file cannot be removed");
        }
        removed.is_ok()
    }

    fn keep_fault(state: &mut State, mark: &Mark, written: std::io::Result<()>) -> bool {
        state.failed = written.err().map(|error| (mark.clone(), error.to_string()));
        if state.failed.is_some() {
            state.file = None;
        }
        state.failed.is_none()
    }

    fn try_write(&self, state: &mut State, mark: &Mark) -> std::io::Result<()> {
        let file = match &state.file {
            Some(file) => Arc::clone(file),
            None => match OpenOptions::new().write(true).open(&self.path) {
                Ok(file) => {
                    file.set_len(u64::try_from(mark.text().len()).unwrap_or_default())?;
                    Arc::new(file)
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return self.try_replace(mark);
                }
                Err(error) => return Err(error),
            },
        };
        let mut writer = file.as_ref();
        writer.seek(SeekFrom::Start(0))?;
        writer.write_all(mark.text().as_bytes())?;
        if let Some(syncing) = &self.syncing {
            // Full: it is about to be forced to the disk anyway.
            let _ = syncing.sender.try_send(Arc::clone(&file));
        }
        state.file = Some(file);
        Ok(())
    }

    fn try_replace(&self, mark: &Mark) -> std::io::Result<()> {
        let mut fresh = self.path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(mark.text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        self.sync_folder()
    }

    /// So that the name itself survives a power loss.
    fn sync_folder(&self) -> std::io::Result<()> {
        let folder = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Lets go of the file, which another process may replace while nothing dials.
    pub(crate) fn let_go(&self) {
        self.lock().file = None;
    }

    /// Whether the last mark could not be written; tries once more before it says so.
    pub(crate) fn fault(&self) -> Option<String> {
        let failed = self.lock().failed.clone();
        let (mark, _) = failed?;
        if self.write(&mark) {
            return None;
        }
        let state = self.lock();
        let (_, why) = state.failed.as_ref()?;
        Some(format!(
            "the marker file {} cannot be written: {why}; free space there and check its owner and permissions",
            self.path.display()
        ))
    }
}

fn start_syncing(on_failed_sync: fn(&str)) -> std::io::Result<Syncing> {
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new()
        .name("marker-sync".to_owned())
        .spawn(move || sync_loop(&receiver, on_failed_sync))?;
    Ok(Syncing {
        sender,
        on_failed_sync,
    })
}

/// Ends with the marker.
fn sync_loop(receiver: &Receiver<Arc<File>>, on_failed_sync: fn(&str)) {
    while let Ok(file) = receiver.recv() {
        force(&file, on_failed_sync);
        // Marks written meanwhile share the next time. Nobody unparks this thread.
        std::thread::park_timeout(SYNC_PERIOD);
    }
}

fn force(file: &File, on_failed_sync: fn(&str)) {
    if let Err(error) = file.sync_data() {
        on_failed_sync(&format!("the marker file: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn mark(number: u64) -> Mark {
        Mark {
            installation: "abc".to_owned(),
            number,
            at: Timestamp::from_second(1_772_463_600).unwrap(),
        }
    }

    fn marker(folder: &Path) -> Marker {
        let failed: fn(&str) = |failure| panic!("{failure}");
        Marker::beside(&folder.join("c.db"), Some(failed)).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let marker = marker(folder.path());
        assert_eq!(marker.read(), Found::Missing);
        for number in [1, 2, 9_999_999_999, 10_000_000_000] {
            assert!(marker.write(&mark(number)));
            assert_eq!(marker.read(), Found::Mark(mark(number)));
        }
        marker.let_go();
        assert!(marker.replace(&mark(3)));
        assert!(marker.write(&mark(4)));
        assert_eq!(marker.read(), Found::Mark(mark(4)));
        assert_eq!(marker.fault(), None);
        assert!(marker.remove() && marker.remove());
        assert_eq!(marker.read(), Found::Missing);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let marker = marker(folder.path());
        assert!(marker.write(&mark(1)));
        let mode = std::fs::metadata(marker.shown())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_marker_is_unreadable_and_never_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let marker = marker(folder.path());
        let whole = mark(7).text();
        let mut broken: Vec<Vec<u8>> = (0..whole.len())
            .map(|end| whole.as_bytes()[..end].to_vec())
            .collect();
        broken.push([whole.as_bytes(), b"more"].concat());
        broken.push(vec![0xff; 4_096]);
        for bytes in broken {
            std::fs::write(marker.shown(), &bytes).unwrap();
            assert!(matches!(marker.read(), Found::Unreadable(_)), "{bytes:?}");
        }
    }

    #[test]
    fn a_mark_that_cannot_be_written_is_a_fault_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let marker = marker(folder.path());
        std::fs::create_dir(marker.shown()).unwrap();
        assert!(!marker.write(&mark(1)));
        let fault = marker.fault().unwrap();
        assert!(fault.contains("c.db.marker"), "{fault}");
        std::fs::remove_dir(marker.shown()).unwrap();
        assert_eq!(marker.fault(), None);
        assert_eq!(marker.read(), Found::Mark(mark(1)));
    }
}

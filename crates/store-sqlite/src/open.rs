//! Opening a file: lock, migrations, connections, threads.

use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::IdSource;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};
use store::{PatienceOf, SendBoard};
use tokio::sync::Notify;

use crate::error::is_failed_sync;
use crate::lock::{FileLock, LockError};
use crate::marker::Marker;
use crate::migrate::MigrateError;
use crate::readers::Readers;
use crate::room::Room;
use crate::settings_cache::SettingsCache;
use crate::writer::{Core, Writer};
use crate::{lock, migrate, ops, relocation};

/// How long a narrowing operation waits for requests that are being sent. Longer than the send
/// deadline, so that what was reserved before is either decided or has long left.
const SETTLE_PATIENCE: Duration = Duration::from_millis(2_500);
/// Leads of a copy that come with its request; the others follow in steps.
const COPIED_AT_ONCE: u32 = 500;
/// Few, so that simulated copies have steps, and something can happen between them.
const COPIED_AT_ONCE_SIMULATED: u32 = 3;
/// Pages in the log after which it is folded into the file: 4 MiB, as `SQLite` does by itself.
const FOLD_AFTER_PAGES: c_int = 1_000;

/// Whether this process owns the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The server: takes the lock, may dial.
    Owner,
    /// A command beside a running server: no lock, must not dial.
    Beside,
    /// Owner, single-threaded and synchronous: for the deterministic simulation.
    Simulated,
}

/// How to open a file.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether this process owns the file.
    pub access: Access,
    /// Connections that read, 1 to 16.
    pub readers: u32,
    /// Constants of each vendor, by the vendor's spelling.
    pub patience_of: PatienceOf,
    /// Bytes that shall stay free on the disk: below, nothing new is begun. At most an eighth of
    /// the file system; 0 holds only after a write has failed.
    pub reserve_bytes: u64,
    /// Called when an fsync failed; must not return in a server.
    pub on_failed_sync: fn(&str),
}

/// Why a file cannot be opened. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process owns it.
    #[error(
        "the database {path} is in use by {holder}: stop that process first, or use another file"
    )]
    Held {
        /// The file.
        path: String,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The schema does not fit.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Its content was moved.
    #[error(
        "the database {path} was moved to {target} at {at}: serve that one; to go back to this file on purpose, stop everything there and run `campanile migrate --undo --from sqlite://{path}`"
    )]
    Moved {
        /// The file.
        path: String,
        /// Where to.
        target: String,
        /// When.
        at: String,
    },
    /// The file cannot be opened or is not a database.
    #[error(
        "cannot open the database {path}: {cause}; check the path, its permissions and that it is a SQLite file"
    )]
    Unusable {
        /// The file.
        path: String,
        /// What went wrong.
        cause: String,
    },
}

/// The embedded store.
pub struct SqliteStore {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) settings: SettingsCache,
    pub(crate) board: Arc<SendBoard>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) room: Arc<Room>,
    pub(crate) marker: Arc<Marker>,
    pub(crate) patience_of: PatienceOf,
    pub(crate) settle_patience: Duration,
    pub(crate) copied_at_once: u32,
    _lock: Option<FileLock>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl SqliteStore {
    /// Opens or makes the file, migrates it and starts the threads.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let lock = match options.access {
            Access::Beside => None,
            Access::Owner | Access::Simulated => Some(take_lock(path)?),
        };
        Self::open_locked(path, options, lock)
    }

    /// The same, with the lock in hand, or with nobody who could take it.
    pub(crate) fn open_locked(
        path: &Path,
        options: Options,
        lock: Option<FileLock>,
    ) -> Result<Self, OpenError> {
        let unusable = |cause: String| unusable(path, cause);
        make_private(path).map_err(|error| unusable(error.to_string()))?;
        let mut connection = connect(path, true).map_err(|error| unusable(error.to_string()))?;
        migrate::migrate(&mut connection)?;
        relocation::refuse_moved(&connection, path)?;
        let greatest =
            ops::meta::greatest_id(&connection).map_err(|error| unusable(error.to_string()))?;
        let synced = (options.access != Access::Simulated).then_some(options.on_failed_sync);
        let marker = Marker::beside(path, synced).map_err(|error| unusable(error.to_string()))?;
        let on_failed_sync = options.on_failed_sync;
        let hook = move |log: &mut Wal, pages| {
            fold_in(log, pages, on_failed_sync);
            Ok(())
        };
        connection
            .wal_hook(Some(hook))
            .map_err(|error| unusable(error.to_string()))?;
        let board = Arc::new(SendBoard::default());
        let wake = Arc::new(Notify::new());
        let settings = SettingsCache::default();
        let room = Arc::new(Room::new(path, options.reserve_bytes));
        let core = Core::new(
            connection,
            IdSource::resume_after(greatest),
            settings.clone(),
            Arc::clone(&board),
            Arc::clone(&wake),
            Arc::clone(&room),
            options.on_failed_sync,
        );
        let reader = || connect(path, false).map_err(|error| unusable(error.to_string()));
        let (writer, readers) = if options.access == Access::Simulated {
            (
                Writer::Inline(Box::new(core.into())),
                Readers::Inline(Box::new(reader()?.into())),
            )
        } else {
            let some = |count: u32| (0..count).map(|_| reader()).collect::<Result<Vec<_>, _>>();
            let (connections, for_rows) = (
                some(options.readers.clamp(1, 16))?,
                some(options.readers.clamp(1, 16))?,
            );
            let (open, closed) = std::sync::mpsc::channel();
            let started = Writer::start(core, closed)
                .and_then(|writer| Ok((writer, Readers::start(connections, for_rows, &open)?)));
            started.map_err(|error| unusable(error.to_string()))?
        };
        // In a simulation nothing else runs while an operation waits: waiting would be for ever.
        let settle_patience = if options.access == Access::Simulated {
            Duration::ZERO
        } else {
            SETTLE_PATIENCE
        };
        Ok(Self {
            writer,
            readers,
            settings,
            board,
            wake,
            room,
            marker: Arc::new(marker),
            patience_of: options.patience_of,
            settle_patience,
            copied_at_once: if options.access == Access::Simulated {
                COPIED_AT_ONCE_SIMULATED
            } else {
                COPIED_AT_ONCE
            },
            _lock: lock,
        })
    }

    /// Lets `disturb` decide, before each commit, whether that commit fails as a full disk would
    /// make it: for the deterministic simulation, and of no effect elsewhere.
    pub fn disturb_commits(&self, disturb: Box<dyn FnMut() -> bool + Send>) {
        self.writer.disturb(disturb);
    }
}

/// That the file cannot be used, and why.
pub(crate) fn unusable(path: &Path, cause: String) -> OpenError {
    OpenError::Unusable {
        path: path.display().to_string(),
        cause,
    }
}

/// Makes a new file readable by its owner only, since it holds people's numbers; SQLite gives its
/// journals the same mode. An existing file keeps the mode its administrator chose.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn take_lock(path: &Path) -> Result<FileLock, OpenError> {
    let shown = path.display().to_string();
    lock::acquire(path).map_err(|error| match error {
        LockError::Held(holder) if holder.is_empty() => OpenError::Held {
            path: shown,
            holder: "another process".to_owned(),
        },
        LockError::Held(holder) => OpenError::Held {
            path: shown,
            holder,
        },
        LockError::Io(error) => OpenError::Unusable {
            path: shown,
            cause: format!("the lock file beside it cannot be used: {error}"),
        },
    })
}

pub(crate) fn connect(path: &Path, writes: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(PathBuf::from(path), flags)?;
    // Only a command beside the server ever makes the writer wait.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.pragma_update(None, "query_only", !writes)?;
    // Without it SQLite looks at bound values to see whether a partial index serves them, and plans
    // such a statement anew at every binding: a sixth of the processor under load, by profile.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// Folds the log into the file once it has grown. `SQLite` does so by itself, and then keeps to itself that
/// an fsync failed; whoever needs to know is told here.
fn fold_in(log: &mut Wal, pages: c_int, on_failed_sync: fn(&str)) {
    if pages < FOLD_AFTER_PAGES {
        return;
    }
    // Whatever else goes wrong, a full disk or readers in the way: the log keeps what it has.
    if let Err(error) = log.checkpoint()
        && is_failed_sync(&error)
    {
        on_failed_sync(&error.to_string());
    }
}

//! One process owns a database file.
//!
//! The lock is an exclusive lock of the operating system on `<file>.lock`, so it ends with the
//! process however that dies. The file's text names the holder, for the message only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Held for the life of the store.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it; what it wrote about itself.
    Held(String),
    /// The lock file cannot be used.
    Io(std::io::Error),
}

/// Takes the lock beside `database`.
pub(crate) fn acquire(database: &Path) -> Result<FileLock, LockError> {
    let path = lock_path(database);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path).map_err(LockError::Io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&file).take(200).read_to_string(&mut holder);
            return Err(LockError::Held(holder.trim().to_owned()));
        }
        Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
    }
    let text = format!("process {}\n", std::process::id());
    file.set_len(0).map_err(LockError::Io)?;
    file.seek(SeekFrom::Start(0)).map_err(LockError::Io)?;
    file.write_all(text.as_bytes()).map_err(LockError::Io)?;
    Ok(FileLock { _file: file })
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

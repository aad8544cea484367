//! The key file: the installation's key that seals stored credentials.
//!
//! Invariants: it is readable by its owner only; it is made whole and durable or not at all,
//! before anything is sealed with it; one that is there is never overwritten.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::ambient::Entropy;

const KEY_BYTES: usize = 32;
/// A key in base64 with some white space around; more is never read.
const MAX_FILE_BYTES: u64 = 4_096;

/// Why there is no key. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// It cannot be read or made.
    #[error(
        "cannot use the key file {path}: {error}; check the path and its permissions, or name another with --secret-key-file"
    )]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// Others can read it.
    #[error(
        "the key file {path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`, and change the stored credentials if somebody may have seen it"
    )]
    Open {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// It holds no key.
    #[error(
        "the key file {path} does not hold a key of 32 bytes in base64: restore it from your backup; if nothing was ever stored with it, remove it and a new one is made"
    )]
    Malformed {
        /// The file.
        path: String,
    },
}

/// The key of an existing file; `None` when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<[u8; KEY_BYTES]>, KeyFileError> {
    let io = |error| KeyFileError::Io {
        path: path.display().to_string(),
        error,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open {
            path: path.display().to_string(),
            mode,
        });
    }
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut text)
        .map_err(io)?;
    let key = STANDARD
        .decode(text.trim_ascii())
        .ok()
        .and_then(|key| key.try_into().ok());
    key.map(Some).ok_or_else(|| KeyFileError::Malformed {
        path: path.display().to_string(),
    })
}

/// Makes the file with a fresh key. Fails when it is there.
pub(crate) fn create(path: &Path, entropy: &dyn Entropy) -> Result<[u8; KEY_BYTES], KeyFileError> {
    let io = |error| KeyFileError::Io {
        path: path.display().to_string(),
        error,
    };
    let mut key = [0; KEY_BYTES];
    entropy.fill(&mut key);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    let written = write_durably(&mut file, path, &key);
    if written.is_err() {
        // Half a key would only stand in the way of the next start.
        let _ = std::fs::remove_file(path);
    }
    written.map_err(io)?;
    Ok(key)
}

fn write_durably(file: &mut File, path: &Path, key: &[u8]) -> std::io::Result<()> {
    // The process's umask may have taken more than the mode gave.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(format!("{}\n", STANDARD.encode(key)).as_bytes())?;
    file.sync_all()?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_fresh_key_is_private_and_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.key");
        assert_eq!(read(&path).unwrap(), None);
        assert_eq!(create(&path, &Sevens).unwrap(), [7; 32]);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(read(&path).unwrap(), Some([7; 32]));
        assert!(
            create(&path, &Sevens).is_err(),
            "an existing key is never overwritten"
        );
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.key");
        create(&path, &Sevens).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for content in ["", "c2hvcnQ=", "not base64 at all"] {
            std::fs::write(&path, content).unwrap();
            assert!(
                read(&path)
                    .unwrap_err()
                    .to_string()
                    .contains("restore it from your backup"),
                "{content}"
            );
        }
    }
}

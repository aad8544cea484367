//! Opening the database the settings name.

use std::path::Path;

use store_sqlite::{Access, Options, SqliteStore};

use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::process;

/// Connections that read: enough for dashboards beside the dialer on a small machine.
const READERS: u32 = 4;
/// Where SQLite keeps `user_version` in the first page, and how much of that is read.
const VERSION_OFFSET: usize = 60;
const HEADER_BYTES: usize = 64;

/// Bytes of the unit in which the reserve is set.
const MEBIBYTE: u64 = 1024 * 1024;

/// Opens or makes the database of the settings, and migrates it.
pub(crate) fn open(settings: &Settings, access: Access) -> Outcome<SqliteStore> {
    let readers = if access == Access::Owner { READERS } else { 1 };
    let options = Options {
        access,
        readers,
        patience_of: lines::patience_of,
        reserve_bytes: settings.disk_reserve_mib * MEBIBYTE,
        on_failed_sync: process::end_after_failed_sync,
    };
    SqliteStore::open(&settings.database, options).map_err(Failure::failed)
}

/// The schema version a database file says it has, without opening it. `None`: there is no such
/// file, or it is too young to say (what is new is still in the journal beside it).
pub(crate) fn version_on_disk(path: &Path) -> std::io::Result<Option<u32>> {
    use std::io::Read;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut header = Vec::with_capacity(HEADER_BYTES);
    file.take(64).read_to_end(&mut header)?;
    let version = header
        .get(VERSION_OFFSET..)
        .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    Ok(version
        .map(u32::from_be_bytes)
        .filter(|version| *version > 0))
}

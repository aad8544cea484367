//! Opening the database the settings name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::Store;
use store_postgres::{Address, PostgresStore};
use store_sqlite::{Access, SqliteStore};

use crate::config::{Database, Role, Settings};
use crate::failure::{Failure, Outcome};
use crate::process;

/// Connections that read: enough for dashboards beside the dialer on a small machine.
const READERS: u32 = 4;
/// Connections of a command to a PostgreSQL server.
const COMMAND_CONNECTIONS: u32 = 3;
/// Where SQLite keeps `user_version` in the first page, and how much of that is read.
const VERSION_OFFSET: usize = 60;
const HEADER_BYTES: usize = 64;

/// Bytes of the unit in which the reserve is set.
const MEBIBYTE: u64 = 1024 * 1024;

/// The database of a server that starts.
pub(crate) enum Opened {
    /// It is there.
    Ready(Arc<dyn Store>),
    /// Its server does not answer: nothing works until it does.
    Waiting(Arc<PostgresStore>),
}

/// Opens or makes the database of the settings for a server, and migrates it.
pub(crate) async fn open_for_serving(settings: &Settings) -> Outcome<Opened> {
    let address = match &settings.database {
        Database::File(path) => {
            let store = open_file(settings, path, Access::Owner)?;
            return Ok(Opened::Ready(Arc::new(store)));
        }
        Database::Server(address) => address,
    };
    let options = store_postgres::Options {
        address: address.as_ref().clone(),
        connections: settings.database_connections,
        patience_of: lines::patience_of,
        dials: settings.role != Role::Api,
        marker: Some(marker_file(settings)),
    };
    let store = Arc::new(PostgresStore::waiting(&options).map_err(Failure::failed)?);
    match store.prepare().await {
        Ok(_) => Ok(Opened::Ready(store)),
        Err(error) if error.passes() => {
            tracing::error!(%error, "the database cannot be reached: nothing dials, and the API answers 503, until it can");
            Ok(Opened::Waiting(store))
        }
        Err(error) => Err(Failure::failed(error)),
    }
}

/// What this node remembers of its calls stands beside the key, which every node has as well.
fn marker_file(settings: &Settings) -> PathBuf {
    let mut name = settings.secret_key_file.as_os_str().to_owned();
    name.push(".marker");
    PathBuf::from(name)
}

/// Opens or makes the database for a command, also beside a running server, and migrates it.
pub(crate) async fn open(settings: &Settings) -> Outcome<Arc<dyn Store>> {
    match &settings.database {
        Database::File(path) => Ok(Arc::new(open_file(settings, path, Access::Beside)?)),
        Database::Server(address) => {
            let options = command_options(address);
            let store = PostgresStore::open(&options).await;
            Ok(Arc::new(store.map_err(Failure::failed)?))
        }
    }
}

/// Opens a database for a command that makes none: one that is missing is a wrong path.
pub(crate) async fn open_existing(settings: &Settings) -> Outcome<Arc<dyn Store>> {
    match &settings.database {
        Database::File(path) if !path.exists() => {
            let shown = path.display();
            Err(Failure::failed(format!(
                "there is no database {shown}: check --database-url, or make one with `campanile token create`"
            )))
        }
        Database::File(_) => open(settings).await,
        Database::Server(address) => {
            let options = command_options(address);
            let store = PostgresStore::open_existing(&options).await;
            Ok(Arc::new(store.map_err(Failure::failed)?))
        }
    }
}

/// Commands neither dial nor leave a marker.
fn command_options(address: &Address) -> store_postgres::Options {
    store_postgres::Options {
        address: address.clone(),
        connections: COMMAND_CONNECTIONS,
        patience_of: lines::patience_of,
        dials: false,
        marker: None,
    }
}

/// Opens or makes a SQLite file, and migrates it.
pub(crate) fn open_file(settings: &Settings, path: &Path, access: Access) -> Outcome<SqliteStore> {
    let readers = if access == Access::Owner { READERS } else { 1 };
    let options = store_sqlite::Options {
        access,
        readers,
        patience_of: lines::patience_of,
        reserve_bytes: settings.disk_reserve_mib * MEBIBYTE,
        on_failed_sync: process::end_after_failed_sync,
    };
    SqliteStore::open(path, options).map_err(Failure::failed)
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

//! A fresh file for each case, and what must be true of it afterwards.

use std::path::PathBuf;

use domain::attempt::Patience;
use store::Store;
use store::conformance::Bench;
use store_sqlite::{Access, Options, SqliteStore};
use tempfile::TempDir;

use crate::violations;

/// A store on a file of its own.
pub(crate) struct SqliteBench {
    directory: TempDir,
    store: SqliteStore,
}

impl SqliteBench {
    /// The file, to look at what the store does not show.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("campanile.db")
    }
}

impl Bench for SqliteBench {
    fn open() -> Self {
        let directory = TempDir::new().unwrap();
        let options = Options {
            access: Access::Owner,
            readers: 2,
            patience_of: |_| Patience {
                list_settle_ms: 900_000,
                max_ring_ms: 300_000,
                max_talk_ms: 1_800_000,
            },
            reserve_bytes: 0,
            on_failed_sync: |failure| panic!("{failure}"),
        };
        let store = SqliteStore::open(&directory.path().join("campanile.db"), options).unwrap();
        Self { directory, store }
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn check(self) {
        violations::assert_none(&self.file());
    }
}

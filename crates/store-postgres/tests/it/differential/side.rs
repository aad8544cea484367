//! One of the two stores, with what was made in it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{
    AttemptId, CampaignId, ImportId, LeadId, LineId, PhoneNumber, PoolId, TenantId, TokenId,
};
use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use store::conformance::Bench as _;
use store::{KeySource, Store};
use store_sqlite::{Access, OpenError, SqliteStore};
use tempfile::TempDir;

use super::dice::Dice;
use super::names::Names;
use super::sqlite_violations;
use crate::bench::{PostgresBench, patience};

/// An id that no object has.
pub(crate) const MISSING: i64 = 12_345;

/// Columns that are not shown by any operation.
const WAKE_UPS: &[&str] = &[
    "SELECT 'line', line_id, wake_at / 1000, next_start_at / 1000, rests_until / 1000, failures FROM lines ORDER BY line_id",
    "SELECT 'campaign', campaign_id, line_id, status, status_reason, wake_at / 1000, next_start_at / 1000,
            circuit_open_until / 1000, pass FROM campaigns ORDER BY campaign_id",
    "SELECT 'due', lead_id, campaign_id, due_at / 1000 FROM due ORDER BY lead_id",
    "SELECT 'attempt', attempt_id, lead_id, line_id, state, live, missed, check_at / 1000 FROM attempts ORDER BY attempt_id",
];

/// An object and the place of its tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owned<T> {
    pub(crate) tenant: usize,
    pub(crate) id: T,
}

/// An attempt that was told of.
#[derive(Debug, Clone)]
pub(crate) struct KnownAttempt {
    pub(crate) id: AttemptId,
    pub(crate) key: String,
    pub(crate) line_id: LineId,
    /// What its vendor calls it; the same on both sides.
    pub(crate) provider_call_id: String,
}

/// Everything that was made, deleted or not, in the order in which it was: an object has the same
/// place on both sides.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) tokens: Vec<Owned<TokenId>>,
    pub(crate) lines: Vec<Owned<LineId>>,
    pub(crate) pools: Vec<Owned<PoolId>>,
    pub(crate) campaigns: Vec<Owned<CampaignId>>,
    pub(crate) imports: Vec<Owned<ImportId>>,
    pub(crate) leads: Vec<(CampaignId, LeadId)>,
    pub(crate) attempts: Vec<KnownAttempt>,
}

impl Known {
    pub(crate) fn attempt(&mut self, id: AttemptId, key: &str, line_id: LineId) {
        let provider_call_id = format!("call-{}", self.attempts.len());
        self.attempts.push(KnownAttempt {
            id,
            key: key.to_owned(),
            line_id,
            provider_call_id,
        });
    }

    pub(crate) fn lead(&mut self, campaign_id: CampaignId, lead_id: LeadId) {
        if !self.leads.contains(&(campaign_id, lead_id)) {
            self.leads.push((campaign_id, lead_id));
        }
    }
}

/// One of the tenant's newest objects; seldom any tenant's, or one that there is not.
pub(crate) fn pick<T: Copy>(dice: &mut Dice<'_>, all: &[Owned<T>], tenant: usize, missing: T) -> T {
    let how = dice.below(32);
    let candidates: Vec<T> = all
        .iter()
        .rev()
        .filter(|object| how == 31 || object.tenant == tenant)
        .map(|object| object.id)
        .collect();
    if how == 30 || candidates.is_empty() {
        return missing;
    }
    let near = if how >= 28 {
        candidates.len()
    } else {
        candidates.len().min(4)
    };
    candidates[usize::from(dice.byte()) % near]
}

enum Place {
    Sqlite(TempDir),
    Postgres(Box<PostgresBench>),
}

impl Place {
    fn open(&self) -> Box<dyn Store> {
        match self {
            Self::Sqlite(directory) => Box::new(open_sqlite(&file(directory))),
            Self::Postgres(bench) => Box::new(bench.other_node()),
        }
    }
}

/// A store under comparison.
pub(crate) struct Side {
    place: Place,
    store: Option<Box<dyn Store>>,
    pub(crate) names: Names,
    pub(crate) known: Known,
    /// How far each tenant's feed was read.
    pub(crate) told: HashMap<TenantId, i64>,
    keys: Arc<AtomicI64>,
}

impl Side {
    pub(crate) fn sqlite() -> Self {
        Self::new(Place::Sqlite(TempDir::new().unwrap()))
    }

    pub(crate) fn postgres() -> Self {
        Self::new(Place::Postgres(Box::new(PostgresBench::open())))
    }

    fn new(place: Place) -> Self {
        Self {
            store: Some(place.open()),
            place,
            names: Names::default(),
            known: Known::default(),
            told: HashMap::new(),
            keys: Arc::new(AtomicI64::new(900_000_000_000_000_000)),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_deref().unwrap()
    }

    /// Ends the process, as it were, and starts another one.
    pub(crate) fn restart(&mut self) {
        drop(self.store.take());
        if let Place::Postgres(bench) = &self.place {
            // The server would notice later; until then the old process counts as alive.
            let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
            bench.admin(others);
        }
        self.store = Some(self.place.open());
    }

    /// SQLite's one process looks at every line anew when it starts, in case; of many processes none
    /// does. Here it is done for them, or else the lines would be planned at different times.
    pub(crate) fn look_anew(&self, now: Timestamp) {
        if let Place::Postgres(bench) = &self.place {
            bench.admin(&format!(
                "UPDATE lines SET wake_at = {} WHERE EXISTS (SELECT 1 FROM campaigns
                     WHERE campaigns.line_id = lines.line_id AND status = 'RUNNING')",
                now.as_microsecond()
            ));
        }
    }

    /// When what shall be looked at, which a store tells nobody; for whoever looks for the cause of a
    /// difference.
    pub(crate) fn wake_ups(&self) -> String {
        let rows = WAKE_UPS.iter().map(|sql| match &self.place {
            Place::Sqlite(directory) => rows(&file(directory), sql),
            Place::Postgres(bench) => bench.admin(sql),
        });
        self.names.peek(&rows.collect::<Vec<_>>().join("\n"))
    }

    /// Makes keys that no attempt has.
    pub(crate) fn key_source(&self) -> KeySource {
        let keys = Arc::clone(&self.keys);
        Box::new(move || format!("att_{}", keys.fetch_add(1, Ordering::Relaxed)))
    }

    /// Takes the store away; if the run was sound, checks what must be true of whatever is stored.
    pub(crate) fn close(mut self, is_sound: bool) {
        drop(self.store.take());
        match self.place {
            Place::Sqlite(directory) if is_sound => {
                sqlite_violations::assert_none(&file(&directory));
            }
            Place::Sqlite(_) => {}
            Place::Postgres(bench) if is_sound => bench.check(),
            Place::Postgres(bench) => bench.drop_unchecked(),
        }
    }
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("campanile.db")
}

/// A store on the file, once its last one's lock is gone: a child that another thread starts meanwhile
/// shares it until it runs its own program.
fn open_sqlite(file: &std::path::Path) -> SqliteStore {
    let mut tries_left = 1_000;
    loop {
        let options = store_sqlite::Options {
            access: Access::Owner,
            readers: 2,
            patience_of: patience,
            reserve_bytes: 0,
            on_failed_sync: |failure| panic!("{failure}"),
        };
        match SqliteStore::open(file, options) {
            Err(OpenError::Held { .. }) if tries_left > 0 => tries_left -= 1,
            opened => return opened.unwrap(),
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
}

/// The `n`-th number.
pub(crate) fn phone(n: u8) -> PhoneNumber {
    PhoneNumber::parse(&format!("+1415555{n:04}")).unwrap()
}

/// One of a few people, who are in all campaigns and tenants.
pub(crate) fn person(dice: &mut Dice<'_>) -> PhoneNumber {
    phone(dice.below(6))
}

/// The rows of a statement, a line each, columns separated by `|`.
fn rows(file: &std::path::Path, sql: &str) -> String {
    let connection = Connection::open(file).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let cells = (0..columns).map(|place| {
            Ok(match row.get_ref(place)? {
                ValueRef::Null => String::new(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(text) | ValueRef::Blob(text) => {
                    String::from_utf8_lossy(text).into_owned()
                }
            })
        });
        cells
            .collect::<rusqlite::Result<Vec<_>>>()
            .map(|cells| cells.join("|"))
    };
    let rows = statement.query_map([], row).unwrap();
    rows.collect::<rusqlite::Result<Vec<_>>>()
        .unwrap()
        .join("\n")
}

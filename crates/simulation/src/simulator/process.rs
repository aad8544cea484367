//! The simulated process: the store on its file, and the dialer's core.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use dialer::{Core, Options, Parts};
use domain::ambient::Clock;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use store::Vault;
use store_sqlite::{Access, SqliteStore};

use crate::ambient::{SeededEntropy, VirtualClock};
use crate::transport::SimulatedTransport;

pub(super) struct Process {
    pub(super) store: Arc<SqliteStore>,
    pub(super) core: Core,
}

/// Decides which commits fail.
pub(super) struct FailingCommits {
    rng: SmallRng,
    /// Chance of each.
    pub(super) rate: f64,
    /// How many failed.
    pub(super) count: u64,
}

impl FailingCommits {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed ^ 0xd15c),
            rate: 0.0,
            count: 0,
        }
    }

    fn next(&mut self) -> bool {
        let fails = self.rate > 0.0 && self.rng.random_bool(self.rate);
        self.count += u64::from(fails);
        fails
    }
}

/// Memory-backed when there is such a place: a simulated process dies, the machine does not.
pub(super) fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

pub(super) fn start(
    path: &Path,
    clock: &Arc<VirtualClock>,
    transport: &Arc<SimulatedTransport>,
    entropy: &Arc<SeededEntropy>,
    failing: &Arc<Mutex<FailingCommits>>,
) -> Result<Process, String> {
    let options = store_sqlite::Options {
        access: Access::Simulated,
        readers: 1,
        patience_of: lines::patience_of,
        reserve_bytes: 0,
        on_failed_sync: |_| {},
    };
    let store = SqliteStore::open(path, options)
        .map(Arc::new)
        .map_err(|error| error.to_string())?;
    let failing = Arc::clone(failing);
    store.disturb_commits(Box::new(move || {
        failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    }));
    let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(clock);
    let parts = Parts {
        store: Arc::<SqliteStore>::clone(&store),
        vault: Vault::new(&[7; 32]),
        transport: Arc::<SimulatedTransport>::clone(transport),
        clock,
        entropy: Arc::<SeededEntropy>::clone(entropy),
        options: Options {
            public_url: Some("http://127.0.0.1:9".to_owned()),
            sandbox_base_url: None,
            time_scale: 1.0,
            list_retry_pauses: &[],
            scan_period: dialer::SCAN_PERIOD,
        },
    };
    Ok(Process {
        store,
        core: Core::new(parts),
    })
}

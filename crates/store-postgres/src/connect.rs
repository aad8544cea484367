//! Opening the store: address, pool, server, schema.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use store::{PatienceOf, StoreError, StoreResult};
use tokio_postgres::{Client, NoTls};

use crate::address::Address;
use crate::error::no_connection;
use crate::marker::Marker;
use crate::migrate::{self, Inspection, MigrateError};
use crate::node::Node;
use crate::open_error::OpenError;
use crate::shared::Shared;
use crate::store_impl::PostgresStore;
use crate::tls::{MakeTls, Verify};

/// Connections outside of the pool: one holds this process's number, one carries hints.
const APART: u32 = 2;
/// How long an operation waits for a free connection, or for a new one.
const POOL_WAIT: Duration = Duration::from_secs(5);

/// How long a login may take, all hosts of the address together.
const LOGIN_PATIENCE: Duration = Duration::from_secs(8);

/// How to open a database.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is.
    pub address: Address,
    /// Most connections, at least 3: one holds this process's number, one carries hints.
    pub connections: u32,
    /// Constants of each vendor, by the vendor's spelling.
    pub patience_of: PatienceOf,
    /// Whether this process ticks. Test calls reserved by one that does not are claimed by one that
    /// does.
    pub dials: bool,
    /// Where this node may keep its marker file; `None`: it remembers while it lives.
    pub marker: Option<PathBuf>,
}

impl PostgresStore {
    /// A store that connects when it is first used. It neither looks at the schema nor migrates it.
    ///
    /// # Errors
    /// The file of root certificates cannot be read.
    pub fn connect(options: &Options) -> Result<Self, OpenError> {
        let store = Self::waiting(options)?;
        store.prepared.store(true, Ordering::Release);
        Ok(store)
    }

    /// The same, and every operation is refused as unavailable until [`Self::prepare`] has
    /// succeeded.
    ///
    /// # Errors
    /// The file of root certificates cannot be read.
    pub fn waiting(options: &Options) -> Result<Self, OpenError> {
        let pool = pool(&options.address, options.connections.saturating_sub(APART))?;
        Ok(Self {
            prepared: AtomicBool::new(false),
            address: options.address.clone(),
            pool,
            shared: Arc::new(Shared::new(options.dials)),
            node: Node::default(),
            patience_of: options.patience_of,
            marker: Marker::at(options.marker.clone()),
        })
    }

    /// Connects, and brings the schema to this program's version.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let store = Self::waiting(options)?;
        store.prepare().await?;
        Ok(store)
    }

    /// Connects, and refuses a schema that is not exactly this program's.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_existing(options: &Options) -> Result<Self, OpenError> {
        check_database(&options.address).await?;
        Self::connect(options)
    }

    /// Brings the schema to this program's version; from then on operations are let through.
    /// Answers from which version it came.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn prepare(&self) -> Result<i64, OpenError> {
        let from = migrate_database(&self.address).await?;
        self.prepared.store(true, Ordering::Release);
        Ok(from)
    }

    pub(crate) fn check_prepared(&self) -> StoreResult<()> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(StoreError::Unavailable(
            "it was not reached since this process started".to_owned(),
        ))
    }

    pub(crate) async fn client(&self) -> StoreResult<Object> {
        self.check_prepared()?;
        self.pool.get().await.map_err(no_connection)
    }
}

/// Looks at a database and changes nothing.
///
/// # Errors
/// See [`OpenError`].
pub async fn inspect_database(address: &Address) -> Result<Inspection, OpenError> {
    with_client(address, async |client| migrate::inspect(client).await).await
}

async fn check_database(address: &Address) -> Result<i64, OpenError> {
    with_client(address, async |client| migrate::check_schema(client).await).await
}

/// Brings the schema to this program's version; answers from which one it came.
///
/// # Errors
/// See [`OpenError`].
pub async fn migrate_database(address: &Address) -> Result<i64, OpenError> {
    with_client(address, async |client| migrate::migrate(client).await).await
}

/// Does some work on a connection of its own.
pub(crate) async fn with_client<T>(
    address: &Address,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, MigrateError>,
) -> Result<T, OpenError> {
    if let Some((verify, roots)) = &address.tls {
        let tls = make_tls(address, *verify, roots.as_ref())?;
        let connecting = address.config.connect(tls);
        let (mut client, connection) = within_patience(address, connecting).await?;
        drive(connection, work(&mut client)).await
    } else {
        let connecting = address.config.connect(NoTls);
        let (mut client, connection) = within_patience(address, connecting).await?;
        drive(connection, work(&mut client)).await
    }
}

/// A server may take the connection and then say nothing: one that was stopped, or is none.
pub(crate) async fn within_patience<T>(
    address: &Address,
    connecting: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, OpenError> {
    match tokio::time::timeout(LOGIN_PATIENCE, connecting).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(error)) => Err(OpenError::of(address, &error)),
        Err(_) => Err(OpenError::Unreachable {
            address: address.shown(),
            cause: format!(
                "it takes the connection, but no login was answered for {} s",
                LOGIN_PATIENCE.as_secs()
            ),
        }),
    }
}

/// Does the work while the connection is driven beside it: no task outlives this.
async fn drive<T>(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
    work: impl Future<Output = Result<T, MigrateError>>,
) -> Result<T, OpenError> {
    let (work, connection) = (std::pin::pin!(work), std::pin::pin!(connection));
    match futures_util::future::select(work, connection).await {
        futures_util::future::Either::Left((done, _)) => Ok(done?),
        // The connection ended first: the work hears of it at once.
        futures_util::future::Either::Right((_, work)) => Ok(work.await?),
    }
}

pub(crate) fn make_tls(
    address: &Address,
    verify: Verify,
    roots: Option<&std::path::PathBuf>,
) -> Result<MakeTls, OpenError> {
    MakeTls::new(verify, roots).map_err(|error| OpenError::of_tls(address, &error))
}

pub(crate) fn pool(address: &Address, connections: u32) -> Result<Pool, OpenError> {
    let manager_config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match &address.tls {
        Some((verify, roots)) => {
            let tls = make_tls(address, *verify, roots.as_ref())?;
            Manager::from_config(address.config.clone(), tls, manager_config)
        }
        None => Manager::from_config(address.config.clone(), NoTls, manager_config),
    };
    let timeouts = Timeouts {
        wait: Some(POOL_WAIT),
        create: Some(POOL_WAIT),
        recycle: None,
    };
    Pool::builder(manager)
        .max_size(usize::try_from(connections.clamp(1, 512)).unwrap_or(1))
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| OpenError::Unreachable {
            address: address.shown(),
            cause: error.to_string(),
        })
}

//! `campanile serve`.

use std::sync::Arc;
use std::time::Duration;

use dialer::{SystemClock, SystemEntropy};
use domain::ambient::Clock as _;
use store::{LineRecord, PageRequest, Scopes, Store, Vault};
use store_postgres::PostgresStore;
use tokio_util::sync::CancellationToken;

use crate::commands::{sandbox, token};
use crate::config::settings::TokenSettings;
use crate::config::{Database, Outside, Role, Settings};
use crate::failure::{Failure, Outcome};
use crate::process::StopSignals;
use crate::server::{self, Parts, Server};
use crate::storage::{self, Opened};
use crate::{key_file, output};

/// Pause between two attempts to reach a database that does not answer.
const LATE_PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(settings: &Settings) -> Outcome {
    check_bootstrap_token(settings)?;
    let signals = StopSignals::listen()?;
    let listener = match settings.role {
        Role::All | Role::Api => Some(server::bind(&settings.listen).await?),
        Role::Dialer => None,
    };
    let address = listener
        .as_ref()
        .and_then(|listener| listener.local_addr().ok());
    let (store, vault, late): (Arc<dyn Store>, _, _) =
        match storage::open_for_serving(settings).await? {
            Opened::Ready(store) => {
                let vault = open_vault(settings, store.as_ref()).await?;
                bootstrap(settings, store.as_ref()).await?;
                (store, vault, None)
            }
            Opened::Waiting(store) => {
                let vault = vault_in_advance(settings)?;
                let late = Late {
                    store: Arc::clone(&store),
                    vault: vault.clone(),
                    settings: settings.clone(),
                };
                (store, vault, Some(late))
            }
        };
    let parts = Parts {
        store,
        vault,
        late,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        sandbox: server::start_sandbox(sandbox::options(settings)?).await?,
        time_scale: 1.0,
    };
    warn_about(settings);
    let server = Server::start(settings, parts, listener)?;
    match address {
        Some(address) => output::line(&format!("listening on http://{address}")),
        None => output::line("dialing"),
    }
    server::run(server, &signals).await
}

fn check_bootstrap_token(settings: &Settings) -> Outcome {
    match &settings.bootstrap_token {
        Some(token) if !api::token::is_well_formed(token) => Err(Failure::usage(
            "CAMPANILE_BOOTSTRAP_TOKEN is not a token: make one with `campanile token create --database-url sqlite:///tmp/throwaway.db`",
        )),
        _ => Ok(()),
    }
}

/// Makes the first token, on an empty database only.
async fn bootstrap(settings: &Settings, store: &dyn Store) -> Outcome {
    let Some(secret) = &settings.bootstrap_token else {
        return Ok(());
    };
    if store.has_tokens().await.map_err(Failure::failed)? {
        tracing::info!("the database has tokens already: the bootstrap token is not used");
        return Ok(());
    }
    let wanted = TokenSettings {
        tenant: "default".to_owned(),
        name: "bootstrap".to_owned(),
        scopes: Scopes {
            read: true,
            write: true,
            admin: true,
        },
    };
    token::make(store, &wanted, secret)
        .await
        .map_err(Failure::failed)?;
    tracing::info!("made the tenant `default` with the bootstrap token");
    Ok(())
}

/// The key of the installation, made on the first start. A database that holds credentials and
/// has lost its key is refused: a fresh key would hide the loss until the first dial. So is another key than
/// that of processes that use the database already.
async fn open_vault(settings: &Settings, store: &dyn Store) -> Outcome<Vault> {
    let path = &settings.secret_key_file;
    if let Some(key) = key_file::read(path).map_err(Failure::failed)? {
        let vault = Vault::new(&key);
        check_key(settings, &vault, store).await?;
        return Ok(vault);
    }
    if some_line(store).await?.is_some() {
        let (path, database) = (path.display(), &settings.database);
        return Err(Failure::failed(format!(
            "the key file {path} is missing, but {database} holds credentials sealed with it: restore it from your backup, or name it with --secret-key-file"
        )));
    }
    let key = key_file::create(path, &SystemEntropy).map_err(Failure::failed)?;
    tracing::info!(path = %path.display(), "made the key file; keep a copy of it apart from the database's backups");
    let vault = Vault::new(&key);
    check_key(settings, &vault, store).await?;
    Ok(vault)
}

/// The key while the database cannot be asked whether it is its own. One that is missing is not
/// made: that may hide a loss.
fn vault_in_advance(settings: &Settings) -> Outcome<Vault> {
    let path = &settings.secret_key_file;
    match key_file::read(path).map_err(Failure::failed)? {
        Some(key) => Ok(Vault::new(&key)),
        None => Err(Failure::failed(format!(
            "the database {} cannot be reached, and the key file {} is missing: start the database first, so that it can tell whether it holds credentials sealed with a key",
            settings.database,
            path.display()
        ))),
    }
}

/// A database that did not answer when the server started.
pub(crate) struct Late {
    store: Arc<PostgresStore>,
    vault: Vault,
    settings: Settings,
}

impl Late {
    /// Waits for it, and then does what a start does. Ends early when `stop` is told.
    ///
    /// # Errors
    /// What a start would have failed with.
    pub(crate) async fn catch_up(&self, stop: &CancellationToken) -> Outcome {
        loop {
            match self.store.prepare().await {
                Ok(_) => match self.begin().await {
                    Ok(()) => {
                        tracing::info!("the database is reached");
                        return Ok(());
                    }
                    Err(failure) if self.store.ping(SystemClock.now()).await.is_ok() => {
                        return Err(failure);
                    }
                    Err(failure) => tracing::debug!(%failure, "the database is gone again"),
                },
                Err(error) if error.passes() => {
                    tracing::debug!(%error, "the database still cannot be reached");
                }
                Err(error) => return Err(Failure::failed(error)),
            }
            if tokio::time::timeout(LATE_PAUSE, stop.cancelled())
                .await
                .is_ok()
            {
                return Ok(());
            }
        }
    }

    async fn begin(&self) -> Outcome {
        check_key(&self.settings, &self.vault, self.store.as_ref()).await?;
        bootstrap(&self.settings, self.store.as_ref()).await
    }
}

/// A key that is not the database's own would be noticed at the first dial only, and let the lines of all
/// processes rest.
async fn check_key(settings: &Settings, vault: &Vault, store: &dyn Store) -> Outcome {
    let (path, database) = (settings.secret_key_file.display(), &settings.database);
    let sealed = some_line(store).await?;
    if let Some(line) = &sealed {
        let context = lines::credentials_context(&line.line_key);
        if vault.open(&line.sealed_credentials, &context).is_err() {
            return Err(Failure::failed(format!(
                "the key file {path} is not the one that {database} was made with: restore that one from your backup, or name it with --secret-key-file"
            )));
        }
    }
    let mark = vault.mark();
    let agreed = store.agree_on_key(mark.clone(), sealed.is_some()).await;
    if agreed.map_err(Failure::failed)? != mark {
        return Err(Failure::failed(format!(
            "the key file {path} is not the one of the processes that use {database} already: copy theirs to this machine, or name it with --secret-key-file"
        )));
    }
    Ok(())
}

/// A voice provider of any tenant, if there is one: its credentials are sealed.
async fn some_line(store: &dyn Store) -> Outcome<Option<LineRecord>> {
    let mut before = None;
    loop {
        let page = store
            .list_tenants(PageRequest { limit: 200, before })
            .await
            .map_err(Failure::failed)?;
        for tenant in &page.items {
            let one = PageRequest {
                limit: 1,
                before: None,
            };
            let lines = store
                .list_lines(tenant.tenant_id, one)
                .await
                .map_err(Failure::failed)?;
            if let Some(line) = lines.items.into_iter().next() {
                return Ok(Some(line));
            }
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(None),
        }
    }
}

fn warn_about(settings: &Settings) {
    let alone = matches!(settings.database, Database::File(_));
    if settings.role == Role::Dialer && alone {
        tracing::warn!(
            "role dialer on SQLite: no other process can serve the API on this file, so provider callbacks are not received and calls are followed by asking the provider"
        );
    } else if settings.public_url.is_none() {
        tracing::warn!(
            "--public-url is not set: only the sandbox can call back; set it to where voice providers reach this server"
        );
    }
    match settings.outside {
        Outside::Nothing => tracing::warn!(
            "--sandbox-only is set: every voice provider but the sandbox of this process is out of reach"
        ),
        Outside::Public => {}
        Outside::Anything => tracing::warn!(
            "--allow-private-networks is set: users of the API can make this server connect to private addresses"
        ),
    }
}

//! `campanile demo`: a whole server with simulated phones on a fresh database, in accelerated
//! time, and a campaign made and watched through the HTTP API as a user would.

mod campaign;
mod client;
mod progress;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dialer::{ScaledClock, SystemEntropy};
use sandbox::Scenario;
use serde_json::json;
use store::{Scopes, Store, Vault};
use store_sqlite::Access;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::commands::token;
use crate::config::{Database, settings::TokenSettings};
use crate::config::{Outside, Role, Settings};
use crate::failure::{Failure, Outcome};
use crate::process::StopSignals;
use crate::server::{self, Parts, Server};
use crate::{key_file, output, storage};
use client::ApiClient;
use view::View;

pub(crate) async fn run(settings: &Settings) -> Outcome {
    let folder = Folder::open(settings.demo.keep.as_deref())?;
    let signals = StopSignals::listen()?;
    let listener = bind(settings).await?;
    let address = listener.local_addr().map_err(Failure::failed)?;
    let settings = demo_settings(settings, folder.path());
    let store: Arc<dyn Store> = Arc::new(storage::open_file(
        &settings,
        &database(folder.path()),
        Access::Owner,
    )?);
    let key =
        key_file::create(&settings.secret_key_file, &SystemEntropy).map_err(Failure::failed)?;
    let secret = api::token::generate(&SystemEntropy);
    token::make(store.as_ref(), &settings.token, &secret)
        .await
        .map_err(Failure::failed)?;
    let scale = settings.demo.time_scale;
    let parts = Parts {
        store,
        vault: Vault::new(&key),
        late: None,
        clock: Arc::new(ScaledClock::new(scale)),
        entropy: Arc::new(SystemEntropy),
        sandbox: server::start_sandbox(sandbox_options(&settings)?).await?,
        time_scale: scale,
    };
    let server = Server::start(&settings, parts, Some(listener))?;
    let base_url = server::local_url(address);
    introduce(&settings, &folder, &base_url, &secret);

    // Whichever ends first, the show or the server, ends the other.
    let stop = signals.stop().child_token();
    let serving = async {
        let outcome = server.run_until(&stop, signals.abort()).await;
        stop.cancel();
        outcome
    };
    let showing = async {
        let outcome = show(&settings, &ApiClient::new(base_url, secret), &stop).await;
        stop.cancel();
        outcome
    };
    let (server_outcome, show_outcome) = tokio::join!(serving, showing);
    server_outcome.and(show_outcome)
}

/// Where the demonstration's files are.
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn open(keep: Option<&Path>) -> Outcome<Self> {
        let Some(keep) = keep else {
            let made = TempDir::with_prefix("campanile-demo-");
            return made.map(Self::Temporary).map_err(|error| {
                Failure::failed(format!(
                    "cannot make a temporary folder: {error}; name one with --keep"
                ))
            });
        };
        let shown = keep.display();
        if database(keep).exists() {
            return Err(Failure::failed(format!(
                "{shown} holds a demonstration already: name another folder with --keep, or serve it with --database-url sqlite://{}",
                database(keep).display()
            )));
        }
        std::fs::create_dir_all(keep)
            .map_err(|error| Failure::failed(format!("cannot make the folder {shown}: {error}")))?;
        Ok(Self::Kept(keep.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("campanile.db")
}

/// The address that was asked for; a free one when nobody asked and the usual one is taken.
async fn bind(settings: &Settings) -> Outcome<TcpListener> {
    match server::bind(&settings.demo.listen).await {
        Err(_) if !settings.demo.listen_is_chosen => server::bind("127.0.0.1:0").await,
        bound => bound,
    }
}

/// The settings of the server inside the demonstration: nothing of a real installation.
fn demo_settings(settings: &Settings, folder: &Path) -> Settings {
    Settings {
        database: Database::File(database(folder)),
        secret_key_file: folder.join("campanile.db.key"),
        public_url: None,
        role: Role::All,
        // What allows private addresses is meant for a real installation.
        outside: match settings.outside {
            Outside::Nothing => Outside::Nothing,
            Outside::Public | Outside::Anything => Outside::Public,
        },
        bootstrap_token: None,
        token: TokenSettings {
            tenant: "default".to_owned(),
            name: "demo".to_owned(),
            scopes: Scopes {
                read: true,
                write: true,
                admin: true,
            },
        },
        ..settings.clone()
    }
}

fn sandbox_options(settings: &Settings) -> Outcome<sandbox::Options> {
    // The vendor's rate limit is in real time, so it has to grow with the acceleration.
    let change = json!({ "calls_per_second": 200, "concurrency": campaign::CONCURRENCY * 2 });
    let scenario = Scenario::default()
        .changed_by(&change)
        .map_err(Failure::failed)?;
    Ok(sandbox::Options {
        seed: settings.sandbox.seed,
        time_scale: settings.demo.time_scale,
        scenario,
    })
}

fn introduce(settings: &Settings, folder: &Folder, base_url: &str, secret: &str) {
    let place = match folder {
        Folder::Kept(path) => database(path).display().to_string(),
        Folder::Temporary(_) => "temporary, removed at the end (--keep DIR keeps it)".to_owned(),
    };
    output::line(&format!(
        "A sample campaign over simulated phones, {} times faster than life.",
        settings.demo.time_scale
    ));
    output::line(&format!("  address   {base_url}"));
    output::line(&format!("  reference {base_url}/docs"));
    output::line(&format!("  token     {secret}"));
    output::line(&format!("  database  {place}"));
    output::line("");
}

/// Makes the campaign and shows it until it is over, the time is, or `stop` says so.
async fn show(settings: &Settings, client: &ApiClient, stop: &CancellationToken) -> Outcome {
    let limit = settings.demo.for_seconds.map(Duration::from_secs);
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let mut view = View::new();
    let watching = async {
        let campaign_id = campaign::start(client).await?;
        progress::watch(
            client,
            &campaign_id,
            settings.demo.exit_when_done,
            &mut view,
        )
        .await
    };
    let outcome = tokio::select! {
        outcome = watching => outcome,
        () = stop.cancelled() => Ok(()),
        () = over => Ok(()),
    };
    outcome.inspect(|()| view.finish())
}

//! One serving process: API, dialer and sandbox over one store, started and stopped together.
//!
//! Invariants: the address is bound before anything else is touched; whatever part ends by itself
//! ends the process; after a stop is asked for no dial begins, and the process is gone within the
//! drain limit and a moment.

mod transport;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use api::Api;
use dialer::{Dialer, Heartbeat};
use domain::ambient::{Clock, Entropy};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use providers::Transport;
use sandbox::Sandbox;
use store::{DiskRoom, Gauges, HoldReason, HoldStatus, Store, Vault};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::commands::serve::Late;
use crate::config::{Outside, Role, Settings};
use crate::failure::{Failure, Outcome};
use crate::process::StopSignals;
pub(crate) use transport::ProviderNetwork;

/// Time for a client to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time a connection may be idle between requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Time for a whole request; the largest body is a bulk of 32 MiB.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for requests that are open when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(8_500);
/// Beyond the parts' own limits: something hangs. With the sandbox's limit, ten seconds.
const STOP_LIMIT: Duration = Duration::from_millis(9_500);
/// Time for the sandbox to stop; it has nothing that must be kept.
const SANDBOX_STOP_LIMIT: Duration = Duration::from_millis(300);
/// How often the metrics are tidied, and the gauges read.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Bounds of what is measured in seconds, from a cached read to a slow provider.
const SECONDS_BUCKETS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
];

/// What a server is made of.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Vault,
    /// The database, when it did not answer yet.
    pub(crate) late: Option<Late>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The sandbox of this process.
    pub(crate) sandbox: Sandbox,
    /// How much faster than real time the clock runs.
    pub(crate) time_scale: f64,
}

/// Binds `address`, or says which port is in use and what to do.
pub(crate) async fn bind(address: &str) -> Outcome<TcpListener> {
    use std::io::ErrorKind;
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::AddrInUse => {
                "another process listens there: stop it, or choose another port with --listen"
            }
            ErrorKind::PermissionDenied => {
                "ports below 1024 need privileges: choose another with --listen"
            }
            _ => "choose an address of this machine with --listen",
        };
        Failure::failed(format!("cannot listen on {address}: {error}; {remedy}"))
    })
}

/// Where this machine itself reaches a listener.
pub(crate) fn local_url(address: SocketAddr) -> String {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{reachable}")
}

/// Starts the sandbox of this process.
pub(crate) async fn start_sandbox(options: sandbox::Options) -> Outcome<Sandbox> {
    Sandbox::start(options)
        .await
        .map_err(|error| Failure::failed(format!("the sandbox cannot start: {error}")))
}

/// A server that runs.
pub(crate) struct Server {
    tasks: JoinSet<Ended>,
    stop: CancellationToken,
    sandbox: Sandbox,
}

impl Server {
    /// Starts the parts that the role asks for. `listener` is absent exactly when there is no API.
    pub(crate) fn start(
        settings: &Settings,
        parts: Parts,
        listener: Option<TcpListener>,
    ) -> Outcome<Self> {
        let metrics = install_metrics()?;
        let sandbox_base_url = format!("{}/vapi", parts.sandbox.base_url());
        let network = ProviderNetwork::new(settings.outside, Some(&sandbox_base_url))?;
        let transport: Arc<dyn Transport> = Arc::new(network);
        let public_url = match (&settings.public_url, &listener) {
            (Some(url), _) => Some(url.as_str().trim_end_matches('/').to_owned()),
            (None, Some(listener)) => listener.local_addr().ok().map(local_url),
            (None, None) => None,
        };
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let heartbeat = (settings.role != Role::Api).then(|| {
            let dialer = Dialer::new(dialer::Parts {
                store: Arc::clone(&parts.store),
                vault: parts.vault.clone(),
                transport: Arc::clone(&transport),
                clock: Arc::clone(&parts.clock),
                entropy: Arc::clone(&parts.entropy),
                options: dialer::Options {
                    public_url: public_url.clone(),
                    sandbox_base_url: Some(sandbox_base_url.clone()),
                    time_scale: parts.time_scale,
                    list_retry_pauses: dialer::LIST_RETRY_PAUSES,
                    scan_period: dialer::SCAN_PERIOD,
                },
            });
            let (heartbeat, stop) = (dialer.heartbeat(), stop.clone());
            tasks.spawn(async move {
                (
                    "dialer",
                    dialer.run(stop).await.map_err(|error| error.to_string()),
                )
            });
            heartbeat
        });
        if let Some(late) = parts.late {
            tasks.spawn(catch_up(late, stop.clone()));
        }
        tasks.spawn(stay_in_touch(Arc::clone(&parts.store), stop.clone()));
        tasks.spawn(upkeep(
            metrics.clone(),
            Arc::clone(&parts.store),
            stop.clone(),
        ));
        if let Some(listener) = listener {
            let api = Api {
                store: parts.store,
                vault: parts.vault,
                transport,
                clock: parts.clock,
                entropy: parts.entropy,
                health: Arc::new(Health(heartbeat)),
                options: api_options(settings, public_url, sandbox_base_url, metrics),
            };
            let stop = stop.clone();
            tasks.spawn(async move {
                (
                    "API",
                    api::serve(listener, api, stop)
                        .await
                        .map_err(|error| error.to_string()),
                )
            });
        }
        Ok(Self {
            tasks,
            stop,
            sandbox: parts.sandbox,
        })
    }

    /// Serves until `stop`, then stops; `abort` ends it without waiting.
    pub(crate) async fn run_until(
        mut self,
        stop: &CancellationToken,
        abort: &CancellationToken,
    ) -> Outcome {
        let ended = tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = first_end(&mut self.tasks) => Err(ended),
        };
        match &ended {
            Ok(()) => tracing::info!("stopping: no new call begins, open requests may finish"),
            Err(failure) => tracing::error!(%failure, "stopping because of a failure"),
        }
        let stopped = tokio::select! {
            stopped = self.stop() => stopped,
            () = abort.cancelled() => Err(Failure::failed("aborted by a second signal; calls being placed are looked up at the next start")),
        };
        ended.and(stopped)
    }

    /// Stops every part and waits for it.
    async fn stop(mut self) -> Outcome {
        self.stop.cancel();
        let mut outcome = Ok(());
        let waiting = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(failure) = told(ended) {
                    outcome = Err(failure);
                }
            }
        };
        if tokio::time::timeout(STOP_LIMIT, waiting).await.is_err() {
            tracing::warn!("some requests did not end in time and were cut off");
        }
        let _ = tokio::time::timeout(SANDBOX_STOP_LIMIT, self.sandbox.stop()).await;
        outcome
    }
}

/// Serves until a signal says stop.
pub(crate) async fn run(server: Server, signals: &StopSignals) -> Outcome {
    server.run_until(signals.stop(), signals.abort()).await
}

/// Which part ended, and why if it was not asked to.
type Ended = (&'static str, Result<(), String>);

/// How the first part ended that must not end by itself.
async fn first_end(tasks: &mut JoinSet<Ended>) -> Failure {
    match tasks.join_next().await {
        Some(Ok((part, Ok(())))) => Failure::failed(format!(
            "the {part} ended by itself; this is a bug, please report it"
        )),
        Some(ended) => told(ended).err().unwrap_or(Failure::Told),
        None => Failure::failed("nothing runs; this is a bug, please report it"),
    }
}

fn told(ended: Result<Ended, tokio::task::JoinError>) -> Outcome {
    match ended {
        Ok((_, Ok(()))) => Ok(()),
        Ok((part, Err(cause))) => Err(Failure::failed(format!("the {part} failed: {cause}"))),
        Err(error) => Err(Failure::failed(format!(
            "a part of the server panicked: {error}; this is a bug, please report it"
        ))),
    }
}

fn install_metrics() -> Outcome<PrometheusHandle> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let built = PrometheusBuilder::new().set_buckets_for_metric(seconds, SECONDS_BUCKETS);
    let installed = built.and_then(PrometheusBuilder::install_recorder);
    installed.map_err(|error| Failure::failed(format!("metrics cannot be collected: {error}")))
}

/// Does what a start does once the database is there; then there is nothing to do.
async fn catch_up(late: Late, stop: CancellationToken) -> Ended {
    match late.catch_up(&stop).await {
        Ok(()) => {
            stop.cancelled().await;
            ("database", Ok(()))
        }
        Err(failure) => ("start on the database", Err(failure.to_string())),
    }
}

/// Tells other processes of changes, and hears of theirs. It ends with the server and not before.
async fn stay_in_touch(store: Arc<dyn Store>, stop: CancellationToken) -> Ended {
    tokio::select! {
        () = store.stay_in_touch() => stop.cancelled().await,
        () = stop.cancelled() => {}
    }
    ("hints", Ok(()))
}

/// Keeps the metrics small and the gauges true.
async fn upkeep(
    metrics: PrometheusHandle,
    store: Arc<dyn Store>,
    stop: CancellationToken,
) -> Ended {
    loop {
        metrics.run_upkeep();
        match store.gauges().await {
            Ok(gauges) => show_gauges(&gauges),
            Err(error) => tracing::debug!(%error, "the gauges could not be read"),
        }
        show_disk(&store.disk_room());
        match store.hold_status().await {
            Ok(status) => show_holds(&status),
            Err(error) => tracing::debug!(%error, "whether to hold could not be read"),
        }
        if tokio::time::timeout(METRICS_UPKEEP, stop.cancelled())
            .await
            .is_ok()
        {
            return ("metrics", Ok(()));
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; nobody has 2^53 leads"
)]
fn show_gauges(gauges: &Gauges) {
    metrics::gauge!("campanile_live_calls").set(gauges.live_calls as f64);
    metrics::gauge!("campanile_unresolved_calls").set(gauges.unresolved_calls as f64);
    metrics::gauge!("campanile_running_campaigns").set(gauges.running_campaigns as f64);
    metrics::gauge!("campanile_due_leads").set(gauges.due_leads as f64);
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; disks are known to the kibibyte"
)]
fn show_disk(room: &DiskRoom) {
    if let Some(free_bytes) = room.free_bytes {
        metrics::gauge!("campanile_disk_free_bytes").set(free_bytes as f64);
    }
    metrics::gauge!("campanile_disk_reserve_bytes").set(room.reserve_bytes as f64);
    let held = if room.held.is_some() { 1.0 } else { 0.0 };
    metrics::gauge!("campanile_held_by_full_disk").set(held);
}

/// One for each reason, so that an alert can name it.
fn show_holds(status: &HoldStatus) {
    for reason in HoldReason::ALL {
        let holds = f64::from(u8::from(status.by(*reason).is_some()));
        metrics::gauge!("campanile_on_hold", "reason" => reason.as_str()).set(holds);
    }
}

fn api_options(
    settings: &Settings,
    public_url: Option<String>,
    sandbox_base_url: String,
    metrics: PrometheusHandle,
) -> api::Options {
    api::Options {
        public_url,
        allow_private_networks: settings.outside == Outside::Anything,
        sandbox_base_url: Some(sandbox_base_url),
        rate_limit_per_second: settings.api_rate_limit,
        rate_limit_burst: settings.api_rate_burst,
        max_connections: settings.max_connections,
        header_timeout: HEADER_TIMEOUT,
        idle_timeout: IDLE_TIMEOUT,
        request_timeout: REQUEST_TIMEOUT,
        drain_timeout: DRAIN_TIMEOUT,
        version: env!("CARGO_PKG_VERSION"),
        metrics: Some(Arc::new(move || metrics.render())),
    }
}

/// The dialer's pulse; a process without a dialer has nothing that could be dead.
struct Health(Option<Arc<Heartbeat>>);

impl api::Health for Health {
    fn dialer_alive(&self) -> Result<(), String> {
        self.0
            .as_ref()
            .map_or(Ok(()), |heartbeat| heartbeat.check())
    }

    fn dialing_withheld(&self) -> Option<String> {
        self.0.as_ref().and_then(|heartbeat| heartbeat.withheld())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_url_never_names_an_address_that_cannot_be_connected_to() {
        assert_eq!(
            local_url("0.0.0.0:80".parse().unwrap()),
            "http://127.0.0.1:80"
        );
        assert_eq!(local_url("[::]:80".parse().unwrap()), "http://[::1]:80");
        assert_eq!(
            local_url("192.0.2.1:80".parse().unwrap()),
            "http://192.0.2.1:80"
        );
    }

    #[tokio::test]
    async fn a_part_that_panics_or_ends_by_itself_is_a_failure() {
        let mut tasks: JoinSet<Ended> = JoinSet::new();
        tasks.spawn(async { panic!("on purpose") });
        let failure = first_end(&mut tasks).await;
        assert!(failure.to_string().contains("panicked"), "{failure}");
        tasks.spawn(async { ("API", Ok(())) });
        let failure = first_end(&mut tasks).await;
        assert!(
            failure.to_string().contains("the API ended by itself"),
            "{failure}"
        );
        tasks.spawn(async { ("dialer", Err("no disk".to_owned())) });
        let failure = first_end(&mut tasks).await;
        assert_eq!(failure, Failure::failed("the dialer failed: no disk"));
    }
}

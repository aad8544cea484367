//! The process itself: how it ends when it must, and how it is told to.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Outcome};
use crate::output;

/// Threads of the asynchronous runtime; their tasks are supervised by whoever started them.
const WORKER_THREAD: &str = "worker";

/// A runtime with a thread for each core, and at least so many.
pub(crate) fn runtime(least_threads: usize) -> Outcome<Runtime> {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let threads = threads.max(least_threads);
    let built = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(WORKER_THREAD)
        .enable_all()
        .build();
    built.map_err(|error| {
        Failure::failed(format!(
            "cannot start threads: {error}; check the limits of this user"
        ))
    })
}

/// Logs every panic, and ends the process when it was in a thread that nobody supervises: a
/// server without its storage thread would only pretend to live.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        let place = panic.location().map_or(String::new(), ToString::to_string);
        let message = said(panic.payload());
        tracing::error!(
            thread = name,
            place,
            message,
            "panic: this is a bug, please report it"
        );
        if name != WORKER_THREAD && name != "main" {
            exit_now();
        }
    }));
}

/// The message of a panic.
fn said(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let literal = || payload.downcast_ref::<&str>().copied();
    text.or_else(literal).unwrap_or("no message")
}

/// Ends the process because an fsync failed: the system may have dropped what was to be written,
/// and going on would acknowledge what is lost.
pub(crate) fn end_after_failed_sync(cause: &str) {
    tracing::error!(
        cause,
        "the disk refused to make data durable; the process ends so that nothing is acknowledged that is lost"
    );
    output::complaint(&format!(
        "the disk refused to make data durable ({cause}); check the disk, then start again: nothing that was acknowledged is lost"
    ));
    exit_now();
}

#[expect(
    clippy::exit,
    reason = "the one way out where unwinding would let other threads go on"
)]
fn exit_now() -> ! {
    std::process::exit(1);
}

/// Hears SIGTERM and SIGINT from its making on.
pub(crate) struct StopSignals {
    listener: JoinHandle<()>,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl StopSignals {
    /// Starts to listen; from now on neither signal kills the process by itself.
    pub(crate) fn listen() -> Outcome<Arc<Self>> {
        let hear = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))
        };
        let signals = (
            hear(SignalKind::terminate())?,
            hear(SignalKind::interrupt())?,
        );
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        #[expect(
            clippy::disallowed_methods,
            reason = "the handle is kept and aborted with its owner"
        )]
        let listener = tokio::spawn(pass_on(signals, stop.clone(), abort.clone()));
        Ok(Arc::new(Self {
            listener,
            stop,
            abort,
        }))
    }

    /// Cancelled by the first signal.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled by the second.
    pub(crate) fn abort(&self) -> &CancellationToken {
        &self.abort
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn pass_on(
    (mut terminate, mut interrupt): (Signal, Signal),
    stop: CancellationToken,
    abort: CancellationToken,
) {
    for token in [stop, abort] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    }
}

/// Runs `command` on a runtime of its own. What it leaves behind is not waited for.
pub(crate) fn block_on<T>(command: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    block_on_threads(1, command)
}

/// The same with at least so many threads.
pub(crate) fn block_on_threads<T>(
    least_threads: usize,
    command: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    let runtime = runtime(least_threads)?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

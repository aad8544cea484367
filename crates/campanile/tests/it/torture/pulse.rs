//! How late the observer itself is: small questions to the sandbox, all the time. On a busy machine a
//! request reaches its log when the sandbox gets to run, and the dialer must not be blamed for that,
//! nor excused by it a moment longer than it lasted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::http::request;
use super::truth::{Micros, Truth};
use super::wait::{met_within, pause};

/// Milliseconds between questions.
const PERIOD: u64 = 40;
/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A question: when it left, and when its answer was there.
pub(super) type Trip = (Micros, Micros);

/// Asks until it is dropped.
pub(super) struct Pulse {
    trips: Arc<Mutex<Vec<Trip>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    pub(super) fn start(sandbox: &str, truth: Truth) -> Self {
        let trips: Arc<Mutex<Vec<Trip>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (record, stopped, address) =
            (Arc::clone(&trips), Arc::clone(&stop), sandbox.to_owned());
        let ask = move || {
            while !stopped.load(Ordering::Relaxed) {
                let asked_at = truth.at_earliest();
                // One that was not answered says nothing.
                if request(&address, "", "GET", "/control/health", None).is_some() {
                    let answered_at = truth.at_latest();
                    record.lock().unwrap().push((asked_at, answered_at));
                }
                pause(PERIOD);
            }
        };
        let thread = std::thread::Builder::new().name("pulse".to_owned());
        Self {
            trips,
            stop,
            thread: Some(thread.spawn(ask).unwrap()),
        }
    }

    /// Every trip so far, and one that began after this question: it clears what came before.
    pub(super) fn trips(&self) -> Vec<Trip> {
        let count = || self.trips.lock().unwrap().len();
        let before = count();
        // Without it there are fewer excuses, not more.
        let _ = met_within(PATIENCE, || count() >= before + 2);
        self.trips.lock().unwrap().clone()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It only ever waits for the sandbox, which outlives it.
            let _ = thread.join();
        }
    }
}

//! Calls as the sandbox sees them, whoever places them: how fast they begin, and whether their
//! callbacks keep up.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::calls::{instants, rings};
use crate::client::Connection;
use crate::servers::{Running, pause};

/// Most time that the calls of one watch may take.
const LIMIT: Duration = Duration::from_secs(120);
/// From the end of a call to its report, at the vendor.
const REPORT: Duration = Duration::from_millis(500);
/// From the arrival of one of [`crate::calls::short_calls`] to its report.
const LIFE_SECONDS: f64 = 0.8;

/// What the sandbox saw.
pub(super) struct Seen {
    /// Calls per second. From the first arrival to the last, or until the last callback was
    /// answered, less the life of a call: who starts calls faster than it takes their callbacks gains
    /// nothing by it.
    pub(super) per_second: f64,
    /// Between the first arrival and the last alone.
    pub(super) starts_per_second: f64,
}

/// Waits until so many calls have begun, have ended, and have all their callbacks answered.
pub(super) async fn watch(sandbox: &Running, calls: usize) -> Result<Seen, String> {
    let mut control = Connection::open(&sandbox.host, None).await;
    let began = Instant::now();
    let wanted = calls as u64;
    wait(&mut control, began, |health| {
        health["rings"].as_u64() >= Some(wanted) && health["live_calls"] == 0
    })
    .await?;
    pause(REPORT).await;
    let last = wait(&mut control, began, |health| {
        health["callbacks_waiting"] == 0
    })
    .await?;
    let answered: jiff::Timestamp = last["now"].as_str().unwrap().parse().unwrap();
    let arrivals = instants(&rings(sandbox).await, "received_at");
    if arrivals.len() != calls {
        return Err(format!("{} phones rang instead of {calls}", arrivals.len()));
    }
    let (first, last) = (arrivals[0], arrivals[calls - 1]);
    let until = (answered.as_microsecond() as f64 / 1e6 - LIFE_SECONDS).max(last);
    Ok(Seen {
        per_second: calls as f64 / (until - first),
        starts_per_second: calls as f64 / (last - first),
    })
}

/// The first state of the sandbox that is as wanted.
async fn wait(
    control: &mut Connection,
    began: Instant,
    is_wanted: impl Fn(&Value) -> bool,
) -> Result<Value, String> {
    loop {
        let health = control.send("GET", "/control/health", None).await.json();
        if is_wanted(&health) {
            return Ok(health);
        }
        if began.elapsed() > LIMIT {
            return Err(format!("not done after {LIMIT:?}: {health}"));
        }
        pause(Duration::from_millis(20)).await;
    }
}

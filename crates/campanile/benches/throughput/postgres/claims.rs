//! What claiming calls costs when there is much to claim from: the store's own tick, in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::Store;
use store_postgres::{Options, PostgresStore};

use super::{Kept, Server};
use crate::Figure;
use crate::numbers::{median, millis};
use crate::ticks::{self, Cost, SMALL, Size, TICKS};

/// Campaigns of the big size.
const CAMPAIGNS: usize = 10_000;

/// Ticks before those that are measured.
const FIRST: i32 = 10;

/// Both sizes one after the other, with the same number of calls a tick.
pub(super) async fn measure(server: Server, name: &'static str, leads: usize) -> Vec<Figure> {
    let small = run(&server, SMALL).await;
    let big = run(
        &server,
        Size {
            campaigns: CAMPAIGNS,
            leads,
        },
    )
    .await;
    let rate = |cost: &Cost| cost.calls as f64 / total(cost).as_secs_f64();
    let ratio = rate(&big) / rate(&small);
    vec![Figure {
        name,
        measured: format!("{:.0}/s ({})", rate(&big), told(&big)),
        beside: format!(
            "10 campaigns × 10 thousand leads: {:.0}/s ({}); made in {:.0} s",
            rate(&small),
            told(&small),
            big.built.as_secs_f64()
        ),
        ratio: Some(ratio),
        target: "ratio ≥ 0.5",
        met: Some(ratio >= 0.5),
    }]
}

fn total(cost: &Cost) -> Duration {
    cost.per_tick.iter().sum()
}

fn told(cost: &Cost) -> String {
    let all = cost.per_tick.iter().map(Duration::as_secs_f64).collect();
    format!(
        "{} calls, median {} a tick, longest {}",
        cost.calls,
        millis(Duration::from_secs_f64(median(all))),
        millis(cost.per_tick[cost.per_tick.len() - 1])
    )
}

async fn run(server: &Server, size: Size) -> Cost {
    let kept: Arc<Kept> = server.kept();
    let options = Options {
        address: server.0.address(&kept.name).parse().unwrap(),
        connections: 16,
        patience_of: lines::patience_of,
        dials: true,
        marker: None,
    };
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&options).await.unwrap());
    // As in a server: it looks after statistics.
    let touch = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.stay_in_touch().await }
    });
    let began = Instant::now();
    let started_at = ticks::build(&store, size).await;
    let built = began.elapsed();
    touch.abort();
    ticks::tick(&*store, started_at, 0..FIRST, built).await;
    // What a server in use has done long before: statistics, also of calls, and what was loaded is on
    // the disk.
    server.0.admin(&kept.name, "VACUUM ANALYZE");
    server.settle();
    ticks::tick(&*store, started_at, FIRST..FIRST + TICKS, built).await
}

//! What campaigns do on PostgreSQL: on a server of the bench's own, which keeps what it commits as one
//! in use does, on the disk of the build and the same cores. Databases are made for a measurement and
//! dropped after it; the server ends with the bench, however that ends.

mod bulk;
mod claims;
mod nodes;
mod programs;
mod rivals;
mod share;
mod starts;
mod watch;

use std::path::Path;
use std::sync::Arc;

use postgres_cluster::OwnCluster;

use crate::servers::Database;
use crate::{Figure, Run, ingest, machine, servers};

/// Ten million leads: only by name, for its time and its disk.
const FULL_CLAIMS: &str = "postgres-full";
/// All others, which `postgres` names together.
const NAMES: [&str; 5] = [
    "postgres-starts",
    "postgres-ingest",
    "postgres-bulk",
    "postgres-claims",
    "postgres-nodes",
];

/// Whether `filter` names a measurement, or all of those that are not only taken by name.
pub(crate) fn includes(filter: &str, name: &str) -> bool {
    filter == "postgres" && NAMES.contains(&name)
}

/// Takes those measurements that are wanted, on one server.
pub(crate) async fn add_to(run: &mut Run) {
    let is_full_wanted = run.filter == FULL_CLAIMS;
    if !is_full_wanted && !NAMES.iter().any(|name| run.wants(name)) {
        return;
    }
    if !postgres_cluster::is_installed() {
        eprintln!(
            "left out: campaigns on PostgreSQL, which is not installed (`make deps` installs the package postgresql)"
        );
        return;
    }
    let Ok(server) = tokio::task::spawn_blocking(Server::start).await else {
        return run.figures.push(Figure::failed("the PostgreSQL server"));
    };
    let at = || server.clone();
    run.add(NAMES[0], starts::measure(at())).await;
    run.add(NAMES[1], {
        let name = "PostgreSQL: callbacks per second, durable before the answer, 64 connections";
        let database = at().database();
        async move { ingest::measure_on(servers::server_of(database), name).await }
    })
    .await;
    run.add(NAMES[2], bulk::measure(at())).await;
    let million = "PostgreSQL: claims per second, 10,000 campaigns × 1 million leads";
    run.add(NAMES[3], claims::measure(at(), million, 1_000_000))
        .await;
    run.add(NAMES[4], nodes::measure(at())).await;
    if is_full_wanted {
        let ten = "PostgreSQL: claims per second, 10,000 campaigns × 10 million leads";
        run.add(FULL_CLAIMS, claims::measure(at(), ten, 10_000_000))
            .await;
    }
}

/// The PostgreSQL server of this run.
#[derive(Clone)]
struct Server(Arc<OwnCluster>);

/// A database that is dropped with its last user.
struct Kept {
    server: Server,
    name: String,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.server.0.drop_database(&self.name);
    }
}

impl Server {
    fn start() -> Self {
        Self(Arc::new(OwnCluster::start_durable(Path::new(
            machine::DISK,
        ))))
    }

    /// An empty database. What was written before is on the disk, so that it costs the next
    /// measurement nothing.
    fn kept(&self) -> Arc<Kept> {
        let name = self.0.empty_database();
        self.settle();
        Arc::new(Kept {
            server: self.clone(),
            name,
        })
    }

    /// Writes to the disk what waits for it.
    fn settle(&self) {
        self.0.admin("postgres", "CHECKPOINT");
    }

    /// Has statistics of what was loaded, as a server in use has within a minute, and a checkpoint.
    fn know(&self, kept: &Kept) {
        self.0.admin(&kept.name, "ANALYZE");
        self.settle();
    }

    /// An empty database for a server.
    fn database(&self) -> Database {
        let kept = self.kept();
        self.database_of(&kept)
    }

    fn database_of(&self, kept: &Arc<Kept>) -> Database {
        Database::at(self.0.address(&kept.name), Arc::clone(kept) as _)
    }

    /// Seconds of processor time that all its processes have used so far.
    fn cpu_seconds(&self) -> f64 {
        machine::family_cpu_seconds(self.0.process_id())
    }
}

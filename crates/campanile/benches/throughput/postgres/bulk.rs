//! A million leads into PostgreSQL, as users add them.

use std::time::Duration;

use super::Server;
use crate::calls::add_leads;
use crate::{Figure, servers};

const LEADS: usize = 1_000_000;

pub(super) async fn measure(server: Server) -> Vec<Figure> {
    let node = servers::server_of(server.database());
    let campaign = servers::campaign(&node, None, 10, 10).await;
    let empty = node.memory_mib();
    let (own, database) = (node.cpu_seconds(), server.cpu_seconds());
    let took = add_leads(&node, &campaign, LEADS).await;
    let peak = node.peak_memory_mib();
    vec![Figure {
        name: "PostgreSQL: 1 million leads added in bulk, until all can be called",
        measured: format!("{:.1} s, server's peak {peak:.0} MiB", took.as_secs_f64()),
        beside: format!(
            "{:.0} leads/s, 100 requests; processor: server {:.1} s, PostgreSQL {:.1} s; {empty:.0} MiB with an empty database",
            LEADS as f64 / took.as_secs_f64(),
            node.cpu_seconds() - own,
            server.cpu_seconds() - database
        ),
        target: "≤ 30 s, ≤ 300 MiB",
        met: Some(took <= Duration::from_secs(30) && peak <= 300.0),
        ..Figure::default()
    }]
}

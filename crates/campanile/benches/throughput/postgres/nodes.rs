//! What a second server on the same database adds, for campaigns of four tenants: the writes of each follow
//! one another, so that one alone would not show it.
//!
//! On two cores all processes share them, so that two servers have no more than one had. To see what the
//! design allows where the database has cores to spare, and how far that goes, each server is bounded
//! to a part of a core.

use super::Server;
use super::share::Share;
use super::watch::watch;
use crate::Figure;
use crate::calls::{add_leads, short_calls, wait_until_final};
use crate::servers::{self, Database};

/// Each has one campaign, on a line of its own.
const TENANTS: usize = 4;

/// What a server may have of two cores.
struct Bound {
    name: &'static str,
    /// Hundredths of a core.
    percent: u32,
    /// Calls of all tenants.
    calls: usize,
}

const BOUNDS: [Bound; 2] = [
    Bound {
        name: "PostgreSQL: the same, each server bounded to a quarter of a core",
        percent: 25,
        calls: 4_000,
    },
    Bound {
        name: "PostgreSQL: the same, each server bounded to an eighth of a core",
        percent: 12,
        calls: 2_000,
    },
];

/// The tenants' campaigns on so many servers.
struct Nodes {
    per_second: f64,
    processor: String,
    calls_of_each: String,
}

pub(super) async fn measure(server: Server) -> Vec<Figure> {
    let one = run(&server, 1, 8_000, &[]).await;
    let two = run(&server, 2, 8_000, &[]).await;
    let mut figures = vec![figure(
        "PostgreSQL: call starts per second with a second server, all on the same cores",
        &one,
        &two,
    )];
    for bound in &BOUNDS {
        figures.push(bounded(&server, bound).await);
    }
    figures
}

async fn bounded(server: &Server, bound: &Bound) -> Figure {
    let shares: Vec<Share> = ["one", "two"]
        .iter()
        .filter_map(|name| Share::of(bound.percent, name))
        .collect();
    if shares.len() < 2 {
        return Figure {
            name: bound.name,
            measured: "left out".to_owned(),
            beside: "this user may not make control groups with a quota".to_owned(),
            ..Figure::default()
        };
    }
    let one = run(server, 1, bound.calls, &shares).await;
    let two = run(server, 2, bound.calls, &shares).await;
    figure(bound.name, &one, &two)
}

fn figure(name: &'static str, one: &Nodes, two: &Nodes) -> Figure {
    Figure {
        name,
        measured: format!("{:.0}/s", two.per_second),
        beside: format!(
            "with one {:.0}/s ({}); with two {}, calls of each {}",
            one.per_second, one.processor, two.processor, two.calls_of_each
        ),
        ratio: Some(two.per_second / one.per_second),
        ..Figure::default()
    }
}

async fn run(server: &Server, nodes: usize, calls: usize, shares: &[Share]) -> Nodes {
    let sandbox = servers::sandbox(&short_calls());
    let kept = server.kept();
    let mut first = servers::server_of(server.database_of(&kept));
    let token = first.token.clone();
    let mut campaigns = Vec::new();
    for tenant in 0..TENANTS {
        first.token = servers::token_of(&first, &format!("tenant {tenant}"));
        let each = u32::try_from(2_000 / TENANTS).unwrap();
        let campaign = servers::campaign(&first, Some(&sandbox.host), each, 10_000).await;
        add_leads(&first, &campaign, calls / TENANTS).await;
        campaigns.push((first.token.clone(), campaign));
    }
    let mut running = vec![first];
    while running.len() < nodes {
        let database: Database = server.database_of(&kept);
        database.copy_key_of(running[0].database());
        running.push(servers::server_on(database, &token, "127.0.0.1:0"));
    }
    for (node, share) in running.iter().zip(shares) {
        assert!(share.take(node.process_id()), "the bound does not hold");
    }
    server.know(&kept);
    let used = |running: &[servers::Running]| -> f64 {
        running.iter().map(servers::Running::cpu_seconds).sum()
    };
    let (before, database) = (used(&running), server.cpu_seconds());
    for (token, campaign) in &campaigns {
        running[0].token.clone_from(token);
        servers::order(&running[0], campaign, "start").await;
    }
    let seen = watch(&sandbox, calls).await.unwrap();
    let own = used(&running) - before;
    let processor = format!(
        "processor: servers {own:.1} s, PostgreSQL {:.1} s, sandbox {:.1} s",
        server.cpu_seconds() - database,
        sandbox.cpu_seconds()
    );
    for (token, campaign) in &campaigns {
        running[0].token.clone_from(token);
        wait_until_final(&running[0], campaign).await;
    }
    let split = "SELECT count(*) FROM attempts GROUP BY node ORDER BY node";
    let split = server.0.admin(&kept.name, split);
    Nodes {
        per_second: seen.per_second,
        processor,
        calls_of_each: split.replace('\n', " and "),
    }
}

//! What a second server on the same database adds.
//!
//! On two cores all processes share them, so that two servers have no more than one had. To see what the
//! design allows where the database has cores to spare, each server is bounded to a part of a core.

use super::Server;
use super::share::Share;
use super::watch::watch;
use crate::Figure;
use crate::calls::{add_leads, short_calls, wait_until_final};
use crate::servers::{self, Database};

/// Hundredths of a core that a server gets, of two cores.
const PERCENT: u32 = 25;

/// One tenant's campaign on so many servers.
struct Nodes {
    per_second: f64,
    processor: String,
    calls_of_each: String,
}

pub(super) async fn measure(server: Server) -> Vec<Figure> {
    let one = run(&server, 1, 5_000, &[]).await;
    let two = run(&server, 2, 5_000, &[]).await;
    let mut figures = vec![figure(
        "PostgreSQL: call starts per second with a second server, all on the same cores",
        &one,
        &two,
    )];
    let shares: Vec<Share> = ["one", "two"]
        .iter()
        .filter_map(|name| Share::of(PERCENT, name))
        .collect();
    let name = "PostgreSQL: the same, each server bounded to a quarter of a core";
    if shares.len() < 2 {
        figures.push(Figure {
            name,
            measured: "left out".to_owned(),
            beside: "this user may not make control groups with a quota".to_owned(),
            ..Figure::default()
        });
        return figures;
    }
    let one = run(&server, 1, 2_000, &shares).await;
    let two = run(&server, 2, 2_000, &shares).await;
    figures.push(figure(name, &one, &two));
    figures
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
    let first = servers::server_of(server.database_of(&kept));
    let campaign = servers::campaign(&first, Some(&sandbox.host), 2_000, 10_000).await;
    add_leads(&first, &campaign, calls).await;
    let token = first.token.clone();
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
    let used = || -> Vec<f64> { running.iter().map(servers::Running::cpu_seconds).collect() };
    let (before, database) = (used(), server.cpu_seconds());
    servers::order(&running[0], &campaign, "start").await;
    let seen = watch(&sandbox, calls).await.unwrap();
    let own = used().iter().sum::<f64>() - before.iter().sum::<f64>();
    let processor = format!(
        "processor: servers {own:.1} s, PostgreSQL {:.1} s, sandbox {:.1} s",
        server.cpu_seconds() - database,
        sandbox.cpu_seconds()
    );
    wait_until_final(&running[0], &campaign).await;
    let split = "SELECT count(*) FROM attempts GROUP BY node ORDER BY node";
    let split = server.0.admin(&kept.name, split);
    Nodes {
        per_second: seen.per_second,
        processor,
        calls_of_each: split.replace('\n', " and "),
    }
}

//! Call starts per second, beside what a team would build otherwise on the same cores, and what the
//! sandbox could take.

use super::Server;
use super::rivals::RIVALS;
use super::watch::{Seen, watch};
use crate::calls::{add_leads, short_calls, wait_until_final};
use crate::{Figure, ceiling, servers};

const CALLS: usize = 10_000;

/// What the product did, and which processes had the processor.
struct Ours {
    seen: Seen,
    processor: String,
}

/// Campanile first and last, the rivals between: what the machine gains or loses meanwhile is in the
/// mean of both.
pub(super) async fn measure(server: Server) -> Vec<Figure> {
    let mut runs = vec![ours(&server).await];
    let mut best: Option<(f64, &str)> = None;
    let mut figures = Vec::new();
    for rival in &RIVALS {
        eprintln!("measuring: {}", rival.name);
        let figure = match rival.run(&server, CALLS).await {
            Ok(done) => {
                let rate = done.seen.per_second;
                if best.is_none_or(|(most, _)| rate > most) {
                    best = Some((rate, rival.name));
                }
                Figure {
                    measured: format!("{rate:.0}/s over {CALLS} calls"),
                    beside: format!(
                        "starts alone {:.0}/s; {}",
                        done.seen.starts_per_second, done.processor
                    ),
                    ..Figure::default()
                }
            }
            Err(reason) => {
                eprintln!("left out: {}: {reason}", rival.name);
                Figure {
                    measured: "left out".to_owned(),
                    beside: reason.replace(['\n', '|'], " "),
                    ..Figure::default()
                }
            }
        };
        figures.push(Figure {
            name: rival.name,
            ..figure
        });
    }
    runs.push(ours(&server).await);
    figures.insert(0, product(runs, best));
    let bare = ceiling::sandbox_alone(&short_calls()).await;
    let answering = sandbox_with_callbacks().await;
    figures.push(Figure {
        name: "what the sandbox itself takes: a bare client that POSTs and answers callbacks",
        measured: answering,
        beside: format!("without callbacks {bare:.0}/s"),
        ..Figure::default()
    });
    figures
}

fn product(runs: Vec<Result<Ours, String>>, best: Option<(f64, &str)>) -> Figure {
    let figure = Figure {
        name: "PostgreSQL: call starts per second, all in, until the last callback is applied",
        target: "≥ 1,500/s, ratio ≥ 3",
        ..Figure::default()
    };
    let runs: Vec<Ours> = match runs.into_iter().collect() {
        Ok(runs) => runs,
        Err(reason) => {
            return Figure {
                measured: reason.replace('|', " "),
                met: Some(false),
                ..figure
            };
        }
    };
    let rates: Vec<f64> = runs.iter().map(|run| run.seen.per_second).collect();
    let mean = rates.iter().sum::<f64>() / rates.len() as f64;
    let ratio = best.map(|(rate, _)| mean / rate);
    let beside = best.map_or("no rival could be measured".to_owned(), |(rate, name)| {
        format!("the best rival, {name}: {rate:.0}/s")
    });
    let last = &runs[runs.len() - 1];
    Figure {
        measured: format!(
            "{mean:.0}/s, mean of {:.0} before and {:.0} after the rivals, {CALLS} calls each",
            rates[0],
            rates[rates.len() - 1]
        ),
        beside: format!(
            "{beside}; starts alone {:.0}/s; {}",
            last.seen.starts_per_second, last.processor
        ),
        ratio,
        met: Some(mean >= 1_500.0 && ratio.is_none_or(|ratio| ratio >= 3.0)),
        ..figure
    }
}

async fn ours(server: &Server) -> Result<Ours, String> {
    eprintln!("measuring: Campanile on PostgreSQL");
    let sandbox = servers::sandbox(&short_calls());
    let kept = server.kept();
    let node = servers::server_of(server.database_of(&kept));
    let campaign = servers::campaign(&node, Some(&sandbox.host), 2_000, 10_000).await;
    add_leads(&node, &campaign, CALLS).await;
    server.know(&kept);
    let (own, database) = (node.cpu_seconds(), server.cpu_seconds());
    servers::order(&node, &campaign, "start").await;
    let seen = watch(&sandbox, CALLS).await?;
    let processor = format!(
        "processor: server {:.1} s, PostgreSQL {:.1} s, sandbox {:.1} s; memory {:.0} MiB",
        node.cpu_seconds() - own,
        server.cpu_seconds() - database,
        sandbox.cpu_seconds(),
        node.memory_mib()
    );
    wait_until_final(&node, &campaign).await;
    Ok(Ours { seen, processor })
}

/// Calls per second of a bare client whose callbacks are answered by nothing but an answer.
async fn sandbox_with_callbacks() -> String {
    let router = axum::Router::new().fallback(async |_: axum::body::Bytes| "");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let callbacks = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sandbox = servers::sandbox(&short_calls());
    let (placed, seen) = tokio::join!(
        ceiling::place_all(&sandbox.host, CALLS, &callbacks),
        watch(&sandbox, CALLS)
    );
    let () = placed;
    format!("{:.0}/s", seen.unwrap().per_second)
}

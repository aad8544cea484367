//! What a team would build otherwise, doing the same work for each call: claim its job, look at
//! campaign and lead, make the intent durable, ask the vendor once, put the answer on record, apply the
//! callbacks. `benches/rivals` has their programs.
//!
//! Each has one process that places calls and one that takes callbacks. None keeps slots, rates,
//! hours, caps or a feed of events, and none finds out what became of a call whose answer was lost: that
//! is Campanile's work beyond theirs.

use std::process::Command;
use std::sync::Arc;

use super::programs::{self, Redis};
use super::watch::{Seen, watch};
use super::{Kept, Server};
use crate::calls::short_calls;
use crate::servers;

/// The secret of the vendor's callbacks.
const SECRET: &str = "a-secret-of-the-benchmark";

/// A rival, by what queues its jobs.
pub(super) struct Rival {
    pub(super) name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Graphile,
    Bull(Redis),
    Loop,
}

/// All of them.
pub(super) const RIVALS: [Rival; 4] = [
    Rival {
        name: "graphile-worker (Node) on the same PostgreSQL",
        kind: Kind::Graphile,
    },
    Rival {
        name: "BullMQ (Node), Redis with `appendfsync always`, truth in the same PostgreSQL",
        kind: Kind::Bull(Redis::Always),
    },
    Rival {
        name: "BullMQ (Node), Redis as it comes (may lose jobs), truth in the same PostgreSQL",
        kind: Kind::Bull(Redis::Default),
    },
    Rival {
        name: "a loop of `FOR UPDATE SKIP LOCKED` (Python, psycopg) on the same PostgreSQL",
        kind: Kind::Loop,
    },
];

/// What a rival did, and which processes had the processor.
pub(super) struct Done {
    pub(super) seen: Seen,
    pub(super) processor: String,
}

impl Rival {
    /// Has it place so many calls.
    pub(super) async fn run(&self, server: &Server, calls: usize) -> Result<Done, String> {
        let (web, worker) = match self.kind {
            Kind::Graphile => ("callbacks.mjs", "graphile.mjs"),
            Kind::Bull(_) => ("callbacks.mjs", "bull.mjs"),
            Kind::Loop => ("callbacks.py", "calls.py"),
        };
        let program = |name| match self.kind {
            Kind::Loop => programs::python(name),
            _ => programs::node(name),
        };
        let kept = prepare(server, calls);
        let redis = match self.kind {
            Kind::Bull(redis) => Some(redis.start()?),
            _ => None,
        };
        let sandbox = servers::sandbox(&short_calls());
        let socket = redis.as_ref().map(|redis| redis.socket.clone());
        let settle = |command: &mut Command, callbacks: &str| {
            command
                .env("PGHOST", server.0.host())
                .env("PGUSER", postgres_cluster::ROLE)
                .env("PGDATABASE", &kept.name)
                .env("RIVAL_SECRET", SECRET)
                .env("RIVAL_VENDOR", &sandbox.host)
                .env("RIVAL_CALLBACKS", format!("http://{callbacks}"))
                .env("RIVAL_REDIS", socket.clone().unwrap_or_default());
        };
        let mut command = program(web)?;
        settle(&mut command, "");
        let web = servers::start_program(&mut command, String::new());
        if !matches!(self.kind, Kind::Loop) {
            let mut seed = program(worker)?;
            settle(&mut seed, &web.host);
            programs::run(seed.arg("seed"))?;
        }
        server.know(&kept);
        let database = server.cpu_seconds();
        let mut command = program(worker)?;
        settle(&mut command, &web.host);
        let worker = servers::start_program(&mut command, String::new());
        let seen = watch(&sandbox, calls).await?;
        let queue = redis.as_ref().map_or(String::new(), |redis| {
            format!(", Redis {:.1} s", redis.process.cpu_seconds())
        });
        let processor = format!(
            "processor: calls {:.1} s, callbacks {:.1} s, PostgreSQL {:.1} s, sandbox {:.1} s{queue}",
            worker.cpu_seconds(),
            web.cpu_seconds(),
            server.cpu_seconds() - database,
            sandbox.cpu_seconds()
        );
        check(server, &kept, calls)?;
        Ok(Done { seen, processor })
    }
}

/// A database with a campaign that runs and its leads.
fn prepare(server: &Server, calls: usize) -> Arc<Kept> {
    let kept = server.kept();
    let fill = format!(
        "{}; INSERT INTO campaigns VALUES (1, 'RUNNING');
         INSERT INTO leads (id, campaign_id, phone_number, first_name)
         SELECT number, 1, '+1415' || lpad(number::text, 7, '0'), 'Ann'
         FROM generate_series(0, {calls} - 1) AS number",
        programs::schema()
    );
    server.0.as_role(&kept.name, &fill).unwrap();
    kept
}

/// Whether it did its work: every call is on record with the vendor's number and report.
fn check(server: &Server, kept: &Kept, calls: usize) -> Result<(), String> {
    let done = "SELECT count(*) FROM attempts JOIN leads ON leads.id = attempts.lead_id
                WHERE attempts.status = 'ENDED' AND leads.status = 'DONE'
                  AND provider_call_id IS NOT NULL AND transcript IS NOT NULL";
    let done = server.0.as_role(&kept.name, done)?;
    if done == calls.to_string() {
        Ok(())
    } else {
        Err(format!("only {done} of {calls} calls are on record"))
    }
}

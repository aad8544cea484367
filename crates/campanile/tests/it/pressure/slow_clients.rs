//! Slow and broken clients do not slow down the others.
//!
//! One client's latency is measured in turns while the same trouble is made here and at another
//! server of the same machine, so that whatever else the machine does, and what it costs to make
//! trouble, weighs on both: what differs is what the server lets its clients do to each other. What
//! counts is the median over the rounds of either.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::trouble::{Trouble, broken};
use crate::program::{Home, Server, alone};

/// Silent connections, where the limit on open files allows it.
const IDLE: usize = 10_000;
/// Open files that other things need.
const OTHER_FILES: usize = 800;
/// Requests of one measurement.
const REQUESTS: usize = 500;
/// Rounds that are always run; more, up to the other number, while the medians are too far apart.
const ROUNDS: (usize, usize) = (3, 9);
/// The most by which trouble may slow down the others.
const FACTOR: u32 = 2;

/// The soft limit on open files, which the server inherits.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    // Not Linux: the least that is usual.
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(1_024)
}

/// A client like any other: one connection, one request after another, the answer from the database.
struct Client {
    stream: TcpStream,
    request: String,
}

impl Client {
    fn new(address: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let request = format!(
            "GET /api/v2/tenant HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        Self { stream, request }
    }

    fn ask(&mut self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "this measures")]
        let began = Instant::now();
        self.stream.write_all(self.request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !is_whole(&answer) {
            let length = self.stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the server hung up");
            answer.extend_from_slice(&buffer[..length]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        began.elapsed()
    }

    /// What 99 of a hundred requests stay below, as long as `unfinished` and at least for a while.
    fn p99(&mut self, unfinished: impl Fn() -> bool) -> Duration {
        let mut times = Vec::new();
        while times.len() < REQUESTS || unfinished() {
            times.push(self.ask());
        }
        times.sort();
        times[times.len() * 99 / 100 - 1]
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.split_once("content-length: ").unwrap().1;
    let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
    body.len() >= length
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

fn serve(home: &Home) -> (Server, String) {
    let token = home.run(&["token", "create"]).answer();
    let server = home.serve(&[
        "--sandbox-only",
        "--api-rate-limit=1000000",
        "--api-rate-burst=1000000",
        "--max-connections=20000",
        "--log-level=error",
    ]);
    (server, token.trim_end().to_owned())
}

#[test]
fn every_broken_request_has_its_own_answer() {
    let home = Home::new();
    let (server, token) = serve(&home);
    let address = server.address.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for kind in broken(&token) {
        let sent = runtime.block_on(kind.send(address));
        assert_eq!(sent, Ok(()), "{}", kind.name);
    }
    let (_, log) = server.stop();
    assert!(!log.contains("panic"), "{log}");
}

#[test]
fn slow_and_broken_clients_do_not_slow_down_the_others() {
    let _alone = alone();
    let (home, elsewhere) = (Home::new(), Home::new());
    let (server, token) = serve(&home);
    let (other, other_token) = serve(&elsewhere);
    let address: SocketAddr = server.address.parse().unwrap();
    let other_address: SocketAddr = other.address.parse().unwrap();
    let idle = IDLE.min(open_files().saturating_sub(OTHER_FILES));
    let kinds = broken(&token).len();
    println!("{idle} silent connections");
    // The first requests warm everything up.
    Client::new(address, &token).p99(|| false);
    let measure = |trouble: Trouble| {
        // At least one of every kind while it is measured.
        let p99 = Client::new(address, &token).p99(|| trouble.sent() < kinds);
        let held = trouble.held();
        assert!(held >= idle * 9 / 10, "only {held} of {idle} were held");
        assert_eq!(trouble.failures(), Vec::<String>::new());
        p99
    };
    let (mut quiet, mut spared, mut troubled) = (Vec::new(), Vec::new(), Vec::new());
    let is_near = |spared: &[_], troubled: &[_]| median(troubled) <= FACTOR * median(spared);
    while spared.len() < ROUNDS.1 {
        quiet.push(Client::new(address, &token).p99(|| false));
        spared.push(measure(Trouble::begin(other_address, &other_token, idle)));
        troubled.push(measure(Trouble::begin(address, &token, idle)));
        if spared.len() >= ROUNDS.0 && is_near(&spared, &troubled) {
            break;
        }
    }
    let told = format!(
        "p99 in peace {:?}, trouble elsewhere {:?}, trouble here {:?}; rounds {quiet:?} {spared:?} {troubled:?}",
        median(&quiet),
        median(&spared),
        median(&troubled)
    );
    println!("{told}");
    assert!(is_near(&spared, &troubled), "{told}");
    for server in [server, other] {
        let (_, log) = server.stop();
        assert!(!log.contains("panic"), "{log}");
    }
}

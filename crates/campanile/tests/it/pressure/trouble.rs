//! Clients that are slow, broken, or only there.
//!
//! All of them are on loopback, each kind is bounded in number and pace, and all of them are gone
//! when their [`Trouble`] is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::torture::wait::met_within;

/// Slow clients of each kind.
const SLOW: usize = 100;
/// Pause of a slow client between two bytes.
const BYTE_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two broken requests.
const BROKEN_PAUSE: Duration = Duration::from_millis(50);
/// Beyond this, an answer does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent at once, and what must come back.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) name: &'static str,
    bytes: Vec<u8>,
    /// The client says with it that nothing more will come.
    half_closes: bool,
    /// The statuses, in their order.
    statuses: Vec<u16>,
    /// The server may also hang up while the client still sends.
    may_be_cut: bool,
}

fn head(token: &str, path: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\nconnection: close\r\n{more}\r\n\r\n"
    )
}

fn post(token: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}", body.len());
    let mut bytes = head(token, "/api/v2/tokens", &length).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A body of more than two million bytes, of which no length says so.
fn in_pieces(token: &str) -> Vec<u8> {
    let mut bytes = head(token, "/api/v2/tokens", "transfer-encoding: chunked").into_bytes();
    let piece = " ".repeat(0x1_0000);
    for _ in 0..40 {
        bytes.extend_from_slice(format!("10000\r\n{piece}\r\n").as_bytes());
    }
    bytes
}

/// Every kind of broken request.
pub(super) fn broken(token: &str) -> Vec<Broken> {
    let get = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let kind = |name, bytes: Vec<u8>, statuses: &[u16]| Broken {
        name,
        bytes,
        half_closes: false,
        statuses: statuses.to_vec(),
        may_be_cut: false,
    };
    let long = "x".repeat(100 * 1024);
    vec![
        kind(
            "pipelined",
            [get.repeat(19).as_slice(), last].concat(),
            &[200; 20],
        ),
        Broken {
            half_closes: true,
            may_be_cut: true,
            ..kind("half-closed", last.to_vec(), &[200])
        },
        kind(
            "too large by its head",
            head(token, "/api/v2/tokens", "content-length: 2000000").into_bytes(),
            &[413],
        ),
        Broken {
            may_be_cut: true,
            ..kind("too large in pieces", in_pieces(token), &[413])
        },
        kind("deep arrays", post(token, &[b'['; 200_000]), &[400]),
        kind(
            "deep objects",
            post(token, "{\"a\":".repeat(100_000).as_bytes()),
            &[400],
        ),
        kind(
            "duplicate keys",
            post(token, br#"{"name":"a","scopes":["read"],"name":"b"}"#),
            &[400],
        ),
        kind(
            "invalid UTF-8",
            post(token, b"{\"name\":\"\xc3\x28\",\"scopes\":[\"read\"]}"),
            &[400],
        ),
        Broken {
            may_be_cut: true,
            ..kind(
                "a head too long",
                head(token, "/api/v2/tokens", &format!("x-long: {long}")).into_bytes(),
                &[431],
            )
        },
        kind("no HTTP", b"\x16\x03\x01\x02\x00\r\n\r\n".to_vec(), &[400]),
        kind(
            "two lengths",
            head(
                token,
                "/api/v2/tokens",
                "content-length: 2\r\ncontent-length: 3",
            )
            .into_bytes(),
            &[400],
        ),
    ]
}

impl Broken {
    /// Sends it and says what is wrong with the answer, if anything.
    pub(super) async fn send(&self, address: SocketAddr) -> Result<(), String> {
        let told = |error: std::io::Error| format!("{}: {error}", self.name);
        let stream = TcpStream::connect(address).await.map_err(told)?;
        let (mut reader, mut writer) = stream.into_split();
        // Both at once: an answer may come before everything is sent.
        let sending = async {
            let sent = writer.write_all(&self.bytes).await;
            if self.half_closes {
                return writer.shutdown().await;
            }
            sent
        };
        let mut answer = Vec::new();
        let reading = reader.read_to_end(&mut answer);
        let both = async { tokio::join!(sending, reading) };
        let (sent, read) = tokio::time::timeout(PATIENCE, both)
            .await
            .map_err(|_| format!("{}: no end in {PATIENCE:?}", self.name))?;
        let text = String::from_utf8_lossy(&answer);
        let statuses: Vec<u16> = text
            .split("HTTP/1.1 ")
            .skip(1)
            .filter_map(|answer| answer.get(..3)?.parse().ok())
            .collect();
        let was_cut = statuses.is_empty() && self.may_be_cut;
        if statuses == self.statuses || was_cut {
            return Ok(());
        }
        Err(format!(
            "{}: {statuses:?}, sent {sent:?}, read {read:?}",
            self.name
        ))
    }
}

/// Everybody who makes trouble at one time.
pub(super) struct Trouble {
    held: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    failures: std::sync::mpsc::Receiver<String>,
    _clients: JoinSet<()>,
    // Dropped last: clients live in it.
    _runtime: Runtime,
}

impl Trouble {
    /// Lets everybody loose, among them `idle` connections that say nothing, and waits until most of
    /// those are there.
    pub(super) fn begin(address: SocketAddr, token: &str, idle: usize) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (held, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (tell, failures) = std::sync::mpsc::channel();
        let mut clients = JoinSet::new();
        for _ in 0..idle {
            clients.spawn_on(say_nothing(address, Arc::clone(&held)), runtime.handle());
        }
        let words = Arc::new(head(token, "/api/v2/tokens", "content-length: 1000"));
        for number in 0..2 * SLOW {
            // Half of them are slow from the first byte, the others from the first of the body.
            let at_once = if number < SLOW { 0 } else { words.len() };
            clients.spawn_on(
                be_slow(address, Arc::clone(&words), at_once),
                runtime.handle(),
            );
        }
        let (kinds, counted) = (broken(token), Arc::clone(&sent));
        clients.spawn_on(
            async move {
                for kind in kinds.iter().cycle() {
                    if let Err(failure) = kind.send(address).await {
                        let _ = tell.send(failure);
                    }
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(BROKEN_PAUSE).await;
                }
            },
            runtime.handle(),
        );
        let most = held.clone();
        let are_there = met_within(PATIENCE, || most.load(Ordering::Relaxed) >= idle * 19 / 20);
        assert!(are_there, "{held:?} of {idle} connections were let in");
        Self {
            held,
            sent,
            failures,
            _clients: clients,
            _runtime: runtime,
        }
    }

    /// Broken requests that had their answer.
    pub(super) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Silent connections that the server holds now.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Broken requests that were not answered as they must be.
    pub(super) fn failures(&self) -> Vec<String> {
        self.failures.try_iter().collect()
    }
}

/// Connects and says nothing, and again when it is thrown out.
async fn say_nothing(address: SocketAddr, held: Arc<AtomicUsize>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            held.fetch_add(1, Ordering::Relaxed);
            // Nothing comes but the end.
            let _ = stream.read(&mut [0]).await;
            held.fetch_sub(1, Ordering::Relaxed);
        }
        tokio::time::sleep(BROKEN_PAUSE).await;
    }
}

/// Sends so many bytes at once and the rest one by one, until it is thrown out; and again.
async fn be_slow(address: SocketAddr, words: Arc<String>, at_once: usize) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let (quick, slow) = words.as_bytes().split_at(at_once);
            let mut sent = stream.write_all(quick).await;
            for byte in slow.iter().chain(std::iter::repeat(&b' ')) {
                if sent.is_err() {
                    break;
                }
                tokio::time::sleep(BYTE_PAUSE).await;
                sent = stream.write_all(&[*byte]).await;
            }
        }
        tokio::time::sleep(BYTE_PAUSE).await;
    }
}

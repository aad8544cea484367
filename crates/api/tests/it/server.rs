//! The accept loop over real sockets, and health.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{Server, campaign_body};

struct Running {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: JoinSet<std::io::Result<()>>,
    server: Server,
}

async fn run(change: impl FnOnce(&mut api::Options)) -> Running {
    let (server, api) = Server::assemble(change).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let mut task = JoinSet::new();
    task.spawn(api::serve(listener, api, stop.clone()));
    Running {
        address,
        stop,
        task,
        server,
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

const GET: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn it_answers_over_a_socket_and_stops_when_told() {
    let running = run(|_| {}).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    // A connection that is kept open does not hold the stop up.
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    running.stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), running.task.join_all())
        .await
        .unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let running = run(|options| options.header_timeout = Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nx: ")
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(3), read_all(&mut stream))
        .await
        .unwrap();
    running.stop.cancel();
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_the_request() {
    let running = run(|options| options.request_timeout = Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /api/v2/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{",
        running.server.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(3), async {
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        String::from_utf8_lossy(&start).into_owned()
    });
    assert_eq!(answer.await.unwrap(), "HTTP/1.1 503");
    running.stop.cancel();
}

#[tokio::test]
async fn a_body_that_is_declared_too_large_is_refused_before_it_comes() {
    let running = run(|_| {}).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /api/v2/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 2000000\r\n\r\n",
        running.server.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(5), read_all(&mut stream))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    running.stop.cancel();
}

/// A request whose body does not come, so that it stays in hand.
async fn stuck(running: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /api/v2/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n",
        running.server.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // It is asked for when the handler wants it.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn a_server_full_of_requests_lets_peers_wait_for_a_place() {
    let running = run(|options| options.max_connections = 1).await;
    let holder = stuck(&running).await;
    let mut waiting = TcpStream::connect(running.address).await.unwrap();
    waiting.write_all(GET).await.unwrap();
    let mut byte = [0; 1];
    assert!(
        tokio::time::timeout(Duration::from_millis(200), waiting.read(&mut byte))
            .await
            .is_err()
    );
    drop(holder);
    let answer = tokio::time::timeout(Duration::from_secs(3), read_all(&mut waiting))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
    running.stop.cancel();
}

#[tokio::test]
async fn in_a_full_server_the_quietest_connection_gives_way_and_a_request_never_does() {
    let running = run(|options| options.max_connections = 3).await;
    let mut busy = stuck(&running).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(b"GET /livez HT").await.unwrap();
    // Each newcomer is answered at once and stays; the silent ones go in the order of their silence.
    let mut newcomers = Vec::new();
    for _ in 0..20 {
        let mut newcomer = TcpStream::connect(running.address).await.unwrap();
        newcomer
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 15];
        let answered = newcomer.read_exact(&mut first);
        tokio::time::timeout(Duration::from_secs(3), answered)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        newcomers.push(newcomer);
    }
    for gone in [&mut silent, &mut slow] {
        tokio::time::timeout(Duration::from_secs(3), read_all(gone))
            .await
            .unwrap();
    }
    busy.write_all(b"{\"a\": 1 }").await.unwrap();
    let mut status = [0; 12];
    tokio::time::timeout(Duration::from_secs(3), busy.read_exact(&mut status))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&status, b"HTTP/1.1 422");
    running.stop.cancel();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let running = run(|options| {
        options.drain_timeout = Duration::from_millis(300);
        options.request_timeout = Duration::from_secs(60);
    })
    .await;
    let mut stuck = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /api/v2/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{",
        running.server.token
    );
    stuck.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.stop.cancel();
    tokio::time::timeout(Duration::from_secs(3), running.task.join_all())
        .await
        .unwrap();
}

#[tokio::test]
async fn readiness_names_the_part_that_is_not_well() {
    let server = Server::start().await;
    let look = async || {
        server
            .request(Method::GET, "/readyz")
            .no_token()
            .send()
            .await
    };
    assert_eq!(look().await.status, 200);
    *server.health.1.lock().unwrap() = Some("the clock is wrong".to_owned());
    let reply = look().await;
    assert_eq!(reply.status, 200, "users can still pause and stop");
    assert_eq!(
        reply.body["dialer"],
        "no call is placed: the clock is wrong"
    );
    *server.health.0.lock().unwrap() = Err("no tick for 60 s".to_owned());
    let reply = look().await;
    assert_eq!(reply.status, 503);
    assert_eq!(
        (&reply.body["database"], &reply.body["dialer"]),
        (&"ok".into(), &"no tick for 60 s".into())
    );
}

#[tokio::test]
async fn metrics_are_rendered_when_there_are_any() {
    let off = Server::start().await;
    assert_eq!(
        off.request(Method::GET, "/metrics")
            .no_token()
            .send()
            .await
            .status,
        404
    );
    let on =
        Server::with(|options| options.metrics = Some(std::sync::Arc::new(|| "up 1\n".to_owned())))
            .await;
    let reply = on.request(Method::GET, "/metrics").no_token().send().await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.bytes),
        (200, b"up 1\n".as_slice())
    );
    assert!(reply.header("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_server_lives_on() {
    let server = Server::start().await;
    let health = std::sync::Arc::clone(&server.health);
    // A poisoned lock makes the next look panic.
    let poisoning = std::thread::Builder::new().spawn(move || {
        let _guard = health.0.lock().unwrap();
        panic!("on purpose");
    });
    assert!(poisoning.unwrap().join().is_err());
    let reply = server
        .request(Method::GET, "/readyz")
        .no_token()
        .send()
        .await;
    assert_eq!((reply.status.as_u16(), reply.code()), (500, "internal"));
    assert!(
        !reply.body.to_string().contains("Poison"),
        "the reason is for the log"
    );
    assert_eq!(server.get("/livez").await.status, 200);
}

/// A request with a body as it goes over the wire.
fn wire(server: &Server, method: &Method, path: &str, header: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n{header}\r\n\r\n{body}",
        server.token,
        body.len()
    )
}

/// Sends each over a connection of its own, all at one moment; answers their answers.
async fn at_once(running: &Running, requests: Vec<String>) -> Vec<String> {
    let barrier = Arc::new(Barrier::new(requests.len()));
    let mut tasks = JoinSet::new();
    for request in requests {
        let barrier = Arc::clone(&barrier);
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        tasks.spawn(async move {
            barrier.wait().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            read_all(&mut stream).await
        });
    }
    tasks.join_all().await
}

fn with_status(answers: &[String], status: &str) -> usize {
    let head = format!("HTTP/1.1 {status} ");
    answers
        .iter()
        .filter(|text| text.starts_with(&head))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_changes_over_the_wire_with_one_etag_one_is_done() {
    let running = run(|_| {}).await;
    let server = &running.server;
    let line = server.line().await;
    let create = wire(
        server,
        &Method::POST,
        "/api/v2/voice-campaigns",
        "x-a: b",
        &campaign_body(line),
    );
    let created = at_once(&running, vec![create]).await.remove(0);
    let (_, body) = created.split_once("\r\n\r\n").unwrap();
    let created: Value = serde_json::from_str(body).unwrap();
    let id = created["data"]["campaign_id"].as_str().unwrap();
    let path = format!("/api/v2/voice-campaigns/{id}");
    for revision in 1..=3 {
        let header = format!("if-match: \"{revision}\"");
        let change = |index| {
            let body = json!({ "name": format!("{revision} {index}") });
            wire(server, &Method::PATCH, &path, &header, &body)
        };
        let answers = at_once(&running, (0..50).map(change).collect()).await;
        let counts = (with_status(&answers, "200"), with_status(&answers, "412"));
        assert_eq!(counts, (1, 49), "{}", answers[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_equal_posts_over_the_wire_one_has_an_effect() {
    let running = run(|_| {}).await;
    let server = &running.server;
    let line = server.line().await;
    let create = wire(
        server,
        &Method::POST,
        "/api/v2/voice-campaigns",
        "idempotency-key: k",
        &campaign_body(line),
    );
    let answers = at_once(&running, vec![create; 200]).await;
    let replayed = |text: &&String| text.contains("idempotent-replayed: true");
    let created = with_status(&answers, "201");
    let fresh = created - answers.iter().filter(replayed).count();
    assert_eq!(fresh, 1, "{}", answers[0]);
    assert_eq!(created + with_status(&answers, "409"), 200);

    let mut list = wire(
        server,
        &Method::GET,
        "/api/v2/voice-campaigns",
        "x-a: b",
        &Value::Null,
    );
    list = at_once(&running, vec![list]).await.remove(0);
    let (_, body) = list.split_once("\r\n\r\n").unwrap();
    let list: Value = serde_json::from_str(body).unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

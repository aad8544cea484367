//! What may not leave does not leave, looked at from the other end of the connection.

use std::time::Duration;

use bytes::Bytes;
use dialer::{HttpTransport, TransportOptions};
use http::{HeaderMap, Method};
use providers::{Departure, ProviderAnswer, ProviderRequest, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Beyond any time for which an idle connection is trusted.
const LONG_IDLE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends one request if `allowed`, to a provider that answers everything that begins like one;
/// also what the provider has read.
async fn place(
    transport: &HttpTransport,
    provider: &TcpListener,
    connection: &mut Option<TcpStream>,
    allowed: bool,
) -> (Result<ProviderAnswer, TransportError>, String) {
    let request = ProviderRequest {
        method: Method::POST,
        url: format!("http://{}/call", provider.local_addr().unwrap()),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
    };
    let sending = transport.place(request, PATIENCE, Box::new(move || allowed));
    let answering = async {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => provider.accept().await.unwrap().0,
        };
        let mut read = Vec::new();
        let mut buffer = [0; 1024];
        while !read.ends_with(b"{}") {
            let length = stream.read(&mut buffer).await.unwrap();
            if length == 0 {
                return String::from_utf8(read).unwrap();
            }
            read.extend_from_slice(&buffer[..length]);
        }
        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
        *connection = Some(stream);
        String::from_utf8(read).unwrap()
    };
    tokio::join!(sending, answering)
}

/// A server's own patience is not known: on a connection that it is just closing, the fate of a
/// request would be.
#[tokio::test]
async fn a_connection_that_was_idle_for_long_carries_no_request() {
    let options = TransportOptions {
        allow_private_networks: true,
    };
    let transport = HttpTransport::new(options).unwrap();
    let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut first = None;
    for _ in 0..2 {
        let (sent, _) = place(&transport, &provider, &mut first, true).await;
        assert_eq!(sent.unwrap().status, 201);
    }
    tokio::time::pause();
    tokio::time::advance(LONG_IDLE).await;
    tokio::time::resume();
    // The first one stays open all the while, and still a second one is made.
    let mut second = None;
    let placing = place(&transport, &provider, &mut second, true);
    let (sent, read) = tokio::time::timeout(PATIENCE, placing).await.unwrap();
    assert_eq!(sent.unwrap().status, 201);
    assert!(read.starts_with("POST /call"));
    let mut nothing = [0; 1];
    let first = first.unwrap().try_read(&mut nothing);
    assert!(!matches!(first, Ok(length) if length > 0));
}

#[tokio::test]
async fn of_a_request_that_is_withdrawn_no_byte_leaves() {
    let options = TransportOptions {
        allow_private_networks: true,
    };
    let transport = HttpTransport::new(options).unwrap();
    let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = None;
    // On a fresh connection, on one that has carried a request, and again on a fresh one.
    for allowed in [false, true, true, false, true] {
        let (sent, read) = place(&transport, &provider, &mut connection, allowed).await;
        if allowed {
            assert_eq!(sent.unwrap().status, 201);
            assert!(read.starts_with("POST /call HTTP/1.1\r\n"), "{read}");
        } else {
            assert_eq!(sent.unwrap_err().departure, Departure::Withdrawn);
            assert_eq!(read, "");
        }
    }
}

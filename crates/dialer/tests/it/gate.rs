//! What may not leave does not leave, looked at from the other end of the connection.

use std::time::Duration;

use bytes::Bytes;
use dialer::{HttpTransport, TransportOptions};
use http::{HeaderMap, Method};
use providers::{ProviderAnswer, ProviderRequest, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
            let error = sent.unwrap_err();
            assert!(error.never_sent && error.message.starts_with("withdrawn"));
            assert_eq!(read, "");
        }
    }
}

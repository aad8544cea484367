//! One request on a connection of its own, to a server that may die at any moment.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer of a server that is not stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// `None`: the server is not there, or went away before it had answered.
pub(crate) fn request(
    address: &str,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Option<(u16, String)> {
    request_within(PATIENCE, address, token, method, path, body)
}

/// The same of a server that may be stopped for longer.
pub(crate) fn request_within(
    patience: Duration,
    address: &str,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Option<(u16, String)> {
    let waiting = Waiting::send_within(patience, address, token, method, path, body)?;
    waiting.answer()
}

/// A request that was sent, and whose answer was not read.
pub(crate) struct Waiting(TcpStream);

impl Waiting {
    /// Sends it to a server that may stand still; the answer can be waited for for long.
    pub(crate) fn send(
        address: &str,
        token: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Option<Self> {
        Self::send_within(PATIENCE * 2, address, token, method, path, Some(body))
    }

    fn send_within(
        patience: Duration,
        address: &str,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<Self> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        Some(Self(stream))
    }

    /// The status of the answer.
    pub(crate) fn status(self) -> Option<u16> {
        self.answer().map(|(status, _)| status)
    }

    fn answer(self) -> Option<(u16, String)> {
        let mut answer = Vec::new();
        let mut stream = self.0;
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status = head.get(9..12)?.parse().ok()?;
        let body = &answer[end + 4..];
        let body = if head.contains("transfer-encoding: chunked") {
            unchunk(body)?
        } else {
            body.to_vec()
        };
        Some((status, String::from_utf8(body).ok()?))
    }
}

/// `None`: the body was cut off.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 2 + size + 2..)?;
    }
}

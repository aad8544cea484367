//! A keep-alive HTTP/1.1 client that does as little as possible, so that what is measured is the
//! server.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    host: String,
    token: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Connection {
    pub(crate) async fn open(host: &str, token: Option<&str>) -> Self {
        let stream = TcpStream::connect(host).await.expect("the server listens");
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
            host: host.to_owned(),
            token: token.map(str::to_owned),
        }
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.send_with(method, path, "", body).await
    }

    /// The same with further header lines, each ended by CRLF.
    pub(crate) async fn send_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&str>,
    ) -> Answer {
        let auth = self
            .token
            .as_ref()
            .map(|token| format!("authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let body = body.unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{auth}{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.read().await
    }

    async fn read(&mut self) -> Answer {
        self.buffer.clear();
        let head_end = loop {
            if let Some(end) = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break end + 4;
            }
            self.fill().await;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_ascii_lowercase();
        let status = head[9..12].parse().unwrap();
        let body = if head.contains("transfer-encoding: chunked") {
            self.read_chunked(head_end).await
        } else {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.trim().parse().unwrap());
            while self.buffer.len() < head_end + length {
                self.fill().await;
            }
            self.buffer[head_end..head_end + length].to_vec()
        };
        Answer { status, body }
    }

    async fn read_chunked(&mut self, head_end: usize) -> Vec<u8> {
        let mut body = Vec::new();
        let mut at = head_end;
        loop {
            let line_end = loop {
                if let Some(end) = self.buffer[at..]
                    .windows(2)
                    .position(|window| window == b"\r\n")
                {
                    break at + end;
                }
                self.fill().await;
            };
            let size = usize::from_str_radix(
                std::str::from_utf8(&self.buffer[at..line_end])
                    .unwrap()
                    .trim(),
                16,
            )
            .unwrap();
            let start = line_end + 2;
            while self.buffer.len() < start + size + 2 {
                self.fill().await;
            }
            body.extend_from_slice(&self.buffer[start..start + size]);
            at = start + size + 2;
            if size == 0 {
                return body;
            }
        }
    }

    async fn fill(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
        assert!(read > 0, "the server closed the connection");
    }
}

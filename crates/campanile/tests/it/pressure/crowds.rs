//! Requests of many clients at the same moment.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::Duration;

use serde_json::Value;

/// What a client was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// In lower case.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// `None` when it breaks off.
    fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let head = head.to_ascii_lowercase();
        let length = head.split_once("content-length: ")?.1;
        let length: usize = length.lines().next()?.trim().parse().ok()?;
        (body.len() == length).then(|| Self {
            status: head[9..12].parse().unwrap(),
            head: head.clone(),
            body: body.to_owned(),
        })
    }

    pub(super) fn is_replayed(&self) -> bool {
        self.head.contains("idempotent-replayed: true")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A request as it is sent.
pub(super) struct Asking<'a> {
    pub(super) address: &'a str,
    pub(super) token: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// One further header.
    pub(super) header: (&'a str, &'a str),
}

impl Asking<'_> {
    /// Asks once. `None`: there was no whole answer.
    pub(super) fn ask(&self, body: &Value) -> Option<Answer> {
        let stream = TcpStream::connect(self.address).ok()?;
        self.ask_over(stream, body)
    }

    fn ask_over(&self, mut stream: TcpStream, body: &Value) -> Option<Answer> {
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let Self {
            address,
            token,
            method,
            path,
            header: (name, value),
        } = self;
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n{name}: {value}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        Answer::read(&mut stream)
    }

    /// Asks `count` times at the same moment, over connections that are open before, and tells
    /// `answered` of each answer as it comes. `meanwhile` runs beside it.
    pub(super) fn ask_at_once(
        &self,
        count: usize,
        body: impl Fn(usize) -> Value + Sync,
        answered: impl Fn() + Sync,
        meanwhile: impl FnOnce(),
    ) -> Vec<Option<Answer>> {
        let together = Barrier::new(count + 1);
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..count)
                .map(|number| {
                    let (together, body, answered) = (&together, &body, &answered);
                    scope.spawn(move || {
                        let stream = TcpStream::connect(self.address).unwrap();
                        together.wait();
                        let answer = self.ask_over(stream, &body(number));
                        answered();
                        answer
                    })
                })
                .collect();
            together.wait();
            meanwhile();
            asking
                .into_iter()
                .map(|asking| asking.join().unwrap())
                .collect()
        })
    }
}

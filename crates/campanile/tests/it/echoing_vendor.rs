//! A vendor that repeats every word it is sent in its refusals. What it says is shown, kept and
//! logged; the account's secrets in it are not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::program::{Home, Server};
use crate::secrets::{campaign, holds_none, post};

const API_KEY: &str = "canary-api-key-c0ffee";
const WEBHOOK_SECRET: &str = "canary-webhook-secret-c0ffee";

/// The vendor's API on a port of its own, until dropped.
struct Vendor {
    address: String,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Vendor {
    /// It knows every object, and refuses every call with this status.
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let work = move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                answer(&stream.unwrap(), status);
            }
        };
        let thread = std::thread::Builder::new().name("vendor".to_owned());
        Self {
            address,
            over,
            thread: Some(thread.spawn(work).unwrap()),
        }
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers one request and closes.
fn answer(stream: &TcpStream, refusal: u16) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.split("content-length:").nth(1);
    let length = length.map_or(0, |rest| {
        rest.lines().next().unwrap().trim().parse().unwrap()
    });
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let (status, said) = if head.starts_with("POST") {
        let body = String::from_utf8_lossy(&body).into_owned();
        let key = lower.split("authorization: bearer ").nth(1).unwrap();
        let key = key.lines().next().unwrap();
        (refusal, json!({ "message": [key, server_of(&body), body] }))
    } else if path.contains('?') {
        (200, json!([]))
    } else {
        let id = path.rsplit('/').next().unwrap();
        (200, json!({ "id": id, "name": "Named" }))
    };
    let body = said.to_string();
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// The part of a request that says where to report, with the secret.
fn server_of(body: &str) -> &str {
    body.find("\"server\"").map_or("", |start| &body[start..])
}

/// Waits until the only call of the campaign is no longer on its way; answers it.
fn settled(server: &Server, token: &str, campaign: &str) -> String {
    loop {
        let (status, answer) = server.get(&format!("{campaign}/calls"), token);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let call = &answer["data"][0];
        // Asked too eagerly, it says 429.
        if status == 200 && call.is_object() && call["state"] != "DISPATCHING" {
            return call.to_string();
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_vendor_that_repeats_secrets_makes_nobody_tell_them() {
    let home = Home::new();
    let token = home.run(&["token", "create"]).answer();
    let token = token.trim_end();
    let server = home.serve(&[
        "--public-url",
        "http://127.0.0.1:9",
        "--allow-private-networks",
        "--log-level",
        "trace",
    ]);
    let mut told = Vec::new();
    for refusal in [400, 401, 500] {
        let vendor = Vendor::start(refusal);
        let line = json!({ "provider": "VAPI", "name": "phones", "credentials": { "api_key": API_KEY },
            "webhook_secret": WEBHOOK_SECRET, "base_url": format!("http://{}", vendor.address) });
        let (campaign, _) = campaign(&server, token, &line);
        let lead = json!({ "phone_number": format!("+16285550{refusal}") });
        post(&server, token, &format!("{campaign}/leads"), &lead);
        post(&server, token, &format!("{campaign}/start"), &json!({}));
        told.push(settled(&server, token, &campaign));
    }
    let (_, log) = server.stop();
    let secrets = [token, API_KEY, WEBHOOK_SECRET];
    for call in told {
        assert!(
            call.contains("••••"),
            "the vendor's words are not shown: {call}"
        );
        for secret in secrets {
            assert!(!call.contains(secret), "{secret} is told: {call}");
        }
    }
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is logged");
    }
    for file in std::fs::read_dir(home.path()).unwrap() {
        holds_none(&file.unwrap().path(), &secrets);
    }
}

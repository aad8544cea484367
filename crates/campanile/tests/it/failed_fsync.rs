//! An fsync that fails while the log is folded into the database file: nobody waits for its answer, and
//! still what was written before may be gone, so the process ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Home, Server, request};
use crate::torture::wait::met_within;

/// Lets every fsync of the database file fail. Of the log beside it none does.
struct Fault(Child);

impl Fault {
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    fn put_on(server: &Server, database: &Path, trace: &Path) -> Option<Self> {
        let id = server.running.id();
        let strace = Command::new("strace")
            .args(["-f", "-qq", "-p", &id.to_string(), "-o"])
            .arg(trace)
            .arg("-P")
            .arg(database)
            .args([
                "-e",
                "trace=fsync,fdatasync",
                "-e",
                "inject=fsync,fdatasync:error=EIO",
            ])
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut strace) = strace else {
            eprintln!("skipped: strace is not installed");
            return None;
        };
        let mut may = true;
        let decided = met_within(Duration::from_secs(20), || {
            may = strace.try_wait().unwrap().is_none();
            !may || is_traced(id)
        });
        assert!(decided, "strace neither traces nor ends");
        if !may {
            eprintln!("skipped: strace may not trace here");
            return None;
        }
        Some(Self(strace))
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // It ends with the server.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether every thread of the process is.
fn is_traced(id: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
    tasks.flatten().all(|task| {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let tracer = status.lines().find(|line| line.starts_with("TracerPid:"));
        tracer.is_none_or(|line| !line.ends_with("\t0"))
    })
}

/// Whether a child has ended; it is not waited for yet.
fn is_over(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_none_or(|rest| rest.starts_with('Z'))
}

fn created(server: &Server, token: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = server.post(path, token, body);
    assert!(status < 300, "{path}: {status} {answer}");
    answer["data"].clone()
}

#[test]
fn the_process_ends_when_the_log_cannot_be_folded_in_durably() {
    let home = Home::new();
    let database = home.file("failing.db");
    let token = api::token::generate(&dialer::SystemEntropy);
    let url = format!("sqlite://{}", database.display());
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
    command.env("CAMPANILE_BOOTSTRAP_TOKEN", &token);
    let server = Server::start(&mut command);
    let line =
        json!({ "provider": "SANDBOX", "name": "line", "credentials": { "api_key": "key" } });
    let line = created(&server, &token, "/api/v2/voice-providers", &line);
    let campaign = json!({
        "name": "failing", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE",
        "phone_number_id": "pn_abc123", "tenant_voice_provider_id": line["tenant_voice_provider_id"],
        "start_date": "2020-01-01", "timezone": "UTC", "windows": [{ "start_time": "00:00", "end_time": "24:00" }],
        "days_of_week": ["MONDAY"], "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
    });
    let campaign = created(&server, &token, "/api/v2/voice-campaigns", &campaign);
    let Some(_fault) = Fault::put_on(&server, &database, &home.file("trace")) else {
        return;
    };
    let path = format!(
        "/api/v2/voice-campaigns/{}/leads/bulk",
        campaign["campaign_id"].as_str().unwrap()
    );
    let lead = |n: u32| json!({ "phone_number": format!("+1415555{n:04}"), "first_name": "Ada".repeat(20) });
    let leads: Vec<_> = (0..9_999).map(lead).collect();
    // More than the log takes before it is folded in; the answer may come or not.
    let address = server.address.clone();
    let _ = std::panic::catch_unwind(|| {
        request(&address, "POST", &path, &token, &json!(leads).to_string())
    });
    let id = server.running.id();
    let ended = met_within(Duration::from_secs(60), || is_over(id));
    assert!(ended, "the server goes on");
    let (status, log) = server.running.end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("the disk refused to make data durable"),
        "{log}"
    );
}

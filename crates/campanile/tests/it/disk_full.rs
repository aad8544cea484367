//! A disk that fills up under the real process: from the first write that is refused on nobody is
//! called, and when there is room again everything goes on by itself, with nobody called twice.
//!
//! It needs a file system of its own, and so the right to mount one; without it, the test says so
//! and ends.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Home, Server, request};

/// Size of the file system.
const SIZE: &str = "size=24m";
const LEADS: usize = 400;

/// A small file system, gone with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`: this machine does not let us mount one.
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "campanile-test"])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                eprintln!("skipped: no file system can be mounted here ({why})");
                None
            }
            Err(error) => {
                eprintln!("skipped: no file system can be mounted here ({error})");
                None
            }
        }
    }

    /// Writes until nothing more fits, to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            let block = vec![0_u8; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

struct Scene {
    server: Server,
    sandbox: Server,
    token: String,
}

impl Scene {
    fn start(home: &Home, database: &Path, reserve_mib: &str) -> Self {
        let scenario = json!({
            "concurrency": 500, "calls_per_second": 1_000, "ring_seconds": 2, "talk_seconds": [20, 60],
            "answer_rate": 1.0, "voicemail_rate": 0.0, "busy_rate": 0.0, "no_answer_rate": 0.0, "invalid_rate": 0.0
        });
        std::fs::write(home.file("scenario.json"), scenario.to_string()).unwrap();
        let sandbox = Server::start(&mut home.command(&[
            "sandbox",
            "--listen",
            "127.0.0.1:0",
            "--time-scale",
            "60",
            "--scenario",
            "scenario.json",
        ]));
        let token = api::token::generate(&dialer::SystemEntropy);
        let url = format!("sqlite://{}", database.display());
        let key_file = home.file("key");
        let mut command = home.command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            &url,
            "--secret-key-file",
            key_file.to_str().unwrap(),
            "--disk-reserve-mib",
            reserve_mib,
            "--allow-private-networks",
            "--log-level",
            "warn",
        ]);
        command.env("CAMPANILE_BOOTSTRAP_TOKEN", &token);
        Self {
            server: Server::start(&mut command),
            sandbox,
            token,
        }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, text) = request(&self.server.address, method, path, &self.token, &body);
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer["data"].clone()
    }

    /// A RUNNING campaign of forty calls a second, which lasts through what happens.
    fn start_campaign(&self) -> String {
        let line = json!({
            "provider": "SANDBOX", "name": "line", "base_url": format!("http://{}/vapi", self.sandbox.address),
            "max_concurrent_calls": 100, "max_calls_per_second": 40
        });
        let line = self.done("POST", "/api/v2/voice-providers", &line);
        let campaign = json!({
            "name": "full", "type": "OUTBOUND", "assistant_id": "asst_abc123", "dialer_type": "SINGLE", "phone_number_id": "pn_abc123",
            "tenant_voice_provider_id": line["tenant_voice_provider_id"], "start_date": "2020-01-01", "timezone": "UTC",
            "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
            "windows": [{ "start_time": "00:00", "end_time": "24:00" }],
            "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
        });
        let campaign = self.done("POST", "/api/v2/voice-campaigns", &campaign);
        let path = format!(
            "/api/v2/voice-campaigns/{}",
            campaign["campaign_id"].as_str().unwrap()
        );
        let leads: Vec<Value> = (0..LEADS)
            .map(|lead| json!({ "phone_number": format!("+1415555{lead:04}") }))
            .collect();
        self.done("POST", &format!("{path}/leads/bulk"), &Value::Array(leads));
        self.done("POST", &format!("{path}/start"), &json!({}));
        path
    }

    fn rings(&self) -> Vec<Value> {
        let (_, text) = request(&self.sandbox.address, "GET", "/control/rings", "", "");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// A write of a user that changes nothing of the campaign's dialing.
    fn rename(&self, campaign: &str, number: u32) -> (u16, Value) {
        let change = json!({ "name": format!("full {number} {}", "x".repeat(150)) });
        self.call("PATCH", campaign, &change)
    }

    fn status_reason(&self, campaign: &str) -> String {
        let campaign = self.done("GET", campaign, &Value::Null);
        campaign["status_reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn readiness(&self) -> (u16, Value) {
        self.call("GET", "/readyz", &Value::Null)
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.server.get("/metrics", &self.token);
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value
            .unwrap_or_else(|| panic!("no metric {name}"))
            .parse()
            .unwrap()
    }
}

/// Polls a condition; there is nothing to be told by.
fn wait_until(what: &str, limit: Duration, mut met: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test against real processes")]
    let began = Instant::now();
    while !met() {
        assert!(began.elapsed() < limit, "{what}: not in {limit:?}");
        pause(50);
    }
}

fn pause(milliseconds: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "that nothing happens for a while has no event"
    )]
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn a_full_disk_stops_dialing_until_there_is_room_and_calls_nobody_twice() {
    fill_and_free("32");
}

/// As where the file system's figures say nothing of the limit that was met, a quota for example.
#[test]
fn a_refused_write_stops_dialing_whatever_the_figures_say() {
    fill_and_free("0");
}

fn fill_and_free(reserve_mib: &str) {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home.file("disk")) else {
        return;
    };
    let scene = Scene::start(&home, &disk.0.join("campanile.db"), reserve_mib);
    let campaign = scene.start_campaign();
    wait_until("calls", Duration::from_secs(30), || {
        scene.rings().len() > 40
    });
    assert_ne!(scene.status_reason(&campaign), "ON_HOLD");
    assert_eq!(scene.readiness().0, 200);

    disk.fill();
    // The journal has space of its own left over; a few writes more and it has to grow.
    // One that is refused may be followed by one that fits: what is folded in leaves room in the log.
    let mut number = 0;
    wait_until("a refused write", Duration::from_secs(30), || {
        number += 1;
        let (status, answer) = scene.rename(&campaign, number);
        if status != 200 {
            assert_eq!(
                (status, answer["code"].as_str()),
                (503, Some("unavailable"))
            );
        }
        status == 503
    });
    // A request that had left is received at once.
    pause(200);
    let rung = scene.rings().len();
    assert_eq!(scene.status_reason(&campaign), "ON_HOLD");
    let (status, readiness) = scene.readiness();
    assert_eq!(
        (status, readiness["status"].as_str()),
        (503, Some("not_ready"))
    );
    assert!(
        readiness["database"].as_str().unwrap().contains("full"),
        "{readiness}"
    );
    wait_until("the metric", Duration::from_secs(10), || {
        (scene.metric("campanile_held_by_full_disk") - 1.0).abs() < f64::EPSILON
    });
    // Long enough for some eighty calls.
    pause(2_000);
    let rings = scene.rings().len();
    assert_eq!(
        rings, rung,
        "somebody was called after a write had been refused"
    );
    assert!(rings < LEADS, "there is somebody left to call");

    disk.free();
    wait_until("dialing again", Duration::from_secs(10), || {
        scene.rings().len() > rung
    });
    assert_eq!(scene.rename(&campaign, 0).0, 200);
    assert_eq!(scene.readiness().0, 200);
    wait_until("the end", Duration::from_secs(120), || {
        scene.done("GET", &campaign, &Value::Null)["campaign_status"] == "COMPLETED"
    });
    let mut calls: HashMap<String, u32> = HashMap::new();
    for ring in scene.rings() {
        *calls.entry(ring["to"].to_string()).or_default() += 1;
    }
    let twice: Vec<_> = calls.iter().filter(|(_, calls)| **calls > 1).collect();
    assert!(twice.is_empty(), "called more often than once: {twice:?}");
    assert_eq!(calls.len(), LEADS, "everybody was called");
}

#[test]
fn below_the_reserve_dialing_stops_first_and_users_can_still_pause() {
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(&home.file("disk")) else {
        return;
    };
    let scene = Scene::start(&home, &disk.0.join("campanile.db"), "32");
    let campaign = scene.start_campaign();
    wait_until("calls", Duration::from_secs(30), || {
        scene.rings().len() > 40
    });

    // Two of the 24 MiB are left: less than the reserve, an eighth.
    let filler = std::fs::File::create(disk.0.join("filler")).unwrap();
    let mut file = &filler;
    let block = vec![0_u8; 1 << 16];
    let free = || {
        let answer = Command::new("df")
            .args(["--output=avail", "-B1"])
            .arg(&disk.0)
            .output()
            .unwrap();
        let text = String::from_utf8(answer.stdout).unwrap();
        text.lines().last().unwrap().trim().parse::<u64>().unwrap()
    };
    while free() > 2 << 20 {
        file.write_all(&block).unwrap();
    }
    wait_until("the hold", Duration::from_secs(5), || {
        scene.status_reason(&campaign) == "ON_HOLD"
    });
    // What was reserved before is sent within its two seconds.
    pause(2_500);
    let rung = scene.rings().len();
    let (status, readiness) = scene.readiness();
    assert_eq!(status, 200, "requests may still be sent here: {readiness}");
    let dialer = readiness["dialer"].as_str().unwrap();
    assert!(dialer.contains("reserve"), "{dialer}");
    let one = json!([{ "phone_number": "+14155559999" }]);
    let bulk = scene.call("POST", &format!("{campaign}/leads/bulk"), &one);
    assert_eq!(bulk.0, 503, "{bulk:?}");
    assert_eq!(scene.rename(&campaign, 1).0, 200);
    let paused = scene.done("POST", &format!("{campaign}/pause"), &json!({}));
    assert_eq!(paused["campaign_status"], "PAUSED");
    scene.done("POST", &format!("{campaign}/resume"), &json!({}));
    pause(1_000);
    assert_eq!(scene.rings().len(), rung, "somebody was called");

    let url = format!("sqlite://{}", disk.0.join("campanile.db").display());
    let key_file = home.file("key");
    let doctor = home.run(&[
        "doctor",
        "--database-url",
        &url,
        "--secret-key-file",
        key_file.to_str().unwrap(),
        "--allow-private-networks",
        "--json",
    ]);
    let findings: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let mut found = findings.as_array().unwrap().iter();
    let disk_finding = found.find(|finding| finding["check"] == "disk").unwrap();
    assert_eq!(disk_finding["status"], "fail", "{disk_finding}");

    drop(filler);
    disk.free();
    wait_until("dialing again", Duration::from_secs(10), || {
        scene.rings().len() > rung
    });
}

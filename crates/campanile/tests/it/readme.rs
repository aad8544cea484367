//! The tour of the README, typed as written.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::program::Home;

#[test]
fn the_tour_works_as_written() {
    let readme = include_str!("../../../../README.md");
    let (_, tour) = readme.split_once("<!-- tour -->\n```bash\n").unwrap();
    let (tour, _) = tour.split_once("\n```").unwrap();
    let lines = tour.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 20, "the tour promises 20 lines and has {lines}");

    let home = Home::new();
    // The usual port may be taken where tests run: the one thing that is not as written.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_campanile"))
        .parent()
        .unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program.display());
    // Whatever happens, the server of the tour ends with it.
    let script = format!(
        "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{}",
        tour.replace("127.0.0.1:8080", &address)
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &script])
        .current_dir(home.path())
        .env_clear()
        .stdin(Stdio::null());
    let output = bash
        .env("PATH", path)
        .env("CAMPANILE_LISTEN", &address)
        .output()
        .unwrap();
    let (told, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{told}\n{log}");
    assert!(
        told.contains("+14155550121") && told.contains("ANSWERED"),
        "{told}\n{log}"
    );
}

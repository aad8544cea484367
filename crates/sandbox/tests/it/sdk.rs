//! The vendor's own client library against the sandbox.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use sandbox::{Options, Sandbox, Scenario};
use serde_json::json;

/// The interpreter that has the libraries of `tests/sdk/requirements.txt`: `CAMPANILE_TEST_PYTHON`,
/// or that of a virtual environment which is made in the target folder once.
fn python() -> PathBuf {
    if let Some(python) = env::var_os("CAMPANILE_TEST_PYTHON") {
        return PathBuf::from(python);
    }
    let requirements = sdk_folder().join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).unwrap();
    // CARGO_TARGET_TMPDIR is `target/tmp`.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let environment = target.join("test-venv");
    let python = environment.join("bin/python");
    let done = environment.join("sandbox-requirements.txt");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "-r"])
        .arg(&requirements));
    std::fs::write(&done, wanted).unwrap();
    python
}

fn sdk_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk")
}

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_python_library_works_against_the_sandbox() {
    let change = json!({"phones": {"+14155550100": {"outcome": "ANSWERED"}}});
    let scenario = Scenario::default().changed_by(&change).unwrap();
    let options = Options {
        seed: 1,
        time_scale: 100.0,
        scenario,
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let base_url = format!("{}/vapi", sandbox.base_url());
    let script = sdk_folder().join("vapi_sdk.py");
    let running =
        tokio::task::spawn_blocking(move || run(Command::new(python()).arg(script).arg(base_url)));
    let output = running.await.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("agree"));
    sandbox.stop().await;
}

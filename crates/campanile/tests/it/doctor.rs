//! `campanile doctor`.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::program::{Home, Run};

fn findings(home: &Home, arguments: &[&str], code: i32) -> Vec<Value> {
    let mut all = vec!["doctor", "--json"];
    all.extend(arguments);
    let run = home.run(&all);
    assert_eq!(run.code, code, "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

fn status<'a>(findings: &'a [Value], check: &str) -> &'a str {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    finding.expect(check)["status"].as_str().unwrap()
}

#[test]
fn a_fresh_machine_is_well_and_nothing_is_changed() {
    let home = Home::new();
    let found = findings(&home, &["--public-url", "https://calls.example.com"], 0);
    for check in [
        "configuration",
        "database",
        "key file",
        "clock",
        "time zones",
        "provider",
        "public URL",
    ] {
        assert_eq!(status(&found, check), "ok", "{check}");
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    assert_eq!(status(&findings(&home, &[], 0), "public URL"), "warn");
    let found = findings(&home, &["--database-url", "sqlite://no/such/folder.db"], 1);
    assert_eq!(status(&found, "database"), "fail");
}

#[test]
fn a_variable_with_a_typing_error_is_told() {
    let home = Home::new();
    let mut command = home.command(&["doctor"]);
    let told = Run::of(command.env("CAMPANILE_DATABSE_URL", "sqlite://x.db")).answer();
    assert!(told.contains("CAMPANILE_DATABASE_URL"), "{told}");
}

#[test]
fn faults_of_the_key_file_and_of_providers_are_found_beside_a_running_server() {
    let home = Home::new();
    let token = home
        .run(&["token", "create"])
        .answer()
        .trim_end()
        .to_owned();
    let sandbox =
        crate::program::Server::start(&mut home.command(&["sandbox", "--listen", "127.0.0.1:0"]));
    let server = home.serve(&["--allow-private-networks"]);
    let base_url = format!("http://{}/vapi", sandbox.address);
    let line = |name: &str, key: &str| json!({ "provider": "VAPI", "name": name, "credentials": { "api_key": key }, "base_url": base_url });
    assert_eq!(
        server
            .post("/api/v2/voice-providers", &token, &line("good", "k"))
            .0,
        201
    );
    let found = findings(&home, &["--allow-private-networks"], 0);
    assert_eq!(status(&found, "provider"), "ok");
    assert_eq!(status(&found, "database"), "ok");

    drop(sandbox);
    let found = findings(&home, &["--allow-private-networks"], 1);
    assert_eq!(status(&found, "provider"), "fail");

    let key = home.file("campanile.db.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o604)).unwrap();
    let found = findings(&home, &[], 1);
    assert_eq!(status(&found, "key file"), "fail");
    assert!(
        found
            .iter()
            .all(|finding| finding["status"] == "ok" || finding["remedy"].is_string())
    );
}

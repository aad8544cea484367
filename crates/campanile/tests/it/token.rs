//! `campanile token`, without a server.

use serde_json::Value;

use crate::program::Home;

#[test]
fn a_token_is_printed_alone_and_kept_only_as_a_hash() {
    let home = Home::new();
    let secret = home
        .run(&["token", "create", "--name", "ci", "--scopes", "read,write"])
        .answer();
    let secret = secret.trim_end();
    assert!(secret.starts_with("cmp_") && secret.len() == 42, "{secret}");
    let listed = home.run(&["token", "list", "--json"]).answer();
    assert!(!listed.contains(secret));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["name"], "ci");
    assert_eq!(listed[0]["scopes"], serde_json::json!(["read", "write"]));
    assert_eq!(listed[0]["enabled"], true);
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !content
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        );
    }
}

#[test]
fn a_token_is_disabled_by_its_name_or_its_id() {
    let home = Home::new();
    home.run(&["token", "create", "--name", "one"]).answer();
    home.run(&["token", "create", "--name", "two"]).answer();
    let tokens = || -> Value {
        serde_json::from_str(&home.run(&["token", "list", "--json"]).answer()).unwrap()
    };
    home.run(&["token", "disable", "one"]).answer();
    let id = tokens()[0]["token_id"].as_str().unwrap().to_owned();
    home.run(&["token", "disable", &id]).answer();
    assert!(
        tokens()
            .as_array()
            .unwrap()
            .iter()
            .all(|token| token["enabled"] == false)
    );
    home.run(&["token", "disable", "three"])
        .refused(1, &["there is no enabled token \"three\"", "token list"]);
}

#[test]
fn every_tenant_has_its_own_tokens_and_create_makes_the_tenant() {
    let home = Home::new();
    home.run(&["token", "list"])
        .refused(1, &["there is no database", "token create"]);
    home.run(&["token", "create", "--tenant", "acme"]).answer();
    home.run(&["token", "list"])
        .refused(1, &["there is no tenant \"default\""]);
    assert_eq!(
        home.run(&["token", "list", "--tenant", "acme"])
            .answer()
            .lines()
            .count(),
        1
    );
}

#[test]
fn scopes_that_do_not_exist_are_refused() {
    let home = Home::new();
    home.run(&["token", "create", "--scopes", "read,root"])
        .refused(2, &["flag --scopes", "read, write and admin"]);
    assert!(!home.file("campanile.db").exists());
}

/// What a command says whose stdout takes nothing more.
fn with_a_full_stdout(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = home.command(arguments);
    let output = command.stdout(full).output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), complaint)
}

#[test]
fn a_token_that_nobody_could_read_is_not_kept() {
    let home = Home::new();
    home.run(&["token", "create", "--name", "read"]).answer();
    for form in [&[][..], &["--json"]] {
        let arguments = [&["token", "create", "--name", "lost"], form].concat();
        let (code, complaint) = with_a_full_stdout(&home, &arguments);
        assert_eq!(code, Some(1), "{complaint}");
        assert!(complaint.contains("was deleted again"), "{complaint}");
    }
    let listed = home.run(&["token", "list", "--json"]).answer();
    assert!(!listed.contains("lost"), "{listed}");
}

#[test]
fn what_could_not_be_written_is_told() {
    let home = Home::new();
    for arguments in [&["openapi"][..], &["config"], &["completions", "bash"]] {
        let (code, complaint) = with_a_full_stdout(&home, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {complaint}");
        assert!(
            complaint.contains("stdout could not be written"),
            "{complaint}"
        );
    }
}

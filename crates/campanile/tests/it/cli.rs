//! The contract of the command line.

use serde_json::Value;

use crate::program::{Home, Run};

#[test]
fn help_is_an_answer_and_nothing_to_do_is_wrong_usage() {
    let home = Home::new();
    let help = home.run(&["--help"]).answer();
    for command in [
        "serve",
        "demo",
        "sandbox",
        "token",
        "hold",
        "doctor",
        "migrate",
        "simulate",
        "openapi",
        "config",
        "completions",
    ] {
        assert!(help.contains(command), "{command}");
        let help = home.run(&[command, "--help"]).answer();
        assert!(help.contains("Example:"), "{command}");
    }
    assert!(
        home.run(&["--version"])
            .answer()
            .starts_with("campanile 0.")
    );
    for arguments in [
        vec![],
        vec!["sing"],
        vec!["serve", "--loud"],
        vec!["token"],
        vec!["token", "disable"],
        vec!["hold"],
    ] {
        assert_eq!(home.run(&arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn the_effective_settings_are_shown_with_their_origin_and_secrets_masked() {
    let home = Home::new();
    std::fs::write(
        home.file("campanile.toml"),
        "role = \"api\"\nlisten = \"127.0.0.1:1\"\n[sandbox]\nseed = 7\n",
    )
    .unwrap();
    let mut command = home.command(&["config", "--json", "--listen", "127.0.0.1:3"]);
    command
        .env("CAMPANILE_LISTEN", "127.0.0.1:2")
        .env("CAMPANILE_LOG_FORMAT", "json")
        .env("CAMPANILE_BOOTSTRAP_TOKEN", "cmp_secret");
    let shown = Run::of(&mut command).answer();
    assert!(!shown.contains("cmp_secret"));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    for (key, value, origin) in [
        ("listen", "127.0.0.1:3", "flag --listen"),
        ("log_format", "json", "environment CAMPANILE_LOG_FORMAT"),
        ("role", "api", "file campanile.toml"),
        ("sandbox.seed", "7", "file campanile.toml"),
        ("secret_key_file", "campanile.db.key", "default"),
        (
            "bootstrap_token",
            "****",
            "environment CAMPANILE_BOOTSTRAP_TOKEN",
        ),
    ] {
        assert_eq!(shown[key]["value"], value, "{key}");
        assert_eq!(shown[key]["origin"], origin, "{key}");
    }
    // For people, one setting a line.
    let plain = home.run(&["config"]).answer();
    assert!(
        plain
            .lines()
            .any(|line| line == "role\tapi\tfile campanile.toml"),
        "{plain}"
    );
}

#[test]
fn an_unknown_key_of_the_file_is_refused_with_the_nearest_one() {
    let home = Home::new();
    std::fs::write(
        home.file("campanile.toml"),
        "\nlisten_on = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    for arguments in [vec!["serve"], vec!["config"], vec!["token", "create"]] {
        home.run(&arguments).refused(
            2,
            &[
                "campanile.toml:2",
                "unknown key \"listen_on\"",
                "\"listen\"",
            ],
        );
    }
    assert!(!home.file("campanile.db").exists(), "nothing was touched");
    home.run(&["config", "--config", "other.toml"])
        .refused(2, &["cannot read", "other.toml"]);
}

#[test]
fn a_value_that_cannot_be_meant_is_refused_with_its_origin_before_anything_is_touched() {
    let home = Home::new();
    home.run(&["serve", "--database-url", "postgres://u:secret@db"])
        .refused(2, &["flag --database-url", "names no database"]);
    home.run(&["serve", "--database-url", "mysql://u:secret@db/campanile"])
        .refused(2, &["flag --database-url", "sqlite://"]);
    home.run(&["serve", "--listen", "8080"])
        .refused(2, &["flag --listen", "127.0.0.1:8080"]);
    home.run(&["serve", "--api-rate-limit", "0"])
        .refused(2, &["flag --api-rate-limit", "from 1"]);
    home.run(&["serve", "--public-url", "calls.example.com"])
        .refused(2, &["flag --public-url", "https://"]);
    let mut command = home.command(&["serve"]);
    Run::of(command.env("CAMPANILE_ROLE", "singer"))
        .refused(2, &["environment CAMPANILE_ROLE", "all, api or dialer"]);
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        0,
        "nothing was touched"
    );
}

#[test]
fn the_openapi_document_and_completions_need_no_configuration() {
    let home = Home::new();
    std::fs::write(home.file("campanile.toml"), "nonsense = 1\n").unwrap();
    let document: Value = serde_json::from_str(&home.run(&["openapi"]).answer()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(
        document["paths"]
            .as_object()
            .unwrap()
            .contains_key("/api/v2/tokens")
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            home.run(&["completions", shell])
                .answer()
                .contains("campanile"),
            "{shell}"
        );
    }
    assert_eq!(home.run(&["completions", "abacus"]).code, 2);
}

#[test]
fn a_scenario_that_cannot_be_read_is_refused() {
    let home = Home::new();
    home.run(&["sandbox", "--scenario", "none.json"])
        .refused(2, &["none.json"]);
    std::fs::write(home.file("s.json"), "{\"answer_rat\": 1}").unwrap();
    home.run(&["sandbox", "--scenario", "s.json"])
        .refused(2, &["s.json", "answer_rat"]);
}

//! A database that was copied back calls nobody again: real processes, judged by the rings of a
//! sandbox that remembers what the database does not.

use std::path::Path;

use serde_json::{Value, json};

use crate::installation::{Installation, scenario, wait_until};
use crate::program::{Home, Run};

impl Installation {
    fn hold_status(&self) -> Value {
        let answer = self.run(&["hold", "status", "--json"]).answer();
        serde_json::from_str(&answer).unwrap()
    }

    fn release(&self) -> Run {
        self.run(&["hold", "release", "--json"])
    }

    /// Copies the database with its journal, as a backup would; the marker only if asked.
    fn back_up(&self, marker_too: bool) {
        let folder = self.home.file("backup");
        std::fs::create_dir(&folder).unwrap();
        for name in files(self.home.path(), marker_too) {
            std::fs::copy(self.home.file(&name), folder.join(&name)).unwrap();
        }
    }

    /// Puts the copy back.
    fn restore(&self, marker_too: bool) {
        for name in files(self.home.path(), marker_too) {
            std::fs::remove_file(self.home.file(&name)).unwrap();
        }
        let folder = self.home.file("backup");
        for name in files(&folder, marker_too) {
            std::fs::copy(folder.join(&name), self.home.file(&name)).unwrap();
        }
    }

    /// Runs the campaign to a third, copies the database, runs it on to two thirds, copies it back.
    fn lose_a_third(&self, leads: usize, marker_too: bool) -> (String, usize) {
        let server = self.serve();
        let campaign = self.start_campaign(&server, leads);
        wait_until(|| self.rings().len() >= leads / 3);
        server.stop();
        self.back_up(marker_too);
        let copied = self.rings().len();
        let server = self.serve();
        wait_until(|| self.rings().len() >= leads * 2 / 3);
        server.stop();
        self.restore(marker_too);
        let rung = self.rings().len();
        assert!(copied < rung && rung < leads, "{copied} {rung}");
        (campaign, rung)
    }
}

fn files(folder: &Path, marker_too: bool) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| {
            ["campanile.db", "campanile.db-wal", "campanile.db-shm"].contains(&name.as_str())
                || marker_too && name == "campanile.db.marker"
        })
        .collect()
}

/// Polls a condition; there is nothing to be told by.
#[test]
fn a_database_that_was_copied_back_rings_nobody_again() {
    const LEADS: usize = 90;
    let installation = Installation::new(&scenario());
    let (campaign, rung) = installation.lose_a_third(LEADS, false);
    let server = installation.serve();
    wait_until(|| installation.hold_status()["on_hold"] == true);
    let status = installation.hold_status();
    assert_eq!(
        status["holds"][0]["reason"], "database_went_back",
        "{status}"
    );
    let shown = installation.campaign(&server, &campaign);
    assert_eq!(
        (&shown["campaign_status"], &shown["status_reason"]),
        (&json!("RUNNING"), &json!("ON_HOLD"))
    );
    let (ready, text) = server.get("/readyz", "");
    assert_eq!(ready, 200, "{text}");
    assert!(text.contains("database_went_back"), "{text}");
    installation
        .release()
        .refused(1, &["not released", "--force"]);
    let doctor = installation.home.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(
        doctor.stdout.contains("campanile hold release"),
        "{doctor:?}"
    );
    wait_until(|| installation.hold_status()["reconciled"] == true);
    assert_eq!(installation.rings().len(), rung, "nothing rings on hold");
    let released: Value = serde_json::from_str(&installation.release().answer()).unwrap();
    let adopted = released["lines"][0]["adopted"].as_u64().unwrap();
    assert!(adopted > 0, "{released}");
    assert_eq!(released["lines"][0]["unmatched"], 0, "{released}");
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    assert_eq!(installation.rang_twice(), [""; 0]);
    assert_eq!(installation.rings().len(), LEADS, "everybody was called");
    let (_, log) = server.stop();
    assert!(log.contains("on hold"), "{log}");
    // It starts as ever after.
    let server = installation.serve();
    assert_eq!(installation.hold_status()["on_hold"], false);
    server.stop();
}

#[test]
fn a_copy_with_its_marker_is_told_by_the_calls_that_it_does_not_know() {
    const LEADS: usize = 60;
    let installation = Installation::new(&json!({
        "concurrency": 500, "calls_per_second": 1_000, "ring_seconds": 1, "talk_seconds": [300, 900],
        "answer_rate": 1, "no_answer_rate": 0, "voicemail_rate": 0, "busy_rate": 0, "invalid_rate": 0
    }));
    let (campaign, rung) = installation.lose_a_third(LEADS, true);
    // Nothing in the folder says that it is a copy: the provider's list does, before anything dials.
    let server = installation.serve();
    wait_until(|| installation.hold_status()["on_hold"] == true);
    let status = installation.hold_status();
    assert_eq!(status["holds"][0]["reason"], "strange_calls", "{status}");
    let (_, metrics) = server.get("/metrics", "");
    assert!(
        metrics.contains("campanile_strange_calls_total{became=\"adopted\"}"),
        "{metrics}"
    );
    wait_until(|| installation.hold_status()["reconciled"] == true);
    assert_eq!(installation.rings().len(), rung, "nothing rings on hold");
    installation.release().answer();
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    assert_eq!(installation.rang_twice(), [""; 0]);
    assert_eq!(installation.rings().len(), LEADS, "everybody was called");
    server.stop();
}

#[test]
fn a_marker_that_is_gone_or_anothers_holds_and_a_fresh_database_does_not() {
    let installation = Installation::new(&scenario());
    let server = installation.serve();
    assert_eq!(installation.hold_status()["on_hold"], false);
    let campaign = installation.start_campaign(&server, 5);
    wait_until(|| installation.open_leads(&server, &campaign) == 0);
    server.stop();
    let marker = installation.home.file("campanile.db.marker");
    let kept = std::fs::read(&marker).unwrap();
    let reasons = || -> Vec<String> {
        let server = installation.serve();
        wait_until(|| installation.hold_status()["on_hold"] == true);
        let status = installation.hold_status();
        server.stop();
        let forced = installation.home.run(&["hold", "release", "--force"]);
        assert!(forced.answer().contains("released"));
        let holds = status["holds"].as_array().unwrap();
        let reasons = holds
            .iter()
            .map(|hold| hold["reason"].as_str().unwrap().to_owned());
        reasons.collect()
    };
    std::fs::remove_file(&marker).unwrap();
    assert_eq!(reasons(), ["marker_missing"]);
    std::fs::write(&marker, "nonsense").unwrap();
    assert_eq!(reasons(), ["marker_unreadable"]);
    let text = String::from_utf8(kept).unwrap();
    let name = text.split(' ').nth(1).unwrap();
    std::fs::write(&marker, text.replace(name, "somebody-else")).unwrap();
    assert_eq!(reasons(), ["marker_foreign"]);
    let server = installation.serve();
    assert_eq!(installation.hold_status()["on_hold"], false);
    server.stop();
}

#[test]
fn there_is_nothing_to_release_where_nothing_is_on_hold() {
    let home = Home::new();
    home.run(&["hold", "status"]).refused(1, &["no database"]);
    home.run(&["token", "create"]).answer();
    assert_eq!(home.run(&["hold", "status"]).answer(), "not on hold\n");
    let told = home.run(&["hold", "release"]).answer();
    assert!(told.contains("nothing to release"), "{told}");
}

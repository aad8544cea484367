//! Checks of a PostgreSQL server.

use std::sync::Arc;

use dialer::{MAX_OFFSET, SystemClock, measure_clock_offset};
use domain::ambient::Clock as _;
use store::Store;
use store_postgres::{Address, Inspection, SCHEMA_VERSION};

use super::Finding;
use crate::config::Settings;
use crate::storage;

const CHECK: &str = "database";

/// The store, if there is one to look into.
pub(super) async fn check(
    settings: &Settings,
    address: &Address,
) -> (Option<Arc<dyn Store>>, Vec<Finding>) {
    let seen = match store_postgres::inspect_database(address).await {
        Ok(seen) => seen,
        Err(error) => return (None, vec![broken(error.to_string())]),
    };
    let mut findings = Vec::new();
    if seen.is_above_the_wall {
        findings.push(Finding::warn(
            CHECK,
            "its user is a superuser or may bypass row-level security: the second wall between tenants does not stand",
            "connect as an ordinary user that owns the database",
        ));
    }
    if let Some(finding) = schema(settings, &seen) {
        findings.push(finding);
        return (None, findings);
    }
    match storage::open_existing(settings).await {
        Ok(store) => {
            findings.push(takes_writes(settings, &seen, store.as_ref()).await);
            (Some(store), findings)
        }
        Err(failure) => {
            findings.push(broken(failure.to_string()));
            (None, findings)
        }
    }
}

fn broken(message: String) -> Finding {
    broken_check(CHECK, message)
}

fn broken_check(check: &'static str, message: String) -> Finding {
    Finding::fail(check, message, "mend that and run `campanile doctor` again")
}

/// What keeps from looking further.
fn schema(settings: &Settings, seen: &Inspection) -> Option<Finding> {
    let shown = &settings.database;
    let found = seen.schema_version;
    if found == 0 {
        let message = format!("{shown} is empty yet; its tables are made on the first start");
        return Some(Finding::ok(CHECK, message));
    }
    if found < SCHEMA_VERSION {
        let message =
            format!("{shown} is at schema version {found}, this program knows {SCHEMA_VERSION}");
        let remedy = "it is migrated at the next `campanile serve` or `campanile migrate`; make a backup before";
        return Some(Finding::warn(CHECK, message, remedy));
    }
    None
}

/// Whether a process on this machine may dial, as far as its clock is concerned.
pub(super) async fn clock(store: &dyn Store) -> Option<Finding> {
    const CHECK: &str = "database clock";
    match measure_clock_offset(store, &SystemClock).await {
        Ok(None) => None,
        Ok(Some(offset)) if offset.is_too_far() => {
            let limit = MAX_OFFSET.as_secs();
            let message = format!(
                "this machine's clock is {offset}: beyond {limit} s a process places no calls"
            );
            let remedy = "set both clocks and keep them right with NTP (timedatectl set-ntp true); a server that runs dials again by itself";
            Some(Finding::fail(CHECK, message, remedy))
        }
        Ok(Some(offset)) => Some(Finding::ok(
            CHECK,
            format!("this machine's clock is {offset}"),
        )),
        Err(error) => {
            let message = format!("it could not be compared: {error}");
            Some(broken_check(CHECK, message))
        }
    }
}

async fn takes_writes(settings: &Settings, seen: &Inspection, store: &dyn Store) -> Finding {
    let shown = &settings.database;
    match store.ping(SystemClock.now()).await {
        Ok(()) => Finding::ok(
            CHECK,
            format!(
                "{shown} takes reads and writes, PostgreSQL {}, schema version {}",
                seen.server_version, seen.schema_version
            ),
        ),
        Err(error) => Finding::fail(
            CHECK,
            format!("{shown}: {error}"),
            "check whether the server is a standby, and its disk",
        ),
    }
}

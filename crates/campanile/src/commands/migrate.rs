//! `campanile migrate`: brings the schema to this program's version, or moves an installation from a
//! SQLite file to PostgreSQL. A SQLite file only while no server has it, so that none meets a schema
//! that changed beneath it.

mod progress;
mod relocate;
mod undo;

use std::path::Path;

use serde_json::json;
use store_postgres::Address;
use store_sqlite::Access;

use crate::config::{Database, Settings};
use crate::failure::{Failure, Outcome};
use crate::{output, storage};

pub(crate) async fn run(settings: &Settings, undo: bool) -> Outcome {
    match (&settings.migrate.from, &settings.migrate.to, undo) {
        (None, None, false) => schema(settings).await,
        (Some(from), Some(to), false) => relocate::run(settings, from, to).await,
        (Some(from), to, true) => undo::run(settings, from, to.as_deref()).await,
        (Some(_), None, false) => Err(Failure::usage(
            "--from says what is moved, and nothing says where to: name an empty PostgreSQL database with --to, or with CAMPANILE_MIGRATE_TO, which other users of the machine cannot read",
        )),
        (None, Some(_), false) => Err(Failure::usage(
            "--to says where to move, and nothing says what: name the file with --from sqlite://FILE",
        )),
        (None, _, true) => Err(Failure::usage(
            "--undo lets a file be served again that was moved: name it with --from sqlite://FILE",
        )),
    }
}

async fn schema(settings: &Settings) -> Outcome {
    let (before, now) = match &settings.database {
        Database::File(path) => file(settings, path)?,
        Database::Server(address) => server(address).await?,
    };
    let shown = settings.database.to_string();
    if settings.json {
        output::json(&json!({ "database": shown, "from_version": before, "schema_version": now }));
    } else {
        output::line(&format!("{shown} is at schema version {now}"));
    }
    Ok(())
}

fn file(settings: &Settings, path: &Path) -> Outcome<(Option<i64>, i64)> {
    let shown = path.display();
    let before = storage::version_on_disk(path).map_err(|error| {
        Failure::failed(format!(
            "cannot read {shown}: {error}; check its permissions"
        ))
    })?;
    drop(storage::open_file(settings, path, Access::Owner)?);
    let before = before.map(i64::from);
    Ok((before, i64::from(store_sqlite::SCHEMA_VERSION)))
}

async fn server(address: &Address) -> Outcome<(Option<i64>, i64)> {
    let before = store_postgres::migrate_database(address).await;
    let before = before.map_err(Failure::failed)?;
    let before = Some(before).filter(|version| *version > 0);
    Ok((before, store_postgres::SCHEMA_VERSION))
}

//! `campanile migrate`: only ever while no server has the file, so that none meets a schema that
//! changed beneath it.

use serde_json::json;
use store_sqlite::{Access, SCHEMA_VERSION};

use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::{output, storage};

pub(crate) fn run(settings: &Settings) -> Outcome {
    let path = &settings.database;
    let shown = path.display();
    let before = storage::version_on_disk(path).map_err(|error| {
        Failure::failed(format!(
            "cannot read {shown}: {error}; check its permissions"
        ))
    })?;
    let store = storage::open(settings, Access::Owner)?;
    drop(store);
    if settings.json {
        output::json(
            &json!({ "database": path, "from_version": before, "schema_version": SCHEMA_VERSION }),
        );
    } else {
        output::line(&format!("{shown} is at schema version {SCHEMA_VERSION}"));
    }
    Ok(())
}

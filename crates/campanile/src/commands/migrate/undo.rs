//! `campanile migrate --undo --from … [--to …]`: the way back to a file that was moved. It starts on hold: the
//! calls made since then are known to the providers only. Where `--to` names the database that it was moved
//! to, that is not served any more while this is done.

use std::path::Path;

use dialer::SystemClock;
use domain::ambient::Clock as _;
use serde_json::json;
use store_postgres::{Address, Target, TargetError};

use super::relocate;
use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(super) async fn run(settings: &Settings, path: &Path, to: Option<&Address>) -> Outcome {
    let mut source = relocate::open_source(settings, path)?;
    let target = source.departure().map(|departure| departure.target.clone());
    // Held until the file is undone.
    let seen = match to {
        Some(address) => Some(
            Target::open(address)
                .await
                .map_err(|error| still_served(&error))?,
        ),
        None => None,
    };
    let undone = source.undo(SystemClock.now()).map_err(Failure::failed)?;
    let shown = path.display();
    if settings.json {
        output::json(&json!({ "database": shown.to_string(), "undone": undone }));
    } else if undone {
        output::line(&format!(
            "{shown} can be served again, and starts on hold: the voice providers are asked for the calls made since it was moved, then `campanile hold release` ends it. What users did since then, opt-outs among it, is not in it: enter that first, and never serve both"
        ));
        if let (None, Some(target)) = (seen, target) {
            output::line(&format!(
                "nobody looked whether {target} is still served: stop every process there first (with --to postgres://… this command looks)"
            ));
        }
    } else {
        output::line(&format!("{shown} was not moved: nothing to undo"));
    }
    Ok(())
}

fn still_served(error: &TargetError) -> Failure {
    match error {
        TargetError::InUse { address, processes } => Failure::failed(format!(
            "{address} is still served, by {processes} connections of campanile: stop every process there first; nothing was undone"
        )),
        TargetError::Busy { .. } | TargetError::Open(_) | TargetError::Store(_) => {
            Failure::failed(format!(
                "{error}; nothing was undone. If that database is gone for good, leave --to out"
            ))
        }
    }
}

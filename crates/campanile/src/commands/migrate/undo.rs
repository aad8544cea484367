//! `campanile migrate --undo --from … [--to …]`: the way back to a file that was moved. It starts on hold: the
//! calls made since then are known to the providers only. Where `--to` names the database that it was moved
//! to, that is not served any more while this is done.

use std::path::Path;

use dialer::SystemClock;
use domain::ambient::Clock as _;
use serde_json::json;
use store_postgres::{Address, Holding, Target, TargetError};
use store_sqlite::Departure;

use super::relocate;
use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(super) async fn run(settings: &Settings, path: &Path, to: Option<&Address>) -> Outcome {
    let mut source = relocate::open_source(settings, path)?;
    let departure = source.departure().cloned();
    // Held until the file is undone.
    let seen = match (to, &departure) {
        (Some(address), Some(departure)) => Some(look(address, departure).await?),
        _ => None,
    };
    let undone = source.undo(SystemClock.now()).map_err(Failure::failed)?;
    let shown = path.display();
    if settings.json {
        output::json(&json!({ "database": shown.to_string(), "undone": undone }));
    } else if undone {
        output::line(&format!(
            "{shown} can be served again, and starts on hold: the voice providers are asked for the calls made since it was moved, then `campanile hold release` ends it. What users did since then, opt-outs among it, is not in it: enter that first, and never serve both"
        ));
        if let (None, Some(departure)) = (seen, departure) {
            output::line(&format!(
                "nobody looked whether {} is still served: stop every process there first (with --to postgres://… this command looks)",
                departure.target
            ));
        }
    } else {
        output::line(&format!("{shown} was not moved: nothing to undo"));
    }
    Ok(())
}

/// Sees that the file was moved to this database, and that nobody serves it as long as the answer lives.
async fn look(address: &Address, departure: &Departure) -> Outcome<Target> {
    let opened = Target::open(address).await;
    let mut target = opened.map_err(|error| still_served(&error))?;
    let held = target.look().await;
    match held.map_err(|error| still_served(&error.into()))? {
        Holding::Part(arrival) | Holding::Whole(arrival)
            if arrival.move_id == departure.move_id =>
        {
            Ok(target)
        }
        Holding::Part(_) | Holding::Whole(_) | Holding::Nothing | Holding::Rows(_) => {
            Err(Failure::failed(format!(
                "{} is not where the file was moved to, that is {}: name that one with --to; nothing was undone",
                address.shown(),
                departure.target
            )))
        }
    }
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

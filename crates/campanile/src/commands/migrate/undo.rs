//! `campanile migrate --undo --from …`: the way back to a file that was moved. It starts on hold: the
//! calls made since then are known to the providers only.

use std::path::Path;

use dialer::SystemClock;
use domain::ambient::Clock as _;
use serde_json::json;

use super::relocate;
use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(super) fn run(settings: &Settings, path: &Path) -> Outcome {
    let mut source = relocate::open_source(settings, path)?;
    let undone = source.undo(SystemClock.now()).map_err(Failure::failed)?;
    let shown = path.display();
    if settings.json {
        output::json(&json!({ "database": shown.to_string(), "undone": undone }));
    } else if undone {
        output::line(&format!(
            "{shown} can be served again, on hold: the voice providers are asked for the calls made since it was moved, then `campanile hold release` ends it. What users did since then, opt-outs among it, is not in it: enter that first, and never serve both"
        ));
    } else {
        output::line(&format!("{shown} was not moved: nothing to undo"));
    }
    Ok(())
}

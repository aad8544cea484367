//! `campanile sandbox`: the simulated providers alone.

use std::path::Path;

use ::sandbox::{Options, Scenario};

use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::process::StopSignals;
use crate::{output, server};

/// Its world answers one after the other; further threads go on reading what comes meanwhile, so
/// that its logs tell when a request came and not when its turn was.
pub(crate) const LEAST_THREADS: usize = 8;

pub(crate) async fn run(settings: &Settings) -> Outcome {
    let options = options(settings)?;
    let signals = StopSignals::listen()?;
    let listener = server::bind(&settings.sandbox.listen).await?;
    let address = listener.local_addr().map_err(Failure::failed)?;
    output::line(&format!("listening on {}", server::local_url(address)));
    ::sandbox::serve(listener, options, signals.stop().clone()).await;
    Ok(())
}

/// What the sandbox starts from; the one inside a server takes the same settings.
pub(crate) fn options(settings: &Settings) -> Outcome<Options> {
    let scenario = match &settings.sandbox.scenario {
        Some(path) => read_scenario(path)?,
        None => Scenario::default(),
    };
    Ok(Options {
        seed: settings.sandbox.seed,
        time_scale: settings.sandbox.time_scale,
        scenario,
    })
}

fn read_scenario(path: &Path) -> Outcome<Scenario> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!(
            "cannot read the scenario {shown}: {error}; check the path and its permissions"
        ))
    })?;
    let document = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{shown}: not JSON: {error}")))?;
    Scenario::default()
        .changed_by(&document)
        .map_err(|error| Failure::usage(format!("{shown}: {error}")))
}

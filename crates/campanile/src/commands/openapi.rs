//! `campanile openapi`.

use crate::failure::Outcome;
use crate::output;

pub(crate) fn run() -> Outcome {
    output::line(&api::openapi_json());
    Ok(())
}

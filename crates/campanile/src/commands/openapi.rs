//! `campanile openapi`.

use crate::output;

pub(crate) fn run() {
    output::line(&api::openapi_json());
}

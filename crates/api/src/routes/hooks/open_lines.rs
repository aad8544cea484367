//! Lines whose secrets are open, so that a callback costs no decryption.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lines::{LineError, OpenLine};
use store::LineRecord;

use crate::Api;

/// Most lines kept open.
const MAX_LINES: usize = 1_000;

/// Open lines by key, each as of one revision.
#[derive(Default)]
pub(crate) struct OpenLines(Mutex<HashMap<String, (i64, Arc<OpenLine>)>>);

impl OpenLines {
    /// The line, opened now or before.
    pub(super) fn open(&self, api: &Api, line: &LineRecord) -> Result<Arc<OpenLine>, LineError> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, open)) = lines.get(&line.line_key)
            && *revision == line.revision
        {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(OpenLine::open(
            line,
            &api.vault,
            api.options.sandbox_base_url.as_deref(),
        )?);
        if lines.len() >= MAX_LINES {
            lines.clear();
        }
        lines.insert(line.line_key.clone(), (line.revision, Arc::clone(&open)));
        Ok(open)
    }
}

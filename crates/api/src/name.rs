//! Display names of voice providers, pools and tokens.

use serde_json::{Map, Value};

use crate::code;
use crate::faults::Faults;

/// The field `name`, if it is there and can be seen. Its length is the schema's affair.
pub(crate) fn read(fields: &Map<String, Value>, faults: &mut Faults) -> Option<String> {
    let name = fields.get("name")?.as_str()?;
    if name.trim().is_empty() {
        // An empty one has been refused for its length.
        if !faults.has("name") {
            faults.add("name", code::EMPTY, "`name` must not be blank.");
        }
        return None;
    }
    Some(name.to_owned())
}

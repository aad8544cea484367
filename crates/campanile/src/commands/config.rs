//! `campanile config`: what counts, and where it came from.

use serde_json::{Map, Value, json};

use crate::config::settings::without_password;
use crate::config::{Resolved, SETTINGS, Setting, Settings};
use crate::output;

const MASK: &str = "****";

pub(crate) fn run(settings: &Settings, resolved: &Resolved) {
    let shown = SETTINGS
        .iter()
        .map(|setting| (setting, effective(setting, settings, resolved)));
    if settings.json {
        let entries = shown.map(|(setting, (value, origin))| {
            (setting.key.to_owned(), json!({ "value": value, "origin": origin, "variable": setting.variable(), "flag": setting.flag }))
        });
        output::json(&Value::Object(entries.collect::<Map<_, _>>()));
    } else {
        let rows: Vec<Vec<String>> = shown
            .map(|(setting, (value, origin))| {
                vec![
                    setting.key.to_owned(),
                    value.unwrap_or_else(|| "-".to_owned()),
                    origin,
                ]
            })
            .collect();
        output::rows(&["key", "value", "origin"], &rows);
    }
}

/// The value to show, and its origin.
fn effective(
    setting: &Setting,
    settings: &Settings,
    resolved: &Resolved,
) -> (Option<String>, String) {
    match resolved.get(setting.key) {
        Some((_, origin)) if setting.secret => (Some(MASK.to_owned()), origin.to_string()),
        Some((value, origin)) => (Some(without_password(value)), origin.to_string()),
        // The one default that follows from another setting.
        None if setting.key == "secret_key_file" => (
            Some(settings.secret_key_file.display().to_string()),
            "default".to_owned(),
        ),
        None => (None, "default".to_owned()),
    }
}

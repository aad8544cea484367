//! Writing to stdout and stderr. Whoever reads may go away at any time: that is no failure.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Writes one line to stdout, at once.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Writes raw text to stdout, at once.
pub(crate) fn raw(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Writes JSON for people and programs to stdout.
pub(crate) fn json(value: &Value) {
    // A `Value` always has a text.
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Writes each line of `text` to stderr with the program's name before it.
pub(crate) fn complaint(text: &str) {
    let mut err = std::io::stderr().lock();
    for line in text.lines() {
        let _ = writeln!(err, "campanile: {line}");
    }
}

/// Whether stdout is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// A table on a terminal, tab-separated lines without a heading elsewhere.
pub(crate) fn rows(heading: &[&str], rows: &[Vec<String>]) {
    if is_terminal() {
        line(&table(heading, rows));
    } else {
        for row in rows {
            line(&row.join("\t"));
        }
    }
}

/// A table for a terminal.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heading).add_rows(rows);
    table.to_string()
}

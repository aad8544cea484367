//! Writing to stdout and stderr. Whoever reads may go away at any time: that is no failure. That
//! nothing more can be written to a file is one, of the whole command: [`failure`].

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Why something could not be written to stdout, the first time.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Writes one line to stdout, at once.
pub(crate) fn line(text: &str) {
    note(write(text, "\n"));
}

/// Writes raw text to stdout, at once.
pub(crate) fn raw(text: &str) {
    note(write(text, ""));
}

/// Writes one line that must not get lost, at once.
///
/// # Errors
/// It was not written, because nobody reads any more for one.
pub(crate) fn precious(text: &str) -> std::io::Result<()> {
    write(text, "\n")
}

/// Why a part of what was to be written to stdout is missing there, if so.
pub(crate) fn failure() -> Option<&'static str> {
    FAILURE.get().map(String::as_str)
}

fn write(text: &str, end: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(end.as_bytes())?;
    out.flush()
}

fn note(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // The first one tells most.
        let _ = FAILURE.set(error.to_string());
    }
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

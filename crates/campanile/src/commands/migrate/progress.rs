//! How far a move is, for whoever watches: a bar on a terminal, a line now and then elsewhere, a line
//! of JSON for each page with `--json`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use store::relocation::Table;

use crate::output;

/// Rows between two plain lines.
const PLAIN_STEP: u64 = 100_000;

/// Tells.
pub(super) struct Progress {
    bar: ProgressBar,
    is_plain: bool,
    json: bool,
    moved: u64,
    of: u64,
}

impl Progress {
    /// Of so many rows, so many are there already.
    pub(super) fn new(of: u64, moved: u64, json: bool) -> Self {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let target = if is_terminal && !json {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(of), target).with_position(moved);
        let style = ProgressStyle::with_template(
            "{bar:30} {human_pos}/{human_len} rows, {msg}, {eta} to go",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self {
            bar,
            is_plain: !is_terminal && !json,
            json,
            moved,
            of,
        }
    }

    /// So many rows of the table more.
    pub(super) fn add(&mut self, table: &Table, rows: u64) {
        let before = self.moved;
        self.moved += rows;
        self.bar.set_message(table.name);
        self.bar.set_position(self.moved);
        let (name, moved, of) = (table.name, self.moved, self.of);
        if self.json && rows > 0 {
            let told = json!({ "event": "progress", "table": name, "moved": moved, "of": of });
            output::line(&told.to_string());
        } else if self.is_plain && before / PLAIN_STEP < moved / PLAIN_STEP {
            output::line(&format!("{moved} of {of} rows, {name}"));
        }
    }

    /// Rows that are there.
    pub(super) const fn moved(&self) -> u64 {
        self.moved
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

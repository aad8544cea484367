//! The table, with the machine and the command, as Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Figure;
use crate::machine;

/// One section of `docs/performance.md`.
pub(crate) fn write(filter: &str, figures: &[Figure], took: Duration) -> String {
    let mut text = format!(
        "## {}, commit {}\n\n{} The run took {:.1} minutes.\n\n",
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC"),
        machine::commit(),
        machine::describe(filter),
        took.as_secs_f64() / 60.0
    );
    text.push_str("| figure | measured | beside it, in the same run | ratio | target | met |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for figure in figures {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            figure.name,
            figure.measured,
            or_dash(&figure.beside),
            figure
                .ratio
                .map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
            or_dash(figure.target),
            match figure.met {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "–",
            }
        );
    }
    text
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

/// Keeps the section where `make bench-record` finds it. Answers where that is.
pub(crate) fn keep(report: &str) -> String {
    let path = format!("{}/bench.md", machine::DISK);
    std::fs::write(&path, report).unwrap();
    path
}

//! The live table on a terminal, plain lines elsewhere.

use std::time::Duration;

use super::progress::{Progress, period};
use crate::output;

/// Shows progress.
pub(super) struct View {
    is_terminal: bool,
    /// Lines drawn last, to be drawn over.
    drawn: usize,
    /// Calls that had ended at the last look.
    ended: usize,
    elapsed_seconds: f64,
}

impl View {
    pub(super) fn new() -> Self {
        Self {
            is_terminal: output::is_terminal(),
            drawn: 0,
            ended: 0,
            elapsed_seconds: 0.0,
        }
    }

    /// How long to wait between two looks.
    pub(super) const fn period(&self) -> Duration {
        period(self.is_terminal)
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        self.ended = progress.ended;
        self.elapsed_seconds = progress.elapsed_seconds;
        if !self.is_terminal {
            output::line(&plain(progress));
            return;
        }
        let picture = picture(progress);
        let back = if self.drawn == 0 {
            String::new()
        } else {
            format!("\x1b[{}A\x1b[J", self.drawn)
        };
        output::raw(&format!("{back}{picture}\n"));
        self.drawn = picture.lines().count();
    }

    /// The last words.
    pub(super) fn finish(&self) {
        output::line(&format!(
            "demo over: {} simulated calls ended in {:.0} s",
            self.ended, self.elapsed_seconds
        ));
    }
}

/// One line of words and numbers.
fn plain(progress: &Progress) -> String {
    let leads: Vec<String> = progress
        .leads
        .iter()
        .map(|(state, count)| format!("{state}={count}"))
        .collect();
    let last = progress.calls.iter().find(|call| !call.outcome.is_empty());
    let last = last.map_or(String::new(), |call| {
        format!(" last={} {}", call.phone, call.outcome)
    });
    format!(
        "{:>4.0}s {} ended={} live={} per_minute={:.0} {}{last}",
        progress.elapsed_seconds,
        progress.status,
        progress.ended,
        progress.live,
        progress.per_minute,
        leads.join(" "),
    )
}

fn picture(progress: &Progress) -> String {
    let head = format!(
        "{}   {:.0} s   (Ctrl-C ends)\n{} calls ended, {} up, {:.0} ended a minute",
        progress.status,
        progress.elapsed_seconds,
        progress.ended,
        progress.live,
        progress.per_minute
    );
    let states: Vec<&str> = progress
        .leads
        .iter()
        .map(|(state, _)| state.as_str())
        .collect();
    let counts = progress
        .leads
        .iter()
        .map(|(_, count)| count.to_string())
        .collect();
    let calls: Vec<Vec<String>> = progress
        .calls
        .iter()
        .map(|call| {
            vec![
                call.name.clone(),
                call.phone.clone(),
                call.attempt.to_string(),
                call.state.clone(),
                call.outcome.clone(),
            ]
        })
        .collect();
    let leads = output::table(&states, &[counts]);
    let calls = output::table(
        &["latest calls", "number", "attempt", "state", "outcome"],
        &calls,
    );
    format!("{head}\n{leads}\n{calls}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_line_tells_states_and_pace() {
        let progress = Progress {
            status: "RUNNING, DIALING".to_owned(),
            leads: vec![("READY".to_owned(), 150), ("ANSWERED".to_owned(), 20)],
            ended: 31,
            live: 12,
            per_minute: 90.4,
            elapsed_seconds: 14.0,
            ..Progress::default()
        };
        assert_eq!(
            plain(&progress),
            "  14s RUNNING, DIALING ended=31 live=12 per_minute=90 READY=150 ANSWERED=20"
        );
    }
}

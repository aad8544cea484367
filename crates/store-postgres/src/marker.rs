//! What this node remembers outside of the database: the last call it reserved.
//!
//! Attempts are never deleted, so a database that does not have an attempt which this node has seen
//! committed is an older copy. The node keeps the greatest one in memory, and in a small file of its
//! own if it was given a place for it: the file tells what memory cannot, a copy that was put back
//! while the node did not run. It is written after the commit and before any of its calls can be
//! sent; nodes that share a folder may share the file, whoever writes last.
//!
//! The file is the second witness beside [the server's identity](crate::ops::hold): a node without
//! one, or that cannot write it, dials all the same and says so.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use store::Mark;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is no file, or no place for one.
    Missing,
    /// It cannot be read; why.
    Unreadable(String),
    /// This.
    Mark(Mark),
}

#[derive(Debug, Default)]
struct State {
    /// The greatest attempt that this process has seen committed; 0: none.
    last: i64,
    /// Whether it was said that the file cannot be written.
    complained: bool,
}

/// The memory of one node.
#[derive(Debug, Default)]
pub(crate) struct Marker {
    path: Option<PathBuf>,
    state: Mutex<State>,
}

impl Marker {
    /// With its file, if there is a place for one.
    pub(crate) fn at(path: Option<PathBuf>) -> Self {
        Self {
            path,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the file is, for people.
    pub(crate) fn shown(&self) -> String {
        let path = self.path.as_deref();
        path.map_or_else(String::new, |path| path.display().to_string())
    }

    /// What the file says now.
    pub(crate) fn read(&self) -> Found {
        let Some(path) = &self.path else {
            return Found::Missing;
        };
        match fs::read_to_string(path) {
            Ok(text) => Mark::parse(&text).map_or_else(
                || Found::Unreadable("it does not hold a marker".to_owned()),
                Found::Mark,
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => Found::Missing,
            Err(error) => Found::Unreadable(error.to_string()),
        }
    }

    /// The greatest attempt that this process has seen committed.
    pub(crate) fn last(&self) -> i64 {
        self.lock().last
    }

    /// Goes on from what the file said: it was compared.
    pub(crate) fn resume(&self, last: i64) {
        self.lock().last = last;
    }

    /// Keeps that a call was reserved, its commit being known. An installation that has no name
    /// yet gets one with its first call: its file follows with the second tick.
    pub(crate) fn saw(&self, installation: Option<&str>, attempt: i64, at: Timestamp) {
        let mut state = self.lock();
        state.last = attempt.max(state.last);
        if let Some(installation) = installation {
            self.write(&mut state, installation, at);
        }
    }

    /// Forgets what it knew, when that was told and is on record as a hold: the file is made anew,
    /// so that it does not say the same again after the release.
    pub(crate) fn forget(&self, installation: &str, at: Timestamp) {
        let mut state = self.lock();
        state.last = 0;
        self.write(&mut state, installation, at);
    }

    fn write(&self, state: &mut State, installation: &str, at: Timestamp) {
        let Some(path) = &self.path else {
            return;
        };
        let mark = Mark {
            installation: installation.to_owned(),
            number: u64::try_from(state.last).unwrap_or_default(),
            at,
        };
        let written = replace(path, &mark.text());
        if let Err(error) = &written
            && !state.complained
        {
            tracing::warn!(
                path = %path.display(),
                error = %error,
                "this node's marker file cannot be written: a copy of the database that is put back while the node is down may go unnoticed"
            );
        }
        state.complained = written.is_err();
    }
}

/// Whole or not at all, also beside another process that does the same.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    fs::write(&fresh, text)?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_second(1_772_463_600).unwrap()
    }

    #[test]
    fn what_was_seen_is_read_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.marker");
        let marker = Marker::at(Some(path.clone()));
        assert_eq!(marker.read(), Found::Missing);
        for attempt in [7, 9, 8] {
            marker.saw(Some("abc"), attempt, at());
        }
        assert_eq!(marker.last(), 9, "it moves forward only");
        let Found::Mark(mark) = Marker::at(Some(path)).read() else {
            panic!("no marker");
        };
        assert_eq!((mark.installation.as_str(), mark.number), ("abc", 9));
        marker.forget("abc", at());
        assert_eq!(marker.last(), 0);
    }

    #[test]
    fn what_is_no_marker_is_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.marker");
        fs::write(&path, "nothing of the kind\n").unwrap();
        let marker = Marker::at(Some(path));
        assert!(matches!(marker.read(), Found::Unreadable(_)));
    }

    #[test]
    fn a_node_without_a_place_for_it_remembers_while_it_lives() {
        let marker = Marker::at(None);
        marker.saw(Some("abc"), 5, at());
        assert_eq!((marker.last(), marker.read()), (5, Found::Missing));
    }
}

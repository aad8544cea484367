//! What the product's own records say, of whichever database they are in. The judge takes one thing
//! from them, until when a call was meant to be sent; the others are told in the report, or must
//! never be seen.

use std::collections::{BTreeSet, HashMap};

use super::truth::Micros;

#[derive(Debug, Default)]
pub(super) struct Records {
    /// Until when each attempt was meant to be sent.
    pub(super) deadlines: HashMap<String, Micros>,
    /// Numbers of calls in lasting doubt: they count as called.
    pub(super) presumed: BTreeSet<String>,
    pub(super) unknown_placed: i64,
    pub(super) absent: i64,
    pub(super) presumed_attempts: i64,
    /// Attempts in doubt that still hold a place.
    pub(super) doubtful: i64,
    /// What the database says of its own health; `ok`.
    pub(super) integrity: String,
}

/// Statements that both databases understand, but for how they spell true.
#[derive(Debug, Clone, Copy)]
pub(super) struct Questions {
    pub(super) deadlines: &'static str,
    pub(super) presumed: &'static str,
    pub(super) unknown_placed: &'static str,
    pub(super) absent: &'static str,
    pub(super) presumed_attempts: &'static str,
    pub(super) doubtful: &'static str,
}

pub(super) const QUESTIONS: Questions = Questions {
    deadlines: "SELECT attempt_key, send_not_after FROM attempts",
    presumed: "SELECT DISTINCT phone FROM attempts
               WHERE CAST(counts AS integer) = 1 AND state = 'PRESUMED_PLACED'",
    unknown_placed: "SELECT count(*) FROM attempts
                     WHERE unknown_at IS NOT NULL AND state NOT IN ('ABSENT', 'PRESUMED_PLACED')",
    absent: "SELECT count(*) FROM attempts WHERE state = 'ABSENT'",
    presumed_attempts: "SELECT count(*) FROM attempts WHERE state = 'PRESUMED_PLACED'",
    doubtful: "SELECT count(*) FROM attempts
               WHERE CAST(live AS integer) = 1 AND state IN ('DISPATCHING', 'UNKNOWN')",
};

impl Records {
    pub(super) fn of_sqlite(database: &rusqlite::Connection) -> Self {
        let count = |sql: &str| database.query_row(sql, [], |row| row.get(0)).unwrap();
        let text = |sql: &str| database.query_row(sql, [], |row| row.get(0)).unwrap();
        let mut statement = database.prepare(QUESTIONS.deadlines).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let mut phones = database.prepare(QUESTIONS.presumed).unwrap();
        let phones = phones.query_map([], |row| row.get(0)).unwrap();
        Self {
            deadlines: rows.unwrap().collect::<Result<_, _>>().unwrap(),
            presumed: phones.collect::<Result<_, _>>().unwrap(),
            unknown_placed: count(QUESTIONS.unknown_placed),
            absent: count(QUESTIONS.absent),
            presumed_attempts: count(QUESTIONS.presumed_attempts),
            doubtful: count(QUESTIONS.doubtful),
            integrity: text("PRAGMA integrity_check"),
        }
    }

    /// `ask` answers rows, one a line, with their columns separated by `|`.
    pub(super) fn of_postgres(ask: impl Fn(&str) -> String) -> Self {
        let count = |sql: &str| ask(sql).trim().parse().unwrap();
        let deadlines = ask(QUESTIONS.deadlines);
        let pair = |line: &str| {
            let (key, deadline) = line.split_once('|').unwrap();
            (key.to_owned(), deadline.parse().unwrap())
        };
        let phones = ask(QUESTIONS.presumed);
        Self {
            deadlines: deadlines.lines().map(pair).collect(),
            presumed: phones.lines().map(str::to_owned).collect(),
            unknown_placed: count(QUESTIONS.unknown_placed),
            absent: count(QUESTIONS.absent),
            presumed_attempts: count(QUESTIONS.presumed_attempts),
            doubtful: count(QUESTIONS.doubtful),
            integrity: "ok".to_owned(),
        }
    }
}

//! The file as what an installation is moved from: see [`store::relocation`] for why it is safe.
//!
//! A [`Source`] has the file's lock for as long as it lives, and from [`Source::begin`] or
//! [`Source::resume`] on a write transaction as well: it reads one unchanging state, and no command
//! beside it writes. The row in `relocation` says which move it is. Whoever writes to the file while
//! the move rests removes that row ([`before_writing`]), so that only a source that is still as it was
//! can be moved on with; once it is marked as moved nobody opens the file any more, nor writes to it.

mod select;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use store::relocation::{Cells, Key, KeyPart, LeadsByStatus, Page, Table};
use store::{HoldStatus, Mark, Store as _, StoreError, StoreResult};

use crate::code::{corrupt, micros};
use crate::error::translate;
use crate::lock::FileLock;
use crate::marker::{Found, Marker};
use crate::migrate;
use crate::open::{self, OpenError, Options, SqliteStore};
use crate::ops::{hold, query};

/// Most rows of a page.
const PAGE_ROWS: u64 = 5_000;
/// A page ends after the row with which it has so many bytes of texts.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// That the file's content is being moved, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// Of this move.
    pub move_id: String,
    /// Where to, for people.
    pub target: String,
    /// When the target had everything; from then on the file is not served.
    pub moved_at: Option<Timestamp>,
}

/// What is sealed of a line, to see whether a key opens it.
#[derive(Debug, Clone)]
pub struct SealedLine {
    /// Name of the line's secrets.
    pub line_key: String,
    /// Its credentials.
    pub credentials: Vec<u8>,
    /// Its secret for callbacks.
    pub webhook_secret: Vec<u8>,
}

/// A file that is moved away from.
pub struct Source {
    connection: Connection,
    path: PathBuf,
    options: Options,
    marker: Marker,
    departure: Option<Departure>,
    _lock: FileLock,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

/// What the file says of a move of its content.
fn read_departure(db: &Connection) -> StoreResult<Option<Departure>> {
    let sql = "SELECT move_id, target, moved_at FROM relocation";
    query::one(db, sql, [], |cells| {
        Ok(Departure {
            move_id: cells.get("move_id")?,
            target: cells.get("target")?,
            moved_at: cells.maybe_instant("moved_at")?,
        })
    })
}

/// Refuses a file whose content is elsewhere.
pub(crate) fn refuse_moved(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let found = read_departure(db).map_err(|error| open::unusable(path, error.to_string()))?;
    match found {
        Some(Departure {
            target,
            moved_at: Some(at),
            ..
        }) => Err(OpenError::Moved {
            path: path.display().to_string(),
            target,
            at: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// What each group of writes does first: nothing is written to a file that was moved, and a move that
/// rests cannot go on when its source was written to.
pub(crate) fn before_writing(tx: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT moved_at IS NOT NULL FROM relocation";
    let mut statement = tx.prepare_cached(sql)?;
    let is_moved: Option<bool> = statement.query_row([], |row| row.get(0)).optional()?;
    match is_moved {
        None => Ok(()),
        Some(true) => {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
            let why = "its content was moved to another database".to_owned();
            Err(rusqlite::Error::SqliteFailure(code, Some(why)))
        }
        Some(false) => tx.execute("DELETE FROM relocation", []).map(|_| ()),
    }
}

impl Source {
    /// Takes the file, which must be there, and brings its schema to this program's version.
    ///
    /// # Errors
    /// See [`OpenError`]; that it was moved is none.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(open::unusable(path, "there is no such file".to_owned()));
        }
        let lock = open::take_lock(path)?;
        let unusable = |cause: String| open::unusable(path, cause);
        let mut connection =
            open::connect(path, true).map_err(|error| unusable(error.to_string()))?;
        migrate::migrate(&mut connection)?;
        let departure = read_departure(&connection).map_err(|error| unusable(error.to_string()))?;
        let marker = Marker::beside(path, None).map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            options,
            marker,
            departure,
            _lock: lock,
        })
    }

    /// What the file says of a move.
    pub const fn departure(&self) -> Option<&Departure> {
        self.departure.as_ref()
    }

    /// Does what a fresh server does first: calls that a dead process left on the way become
    /// UNKNOWN, and a file that does not agree with its marker or the clock is put on hold.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn settle(&self, now: Timestamp) -> StoreResult<()> {
        let store = SqliteStore::open_locked(&self.path, self.options, None)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        store.recover(now).await.map(|_| ())
    }

    /// Begins a move, and holds the file still.
    ///
    /// # Errors
    /// The file cannot be written, or was written to meanwhile.
    pub fn begin(&mut self, move_id: &str, target: &str, now: Timestamp) -> StoreResult<()> {
        let sql = "INSERT INTO relocation (only, move_id, target, began_at) VALUES (1, ?1, ?2, ?3)
                   ON CONFLICT (only) DO UPDATE SET move_id = excluded.move_id, target = excluded.target,
                       began_at = excluded.began_at, moved_at = NULL";
        query::execute(
            &self.connection,
            sql,
            rusqlite::params![move_id, target, micros(now)],
        )?;
        self.departure = read_departure(&self.connection)?;
        self.resume()
    }

    /// Holds the file still for a move that has begun.
    ///
    /// # Errors
    /// Somebody writes to it, or has since it was opened.
    pub fn resume(&mut self) -> StoreResult<()> {
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(translate)?;
        if read_departure(&self.connection)? == self.departure {
            Ok(())
        } else {
            Err(StoreError::Unavailable(
                "another command wrote to it meanwhile".to_owned(),
            ))
        }
    }

    /// The rows of a table that follow a key, as many as fit a page.
    ///
    /// # Errors
    /// The file cannot be read, or holds what it should not.
    pub fn page(&self, table: &Table, after: Option<&Key>) -> StoreResult<Page> {
        let sql = select::rows(table, after.is_some());
        let mut statement = self.connection.prepare_cached(&sql).map_err(translate)?;
        let key = after
            .map(|key| key.0.iter().map(Part))
            .into_iter()
            .flatten();
        let mut rows = statement.query(params_from_iter(key)).map_err(translate)?;
        let mut columns: Vec<Cells> = table
            .columns
            .iter()
            .map(|column| Cells::of(column.kind))
            .collect();
        let (mut taken, mut bytes, mut is_last) = (0, 0, true);
        while let Some(row) = rows.next().map_err(translate)? {
            if taken == PAGE_ROWS || bytes >= PAGE_BYTES {
                is_last = false;
                break;
            }
            for (place, cells) in columns.iter_mut().enumerate() {
                let value = row.get_ref(place).map_err(translate)?;
                bytes += take(cells, value).ok_or_else(|| {
                    let (table, column) = (table.name, table.columns[place].name);
                    corrupt(format!("{table}.{column} holds what it should not"))
                })?;
            }
            taken += 1;
        }
        let part = |place: usize| columns[place].last_key_part();
        let last: Option<Vec<KeyPart>> = table.key_places().map(part).collect();
        Ok(Page {
            rows: taken,
            last: last.map(Key),
            is_last,
            columns,
        })
    }

    /// How many rows of a table there are to move.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn count(&self, table: &Table) -> StoreResult<u64> {
        let count = |row: &rusqlite::Row<'_>| row.get(0);
        self.connection
            .query_row(&select::count(table), [], count)
            .map_err(translate)
    }

    /// Leads of campaigns by status, from the counters.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn leads_by_status(&self) -> StoreResult<LeadsByStatus> {
        let sql = "SELECT status, sum(leads) AS total FROM lead_counts
                   WHERE EXISTS (SELECT 1 FROM campaigns WHERE campaigns.campaign_id = lead_counts.campaign_id)
                   GROUP BY status HAVING sum(leads) <> 0";
        let counted = query::many(&self.connection, sql, [], |cells| {
            Ok((cells.get("status")?, cells.get("total")?))
        })?;
        Ok(counted.into_iter().collect())
    }

    /// What is sealed of every line.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sealed_lines(&self) -> StoreResult<Vec<SealedLine>> {
        let sql = "SELECT line_key, sealed_credentials, sealed_webhook_secret FROM lines ORDER BY line_id";
        query::many(&self.connection, sql, [], |cells| {
            Ok(SealedLine {
                line_key: cells.get("line_key")?,
                credentials: cells.get("sealed_credentials")?,
                webhook_secret: cells.get("sealed_webhook_secret")?,
            })
        })
    }

    /// Name of the installation; `None`: it has never dialed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn installation(&self) -> StoreResult<Option<String>> {
        Ok(hold::own_mark(&self.connection)?.map(|mark| mark.installation))
    }

    /// What keeps the installation from dialing, here and at the target.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn hold_status(&self) -> StoreResult<HoldStatus> {
        hold::status(&self.connection)
    }

    /// Marks the file as moved, durably: from now on no process serves it. The marker beside it is
    /// put ahead, so that an older copy in its place is on hold. Doing it again does no harm.
    ///
    /// # Errors
    /// The file or the marker cannot be written.
    pub fn mark_moved(&mut self, now: Timestamp) -> StoreResult<()> {
        let sql = "UPDATE relocation SET moved_at = coalesce(moved_at, ?1)";
        query::execute(&self.connection, sql, [micros(now)])?;
        self.connection.execute_batch("COMMIT").map_err(translate)?;
        self.departure = read_departure(&self.connection)?;
        self.put_marker_ahead(now)
    }

    /// Lets the file be served again, on hold: what was called since is known to the providers only.
    /// Answers whether it was moved.
    ///
    /// # Errors
    /// The file or the marker cannot be written.
    pub fn undo(&mut self, now: Timestamp) -> StoreResult<bool> {
        let Some(departure) = &self.departure else {
            return Ok(false);
        };
        let is_moved = departure.moved_at.is_some();
        if is_moved {
            self.put_marker_ahead(now)?;
        }
        query::execute(&self.connection, "DELETE FROM relocation", [])?;
        self.departure = None;
        Ok(is_moved)
    }

    fn put_marker_ahead(&self, now: Timestamp) -> StoreResult<()> {
        let own = hold::own_mark(&self.connection)?;
        let mark = match (own, &self.departure) {
            (Some(own), _) => Mark {
                number: own.number.saturating_add(1),
                ..own
            },
            // A file that never dialed has no name; any name but its own holds it.
            (None, Some(departure)) => Mark {
                installation: departure.move_id.clone(),
                number: 1,
                at: now,
            },
            (None, None) => return Ok(()),
        };
        let stands = match self.marker.read() {
            Found::Mark(found) => {
                found.installation == mark.installation && found.number >= mark.number
            }
            Found::Missing | Found::Unreadable(_) => false,
        };
        if stands || self.marker.replace(&Mark { at: now, ..mark }) {
            return Ok(());
        }
        Err(StoreError::Unavailable(format!(
            "the marker file {} cannot be written; free space there and check its owner and permissions",
            self.marker.shown()
        )))
    }
}

/// A part of a key as a value.
struct Part<'a>(&'a KeyPart);

impl ToSql for Part<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self.0 {
            KeyPart::Number(number) => number.to_sql(),
            KeyPart::Text(text) => text.to_sql(),
        }
    }
}

/// Adds a value to its column; answers its size, or `None` when it is of another kind.
fn take(cells: &mut Cells, value: ValueRef<'_>) -> Option<usize> {
    match (cells, value) {
        (Cells::Integers(cells), ValueRef::Null) => cells.push(None),
        (Cells::Booleans(cells), ValueRef::Null) => cells.push(None),
        (Cells::Texts(cells), ValueRef::Null) => cells.push(None),
        (Cells::Bytes(cells), ValueRef::Null) => cells.push(None),
        (Cells::Integers(cells), ValueRef::Integer(number)) => cells.push(Some(number)),
        (Cells::Booleans(cells), ValueRef::Integer(number)) => cells.push(Some(number != 0)),
        (Cells::Texts(cells), ValueRef::Text(text)) => {
            cells.push(Some(without_zeros(std::str::from_utf8(text).ok()?)));
            return Some(text.len());
        }
        (Cells::Bytes(cells), ValueRef::Blob(bytes)) => {
            cells.push(Some(bytes.to_vec()));
            return Some(bytes.len());
        }
        _ => return None,
    }
    Some(size_of::<i64>())
}

/// The target's texts cannot hold the character zero; the API refuses it, a provider may have sent
/// it.
fn without_zeros(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;

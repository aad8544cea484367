//! Between column values and domain types. A value our own code cannot have written is
//! [`StoreError::Corrupt`], never a panic.

use std::cell::Cell;

use domain::PhoneNumber;
use jiff::Timestamp;
use rusqlite::Row;
use store::{StoreError, StoreResult};

/// Microseconds of an instant.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Instant of stored microseconds.
pub(crate) fn instant(micros: i64) -> StoreResult<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_| corrupt("instant out of range"))
}

/// An inconsistency, with what was found.
pub(crate) fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::Corrupt(what.into())
}

/// Reads named columns of a row as domain types.
pub(crate) struct Cells<'a, 'stmt> {
    row: &'a Row<'stmt>,
    /// Where the next column is probably found: columns are read in the order of the statement,
    /// and asking SQLite for each name in turn would cost more than the row itself.
    next: Cell<usize>,
}

impl<'a, 'stmt> Cells<'a, 'stmt> {
    /// The columns of this row.
    pub(crate) const fn of(row: &'a Row<'stmt>) -> Self {
        Self {
            row,
            next: Cell::new(0),
        }
    }

    /// The column, as SQLite has it.
    pub(crate) fn get<T: rusqlite::types::FromSql>(&self, column: &str) -> StoreResult<T> {
        let index = self.index(column)?;
        self.row
            .get(index)
            .map_err(|error| corrupt(format!("column {column}: {error}")))
    }

    /// A text, without copying it.
    pub(crate) fn text(&self, column: &str) -> StoreResult<&'a str> {
        let index = self.index(column)?;
        let text = self.row.get_ref(index).map(|value| value.as_str());
        match text {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(corrupt(format!("column {column}: {error}"))),
            Err(error) => Err(corrupt(format!("column {column}: {error}"))),
        }
    }

    fn index(&self, column: &str) -> StoreResult<usize> {
        let statement = self.row.as_ref();
        let guess = self.next.get();
        let index = if statement
            .column_name(guess)
            .is_ok_and(|name| name == column)
        {
            guess
        } else {
            statement
                .column_index(column)
                .map_err(|error| corrupt(format!("column {column}: {error}")))?
        };
        self.next.set(index + 1);
        Ok(index)
    }

    pub(crate) fn instant(&self, column: &str) -> StoreResult<Timestamp> {
        instant(self.get(column)?)
    }

    pub(crate) fn maybe_instant(&self, column: &str) -> StoreResult<Option<Timestamp>> {
        self.get::<Option<i64>>(column)?.map(instant).transpose()
    }

    pub(crate) fn phone(&self, column: &str) -> StoreResult<PhoneNumber> {
        PhoneNumber::parse(self.text(column)?)
            .ok_or_else(|| corrupt(format!("column {column}: not E.164")))
    }

    pub(crate) fn u32(&self, column: &str) -> StoreResult<u32> {
        self.get(column)
    }

    pub(crate) fn maybe_u32(&self, column: &str) -> StoreResult<Option<u32>> {
        self.get(column)
    }

    /// A closed set, by its spelling.
    pub(crate) fn choice<T>(
        &self,
        column: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> StoreResult<T> {
        parse(self.text(column)?).ok_or_else(|| corrupt(format!("column {column}: unknown value")))
    }

    pub(crate) fn maybe_choice<T>(
        &self,
        column: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> StoreResult<Option<T>> {
        let text: Option<String> = self.get(column)?;
        let known = |text: String| {
            parse(&text).ok_or_else(|| corrupt(format!("column {column}: unknown value")))
        };
        text.map(known).transpose()
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> StoreResult<T> {
        serde_json::from_str(self.text(column)?)
            .map_err(|error| corrupt(format!("column {column}: {error}")))
    }
}

/// Text of a JSON value. Serialising our own types to a string cannot fail.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

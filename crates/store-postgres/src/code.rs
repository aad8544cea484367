//! Between column values and domain types. A value our own code cannot have written is
//! [`StoreError::Corrupt`], never a panic.

use domain::PhoneNumber;
use jiff::Timestamp;
use store::{StoreError, StoreResult};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

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

/// A count as the database keeps it.
pub(crate) fn stored(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads named columns of a row as domain types.
pub(crate) struct Cells<'a>(pub(crate) &'a Row);

impl<'a> Cells<'a> {
    /// The column, as PostgreSQL has it.
    pub(crate) fn get<T: FromSql<'a>>(&self, column: &str) -> StoreResult<T> {
        self.0
            .try_get(column)
            .map_err(|error| corrupt(format!("column {column}: {error}")))
    }

    /// A number of a smaller type than the column's.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &str) -> StoreResult<T> {
        T::try_from(self.get(column)?)
            .map_err(|_| corrupt(format!("column {column}: out of range")))
    }

    /// The same, where it may be absent.
    pub(crate) fn maybe_number<T: TryFrom<i64>>(&self, column: &str) -> StoreResult<Option<T>> {
        let number = self.get::<Option<i64>>(column)?.map(T::try_from);
        number
            .transpose()
            .map_err(|_| corrupt(format!("column {column}: out of range")))
    }

    /// Which of what was wanted the row is for: `place`, as `WITH ORDINALITY` counts, from zero.
    pub(crate) fn place(&self) -> StoreResult<usize> {
        let place = self.number::<usize>("place")?;
        place
            .checked_sub(1)
            .ok_or_else(|| corrupt("column place: out of range"))
    }

    pub(crate) fn instant(&self, column: &str) -> StoreResult<Timestamp> {
        instant(self.get(column)?)
    }

    pub(crate) fn maybe_instant(&self, column: &str) -> StoreResult<Option<Timestamp>> {
        self.get::<Option<i64>>(column)?.map(instant).transpose()
    }

    pub(crate) fn phone(&self, column: &str) -> StoreResult<PhoneNumber> {
        let text: &str = self
            .0
            .try_get(column)
            .map_err(|error| corrupt(format!("column {column}: {error}")))?;
        PhoneNumber::parse(text).ok_or_else(|| corrupt(format!("column {column}: not E.164")))
    }

    /// A closed set, by its spelling.
    pub(crate) fn choice<T>(
        &self,
        column: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> StoreResult<T> {
        let text: String = self.get(column)?;
        parse(&text).ok_or_else(|| corrupt(format!("column {column}: unknown value")))
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
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| corrupt(format!("column {column}: {error}")))
    }
}

/// Text of a JSON value. Serialising our own types to a string cannot fail.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

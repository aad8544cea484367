//! From SQLite's errors to the store's.

use rusqlite::ErrorCode;
use store::StoreError;

/// Translates: what may pass is `Unavailable`, everything else is a bug or damage.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
pub(crate) fn translate(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure,
        ) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Corrupt(error.to_string()),
    }
}

/// Whether an fsync failed: what was thought written may be gone, so the process must end.
pub(crate) fn is_failed_sync(error: &rusqlite::Error) -> bool {
    const SQLITE_IOERR_FSYNC: i32 = 0x040a;
    const SQLITE_IOERR_DIR_FSYNC: i32 = 0x050a;
    error.sqlite_error().is_some_and(|inner| {
        matches!(
            inner.extended_code,
            SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC
        )
    })
}

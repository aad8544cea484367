//! From SQLite's errors to the store's.

use rusqlite::ErrorCode;
use store::StoreError;

const SQLITE_IOERR_SHMSIZE: i32 = 0x130a;

fn extended_code(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().map_or(0, |inner| inner.extended_code)
}

/// Translates: what may pass is `Unavailable`, everything else is a bug or damage.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
pub(crate) fn translate(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(error.to_string()),
        // The index of the journal could not grow.
        Some(ErrorCode::SystemIoFailure) if extended_code(&error) == SQLITE_IOERR_SHMSIZE => {
            StoreError::Full(error.to_string())
        }
        Some(
            ErrorCode::DatabaseBusy
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
    matches!(
        extended_code(error),
        SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC
    )
}

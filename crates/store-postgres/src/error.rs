//! From PostgreSQL's errors to the store's.

use deadpool_postgres::{PoolError, TimeoutType};
use store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Translates: what may pass is `Unavailable`, everything else is a bug or damage.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
pub(crate) fn translate(error: Error) -> StoreError {
    let Some(state) = error.code() else {
        // No answer of the server: the connection is gone, or never came about. Values that do
        // not fit their columns' types are our own fault.
        let ours = error.to_string().starts_with("error serializing")
            || error.to_string().starts_with("error deserializing");
        return if ours {
            StoreError::Corrupt(describe(&error))
        } else {
            StoreError::Unavailable(describe(&error))
        };
    };
    if *state == SqlState::DISK_FULL {
        StoreError::Full(describe(&error))
    } else if passes(state) {
        StoreError::Unavailable(describe(&error))
    } else {
        StoreError::Corrupt(describe(&error))
    }
}

/// Whether the same statement may succeed later without anybody changing it.
fn passes(state: &SqlState) -> bool {
    // Connection trouble, no resources, an operator's stop, a transaction's bad luck.
    let classes = ["08", "53", "57", "40", "58"];
    classes.iter().any(|class| state.code().starts_with(class))
        || [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            // A statement that was under way beside the one that failed. It is never the cause.
            SqlState::IN_FAILED_SQL_TRANSACTION,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(state)
}

/// The server's own words with its code; the driver's otherwise.
pub(crate) fn describe(error: &Error) -> String {
    match error.as_db_error() {
        Some(told) => format!("{} ({})", told.message(), told.code().code()),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

/// No connection could be had.
pub(crate) fn no_connection(error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => StoreError::Unavailable(describe(&error)),
        PoolError::Timeout(TimeoutType::Wait) => StoreError::Unavailable(
            "all of this process's connections are in use; raise --database-connections, or see what makes the database slow"
                .to_owned(),
        ),
        PoolError::Timeout(_) => {
            StoreError::Unavailable("its server does not answer a login".to_owned())
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

//! The embedded back end: one SQLite file, one writer.
//!
//! - One thread writes. It drains up to 512 waiting commands into one transaction, each inside its
//!   own savepoint, commits with `synchronous=FULL`, and only then acknowledges all of them: a
//!   durable write costs a share of one fsync.
//! - A few threads read, each with its own connection, in WAL mode: readers never wait.
//! - One process owns a file: `<file>.lock` names the holder. The command line's token commands
//!   open it beside a running server ([`Access::Beside`]) and never dial.
//! - A file whose content was moved to another back end is not opened any more: [`relocation`].
//! - A marker beside the file tells a database that was copied back: [`marker`] and [`ops::hold`].
//!
//! Invariants: an acknowledged write survives power loss; a failed fsync ends the process, because
//! the kernel may have dropped the page and a second fsync would lie; statements are constants, no
//! text of a user is ever formatted into SQL.

mod code;
mod dial;
mod error;
mod events;
mod lock;
mod marker;
mod migrate;
mod open;
mod ops;
mod readers;
mod relocation;
mod room;
mod settings_cache;
mod store_impl;
mod writer;

pub use migrate::{MigrateError, SCHEMA_VERSION};
pub use open::{Access, OpenError, Options, SqliteStore};
pub use relocation::{Departure, SealedLine, Source};

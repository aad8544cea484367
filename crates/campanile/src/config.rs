//! Settings: where they may come from, which one counts, and what they mean.
//!
//! [`catalogue`] lists every setting once; flags, environment variables, keys of
//! `campanile.toml`, `campanile config` and the check of the documentation all follow from it.
//! [`sources`] finds the value that counts and remembers its origin; [`settings`] parses it.
//!
//! Invariants: a flag wins over an environment variable, that over the file, that over the
//! default; nothing else in the program reads the environment; a value that cannot be meant ends
//! the program before anything else happens, with every fault listed.

pub(crate) mod catalogue;
pub(crate) mod nearest;
pub(crate) mod settings;
pub(crate) mod sources;

pub(crate) use catalogue::{Command, Kind, SETTINGS, Setting};
pub(crate) use settings::{Database, LogFormat, Outside, Role, Settings};
pub(crate) use sources::{Environment, Resolved};

//! Vapi's formats: what its requests may hold, and how its answers, errors and callbacks look.
//!
//! Nothing here knows time or state; the world decides what happens, this module only how it is
//! written.

pub(crate) mod errors;
pub(crate) mod render;
pub(crate) mod settings;
pub(crate) mod validate;

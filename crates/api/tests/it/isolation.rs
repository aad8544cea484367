//! That tenants are apart: tried on every operation of the OpenAPI document, and on none outside it.
//!
//! The document decides what is tried. [`matrix`] crosses every operation with ten credentials and
//! every place an id can stand in; [`walks`] lets two tenants act at random and compares each with
//! a run in which it is alone; [`assignment`] writes fields that clients must not write;
//! [`secrets`] looks for what must never be told. Every answer is held against the schema that the
//! document states for its status, with no property beside the stated ones ([`crate::contract`]).
//!
//! An operation that is new in the document fails [`matrix`] until [`rows`] has a row for it.

mod actions;
mod assignment;
mod bodies;
mod bulk;
mod database;
mod dice;
mod headers;
mod hooks;
mod leaks;
mod matrix;
mod places;
pub(crate) mod rows;
mod secrets;
mod served;
mod walks;
pub(crate) mod world;

//! One module for each command.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod hold;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod sandbox;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod token;

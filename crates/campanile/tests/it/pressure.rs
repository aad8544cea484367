//! The real process under clients that are many at once.

mod crowds;
mod one_effect;

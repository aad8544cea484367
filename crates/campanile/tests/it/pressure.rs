//! The real process under clients that are many, slow or broken.

mod crowds;
mod one_effect;
mod slow_clients;
mod trouble;

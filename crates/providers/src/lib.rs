//! Voice vendors' wire formats, without I/O.
//!
//! An adapter only *builds a request* and *reads an answer or a callback*; the host owns
//! transport, TLS, time-outs, size caps, logging and rate limits. There are no default trait
//! bodies: a vendor that forgets to verify its callbacks does not compile.
//!
//! Invariants:
//! - An answer is read as placed or refused only where the vendor documents it so; everything
//!   else is [`PlaceAnswer::Unknown`] and never dialed again blindly.
//! - A callback cannot be decoded before it was verified: [`VerifiedCallback`] has no public
//!   constructor.
//! - The attempt key travels in every field the vendor echoes.
//!
//! What it must not do: open sockets, read the clock, retry, or log payloads.

mod model;
pub mod public_address;
mod transport;
pub mod vapi;

pub use model::*;
pub use transport::{
    CHECK_TIMEOUT, Departure, PLACE_TIMEOUT, SendGuard, Transport, TransportError,
};

//! A world of simulated phones behind the voice vendors' real wire formats.
//!
//! Purpose: let everything that places calls be run, tested and measured against something that
//! behaves like a vendor, lies like a vendor (lost answers, lost and doubled callbacks, stale
//! lists), and, unlike a vendor, keeps a ground-truth log of every phone that rang.
//!
//! - [`World`] is the simulation itself: synchronous, without I/O, clock or operating-system
//!   randomness. Requests and the time go in, replies and callbacks come out. Tests with a virtual
//!   clock drive it directly.
//! - [`Sandbox`] and [`serve`] put a world behind HTTP on the real clock.
//! - [`Scenario`] says how phones behave, which limits hold, and which faults strike.
//!
//! Invariants:
//! 1. Equal seed, scenario and sequence of requests give an equal world, byte for byte.
//! 2. What a phone does depends on the seed, its number and how often it was called, never on what
//!    happens to other phones. The same holds for the faults that strike a request or a callback.
//! 3. A request that made a phone ring is in the ring log, whatever its sender was told about it.
//!
//! What it must not do: share code with the adapters it is there to test, reach any host other than
//! the callback addresses it was given, or be exposed to a network that is not trusted (control
//! needs no key).

mod dice;
mod phone;
mod scenario;
mod server;
mod time;
mod vapi;
mod wire;
mod world;

pub use phone::PhoneOutcome;
pub use scenario::{
    ConcurrencyRefusal, Faults, PhoneScript, Rate, Scenario, ScenarioError, SecondsRange,
};
pub use server::{Sandbox, serve};
pub use wire::{Answer, Outcome, Reply, Request};
pub use world::{BackoffPlan, Callback, CallbackTarget, LogKind, RequestRecord, Ring, World};

/// What a world starts from, and returns to on `POST /control/reset`.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Everything random follows from it.
    pub seed: u64,
    /// Scenario seconds that pass in one real second; calls are shortened by it, faults and rate
    /// limits are not.
    pub time_scale: f64,
    /// How phones behave at first.
    pub scenario: Scenario,
}

impl Default for Options {
    /// Seed 1, real time, the default scenario.
    fn default() -> Self {
        Self {
            seed: 1,
            time_scale: 1.0,
            scenario: Scenario::default(),
        }
    }
}

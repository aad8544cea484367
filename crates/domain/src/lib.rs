//! The rules of calling, as plain values and pure functions.
//!
//! What lives here decides *whether, whom, when and from which number* to call and what an answer
//! of a provider means. It performs nothing: no I/O, no clock, no randomness of its own, no SQL,
//! no async. Every function that needs the time or randomness takes it.
//!
//! - [`calendar`]: when a campaign may dial, on instants.
//! - [`settings`]: what a user may set, parsed into types that cannot be wrong.
//! - [`policy`]: how often and after which pause a lead is tried.
//! - [`gate`]: the verdict for one lead at one instant, with every reason.
//! - [`planner`]: which calls to place now, for a bounded snapshot.
//! - [`attempt`]: the life of one attempt, as a reducer over facts.

pub mod ambient;
pub mod attempt;
pub mod calendar;
pub mod campaign;
pub mod fault;
pub mod gate;
pub mod id;
pub mod outcome;
pub mod phone;
pub mod planner;
pub mod planted;
pub mod policy;
pub mod settings;
mod text_enum;

pub use id::{
    AttemptId, CampaignId, IdSource, ImportId, LeadId, LineId, PoolId, SuppressionId, TenantId,
    TokenId,
};
pub use outcome::Outcome;
pub use phone::PhoneNumber;

//! The API against the real store, through its router.

#![expect(
    clippy::unwrap_used,
    reason = "a test says what is wrong by breaking off"
)]

mod calls;
mod campaign_life;
mod campaigns;
mod contract;
mod conventions;
mod document;
mod form;
mod hooks;
mod idempotency;
mod isolation;
mod leads;
mod legacy_leads;
mod phone_number_pools;
mod preconditions;
mod scene;
mod server;
mod support;
mod test_calls;
mod tokens;
mod voice_providers;

//! Operations of the dialer: plan and reserve, apply facts, look-ups, recovery.

pub(crate) mod adopt;
pub(crate) mod batch;
mod campaigns;
mod change;
pub(crate) mod checks;
mod details;
mod effects;
pub(crate) mod facts;
mod lead_verdict;
mod line_health;
pub(crate) mod outlook;
pub(crate) mod recover;
mod reserve;
mod row;
mod snapshot;
mod snapshot_leads;
pub(crate) mod test_call;
pub(crate) mod tick;

//! Operations of users: each one function on a write transaction of the tenant or a reader's
//! snapshot.

pub(crate) mod calls;
pub(crate) mod campaign_edit;
pub(crate) mod campaigns;
pub(crate) mod clock;
pub(crate) mod do_not_call;
pub(crate) mod due;
pub(crate) mod erasures;
pub(crate) mod hold;
pub(crate) mod idempotency;
pub(crate) mod imports;
pub(crate) mod lead_edit;
pub(crate) mod lead_write;
pub(crate) mod leads;
pub(crate) mod lines;
pub(crate) mod meta;
pub(crate) mod pools;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod wake;

//! Which calls to list or export.

use domain::attempt::StateName;
use domain::{CampaignId, Outcome};
use store::CallFilter;

use crate::phone;
use crate::query::Query;

/// Which calls.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by `read`; this is its documentation")]
pub(crate) struct CallFilterParams {
    /// Only in this state.
    #[param(example = "ENDED")]
    state: Option<String>,
    /// Only that ended so.
    #[param(example = "ANSWERED")]
    outcome: Option<String>,
    /// Only to this number, in E.164.
    #[param(example = "+14155552671")]
    phone_number: Option<String>,
    /// Only decided at or after this instant.
    #[param(format = DateTime, example = "2026-01-01T00:00:00Z")]
    from: Option<String>,
    /// Only decided before this instant.
    #[param(format = DateTime, example = "2026-02-01T00:00:00Z")]
    to: Option<String>,
}

/// Reads the filter of the tenant's calls, or of one campaign's.
pub(super) fn read(query: &mut Query, campaign_id: Option<CampaignId>) -> CallFilter {
    CallFilter {
        campaign_id,
        state: query.choice("state", StateName::parse, StateName::ALL),
        outcome: query.choice("outcome", Outcome::parse, Outcome::ALL),
        phone: phone::parameter(query),
        from: query.instant("from"),
        to: query.instant("to"),
    }
}

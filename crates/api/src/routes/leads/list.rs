use axum::extract::State;
use domain::campaign::LeadStatus;
use domain::fault::Fault;
use domain::{CampaignId, Outcome};
use store::LeadFilter;

use super::view::LeadView;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::code;
use crate::cursor::{self, ListKind};
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::phone;
use crate::query::{PageParams, Query};
use crate::state::App;

/// Longest text to search for, characters.
const MAX_SEARCH_CHARS: usize = 200;

/// Which leads to list.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by `filter`; this is its documentation")]
pub(crate) struct LeadFilterParams {
    /// Only in this status.
    #[param(example = "READY")]
    status: Option<String>,
    /// Only whose last attempt ended so.
    #[param(example = "NO_ANSWER")]
    outcome: Option<String>,
    /// Only this number, in E.164.
    #[param(example = "+14155552671")]
    phone_number: Option<String>,
    /// Only whose number, name or e-mail address contains this.
    #[param(max_length = 200, example = "doe")]
    q: Option<String>,
}

/// Leads of a campaign, newest first.
#[utoipa::path(get, path = "/api/v2/voice-campaigns/{campaign_id}/leads", operation_id = "listLeads", tag = "Leads",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), LeadFilterParams, PageParams),
    responses((status = 200, description = "Leads retrieved successfully", body = Listed<LeadView>)))]
pub(crate) async fn list_leads(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(campaign_id): PathId<CampaignId>,
    mut query: Query,
) -> ApiResult<Answer> {
    let filter = filter(&mut query);
    let page = query.page(ListKind::Leads);
    query.finish()?;
    let campaign = app
        .store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    let page = app
        .store
        .list_leads(caller.tenant_id, campaign_id, filter, page, caller.now)
        .await?;
    let views: Vec<_> = page
        .items
        .iter()
        .map(|lead| LeadView::of(lead, &campaign, caller.now))
        .collect();
    let next = page
        .next
        .map(|position| cursor::encode(ListKind::Leads, position));
    Ok(Answer::list("Leads retrieved successfully", views, next))
}

fn filter(query: &mut Query) -> LeadFilter {
    LeadFilter {
        status: query.choice("status", LeadStatus::parse, LeadStatus::ALL),
        outcome: query.choice("outcome", Outcome::parse, Outcome::ALL),
        phone: phone::parameter(query),
        text: query.read("q", searched),
    }
}

fn searched(text: &str) -> Result<String, Fault> {
    if (1..=MAX_SEARCH_CHARS).contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    let message = format!("`q` must have 1 to {MAX_SEARCH_CHARS} characters.");
    Err(Fault::new("q", code::OUT_OF_RANGE, message))
}

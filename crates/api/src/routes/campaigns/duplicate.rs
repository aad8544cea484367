use std::sync::Arc;

use axum::extract::State;
use domain::CampaignId;
use domain::settings::MAX_NAME_CHARS;
use serde::{Deserialize, Serialize};
use store::{CampaignRecord, NewCampaign};
use utoipa::ToSchema;

use super::draft;
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Post, RequestBody};
use crate::error::{ApiError, ApiResult};
use crate::etag::{IfMatch, IfMatchParam};
use crate::faults::Faults;
use crate::ids::{GlobalId, PathId};
use crate::query::NoQuery;
use crate::state::App;

/// What the copy takes over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignDuplicate {
    /// Name of the copy; the old name with ` (copy)` when absent.
    #[schema(min_length = 1, max_length = 200, example = "Q1 Outreach")]
    name: Option<String>,
    /// Whether the copy has the leads too, as READY with fresh caps.
    #[schema(nullable = false, default = false)]
    include_leads: Option<bool>,
}

impl RequestBody for CampaignDuplicate {
    const OPTIONAL: bool = true;
}

/// The copy.
#[derive(Serialize, ToSchema)]
pub(crate) struct DuplicateView {
    #[serde(flatten)]
    campaign: CampaignView,
    /// Global id of the import that brings the leads; null when there are none to bring. The first
    /// few hundred are there at once, the progress of the others is read with
    /// `GET /api/v2/imports/{import_id}`.
    #[schema(example = "TGVhZEltcG9ydDoxMjM=")]
    import_id: Option<String>,
}

impl DuplicateView {
    fn of(record: &CampaignRecord) -> Self {
        Self {
            campaign: CampaignView::of(record),
            import_id: record.import_id.map(GlobalId::global),
        }
    }
}

/// Makes a DRAFT with the settings of another campaign, and its leads if asked.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/duplicate", operation_id = "duplicateCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), IfMatchParam),
    request_body(content = CampaignDuplicate, example = json!({ "name": "Q1 Outreach", "include_leads": true })),
    responses((status = 201, description = "Campaign duplicated successfully", body = Success<DuplicateView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn duplicate_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
    post: Post<CampaignDuplicate>,
) -> ApiResult<Answer> {
    let body = post.body.parse()?;
    let source = app
        .store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    // The copy is made of what was read here, so it is a copy of this revision whatever follows.
    precondition.check(source.revision)?;
    let mut draft = Arc::unwrap_or_clone(source.draft);
    draft.name = Some(
        body.name
            .unwrap_or_else(|| copy_name(&draft.name.unwrap_or_default())),
    );
    let mut faults = Faults::default();
    let settings = draft::parse(source.kind, &draft, &mut faults);
    faults.check()?;
    let settings = settings
        .ok_or_else(|| ApiError::Internal("settings without faults do not parse".to_owned()))?;
    let campaign = NewCampaign {
        kind: source.kind,
        draft,
        settings: Arc::new(settings),
        unverified: source.unverified,
        leads_of: body.include_leads.unwrap_or(false).then_some(campaign_id),
    };
    let render = |record: &CampaignRecord| {
        Answer::created(
            "Campaign duplicated successfully",
            DuplicateView::of(record),
        )
        .with_revision(record.revision)
    };
    post.once
        .write(&app, render, |key| {
            app.store.create_campaign(caller, campaign, key)
        })
        .await
}

fn copy_name(name: &str) -> String {
    const MARK: &str = " (copy)";
    let kept: String = name.chars().take(MAX_NAME_CHARS - MARK.len()).collect();
    format!("{kept}{MARK}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_long_name_is_still_a_name() {
        assert_eq!(copy_name("Q4"), "Q4 (copy)");
        assert_eq!(copy_name(&"ä".repeat(200)).chars().count(), 200);
    }
}

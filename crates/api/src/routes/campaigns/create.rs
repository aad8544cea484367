use std::sync::Arc;

use axum::extract::State;
use domain::campaign::CampaignType;
use domain::settings::SettingsDraft;
use store::{CampaignRecord, NewCampaign};

use super::body::CampaignCreate;
use super::check::{Question, references};
use super::draft::{self, Requested};
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::Post;
use crate::error::{ApiError, ApiResult};
use crate::query::Query;
use crate::state::App;

/// Makes a campaign, as a DRAFT.
///
/// The assistant and the number are checked at the voice provider.
#[utoipa::path(post, path = "/api/v2/voice-campaigns", operation_id = "createCampaign", tag = "Campaigns",
    params(("skip_provider_check" = Option<bool>, Query, description = "Store what the voice provider was not asked about; the campaign is then `unverified`.")),
    request_body(content = CampaignCreate, example = json!({
        "name": "Q4 Outreach", "type": "OUTBOUND", "assistant_id": "asst_abc123",
        "tenant_voice_provider_id": "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=", "dialer_type": "SINGLE",
        "phone_number_id": "pn_abc123", "start_date": "2026-01-05", "timezone": "America/New_York",
        "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"],
        "daily_start_time": "09:00", "daily_end_time": "17:00",
        "max_call_attempts": 3, "max_daily_attempts": 1, "min_gap_between_attempts": 60,
    })),
    responses((status = 201, description = "Campaign created successfully", body = Success<CampaignView>,
            headers(("ETag" = String, description = "The revision.")), example = json!({
                "status": "success", "message": "Campaign created successfully",
                "data": { "campaign_id": "Vm9pY2VDYW1wYWlnbjoxMjM=", "campaign_name": "Q4 Outreach", "campaign_type": "OUTBOUND", "campaign_status": "DRAFT" },
            })),
        (status = 502, description = "The voice provider refused or is broken; nothing was changed.")))]
pub(crate) async fn create_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    mut query: Query,
    post: Post<CampaignCreate>,
) -> ApiResult<Answer> {
    let skip_provider_check = query.flag("skip_provider_check");
    query.finish()?;
    let mut requested = Requested::read(post.body);
    let draft = requested.merged_onto(&SettingsDraft::default())?;
    let faults = &mut requested.faults;
    // With no sound direction only what every campaign needs can be judged.
    let kind = requested.kind.unwrap_or(CampaignType::Inbound);
    let settings = draft::parse(kind, &draft, faults);
    let found = references(&app, caller.tenant_id, &draft, faults).await?;
    let asked = match found.line.filter(|_| !skip_provider_check) {
        Some(line) => {
            Question::about(&line, &draft, faults, |_| true)
                .ask(&app, &line, faults)
                .await
        }
        None => Ok(()),
    };
    requested.faults.check()?;
    asked?;
    let settings = settings
        .ok_or_else(|| ApiError::Internal("settings without faults do not parse".to_owned()))?;
    let campaign = NewCampaign {
        kind,
        draft,
        settings: Arc::new(settings),
        unverified: skip_provider_check,
        leads_of: None,
    };
    let render = |record: &CampaignRecord| {
        Answer::created("Campaign created successfully", CampaignView::of(record))
            .with_revision(record.revision)
    };
    post.once
        .write(&app, render, |key| {
            app.store.create_campaign(caller, campaign, key)
        })
        .await
}

use std::sync::Arc;

use axum::extract::State;
use domain::campaign::CampaignStatus;
use domain::{CampaignId, settings::SettingsDraft};
use store::{Caller, CampaignRecord, CampaignUpdate, LineRecord, StoreError};

use super::body::CampaignPatch;
use super::check::{Question, References, hindrances, references, webhook};
use super::draft::{self, Requested};
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::Body;
use crate::error::{ApiError, ApiResult};
use crate::etag::{IfMatch, IfMatchParam};
use crate::faults::Faults;
use crate::ids::PathId;
use crate::query::Query;
use crate::state::App;

/// How often a change is merged anew when others change the campaign meanwhile.
const ATTEMPTS: usize = 5;

/// Settings that have no say in dialing.
const SILENT: [&str; 3] = ["name", "metadata", "webhook_url"];

/// Settings that the voice provider is asked about.
const CHECKED: [&str; 5] = [
    "assistant_id",
    "vapi_calling_entity",
    "tenant_voice_provider_id",
    "phone_number_id",
    "dialer_type",
];

/// Changes settings.
///
/// What is left out stays, `null` clears, and the merged result is judged as a whole. A narrower
/// schedule holds from the moment of the answer; calls already placed keep the settings that
/// judged them. A RUNNING campaign must still be able to dial.
#[utoipa::path(patch, path = "/api/v2/voice-campaigns/{campaign_id}", operation_id = "updateCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="),
        ("skip_provider_check" = Option<bool>, Query, description = "Store what the voice provider was not asked about; the campaign is then `unverified`."), IfMatchParam),
    request_body(content = CampaignPatch, example = json!({
        "name": "Q4 Outreach v2", "assistant_id": "asst_xyz456", "dialer_type": "POOL",
        "phone_number_pool_id": "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz", "timezone": "America/Chicago",
        "days_of_week": ["MONDAY", "WEDNESDAY", "FRIDAY"], "daily_start_time": "08:00", "daily_end_time": "18:00",
        "max_call_attempts": 5, "max_daily_attempts": 2, "min_gap_between_attempts": 120,
        "consider_voicemail_as_answered": false, "webhook_url": "https://yourapp.com/webhooks/campaign",
    })),
    responses((status = 200, description = "Campaign updated successfully", body = Success<CampaignView>,
            headers(("ETag" = String, description = "The revision.")), example = json!({
                "status": "success", "message": "Campaign updated successfully",
                "data": { "campaign_id": "Vm9pY2VDYW1wYWlnbjoxMjM=", "campaign_name": "Q4 Outreach Updated", "campaign_type": "OUTBOUND", "campaign_status": "DRAFT" },
            })),
        (status = 502, description = "The voice provider refused or is broken; nothing was changed.")))]
pub(crate) async fn update_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    mut query: Query,
    IfMatch(precondition): IfMatch,
    body: Body<CampaignPatch>,
) -> ApiResult<Answer> {
    let skip_provider_check = query.flag("skip_provider_check");
    query.finish()?;
    let mut change = Change {
        app: &app,
        caller,
        requested: Requested::read(body),
        skip_provider_check,
        answered: None,
    };
    for _ in 0..ATTEMPTS {
        let current = app
            .store
            .get_campaign(caller.tenant_id, campaign_id)
            .await?;
        precondition.check(current.revision)?;
        let Some(update) = change.prepare(&current).await? else {
            return Ok(answer(&current));
        };
        match app.store.update_campaign(caller, update).await {
            Ok(record) => return Ok(answer(&record)),
            // Nobody named a revision: the change is merged onto what others made of it.
            Err(StoreError::Stale { .. }) if !precondition.is_strict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::TooMuchContention)
}

fn answer(record: &CampaignRecord) -> Answer {
    Answer::ok("Campaign updated successfully", CampaignView::of(record))
        .with_revision(record.revision)
}

/// Whether the campaign dials by the changed settings at once: a later `end_date` reopens a
/// COMPLETED one.
fn will_dial(current: &CampaignRecord, changed: &[&str]) -> bool {
    match current.status {
        CampaignStatus::Running => changed.iter().any(|name| !SILENT.contains(name)),
        CampaignStatus::Completed => changed.contains(&"end_date"),
        _ => false,
    }
}

struct Change<'a> {
    app: &'a App,
    caller: Caller,
    requested: Requested,
    skip_provider_check: bool,
    /// What the provider said yes to; it is not asked again when the change is merged anew.
    answered: Option<Question>,
}

impl Change<'_> {
    /// The update of `current`; `None` if it changes nothing.
    async fn prepare(&mut self, current: &CampaignRecord) -> ApiResult<Option<CampaignUpdate>> {
        let mut faults = self.requested.faults.clone();
        let draft = Arc::new(self.requested.merged_onto(&current.draft)?);
        let changed = draft.changed_fields(&current.draft);
        faults.add_followups(self.requested.hours_without_effect(&draft));
        let settings = draft::parse(current.kind, &draft, &mut faults);
        let found = if self.asks_for_references(current, &draft) {
            references(self.app, self.caller.tenant_id, &draft, &mut faults).await?
        } else {
            webhook(self.app, &draft, &mut faults);
            References::none()
        };
        if let Some(settings) = settings.as_ref().filter(|_| will_dial(current, &changed)) {
            let pool = found.pool.as_ref();
            faults.add_followups(hindrances(current.kind, settings, pool, self.caller.now));
        }
        let unverified = self.unverified(current, &changed);
        let asked = match found.line.filter(|_| !self.skip_provider_check) {
            Some(line) => self.ask(current, &draft, &line, &mut faults).await,
            None => Ok(()),
        };
        faults.check()?;
        asked?;
        if changed.is_empty()
            && unverified.is_none_or(|unverified| unverified == current.unverified)
        {
            return Ok(None);
        }
        let settings = settings
            .ok_or_else(|| ApiError::Internal("settings without faults do not parse".to_owned()))?;
        Ok(Some(CampaignUpdate {
            campaign_id: current.campaign_id,
            base_revision: current.revision,
            draft,
            settings: Arc::new(settings),
            unverified,
        }))
    }

    /// Whether anything depends on what the draft names. A change that says nothing about line,
    /// pool, speaker and number leaves references that were found sound when they were stored, and
    /// stay so: the store keeps lines and pools that campaigns use, and pools on their lines.
    fn asks_for_references(&self, current: &CampaignRecord, draft: &SettingsDraft) -> bool {
        let names = |name: &&str| self.requested.names(name);
        CHECKED.iter().any(names)
            || self.requested.names("phone_number_pool_id")
            // A pool can have lost its numbers since.
            || (draft.phone_number_pool_id.is_some() && current.status != CampaignStatus::Draft)
    }

    /// Whether the campaign counts as checked after this change; `None` keeps what was.
    fn unverified(&self, current: &CampaignRecord, changed: &[&str]) -> Option<bool> {
        if self.skip_provider_check {
            return changed
                .iter()
                .any(|name| CHECKED.contains(name))
                .then_some(true);
        }
        let named = CHECKED.iter().any(|name| self.requested.names(name));
        (named && current.unverified).then_some(false)
    }

    /// Asks the provider about what the body names; about everything when the provider changes or
    /// an earlier check was skipped.
    async fn ask(
        &mut self,
        current: &CampaignRecord,
        draft: &SettingsDraft,
        line: &LineRecord,
        faults: &mut Faults,
    ) -> ApiResult<()> {
        let requested = &self.requested;
        let any = CHECKED.iter().any(|name| requested.names(name));
        let wanted = |names: &[&str]| {
            any && (current.unverified || names.iter().any(|name| requested.names(name)))
        };
        let question = Question::about(line, draft, faults, wanted);
        if self.answered.as_ref() == Some(&question) {
            return Ok(());
        }
        question.ask(self.app, line, faults).await?;
        self.answered = Some(question);
        Ok(())
    }
}

use axum::extract::State;
use domain::LineId;
use domain::fault::Fault;
use domain::settings::CallingEntity;
use serde::Serialize;
use utoipa::ToSchema;

use super::vendor_list;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::code;
use crate::cursor::ListKind;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::provider_desk::{LookupFailure, ProviderDesk};
use crate::query::{PageParams, Query};
use crate::state::App;

/// An assistant at the vendor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssistantView {
    /// Vendor-native id, for `assistant_id` of a campaign.
    #[schema(example = "asst_abc123")]
    assistant_id: String,
    /// Display name.
    name: Option<String>,
}

/// Assistants of the account in the order of the vendor, which is asked for each page: the first 1,000.
/// Takes at most 5 s.
#[utoipa::path(get, path = "/api/v2/voice-providers/{tenant_voice_provider_id}/assistants", operation_id = "listAssistants", tag = "Voice providers",
    params(
        ("tenant_voice_provider_id" = String, Path, description = "Global id of the voice provider.", example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM="),
        ("entity" = Option<String>, Query, description = "`ASSISTANT`; lists of `WORKFLOW` and `SQUAD` are not supported yet."), PageParams),
    responses(
        (status = 200, description = "Assistants retrieved successfully", body = Listed<AssistantView>),
        (status = 502, description = "The voice provider refuses; its words are in `message`.", body = crate::error::ErrorEnvelope)))]
pub(crate) async fn list_assistants(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(line_id): PathId<LineId>,
    mut query: Query,
) -> ApiResult<Answer> {
    query.read("entity", check_entity);
    let page = query.page(ListKind::Assistants);
    query.finish()?;
    let line = app.store.get_line(caller.tenant_id, line_id).await?;
    let desk = ProviderDesk::new(&app).open(&line)?;
    let assistants = desk.assistants().await.map_err(LookupFailure::into_error)?;
    let (assistants, next) =
        vendor_list::page(ListKind::Assistants, assistants, page, |assistant| {
            &assistant.assistant_id
        })?;
    let view = |assistant: providers::Assistant| AssistantView {
        assistant_id: assistant.assistant_id,
        name: assistant.name,
    };
    let views: Vec<_> = assistants.into_iter().map(view).collect();
    Ok(Answer::list(
        "Assistants retrieved successfully",
        views,
        next,
    ))
}

fn check_entity(text: &str) -> Result<(), Fault> {
    match CallingEntity::parse(text) {
        Some(CallingEntity::Assistant) => Ok(()),
        Some(other) => {
            let message = format!(
                "Lists of {other} are not supported yet; their ids can be used all the same."
            );
            Err(Fault::new("entity", code::NOT_SUPPORTED, message))
        }
        None => {
            let message = "`entity` must be one of ASSISTANT, WORKFLOW, SQUAD.";
            Err(Fault::new("entity", code::INVALID_CHOICE, message))
        }
    }
}

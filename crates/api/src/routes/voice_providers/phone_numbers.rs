use axum::extract::State;
use domain::LineId;
use serde::Serialize;
use utoipa::ToSchema;

use super::vendor_list;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::cursor::ListKind;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::provider_desk::{LookupFailure, ProviderDesk};
use crate::query::{PageParams, Query};
use crate::state::App;

/// A caller number at the vendor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderNumberView {
    /// Vendor-native id, for `phone_number_id` of a campaign or pool.
    #[schema(example = "pn_abc123")]
    phone_number_id: String,
    /// The number in E.164, if the vendor says.
    #[schema(example = "+14155550100")]
    e164: Option<String>,
    /// Display name.
    name: Option<String>,
}

/// Caller numbers of the account in the order of the vendor, which is asked for each page: the first 1,000.
/// Takes at most 5 s.
#[utoipa::path(get, path = "/api/v2/voice-providers/{tenant_voice_provider_id}/phone-numbers", operation_id = "listPhoneNumbers", tag = "Voice providers",
    params(("tenant_voice_provider_id" = String, Path, description = "Global id of the voice provider.", example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM="), PageParams),
    responses(
        (status = 200, description = "Phone numbers retrieved successfully", body = Listed<ProviderNumberView>),
        (status = 502, description = "The voice provider refuses; its words are in `message`.", body = crate::error::ErrorEnvelope)))]
pub(crate) async fn list_phone_numbers(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(line_id): PathId<LineId>,
    mut query: Query,
) -> ApiResult<Answer> {
    let page = query.page(ListKind::ProviderNumbers);
    query.finish()?;
    let line = app.store.get_line(caller.tenant_id, line_id).await?;
    let desk = ProviderDesk::new(&app).open(&line)?;
    let numbers = desk
        .phone_numbers()
        .await
        .map_err(LookupFailure::into_error)?;
    let (numbers, next) = vendor_list::page(ListKind::ProviderNumbers, numbers, page, |number| {
        &number.phone_number_id
    })?;
    let view = |number: providers::ProviderNumber| ProviderNumberView {
        phone_number_id: number.phone_number_id,
        e164: number.e164,
        name: number.name,
    };
    let views: Vec<_> = numbers.into_iter().map(view).collect();
    Ok(Answer::list(
        "Phone numbers retrieved successfully",
        views,
        next,
    ))
}

use axum::extract::State;
use domain::{CampaignId, LineId, PoolId};
use serde::Serialize;
use serde_json::{Map, Value};
use store::RevisionRecord;
use utoipa::ToSchema;

use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::cursor::{self, ListKind};
use crate::error::ApiResult;
use crate::ids::{GlobalId, PathId};
use crate::query::{PageParams, Query};
use crate::state::App;
use crate::wire::instant;

/// One change of a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionView {
    /// Revision it led to.
    revision: i64,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
    /// Global id of the token that asked for it; `null`: the server itself.
    #[schema(example = "QXBpVG9rZW46MTIz")]
    token_id: Option<String>,
    /// Setting or `status`, with what it was and what it became.
    #[schema(value_type = Object, example = json!({ "priority": { "from": 5, "to": 9 } }))]
    changes: Map<String, Value>,
}

impl RevisionView {
    fn of(record: RevisionRecord) -> Self {
        let mut changes = record.changes;
        globalise::<LineId>(&mut changes);
        globalise::<PoolId>(&mut changes);
        Self {
            revision: record.revision,
            created_at: instant(record.created_at),
            token_id: record.token_id.map(GlobalId::global),
            changes,
        }
    }
}

/// References are numbers in the store.
fn globalise<T: GlobalId>(changes: &mut Map<String, Value>) {
    let change = changes.get_mut(T::FIELD).and_then(Value::as_object_mut);
    for value in change.into_iter().flat_map(Map::values_mut) {
        if let Some(number) = value.as_i64() {
            *value = T::from_number(number).global().into();
        }
    }
}

/// Who changed what and when, newest first.
#[utoipa::path(get, path = "/api/v2/voice-campaigns/{campaign_id}/revisions", operation_id = "listCampaignRevisions", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), PageParams),
    responses((status = 200, description = "Revisions retrieved successfully", body = Listed<RevisionView>)))]
pub(crate) async fn list_revisions(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(campaign_id): PathId<CampaignId>,
    mut query: Query,
) -> ApiResult<Answer> {
    let page = query.page(ListKind::Revisions);
    query.finish()?;
    let page = app
        .store
        .list_revisions(caller.tenant_id, campaign_id, page)
        .await?;
    let next = page
        .next
        .map(|position| cursor::encode(ListKind::Revisions, position));
    let views: Vec<_> = page.items.into_iter().map(RevisionView::of).collect();
    Ok(Answer::list(
        "Revisions retrieved successfully",
        views,
        next,
    ))
}

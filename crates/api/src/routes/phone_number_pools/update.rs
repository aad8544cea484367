use axum::extract::State;
use domain::PoolId;
use serde_json::{Map, Value};
use store::{Caller, PoolContent, PoolRecord, StoreError};

use super::body::{PoolPatch, read_line, read_numbers, read_strategy};
use super::numbers;
use super::view::PoolView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::Body;
use crate::error::{ApiError, ApiResult};
use crate::etag::{IfMatch, IfMatchParam};
use crate::faults::Faults;
use crate::ids::PathId;
use crate::name;
use crate::query::Query;
use crate::state::App;

/// How often a change is merged anew when others change the pool meanwhile.
const ATTEMPTS: usize = 5;

/// Changes a pool. The merged result is judged as a whole; a number that is disabled or left out
/// places no call once this has answered.
#[utoipa::path(patch, path = "/api/v2/phone-number-pools/{phone_number_pool_id}", operation_id = "updatePhoneNumberPool", tag = "Phone number pools",
    params(
        ("phone_number_pool_id" = String, Path, description = "Global id of the pool.", example = "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz"),
        ("skip_provider_check" = Option<bool>, Query, description = "Do not ask the voice provider about the numbers."), IfMatchParam),
    request_body(content = PoolPatch, example = json!({ "strategy": "ROUND_ROBIN" })),
    responses(
        (status = 200, description = "Phone number pool updated successfully", body = Success<PoolView>,
            headers(("ETag" = String, description = "The revision."))),
        (status = 502, description = "The voice provider refuses; its words are in `message`.", body = crate::error::ErrorEnvelope)))]
pub(crate) async fn update_pool(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(pool_id): PathId<PoolId>,
    mut query: Query,
    IfMatch(precondition): IfMatch,
    body: Body<PoolPatch>,
) -> ApiResult<Answer> {
    let skip_provider_check = query.flag("skip_provider_check");
    query.finish()?;
    let (fields, mut faults) = body.into_parts();
    let change = Change {
        app: &app,
        caller,
        name: name::read(&fields, &mut faults),
        strategy: read_strategy(&fields, &mut faults),
        numbers: read_numbers(&fields, &mut faults),
        fields,
        skip_provider_check,
    };
    let line = read_line(&app, caller.tenant_id, &change.fields, &mut faults).await?;
    faults.check()?;
    for _ in 0..ATTEMPTS {
        let current = app.store.get_pool(caller.tenant_id, pool_id).await?;
        precondition.check(current.revision)?;
        let content = change.merged_onto(&current, line.as_ref()).await?;
        match app
            .store
            .update_pool(caller, pool_id, current.revision, content)
            .await
        {
            Ok(pool) => {
                let view = PoolView::of(&pool);
                return Ok(Answer::ok("Phone number pool updated successfully", view)
                    .with_revision(pool.revision));
            }
            Err(StoreError::Stale { .. }) if !precondition.is_strict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::TooMuchContention)
}

struct Change<'a> {
    app: &'a App,
    caller: Caller,
    name: Option<String>,
    fields: Map<String, Value>,
    strategy: Option<store::PoolStrategy>,
    numbers: Option<Vec<store::PoolNumber>>,
    skip_provider_check: bool,
}

impl Change<'_> {
    /// What the pool becomes, checked at the provider where numbers or the provider change.
    async fn merged_onto(
        &self,
        current: &PoolRecord,
        line: Option<&store::LineRecord>,
    ) -> ApiResult<PoolContent> {
        let line_id = line.map_or(current.line_id, |line| line.line_id);
        let mut numbers = self
            .numbers
            .clone()
            .unwrap_or_else(|| current.numbers.clone());
        let ask = self.numbers.is_some() || line_id != current.line_id;
        if ask && !self.skip_provider_check {
            let mut faults = Faults::default();
            let line = match line {
                Some(line) => line.clone(),
                None => {
                    self.app
                        .store
                        .get_line(self.caller.tenant_id, line_id)
                        .await?
                }
            };
            numbers::check(self.app, &line, &mut numbers, &mut faults).await?;
            faults.check()?;
        }
        Ok(PoolContent {
            name: self.name.clone().unwrap_or_else(|| current.name.clone()),
            line_id,
            strategy: self.strategy.unwrap_or(current.strategy),
            numbers,
        })
    }
}

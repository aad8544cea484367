use axum::extract::State;
use store::{PoolContent, PoolRecord, PoolStrategy};

use super::body::{PoolCreate, read_line, read_numbers, read_strategy};
use super::numbers;
use super::view::PoolView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::Post;
use crate::error::ApiResult;
use crate::name;
use crate::query::Query;
use crate::state::App;

/// Makes a pool. Its numbers are checked at the voice provider.
#[utoipa::path(post, path = "/api/v2/phone-number-pools", operation_id = "createPhoneNumberPool", tag = "Phone number pools",
    params(("skip_provider_check" = Option<bool>, Query, description = "Do not ask the voice provider about the numbers.")),
    request_body(content = PoolCreate, example = json!({ "name": "East coast", "tenant_voice_provider_id": "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=", "phone_numbers": [{ "phone_number_id": "pn_abc123" }] })),
    responses(
        (status = 201, description = "Phone number pool created successfully", body = Success<PoolView>,
            headers(("ETag" = String, description = "The revision."))),
        (status = 502, description = "The voice provider refuses; its words are in `message`.", body = crate::error::ErrorEnvelope)))]
pub(crate) async fn create_pool(
    State(app): State<App>,
    Writer(caller): Writer,
    mut query: Query,
    post: Post<PoolCreate>,
) -> ApiResult<Answer> {
    let skip_provider_check = query.flag("skip_provider_check");
    query.finish()?;
    let (fields, mut faults) = post.body.into_parts();
    let name = name::read(&fields, &mut faults);
    let strategy = read_strategy(&fields, &mut faults).unwrap_or(PoolStrategy::LeastRecentlyUsed);
    let mut numbers = read_numbers(&fields, &mut faults).unwrap_or_default();
    let line = read_line(&app, caller.tenant_id, &fields, &mut faults).await?;
    if let Some(line) = line
        .as_ref()
        .filter(|_| faults.is_empty() && !skip_provider_check)
    {
        numbers::check(&app, line, &mut numbers, &mut faults).await?;
    }
    let (name, line) = faults.settle(name.zip(line))?;
    let content = PoolContent {
        name,
        line_id: line.line_id,
        strategy,
        numbers,
    };
    let render = |pool: &PoolRecord| {
        let view = PoolView::of(pool);
        Answer::created("Phone number pool created successfully", view).with_revision(pool.revision)
    };
    post.once
        .write(&app, render, |key| {
            app.store.create_pool(caller, content, key)
        })
        .await
}

use axum::extract::State;
use domain::PoolId;

use super::view::PoolView;
use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// One pool.
#[utoipa::path(get, path = "/api/v2/phone-number-pools/{phone_number_pool_id}", operation_id = "getPhoneNumberPool", tag = "Phone number pools",
    params(("phone_number_pool_id" = String, Path, description = "Global id of the pool.", example = "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz")),
    responses((status = 200, description = "Phone number pool retrieved successfully", body = Success<PoolView>,
            headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn get_pool(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(pool_id): PathId<PoolId>,
    _: NoQuery,
) -> ApiResult<Answer> {
    let pool = app.store.get_pool(caller.tenant_id, pool_id).await?;
    let view = PoolView::of(&pool);
    Ok(Answer::ok("Phone number pool retrieved successfully", view).with_revision(pool.revision))
}

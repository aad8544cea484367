use axum::extract::State;
use domain::PoolId;

use crate::answer::{Answer, Done};
use crate::auth::Writer;
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Deletes a pool that no campaign uses.
#[utoipa::path(delete, path = "/api/v2/phone-number-pools/{phone_number_pool_id}", operation_id = "deletePhoneNumberPool", tag = "Phone number pools",
    params(("phone_number_pool_id" = String, Path, description = "Global id of the pool.", example = "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz"), IfMatchParam),
    responses((status = 200, description = "Phone number pool deleted successfully", body = Done)))]
pub(crate) async fn delete_pool(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(pool_id): PathId<PoolId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
) -> ApiResult<Answer> {
    app.store.delete_pool(caller, pool_id, precondition).await?;
    Ok(Answer::done("Phone number pool deleted successfully"))
}

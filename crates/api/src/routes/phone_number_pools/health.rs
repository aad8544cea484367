use axum::extract::State;
use domain::PoolId;
use serde::Serialize;
use store::{NumberHealth, PoolNumber};
use utoipa::ToSchema;

use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::{GlobalId, PathId};
use crate::query::NoQuery;
use crate::state::App;
use crate::wire::instant;

/// How the numbers of a pool did over the last 24 hours.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolHealthView {
    /// Global id of the pool.
    #[schema(example = "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz")]
    phone_number_pool_id: String,
    /// One entry per number, in the pool's order.
    phone_numbers: Vec<NumberHealthView>,
}

/// How one number did over the last 24 hours.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NumberHealthView {
    /// Vendor-native id.
    #[schema(example = "pn_abc123")]
    phone_number_id: String,
    /// The number itself, if known.
    e164: Option<String>,
    /// Whether it is used.
    enabled: bool,
    /// `AVAILABLE`, or `RESTING` after failures of its own.
    #[schema(example = "AVAILABLE")]
    status: &'static str,
    /// Rests until then.
    #[schema(format = DateTime)]
    rests_until: Option<String>,
    /// Calls from it that are up.
    live_calls: u32,
    /// Calls that counted.
    calls: u32,
    /// Of these, answered.
    answered: u32,
    /// Share of the calls that were answered, 0 to 1; `null` without calls.
    answer_rate: Option<f64>,
    /// Of the answered, shorter than six seconds.
    short_calls: u32,
}

/// Calls, answer rate, short calls and rest of each number, over the last 24 hours.
#[utoipa::path(get, path = "/api/v2/phone-number-pools/{phone_number_pool_id}/health", operation_id = "getPhoneNumberPoolHealth", tag = "Phone number pools",
    params(("phone_number_pool_id" = String, Path, description = "Global id of the pool.", example = "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz")),
    responses((status = 200, description = "Phone number pool health retrieved successfully", body = Success<PoolHealthView>)))]
pub(crate) async fn get_pool_health(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(pool_id): PathId<PoolId>,
    _: NoQuery,
) -> ApiResult<Answer> {
    let pool = app.store.get_pool(caller.tenant_id, pool_id).await?;
    let health = app
        .store
        .pool_health(caller.tenant_id, pool_id, caller.now)
        .await?;
    let view = |number: &PoolNumber| {
        let found = health
            .iter()
            .find(|health| health.phone_number_id == number.phone_number_id);
        NumberHealthView::of(number, found, caller.now)
    };
    let phone_numbers = pool.numbers.iter().map(view).collect();
    let view = PoolHealthView {
        phone_number_pool_id: pool_id.global(),
        phone_numbers,
    };
    Ok(Answer::ok(
        "Phone number pool health retrieved successfully",
        view,
    ))
}

impl NumberHealthView {
    /// A number that was added between the two reads has no health yet.
    fn of(number: &PoolNumber, health: Option<&NumberHealth>, now: jiff::Timestamp) -> Self {
        let rests_until = health
            .and_then(|health| health.rests_until)
            .filter(|until| *until > now);
        let count = |read: fn(&NumberHealth) -> u32| health.map_or(0, read);
        let (calls, answered) = (
            count(|health| health.calls),
            count(|health| health.answered),
        );
        Self {
            phone_number_id: number.phone_number_id.clone(),
            e164: number.e164.clone(),
            enabled: number.enabled,
            status: if rests_until.is_some() {
                "RESTING"
            } else {
                "AVAILABLE"
            },
            rests_until: rests_until.map(instant),
            live_calls: count(|health| health.live_calls),
            calls,
            answered,
            answer_rate: (calls > 0).then(|| f64::from(answered) / f64::from(calls)),
            short_calls: count(|health| health.short_calls),
        }
    }
}

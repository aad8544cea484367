use axum::extract::State;
use domain::PhoneNumber;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::TenantView;
use crate::answer::{Answer, Success};
use crate::auth::Admin;
use crate::body::{Body, RequestBody};
use crate::code;
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::faults::Faults;
use crate::phone;
use crate::query::NoQuery;
use crate::state::App;

/// A change of the tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantPatch {
    /// Numbers that test calls may go to, in E.164; replaces the list.
    #[schema(nullable = false, max_items = 20, example = json!(["+14155552671"]))]
    test_call_numbers: Option<Vec<String>>,
}

impl RequestBody for TenantPatch {}

/// Changes the tenant of the token: whom test calls may go to.
#[utoipa::path(patch, path = "/api/v2/tenant", operation_id = "updateTenant", tag = "Tokens", params(IfMatchParam),
    request_body(content = TenantPatch, example = json!({ "test_call_numbers": ["+14155552671"] })),
    responses((status = 200, description = "Tenant updated successfully", body = Success<TenantView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn update_tenant(
    State(app): State<App>,
    Admin(caller): Admin,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
    body: Body<TenantPatch>,
) -> ApiResult<Answer> {
    let tenant = if let Some(numbers) = body.parse()?.test_call_numbers {
        let numbers = read(&numbers)?;
        app.store
            .set_test_call_numbers(caller, numbers, precondition)
            .await?
    } else {
        let tenant = app.store.get_tenant(caller.tenant_id).await?;
        precondition.check(tenant.revision)?;
        tenant
    };
    let view = TenantView::of(caller, &tenant);
    Ok(Answer::ok("Tenant updated successfully", view).with_revision(tenant.revision))
}

fn read(texts: &[String]) -> ApiResult<Vec<PhoneNumber>> {
    let mut faults = Faults::default();
    let mut numbers = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let field = format!("test_call_numbers[{index}]");
        let Some(number) = faults.take(phone::parse(&field, text)) else {
            continue;
        };
        if numbers.contains(&number) {
            faults.add(field, code::DUPLICATE, "The list has this number already.");
        } else {
            numbers.push(number);
        }
    }
    faults.check()?;
    Ok(numbers)
}

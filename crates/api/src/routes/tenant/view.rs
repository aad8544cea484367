use serde::Serialize;
use store::{Caller, TenantRecord};
use utoipa::ToSchema;

use crate::ids::GlobalId;

/// The account a token belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantView {
    /// Global id of the tenant, as the lead calls of version 1 want it.
    #[schema(example = "VGVuYW50OjEyMw==")]
    tenant_id: String,
    /// Global id of the token that asked.
    #[schema(example = "QXBpVG9rZW46MTIz")]
    token_id: Option<String>,
    /// Numbers that test calls may go to, in E.164.
    #[schema(example = json!(["+14155552671"]))]
    test_call_numbers: Vec<String>,
    /// Counts changes; also the `ETag`.
    revision: i64,
}

impl TenantView {
    pub(super) fn of(caller: Caller, tenant: &TenantRecord) -> Self {
        let numbers = tenant.test_call_numbers.iter();
        Self {
            tenant_id: caller.tenant_id.global(),
            token_id: caller.token_id.map(GlobalId::global),
            revision: tenant.revision,
            test_call_numbers: numbers.map(ToString::to_string).collect(),
        }
    }
}

//! What a token without the scope is told.
//!
//! 403 is for one's own objects. An object that the tenant does not have is missing to every
//! token of it alike, so that the lack of a scope tells no more than the scope would. An operation
//! with a new kind of object in its path names it in [`own_objects`].

use axum::extract::{FromRequestParts, RawPathParams};
use domain::{AttemptId, CampaignId, ImportId, LeadId, LineId, PoolId, TenantId, TokenId};
use http::request::Parts;
use store::LeadKey;

use crate::error::{ApiError, ApiResult};
use crate::ids::{GlobalId, PathId};
use crate::state::App;

/// The error for a token of the tenant that lacks `scope`.
pub(super) async fn refusal(
    parts: &mut Parts,
    app: &App,
    tenant_id: TenantId,
    scope: &'static str,
) -> ApiError {
    match own_objects(parts, app, tenant_id).await {
        Ok(()) => ApiError::InsufficientScope(scope),
        Err(error) => error,
    }
}

/// Looks up every object in the path.
async fn own_objects(parts: &mut Parts, app: &App, tenant_id: TenantId) -> ApiResult<()> {
    let Ok(params) = RawPathParams::from_request_parts(parts, app).await else {
        return Err(ApiError::NoSuchRoute);
    };
    let has = |name: &str| params.iter().any(|(param, _)| param == name);
    let store = &app.store;
    if has(CampaignId::FIELD) {
        let campaign_id = id(parts, app).await?;
        store.get_campaign(tenant_id, campaign_id).await?;
        if has(LeadId::FIELD) {
            let key = LeadKey::Id(id(parts, app).await?);
            store
                .get_lead(tenant_id, campaign_id, key, app.now())
                .await?;
        }
    }
    if has(AttemptId::FIELD) {
        let call_id: AttemptId = id(parts, app).await?;
        store.get_call(tenant_id, call_id).await?;
    }
    if has(ImportId::FIELD) {
        let import_id = id(parts, app).await?;
        store.get_import(tenant_id, import_id).await?;
    }
    if has(LineId::FIELD) {
        let line_id = id(parts, app).await?;
        store.get_line(tenant_id, line_id).await?;
    }
    if has(PoolId::FIELD) {
        let pool_id = id(parts, app).await?;
        store.get_pool(tenant_id, pool_id).await?;
    }
    if has(TokenId::FIELD) {
        let token_id = id(parts, app).await?;
        store.get_token(tenant_id, token_id).await?;
    }
    Ok(())
}

async fn id<T: GlobalId>(parts: &mut Parts, app: &App) -> ApiResult<T> {
    let PathId(id) = PathId::from_request_parts(parts, app).await?;
    Ok(id)
}

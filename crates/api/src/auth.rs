//! Who asks, and whether they may.
//!
//! [`authenticate`] runs before every route that needs a token. What a token may do is asked for
//! by type: a handler takes [`Reader`], [`Writer`] or [`Admin`], and cannot be written without
//! deciding. The scope `admin` implies `write`, and `write` implies `read`.

mod refusal;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{TenantId, TokenId};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use store::{Caller, Scopes};

use crate::error::{ApiError, ApiResult};
use crate::state::App;
use crate::token;

/// A token that authenticated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Principal {
    pub(crate) tenant_id: TenantId,
    pub(crate) token_id: TokenId,
    scopes: Scopes,
}

/// Refuses requests without a token that authenticates, and those of a token that asks too much.
pub(crate) async fn authenticate(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let principal = match find_principal(&app, request.headers()).await {
        Ok(principal) => principal,
        Err(error) => return error.into_response(),
    };
    tracing::Span::current().record("token.id", principal.token_id.raw());
    let (checked, standing) = app.limiter.check(principal.token_id);
    let mut response = if let Err(error) = checked {
        error.into_response()
    } else {
        request.extensions_mut().insert(principal);
        next.run(request).await
    };
    standing.write(response.headers_mut());
    response
}

async fn find_principal(app: &App, headers: &HeaderMap) -> ApiResult<Principal> {
    let secret = bearer(headers).ok_or(ApiError::Unauthenticated)?;
    // A text that cannot be a token costs the store nothing.
    if !token::is_well_formed(secret) {
        return Err(ApiError::Unauthenticated);
    }
    let record = app.store.find_token(&token::hash(secret)).await?;
    let record = record.ok_or(ApiError::Unauthenticated)?;
    let expired = record.expires_at.is_some_and(|at| at <= app.now());
    if !record.enabled || expired {
        return Err(ApiError::Unauthenticated);
    }
    Ok(Principal {
        tenant_id: record.tenant_id,
        token_id: record.token_id,
        scopes: record.scopes,
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, secret) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| secret.trim_matches(' '))
}

macro_rules! scope_extractors {
    ($($(#[$doc:meta])* $name:ident needs $scope:literal: $holds:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name(pub(crate) Caller);

        impl FromRequestParts<App> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
                let principal = principal(parts)?;
                let holds: fn(Scopes) -> bool = $holds;
                if !holds(principal.scopes) {
                    let tenant_id = principal.tenant_id;
                    return Err(refusal::refusal(parts, app, tenant_id, $scope).await);
                }
                Ok(Self(Caller {
                    tenant_id: principal.tenant_id,
                    token_id: Some(principal.token_id),
                    now: app.now(),
                }))
            }
        }
    )+};
}

scope_extractors! {
    /// A caller that may read.
    Reader needs "read": |scopes| scopes.read || scopes.write || scopes.admin;
    /// A caller that may change campaigns, leads, pools.
    Writer needs "write": |scopes| scopes.write || scopes.admin;
    /// A caller that may change tokens and voice providers.
    Admin needs "admin": |scopes| scopes.admin;
}

/// A [`Writer`], for an operation of which some requests need the scope `admin`.
pub(crate) struct WriterOrAdmin {
    pub(crate) caller: Caller,
    pub(crate) is_admin: bool,
}

impl FromRequestParts<App> for WriterOrAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let Writer(caller) = Writer::from_request_parts(parts, app).await?;
        let is_admin = principal(parts)?.scopes.admin;
        Ok(Self { caller, is_admin })
    }
}

/// The token of this request; a route outside [`authenticate`] has none.
pub(crate) fn principal(parts: &Parts) -> ApiResult<Principal> {
    parts
        .extensions
        .get::<Principal>()
        .copied()
        .ok_or(ApiError::Unauthenticated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_bearer_header_is_read() {
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(with(&["bearer  abc "]).as_deref(), Some("abc"));
        assert_eq!(with(&["Basic abc"]), None);
        assert_eq!(with(&["Bearer"]), None);
        assert_eq!(with(&["Bearer abc", "Bearer abc"]), None);
        assert_eq!(with(&[]), None);
    }
}

use serde::Serialize;
use store::TokenRecord;
use utoipa::ToSchema;

use crate::ids::GlobalId;
use crate::wire::instant;

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// Global id of the token.
    #[schema(example = "QXBpVG9rZW46MTIz")]
    pub(crate) token_id: String,
    /// Display name.
    #[schema(example = "CRM sync")]
    pub(crate) name: String,
    /// What it may do.
    #[schema(example = json!(["read", "write"]))]
    pub(crate) scopes: Vec<&'static str>,
    /// Whether it authenticates.
    pub(crate) enabled: bool,
    /// First and last characters, to recognise it.
    #[schema(example = "cmp_7Qx2…a9Tk")]
    pub(crate) masked: String,
    /// From when on it does not authenticate.
    #[schema(format = DateTime)]
    pub(crate) expires_at: Option<String>,
    /// Counts changes; also the `ETag`.
    pub(crate) revision: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
}

impl TokenView {
    pub(crate) fn of(record: &TokenRecord) -> Self {
        Self {
            token_id: record.token_id.global(),
            name: record.name.clone(),
            scopes: record.scopes.names(),
            enabled: record.enabled,
            masked: record.masked.clone(),
            expires_at: record.expires_at.map(instant),
            revision: record.revision,
            created_at: instant(record.created_at),
        }
    }
}

/// A new token with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTokenView {
    #[serde(flatten)]
    pub(crate) token: TokenView,
    /// The secret, to be sent as `Authorization: Bearer …`. Shown this once.
    #[schema(example = "cmp_…")]
    pub(crate) token_secret: String,
}

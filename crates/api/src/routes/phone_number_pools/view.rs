use serde::Serialize;
use store::{PoolNumber, PoolRecord};
use utoipa::ToSchema;

use crate::ids::GlobalId;
use crate::wire::instant;

/// A pool of caller numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolView {
    /// Global id of the pool.
    #[schema(example = "Vm9pY2VQaG9uZU51bWJlclBvb2w6MTIz")]
    phone_number_pool_id: String,
    /// Display name.
    #[schema(example = "East coast")]
    name: String,
    /// Global id of the voice provider that the numbers belong to.
    #[schema(example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")]
    tenant_voice_provider_id: String,
    /// Its numbers, in the order of rotation.
    phone_numbers: Vec<PoolNumberView>,
    /// `LEAST_RECENTLY_USED` or `ROUND_ROBIN`.
    #[schema(example = "LEAST_RECENTLY_USED")]
    strategy: &'static str,
    /// Always `false` yet.
    sticky: bool,
    /// Counts changes.
    revision: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A number of a pool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolNumberView {
    /// Vendor-native id.
    #[schema(example = "pn_abc123")]
    phone_number_id: String,
    /// The number itself, if known.
    #[schema(example = "+14155550100")]
    e164: Option<String>,
    /// Most calls at once from it; `null`: no limit of its own.
    max_concurrent_calls: Option<u32>,
    /// Always `null` yet.
    daily_cap: Option<i64>,
    /// Always `null` yet.
    cooldown_seconds: Option<i64>,
    /// Whether it is used.
    enabled: bool,
}

impl PoolView {
    pub(super) fn of(pool: &PoolRecord) -> Self {
        Self {
            phone_number_pool_id: pool.pool_id.global(),
            name: pool.name.clone(),
            tenant_voice_provider_id: pool.line_id.global(),
            phone_numbers: pool.numbers.iter().map(PoolNumberView::of).collect(),
            strategy: pool.strategy.as_str(),
            sticky: false,
            revision: pool.revision,
            created_at: instant(pool.created_at),
            updated_at: instant(pool.updated_at),
        }
    }
}

impl PoolNumberView {
    fn of(number: &PoolNumber) -> Self {
        Self {
            phone_number_id: number.phone_number_id.clone(),
            e164: number.e164.clone(),
            max_concurrent_calls: number.max_concurrent_calls,
            daily_cap: None,
            cooldown_seconds: None,
            enabled: number.enabled,
        }
    }
}

//! Bodies about pools, and reading the parts that creating and changing one have in common.

use std::collections::HashSet;

use domain::{LineId, TenantId};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::{LineRecord, PoolNumber, PoolStrategy, StoreError};
use utoipa::ToSchema;

use crate::body::RequestBody;
use crate::code;
use crate::error::ApiResult;
use crate::faults::Faults;
use crate::ids::decode_field;
use crate::phone;
use crate::state::App;

const LINE: &str = "tenant_voice_provider_id";

/// A pool of caller numbers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "held against its schema, then read field by field"
)]
pub(crate) struct PoolCreate {
    /// Display name.
    #[schema(min_length = 1, max_length = 200, example = "East coast")]
    name: String,
    /// Global id of the voice provider that the numbers belong to.
    #[schema(example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")]
    tenant_voice_provider_id: String,
    /// Its numbers, in the order of rotation; none when left out.
    #[schema(max_items = 500)]
    phone_numbers: Option<Vec<PoolNumberBody>>,
    /// `LEAST_RECENTLY_USED` (when left out) or `ROUND_ROBIN`; `LOCAL_PRESENCE` is not supported yet.
    #[schema(example = "LEAST_RECENTLY_USED")]
    strategy: Option<String>,
    /// `true` is not supported yet.
    sticky: Option<bool>,
}

impl RequestBody for PoolCreate {}

/// A change of a pool. What is left out stays; a list of numbers replaces the one before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "held against its schema, then read field by field"
)]
pub(crate) struct PoolPatch {
    /// Display name.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 200,
        example = "East coast"
    )]
    name: Option<String>,
    /// Global id of the voice provider that the numbers belong to.
    #[schema(nullable = false, example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")]
    tenant_voice_provider_id: Option<String>,
    /// All of its numbers, in the order of rotation.
    #[schema(nullable = false, max_items = 500)]
    phone_numbers: Option<Vec<PoolNumberBody>>,
    /// `LEAST_RECENTLY_USED` or `ROUND_ROBIN`; `LOCAL_PRESENCE` is not supported yet.
    #[schema(nullable = false, example = "ROUND_ROBIN")]
    strategy: Option<String>,
    /// `true` is not supported yet.
    sticky: Option<bool>,
}

impl RequestBody for PoolPatch {}

/// A number of a pool.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "held against its schema, then read field by field"
)]
pub(crate) struct PoolNumberBody {
    /// Vendor-native id.
    #[schema(min_length = 1, max_length = 200, example = "pn_abc123")]
    phone_number_id: String,
    /// The number itself; taken from the voice provider when left out.
    #[schema(example = "+14155550100")]
    e164: Option<String>,
    /// Most calls at once from it; no limit of its own when left out.
    #[schema(minimum = 1, maximum = 1_000)]
    max_concurrent_calls: Option<i64>,
    /// Not supported yet: leave it out.
    daily_cap: Option<i64>,
    /// Not supported yet: leave it out.
    cooldown_seconds: Option<i64>,
    /// Whether it is used; `true` when left out.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// The strategy, if it is there; `sticky` is refused beside it.
pub(super) fn read_strategy(
    fields: &Map<String, Value>,
    faults: &mut Faults,
) -> Option<PoolStrategy> {
    if fields.get("sticky") == Some(&Value::Bool(true)) {
        faults.add(
            "sticky",
            code::NOT_SUPPORTED,
            "`sticky` is not supported yet; leave it out.",
        );
    }
    let text = fields.get("strategy")?.as_str()?;
    let strategy = PoolStrategy::parse(text);
    if text == "LOCAL_PRESENCE" {
        let message =
            "LOCAL_PRESENCE is not supported yet; use LEAST_RECENTLY_USED or ROUND_ROBIN.";
        faults.add("strategy", code::NOT_SUPPORTED, message);
    } else if strategy.is_none() {
        let message = "`strategy` must be one of LEAST_RECENTLY_USED, ROUND_ROBIN.";
        faults.add("strategy", code::INVALID_CHOICE, message);
    }
    strategy
}

/// The numbers, if they are there.
pub(super) fn read_numbers(
    fields: &Map<String, Value>,
    faults: &mut Faults,
) -> Option<Vec<PoolNumber>> {
    let items = fields.get("phone_numbers")?.as_array()?;
    let mut seen = HashSet::new();
    let mut numbers = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let place = format!("phone_numbers[{index}]");
        let id = item
            .get("phone_number_id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !seen.insert(id) {
            let field = format!("{place}.phone_number_id");
            faults.add(
                field,
                code::DUPLICATE,
                "A pool lists each `phone_number_id` once.",
            );
        }
        for name in ["daily_cap", "cooldown_seconds"] {
            if item.get(name).is_some_and(|value| !value.is_null()) {
                let message = format!("`{name}` is not supported yet; leave it out.");
                faults.add(format!("{place}.{name}"), code::NOT_SUPPORTED, message);
            }
        }
        let e164 = item.get("e164").and_then(Value::as_str);
        let e164 = e164.and_then(|text| faults.take(phone::parse(&format!("{place}.e164"), text)));
        let limit = item.get("max_concurrent_calls").and_then(Value::as_u64);
        numbers.push(PoolNumber {
            phone_number_id: id.to_owned(),
            e164: e164.map(|phone| phone.as_str().to_owned()),
            max_concurrent_calls: limit.and_then(|limit| u32::try_from(limit).ok()),
            enabled: item.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        });
    }
    Some(numbers)
}

/// The voice provider that the body names, if it names one.
pub(super) async fn read_line(
    app: &App,
    tenant_id: TenantId,
    fields: &Map<String, Value>,
    faults: &mut Faults,
) -> ApiResult<Option<LineRecord>> {
    let Some(text) = fields.get(LINE).and_then(Value::as_str) else {
        return Ok(None);
    };
    let Some(line_id) = faults.take(decode_field::<LineId>(LINE, text)) else {
        return Ok(None);
    };
    match app.store.get_line(tenant_id, line_id).await {
        Ok(line) => Ok(Some(line)),
        Err(StoreError::NotFound(_)) => {
            faults.add(
                LINE,
                code::NO_SUCH_OBJECT,
                "There is no voice provider with this id.",
            );
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

//! Bare lists as bodies, whose items are judged one by one.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::body::{BULK_LIMIT, Body, RequestBody};
use crate::code;
use crate::error::ApiResult;
use crate::faults::{Faults, root};

/// Most items of one list.
const MAX_ITEMS: usize = 10_000;
/// Most faults told of one list.
const MAX_TOLD: usize = 100;

/// A bare list of 1 to 10,000 items. It is held against its schema and then read item by item.
#[derive(Deserialize)]
pub(crate) struct Bulk<T>(#[expect(dead_code, reason = "read as JSON, item by item")] Vec<T>);

impl<T: ToSchema> PartialSchema for Bulk<T> {
    fn schema() -> RefOr<Schema> {
        let item = Ref::from_schema_name(T::name());
        let list = ArrayBuilder::new()
            .items(item)
            .min_items(Some(1))
            .max_items(Some(MAX_ITEMS));
        RefOr::T(Schema::Array(list.build()))
    }
}

impl<T: ToSchema> ToSchema for Bulk<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}List", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T: ToSchema + DeserializeOwned + Send + 'static> RequestBody for Bulk<T> {
    const LIMIT: usize = BULK_LIMIT;
}

/// What a fault of one item is called before its own field.
pub(crate) fn place(index: usize) -> String {
    format!("[{index}].")
}

/// Reads every item that fits the schema; one fault anywhere refuses the whole list.
pub(crate) fn read_all<T: RequestBody, R>(
    body: Body<T>,
    mut read: impl FnMut(&mut Map<String, Value>, &str, &mut Faults) -> Option<R>,
) -> ApiResult<Vec<R>> {
    let (value, mut faults) = body.into_value();
    let mut unsound = HashSet::new();
    faults.rewrite(|fault| {
        unsound.extend(index_of(&fault.field));
        Some(fault)
    });
    let mut results = Vec::new();
    for (index, item) in items(value).enumerate() {
        if let Some(mut fields) = item.filter(|_| !unsound.contains(&index)) {
            results.extend(read(&mut fields, &place(index), &mut faults));
        }
    }
    check(faults)?;
    Ok(results)
}

/// An item of a list whose shape is right.
pub(crate) struct Item {
    /// What was sent.
    pub(crate) fields: Map<String, Value>,
    /// Why it is refused: a value that cannot be is the fault of its item only.
    pub(crate) refusal: Option<String>,
}

/// Reads the items of a list, each on its own.
pub(crate) fn read_each<T: RequestBody>(body: Body<T>) -> ApiResult<Vec<Item>> {
    let (value, mut faults) = body.into_value();
    let mut refused = HashMap::new();
    faults.rewrite(|fault| match index_of(&fault.field) {
        Some(index) if is_of_value(fault.code) => {
            refused
                .entry(index)
                .or_insert_with(|| fault.message.replace(&place(index), ""));
            None
        }
        _ => Some(fault),
    });
    check(faults)?;
    let items = items(value).enumerate();
    let item = |(index, fields): (usize, Option<_>)| Item {
        fields: fields.unwrap_or_default(),
        refusal: refused.remove(&index),
    };
    Ok(items.map(item).collect())
}

fn items(list: Value) -> impl Iterator<Item = Option<Map<String, Value>>> {
    let items = match list {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    items.into_iter().map(|item| match item {
        Value::Object(fields) => Some(fields),
        _ => None,
    })
}

fn check(mut faults: Faults) -> ApiResult<()> {
    let mut told = 0;
    faults.rewrite(|fault| {
        told += 1;
        (told <= MAX_TOLD).then_some(fault)
    });
    faults.check()
}

/// The item that a fault is about.
fn index_of(field: &str) -> Option<usize> {
    root(field)
        .strip_prefix('[')?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Whether the fault is of a value and not of the shape of the request.
fn is_of_value(fault: &str) -> bool {
    [
        code::TOO_LONG,
        code::TOO_SHORT,
        code::TOO_MANY,
        code::EMPTY,
        code::OUT_OF_RANGE,
        code::INVALID_FORMAT,
        code::INVALID_CHOICE,
        code::INVALID_CHARACTERS,
    ]
    .contains(&fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_belong_to_the_item_they_name() {
        assert_eq!(index_of("[3].phone_number"), Some(3));
        assert_eq!(index_of("[12]"), Some(12));
        assert_eq!(index_of(""), None);
        assert_eq!(index_of("phone_number"), None);
    }
}

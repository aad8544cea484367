//! The JSON reader, and the fingerprint of what an idempotency key is bound to.

use serde_json::{Map, Value};

/// A body is read as serde_json reads it, or refused for a reason that can be shown.
pub fn json(data: &[u8]) {
    let ours = api::untrusted::read_json(data);
    let theirs = serde_json::from_slice::<Value>(data);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert!(is_same(ours, theirs), "{ours} is not {theirs}"),
        (Ok(ours), Err(error)) => panic!("{ours} was read from no JSON: {error}"),
        (Err(reason), Ok(theirs)) => assert!(
            reason.starts_with("DuplicateKey")
                || depth(theirs) > api::untrusted::MAX_DEPTH
                || reason.contains("a number is too great"),
            "{theirs} was refused: {reason}"
        ),
        (Err(_), Err(_)) => {}
    }
    if let Ok(value) = ours {
        let spelled = api::untrusted::canonical(&value);
        match api::untrusted::read_json(spelled.as_bytes()) {
            Ok(again) => assert_eq!(api::untrusted::canonical(&again), spelled),
            Err(reason) => panic!("{spelled} was refused: {reason}"),
        }
    }
}

/// Whole numbers are integers for us, however they are spelled.
fn is_same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            ours == theirs || ours.as_f64() == theirs.as_f64()
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(key, value)| theirs.get(key).is_some_and(|other| is_same(value, other)))
        }
        (ours, theirs) => ours == theirs,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The fingerprint is the same for every spelling of one request, and another for another one. The
/// input is a query, a line break, and a body.
pub fn fingerprint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (query, body) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(body) = api::untrusted::read_json(body.as_bytes()) else {
        return;
    };
    let print = api::untrusted::fingerprint(query, &body);
    let mut pairs: Vec<_> = query.split('&').collect();
    pairs.reverse();
    let turned = pairs.join("&");
    assert_eq!(
        api::untrusted::fingerprint(&turned, &reversed(&body)),
        print,
        "{query:?} {body}"
    );
    let more = Value::Array(vec![body.clone()]);
    assert_ne!(api::untrusted::fingerprint(query, &more), print);
    assert_ne!(
        api::untrusted::fingerprint(&format!("{query}&another=1"), &body),
        print
    );
    // A part of the query never passes for a part of the body, nor a name for a value.
    assert_ne!(
        api::untrusted::fingerprint(&format!("x={query}"), &body),
        print
    );
}

/// The same value with the keys of its objects the other way round.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().rev();
            Value::Object(
                entries
                    .map(|(key, value)| (key.clone(), reversed(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(reversed).collect()),
        other => other.clone(),
    }
}

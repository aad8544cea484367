//! Whether an answer tells anything of another tenant.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is unmistakably one tenant's.
#[derive(Debug, Default, Clone)]
pub(super) struct Canaries {
    /// Looked for anywhere in the bytes: the tenant's word, its area, its secrets.
    pub(super) anywhere: Vec<String>,
    /// Whole strings: global ids.
    pub(super) ids: BTreeSet<String>,
}

impl Canaries {
    /// The first canary in `answer` that the asker did not send itself.
    pub(super) fn found_in(&self, answer: &[u8], asked: &str) -> Option<String> {
        let text = String::from_utf8_lossy(answer).to_lowercase();
        let asked = asked.to_lowercase();
        let sung = |canary: &&String| {
            let canary = canary.to_lowercase();
            text.contains(&canary) && !asked.contains(&canary)
        };
        if let Some(canary) = self.anywhere.iter().find(sung) {
            return Some(canary.clone());
        }
        if let Ok(json) = serde_json::from_slice::<Value>(answer) {
            return self.id_in(&json, &asked);
        }
        let cells = text.split([',', '\n', '\r', '"']);
        let ids: BTreeSet<_> = self.ids.iter().map(|id| id.to_lowercase()).collect();
        cells
            .map(str::to_owned)
            .find(|cell| ids.contains(cell) && !asked.contains(cell))
    }

    fn id_in(&self, value: &Value, asked: &str) -> Option<String> {
        match value {
            Value::String(text) => (self.ids.contains(text)
                && !asked.contains(&text.to_lowercase()))
            .then(|| text.clone()),
            Value::Array(items) => items.iter().find_map(|item| self.id_in(item, asked)),
            Value::Object(map) => map.values().find_map(|item| self.id_in(item, asked)),
            _ => None,
        }
    }
}

/// Every global id in an answer.
pub(super) fn ids_in(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if kind_of(text).is_some() => {
            ids.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| ids_in(item, ids)),
        Value::Object(map) => map.values().for_each(|item| ids_in(item, ids)),
        _ => {}
    }
}

/// The type and number in a global id.
pub(super) fn kind_of(text: &str) -> Option<(String, i64)> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    let plain = String::from_utf8(bytes).ok()?;
    let (kind, number) = plain.split_once(':')?;
    Some((kind.to_owned(), number.parse().ok()?))
}

#[test]
fn a_canary_is_found_unless_the_asker_sent_it() {
    let canaries = Canaries {
        anywhere: vec!["Alpha".to_owned()],
        ids: BTreeSet::from([crate::support::global("VoiceCall", 7)]),
    };
    assert!(
        canaries
            .found_in(br#"{"a":["x alphabet"]}"#, "GET /")
            .is_some()
    );
    assert!(
        canaries
            .found_in(br#"{"a":["x alpha"]}"#, "GET /?q=ALPHA")
            .is_none()
    );
    let id = crate::support::global("VoiceCall", 7);
    let json = format!(r#"{{"a":"{id}"}}"#);
    assert_eq!(canaries.found_in(json.as_bytes(), ""), Some(id.clone()));
    assert_eq!(canaries.found_in(json.as_bytes(), &id), None);
    assert!(
        canaries
            .found_in(format!("call_id\n{id},1\n").as_bytes(), "")
            .is_some()
    );
}

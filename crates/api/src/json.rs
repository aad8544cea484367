//! A JSON reader that is stricter than serde_json: UTF-8 only, no key twice at any depth, at most
//! [`MAX_DEPTH`] levels. Numbers without a fraction become integers, however they are spelled.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::ApiError;

/// Deepest nesting of a body.
pub(crate) const MAX_DEPTH: usize = 64;

/// Greatest float below which every integer is exact.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// Reads a whole body.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ApiError::MalformedJson("The body must be UTF-8.".to_owned()))?;
    if text.trim().is_empty() {
        return Err(ApiError::MalformedJson(
            "The body is empty; send a JSON document.".to_owned(),
        ));
    }
    let duplicate = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Strict {
        place: &Place::ROOT,
        duplicate: &duplicate,
    };
    let value = seed
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| match duplicate.take() {
        Some(key) => ApiError::DuplicateKey(key),
        None => ApiError::MalformedJson(format!("The body is not valid JSON: {error}.")),
    })
}

/// The same value in one spelling: keys sorted, nothing superfluous.
pub(crate) fn canonical(value: &Value) -> String {
    sorted(value).to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            entries
                .into_iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Where the reader is. Linked on the stack, so that a path is only written when it is needed.
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
    depth: usize,
}

enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    const ROOT: Self = Self {
        above: None,
        step: Step::Root,
        depth: 0,
    };

    const fn below(&'a self, step: Step<'a>) -> Self {
        Self {
            above: Some(self),
            step,
            depth: self.depth + 1,
        }
    }

    fn path(&self) -> String {
        let above = self.above.map(Place::path).unwrap_or_default();
        match self.step {
            Step::Root => above,
            Step::Key(key) if above.is_empty() => key.to_owned(),
            Step::Key(key) => format!("{above}.{key}"),
            Step::Index(index) => format!("{above}[{index}]"),
        }
    }
}

struct Strict<'a> {
    place: &'a Place<'a>,
    duplicate: &'a RefCell<Option<String>>,
}

impl Strict<'_> {
    fn check_depth<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.place.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!(
                "it is nested deeper than {MAX_DEPTH} levels"
            )));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "only whole numbers that are exact as floats"
    )]
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if value.fract() == 0.0 && value.abs() < EXACT_INTEGERS {
            return Ok(Value::from(value as i64));
        }
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is too great"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut items = Vec::new();
        loop {
            let place = self.place.below(Step::Index(items.len()));
            match access.next_element_seed(Strict {
                place: &place,
                duplicate: self.duplicate,
            })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let place = self.place.below(Step::Key(&key));
            if map.contains_key(&key) {
                self.duplicate.replace(Some(place.path()));
                return Err(A::Error::custom("a key is named twice"));
            }
            let value = access.next_value_seed(Strict {
                place: &place,
                duplicate: self.duplicate,
            })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed(text: &[u8]) -> bool {
        matches!(read(text), Err(ApiError::MalformedJson(_)))
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "  ",
            "{",
            "[1,]",
            "{} {}",
            "nul",
            "\u{feff}{}",
            r#""\ud800""#,
            "1e999",
        ] {
            assert!(malformed(text.as_bytes()), "{text}");
        }
        assert!(malformed(b"\"\xff\""));
    }

    #[test]
    fn a_key_named_twice_is_refused_wherever_it_is() {
        for (text, place) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":{"b":[0,{"c":1,"c":2}]}}"#, "a.b[1].c"),
            (r#"[{"x":1},{"x":1,"\u0078":2}]"#, "[1].x"),
        ] {
            match read(text.as_bytes()) {
                Err(ApiError::DuplicateKey(key)) => assert_eq!(key, place),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(read(br#"[{"x":1},{"x":2}]"#).is_ok());
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(malformed(nested(MAX_DEPTH + 1).as_bytes()));
        assert!(malformed(nested(100_000).as_bytes()));
    }

    #[test]
    fn whole_numbers_are_integers_however_they_are_spelled() {
        assert_eq!(read(b"5.0").unwrap(), Value::from(5));
        assert_eq!(read(b"1e3").unwrap(), Value::from(1000));
        assert_eq!(read(b"5.5").unwrap(), Value::from(5.5));
    }

    #[test]
    fn the_canonical_form_ignores_order_and_space() {
        let one = read(br#"{"b":[{"y":1,"x":2}],"a":null}"#).unwrap();
        let two = read(br#" { "a" : null, "b":[ {"x":2,"y":1.0} ] }"#).unwrap();
        assert_eq!(canonical(&one), canonical(&two));
        assert_eq!(canonical(&one), r#"{"a":null,"b":[{"x":2,"y":1}]}"#);
    }

    proptest::proptest! {
        #[test]
        fn whatever_serde_json_writes_is_read_back(text in ".*", number in proptest::num::i64::ANY) {
            let value = serde_json::json!({ "text": text, "list": [number, null, true] });
            proptest::prop_assert_eq!(read(value.to_string().as_bytes()).unwrap(), value);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(0_u8.., 0..64)) {
            let _ = read(&bytes);
        }
    }
}

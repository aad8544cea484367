//! Reading JSON so that a detail of the wrong type, too large or with broken escapes loses only
//! itself: a terminal event must never be lost over an odd summary.
//!
//! Each field is first taken as raw text (which only checks that it is JSON) and then read by
//! itself. Objects must be objects: serde would also take an array for a struct, and
//! `["id", …]` must not pass for a call.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// Longest text that can be an instant; a guard against parsing nonsense.
const MAX_INSTANT_BYTES: usize = 64;
/// 2015-01-01 and 2100-01-01: instants outside are nobody's call.
const SANE_SECONDS: std::ops::Range<i64> = 1_420_070_400..4_102_444_800;

/// Reads an object; `None` for anything else and for broken JSON.
pub(super) fn object<T: DeserializeOwned>(text: &str) -> Option<T> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// Reads an array whose elements are read later, one by one.
pub(super) fn array(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

/// Field that is an object, or `None`.
pub(super) fn part<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    <&RawValue>::deserialize(deserializer).map(|raw| object(raw.get()))
}

/// Field that is a number, a truth value or the like, or `None`.
pub(super) fn plain<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    <&RawValue>::deserialize(deserializer).map(|raw| serde_json::from_str(raw.get()).ok())
}

/// Field that is a text, or `None`.
pub(super) fn text<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(|raw| read_text(raw.get()))
}

/// Field that is a text or a list of texts; everything else in it is left out.
pub(super) fn text_or_texts<'de, D>(deserializer: D) -> Result<Vec<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    Ok(match array(raw) {
        Some(items) => items
            .iter()
            .filter_map(|item| read_text(item.get()))
            .collect(),
        None => read_text(raw).into_iter().collect(),
    })
}

/// Field that is an instant, as ISO 8601 text or as milliseconds, or `None`.
pub(super) fn instant<'de, D>(deserializer: D) -> Result<Option<Timestamp>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(|raw| read_instant(raw.get()))
}

/// Field kept as it stands, for a later decision about its size.
pub(super) fn untouched<'de, D>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error>
where
    D: Deserializer<'de>,
{
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

fn read_text(raw: &str) -> Option<String> {
    serde_json::from_str::<LossyText>(raw)
        .ok()
        .map(|text| text.0)
}

fn read_instant(raw: &str) -> Option<Timestamp> {
    if raw.len() > MAX_INSTANT_BYTES {
        return None;
    }
    let instant = if raw.starts_with('"') {
        read_text(raw)?.parse().ok()?
    } else {
        let milliseconds: f64 = serde_json::from_str(raw).ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it saturates; checked below"
        )]
        Timestamp::from_millisecond(milliseconds as i64).ok()?
    };
    SANE_SECONDS
        .contains(&instant.as_second())
        .then_some(instant)
}

/// A text that may hold half a surrogate pair, as JavaScript writes when it cuts an emoji in two.
/// serde_json refuses those in a `String` but hands them out as bytes. U+0000 is left out: PostgreSQL
/// stores no text with one, and a report must not be lost for it.
struct LossyText(String);

impl<'de> Deserialize<'de> for LossyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = LossyText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<LossyText, E> {
                Ok(LossyText(text.replace('\0', "")))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<LossyText, E> {
                self.visit_str(&String::from_utf8_lossy(bytes))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

//! Texts of the vendor, for people and for classification, and safe cuts of them.

use serde::Deserialize;

use super::lenient;
use crate::model::ProviderAnswer;

/// Most characters of the vendor's words that are kept (`Refused.message`).
const MAX_MESSAGE_CHARS: usize = 500;
/// Most bytes of an error body that are looked at; the documented ones have a few hundred.
const MAX_ERROR_BODY_BYTES: usize = 16 * 1024;

/// The first `limit` characters.
pub(super) fn cut_chars(text: &str, limit: usize) -> &str {
    text.char_indices()
        .nth(limit)
        .map_or(text, |(end, _)| &text[..end])
}

/// At most `limit` bytes, cut before a character that does not fit.
pub(super) fn cut_bytes(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// NestJS's error form: `{"message": string | string[], "error": "Bad Request", "statusCode": 400}`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorBody {
    #[serde(deserialize_with = "lenient::text_or_texts")]
    message: Vec<String>,
    #[serde(deserialize_with = "lenient::text")]
    error: Option<String>,
}

/// What the vendor said about a request it did not serve.
pub(super) struct Words {
    /// Each sentence by itself, in lower case, for classification.
    pub(super) sentences: Vec<String>,
    /// The name of the error beside the sentences, in lower case; usually "bad request".
    error: String,
    /// The words for people, at most 500 characters and without control characters.
    pub(super) shown: String,
}

impl Words {
    /// Reads the words of an answer; a body in no known form counts as one sentence.
    pub(super) fn of(answer: &ProviderAnswer) -> Self {
        let head = &answer.body[..answer.body.len().min(MAX_ERROR_BODY_BYTES)];
        let text = String::from_utf8_lossy(head);
        let body: ErrorBody = lenient::object(&text).unwrap_or_default();
        let error = body.error.unwrap_or_default();
        let mut said = body.message;
        if said.is_empty() {
            said.push(if error.is_empty() {
                text.into_owned()
            } else {
                error.clone()
            });
        }
        Self {
            sentences: said
                .iter()
                .map(|sentence| sentence.to_lowercase())
                .collect(),
            error: error.to_lowercase(),
            shown: for_people(&said.join("; ")),
        }
    }

    /// Whether any sentence, or the error's name, holds any of these texts.
    pub(super) fn say(&self, any_of: &[&str]) -> bool {
        let mut all = self.sentences.iter().chain([&self.error]);
        all.any(|sentence| any_of.iter().any(|text| sentence.contains(text)))
    }
}

/// `HTTP 503: words`, for messages about an answer that proves nothing.
pub(super) fn describe(answer: &ProviderAnswer) -> String {
    let shown = Words::of(answer).shown;
    let whole = if shown.is_empty() {
        format!("HTTP {}", answer.status)
    } else {
        format!("HTTP {}: {shown}", answer.status)
    };
    cut_chars(&whole, MAX_MESSAGE_CHARS).to_owned()
}

fn for_people(text: &str) -> String {
    cut_chars(text.trim(), MAX_MESSAGE_CHARS)
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one })
        .collect()
}

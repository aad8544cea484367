//! `If-Match`: change an object only as it was read.
//!
//! The header is read here and judged by the store, inside the transaction of the change.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::IF_MATCH;
use http::request::Parts;
use store::Precondition;

use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// What the caller says of the object's revision. `*` is any: an object that is not there is 404
/// before it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) Precondition);

/// Documentation of the header.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by `IfMatch`; this is its documentation")]
pub(crate) struct IfMatchParam {
    /// Do it only at this revision: an `ETag` as it was answered, several of them, or `*`.
    #[param(rename = "If-Match", example = "\"7\"")]
    if_match: Option<String>,
}

impl FromRequestParts<App> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> ApiResult<Self> {
        read(&parts.headers).map(Self)
    }
}

fn read(headers: &HeaderMap) -> ApiResult<Precondition> {
    let lines: Vec<_> = headers
        .get_all(IF_MATCH)
        .iter()
        // A tag may hold bytes beyond ASCII; none of ours does.
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    if lines.is_empty() {
        return Ok(Precondition::None);
    }
    // Several lines are one list.
    let list = lines.join(",");
    if is_blank(list.trim_matches(BLANKS)) {
        return Err(unreadable());
    }
    if list.trim_matches(BLANKS) == "*" {
        return Ok(Precondition::None);
    }
    let mut revisions = Vec::new();
    let mut rest = list.as_str();
    loop {
        // Empty elements count for nothing.
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Ok(Precondition::OneOf(revisions));
        }
        let (tag, after) = next_tag(rest).ok_or_else(unreadable)?;
        revisions.extend(tag.revision());
        rest = after;
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c == ',' || BLANKS.contains(&c))
}

/// A tag between its quotes.
#[derive(Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    text: &'a str,
}

impl Tag<'_> {
    /// The revision it names, in the only spelling that we write. `If-Match` compares strongly, so
    /// a weak tag names none.
    fn revision(&self) -> Option<i64> {
        let revision = self.text.parse::<i64>().ok().filter(|_| !self.weak)?;
        (revision.to_string() == self.text).then_some(revision)
    }
}

/// The first tag of a list and what comes after it.
fn next_tag(list: &str) -> Option<(Tag<'_>, &str)> {
    let (weak, quoted) = match list.strip_prefix("W/") {
        Some(rest) => (true, rest),
        None => (false, list),
    };
    let (text, after) = quoted.strip_prefix('"')?.split_once('"')?;
    let sound = text.chars().all(|c| c > ' ' && c != '\u{7f}');
    let after = after.trim_start_matches(BLANKS);
    (sound && (after.is_empty() || after.starts_with(','))).then_some((Tag { weak, text }, after))
}

fn unreadable() -> ApiError {
    let message = "`If-Match` must be an `ETag` as it was answered, like `\"7\"`, a list of them, or `*` alone.";
    ApiError::InvalidHeader("If-Match", message.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(lines: &[&str]) -> Option<Precondition> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        read(&headers).ok()
    }

    fn one_of(revisions: &[i64]) -> Precondition {
        Precondition::OneOf(revisions.to_vec())
    }

    #[test]
    fn lists_are_read_as_http_says() {
        assert_eq!(of(&[]), Some(Precondition::None));
        for any in ["*", " *\t"] {
            assert_eq!(of(&[any]), Some(Precondition::None), "{any}");
        }
        assert_eq!(of(&["\"7\""]), Some(one_of(&[7])));
        assert_eq!(of(&["\"7\",\"8\" ,\t\"9\""]), Some(one_of(&[7, 8, 9])));
        assert_eq!(of(&[", ,\"7\",,"]), Some(one_of(&[7])));
        assert_eq!(of(&["\"7\"", "\"8\""]), Some(one_of(&[7, 8])));
    }

    #[test]
    fn a_tag_that_is_none_of_ours_matches_nothing() {
        for tag in [
            "W/\"7\"", "\"\"", "\"07\"", "\"+7\"", "\"a,b\"", "\"ä\"", "\"9e9\"",
        ] {
            assert_eq!(of(&[tag]), Some(one_of(&[])), "{tag}");
        }
        assert_eq!(of(&["W/\"7\", \"8\", \"x,\""]), Some(one_of(&[8])));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        let bad = [
            "",
            " ",
            ",",
            "7",
            "\"7",
            "7\"",
            "\"7\" \"8\"",
            "w/\"7\"",
            "W/ \"7\"",
            "*, \"7\"",
            "\"7\", *",
            "*,*",
            "\"7 8\"",
            "\"7\"x",
        ];
        for text in bad {
            assert_eq!(of(&[text]), None, "{text}");
        }
        assert_eq!(of(&["*", "\"7\""]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[ -~]{0,40}") {
            let _ = of(&[&text]);
        }
    }
}

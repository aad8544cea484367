//! `If-Match`: change an object only as it was read.

use axum::extract::FromRequestParts;
use http::header::IF_MATCH;
use http::request::Parts;

use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// What the caller says of the object's revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Nothing, or `*`: any revision will do.
    Any,
    /// One of these. A tag that no revision can have is kept out; the list may be empty.
    Revisions(Vec<i64>),
}

impl IfMatch {
    /// Checks against the revision that was read.
    pub(crate) fn check(&self, current: i64) -> ApiResult<()> {
        match self {
            Self::Any => Ok(()),
            Self::Revisions(revisions) if revisions.contains(&current) => Ok(()),
            Self::Revisions(_) => Err(ApiError::Stale { current }),
        }
    }

    /// Whether the caller named a revision, so that a change by others must not be merged over.
    pub(crate) const fn is_strict(&self) -> bool {
        matches!(self, Self::Revisions(_))
    }
}

impl FromRequestParts<App> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> ApiResult<Self> {
        let mut revisions = Vec::new();
        let mut given = false;
        for value in parts.headers.get_all(IF_MATCH) {
            given = true;
            let value = value.to_str().map_err(|_| unreadable())?;
            for tag in value.split(',').map(str::trim) {
                match read_tag(tag)? {
                    Tag::Any => return Ok(Self::Any),
                    Tag::Strong(text) => revisions.extend(text.parse::<i64>()),
                    // A weak tag never matches here.
                    Tag::Weak => {}
                }
            }
        }
        Ok(if given {
            Self::Revisions(revisions)
        } else {
            Self::Any
        })
    }
}

enum Tag<'a> {
    Any,
    Strong(&'a str),
    Weak,
}

fn read_tag(tag: &str) -> ApiResult<Tag<'_>> {
    if tag == "*" {
        return Ok(Tag::Any);
    }
    if tag.starts_with("W/\"") && tag.ends_with('"') {
        return Ok(Tag::Weak);
    }
    let text = tag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    text.map(Tag::Strong).ok_or_else(unreadable)
}

fn unreadable() -> ApiError {
    let message = "`If-Match` must be an `ETag` as it was answered, like `\"7\"`, or `*`.";
    ApiError::InvalidHeader("If-Match", message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_http_says() {
        assert!(matches!(read_tag("*"), Ok(Tag::Any)));
        assert!(matches!(read_tag("\"7\""), Ok(Tag::Strong("7"))));
        assert!(matches!(read_tag("W/\"7\""), Ok(Tag::Weak)));
        assert!(read_tag("7").is_err());
        assert!(read_tag("").is_err());
    }

    #[test]
    fn only_the_named_revision_matches() {
        assert!(IfMatch::Any.check(3).is_ok());
        assert!(IfMatch::Revisions(vec![2, 3]).check(3).is_ok());
        assert!(matches!(
            IfMatch::Revisions(vec![2]).check(3),
            Err(ApiError::Stale { current: 3 })
        ));
        assert!(IfMatch::Revisions(vec![]).check(3).is_err());
    }
}

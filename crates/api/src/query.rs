//! Query parameters, read one by one; what nobody asked for is a fault.

use axum::extract::FromRequestParts;
use domain::fault::Fault;
use http::request::Parts;
use store::PageRequest;

use crate::code;
use crate::cursor::{self, ListKind};
use crate::error::{ApiError, ApiResult};
use crate::faults::{Faults, suggestion};
use crate::instant;
use crate::state::App;

/// Objects on a page when the caller names no number, and at most.
const PAGE_LIMITS: (u32, u32) = (50, 200);

/// Most unknown parameters told.
const MAX_UNKNOWN: usize = 50;

/// Reads the query of one request. Ask for each parameter, then [`Query::finish`].
#[derive(Debug, Default)]
pub(crate) struct Query {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Faults,
}

impl Query {
    fn parse(text: &str) -> Self {
        let given = url::form_urlencoded::parse(text.as_bytes())
            .into_owned()
            .collect();
        Self {
            given,
            ..Self::default()
        }
    }

    /// The text of a parameter, if it is there.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut values = self
            .given
            .iter()
            .filter(|(given, _)| given == name)
            .map(|(_, value)| value);
        let value = values.next().cloned();
        if values.next().is_some() {
            self.faults.add(
                name,
                code::DUPLICATE_PARAMETER,
                format!("Give `{name}` once."),
            );
        }
        // It would end a text early for the database: a filter would then find everything.
        if value.as_ref().is_some_and(|value| value.contains('\0')) {
            self.faults.add(
                name,
                code::INVALID_CHARACTERS,
                format!("`{name}` must not hold the character U+0000."),
            );
            return None;
        }
        value
    }

    /// A parameter read by `read`, which words its own fault.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let text = self.text(name)?;
        self.faults.take(read(&text))
    }

    /// One of a closed set of words.
    pub(crate) fn choice<T: Copy + std::fmt::Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        all: &[T],
    ) -> Option<T> {
        self.read(name, |text| {
            parse(text).ok_or_else(|| {
                let all: Vec<_> = all.iter().map(ToString::to_string).collect();
                let message = format!("`{name}` must be one of {}.", all.join(", "));
                Fault::new(name, code::INVALID_CHOICE, message)
            })
        })
    }

    /// A switch; `false` when absent.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        let value = self.read(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Fault::new(
                name,
                code::INVALID_CHOICE,
                format!("`{name}` must be true or false."),
            )),
        });
        value.unwrap_or(false)
    }

    /// An instant in RFC 3339; the last there is for one beyond.
    pub(crate) fn instant(&mut self, name: &'static str) -> Option<jiff::Timestamp> {
        self.read(name, |text| instant::of_filter(name, text))
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&mut self, kind: ListKind) -> PageRequest {
        let (usual, most) = PAGE_LIMITS;
        let limit = self.read("limit", |text| {
            let limit = text
                .parse::<u32>()
                .ok()
                .filter(|limit| (1..=most).contains(limit));
            limit.ok_or_else(|| {
                Fault::new(
                    "limit",
                    code::OUT_OF_RANGE,
                    format!("`limit` must be between 1 and {most}."),
                )
            })
        });
        let before = self.read("cursor", |text| cursor::decode(kind, text));
        PageRequest {
            limit: limit.unwrap_or(usual),
            before,
        }
    }

    /// Every fault found, and every parameter that was not asked for.
    pub(crate) fn finish(mut self) -> ApiResult<()> {
        let mut unknown: Vec<&str> = Vec::new();
        for (name, _) in &self.given {
            if self.known.contains(&name.as_str()) || unknown.contains(&name.as_str()) {
                continue;
            }
            if unknown.len() == MAX_UNKNOWN {
                break;
            }
            unknown.push(name);
            let short: String = name.chars().take(100).collect();
            let hint = suggestion(name, self.known.iter().copied());
            let message = format!("There is no parameter `{short}` here{hint}");
            self.faults.add(short, code::UNKNOWN_PARAMETER, message);
        }
        self.faults.check()
    }
}

impl FromRequestParts<App> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> ApiResult<Self> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// For operations without query parameters: any is a fault.
pub(crate) struct NoQuery;

impl FromRequestParts<App> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        Query::from_request_parts(parts, app).await?.finish()?;
        Ok(Self)
    }
}

/// Documentation of `limit` and `cursor`.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by `Query::page`; this is its documentation")]
pub(crate) struct PageParams {
    /// Most objects on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(error: ApiError) -> Vec<(String, &'static str)> {
        match error {
            ApiError::Validation(faults) => faults
                .into_iter()
                .map(|fault| (fault.field, fault.code))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parameters_nobody_asked_for_and_bad_ones_are_told_together() {
        let mut query = Query::parse("limit=0&cursor=x&limti=5&flag=maybe&flag=true");
        query.page(ListKind::Tokens);
        query.flag("flag");
        assert_eq!(
            codes(query.finish().unwrap_err()),
            [
                ("limit".to_owned(), "out_of_range"),
                ("cursor".to_owned(), "invalid_cursor"),
                ("flag".to_owned(), "duplicate_parameter"),
                ("flag".to_owned(), "invalid_choice"),
                ("limti".to_owned(), "unknown_parameter"),
            ]
        );
    }

    #[test]
    fn a_page_has_fifty_objects_unless_asked() {
        let mut query = Query::parse("");
        assert_eq!(
            query.page(ListKind::Tokens),
            PageRequest {
                limit: 50,
                before: None
            }
        );
        let cursor = cursor::encode(ListKind::Tokens, 7);
        let mut query = Query::parse(&format!("limit=200&cursor={cursor}"));
        assert_eq!(
            query.page(ListKind::Tokens),
            PageRequest {
                limit: 200,
                before: Some(7)
            }
        );
        assert!(query.finish().is_ok());
    }
}

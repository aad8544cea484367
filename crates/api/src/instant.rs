//! Instants that users write, in RFC 3339.
//!
//! In bodies they lie in the years that a date may name. In a filter any instant
//! is sound: "since ever" and "for ever" are written as the first and last ones of somebody's language.

use std::ops::RangeInclusive;

use domain::fault::Fault;
use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

use crate::code;

/// The years that an instant of a body may be written in, as the document has them too.
const YEARS: RangeInclusive<i16> = 1970..=9000;

/// The instant in `field` of a body.
pub(crate) fn of_body(field: &str, text: &str) -> Result<Timestamp, Fault> {
    let year = year_of(text).ok_or_else(|| wrong_form(field))?;
    if !YEARS.contains(&year) {
        let (first, last) = (YEARS.start(), YEARS.end());
        let message = format!(
            "`{field}` must be between {first}-01-01T00:00:00Z and {last}-12-31T23:59:59Z."
        );
        return Err(Fault::new(field, code::OUT_OF_RANGE, message));
    }
    text.parse().map_err(|_| wrong_form(field))
}

/// The instant in the filter `field`; the last there is for one beyond.
pub(crate) fn of_filter(field: &str, text: &str) -> Result<Timestamp, Fault> {
    match (text.parse(), year_of(text)) {
        (Ok(at), _) => Ok(at),
        // The years of four digits begin long after the first instant that can be kept, and end some
        // hours after the last.
        (Err(_), Some(_)) => Ok(Timestamp::MAX),
        (Err(_), None) => Err(wrong_form(field)),
    }
}

/// The year of what is written as an instant.
fn year_of(text: &str) -> Option<i16> {
    let pieces = Pieces::parse(text).ok()?;
    (pieces.time().is_some() && pieces.offset().is_some()).then(|| pieces.date().year())
}

fn wrong_form(field: &str) -> Fault {
    let message = format!("`{field}` must be an instant like `2026-01-31T09:00:00Z`.");
    Fault::new(field, code::INVALID_FORMAT, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> Option<&'static str> {
        of_body("not_before", text).err().map(|fault| fault.code)
    }

    #[test]
    fn a_well_written_instant_beyond_the_bounds_is_out_of_range_and_no_wrong_form() {
        for good in [
            "1970-01-01T00:00:00Z",
            "9000-12-31T23:59:59Z",
            "2026-01-31T09:00:00+05:30",
        ] {
            assert_eq!(code_of(good), None, "{good}");
        }
        for far in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T00:00:00-05:00",
            "9001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(code_of(far), Some("out_of_range"), "{far}");
        }
        for bad in [
            "",
            "9999-12-31",
            "2026-13-01T00:00:00Z",
            "9999-12-31T00:00:00",
            "soon",
        ] {
            assert_eq!(code_of(bad), Some("invalid_format"), "{bad}");
        }
    }

    #[test]
    fn a_filter_takes_the_first_and_the_last_instant_of_any_language() {
        assert_eq!(
            of_filter("to", "9999-12-31T23:59:59.9999999Z"),
            Ok(Timestamp::MAX)
        );
        assert!(of_filter("from", "0001-01-01T00:00:00Z").is_ok());
        assert!(of_filter("from", "yesterday").is_err());
    }
}

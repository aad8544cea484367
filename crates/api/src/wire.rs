//! Small pieces of views.

use jiff::Timestamp;

/// An instant as the contract writes it: RFC 3339 in UTC, microseconds at most.
pub(crate) fn instant(at: Timestamp) -> String {
    let whole = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_a_z_and_no_nanoseconds() {
        let at: Timestamp = "2026-01-31T09:00:00.123456789+02:00".parse().unwrap();
        assert_eq!(instant(at), "2026-01-31T07:00:00.123456Z");
        assert_eq!(
            instant("2026-01-31T09:00:00Z".parse().unwrap()),
            "2026-01-31T09:00:00Z"
        );
    }
}

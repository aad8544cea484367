//! Every stable code of an error or a fault. Each has a section in `docs/error-codes.md`.

macro_rules! codes {
    ($($name:ident = $text:literal;)+) => {
        $(pub(crate) const $name: &str = $text;)+

        /// All of them.
        #[cfg(test)]
        pub(crate) const ALL: &[&str] = &[$($text),+];
    };
}

codes! {
    // Of a whole answer.
    MALFORMED_JSON = "malformed_json";
    DUPLICATE_KEY = "duplicate_key";
    INVALID_HEADER = "invalid_header";
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key";
    UNAUTHENTICATED = "unauthenticated";
    WRONG_TENANT = "wrong_tenant";
    CALLBACK_UNAUTHENTIC = "callback_unauthentic";
    INSUFFICIENT_SCOPE = "insufficient_scope";
    NO_SUCH_ROUTE = "no_such_route";
    NOT_FOUND = "not_found";
    METHOD_NOT_ALLOWED = "method_not_allowed";
    ILLEGAL_TRANSITION = "illegal_transition";
    SETTINGS_FROZEN = "settings_frozen";
    NOT_DELETABLE = "not_deletable";
    TAKES_NO_LEADS = "takes_no_leads";
    IN_USE = "in_use";
    ALREADY_EXISTS = "already_exists";
    CALL_OVER = "call_over";
    CANNOT_HANG_UP = "cannot_hang_up";
    TAKES_NO_TEST_CALL = "takes_no_test_call";
    AT_CAPACITY = "at_capacity";
    ON_HOLD = "on_hold";
    OPTED_OUT = "opted_out";
    TOO_LARGE = "too_large";
    TOO_MUCH_CONTENTION = "too_much_contention";
    STALE_REVISION = "stale_revision";
    BODY_TOO_LARGE = "body_too_large";
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type";
    VALIDATION_FAILED = "validation_failed";
    WRONG_ID_TYPE = "wrong_id_type";
    IDEMPOTENCY_RUNNING = "idempotency_running";
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch";
    RATE_LIMITED = "rate_limited";
    INTERNAL = "internal";
    PROVIDER_REFUSED = "provider_refused";
    PROVIDER_UNREACHABLE = "provider_unreachable";
    UNAVAILABLE = "unavailable";
    COMMIT_UNKNOWN = "commit_unknown";
    REQUEST_TIMEOUT = "request_timeout";

    // Of one fault in the input.
    UNKNOWN_FIELD = "unknown_field";
    UNKNOWN_PARAMETER = "unknown_parameter";
    DUPLICATE_PARAMETER = "duplicate_parameter";
    INVALID_TYPE = "invalid_type";
    NOT_NULLABLE = "not_nullable";
    REQUIRED = "required";
    OUT_OF_RANGE = "out_of_range";
    INVALID_CHOICE = "invalid_choice";
    INVALID_FORMAT = "invalid_format";
    INVALID_CHARACTERS = "invalid_characters";
    INVALID_VALUE = "invalid_value";
    TOO_LONG = "too_long";
    TOO_SHORT = "too_short";
    TOO_MANY = "too_many";
    EMPTY = "empty";
    DUPLICATE = "duplicate";
    INVALID_ID = "invalid_id";
    INVALID_CURSOR = "invalid_cursor";
    INVALID_URL = "invalid_url";
    PRIVATE_ADDRESS = "private_address";
    IMMUTABLE = "immutable";
    NO_SUCH_OBJECT = "no_such_object";
    IN_THE_PAST = "in_the_past";
    UNKNOWN_AT_PROVIDER = "unknown_at_provider";
    WRONG_PROVIDER = "wrong_provider";
    NO_NUMBER = "no_number";
    NEVER_OPENS = "never_opens";
    CREDENTIALS_REFUSED = "credentials_refused";
    CONTRADICTION = "contradiction";
    NOT_ON_ALLOW_LIST = "not_on_allow_list";
    NOT_SUPPORTED = "not_supported";
}

/// Codes of faults that the rules of campaigns find by themselves.
#[cfg(test)]
pub(crate) const OF_SETTINGS: &[&str] = &[
    "unknown_timezone",
    "ambiguous_timezone",
    "invalid_length",
    "before_start_date",
    "invalid_date",
    "not_after_start",
    "empty_window",
    "invalid_time",
    "not_growing",
];

#[cfg(test)]
mod tests {
    use super::*;
    use domain::settings::SettingsDraft;

    const PAGE: &str = include_str!("../../../docs/error-codes.md");
    const RULES: &str = concat!(
        include_str!("../../domain/src/settings/parse.rs"),
        include_str!("../../domain/src/settings/values.rs")
    );

    fn sections() -> Vec<&'static str> {
        PAGE.lines()
            .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
            .collect()
    }

    #[test]
    fn every_code_has_a_section_and_every_section_a_code() {
        let sections = sections();
        for code in ALL.iter().chain(OF_SETTINGS) {
            assert!(
                sections.contains(code),
                "{code} has no section in docs/error-codes.md"
            );
        }
        for section in sections {
            assert!(
                ALL.contains(&section) || OF_SETTINGS.contains(&section),
                "{section} is no code"
            );
        }
    }

    #[test]
    fn the_codes_of_the_rules_of_campaigns_are_known() {
        let word = |text: &&str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        for call in RULES.split("fault(").skip(1) {
            let call = call.split(");").next().unwrap_or_default();
            let literals = call.split('"').skip(1).step_by(2).filter(word);
            for literal in literals
                .filter(|text| !SettingsDraft::FIELDS.contains(text) && !text.ends_with("_time"))
            {
                assert!(
                    ALL.contains(&literal) || OF_SETTINGS.contains(&literal),
                    "{literal} is not listed"
                );
            }
        }
    }
}

//! Phone numbers in E.164, and how they may be shown where a whole number must not be.

use std::fmt;

/// A number in E.164: `+`, a country code that does not start with zero, 7 to 15 digits in all.
///
/// The check is of form only: whether a number is assigned is the network's answer
/// (`INVALID_NUMBER`), and test numbers must stay dialable against simulated providers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(Box<str>);

impl PhoneNumber {
    /// Parses exactly the E.164 form, with no separators (ITU-T E.164: at most 15 digits).
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let well_formed = (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        well_formed.then(|| Self(text.into()))
    }

    /// The number with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Redacted, so that a derived `Debug` or a log line never shows whom we call.
impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, tail) = (&self.0[..3], &self.0[self.0.len() - 2..]);
        write!(f, "{head}•••{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_e164_form_is_accepted() {
        for good in [
            "+14155552671",
            "+4915112345678",
            "+2901234",
            "+123456789012345",
        ] {
            assert!(PhoneNumber::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "+",
            "14155552671",
            "+0415555",
            "+1 415 555 2671",
            "+1234567890123456",
            "+12345",
            "+1415555267x",
            "+١٤١٥٥٥٥٢٦٧",
        ] {
            assert!(PhoneNumber::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_hides_the_number() {
        let shown = format!("{:?}", PhoneNumber::parse("+14155552671").unwrap());
        assert_eq!(shown, "+14•••71");
    }
}

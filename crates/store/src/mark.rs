//! How a marker outside of the database is written down.

use jiff::Timestamp;

/// First word of the text, with the version of its form.
const HEAD: &str = "campanile-dial-marker-1";

/// A point in an installation's life, outside of its database: proves of a database that is behind
/// it that calls were placed which that database does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Name of the installation.
    pub installation: String,
    /// Moves forward only.
    pub number: u64,
    /// When it moved.
    pub at: Timestamp,
}

impl Mark {
    /// The mark as text. Marks of one installation have the same length, so that one can be written
    /// over another.
    pub fn text(&self) -> String {
        format!(
            "{HEAD} {} {:020} {:020}\n",
            self.installation,
            self.number,
            self.at.as_microsecond()
        )
    }

    /// The mark of a text; `None`: it does not hold exactly one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        if words.next()? != HEAD {
            return None;
        }
        let mark = Self {
            installation: words.next().filter(|name| !name.is_empty())?.to_owned(),
            number: words.next()?.parse().ok()?,
            at: Timestamp::from_microsecond(words.next()?.parse().ok()?).ok()?,
        };
        words.next().is_none().then_some(mark)
    }

    /// The name of an installation whose first call has this key.
    pub fn name_from(attempt_key: &str) -> String {
        let name = attempt_key.strip_prefix("att_").unwrap_or(attempt_key);
        name.replace(' ', "-")
    }
}

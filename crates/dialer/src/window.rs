//! Stretches of a provider's list of calls: a list shows so many calls and no more, and a window that
//! has more is looked at in halves.

use jiff::{SignedDuration, Timestamp};

/// A window that is cut and cannot be halved.
pub(crate) const SHORTEST_WINDOW: SignedDuration = SignedDuration::from_millis(2);

/// A stretch of a provider's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Window {
    pub(crate) fn width(self) -> SignedDuration {
        self.until.duration_since(self.from)
    }

    pub(crate) fn halves(self) -> [Self; 2] {
        let middle = self
            .from
            .saturating_add(self.width() / 2)
            .unwrap_or(self.until);
        [
            Self {
                from: middle,
                ..self
            },
            Self {
                until: middle,
                ..self
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_cover_the_whole_down_to_the_shortest() {
        let mut whole = whole();
        while whole.width() > SHORTEST_WINDOW {
            let [late, early] = whole.halves();
            assert_eq!(
                (early.from, early.until, late.until),
                (whole.from, late.from, whole.until)
            );
            assert!(early.width() < whole.width() && late.width() < whole.width());
            whole = early;
        }
    }

    fn whole() -> Window {
        let from = Timestamp::from_second(1_772_463_600).unwrap();
        let until = from + SignedDuration::from_secs(100);
        Window { from, until }
    }
}

//! What a caller says of an object's revision before it changes it.
//!
//! It is judged inside the transaction of the change: whoever names a revision changes exactly
//! what it read, also when many try at once.

use crate::error::{StoreError, StoreResult};

/// Revisions at which an object may be for an operation to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Any revision will do.
    #[default]
    None,
    /// One of these; an empty list fits no object.
    OneOf(Vec<i64>),
}

impl Precondition {
    /// Exactly this revision.
    pub fn exactly(revision: i64) -> Self {
        Self::OneOf(vec![revision])
    }

    /// Refuses an object at another revision.
    ///
    /// # Errors
    /// [`StoreError::Stale`] with the revision it is at.
    pub fn check(&self, current: i64) -> StoreResult<()> {
        match self {
            Self::None => Ok(()),
            Self::OneOf(revisions) if revisions.contains(&current) => Ok(()),
            Self::OneOf(_) => Err(StoreError::Stale { current }),
        }
    }

    /// Whether the caller named a revision, so that a change by others must not be merged over.
    pub const fn is_strict(&self) -> bool {
        matches!(self, Self::OneOf(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_revisions_fit() {
        assert!(Precondition::None.check(3).is_ok());
        assert!(Precondition::OneOf(vec![2, 3]).check(3).is_ok());
        for precondition in [Precondition::exactly(2), Precondition::OneOf(Vec::new())] {
            let stale = precondition.check(3);
            assert!(matches!(stale, Err(StoreError::Stale { current: 3 })));
        }
    }
}

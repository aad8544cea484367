//! Telling of failures that repeat: when they begin, once a minute while they last, and at the end.

use std::time::Duration;

use domain::ambient::Clock;
use store::StoreError;

/// How often a failure that lasts is told again.
const REMINDER: Duration = Duration::from_secs(60);

/// One kind of failure.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// What does not happen meanwhile.
    what: &'static str,
    /// When it was told last, on the monotonic clock.
    told: Option<Duration>,
}

impl Trouble {
    /// None yet.
    pub(crate) const fn none(what: &'static str) -> Self {
        Self { what, told: None }
    }

    /// It failed.
    pub(crate) fn failed(&mut self, clock: &dyn Clock, error: &StoreError) {
        let now = clock.monotonic();
        if self
            .told
            .is_some_and(|told| now.saturating_sub(told) < REMINDER)
        {
            return;
        }
        self.told = Some(now);
        if matches!(error, StoreError::Held(_)) {
            tracing::warn!(error = %error, "{}", self.what);
        } else {
            tracing::error!(error = %error, "{}", self.what);
        }
    }

    /// It works.
    pub(crate) fn is_over(&mut self) {
        if self.told.take().is_some() {
            tracing::info!("it is over that {}", self.what);
        }
    }
}

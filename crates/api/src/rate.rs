//! Requests per token and second.
//!
//! Only tokens that authenticated are counted, so the table is bounded by the tokens there are;
//! those that rested are forgotten now and then.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::TokenId;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::{DefaultKeyedRateLimiter, Quota};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::error::{ApiError, ApiResult};

const FORGET_AFTER_CHECKS: u32 = 10_000;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Limits requests per token.
pub(crate) struct RateLimiter {
    limiter: DefaultKeyedRateLimiter<TokenId, StateInformationMiddleware>,
    clock: DefaultClock,
    per_second: NonZeroU32,
    burst: NonZeroU32,
    checks: AtomicU32,
}

/// Where a token stands, for the headers of its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    per_second: u32,
    burst: u32,
    remaining: u32,
    reset_seconds: u64,
}

impl RateLimiter {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            limiter: governor::RateLimiter::keyed(quota)
                .with_middleware::<StateInformationMiddleware>(),
            clock: DefaultClock::default(),
            per_second,
            burst,
            checks: AtomicU32::new(0),
        }
    }

    /// Counts one request. The standing is told also when it is refused.
    pub(crate) fn check(&self, token_id: TokenId) -> (ApiResult<()>, Standing) {
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_AFTER_CHECKS
            == FORGET_AFTER_CHECKS - 1
        {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(&token_id) {
            Ok(state) => (Ok(()), self.standing(state.remaining_burst_capacity())),
            Err(refused) => {
                let wait = refused.wait_time_from(self.clock.now());
                let retry_after_seconds = wait.as_secs() + 1;
                (
                    Err(ApiError::RateLimited {
                        retry_after_seconds,
                    }),
                    self.standing(0),
                )
            }
        }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let used = self.burst.get().saturating_sub(remaining);
        Standing {
            per_second: self.per_second.get(),
            burst: self.burst.get(),
            remaining,
            reset_seconds: u64::from(used.div_ceil(self.per_second.get())),
        }
    }
}

impl Standing {
    /// Adds the headers.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let policy = format!("{};w=1;burst={}", self.per_second, self.burst);
        headers.insert(LIMIT, HeaderValue::from(self.burst));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(self.reset_seconds));
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(POLICY, policy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_burst_and_no_more_and_others_are_not_touched() {
        let limiter = RateLimiter::new(1, 3);
        let (one, other) = (TokenId::from_raw(1), TokenId::from_raw(2));
        for remaining in [2, 1, 0] {
            let (checked, standing) = limiter.check(one);
            assert!(checked.is_ok());
            assert_eq!(standing.remaining, remaining);
        }
        let (refused, standing) = limiter.check(one);
        assert!(matches!(
            refused,
            Err(ApiError::RateLimited {
                retry_after_seconds: 1..
            })
        ));
        assert_eq!((standing.remaining, standing.reset_seconds), (0, 3));
        assert!(limiter.check(other).0.is_ok());
    }
}

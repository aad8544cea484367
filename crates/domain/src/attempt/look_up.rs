//! When to ask the provider about an attempt, and for how long.

use jiff::{SignedDuration, Timestamp};

use super::facts::Patience;
use super::state::AttemptState;

/// Look-ups of an UNKNOWN attempt, seconds after the request can last have left.
const PROBE_SECONDS: [i64; 7] = [2, 10, 30, 120, 300, 900, 3_600];
/// Look-ups after which an UNKNOWN attempt is presumed placed whatever was missing; more than the
/// schedule has, because absence found at its end still needs to be confirmed.
const MAX_PROBES: u32 = 12;
/// After a look-up that was not answered, the next one comes no later than this: the doubt holds a
/// slot of the line, and the provider may be back at any time.
pub(super) const UNANSWERED_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// For that long after a call can last have been placed (or, once it is known to have been, can last have
/// been up) a provider that does not answer is waited for, before the call is presumed: whom it reached
/// would be called again. Its slot waits as long; nobody can use it while the provider is away.
const UNANSWERED_AT_MOST: SignedDuration = SignedDuration::from_hours(6);
/// Silence of a sender, after its deadline, that exceeds all its own limits of time.
const SENDER_SILENCE: SignedDuration = SignedDuration::from_secs(30);
/// Two look-ups that agree on absence must be this far apart.
pub(super) const ABSENCE_APART: SignedDuration = SignedDuration::from_secs(60);
/// Silence after which a placed or ringing call is looked up.
const QUIET_BEFORE_ANSWER: SignedDuration = SignedDuration::from_secs(30);
/// Silence after which a connected call is looked up.
pub(super) const QUIET_IN_CALL: SignedDuration = SignedDuration::from_secs(60);
/// Beyond ringing and talking, how long a call's end may be overdue.
const OVERDUE_GRACE: SignedDuration = SignedDuration::from_mins(10);

/// When to ask the provider about an attempt that is in `state` since `now`.
pub fn next_check(
    state: &AttemptState,
    planned_at: Timestamp,
    patience: Patience,
    now: Timestamp,
) -> Option<Timestamp> {
    let soon = after(now, SignedDuration::from_secs(1));
    match state {
        AttemptState::Dispatching { send_not_after } => Some(silent_at(*send_not_after).max(soon)),
        AttemptState::Unknown { probes, .. } if *probes >= MAX_PROBES => None,
        AttemptState::Unknown {
            absent_at: Some(first),
            ..
        } => {
            let confirm_at = after(*first, ABSENCE_APART);
            Some(if now < confirm_at {
                confirm_at
            } else {
                after(now, ABSENCE_APART)
            })
        }
        AttemptState::Unknown {
            sent_by,
            probes,
            absent_at: None,
        } => {
            let index = usize::try_from(*probes).unwrap_or(usize::MAX);
            let Some(&scheduled) = PROBE_SECONDS.get(index) else {
                return Some(after(now, UNANSWERED_PAUSE));
            };
            let before = index.checked_sub(1).map_or(0, |index| PROBE_SECONDS[index]);
            // Behind schedule (the server was down): still not all at once.
            let least = SignedDuration::from_secs((scheduled - before).min(60));
            Some(after(*sent_by, SignedDuration::from_secs(scheduled)).max(after(now, least)))
        }
        AttemptState::Placed | AttemptState::Ringing => {
            let overdue_at = overdue_at(planned_at, patience);
            let least = after(now, SignedDuration::from_secs(5));
            Some(after(now, QUIET_BEFORE_ANSWER).min(overdue_at.max(least)))
        }
        AttemptState::InProgress => Some(after(now, QUIET_IN_CALL)),
        _ => None,
    }
}

/// Whether the schedule's next look-up of an UNKNOWN attempt was due by `now`. Those between are
/// extra: only a provider that has not answered for the whole of the schedule ends it.
pub(super) fn is_scheduled(sent_by: Timestamp, probes: u32, now: Timestamp) -> bool {
    let index = usize::try_from(probes).unwrap_or(usize::MAX);
    PROBE_SECONDS
        .get(index)
        .is_some_and(|seconds| after(sent_by, SignedDuration::from_secs(*seconds)) <= now)
}

/// Whether the schedule of an UNKNOWN attempt is at its end.
pub(super) fn is_exhausted(probes: u32) -> bool {
    usize::try_from(probes).is_ok_and(|probes| probes >= PROBE_SECONDS.len())
}

/// Until when a provider that does not answer is waited for, when an answer would have settled the
/// matter at `from`.
pub(super) fn unanswered_until(from: Timestamp) -> Timestamp {
    after(from, UNANSWERED_AT_MOST)
}

/// When a sender that has not told what became of its request is taken for dead.
pub(super) fn silent_at(send_not_after: Timestamp) -> Timestamp {
    after(send_not_after, SENDER_SILENCE)
}

/// The latest instant at which a call planned at `planned_at` can still be up.
pub fn overdue_at(planned_at: Timestamp, patience: Patience) -> Timestamp {
    let longest = patience.max_ring_ms.saturating_add(patience.max_talk_ms);
    after(after_ms(planned_at, longest), OVERDUE_GRACE)
}

pub(super) fn after(at: Timestamp, pause: SignedDuration) -> Timestamp {
    at.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

pub(super) fn after_ms(at: Timestamp, pause_ms: u64) -> Timestamp {
    after(
        at,
        SignedDuration::from_millis(i64::try_from(pause_ms).unwrap_or(i64::MAX / 4)),
    )
}

//! How often, and after which pause, a lead is tried.
//!
//! The policy is data; what has happened is a list of counted attempts. Nothing here reads a
//! counter that could drift: totals and days are recounted from the attempts each time.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::next_local_day;
use crate::campaign::LeadStatus;
use crate::outcome::Outcome;

/// Caps and pauses of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptPolicy {
    /// Attempts a lead may get in all, at least 1.
    pub max_call_attempts: u32,
    /// Attempts a lead may get in one local day of the campaign, at least 1.
    pub max_daily_attempts: u32,
    /// Least pause from the end of one attempt to the next, minutes, at least 3.
    pub min_gap_minutes: u32,
    /// Growing pauses after the first, second, … attempt, minutes; the last one repeats. Empty:
    /// always the least pause.
    pub retry_gaps_minutes: Vec<u32>,
    /// Outcomes after which a lead is tried again.
    pub retry_outcomes: Vec<Outcome>,
    /// Whether a mailbox counts as reached.
    pub voicemail_is_answered: bool,
}

/// One attempt that counts in the caps: placed, or not provably unplaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedAttempt {
    /// When it was reserved.
    pub started_at: Timestamp,
    /// When it ended, or the latest instant at which it can have ended.
    pub ended_at: Timestamp,
}

/// A cap or pause that holds a lead back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// All attempts are used up; no time will mend that.
    TotalReached,
    /// Today's attempts are used up, until the local day ends.
    DailyReached {
        /// Start of the next local day.
        until: Timestamp,
    },
    /// The pause after the last attempt lasts.
    Gap {
        /// End of the pause.
        until: Timestamp,
    },
}

impl AttemptPolicy {
    /// What a finished attempt makes of its lead, `counted` attempts being on record.
    pub fn lead_after(&self, outcome: Outcome, counted: u32) -> LeadStatus {
        match outcome {
            Outcome::Answered => crate::planted!(
                "answered_is_retried",
                LeadStatus::Answered,
                LeadStatus::Ready
            ),
            Outcome::Voicemail
                if crate::planted!("voicemail_is_retried", self.voicemail_is_answered, false) =>
            {
                LeadStatus::Answered
            }
            Outcome::InvalidNumber => LeadStatus::Invalid,
            _ if counted
                >= crate::planted!(
                    "total_cap_off_by_one",
                    self.max_call_attempts,
                    self.max_call_attempts + 1
                ) =>
            {
                LeadStatus::Exhausted
            }
            // Our own fault: the lead waits, whatever the list says.
            Outcome::FailedPermanent => LeadStatus::Ready,
            _ if self.retry_outcomes.contains(&outcome) => LeadStatus::Ready,
            _ if crate::planted!("retry_outcomes_ignored", false, true) => LeadStatus::Ready,
            _ => LeadStatus::Exhausted,
        }
    }

    /// What a lead becomes when its latest attempt is over.
    ///
    /// `latest` is how that one ended, `None` if nothing rang. `counted` has all attempts on record that
    /// count, that one included, each with its outcome (`None`: it is not over). How an earlier call ended
    /// can be learned after the next attempt was planned (its callback came late, or the database was put
    /// back and its provider was asked): what ends a lead ends it then, too.
    pub fn lead_after_all(
        &self,
        latest: Option<Outcome>,
        counted: &[Option<Outcome>],
    ) -> LeadStatus {
        let count = u32::try_from(counted.len()).unwrap_or(u32::MAX);
        let status = latest.map_or(LeadStatus::Ready, |outcome| self.lead_after(outcome, count));
        if status != LeadStatus::Ready {
            return status;
        }
        let mut earlier = LeadStatus::Ready;
        for outcome in counted.iter().flatten() {
            match (self.lead_after(*outcome, 0), earlier) {
                (LeadStatus::Answered, _) => return LeadStatus::Answered,
                (LeadStatus::Ready, _) | (_, LeadStatus::Invalid) => {}
                (ended, _) => earlier = ended,
            }
        }
        earlier
    }

    /// The pause after the `counted`-th attempt.
    pub fn gap_after(&self, counted: u32) -> SignedDuration {
        let last = self.retry_gaps_minutes.len().saturating_sub(1);
        let index = usize::try_from(counted.saturating_sub(1))
            .unwrap_or(usize::MAX)
            .min(last);
        let minutes = self
            .retry_gaps_minutes
            .get(index)
            .copied()
            .unwrap_or_default();
        let minutes = crate::planted!("growing_gaps_ignored", minutes, 0);
        SignedDuration::from_mins(i64::from(minutes.max(self.min_gap_minutes)))
    }

    /// Everything that holds a lead with this history at `now`.
    pub fn holds(&self, history: &[CountedAttempt], zone: &TimeZone, now: Timestamp) -> Vec<Hold> {
        let mut holds = Vec::new();
        let counted = u32::try_from(history.len()).unwrap_or(u32::MAX);
        let most = self.max_call_attempts;
        if counted >= crate::planted!("total_cap_off_by_one", most, most + 1) {
            holds.push(Hold::TotalReached);
        }
        let zone = crate::planted!("daily_cap_in_utc", zone, &TimeZone::UTC);
        let today = zone.to_datetime(now).date();
        let is_today =
            |attempt: &&CountedAttempt| zone.to_datetime(attempt.started_at).date() == today;
        let counted_today = history.iter().filter(is_today).count();
        let most = self.max_daily_attempts;
        let most = crate::planted!("daily_cap_off_by_one", most, most + 1);
        if u32::try_from(counted_today).unwrap_or(u32::MAX) >= most {
            holds.push(Hold::DailyReached {
                until: next_local_day(zone, now),
            });
        }
        let end = |attempt: &CountedAttempt| {
            crate::planted!("gap_from_start", attempt.ended_at, attempt.started_at)
        };
        if let Some(last_end) = history.iter().map(end).max() {
            let until = last_end
                .saturating_add(self.gap_after(counted))
                .unwrap_or(Timestamp::MAX);
            if crate::planted!("gap_ignored", now < until, false) {
                holds.push(Hold::Gap { until });
            }
        }
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> AttemptPolicy {
        AttemptPolicy {
            max_call_attempts: 3,
            max_daily_attempts: 2,
            min_gap_minutes: 60,
            retry_gaps_minutes: vec![30, 240],
            retry_outcomes: Outcome::RETRIED_BY_DEFAULT.to_vec(),
            voicemail_is_answered: false,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn attempt(start: &str, end: &str) -> CountedAttempt {
        CountedAttempt {
            started_at: at(start),
            ended_at: at(end),
        }
    }

    #[test]
    fn gaps_grow_repeat_the_last_and_never_undercut_the_least() {
        let minutes = |counted| policy().gap_after(counted).as_mins();
        assert_eq!(
            [minutes(1), minutes(2), minutes(3), minutes(9)],
            [60, 240, 240, 240]
        );
    }

    #[test]
    fn the_gap_counts_from_the_end_of_the_attempt() {
        let zone = TimeZone::UTC;
        let history = [attempt("2026-03-02T10:00:00Z", "2026-03-02T10:05:00Z")];
        let until = at("2026-03-02T11:05:00Z");
        assert_eq!(
            policy().holds(&history, &zone, at("2026-03-02T11:04:59Z")),
            vec![Hold::Gap { until }]
        );
        assert_eq!(policy().holds(&history, &zone, until), vec![]);
    }

    #[test]
    fn the_daily_cap_follows_the_local_date_even_over_a_clock_change() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let history = [
            attempt("2026-03-08T05:30:00Z", "2026-03-08T05:31:00Z"), // 00:30 local
            attempt("2026-03-08T13:00:00Z", "2026-03-08T13:01:00Z"), // 09:00 local, after the gap
        ];
        let holds = policy().holds(&history, &zone, at("2026-03-09T03:59:59Z"));
        assert!(holds.contains(&Hold::DailyReached {
            until: at("2026-03-09T04:00:00Z")
        }));
        assert_eq!(
            policy().holds(&history, &zone, at("2026-03-09T04:00:00Z")),
            vec![]
        );
    }

    #[test]
    fn outcomes_decide_what_becomes_of_a_lead() {
        let policy = policy();
        assert_eq!(
            policy.lead_after(Outcome::Answered, 1),
            LeadStatus::Answered
        );
        assert_eq!(policy.lead_after(Outcome::Voicemail, 1), LeadStatus::Ready);
        assert_eq!(
            policy.lead_after(Outcome::NoAnswer, 3),
            LeadStatus::Exhausted
        );
        assert_eq!(
            policy.lead_after(Outcome::InvalidNumber, 1),
            LeadStatus::Invalid
        );
        let narrow = AttemptPolicy {
            retry_outcomes: vec![Outcome::Busy],
            ..policy.clone()
        };
        assert_eq!(
            narrow.lead_after(Outcome::NoAnswer, 1),
            LeadStatus::Exhausted
        );
        assert_eq!(
            narrow.lead_after(Outcome::FailedPermanent, 0),
            LeadStatus::Ready
        );
        let voicemail = AttemptPolicy {
            voicemail_is_answered: true,
            ..policy
        };
        assert_eq!(
            voicemail.lead_after(Outcome::Voicemail, 1),
            LeadStatus::Answered
        );
    }

    #[test]
    fn what_an_earlier_call_ended_a_lead_for_holds_when_it_is_learned_late() {
        use Outcome::{Answered, Busy, FailedPermanent, InvalidNumber, NoAnswer, Voicemail};
        let mut policy = policy();
        let after = |policy: &AttemptPolicy, latest, counted: &[Outcome]| {
            let counted: Vec<_> = counted.iter().copied().map(Some).chain([None]).collect();
            policy.lead_after_all(latest, &counted)
        };
        assert_eq!(after(&policy, None, &[NoAnswer]), LeadStatus::Ready);
        assert_eq!(after(&policy, None, &[Answered]), LeadStatus::Answered);
        assert_eq!(after(&policy, None, &[InvalidNumber]), LeadStatus::Invalid);
        assert_eq!(
            after(&policy, None, &[InvalidNumber, Answered]),
            LeadStatus::Answered
        );
        assert_eq!(
            after(&policy, Some(Busy), &[InvalidNumber]),
            LeadStatus::Invalid
        );
        // Nothing rang now, and the caps hold a READY lead: it is given up when a call has ended.
        assert_eq!(
            after(&policy, None, &[NoAnswer, Busy, Busy]),
            LeadStatus::Ready
        );
        assert_eq!(
            after(&policy, Some(NoAnswer), &[NoAnswer, Busy]),
            LeadStatus::Exhausted
        );
        assert_eq!(after(&policy, None, &[FailedPermanent]), LeadStatus::Ready);
        assert_eq!(after(&policy, Some(Busy), &[Voicemail]), LeadStatus::Ready);
        policy.voicemail_is_answered = true;
        assert_eq!(
            after(&policy, Some(Busy), &[Voicemail]),
            LeadStatus::Answered
        );
        policy.retry_outcomes = vec![NoAnswer];
        assert_eq!(
            after(&policy, Some(NoAnswer), &[Busy]),
            LeadStatus::Exhausted
        );
    }
}

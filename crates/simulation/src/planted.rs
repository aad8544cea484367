//! Bugs on purpose, each of which some promise must catch.
//!
//! The switches are in the product's own code (`domain::planted!`) and exist only in builds with
//! the feature `planted`, which no product build has.

use crate::plan::Options;
use crate::simulator::run;

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bug {
    /// The name of its switch.
    pub name: &'static str,
    /// What goes wrong.
    pub what: &'static str,
    /// A seed that catches it, so that nobody need search.
    pub seed: u64,
}

const fn bug(name: &'static str, what: &'static str, seed: u64) -> Bug {
    Bug { name, what, seed }
}

/// Every bug.
pub const BUGS: &[Bug] = &[
    bug(
        "answered_is_retried",
        "a lead that was reached stays in the queue",
        1,
    ),
    bug(
        "any_call_is_ours",
        "a look-up takes any call of the list for its own",
        17,
    ),
    bug("blackout_ignored", "blackout dates are open", 10),
    bug("board_not_asked", "a send that was revoked goes out", 8),
    bug("calendar_in_utc", "hours are read on the clock of UTC", 3),
    bug(
        "campaign_limit_ignored",
        "a campaign's max_concurrent_calls does not hold",
        1,
    ),
    bug(
        "clock_step_ignored",
        "a clock that is set by minutes goes unnoticed",
        9,
    ),
    bug(
        "daily_cap_in_utc",
        "the daily cap follows the date of UTC",
        9,
    ),
    bug("daily_cap_off_by_one", "one call too many in a day", 1),
    bug(
        "deadline_after_closing",
        "a send may leave after the window closed",
        44,
    ),
    bug("deadline_ignored", "a late sender sends all the same", 1),
    bug(
        "death_means_unsent",
        "after a death, what was being sent counts as unsent",
        1,
    ),
    bug(
        "dispatches_forgotten",
        "after a death, nobody asks about what was being sent",
        304,
    ),
    bug(
        "edit_without_revoke",
        "reserved calls go out under settings that were replaced",
        124,
    ),
    bug(
        "ended_twice",
        "an end that is known is overwritten by a later report",
        292,
    ),
    bug(
        "ends_not_told",
        "the ends of calls are missing from the feed",
        1,
    ),
    bug(
        "every_night_goes_on",
        "a window over midnight goes on in nights that did not begin",
        4,
    ),
    bug(
        "gap_from_start",
        "the pause counts from the beginning of a call",
        57,
    ),
    bug("gap_ignored", "no pause between attempts", 31),
    bug("gap_in_the_feed", "the feed skips a number", 1),
    bug("growing_gaps_ignored", "pauses do not grow", 1),
    bug(
        "history_forgotten",
        "attempts older than an hour are forgotten",
        1,
    ),
    bug("hold_ignored", "what is on hold dials", 9),
    bug("line_limit_off_by_one", "one call too many on a line", 2),
    bug(
        "line_rate_ignored",
        "a line's calls per second do not hold",
        35,
    ),
    bug(
        "look_up_error_is_absence",
        "a look-up that failed counts as absence",
        103,
    ),
    bug(
        "lost_answer_sent_again",
        "a request without an answer is sent again",
        1,
    ),
    bug(
        "lost_means_unsent",
        "a request without an answer counts as unsent",
        1,
    ),
    bug(
        "minute_pace_ignored",
        "max_calls_per_minute does not hold",
        62,
    ),
    bug(
        "missed_at_once",
        "the slot of a call in doubt is free at once",
        51,
    ),
    bug("not_before_ignored", "a lead's not_before does not hold", 1),
    bug(
        "number_limit_ignored",
        "a number's max_concurrent_calls does not hold",
        8,
    ),
    bug("one_look_is_absence", "one look-up proves absence", 14),
    bug(
        "opening_slept_through",
        "a campaign does not wake when its window opens",
        1,
    ),
    bug(
        "opt_out_without_revoke",
        "a reserved call goes out after an opt-out",
        10,
    ),
    bug(
        "pause_without_revoke",
        "a reserved call goes out after a pause",
        49,
    ),
    bug(
        "presumed_does_not_count",
        "a call in lasting doubt does not count",
        3,
    ),
    bug("priority_upside_down", "high priority gets least", 2),
    bug("progress_goes_back", "an old report turns a call back", 69),
    bug(
        "removal_without_revoke",
        "a reserved call goes out after the lead's removal",
        105,
    ),
    bug("retry_outcomes_ignored", "every outcome is retried", 5),
    bug(
        "send_unguarded",
        "nothing is asked before the first byte",
        8,
    ),
    bug(
        "set_back_ignored",
        "a send that is too early by the clock goes out",
        76,
    ),
    bug("start_date_ignored", "calls before the first date", 8),
    bug(
        "strange_calls_ignored",
        "calls that a database forgot are not put on record",
        62,
    ),
    bug(
        "suppression_ignored",
        "the do-not-call list is not asked",
        10,
    ),
    bug("total_cap_off_by_one", "one attempt too many", 1),
    bug("turns_ignored", "the first campaign is always next", 2),
    bug(
        "voicemail_is_retried",
        "a mailbox never counts as reached",
        5,
    ),
    bug(
        "wall_clock_only",
        "the send deadline follows a clock that can be set",
        113,
    ),
    bug("weekdays_ignored", "every day of the week is open", 4),
    bug(
        "window_closes_late",
        "the window closes ten minutes late",
        1,
    ),
    bug(
        "words_of_a_neighbour",
        "a call carries another lead's variables",
        1,
    ),
];

/// How a bug was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catch {
    /// The seed.
    pub seed: u64,
    /// The promise that was seen broken.
    pub invariant: &'static str,
}

/// The first seed of `seeds` that catches the bug. The bug is planted in this thread only, for as
/// long as this takes.
///
/// # Errors
/// As [`run`].
pub fn hunt(
    bug: Bug,
    seeds: impl IntoIterator<Item = u64>,
    options: &Options,
) -> Result<Option<Catch>, String> {
    domain::planted::plant(Some(bug.name));
    let caught = seeds.into_iter().find_map(|seed| match run(seed, options) {
        Ok(report) => report.violations.first().map(|violation| {
            Ok(Catch {
                seed,
                invariant: violation.invariant,
            })
        }),
        Err(error) => Some(Err(error)),
    });
    domain::planted::plant(None);
    caught.transpose()
}

//! Finding the calls that a database has forgotten, at the providers that placed them.
//!
//! For each line, all calls that its account made in the gaps of the database's memory are listed,
//! window by window: a window whose list was cut is halved. Calls that carry a key of this
//! installation and are not on record are adopted; nothing else of the account is of interest. A
//! line is done when every window was seen whole, and late enough that the provider's list had
//! settled; one that cannot be asked says why, and is asked again.
//!
//! Bounded in pages, tries and time of each request. It never places a call.

use std::collections::HashSet;

use domain::LineId;
use jiff::{SignedDuration, Timestamp};
use lines::{OpenLine, strange_call};
use providers::{CallEvent, LookupError};
use store::{Adoption, Gap, HeldLine, LineProgress, StoreResult, StrangeCall};

use crate::core::{Core, SEARCH_MARGIN};
use crate::window::{SHORTEST_WINDOW, Window};

/// Most requests for one line in one go: two million calls, where a page has a thousand.
const MAX_PAGES: u32 = 2_000;
/// Calls adopted in one transaction.
const ADOPTED_AT_ONCE: usize = 100;

impl Core {
    /// Asks one line's provider for everything in the gaps, no window wider than `widest`, and
    /// adopts what is strange. Answers how far it got, which is noted as well.
    pub async fn reconcile_line(
        &self,
        line: &HeldLine,
        gaps: &[Gap],
        widest: SignedDuration,
    ) -> StoreResult<HeldLine> {
        let mut line = line.clone();
        line.calls_seen = 0;
        let (line_id, windows) = (line.line_id, windows(gaps, widest));
        match self.see_all(line_id, windows, Some(&mut line)).await? {
            Ok(open) => self.settle_line(&mut line, gaps, &open),
            Err(why) => {
                line.progress = LineProgress::Failed;
                line.note = Some(why);
            }
        }
        self.note(&line).await?;
        Ok(line)
    }

    /// Done, unless the provider's list may still have been growing when it was asked.
    fn settle_line(&self, line: &mut HeldLine, gaps: &[Gap], open: &OpenLine) {
        let settled_at = settled_at(open, gaps).filter(|at| *at > self.parts().clock.now());
        line.note = settled_at.map(|at| {
            format!(
                "asked; the provider's list is complete from {} on, when it is asked again",
                at.strftime("%H:%M:%SZ")
            )
        });
        line.progress = if line.note.is_some() {
            LineProgress::Pending
        } else {
            LineProgress::Done
        };
    }

    /// When the line's list shows everything in the gaps.
    pub(crate) async fn settled_at(&self, line_id: LineId, gaps: &[Gap]) -> Option<Timestamp> {
        let open = self.open_line(line_id).await.ok()?;
        settled_at(&open, gaps)
    }

    /// The same for one gap without noting anything, where nothing is on hold; answers why not, if
    /// the line cannot be asked.
    pub(crate) async fn look_through(
        &self,
        line_id: LineId,
        gap: Gap,
        widest: SignedDuration,
    ) -> StoreResult<Result<(), String>> {
        let seen = self.see_all(line_id, windows(&[gap], widest), None).await?;
        Ok(seen.map(|_| ()))
    }

    async fn see_all(
        &self,
        line_id: LineId,
        mut windows: Vec<Window>,
        mut noted: Option<&mut HeldLine>,
    ) -> StoreResult<Result<std::sync::Arc<OpenLine>, String>> {
        let open = match self.open_line(line_id).await {
            Ok(open) => open,
            Err(why) => return Ok(Err(why)),
        };
        let mut pages = 0;
        while let Some(window) = windows.pop() {
            pages += 1;
            if pages > MAX_PAGES {
                let why = format!("its list did not end after {MAX_PAGES} requests");
                return Ok(Err(why));
            }
            let (events, cut) = match self.list(&open, window).await {
                Ok(page) => page,
                Err(why) => return Ok(Err(why)),
            };
            let calls = u64::try_from(events.len()).unwrap_or(u64::MAX);
            self.witness(line_id, events).await?;
            if cut && window.width() <= SHORTEST_WINDOW {
                let why = "its list has more calls of one instant than it shows, or one that cannot be read";
                return Ok(Err(why.to_owned()));
            }
            if cut {
                windows.extend(window.halves());
            }
            if let Some(line) = noted.as_deref_mut() {
                line.calls_seen += calls;
                line.note = Some(format!("being asked, {pages} requests so far"));
                self.note(line).await?;
            }
        }
        Ok(Ok(open))
    }

    /// One page; what fails is tried a few times. The vendor's words come without secrets.
    async fn list(
        &self,
        open: &OpenLine,
        window: Window,
    ) -> Result<(Vec<CallEvent>, bool), String> {
        let mut pauses = self.parts().options.list_retry_pauses.iter();
        loop {
            let why = match self.list_once(open, window).await {
                Ok(page) => return Ok(page),
                Err(LookupError::Unauthorized(why)) => {
                    let why = open.conceal(&why);
                    return Err(format!("the provider refuses the credentials: {why}"));
                }
                Err(LookupError::NotFound) => "the provider has no list".to_owned(),
                Err(LookupError::Unexpected(why)) => why,
            };
            let Some(pause) = pauses.next() else {
                return Err(open.conceal(&why));
            };
            tokio::time::sleep(*pause).await;
        }
    }

    async fn list_once(
        &self,
        open: &OpenLine,
        window: Window,
    ) -> Result<(Vec<CallEvent>, bool), LookupError> {
        let adapter = open.adapter();
        let request = adapter.list_calls(&open.access, window.from, window.until);
        let answer = self.try_exchange(request).await;
        let answer = answer.map_err(|error| LookupError::Unexpected(error.message))?;
        self.hear_the_time(&answer);
        let page = adapter.read_search_calls(&answer)?;
        if self.clocks_differ(&answer) {
            let why = "the provider's clock differs from this machine's by minutes";
            return Err(LookupError::Unexpected(why.to_owned()));
        }
        Ok(page)
    }

    async fn note(&self, line: &HeldLine) -> StoreResult<()> {
        let now = self.parts().clock.now();
        self.parts().store.note_held_line(now, line.clone()).await
    }

    /// Holds what a provider listed against the database: a call of this installation that is not
    /// on record is adopted, and proves that the database went back. Answers how many there were.
    pub(crate) async fn witness(
        &self,
        line_id: LineId,
        events: Vec<CallEvent>,
    ) -> StoreResult<usize> {
        let vault = &self.parts().vault;
        let mut calls: Vec<StrangeCall> = events
            .into_iter()
            .filter_map(|event| strange_call(line_id, event, vault))
            .collect();
        if calls.is_empty() {
            return Ok(0);
        }
        let keys = calls.iter().map(|call| call.attempt_key.clone()).collect();
        let unknown = self.parts().store.unknown_attempt_keys(keys).await?;
        let unknown: HashSet<String> = unknown.into_iter().collect();
        calls.retain(|call| unknown.contains(&call.attempt_key));
        for calls in calls.chunks(ADOPTED_AT_ONCE) {
            let now = self.parts().clock.now();
            let adoptions = self.parts().store.adopt_calls(now, calls.to_vec()).await?;
            for adoption in adoptions {
                let became = match adoption {
                    Adoption::Known => "known",
                    Adoption::Adopted(_) => "adopted",
                    Adoption::Unmatched => "unmatched",
                };
                metrics::counter!("campanile_strange_calls_total", "became" => became).increment(1);
            }
        }
        Ok(calls.len())
    }
}

fn settled_at(line: &OpenLine, gaps: &[Gap]) -> Option<Timestamp> {
    let settle_ms = line.adapter().capabilities().list_settle_ms;
    let settle = SignedDuration::from_millis(i64::try_from(settle_ms).ok()?);
    let last = gaps.iter().map(|gap| gap.until).max()?;
    last.checked_add(settle).ok()
}

/// The gaps with a margin for the provider's clock, overlaps joined, cut to at most `widest`; the
/// last one first, as they are taken from the end.
fn windows(gaps: &[Gap], widest: SignedDuration) -> Vec<Window> {
    let mut wide: Vec<Window> = gaps
        .iter()
        .map(|gap| Window {
            from: gap.from.saturating_sub(SEARCH_MARGIN).unwrap_or(gap.from),
            until: gap.until.saturating_add(SEARCH_MARGIN).unwrap_or(gap.until),
        })
        .collect();
    wide.sort_by_key(|window| window.from);
    let mut joined: Vec<Window> = Vec::new();
    for window in wide {
        match joined.last_mut() {
            Some(last) if window.from <= last.until => last.until = last.until.max(window.until),
            _ => joined.push(window),
        }
    }
    let mut cut = Vec::new();
    for mut window in joined {
        while window.width() > widest {
            let until = window.from.saturating_add(widest).unwrap_or(window.until);
            cut.push(Window { until, ..window });
            window.from = until;
        }
        cut.push(window);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_463_600 + second).unwrap()
    }

    fn gap(from: i64, until: i64) -> Gap {
        Gap {
            from: at(from),
            until: at(until),
        }
    }

    fn window(from: i64, until: i64) -> Window {
        Window {
            from: at(from),
            until: at(until),
        }
    }

    const WIDE: SignedDuration = SignedDuration::from_hours(1_000);

    #[test]
    fn windows_have_a_margin_and_do_not_overlap() {
        assert_eq!(windows(&[], WIDE), []);
        assert_eq!(windows(&[gap(0, 10)], WIDE), [window(-300, 310)]);
        let joined = windows(&[gap(5_000, 5_001), gap(0, 10), gap(400, 500)], WIDE);
        assert_eq!(joined, [window(-300, 800), window(4_700, 5_301)]);
    }

    #[test]
    fn windows_are_cut_to_the_widest_and_leave_nothing_out() {
        let cut = windows(&[gap(0, 400)], SignedDuration::from_secs(400));
        assert_eq!(cut, [window(-300, 100), window(100, 500), window(500, 700)]);
    }
}

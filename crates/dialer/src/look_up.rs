//! One look-up: what the provider knows of a call that is unknown or overdue.
//!
//! A call that the provider has named is asked for by that name. One whose answer was lost is searched in
//! the list of what was created about then, by our key. Only a list that was seen whole proves that it
//! is not there: where a list is cut, as that of a line with thousands of calls an hour is, the window is
//! halved until every part was seen, within bounds of requests and time. Beyond those it proves
//! nothing, and the next look-up tries again.

use std::time::Duration;

use domain::attempt::{Fact, StateName};
use failpoint::Failpoint;
use jiff::{SignedDuration, Timestamp};
use lines::{OpenLine, echo_facts, facts_about};
use providers::{CallSearch, LookupError, ProviderAnswer};
use store::{AttemptFact, AttemptRef, Check};

use crate::core::{Core, SEARCH_MARGIN};
use crate::window::{SHORTEST_WINDOW, Window};

/// A provider whose clock is so close to ours that it is searched this much less far around.
const CLOSE_CLOCKS: SignedDuration = SignedDuration::from_secs(5);
/// See [`CLOSE_CLOCKS`]: for lists that are cut otherwise. Far more than the clocks of one provider's
/// machines differ.
const CLOSE_MARGIN: SignedDuration = SignedDuration::from_secs(30);
/// Most requests of one search.
const MAX_PAGES: u32 = 100;
/// No page is asked for after so long: the look-up belongs to this process for half a minute, and a
/// page may take a third of it.
const LIMIT: Duration = Duration::from_secs(20);

impl Core {
    /// Asks the provider about one attempt and says what that proves.
    pub async fn look_up(&self, check: &Check) -> Vec<AttemptFact> {
        if check.state == StateName::Dispatching {
            // Its sender vanished without a word; nobody may send it now.
            self.parts().store.send_board().forget(check.attempt_id);
            let mut fact = AttemptFact::new(AttemptRef::Id(check.attempt_id), Fact::AnswerLost);
            fact.reason = Some("the sender vanished".to_owned());
            return domain::planted!("dispatches_forgotten", vec![fact], Vec::new());
        }
        let found = match self.open_line(check.line_id).await {
            Ok(line) => self.ask(check, &line).await,
            Err(_) => None,
        };
        failpoint::reach(Failpoint::CallLookedUp);
        let attempt = AttemptRef::Id(check.attempt_id);
        match found {
            None => vec![AttemptFact::new(
                attempt,
                domain::planted!(
                    "look_up_error_is_absence",
                    Fact::LookupFailed,
                    Fact::NotFound
                ),
            )],
            Some(facts) if facts.is_empty() => {
                // Another key may be one of the same account, and find it; if it does not, that
                // proves nothing.
                let absent = if check.same_account {
                    Fact::NotFound
                } else {
                    Fact::LookupInconclusive
                };
                vec![AttemptFact::new(attempt, absent)]
            }
            Some(mut facts) => {
                if !facts
                    .iter()
                    .any(|fact| matches!(fact.fact, Fact::Ended { .. }))
                {
                    // Still up: ask again, and notice when it has been up for too long.
                    facts.push(AttemptFact::new(attempt, Fact::LookupInconclusive));
                }
                facts
            }
        }
    }

    /// `None`: the provider gave no usable answer. Empty: it does not have the call.
    async fn ask(&self, check: &Check, line: &OpenLine) -> Option<Vec<AttemptFact>> {
        match &check.provider_call_id {
            Some(id) => {
                let request = line.adapter().get_call(&line.access, id);
                match line
                    .adapter()
                    .read_get_call(&self.try_exchange(request).await.ok()?)
                {
                    Ok(events) => Some(
                        events
                            .into_iter()
                            .flat_map(|event| facts_about(check.attempt_id, event))
                            .collect(),
                    ),
                    Err(LookupError::NotFound) => Some(Vec::new()),
                    Err(LookupError::Unauthorized(_) | LookupError::Unexpected(_)) => None,
                }
            }
            None => self.search(check, line).await,
        }
    }

    async fn search(&self, check: &Check, line: &OpenLine) -> Option<Vec<AttemptFact>> {
        let began = self.parts().clock.monotonic();
        let mut windows = vec![window(check, SEARCH_MARGIN)];
        let mut is_wide = true;
        let mut pages = 0;
        while let Some(window) = windows.pop() {
            let took = self.parts().clock.monotonic().saturating_sub(began);
            pages += 1;
            if pages > MAX_PAGES || took > LIMIT {
                return None;
            }
            let Page { answer, facts, cut } = self.page(check, line, window).await?;
            if !facts.is_empty() {
                return Some(facts);
            }
            if self.clocks_differ(&answer) {
                // A list that was searched by another clock proves no absence.
                return None;
            }
            if !cut {
                continue;
            }
            if std::mem::take(&mut is_wide) && self.are_clocks_within(&answer, CLOSE_CLOCKS) {
                windows = vec![self::window(check, CLOSE_MARGIN)];
            } else if window.width() <= SHORTEST_WINDOW {
                return None;
            } else {
                windows.extend(window.halves());
            }
        }
        Some(Vec::new())
    }

    /// What the provider lists in a window, and what of it is ours. `None`: no usable answer.
    async fn page(&self, check: &Check, line: &OpenLine, window: Window) -> Option<Page> {
        let search = CallSearch {
            assistant_id: check.assistant_id.clone(),
            entity: check.entity,
            phone_number_id: check.phone_number_id.clone(),
            created_from: window.from,
            created_until: window.until,
        };
        let request = line.adapter().search_calls(&line.access, &search);
        let answer = self.try_exchange(request).await.ok()?;
        let (events, cut) = line.adapter().read_search_calls(&answer).ok()?;
        self.witness(check.line_id, events.clone())
            .await
            .inspect_err(
                |error| tracing::warn!(%error, "a list could not be held against the database"),
            )
            .ok();
        let ours = events.into_iter().filter(|event| {
            let ours = event.attempt_key.as_deref() == Some(&check.attempt_key);
            domain::planted!("any_call_is_ours", ours, true)
        });
        let facts = ours.flat_map(|event| echo_facts(check.line_id, event));
        Some(Page {
            facts: facts.collect(),
            answer,
            cut,
        })
    }
}

/// A page of a provider's list.
struct Page {
    answer: ProviderAnswer,
    /// About the call that is looked for.
    facts: Vec<AttemptFact>,
    /// Whether the window holds more than the page.
    cut: bool,
}

/// When the call that is looked for can have been created.
fn window(check: &Check, margin: SignedDuration) -> Window {
    let around = |at: Timestamp, by: SignedDuration| at.saturating_add(by).unwrap_or(at);
    Window {
        from: around(check.planned_at, -margin),
        until: around(check.send_not_after, margin),
    }
}

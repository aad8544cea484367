//! What the facts of one transaction share, so that each costs few statements: the attempts they are
//! about, read by two statements for all; what was found out about lines and campaigns; and wake-ups,
//! written once at the end.
//!
//! It holds while the tenant's row is locked, and only for what facts change. Whatever a fact changes
//! beyond that is forgotten here and read again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::attempt::AttemptState;
use domain::settings::CampaignSettings;
use domain::{AttemptId, CampaignId, LineId};
use jiff::Timestamp;
use store::{AttemptFact, AttemptRef, StoreResult};

use crate::dial::row::{self, AttemptRow};
use crate::ops::wake;
use crate::work::Work;

/// What is known while the facts of one transaction are applied.
#[derive(Default)]
pub(crate) struct Batch {
    rows: HashMap<AttemptId, AttemptRow>,
    keys: HashMap<String, AttemptId>,
    /// Settings of campaigns, read once; `None`: there is no such campaign.
    pub(crate) settings: HashMap<CampaignId, Option<Arc<CampaignSettings>>>,
    /// Lines without failures to forget.
    sound_lines: HashSet<LineId>,
    /// Campaigns whose circuit is closed.
    sound_campaigns: HashSet<CampaignId>,
    /// When a campaign that a call has left is to be looked at, with the line of the call.
    wakes: BTreeMap<(CampaignId, LineId), Timestamp>,
}

impl Batch {
    /// Reads what the facts are about.
    pub(crate) async fn read<'a>(
        work: &Work<'_>,
        facts: impl Iterator<Item = &'a AttemptFact>,
    ) -> StoreResult<Self> {
        let (mut ids, mut keys) = (Vec::new(), Vec::new());
        for fact in facts {
            match &fact.attempt {
                AttemptRef::Id(id) => ids.push(id.raw()),
                AttemptRef::Echo { attempt_key, .. } => keys.extend(attempt_key.as_deref()),
            }
        }
        let mut batch = Self::default();
        for row in row::by_ids(work, &ids).await? {
            batch.keep(row);
        }
        for (key, row) in row::by_keys(work, &keys).await? {
            batch.keys.insert(key, row.attempt_id);
            batch.keep(row);
        }
        Ok(batch)
    }

    /// Keeps an attempt as it is now.
    pub(crate) fn keep(&mut self, row: AttemptRow) {
        self.rows.insert(row.attempt_id, row);
    }

    /// The attempt of the tenant that a fact is about, if we have it.
    pub(crate) async fn find(
        &mut self,
        work: &Work<'_>,
        attempt: &AttemptRef,
    ) -> StoreResult<Option<AttemptRow>> {
        let known = match attempt {
            AttemptRef::Id(id) => self.rows.remove(id),
            AttemptRef::Echo {
                line_id,
                attempt_key: Some(key),
                ..
            } => match self.keys.get(key).and_then(|id| self.rows.remove(id)) {
                Some(row) if row.line_id != *line_id => {
                    self.keep(row);
                    None
                }
                known => known,
            },
            AttemptRef::Echo { .. } => None,
        };
        if known.is_some() {
            return Ok(known);
        }
        let found = row::find(work, attempt).await?;
        if let Some(row) = &found {
            // It is about to change.
            self.rows.remove(&row.attempt_id);
        }
        Ok(found)
    }

    /// Keeps an attempt that a fact has taken on, where that is all that there is to it.
    pub(crate) fn took(&mut self, mut row: AttemptRow, state: AttemptState, live: bool) {
        match state {
            AttemptState::Placed | AttemptState::Ringing | AttemptState::InProgress => {
                row.state = state;
                row.live = live;
                row.missed = false;
                self.keep(row);
            }
            // What is stored of these says less, or more, than the state.
            AttemptState::Dispatching { .. }
            | AttemptState::Unknown { .. }
            | AttemptState::Ended { .. }
            | AttemptState::Rejected
            | AttemptState::Released
            | AttemptState::Absent => {}
        }
    }

    /// Whether a line's failures are to be forgotten for all that is known: the first success since
    /// one.
    pub(crate) fn line_works(&mut self, line_id: LineId) -> bool {
        self.sound_lines.insert(line_id)
    }

    /// A line failed, or has to rest.
    pub(crate) fn line_fails(&mut self, line_id: LineId) {
        self.sound_lines.remove(&line_id);
    }

    /// Whether a campaign's circuit is to be closed for all that is known.
    pub(crate) fn campaign_works(&mut self, campaign_id: CampaignId) -> bool {
        self.sound_campaigns.insert(campaign_id)
    }

    /// A campaign's call failed by its configuration.
    pub(crate) fn campaign_fails(&mut self, campaign_id: CampaignId) {
        self.sound_campaigns.remove(&campaign_id);
    }

    /// A slot, a number and perhaps a lead are free again.
    pub(crate) fn wake(&mut self, row: &AttemptRow, at: Timestamp) {
        let wake = self.wakes.entry((row.campaign_id, row.line_id));
        let wake = wake.or_insert(at);
        *wake = at.min(*wake);
    }

    /// Writes what waits for the end.
    pub(crate) async fn finish(self, work: &mut Work<'_>) -> StoreResult<()> {
        for ((campaign_id, line_id), at) in self.wakes {
            wake::campaign(work, campaign_id, at).await?;
            wake::line_only(work, line_id, at).await?;
        }
        Ok(())
    }
}

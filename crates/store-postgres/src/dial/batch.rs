//! What the facts of one transaction share, so that a hundred of them cost few statements and few waits: the
//! attempts that they are about, read by two statements for all; what they make of those, their
//! details and their leads, written by one statement each; what was found out about lines and
//! campaigns; and wake-ups, written by one statement at the end. Those that do not need each
//! other's answers are under way together.
//!
//! Facts are reduced in memory, one after the other ([`crate::dial::facts`]). What follows from them (a
//! lead's verdict, an event, a line that rests) waits, in their order, until the batch is settled: at the
//! end, or sooner when a fact is about somebody of whom something waits. So nothing is ever decided
//! by records that lack what an earlier fact of the same number has changed.
//!
//! It holds while the tenant's row is locked.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::attempt::{Effect, StateName};
use domain::{AttemptId, CampaignId, LeadId, LineId};
use futures_util::future::{try_join, try_join3};
use jiff::Timestamp;
use serde_json::Value;
use store::{AttemptFact, AttemptRef, NO_LEAD, StoreResult};

use crate::dial::campaigns::Campaigns;
use crate::dial::change::Changes;
use crate::dial::details::Details;
use crate::dial::effects;
use crate::dial::lead_verdict::Verdicts;
use crate::dial::row::{self, AttemptRow};
use crate::ops::wake;
use crate::work::Work;

/// What follows from a fact beyond its attempt.
pub(crate) struct FollowUp {
    pub(crate) now: Timestamp,
    /// The attempt as it was before.
    pub(crate) row: AttemptRow,
    pub(crate) event: Option<(&'static str, Value)>,
    pub(crate) effects: Vec<Effect>,
    /// Whether a look-up that missed it has set its slot free.
    pub(crate) frees_slot: bool,
    /// Why the line failed, and whether no byte of the request had left.
    pub(crate) line_fault: Option<(&'static str, bool)>,
    /// Whether a part of an analysis came.
    pub(crate) is_analysed: bool,
}

/// What is known while the facts of one transaction are applied.
#[derive(Default)]
pub(crate) struct Batch {
    /// As they are with all changes that wait.
    rows: HashMap<AttemptId, AttemptRow>,
    keys: HashMap<String, AttemptId>,
    pub(crate) changes: Changes,
    pub(crate) details: Details,
    follow_ups: Vec<FollowUp>,
    /// Leads of which something waits, and their numbers.
    waiting_leads: HashSet<LeadId>,
    /// See `waiting_leads`.
    waiting_numbers: HashSet<(CampaignId, String)>,
    /// What is known of campaigns.
    pub(crate) campaigns: Campaigns,
    /// Lines without failures to forget.
    sound_lines: HashSet<LineId>,
    /// When a campaign that a call has left is to be looked at, with the line of the call.
    wakes: BTreeMap<(CampaignId, LineId), Timestamp>,
}

/// Whether the lead's next fact must find what follows from this.
const fn changes_the_lead(effect: &Effect) -> bool {
    match effect {
        Effect::LeadFreed { .. } | Effect::LeadUnresolved | Effect::LeadInCall => true,
        Effect::LineRests { .. }
        | Effect::CircuitOpens
        | Effect::NumberRests
        | Effect::LineWorks
        | Effect::Corrected => false,
    }
}

impl Batch {
    /// Reads what the facts are about.
    pub(crate) async fn read<'a>(
        work: &Work<'_>,
        facts: impl Iterator<Item = &'a AttemptFact>,
    ) -> StoreResult<Self> {
        let (mut ids, mut keys) = (HashSet::new(), HashSet::new());
        for fact in facts {
            match &fact.attempt {
                AttemptRef::Id(id) => {
                    ids.insert(id.raw());
                }
                AttemptRef::Echo { attempt_key, .. } => keys.extend(attempt_key.as_deref()),
            }
        }
        let mut batch = Self::default();
        let ids: Vec<_> = ids.into_iter().collect();
        let keys: Vec<_> = keys.into_iter().collect();
        let (by_ids, by_keys) =
            try_join(row::by_ids(work, &ids), row::by_keys(work, &keys)).await?;
        for row in by_ids {
            batch.read_now(row);
        }
        for (key, row) in by_keys {
            batch.keys.insert(key, row.attempt_id);
            batch.read_now(row);
        }
        Ok(batch)
    }

    /// Keeps an attempt as it was read before anything was changed.
    fn read_now(&mut self, row: AttemptRow) {
        if row.line_is_sound {
            self.sound_lines.insert(row.line_id);
        }
        self.keep(row);
    }

    /// Keeps an attempt as it is now.
    pub(crate) fn keep(&mut self, row: AttemptRow) {
        self.rows.insert(row.attempt_id, row);
    }

    /// Whether the attempt was read and is DISPATCHING.
    pub(crate) fn is_dispatching(&self, attempt: &AttemptRef) -> bool {
        let row = self.known(attempt).and_then(|known| self.rows.get(&known));
        row.is_some_and(|row| row.state.name() == StateName::Dispatching)
    }

    /// The attempt of the tenant that a fact is about, if we have it. Whoever changes it keeps it again.
    pub(crate) async fn find(
        &mut self,
        work: &Work<'_>,
        attempt: &AttemptRef,
    ) -> StoreResult<Option<AttemptRow>> {
        if let Some(known) = self.known(attempt) {
            return Ok(self.rows.get(&known).cloned());
        }
        // By what the provider calls it, perhaps, which a fact of this batch may have told.
        self.changes.write(work).await?;
        let found = row::find(work, attempt).await?;
        // Nothing of it waits any more, but what is in memory is the same.
        Ok(found.map(|found| self.rows.get(&found.attempt_id).cloned().unwrap_or(found)))
    }

    fn known(&self, attempt: &AttemptRef) -> Option<AttemptId> {
        match attempt {
            AttemptRef::Id(id) => self.rows.contains_key(id).then_some(*id),
            AttemptRef::Echo {
                line_id,
                attempt_key: Some(key),
                ..
            } => {
                let id = self.keys.get(key)?;
                let row = self.rows.get(id)?;
                (row.line_id == *line_id).then_some(*id)
            }
            AttemptRef::Echo { .. } => None,
        }
    }

    /// Whether something waits that is to be decided before anything else about this attempt's lead or
    /// its number.
    pub(crate) fn waits_for(&self, row: &AttemptRow) -> bool {
        self.waiting_leads.contains(&row.lead_id)
            || self
                .waiting_numbers
                .contains(&(row.campaign_id, row.phone.as_str().to_owned()))
    }

    /// What follows from a fact, in its turn.
    pub(crate) fn follow_up(&mut self, follow_up: FollowUp) {
        if follow_up.effects.iter().any(changes_the_lead) {
            let row = &follow_up.row;
            let number = (row.campaign_id, row.phone.as_str().to_owned());
            if row.lead_id != NO_LEAD {
                self.waiting_leads.insert(row.lead_id);
            }
            self.waiting_numbers.insert(number);
        }
        self.follow_ups.push(follow_up);
    }

    /// Writes what waits, and carries out what follows from it.
    pub(crate) async fn settle(&mut self, work: &mut Work<'_>) -> StoreResult<()> {
        let verdicts = self.settle_calls(work).await?;
        verdicts.write(work).await
    }

    /// The same, but for the leads, which are still to be written.
    async fn settle_calls(&mut self, work: &mut Work<'_>) -> StoreResult<Verdicts> {
        self.waiting_leads.clear();
        self.waiting_numbers.clear();
        let follow_ups = std::mem::take(&mut self.follow_ups);
        let freed = effects::freed(&follow_ups);
        // What finds the verdicts reads what the changes write: these are sent first.
        let changes = self.changes.prepare(work).await?;
        let ((), (), mut verdicts) = try_join3(
            self.changes.write_by(work, changes.as_ref()),
            self.details.write(work),
            Verdicts::of(work, &mut self.campaigns, &freed),
        )
        .await?;
        effects::carry_out(work, self, &mut verdicts, &follow_ups).await?;
        Ok(verdicts)
    }

    /// Whether a line is known to have no failures to forget.
    pub(crate) fn is_sound(&self, line_id: LineId) -> bool {
        self.sound_lines.contains(&line_id)
    }

    /// A line has none.
    pub(crate) fn line_is_sound(&mut self, line_id: LineId) {
        self.sound_lines.insert(line_id);
    }

    /// A line failed, or has to rest.
    pub(crate) fn line_fails(&mut self, line_id: LineId) {
        self.sound_lines.remove(&line_id);
    }

    /// A slot, a number and perhaps a lead are free again.
    pub(crate) fn wake(&mut self, row: &AttemptRow, at: Timestamp) {
        let wake = self.wakes.entry((row.campaign_id, row.line_id));
        let wake = wake.or_insert(at);
        *wake = at.min(*wake);
    }

    /// Writes what waits for the end.
    pub(crate) async fn finish(mut self, work: &mut Work<'_>) -> StoreResult<()> {
        let verdicts = self.settle_calls(work).await?;
        if self.wakes.is_empty() {
            return verdicts.write(work).await;
        }
        try_join(wake::all(work, &self.wakes), verdicts.write(work)).await?;
        work.wake();
        Ok(())
    }
}

//! What calls leave behind, gathered and written by one statement for all of a batch. What was told
//! before is kept where the new report is silent.

use std::collections::{BTreeMap, HashSet};

use domain::AttemptId;
use store::{CallDetails, StoreResult};

use crate::code::{micros, to_json};
use crate::query::{self, bound};
use crate::work::Work;

/// So many bytes wait at most, about: transcripts are long, and what is read out of them may be.
const MOST_BYTES: usize = 4_000_000;

/// What waits to be written, and of which attempts an analysis is on record.
#[derive(Default)]
pub(crate) struct Details {
    waiting: BTreeMap<AttemptId, CallDetails>,
    bytes: usize,
    /// Attempts that were looked for, before anything of them was written here.
    looked: HashSet<AttemptId>,
    /// Those that have an analysis.
    analysed: HashSet<AttemptId>,
}

/// Whether these hold any part of an analysis.
pub(crate) const fn have_analysis(details: &CallDetails) -> bool {
    details.transcript.is_some() || details.summary.is_some() || details.structured_data.is_some()
}

impl Details {
    /// Lays a report over what waits already.
    pub(crate) fn add(&mut self, attempt_id: AttemptId, told: &CallDetails) {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let data = told
            .structured_data
            .as_ref()
            .map_or(0, |data| to_json(data).len());
        self.bytes += length(&told.transcript) + length(&told.summary) + data;
        let known = self.waiting.entry(attempt_id).or_default();
        known.started_at = told.started_at.or(known.started_at);
        known.ended_at = told.ended_at.or(known.ended_at);
        known.cost_micro_usd = told.cost_micro_usd.or(known.cost_micro_usd);
        let keep = |known: &mut Option<String>, told: &Option<String>| {
            if told.is_some() {
                known.clone_from(told);
            }
        };
        keep(&mut known.transcript, &told.transcript);
        keep(&mut known.summary, &told.summary);
        keep(&mut known.recording_url, &told.recording_url);
        if told.structured_data.is_some() {
            known.structured_data.clone_from(&told.structured_data);
        }
    }

    /// Whether so much waits that it is to be written before more comes.
    pub(crate) const fn are_many(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    /// Whether this is the attempt's first analysis; the next one is not.
    pub(crate) fn is_first_analysis(&mut self, attempt_id: AttemptId) -> bool {
        self.analysed.insert(attempt_id)
    }

    /// Those that wait and were not looked for yet.
    fn not_looked_for(&mut self) -> Vec<i64> {
        let ids = self.waiting.keys().filter(|id| self.looked.insert(**id));
        ids.map(|id| id.raw()).collect()
    }

    /// Writes all that waits, and finds out which of these had an analysis on record before.
    pub(crate) async fn write(&mut self, work: &Work<'_>) -> StoreResult<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let unknown = self.not_looked_for();
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        // All parts of a statement see what was there before it.
        let sql = "WITH written AS (
                       INSERT INTO call_details AS known (tenant_id, attempt_id, started_at, ended_at, cost_micro_usd,
                           transcript, summary, recording_url, structured_data)
                       SELECT $1, * FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[],
                                                $7::text[], $8::text[], $9::text[])
                       ON CONFLICT (tenant_id, attempt_id) DO UPDATE SET
                           started_at = coalesce(excluded.started_at, known.started_at),
                           ended_at = coalesce(excluded.ended_at, known.ended_at),
                           cost_micro_usd = coalesce(excluded.cost_micro_usd, known.cost_micro_usd),
                           transcript = coalesce(excluded.transcript, known.transcript),
                           summary = coalesce(excluded.summary, known.summary),
                           recording_url = coalesce(excluded.recording_url, known.recording_url),
                           structured_data = coalesce(excluded.structured_data, known.structured_data))
                   SELECT wanted.attempt_id
                   FROM UNNEST($10::bigint[]) AS wanted (attempt_id),
                        LATERAL (SELECT 1 FROM call_details
                                 WHERE tenant_id = $1 AND call_details.attempt_id = wanted.attempt_id
                                   AND (transcript IS NOT NULL OR summary IS NOT NULL OR structured_data IS NOT NULL)
                                 OFFSET 0) AS known";
        let ids: Vec<_> = waiting.keys().map(|attempt_id| attempt_id.raw()).collect();
        let all: Vec<_> = waiting.into_values().collect();
        let bound = bound![
            work.tenant_id.raw(),
            ids,
            column(&all, |told| told.started_at.map(micros)),
            column(&all, |told| told.ended_at.map(micros)),
            column(&all, |told| told.cost_micro_usd),
            column(&all, |told| told.transcript.as_deref()),
            column(&all, |told| told.summary.as_deref()),
            column(&all, |told| told.recording_url.as_deref()),
            column(&all, |told| told.structured_data.as_ref().map(to_json)),
            unknown,
        ];
        let found = query::many(&work.tx, sql, bound, |cells| {
            Ok(AttemptId::from_raw(cells.get("attempt_id")?))
        });
        self.analysed.extend(found.await?);
        Ok(())
    }
}

/// One column of all rows.
fn column<'a, T>(all: &'a [CallDetails], of: impl Fn(&'a CallDetails) -> T) -> Vec<T> {
    all.iter().map(of).collect()
}

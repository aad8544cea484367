//! The stored form of an attempt's state.

use domain::attempt::{AttemptState, StateName};
use domain::{AttemptId, CampaignId, LeadId, LineId, Outcome, PhoneNumber, TenantId};
use jiff::Timestamp;
use store::{AttemptRef, NO_LEAD, StoreResult};

use crate::code::{Cells, corrupt, instant, micros};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// What the reducer and its effects need of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct AttemptRow {
    pub(crate) attempt_id: AttemptId,
    pub(crate) campaign_id: CampaignId,
    pub(crate) lead_id: LeadId,
    pub(crate) line_id: LineId,
    pub(crate) attempt_number: u32,
    pub(crate) phone: PhoneNumber,
    pub(crate) phone_number_id: String,
    pub(crate) provider: String,
    pub(crate) provider_call_id: Option<String>,
    pub(crate) planned_at: Timestamp,
    pub(crate) state: AttemptState,
    /// Whether it holds its slot and its number: a corrected one may have lost both to another.
    pub(crate) live: bool,
    /// Whether a complete look-up has missed it.
    pub(crate) missed: bool,
    /// Whether its line had no failures to forget when it was read.
    pub(crate) line_is_sound: bool,
}

impl AttemptRow {
    /// Makes it what it would be if it were read again once this is written: with what is stored of a
    /// state, which can be less than the state.
    pub(crate) fn become_as_stored(&mut self, state: AttemptState, live: bool, missed: bool) {
        let stored = |at: Timestamp| instant(micros(at)).unwrap_or(at);
        self.state = match state {
            AttemptState::Unknown {
                sent_by,
                probes,
                absent_at,
            } => AttemptState::Unknown {
                sent_by: stored(sent_by),
                probes,
                absent_at: absent_at.map(stored),
            },
            AttemptState::Ended { outcome, counts } => AttemptState::Ended {
                outcome,
                counts: counts && self.lead_id != NO_LEAD,
            },
            AttemptState::Dispatching { .. }
            | AttemptState::Placed
            | AttemptState::Ringing
            | AttemptState::InProgress
            | AttemptState::Rejected
            | AttemptState::Released
            | AttemptState::Absent => state,
        };
        self.live = live;
        self.missed = missed;
    }
}

macro_rules! select_from {
    ($attempts:literal, $condition:literal) => {
        concat!(
            "SELECT attempt_key, attempt_id, campaign_id, lead_id, attempts.line_id, attempt_number,
                    phone, phone_number_id, provider, provider_call_id, planned_at, send_not_after, state,
                    counts, live, missed, outcome, unknown_at, probes, absent_at,
                    failures = 0 AND rests_until IS NULL AS line_is_sound
             FROM ",
            $attempts,
            " JOIN lines ON lines.tenant_id = attempts.tenant_id AND lines.line_id = attempts.line_id
             WHERE attempts.tenant_id = $1 AND ",
            $condition
        )
    };
}

macro_rules! select {
    ($condition:literal) => {
        select_from!("attempts", $condition)
    };
}

/// The attempt of the tenant that a fact is about, if we have it.
pub(crate) async fn find(work: &Work<'_>, attempt: &AttemptRef) -> StoreResult<Option<AttemptRow>> {
    let tenant = work.tenant_id.raw();
    match attempt {
        AttemptRef::Id(id) => {
            let sql = select!("attempt_id = $2");
            query::one(&work.tx, sql, bound![tenant, id.raw()], read).await
        }
        AttemptRef::Echo {
            line_id,
            attempt_key,
            provider_call_id,
        } => {
            if let Some(key) = attempt_key {
                let sql = select!("attempt_key = $2 AND attempts.line_id = $3");
                let bound = bound![tenant, key, line_id.raw()];
                if let Some(row) = query::one(&work.tx, sql, bound, read).await? {
                    return Ok(Some(row));
                }
            }
            let sql = select!(
                "attempts.line_id = $2 AND provider_call_id = $3 ORDER BY attempt_id LIMIT 1"
            );
            let bound = bound![tenant, line_id.raw(), provider_call_id];
            query::one(&work.tx, sql, bound, read).await
        }
    }
}

// Each of many is looked for by itself, and the tenant is compared afterwards: a plan that is made
// before the server has any statistics would read all attempts of the tenant instead.

/// The tenant's attempts with these ids.
pub(crate) async fn by_ids(work: &Work<'_>, ids: &[i64]) -> StoreResult<Vec<AttemptRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = select_from!(
        "UNNEST($2::bigint[]) AS wanted (id), LATERAL
             (SELECT * FROM attempts WHERE attempt_id = wanted.id OFFSET 0) AS attempts",
        "true"
    );
    query::many(&work.tx, sql, bound![work.tenant_id.raw(), ids], read).await
}

/// The tenant's attempts with these keys, and which key each has.
pub(crate) async fn by_keys(
    work: &Work<'_>,
    keys: &[&str],
) -> StoreResult<Vec<(String, AttemptRow)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let sql = select_from!(
        "UNNEST($2::text[]) AS wanted (key), LATERAL
             (SELECT * FROM attempts WHERE attempt_key = wanted.key OFFSET 0) AS attempts",
        "true"
    );
    query::many(&work.tx, sql, bound![work.tenant_id.raw(), keys], |cells| {
        Ok((cells.get("attempt_key")?, read(cells)?))
    })
    .await
}

/// Whose attempts these are; `None`: nobody's.
pub(crate) async fn tenants_of(
    db: &Db<'_>,
    attempts: &[&AttemptRef],
) -> StoreResult<Vec<Option<TenantId>>> {
    let ids: Vec<Option<i64>> = attempts
        .iter()
        .map(|attempt| match attempt {
            AttemptRef::Id(id) => Some(id.raw()),
            AttemptRef::Echo { .. } => None,
        })
        .collect();
    let lines: Vec<Option<i64>> = attempts
        .iter()
        .map(|attempt| match attempt {
            AttemptRef::Id(_) => None,
            AttemptRef::Echo { line_id, .. } => Some(line_id.raw()),
        })
        .collect();
    let sql = "SELECT coalesce((SELECT tenant_id FROM attempts WHERE attempts.attempt_id = told.attempt_id),
                               (SELECT tenant_id FROM lines WHERE lines.line_id = told.line_id)) AS tenant_id
               FROM UNNEST($1::bigint[], $2::bigint[]) WITH ORDINALITY AS told (attempt_id, line_id, place)
               ORDER BY place";
    query::many(db, sql, bound![ids, lines], |cells| {
        Ok(cells
            .get::<Option<i64>>("tenant_id")?
            .map(TenantId::from_raw))
    })
    .await
}

fn read(cells: &Cells<'_>) -> StoreResult<AttemptRow> {
    Ok(AttemptRow {
        attempt_id: AttemptId::from_raw(cells.get("attempt_id")?),
        campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
        lead_id: LeadId::from_raw(cells.get("lead_id")?),
        line_id: LineId::from_raw(cells.get("line_id")?),
        attempt_number: cells.number("attempt_number")?,
        phone: cells.phone("phone")?,
        phone_number_id: cells.get("phone_number_id")?,
        provider: cells.get("provider")?,
        provider_call_id: cells.get("provider_call_id")?,
        planned_at: cells.instant("planned_at")?,
        state: state(cells)?,
        live: cells.get("live")?,
        missed: cells.get("missed")?,
        line_is_sound: cells.get("line_is_sound")?,
    })
}

fn state(cells: &Cells<'_>) -> StoreResult<AttemptState> {
    let send_not_after = cells.instant("send_not_after")?;
    Ok(match cells.choice("state", StateName::parse)? {
        StateName::Dispatching => AttemptState::Dispatching { send_not_after },
        StateName::Unknown => AttemptState::Unknown {
            sent_by: cells
                .maybe_instant("unknown_at")?
                .map_or(send_not_after, |at| at.min(send_not_after)),
            probes: cells.number("probes")?,
            absent_at: cells.maybe_instant("absent_at")?,
        },
        StateName::Placed => AttemptState::Placed,
        StateName::Ringing => AttemptState::Ringing,
        StateName::InProgress => AttemptState::InProgress,
        StateName::Ended => AttemptState::Ended {
            outcome: cells
                .maybe_choice("outcome", Outcome::parse)?
                .ok_or_else(|| corrupt("an ended attempt has no outcome"))?,
            counts: cells.get("counts")?,
        },
        StateName::Rejected => AttemptState::Rejected,
        StateName::Released => AttemptState::Released,
        StateName::Absent => AttemptState::Absent,
    })
}

//! The tenant's feed: each event is written in the transaction of the change that it tells, all of
//! a transaction's at once.

use domain::{AttemptId, CampaignId, LeadId, TenantId};
use jiff::Timestamp;
use serde_json::Value;
use store::{EventRecord, StoreResult};
use tokio_postgres::types::ToSql;

use crate::code::{Cells, micros, to_json};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// What an event is about, within its tenant.
#[expect(clippy::struct_field_names, reason = "the glossary's names of ids")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) campaign_id: Option<CampaignId>,
    pub(crate) lead_id: Option<LeadId>,
    pub(crate) attempt_id: Option<AttemptId>,
}

impl Subject {
    /// The tenant itself.
    pub(crate) const TENANT: Self = Self {
        campaign_id: None,
        lead_id: None,
        attempt_id: None,
    };

    pub(crate) const fn campaign(campaign_id: CampaignId) -> Self {
        Self {
            campaign_id: Some(campaign_id),
            ..Self::TENANT
        }
    }

    pub(crate) const fn lead(campaign_id: CampaignId, lead_id: LeadId) -> Self {
        Self {
            lead_id: Some(lead_id),
            ..Self::campaign(campaign_id)
        }
    }
}

/// An event that waits for its transaction's commit.
pub(crate) struct Pending {
    sequence: i64,
    kind: &'static str,
    subject: Subject,
    data: String,
    created_at: i64,
}

/// Appends an event. `kind` is a type of the contract (`call.placed`), `data` the facts that the
/// rows do not keep (what changed, from where).
pub(crate) fn append(
    work: &mut Work<'_>,
    now: Timestamp,
    kind: &'static str,
    subject: Subject,
    data: &Value,
) {
    work.tell(|sequence| Pending {
        sequence,
        kind,
        subject,
        data: to_json(data),
        created_at: micros(now),
    });
}

/// Writes the events of a transaction, and how far the feed is with them: see [`Columns`].
pub(crate) const WRITE: &str = "WITH told AS (
                   INSERT INTO events (tenant_id, sequence, type, campaign_id, lead_id, attempt_id, data, created_at)
                   SELECT $1, * FROM UNNEST($3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                                            $8::text[], $9::bigint[]))
               UPDATE tenants SET last_sequence = $2 WHERE tenant_id = $1";

/// What is bound to [`WRITE`].
pub(crate) struct Columns<'a> {
    tenant_id: i64,
    last_sequence: i64,
    sequences: Vec<i64>,
    kinds: Vec<&'a str>,
    campaigns: Vec<Option<i64>>,
    leads: Vec<Option<i64>>,
    attempts: Vec<Option<i64>>,
    data: Vec<&'a str>,
    times: Vec<i64>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(tenant_id: TenantId, last_sequence: i64, events: &'a [Pending]) -> Self {
        let of = |id: fn(&Subject) -> Option<i64>| -> Vec<_> {
            events.iter().map(|event| id(&event.subject)).collect()
        };
        Self {
            tenant_id: tenant_id.raw(),
            last_sequence,
            sequences: events.iter().map(|event| event.sequence).collect(),
            kinds: events.iter().map(|event| event.kind).collect(),
            campaigns: of(|subject| subject.campaign_id.map(CampaignId::raw)),
            leads: of(|subject| subject.lead_id.map(LeadId::raw)),
            attempts: of(|subject| subject.attempt_id.map(AttemptId::raw)),
            data: events.iter().map(|event| event.data.as_str()).collect(),
            times: events.iter().map(|event| event.created_at).collect(),
        }
    }

    pub(crate) fn bound(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.tenant_id,
            &self.last_sequence,
            &self.sequences,
            &self.kinds,
            &self.campaigns,
            &self.leads,
            &self.attempts,
            &self.data,
            &self.times,
        ]
    }
}

/// Most events read at once.
const MAX_EVENTS: u32 = 1_000;

/// Events after a sequence, oldest first.
pub(crate) async fn list(
    db: &Db<'_>,
    tenant_id: TenantId,
    after: i64,
    limit: u32,
) -> StoreResult<Vec<EventRecord>> {
    let sql =
        "SELECT sequence, type, campaign_id, lead_id, attempt_id, data, created_at FROM events
               WHERE tenant_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
    let limit = i64::from(limit.clamp(1, MAX_EVENTS));
    query::many(db, sql, bound![tenant_id.raw(), after, limit], read).await
}

fn read(cells: &Cells<'_>) -> StoreResult<EventRecord> {
    let id = |column| cells.get::<Option<i64>>(column);
    Ok(EventRecord {
        sequence: cells.get("sequence")?,
        kind: cells.get("type")?,
        campaign_id: id("campaign_id")?.map(CampaignId::from_raw),
        lead_id: id("lead_id")?.map(LeadId::from_raw),
        attempt_id: id("attempt_id")?.map(AttemptId::from_raw),
        data: cells.json("data")?,
        created_at: cells.instant("created_at")?,
    })
}

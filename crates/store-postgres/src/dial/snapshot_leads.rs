//! The part of a snapshot that is about leads: groups by zone and urgency, and who is due in each.

use std::collections::{HashMap, HashSet};

use domain::calendar::CalendarStatus;
use domain::campaign::LeadStatus;
use domain::planner::{CohortSnapshot, LeadSnapshot, MAX_COHORTS, Share, cohort_calendar};
use domain::policy::CountedAttempt;
use domain::settings::Outbound;
use domain::{CampaignId, LeadId, PhoneNumber};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use store::StoreResult;

use crate::code::{corrupt, instant, micros, stored};
use crate::ops::do_not_call;
use crate::query::{self, bound};
use crate::work::Work;

/// A group of leads: same urgency, same clock.
struct Group {
    rank: i64,
    zone: String,
    /// Hint of its first lead.
    first_due_at: Timestamp,
}

/// A due lead as stored.
struct DueRow {
    lead_id: LeadId,
    phone: PhoneNumber,
    status: LeadStatus,
    not_before: Option<Timestamp>,
    requeued_at: Option<Timestamp>,
}

/// The groups of a campaign with those due leads that the plan may want.
pub(crate) async fn cohorts(
    work: &Work<'_>,
    campaign_id: CampaignId,
    outbound: &Outbound,
    share: Share,
    now: Timestamp,
) -> StoreResult<Vec<CohortSnapshot>> {
    let mut found = Vec::new();
    let mut left = share.calls;
    for group in groups(work, campaign_id).await? {
        let zone = cohort_zone(&group.zone)?;
        let calendar = cohort_calendar(outbound, zone.as_ref(), now);
        let open = matches!(calendar, CalendarStatus::Open { .. });
        let (rows, next_due_at) = if open && left > 0 {
            due_rows(work, campaign_id, &group, left + share.spare, now).await?
        } else {
            (Vec::new(), Some(group.first_due_at))
        };
        left = left.saturating_sub(rows.len());
        found.push((zone, rows, next_due_at));
    }
    let rows = found.iter().flat_map(|(_, rows, _)| rows);
    let known = Known::read(work, campaign_id, rows, now).await?;
    let least_gap = SignedDuration::from_mins(i64::from(outbound.policy.min_gap_minutes));
    let cohort = |(zone, rows, next_due_at): (_, Vec<DueRow>, _)| CohortSnapshot {
        zone,
        leads: rows
            .into_iter()
            .map(|row| known.lead(row, least_gap))
            .collect(),
        next_due_at,
    };
    Ok(found.into_iter().map(cohort).collect())
}

/// Finds the groups by leaping through the index from one to the next.
async fn groups(work: &Work<'_>, campaign_id: CampaignId) -> StoreResult<Vec<Group>> {
    let sql = "WITH RECURSIVE found AS (
                   (SELECT rank, zone, due_at FROM due WHERE tenant_id = $1 AND campaign_id = $2
                    ORDER BY rank, zone, due_at LIMIT 1)
                   UNION ALL
                   SELECT later.rank, later.zone, later.due_at FROM found, LATERAL
                       (SELECT rank, zone, due_at FROM due WHERE tenant_id = $1 AND campaign_id = $2
                          AND (rank, zone) > (found.rank, found.zone)
                        ORDER BY rank, zone, due_at LIMIT 1) AS later)
               SELECT rank, zone, due_at FROM found LIMIT $3";
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), stored(MAX_COHORTS)];
    query::many(&work.tx, sql, bound, |cells| {
        Ok(Group {
            rank: cells.get("rank")?,
            zone: cells.get("zone")?,
            first_due_at: cells.instant("due_at")?,
        })
    })
    .await
}

/// The zone of a group. Names were checked when they were stored.
fn cohort_zone(name: &str) -> StoreResult<Option<TimeZone>> {
    if name.is_empty() {
        return Ok(None);
    }
    let zone = domain::settings::parse_zone(name);
    zone.map(Some)
        .map_err(|_| corrupt(format!("zone {name} of a lead is unknown")))
}

/// Due leads of a group, and the hint of the first one left out.
async fn due_rows(
    work: &Work<'_>,
    campaign_id: CampaignId,
    group: &Group,
    limit: usize,
    now: Timestamp,
) -> StoreResult<(Vec<DueRow>, Option<Timestamp>)> {
    let sql = "SELECT due.due_at, due.lead_id, phone, status, leads.not_before, requeued_at
               FROM due JOIN leads ON leads.tenant_id = due.tenant_id AND leads.lead_id = due.lead_id
               WHERE due.tenant_id = $1 AND due.campaign_id = $2 AND due.rank = $3 AND due.zone = $4
               ORDER BY due.due_at, due.lead_id LIMIT $5";
    let bound = bound![
        work.tenant_id.raw(),
        campaign_id.raw(),
        group.rank,
        group.zone,
        stored(limit + 1),
    ];
    let found = query::many(&work.tx, sql, bound, |cells| {
        let row = DueRow {
            lead_id: LeadId::from_raw(cells.get("lead_id")?),
            phone: cells.phone("phone")?,
            status: cells.choice("status", LeadStatus::parse)?,
            not_before: cells.maybe_instant("not_before")?,
            requeued_at: cells.maybe_instant("requeued_at")?,
        };
        Ok((instant(cells.get("due_at")?)?, row))
    })
    .await?;
    let mut rows = Vec::with_capacity(found.len());
    for (due_at, row) in found {
        if due_at > now || rows.len() >= limit {
            return Ok((rows, Some(due_at)));
        }
        rows.push(row);
    }
    Ok((rows, None))
}

/// What is known of the numbers of due leads, read at once for all of them.
struct Known {
    history: HashMap<String, Vec<CountedAttempt>>,
    suppressed: HashSet<String>,
    in_call: HashSet<String>,
}

impl Known {
    async fn read(
        work: &Work<'_>,
        campaign_id: CampaignId,
        rows: impl Iterator<Item = &DueRow>,
        now: Timestamp,
    ) -> StoreResult<Self> {
        let phones: Vec<&str> = rows.map(|row| row.phone.as_str()).collect();
        if phones.is_empty() {
            return Ok(Self {
                history: HashMap::new(),
                suppressed: HashSet::new(),
                in_call: HashSet::new(),
            });
        }
        Ok(Self {
            history: histories(work, campaign_id, &phones, now).await?,
            suppressed: do_not_call::those_on(&work.tx, work.tenant_id, &phones, now).await?,
            in_call: those_in_call(work, &phones).await?,
        })
    }

    fn lead(&self, row: DueRow, least_gap: SignedDuration) -> LeadSnapshot {
        let phone = row.phone.as_str();
        let all = self.history.get(phone).map_or(&[][..], Vec::as_slice);
        // A re-queue gives fresh caps, not a call on the heels of the last one: the least pause
        // holds across it.
        let last_end = all.iter().map(|attempt| attempt.ended_at).max();
        let rested_at = last_end
            .filter(|_| row.requeued_at.is_some())
            .map(|end| end.saturating_add(least_gap).unwrap_or(end));
        let since = row.requeued_at.unwrap_or(Timestamp::MIN);
        let counted = all.iter().filter(|attempt| attempt.started_at >= since);
        LeadSnapshot {
            history: counted.copied().collect(),
            suppressed: self.suppressed.contains(phone),
            phone_in_call: self.in_call.contains(phone),
            not_before: row.not_before.max(rested_at),
            lead_id: row.lead_id,
            status: row.status,
            phone: row.phone,
        }
    }
}

/// Attempts that count, by number and not by lead: removing and adding a lead forgets nothing.
async fn histories(
    work: &Work<'_>,
    campaign_id: CampaignId,
    phones: &[&str],
    now: Timestamp,
) -> StoreResult<HashMap<String, Vec<CountedAttempt>>> {
    // In the order of the index by number: a plan that is made before the server has any statistics
    // takes no other one then, which would read all calls of the campaign.
    let sql = "SELECT found.phone, found.planned_at, found.ended_at
               FROM UNNEST($3::text[]) AS wanted (phone), LATERAL
                   (SELECT attempts.phone, planned_at, coalesce(gap_from, ended_at, $4) AS ended_at FROM attempts
                    WHERE tenant_id = $1 AND campaign_id = $2 AND attempts.phone = wanted.phone AND counts
                    ORDER BY planned_at) AS found";
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), phones, micros(now),];
    let found = query::many(&work.tx, sql, bound, |cells| {
        let attempt = CountedAttempt {
            started_at: cells.instant("planned_at")?,
            ended_at: cells.instant("ended_at")?,
        };
        Ok((cells.get::<String>("phone")?, attempt))
    })
    .await?;
    let mut histories: HashMap<String, Vec<CountedAttempt>> = HashMap::new();
    for (phone, attempt) in found {
        histories.entry(phone).or_default().push(attempt);
    }
    Ok(histories)
}

/// The numbers to which the tenant has a live attempt.
async fn those_in_call(work: &Work<'_>, phones: &[&str]) -> StoreResult<HashSet<String>> {
    let sql = "SELECT phone FROM attempts WHERE tenant_id = $1 AND phone = ANY($2) AND live";
    let bound = bound![work.tenant_id.raw(), phones];
    let found = query::many(&work.tx, sql, bound, |cells| cells.get("phone")).await?;
    Ok(found.into_iter().collect())
}

/// Whether the tenant has a live attempt to the number.
pub(crate) async fn is_in_call(work: &Work<'_>, phone: &PhoneNumber) -> StoreResult<bool> {
    let found = those_in_call(work, &[phone.as_str()]).await?;
    Ok(!found.is_empty())
}

//! The part of a snapshot that is about leads: groups by zone and urgency, and who is due in each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::calendar::CalendarStatus;
use domain::campaign::LeadStatus;
use domain::planner::{CohortSnapshot, LeadSnapshot, MAX_COHORTS, Share, cohort_calendar};
use domain::policy::CountedAttempt;
use domain::settings::CampaignSettings;
use domain::{CampaignId, LeadId, PhoneNumber};
use futures_util::future::try_join3;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use store::StoreResult;

use crate::code::{corrupt, micros, stored};
use crate::ops::{do_not_call, due};
use crate::query::{self, bound};
use crate::work::Work;

/// What a plan may want of one campaign's leads.
pub(crate) struct Ask {
    pub(crate) campaign_id: CampaignId,
    /// Of a campaign that calls out; another has no groups.
    pub(crate) settings: Arc<CampaignSettings>,
    pub(crate) share: Share,
}

/// A group of leads: same urgency, same clock.
struct Group {
    /// Place of its campaign among those asked about.
    place: usize,
    rank: i64,
    zone_name: String,
    zone: Option<TimeZone>,
    /// Whether its clock lets it be called now.
    is_open: bool,
    /// Those that were read.
    rows: Vec<DueRow>,
    /// Hint of its first lead that was not read.
    next_due_at: Option<Timestamp>,
}

impl Group {
    fn has_due(&self, now: Timestamp) -> bool {
        self.is_open && self.next_due_at.is_some_and(|due_at| due_at <= now)
    }
}

/// A due lead as stored.
struct DueRow {
    lead_id: LeadId,
    due_at: Timestamp,
    row_at: due::RowAt,
    phone: PhoneNumber,
    status: LeadStatus,
    not_before: Option<Timestamp>,
    requeued_at: Option<Timestamp>,
}

/// What was read of the leads of campaigns.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) cohorts: HashMap<CampaignId, Vec<CohortSnapshot>>,
    /// Where each lead stands among those that are due.
    pub(crate) due: HashMap<LeadId, due::RowAt>,
}

/// The groups of campaigns with those due leads that the plan may want.
pub(crate) async fn cohorts(work: &Work<'_>, asks: &[Ask], now: Timestamp) -> StoreResult<Found> {
    let mut found = Found::default();
    if asks.is_empty() {
        return Ok(found);
    }
    let mut groups = groups(work, asks, now).await?;
    read_due(work, asks, &mut groups, now).await?;
    let rows = groups.iter().flat_map(|group| {
        let campaign_id = asks[group.place].campaign_id;
        group.rows.iter().map(move |row| (campaign_id, row))
    });
    let known = Known::read(work, &rows.collect::<Vec<_>>(), now).await?;
    for group in groups {
        let ask = &asks[group.place];
        let minutes = ask
            .settings
            .outbound
            .as_ref()
            .map(|outbound| outbound.policy.min_gap_minutes);
        let least_gap = SignedDuration::from_mins(i64::from(minutes.unwrap_or_default()));
        let due = group.rows.iter();
        let due = due.map(|row| (row.lead_id, row.row_at.clone()));
        found.due.extend(due);
        let lead = |row| known.lead(ask.campaign_id, row, least_gap);
        let cohorts = &mut found.cohorts;
        cohorts
            .entry(ask.campaign_id)
            .or_default()
            .push(CohortSnapshot {
                zone: group.zone,
                leads: group.rows.into_iter().map(lead).collect(),
                next_due_at: group.next_due_at,
            });
    }
    Ok(found)
}

/// Finds the groups by leaping through the index from one to the next, a step of all campaigns at a
/// time; those of each campaign are in the order of their urgency.
async fn groups(work: &Work<'_>, asks: &[Ask], now: Timestamp) -> StoreResult<Vec<Group>> {
    let sql = "WITH RECURSIVE found AS (
                   SELECT wanted.place, wanted.campaign_id, 1 AS step, first.rank, first.zone, first.due_at
                   FROM UNNEST($2::bigint[]) WITH ORDINALITY AS wanted (campaign_id, place), LATERAL
                       (SELECT rank, zone, due_at FROM due
                        WHERE due.tenant_id = $1 AND due.campaign_id = wanted.campaign_id
                        ORDER BY rank, zone, due_at LIMIT 1) AS first
                   UNION ALL
                   SELECT found.place, found.campaign_id, found.step + 1, later.rank, later.zone, later.due_at
                   FROM found, LATERAL
                       (SELECT rank, zone, due_at FROM due
                        WHERE due.tenant_id = $1 AND due.campaign_id = found.campaign_id
                          AND (rank, zone) > (found.rank, found.zone)
                        ORDER BY rank, zone, due_at LIMIT 1) AS later
                   WHERE found.step < $3)
               SELECT place, rank, zone, due_at FROM found ORDER BY place, step";
    let most = i32::try_from(MAX_COHORTS).unwrap_or(i32::MAX);
    let bound = bound![work.tenant_id.raw(), campaigns(asks), most];
    query::many(&work.tx, sql, bound, |cells| {
        let place = cells.place()?;
        let zone_name: String = cells.get("zone")?;
        let zone = cohort_zone(&zone_name)?;
        let outbound = asks
            .get(place)
            .and_then(|ask| ask.settings.outbound.as_ref());
        let calendar = outbound.map(|outbound| cohort_calendar(outbound, zone.as_ref(), now));
        Ok(Group {
            place,
            rank: cells.get("rank")?,
            zone_name,
            zone,
            is_open: matches!(calendar, Some(CalendarStatus::Open { .. })),
            rows: Vec::new(),
            next_due_at: Some(cells.instant("due_at")?),
        })
    })
    .await
}

/// The campaigns asked about, in order.
fn campaigns(asks: &[Ask]) -> Vec<i64> {
    asks.iter().map(|ask| ask.campaign_id.raw()).collect()
}

/// Reads due leads until each campaign has as many as the plan may want, one group of each at a time:
/// mostly the first has enough of them.
async fn read_due(
    work: &Work<'_>,
    asks: &[Ask],
    groups: &mut [Group],
    now: Timestamp,
) -> StoreResult<()> {
    let mut left: Vec<usize> = asks.iter().map(|ask| ask.share.calls).collect();
    let mut from = 0;
    while from < groups.len() {
        let mut taken = HashSet::new();
        let mut wants = Vec::new();
        let mut later = groups.len();
        for (at, group) in groups.iter().enumerate().skip(from) {
            if !group.has_due(now) || !group.rows.is_empty() || left[group.place] == 0 {
                continue;
            }
            if taken.insert(group.place) {
                wants.push((at, left[group.place] + asks[group.place].share.spare));
            } else {
                later = later.min(at);
            }
        }
        if wants.is_empty() {
            break;
        }
        read_groups(work, asks, groups, &wants, now).await?;
        for (at, _) in &wants {
            let group = &groups[*at];
            left[group.place] = left[group.place].saturating_sub(group.rows.len());
        }
        from = later;
    }
    Ok(())
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

/// Reads due leads of groups, each `(its place, how many)`, and the hint of the first one left out.
async fn read_groups(
    work: &Work<'_>,
    asks: &[Ask],
    groups: &mut [Group],
    wants: &[(usize, usize)],
    now: Timestamp,
) -> StoreResult<()> {
    let sql =
        "SELECT place, found.due_at, found.row_at, found.lead_id, phone, status, not_before, requeued_at
               FROM UNNEST($2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) WITH ORDINALITY
                        AS wanted (campaign_id, rank, zone, most, place),
                    LATERAL (SELECT due.due_at, due.lead_id, due.ctid::text AS row_at FROM due
                             WHERE due.tenant_id = $1 AND due.campaign_id = wanted.campaign_id
                               AND due.rank = wanted.rank AND due.zone = wanted.zone
                             ORDER BY due.due_at, due.lead_id LIMIT wanted.most) AS found,
                    LATERAL (SELECT phone, status, not_before, requeued_at FROM leads
                             WHERE tenant_id = $1 AND leads.lead_id = found.lead_id OFFSET 0) AS lead
               ORDER BY place, found.due_at, found.lead_id";
    let of = |at: usize| &groups[at];
    let campaign = |(at, _): &(usize, usize)| asks[of(*at).place].campaign_id.raw();
    let ranks: Vec<_> = wants.iter().map(|(at, _)| of(*at).rank).collect();
    let zones: Vec<_> = wants.iter().map(|(at, _)| &*of(*at).zone_name).collect();
    let bound = bound![
        work.tenant_id.raw(),
        wants.iter().map(campaign).collect::<Vec<_>>(),
        ranks,
        zones,
        wants
            .iter()
            .map(|(_, most)| stored(most + 1))
            .collect::<Vec<_>>(),
    ];
    let found = query::many(&work.tx, sql, bound, |cells| {
        let row = DueRow {
            lead_id: LeadId::from_raw(cells.get("lead_id")?),
            due_at: cells.instant("due_at")?,
            row_at: due::RowAt(cells.get("row_at")?),
            phone: cells.phone("phone")?,
            status: cells.choice("status", LeadStatus::parse)?,
            not_before: cells.maybe_instant("not_before")?,
            requeued_at: cells.maybe_instant("requeued_at")?,
        };
        Ok((cells.place()?, row))
    })
    .await?;
    for (at, _) in wants {
        groups[*at].next_due_at = None;
    }
    for (place, row) in found {
        let Some((at, most)) = wants.get(place) else {
            continue;
        };
        let group = &mut groups[*at];
        if row.due_at <= now && group.rows.len() < *most {
            group.rows.push(row);
        } else {
            group.next_due_at.get_or_insert(row.due_at);
        }
    }
    Ok(())
}

/// What is known of the numbers of due leads, read at once for all of them.
#[derive(Default)]
struct Known {
    history: HashMap<CampaignId, HashMap<String, Vec<CountedAttempt>>>,
    suppressed: HashSet<String>,
    in_call: HashSet<String>,
}

impl Known {
    async fn read(
        work: &Work<'_>,
        rows: &[(CampaignId, &DueRow)],
        now: Timestamp,
    ) -> StoreResult<Self> {
        if rows.is_empty() {
            return Ok(Self::default());
        }
        let phones: Vec<&str> = rows.iter().map(|(_, row)| row.phone.as_str()).collect();
        let campaigns: Vec<_> = rows.iter().map(|(of, _)| of.raw()).collect();
        let (history, suppressed, in_call) = try_join3(
            histories(work, &campaigns, &phones, now),
            do_not_call::those_on(&work.tx, work.tenant_id, &phones, now),
            those_in_call(work, &phones),
        )
        .await?;
        Ok(Self {
            history,
            suppressed,
            in_call,
        })
    }

    fn lead(
        &self,
        campaign_id: CampaignId,
        row: DueRow,
        least_gap: SignedDuration,
    ) -> LeadSnapshot {
        let phone = row.phone.as_str();
        let of_campaign = self.history.get(&campaign_id);
        let all = of_campaign.and_then(|by_phone| by_phone.get(phone));
        let all = all.map_or(&[][..], Vec::as_slice);
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
    campaigns: &[i64],
    phones: &[&str],
    now: Timestamp,
) -> StoreResult<HashMap<CampaignId, HashMap<String, Vec<CountedAttempt>>>> {
    // In the order of the index by number: a plan that is made before the server has any statistics
    // takes no other one then, which would read all calls of the campaign.
    let sql = "SELECT wanted.campaign_id, wanted.phone, found.planned_at, found.ended_at
               FROM UNNEST($2::bigint[], $3::text[]) AS wanted (campaign_id, phone), LATERAL
                   (SELECT planned_at, coalesce(gap_from, ended_at, $4) AS ended_at FROM attempts
                    WHERE tenant_id = $1 AND attempts.campaign_id = wanted.campaign_id
                      AND attempts.phone = wanted.phone AND counts
                    ORDER BY planned_at) AS found";
    let bound = bound![work.tenant_id.raw(), campaigns, phones, micros(now)];
    let found = query::many(&work.tx, sql, bound, |cells| {
        let attempt = CountedAttempt {
            started_at: cells.instant("planned_at")?,
            ended_at: cells.instant("ended_at")?,
        };
        let campaign_id = CampaignId::from_raw(cells.get("campaign_id")?);
        Ok((campaign_id, cells.get::<String>("phone")?, attempt))
    })
    .await?;
    let mut histories: HashMap<CampaignId, HashMap<String, Vec<CountedAttempt>>> = HashMap::new();
    for (campaign_id, phone, attempt) in found {
        let of_campaign = histories.entry(campaign_id).or_default();
        of_campaign.entry(phone).or_default().push(attempt);
    }
    Ok(histories)
}

/// The numbers to which the tenant has a live attempt.
async fn those_in_call(work: &Work<'_>, phones: &[&str]) -> StoreResult<HashSet<String>> {
    // In the order of the index of live numbers, for a plan that is made before there are statistics.
    let sql = "SELECT wanted.phone FROM UNNEST($2::text[]) AS wanted (phone), LATERAL
                   (SELECT 1 FROM attempts
                    WHERE tenant_id = $1 AND attempts.phone BETWEEN wanted.phone AND wanted.phone AND live
                    ORDER BY attempts.phone LIMIT 1) AS found";
    let bound = bound![work.tenant_id.raw(), phones];
    let found = query::many(&work.tx, sql, bound, |cells| cells.get("phone")).await?;
    Ok(found.into_iter().collect())
}

/// Whether the tenant has a live attempt to the number.
pub(crate) async fn is_in_call(work: &Work<'_>, phone: &PhoneNumber) -> StoreResult<bool> {
    let found = those_in_call(work, &[phone.as_str()]).await?;
    Ok(!found.is_empty())
}

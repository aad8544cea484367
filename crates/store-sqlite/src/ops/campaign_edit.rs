//! Changing a campaign: its settings, and its way through life.

use std::sync::Arc;

use domain::CampaignId;
use domain::TenantId;
use domain::campaign::{CampaignStatus, Transition};
use domain::settings::CampaignSettings;
use failpoint::Transaction;
use jiff::{SignedDuration, Timestamp};
use rusqlite::params;
use serde_json::{Map, json};
use store::campaign_rules::{
    FREE, HINTED, REOPENING, changes, check_edit_matrix, event, from_to, status_change,
};
use store::{
    Caller, CampaignOrder, CampaignRecord, CampaignUpdate, Conflict, OrderDone, Scope, StoreError,
    StoreResult,
};

use crate::code::{micros, to_json};
use crate::dial::outlook;
use crate::events::{self, Subject};
use crate::ops::campaigns::{self, Head};
use crate::ops::{calls, query, wake};
use crate::settings_cache::Parsed;
use crate::writer::Work;

/// Replaces the settings; answers the scopes to settle.
pub(crate) fn update(
    work: &mut Work<'_>,
    caller: Caller,
    update: &CampaignUpdate,
) -> StoreResult<(CampaignRecord, Vec<Scope>)> {
    work.is_a(Transaction::CampaignEdit);
    let before = get(work, caller, update.campaign_id)?;
    if before.revision != update.base_revision {
        return Err(StoreError::Stale {
            current: before.revision,
        });
    }
    let changed = before.draft.changed_fields(&update.draft);
    check_edit_matrix(before.status, &changed)?;
    let unverified = update.unverified.unwrap_or(before.unverified);
    if changed.is_empty() && unverified == before.unverified {
        return Ok((before, Vec::new()));
    }
    if moves(&before.settings, &update.settings) {
        campaigns::check_references(work, caller.tenant_id, &update.settings)?;
    }
    let reopens = before.status == CampaignStatus::Completed && changed.contains(&REOPENING);
    let mut record = changes(&before.draft, &update.draft);
    if unverified != before.unverified {
        record.insert(
            "unverified".to_owned(),
            from_to(before.unverified, unverified),
        );
    }
    if reopens {
        record.insert(
            "status".to_owned(),
            status_change(before.status, CampaignStatus::Running),
        );
    }
    let revision = before.revision + 1;
    write_settings(work, caller.now, update, &before, unverified)?;
    campaigns::record_revision(work, caller, update.campaign_id, revision, &record)?;
    let subject = Subject::campaign(caller.tenant_id, update.campaign_id);
    let names: Vec<&String> = record.keys().collect();
    events::append(
        work,
        caller.now,
        "campaign.updated",
        subject,
        &json!({ "changed": names, "revision": revision }),
    )?;
    let scopes = take_effect(work, caller.now, update, before.status, &changed)?;
    if reopens {
        enter(
            work,
            caller.now,
            caller.tenant_id,
            update.campaign_id,
            CampaignStatus::Running,
        )?;
        tell_reopened(work, caller, update.campaign_id, revision)?;
        return Ok((get(work, caller, update.campaign_id)?, scopes));
    }
    // What was just written, without reading and parsing it again.
    let campaign = CampaignRecord {
        draft: Arc::clone(&update.draft),
        settings: Arc::clone(&update.settings),
        revision,
        unverified,
        updated_at: caller.now,
        ..before
    };
    Ok((campaign, scopes))
}

fn get(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
) -> StoreResult<CampaignRecord> {
    let settings = work.settings.cache(campaign_id);
    campaigns::get(work.tx, settings, caller.tenant_id, campaign_id)
}

/// Whether the campaign goes to another line or pool. What it had is known to be sound: foreign
/// keys keep both there, and a pool in use stays on its line.
fn moves(before: &CampaignSettings, after: &CampaignSettings) -> bool {
    before.line_id != after.line_id || campaigns::pool_of(before) != campaigns::pool_of(after)
}

fn write_settings(
    work: &mut Work<'_>,
    now: Timestamp,
    update: &CampaignUpdate,
    before: &CampaignRecord,
    unverified: bool,
) -> StoreResult<()> {
    let campaign_id = update.campaign_id;
    let revision = before.revision + 1;
    let sql = "UPDATE campaigns SET name = ?2, settings = ?3, unverified = ?4, revision = ?5, updated_at = ?6
               WHERE campaign_id = ?1";
    let bound = params![
        campaign_id.raw(),
        update.draft.name,
        to_json(&*update.draft),
        unverified,
        revision,
        micros(now),
    ];
    query::execute(work.tx, sql, bound)?;
    // Apart, because each is part of an index that would be written anew for nothing.
    if moves(&before.settings, &update.settings) {
        let sql = "UPDATE campaigns SET line_id = ?2, pool_id = ?3 WHERE campaign_id = ?1";
        let pool_id = campaigns::pool_of(&update.settings).map(domain::PoolId::raw);
        let bound = params![campaign_id.raw(), update.settings.line_id.raw(), pool_id];
        query::execute(work.tx, sql, bound)?;
    }
    let parsed = Parsed {
        draft: Arc::clone(&update.draft),
        settings: Arc::clone(&update.settings),
    };
    work.settings.put(campaign_id, revision, parsed);
    Ok(())
}

/// Makes new settings hold from the next dial: what was reserved under the old ones and not begun
/// is taken back, and the campaign plans anew.
fn take_effect(
    work: &mut Work<'_>,
    now: Timestamp,
    update: &CampaignUpdate,
    status: CampaignStatus,
    changed: &[&'static str],
) -> StoreResult<Vec<Scope>> {
    if changed.iter().all(|field| FREE.contains(field)) {
        return Ok(Vec::new());
    }
    let campaign_id = update.campaign_id;
    let rate = update.settings.max_calls_per_minute;
    let new_rate = rate.filter(|_| changed.contains(&"max_calls_per_minute"));
    // What failed by configuration may work now.
    let sql = "UPDATE campaigns SET circuit_failures = 0, circuit_open_until = NULL
               WHERE campaign_id = ?1 AND (circuit_failures > 0 OR circuit_open_until IS NOT NULL)";
    query::execute(work.tx, sql, [campaign_id.raw()])?;
    if changed.iter().any(|field| HINTED.contains(field)) {
        let sql = "UPDATE due SET due_at = max(?2, coalesce(
                       (SELECT not_before FROM leads WHERE leads.lead_id = due.lead_id), ?2))
                   WHERE campaign_id = ?1 AND due_at > ?2";
        query::execute(work.tx, sql, [campaign_id.raw(), micros(now)])?;
    }
    if let Some(rate) = new_rate {
        pace_from_last_start(work, campaign_id, rate)?;
    }
    if status == CampaignStatus::Running {
        wake::campaign(work, campaign_id, now)?;
    }
    domain::planted!(
        "edit_without_revoke",
        work.revoke(Scope::Campaign(campaign_id)),
        ()
    );
    Ok(vec![Scope::Campaign(campaign_id)])
}

/// The first call under a new rate keeps its distance from the last one under the old.
fn pace_from_last_start(work: &Work<'_>, campaign_id: CampaignId, rate: u32) -> StoreResult<()> {
    let spacing = micros_of(domain::planner::minute_spacing(rate));
    let sql = "UPDATE campaigns SET next_start_at = max(coalesce(next_start_at, 0), coalesce(
                   (SELECT planned_at FROM attempts WHERE campaign_id = ?1
                    ORDER BY attempt_id DESC LIMIT 1), 0) + ?2)
               WHERE campaign_id = ?1";
    query::execute(work.tx, sql, [campaign_id.raw(), spacing])?;
    Ok(())
}

fn micros_of(pause: SignedDuration) -> i64 {
    i64::try_from(pause.as_micros()).unwrap_or(i64::MAX / 4)
}

/// Carries out a life-cycle command.
pub(crate) fn order(
    work: &mut Work<'_>,
    caller: Caller,
    order: &CampaignOrder,
) -> StoreResult<OrderDone> {
    work.is_a(Transaction::CampaignOrder);
    let campaign = campaigns::head(work.tx, caller.tenant_id, order.campaign_id)?;
    order.precondition.check(campaign.revision)?;
    let transition = campaign
        .status
        .after(order.command)
        .map_err(Conflict::from)?;
    if let Transition::To(status) = transition {
        let revision = move_to(work, caller, &campaign, status)?;
        let (kind, data) = event(order.command, campaign.status, status, revision);
        let subject = Subject::campaign(caller.tenant_id, order.campaign_id);
        events::append(work, caller.now, kind, subject, &data)?;
        match status {
            CampaignStatus::Running => wake::campaign(work, order.campaign_id, caller.now)?,
            _ => domain::planted!(
                "pause_without_revoke",
                work.revoke(Scope::Campaign(order.campaign_id)),
                ()
            ),
        }
    }
    Ok(OrderDone {
        campaign: get(work, caller, order.campaign_id)?,
        changed: transition != Transition::Unchanged,
        live_calls: calls::live_of_campaign(work.tx, order.campaign_id)?,
    })
}

/// Ends a RUNNING campaign whose work is done; the planner says when.
pub(crate) fn complete(
    work: &mut Work<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    campaign_id: CampaignId,
) -> StoreResult<()> {
    let caller = Caller {
        tenant_id,
        token_id: None,
        now,
    };
    let campaign = campaigns::head(work.tx, tenant_id, campaign_id)?;
    if campaign.status != CampaignStatus::Running {
        return Ok(());
    }
    let revision = move_to(work, caller, &campaign, CampaignStatus::Completed)?;
    let subject = Subject::campaign(tenant_id, campaign_id);
    events::append(
        work,
        now,
        "campaign.completed",
        subject,
        &json!({ "revision": revision }),
    )
}

/// Runs a COMPLETED campaign again, because it has something to do again.
pub(crate) fn reopen(work: &mut Work<'_>, caller: Caller, campaign: &mut Head) -> StoreResult<()> {
    if campaign.status != CampaignStatus::Completed {
        return Ok(());
    }
    campaign.revision = move_to(work, caller, campaign, CampaignStatus::Running)?;
    campaign.status = CampaignStatus::Running;
    tell_reopened(work, caller, campaign.campaign_id, campaign.revision)
}

fn tell_reopened(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    revision: i64,
) -> StoreResult<()> {
    let subject = Subject::campaign(caller.tenant_id, campaign_id);
    let data = json!({ "reason": "reopened", "revision": revision });
    events::append(work, caller.now, "campaign.resumed", subject, &data)?;
    wake::campaign(work, campaign_id, caller.now)
}

/// Moves the campaign and keeps that as a revision, which it answers.
fn move_to(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &Head,
    status: CampaignStatus,
) -> StoreResult<i64> {
    let campaign_id = campaign.campaign_id;
    enter(work, caller.now, caller.tenant_id, campaign_id, status)?;
    let revision = campaign.revision + 1;
    let sql = "UPDATE campaigns SET revision = ?2 WHERE campaign_id = ?1";
    query::execute(work.tx, sql, [campaign.campaign_id.raw(), revision])?;
    let changes = Map::from_iter([("status".to_owned(), status_change(campaign.status, status))]);
    campaigns::record_revision(work, caller, campaign.campaign_id, revision, &changes)?;
    Ok(revision)
}

/// Sets the status. A campaign that begins to run takes its turn at the line's present, and says at
/// once what the planner would say of it.
fn enter(
    work: &mut Work<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    status: CampaignStatus,
) -> StoreResult<()> {
    let sql =
        "UPDATE campaigns SET status = ?2, status_reason = NULL, wake_at = NULL, updated_at = ?3,
                   pass = (SELECT virtual_time FROM lines WHERE lines.line_id = campaigns.line_id)
               WHERE campaign_id = ?1";
    let bound = params![campaign_id.raw(), status.as_str(), micros(now)];
    query::execute(work.tx, sql, bound)?;
    if status != CampaignStatus::Running {
        return Ok(());
    }
    let reason = outlook::reason(work, tenant_id, campaign_id, now)?;
    let sql = "UPDATE campaigns SET status_reason = ?2 WHERE campaign_id = ?1";
    let bound = params![campaign_id.raw(), reason.as_str()];
    query::execute(work.tx, sql, bound)?;
    Ok(())
}

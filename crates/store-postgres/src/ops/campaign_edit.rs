//! Changing a campaign: its settings, and its way through life.

use std::sync::Arc;

use domain::campaign::{CampaignStatus, Transition};
use domain::{CampaignId, PoolId};
use jiff::{SignedDuration, Timestamp};
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
use crate::ops::{calls, wake};
use crate::query::{self, bound};
use crate::work::Work;

/// Replaces the settings; answers the scopes to settle.
pub(crate) async fn update(
    work: &mut Work<'_>,
    caller: Caller,
    update: &CampaignUpdate,
) -> StoreResult<(CampaignRecord, Vec<Scope>)> {
    let before = campaigns::get_own(work, update.campaign_id).await?;
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
    campaigns::check_references(work, &update.settings).await?;
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
    write_settings(work, caller.now, update, unverified).await?;
    campaigns::record_revision(work, caller, update.campaign_id, revision, &record).await?;
    let subject = Subject::campaign(update.campaign_id);
    let names: Vec<&String> = record.keys().collect();
    events::append(
        work,
        caller.now,
        "campaign.updated",
        subject,
        &json!({ "changed": names, "revision": revision }),
    );
    let scopes = take_effect(
        work,
        caller.now,
        update.campaign_id,
        &changed,
        update.settings.max_calls_per_minute,
    )
    .await?;
    if reopens {
        enter(
            work,
            caller.now,
            update.campaign_id,
            CampaignStatus::Running,
        )
        .await?;
        tell_reopened(work, caller, update.campaign_id, revision).await?;
        let campaign = campaigns::get_own(work, update.campaign_id).await?;
        return Ok((campaign, scopes));
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

async fn write_settings(
    work: &Work<'_>,
    now: Timestamp,
    update: &CampaignUpdate,
    unverified: bool,
) -> StoreResult<()> {
    let sql = "UPDATE campaigns SET line_id = $3, pool_id = $4, name = $5, settings = $6, unverified = $7,
                   revision = revision + 1, updated_at = $8
               WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![
        work.tenant_id.raw(),
        update.campaign_id.raw(),
        update.settings.line_id.raw(),
        campaigns::pool_of(&update.settings).map(PoolId::raw),
        update.draft.name,
        to_json(&*update.draft),
        unverified,
        micros(now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// Makes new settings hold from the next dial: what was reserved under the old ones and not begun
/// is taken back, and the campaign plans anew.
async fn take_effect(
    work: &mut Work<'_>,
    now: Timestamp,
    campaign_id: CampaignId,
    changed: &[&'static str],
    rate: Option<u32>,
) -> StoreResult<Vec<Scope>> {
    if changed.iter().all(|field| FREE.contains(field)) {
        return Ok(Vec::new());
    }
    let new_rate = rate.filter(|_| changed.contains(&"max_calls_per_minute"));
    let (tenant, campaign) = (work.tenant_id.raw(), campaign_id.raw());
    // What failed by configuration may work now.
    let sql = "UPDATE campaigns SET circuit_failures = 0, circuit_open_until = NULL
               WHERE tenant_id = $1 AND campaign_id = $2";
    query::execute(&work.tx, sql, bound![tenant, campaign]).await?;
    if changed.iter().any(|field| HINTED.contains(field)) {
        let sql = "UPDATE due SET due_at = greatest($3, leads.not_before) FROM leads
                   WHERE due.tenant_id = $1 AND due.campaign_id = $2 AND due.due_at > $3
                     AND leads.tenant_id = due.tenant_id AND leads.lead_id = due.lead_id";
        query::execute(&work.tx, sql, bound![tenant, campaign, micros(now)]).await?;
    }
    if let Some(rate) = new_rate {
        pace_from_last_start(work, campaign_id, rate).await?;
    }
    wake::campaign(work, campaign_id, now).await?;
    work.revoke(Scope::Campaign(campaign_id));
    Ok(vec![Scope::Campaign(campaign_id)])
}

/// The first call under a new rate keeps its distance from the last one under the old.
async fn pace_from_last_start(
    work: &Work<'_>,
    campaign_id: CampaignId,
    rate: u32,
) -> StoreResult<()> {
    let spacing = micros_of(domain::planner::minute_spacing(rate));
    let sql = "UPDATE campaigns SET next_start_at = greatest(coalesce(next_start_at, 0), coalesce(
                   (SELECT planned_at FROM attempts WHERE tenant_id = $1 AND campaign_id = $2
                    ORDER BY attempt_id DESC LIMIT 1), 0) + $3)
               WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), spacing];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

fn micros_of(pause: SignedDuration) -> i64 {
    i64::try_from(pause.as_micros()).unwrap_or(i64::MAX / 4)
}

/// Carries out a life-cycle command.
pub(crate) async fn order(
    work: &mut Work<'_>,
    caller: Caller,
    order: &CampaignOrder,
) -> StoreResult<OrderDone> {
    work.is_a(failpoint::Transaction::CampaignOrder);
    let campaign = campaigns::head(&work.tx, caller.tenant_id, order.campaign_id).await?;
    order.precondition.check(campaign.revision)?;
    let transition = campaign
        .status
        .after(order.command)
        .map_err(Conflict::from)?;
    if let Transition::To(status) = transition {
        let revision = move_to(work, caller, &campaign, status).await?;
        let (kind, data) = event(order.command, campaign.status, status, revision);
        let subject = Subject::campaign(order.campaign_id);
        events::append(work, caller.now, kind, subject, &data);
        match status {
            CampaignStatus::Running => wake::campaign(work, order.campaign_id, caller.now).await?,
            _ => work.revoke(Scope::Campaign(order.campaign_id)),
        }
    }
    Ok(OrderDone {
        campaign: campaigns::get_own(work, order.campaign_id).await?,
        changed: transition != Transition::Unchanged,
        live_calls: calls::live_of_campaign(&work.tx, caller.tenant_id, order.campaign_id).await?,
    })
}

/// Ends a RUNNING campaign whose work is done; the planner says when.
pub(crate) async fn complete(
    work: &mut Work<'_>,
    now: Timestamp,
    campaign_id: CampaignId,
) -> StoreResult<()> {
    let caller = Caller {
        tenant_id: work.tenant_id,
        token_id: None,
        now,
    };
    let campaign = campaigns::head(&work.tx, work.tenant_id, campaign_id).await?;
    if campaign.status != CampaignStatus::Running {
        return Ok(());
    }
    let revision = move_to(work, caller, &campaign, CampaignStatus::Completed).await?;
    let subject = Subject::campaign(campaign_id);
    let data = json!({ "revision": revision });
    events::append(work, now, "campaign.completed", subject, &data);
    Ok(())
}

/// Runs a COMPLETED campaign again, because it has something to do again.
pub(crate) async fn reopen(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &mut Head,
) -> StoreResult<()> {
    if campaign.status != CampaignStatus::Completed {
        return Ok(());
    }
    campaign.revision = move_to(work, caller, campaign, CampaignStatus::Running).await?;
    campaign.status = CampaignStatus::Running;
    tell_reopened(work, caller, campaign.campaign_id, campaign.revision).await
}

async fn tell_reopened(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    revision: i64,
) -> StoreResult<()> {
    let subject = Subject::campaign(campaign_id);
    let data = json!({ "reason": "reopened", "revision": revision });
    events::append(work, caller.now, "campaign.resumed", subject, &data);
    wake::campaign(work, campaign_id, caller.now).await
}

/// Moves the campaign and keeps that as a revision, which it answers.
async fn move_to(
    work: &Work<'_>,
    caller: Caller,
    campaign: &Head,
    status: CampaignStatus,
) -> StoreResult<i64> {
    enter(work, caller.now, campaign.campaign_id, status).await?;
    let revision = campaign.revision + 1;
    let sql = "UPDATE campaigns SET revision = $3 WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![work.tenant_id.raw(), campaign.campaign_id.raw(), revision];
    query::execute(&work.tx, sql, bound).await?;
    let changes = Map::from_iter([("status".to_owned(), status_change(campaign.status, status))]);
    campaigns::record_revision(work, caller, campaign.campaign_id, revision, &changes).await?;
    Ok(revision)
}

/// Sets the status. A campaign that begins to run takes its turn at the line's present, and says at
/// once what the planner would say of it.
async fn enter(
    work: &Work<'_>,
    now: Timestamp,
    campaign_id: CampaignId,
    status: CampaignStatus,
) -> StoreResult<()> {
    let key = (work.tenant_id.raw(), campaign_id.raw());
    let sql =
        "UPDATE campaigns SET status = $3, status_reason = NULL, wake_at = NULL, updated_at = $4,
                   pass = (SELECT virtual_time FROM lines
                           WHERE lines.tenant_id = $1 AND lines.line_id = campaigns.line_id)
               WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![key.0, key.1, status.as_str(), micros(now)];
    query::execute(&work.tx, sql, bound).await?;
    if status != CampaignStatus::Running {
        return Ok(());
    }
    let reason = outlook::reason(work, campaign_id, now).await?;
    let sql = "UPDATE campaigns SET status_reason = $3 WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![key.0, key.1, reason.as_str()];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

//! Resting lines, numbers and campaigns whose calls cannot succeed, and waking them again.
//!
//! Pauses grow with each failure in a row and end by themselves: no fault ever ends a campaign. From
//! its first rest until a call succeeds a line is *on trial*: it takes one call at a time.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::StoreResult;
use store::line_rules::{self, Failing};

use crate::code::{corrupt, micros};
use crate::dial::row::AttemptRow;
use crate::events::{self, Subject};
use crate::ops::wake;
use crate::query::{self, bound};
use crate::work::Work;

/// A transport failure, or an answer that proves nothing. A line on trial has used its patience up.
pub(crate) async fn fault(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    reason: &str,
    never_sent: bool,
) -> StoreResult<()> {
    let failing = count_failure(work, row).await?;
    let Some(pause) = failing.pause_after_fault(never_sent) else {
        return Ok(());
    };
    set_rest(work, now, row, pause, reason).await?;
    tell_unavailable(work, now, row, reason, !failing.on_trial);
    Ok(())
}

/// Tells that the line rests, when it begins to.
fn tell_unavailable(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    reason: &str,
    begins: bool,
) {
    if begins {
        let data = json!({ "line": row.line_id.raw(), "reason": reason });
        events::append(work, now, "line.unavailable", Subject::TENANT, &data);
    }
}

/// The line must rest; without a pause, growing with each failure in a row.
pub(crate) async fn rest(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    pause: Option<SignedDuration>,
    reason: &str,
) -> StoreResult<()> {
    if let Some(pause) = pause {
        return set_rest(work, now, row, pause, reason).await;
    }
    let failing = count_failure(work, row).await?;
    set_rest(work, now, row, failing.pause(), reason).await?;
    tell_unavailable(work, now, row, reason, !failing.on_trial);
    Ok(())
}

async fn count_failure(work: &Work<'_>, row: &AttemptRow) -> StoreResult<Failing> {
    let sql = "UPDATE lines SET failures = failures + 1 WHERE tenant_id = $1 AND line_id = $2
               RETURNING failures, failures > 1 AND rests_until IS NOT NULL AS on_trial";
    let bound = bound![work.tenant_id.raw(), row.line_id.raw()];
    let failing = query::one(&work.tx, sql, bound, |cells| {
        Ok(Failing {
            failures: cells.get("failures")?,
            on_trial: cells.get("on_trial")?,
        })
    })
    .await?;
    failing.ok_or_else(|| corrupt("the line of an attempt is missing"))
}

async fn set_rest(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    pause: SignedDuration,
    reason: &str,
) -> StoreResult<()> {
    let until = line_rules::after(now, pause);
    let sql = "UPDATE lines SET rests_until = greatest(rests_until, $3), rest_reason = $4
               WHERE tenant_id = $1 AND line_id = $2";
    let bound = bound![
        work.tenant_id.raw(),
        row.line_id.raw(),
        micros(until),
        reason,
    ];
    query::execute(&work.tx, sql, bound).await?;
    // At once, so that its campaigns say why they do not dial; the plan sleeps until the rest is over.
    wake::line_only(work, row.line_id, now).await
}

/// A request was answered by a call: failures in a row are forgotten. Answers whether there is nothing
/// left to forget, at whatever time; a rest that a refusal asked for goes on.
pub(crate) async fn works(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
) -> StoreResult<bool> {
    let key = (work.tenant_id.raw(), row.line_id.raw());
    let sql = "SELECT failures > 0 AS failed, rests_until FROM lines
               WHERE tenant_id = $1 AND line_id = $2 AND (failures > 0 OR rests_until IS NOT NULL)";
    let found = query::one(&work.tx, sql, bound![key.0, key.1], |cells| {
        let rests_until = cells.maybe_instant("rests_until")?;
        Ok((cells.get::<bool>("failed")?, rests_until))
    })
    .await?;
    let Some((failed, rests_until)) = found else {
        return Ok(true);
    };
    if !failed && rests_until.is_some_and(|until| until > now) {
        return Ok(false);
    }
    let rested = failed && rests_until.is_some();
    let sql = "UPDATE lines SET failures = 0, rests_until = NULL, rest_reason = NULL
               WHERE tenant_id = $1 AND line_id = $2";
    query::execute(&work.tx, sql, bound![key.0, key.1]).await?;
    if rested {
        let data = json!({ "line": row.line_id.raw() });
        events::append(work, now, "line.recovered", Subject::TENANT, &data);
        wake_campaigns(work, now, row).await?;
    }
    wake::line_only(work, row.line_id, now).await?;
    Ok(true)
}

/// Campaigns that say that the line is unavailable are looked at, so that they say so no longer.
async fn wake_campaigns(work: &Work<'_>, now: Timestamp, row: &AttemptRow) -> StoreResult<()> {
    let sql = "UPDATE campaigns SET wake_at = least(wake_at, $3)
               WHERE tenant_id = $1 AND line_id = $2 AND status = 'RUNNING'
                 AND status_reason = 'PROVIDER_UNAVAILABLE'";
    let bound = bound![work.tenant_id.raw(), row.line_id.raw(), micros(now)];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// A call of the campaign came to an end of its own: its settings work.
pub(crate) async fn close_circuit(work: &Work<'_>, row: &AttemptRow) -> StoreResult<()> {
    let sql = "UPDATE campaigns SET circuit_failures = 0, circuit_open_until = NULL
               WHERE tenant_id = $1 AND campaign_id = $2 AND circuit_failures > 0";
    let bound = bound![work.tenant_id.raw(), row.campaign_id.raw()];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// The campaign's calls fail by configuration: it waits, growing.
pub(crate) async fn open_circuit(
    work: &Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
) -> StoreResult<()> {
    let key = (work.tenant_id.raw(), row.campaign_id.raw());
    let sql = "UPDATE campaigns SET circuit_failures = circuit_failures + 1
               WHERE tenant_id = $1 AND campaign_id = $2 RETURNING circuit_failures";
    let failures = query::one(&work.tx, sql, bound![key.0, key.1], |cells| {
        cells.get("circuit_failures")
    })
    .await?;
    let Some(failures) = failures else {
        return Ok(());
    };
    let until = line_rules::after(now, line_rules::circuit_pause(failures));
    let sql =
        "UPDATE campaigns SET circuit_open_until = $3 WHERE tenant_id = $1 AND campaign_id = $2";
    query::execute(&work.tx, sql, bound![key.0, key.1, micros(until)]).await?;
    Ok(())
}

/// The caller number rests until the provider's next day.
pub(crate) async fn rest_number(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
) -> StoreResult<()> {
    let until = line_rules::number_rests_until(now);
    let sql = "INSERT INTO number_rests (tenant_id, line_id, phone_number_id, rests_until)
               VALUES ($1, $2, $3, $4)
               ON CONFLICT (tenant_id, line_id, phone_number_id)
                   DO UPDATE SET rests_until = excluded.rests_until";
    let bound = bound![
        work.tenant_id.raw(),
        row.line_id.raw(),
        row.phone_number_id,
        micros(until),
    ];
    query::execute(&work.tx, sql, bound).await?;
    let data = json!({ "line": row.line_id.raw(), "phone_number_id": row.phone_number_id, "rests_until": until.to_string() });
    let subject = Subject::campaign(row.campaign_id);
    events::append(work, now, "number.rested", subject, &data);
    Ok(())
}

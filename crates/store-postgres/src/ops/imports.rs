//! Bulk additions and copies: queued with the request, added a few at a time so that dialing never
//! waits.
//!
//! The imports of a tenant run one after the other, the oldest first; tenants take turns. A copy
//! brings the leads that its source had when it was asked for, as they are when their turn comes;
//! a lead that the new campaign has by then stays as it is. Rows are inserted as arrays: `docs/adr/0025` says
//! why they are not copied.

use std::collections::HashSet;

use domain::campaign::CampaignStatus;
use domain::{CampaignId, ImportId, PhoneNumber, TenantId, TokenId};
use jiff::Timestamp;
use store::{
    Caller, Conflict, ImportRecord, NewLead, OnDuplicate, QueuedLead, StoreError, StoreResult,
};

use crate::code::{micros, stored, to_json};
use crate::ops::lead_write::{self, Put};
use crate::ops::{campaigns, wake};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// Leads of a copy that come with its request.
const COPIED_AT_ONCE: u32 = 500;

/// Copies the leads of `source`, with fresh caps and no history: a few at once, the others in
/// steps. Answers the import that does it; `None`: there are none.
pub(crate) async fn copy(
    work: &mut Work<'_>,
    caller: Caller,
    source: CampaignId,
    target: CampaignId,
) -> StoreResult<Option<ImportId>> {
    let tenant = caller.tenant_id.raw();
    let sql = "SELECT coalesce(sum(leads), 0)::bigint AS total,
                      (SELECT max(lead_id) FROM leads WHERE tenant_id = $1 AND campaign_id = $2) AS last
               FROM lead_counts WHERE tenant_id = $1 AND campaign_id = $2";
    let found = query::one(&work.tx, sql, bound![tenant, source.raw()], |cells| {
        Ok((cells.get("total")?, cells.get::<Option<i64>>("last")?))
    })
    .await?;
    let Some((total, Some(last))) = found else {
        return Ok(None);
    };
    let total: i64 = total;
    let import_id = ImportId::from_raw(work.next_id(caller.now));
    let sql =
        "INSERT INTO imports (tenant_id, import_id, campaign_id, token_id, on_duplicate, total,
                   created_at, source_campaign_id, copies_up_to, asked_after)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let bound = bound![
        tenant,
        import_id.raw(),
        target.raw(),
        caller.token_id.map(TokenId::raw),
        duplicate_name(OnDuplicate::Skip),
        total,
        micros(caller.now),
        source.raw(),
        last,
        work.last_sequence(),
    ];
    query::execute(&work.tx, sql, bound).await?;
    let import = Running {
        import_id,
        campaign_id: target,
        caller,
        on_duplicate: OnDuplicate::Skip,
        copies: Some(Copying {
            source,
            after: 0,
            up_to: last,
        }),
        turn: 1,
        asked_after: work.last_sequence(),
    };
    step(work, &import, COPIED_AT_ONCE).await?;
    Ok(Some(import_id))
}

/// Queues leads.
pub(crate) async fn queue(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    leads: &[NewLead],
    on_duplicate: OnDuplicate,
) -> StoreResult<ImportRecord> {
    work.is_a(failpoint::Transaction::ImportQueue);
    let campaign = campaigns::head(&work.tx, caller.tenant_id, campaign_id).await?;
    let status = campaign.status;
    if matches!(status, CampaignStatus::Stopped | CampaignStatus::Archived) {
        return Err(Conflict::TakesNoLeads(status).into());
    }
    let import_id = ImportId::from_raw(work.next_id(caller.now));
    let sql =
        "INSERT INTO imports (tenant_id, import_id, campaign_id, token_id, on_duplicate, total,
                   created_at, finished_at, asked_after)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let bound = bound![
        caller.tenant_id.raw(),
        import_id.raw(),
        campaign_id.raw(),
        caller.token_id.map(TokenId::raw),
        duplicate_name(on_duplicate),
        stored(leads.len()),
        micros(caller.now),
        leads.is_empty().then(|| micros(caller.now)),
        work.last_sequence(),
    ];
    query::execute(&work.tx, sql, bound).await?;
    let sql = "INSERT INTO import_rows (tenant_id, import_id, row, lead)
               SELECT $1, $2, * FROM UNNEST($3::bigint[], $4::text[])";
    let rows: Vec<_> = (0_i64..).zip(leads).map(|(row, _)| row).collect();
    let texts: Vec<_> = leads
        .iter()
        .map(|lead| to_json(&QueuedLead::of(lead)))
        .collect();
    let bound = bound![caller.tenant_id.raw(), import_id.raw(), rows, texts];
    query::execute(&work.tx, sql, bound).await?;
    get(&work.tx, caller.tenant_id, import_id).await
}

/// One import.
pub(crate) async fn get(
    db: &Db<'_>,
    tenant_id: TenantId,
    import_id: ImportId,
) -> StoreResult<ImportRecord> {
    let sql = "SELECT import_id, campaign_id, total, processed, added, updated, skipped, rejected,
                   created_at, finished_at
               FROM imports WHERE tenant_id = $1 AND import_id = $2";
    let bound = bound![tenant_id.raw(), import_id.raw()];
    let found = query::one(db, sql, bound, |cells| {
        Ok(ImportRecord {
            import_id: ImportId::from_raw(cells.get("import_id")?),
            campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
            total: cells.number("total")?,
            processed: cells.number("processed")?,
            added: cells.number("added")?,
            updated: cells.number("updated")?,
            skipped: cells.number("skipped")?,
            rejected: cells.number("rejected")?,
            created_at: cells.instant("created_at")?,
            finished_at: cells.maybe_instant("finished_at")?,
        })
    })
    .await?;
    found.ok_or(StoreError::NotFound("import"))
}

/// Whether an import of any tenant waits.
pub(crate) async fn any_unfinished(db: &Db<'_>) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM imports WHERE finished_at IS NULL LIMIT 1";
    query::exists(db, sql, &[]).await
}

/// An import whose turn it is.
pub(crate) struct Running {
    import_id: ImportId,
    campaign_id: CampaignId,
    pub(crate) caller: Caller,
    on_duplicate: OnDuplicate,
    /// Where its leads come from; `None`: they are queued.
    copies: Option<Copying>,
    /// Its place in the order of turns after this step.
    turn: i64,
    /// The last event before it was asked for.
    asked_after: i64,
}

/// Which leads of another campaign are still to be copied.
struct Copying {
    source: CampaignId,
    /// The last one that is done.
    after: i64,
    /// The last one that was there when the copy was asked for.
    up_to: i64,
}

/// What a few rows came to.
#[derive(Default)]
struct Tally {
    added: i64,
    updated: i64,
    skipped: i64,
    rejected: i64,
}

/// Adds leads of the import, unless another node has just ended it.
pub(crate) async fn run(work: &mut Work<'_>, import: &Running, max_leads: u32) -> StoreResult<()> {
    work.keep_quiet();
    work.is_a(failpoint::Transaction::ImportStep);
    let sql = "SELECT copied_to FROM imports
               WHERE tenant_id = $1 AND import_id = $2 AND finished_at IS NULL";
    let bound = bound![work.tenant_id.raw(), import.import_id.raw()];
    let copied_to = query::one(&work.tx, sql, bound, |cells| cells.get("copied_to")).await?;
    let Some(copied_to) = copied_to else {
        return Ok(());
    };
    let import = Running {
        copies: import.copies.as_ref().map(|copying| Copying {
            after: copied_to,
            ..*copying
        }),
        ..*import
    };
    step(work, &import, max_leads).await
}

/// Adds the next leads of an import.
async fn step(work: &mut Work<'_>, import: &Running, max_leads: u32) -> StoreResult<()> {
    let rows = match &import.copies {
        None => take_rows(work, import.import_id, max_leads).await?,
        Some(copying) => copy_rows(work, import.import_id, copying, max_leads).await?,
    };
    let tally = add_rows(work, import, rows).await?;
    tell_progress(work, import, &tally).await
}

async fn tell_progress(work: &Work<'_>, import: &Running, tally: &Tally) -> StoreResult<()> {
    // The first row and not whether there is one: for EXISTS the server hopes to meet a row soon and reads
    // the queue of everybody, which at the end of an addition has none of it.
    let sql =
        "UPDATE imports SET added = added + $3, updated = updated + $4, skipped = skipped + $5,
                   rejected = rejected + $6, processed = processed + $3 + $4 + $5 + $6, turn = $8,
                   finished_at = CASE WHEN copied_to < copies_up_to
                                        OR (SELECT min(row) FROM import_rows
                                            WHERE tenant_id = $1 AND import_id = $2) IS NOT NULL
                                      THEN NULL ELSE $7::bigint END
               WHERE tenant_id = $1 AND import_id = $2";
    let key = (work.tenant_id.raw(), import.import_id.raw());
    let bound = bound![
        key.0,
        key.1,
        tally.added,
        tally.updated,
        tally.skipped,
        tally.rejected,
        micros(import.caller.now),
        import.turn,
    ];
    query::execute(&work.tx, sql, bound).await?;
    // Leads of a copy may have been removed from its source meanwhile.
    let sql = "UPDATE imports SET total = processed
               WHERE tenant_id = $1 AND import_id = $2 AND finished_at IS NOT NULL";
    query::execute(&work.tx, sql, bound![key.0, key.1]).await?;
    // One that has ended hands its turn on, so that a tenant with many small ones waits like others.
    let sql = "UPDATE imports SET turn = $2
               WHERE tenant_id = $1 AND import_id = (SELECT min(import_id) FROM imports
                                                     WHERE tenant_id = $1 AND finished_at IS NULL)";
    query::execute(&work.tx, sql, bound![key.0, import.turn]).await?;
    let sql = "DELETE FROM import_removals WHERE tenant_id = $1 AND campaign_id = $2
               AND NOT EXISTS (SELECT 1 FROM imports WHERE tenant_id = $1 AND campaign_id = $2
                                                       AND finished_at IS NULL)";
    query::execute(&work.tx, sql, bound![key.0, import.campaign_id.raw()]).await?;
    Ok(())
}

/// Of each tenant's oldest import, the one that was stepped least recently.
pub(crate) async fn next_in_turn(db: &Db<'_>, now: Timestamp) -> StoreResult<Option<Running>> {
    // From tenant to tenant: one may have thousands of them waiting.
    let sql = "WITH RECURSIVE oldest AS (
                   (SELECT tenant_id, import_id FROM imports WHERE finished_at IS NULL
                    ORDER BY tenant_id, import_id LIMIT 1)
                   UNION ALL
                   SELECT later.tenant_id, later.import_id FROM oldest, LATERAL
                       (SELECT imports.tenant_id, imports.import_id FROM imports
                        WHERE finished_at IS NULL AND imports.tenant_id > oldest.tenant_id
                        ORDER BY imports.tenant_id, imports.import_id LIMIT 1) AS later)
               SELECT import_id, tenant_id, campaign_id, token_id, on_duplicate, source_campaign_id,
                      copied_to, copies_up_to, asked_after, max(turn) OVER () + 1 AS next_turn
               FROM oldest JOIN imports USING (tenant_id, import_id)
               ORDER BY turn, import_id LIMIT 1";
    query::one(db, sql, &[], |cells| {
        let source = cells.get::<Option<i64>>("source_campaign_id")?;
        let copying = |source| -> StoreResult<_> {
            Ok(Copying {
                source: CampaignId::from_raw(source),
                after: cells.get("copied_to")?,
                up_to: cells.get("copies_up_to")?,
            })
        };
        Ok(Running {
            import_id: ImportId::from_raw(cells.get("import_id")?),
            campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
            caller: Caller {
                tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
                token_id: cells.get::<Option<i64>>("token_id")?.map(TokenId::from_raw),
                now,
            },
            on_duplicate: cells.choice("on_duplicate", parse_duplicate)?,
            copies: source.map(copying).transpose()?,
            turn: cells.get("next_turn")?,
            asked_after: cells.get("asked_after")?,
        })
    })
    .await
}

async fn take_rows(
    work: &Work<'_>,
    import_id: ImportId,
    max_leads: u32,
) -> StoreResult<Vec<NewLead>> {
    let (tenant, import) = (work.tenant_id.raw(), import_id.raw());
    let sql = "SELECT row, lead FROM import_rows WHERE tenant_id = $1 AND import_id = $2
               ORDER BY row LIMIT $3";
    let bound = bound![tenant, import, i64::from(max_leads)];
    let rows = query::many(&work.tx, sql, bound, |cells| {
        Ok((cells.get::<i64>("row")?, cells.json::<QueuedLead>("lead")?))
    })
    .await?;
    let sql = "DELETE FROM import_rows WHERE tenant_id = $1 AND import_id = $2 AND row <= $3";
    let last = rows.last().map_or(-1, |(row, _)| *row);
    query::execute(&work.tx, sql, bound![tenant, import, last]).await?;
    rows.into_iter().map(|(_, lead)| lead.into_lead()).collect()
}

/// The next leads of the source, which are then done.
async fn copy_rows(
    work: &Work<'_>,
    import_id: ImportId,
    copying: &Copying,
    max_leads: u32,
) -> StoreResult<Vec<NewLead>> {
    let Copying {
        source,
        after,
        up_to,
    } = *copying;
    let rows = lead_write::between(work, source, after, up_to, max_leads).await?;
    let whole = usize::try_from(max_leads).unwrap_or(usize::MAX);
    let last = rows.last().filter(|_| rows.len() >= whole);
    let copied_to = last.map_or(up_to, |row| row.lead_id.raw());
    let sql = "UPDATE imports SET copied_to = $3 WHERE tenant_id = $1 AND import_id = $2";
    let bound = bound![work.tenant_id.raw(), import_id.raw(), copied_to];
    query::execute(&work.tx, sql, bound).await?;
    let lead = |row: lead_write::Row| NewLead::new(row.phone, row.fields);
    Ok(rows.into_iter().map(lead).collect())
}

/// Those of the leads' numbers that a user removed after the import was asked for.
async fn removed_since(
    work: &Work<'_>,
    import: &Running,
    leads: &[NewLead],
) -> StoreResult<HashSet<String>> {
    let sql = "SELECT phone FROM import_removals
               WHERE tenant_id = $1 AND campaign_id = $2 AND phone = ANY($3) AND sequence > $4";
    let phones: Vec<_> = leads.iter().map(|lead| lead.phone.as_str()).collect();
    let bound = bound![
        work.tenant_id.raw(),
        import.campaign_id.raw(),
        phones,
        import.asked_after,
    ];
    let removed = query::many(&work.tx, sql, bound, |cells| cells.get("phone")).await?;
    Ok(removed.into_iter().collect())
}

/// Keeps that a lead was removed, as long as an import that was asked for before might bring it
/// back. Called after the removal was told.
pub(crate) async fn note_removal(
    work: &Work<'_>,
    campaign_id: CampaignId,
    phone: &PhoneNumber,
) -> StoreResult<()> {
    let sql = "INSERT INTO import_removals (tenant_id, campaign_id, phone, sequence)
               SELECT $1::bigint, $2::bigint, $3::text, $4::bigint
               WHERE EXISTS (SELECT 1 FROM imports WHERE tenant_id = $1 AND campaign_id = $2
                                                     AND finished_at IS NULL)
               ON CONFLICT (tenant_id, campaign_id, phone) DO UPDATE SET sequence = excluded.sequence";
    let bound = bound![
        work.tenant_id.raw(),
        campaign_id.raw(),
        phone.as_str(),
        work.last_sequence(),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

async fn add_rows(
    work: &mut Work<'_>,
    import: &Running,
    mut rows: Vec<NewLead>,
) -> StoreResult<Tally> {
    let mut tally = Tally::default();
    let removed = removed_since(work, import, &rows).await?;
    let asked = rows.len();
    rows.retain(|lead| !removed.contains(lead.phone.as_str()));
    tally.skipped = stored(asked - rows.len());
    let found = campaigns::head(&work.tx, import.caller.tenant_id, import.campaign_id).await;
    let mut campaign = match found {
        Ok(campaign) => campaign,
        Err(StoreError::NotFound(_)) => {
            tally.rejected = stored(rows.len());
            return Ok(tally);
        }
        Err(failure) => return Err(failure),
    };
    let answers = lead_write::put_all(
        work,
        import.caller,
        &mut campaign,
        rows,
        import.on_duplicate,
    )
    .await?;
    for answer in answers {
        match answer {
            Ok(Put::Added(_)) => tally.added += 1,
            Ok(Put::Updated(_)) => tally.updated += 1,
            Ok(Put::Skipped(_)) => tally.skipped += 1,
            Err(_) => tally.rejected += 1,
        }
    }
    wake::campaign(work, import.campaign_id, import.caller.now).await?;
    Ok(tally)
}

const fn duplicate_name(on_duplicate: OnDuplicate) -> &'static str {
    match on_duplicate {
        OnDuplicate::Update => "UPDATE",
        OnDuplicate::Skip => "SKIP",
    }
}

fn parse_duplicate(text: &str) -> Option<OnDuplicate> {
    [OnDuplicate::Update, OnDuplicate::Skip]
        .into_iter()
        .find(|choice| duplicate_name(*choice) == text)
}

//! Bulk additions and copies: queued with the request, added a few at a time so that dialing never
//! waits.
//!
//! The imports of a tenant run one after the other, the oldest first; tenants take turns. A copy
//! brings the leads that its source had when it was asked for, as they are when their turn comes;
//! a lead that the new campaign has by then stays as it is.

use domain::campaign::CampaignStatus;
use domain::{CampaignId, ImportId, PhoneNumber, TenantId, TokenId};
use failpoint::Transaction;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use store::{
    Caller, Conflict, ImportRecord, NewLead, OnDuplicate, QueuedLead, StoreError, StoreResult,
};

use crate::code::{Cells, micros, to_json};
use crate::ops::campaigns::{self, Head};
use crate::ops::lead_write::{self, Put};
use crate::ops::{query, wake};
use crate::writer::Work;

/// Copies the leads of `source`, with fresh caps and no history: `at_once` of them now, the others
/// in steps. Answers the import that does it; `None`: there are none.
pub(crate) fn copy(
    work: &mut Work<'_>,
    caller: Caller,
    source: CampaignId,
    target: CampaignId,
    at_once: u32,
) -> StoreResult<Option<ImportId>> {
    let sql = "SELECT coalesce(sum(leads), 0) AS total,
                      (SELECT max(lead_id) FROM leads WHERE campaign_id = ?1) AS last
               FROM lead_counts WHERE campaign_id = ?1";
    let found = query::one(work.tx, sql, [source.raw()], |cells| {
        Ok((
            cells.get::<u64>("total")?,
            cells.get::<Option<i64>>("last")?,
        ))
    })?;
    let Some((total, Some(last))) = found else {
        return Ok(None);
    };
    let import_id = ImportId::from_raw(work.next_id(caller.now));
    let sql =
        "INSERT INTO imports (import_id, tenant_id, campaign_id, token_id, on_duplicate, total,
                   created_at, source_campaign_id, copies_up_to)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let bound = params![
        import_id.raw(),
        caller.tenant_id.raw(),
        target.raw(),
        caller.token_id.map(TokenId::raw),
        duplicate_name(OnDuplicate::Skip),
        total,
        micros(caller.now),
        source.raw(),
        last,
    ];
    query::execute(work.tx, sql, bound)?;
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
    };
    step(work, &import, at_once)?;
    Ok(Some(import_id))
}

/// Queues leads.
pub(crate) fn queue(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    leads: &[NewLead],
    on_duplicate: OnDuplicate,
) -> StoreResult<ImportRecord> {
    work.is_a(Transaction::ImportQueue);
    let status = campaigns::head(work.tx, caller.tenant_id, campaign_id)?.status;
    if matches!(status, CampaignStatus::Stopped | CampaignStatus::Archived) {
        return Err(Conflict::TakesNoLeads(status).into());
    }
    let import_id = ImportId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO imports (import_id, tenant_id, campaign_id, token_id, on_duplicate, total, created_at, finished_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let bound = params![
        import_id.raw(),
        caller.tenant_id.raw(),
        campaign_id.raw(),
        caller.token_id.map(TokenId::raw),
        duplicate_name(on_duplicate),
        leads.len(),
        micros(caller.now),
        leads.is_empty().then(|| micros(caller.now)),
    ];
    query::execute(work.tx, sql, bound)?;
    let sql = "INSERT INTO import_rows (import_id, row, lead) VALUES (?1, ?2, ?3)";
    for (row, lead) in (0_i64..).zip(leads) {
        query::execute(
            work.tx,
            sql,
            params![import_id.raw(), row, to_json(&QueuedLead::of(lead))],
        )?;
    }
    get(work.tx, caller.tenant_id, import_id)
}

/// One import.
pub(crate) fn get(
    db: &Connection,
    tenant_id: TenantId,
    import_id: ImportId,
) -> StoreResult<ImportRecord> {
    let sql = "SELECT import_id, campaign_id, total, processed, added, updated, skipped, rejected,
                   created_at, finished_at
               FROM imports WHERE tenant_id = ?1 AND import_id = ?2";
    let found = query::one(db, sql, [tenant_id.raw(), import_id.raw()], |cells| {
        Ok(ImportRecord {
            import_id: ImportId::from_raw(cells.get("import_id")?),
            campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
            total: cells.get("total")?,
            processed: cells.get("processed")?,
            added: cells.get("added")?,
            updated: cells.get("updated")?,
            skipped: cells.get("skipped")?,
            rejected: cells.get("rejected")?,
            created_at: cells.instant("created_at")?,
            finished_at: cells.maybe_instant("finished_at")?,
        })
    })?;
    found.ok_or(StoreError::NotFound("import"))
}

/// Whether an import waits.
pub(crate) fn any_unfinished(db: &Connection) -> StoreResult<bool> {
    query::exists(
        db,
        "SELECT 1 FROM imports WHERE finished_at IS NULL LIMIT 1",
        [],
    )
}

/// The import whose turn it is.
struct Running {
    import_id: ImportId,
    campaign_id: CampaignId,
    caller: Caller,
    on_duplicate: OnDuplicate,
    /// Where its leads come from; `None`: they are queued.
    copies: Option<Copying>,
    /// Its place in the order of turns after this step.
    turn: i64,
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
    added: u64,
    updated: u64,
    skipped: u64,
    rejected: u64,
}

/// Adds leads of the import whose turn it is; answers whether more are waiting.
pub(crate) fn run(work: &mut Work<'_>, now: Timestamp, max_leads: u32) -> StoreResult<bool> {
    work.is_a(Transaction::ImportStep);
    let Some(import) = next_in_turn(work, now)? else {
        return Ok(false);
    };
    step(work, &import, max_leads)?;
    any_unfinished(work.tx)
}

/// Adds the next leads of an import.
fn step(work: &mut Work<'_>, import: &Running, max_leads: u32) -> StoreResult<()> {
    let rows = match &import.copies {
        None => take_rows(work, import.import_id, max_leads)?,
        Some(copying) => copy_rows(work, import.import_id, copying, max_leads)?,
    };
    let tally = add_rows(work, import, rows)?;
    tell_progress(work, import, &tally)
}

fn tell_progress(work: &Work<'_>, import: &Running, tally: &Tally) -> StoreResult<()> {
    let sql =
        "UPDATE imports SET added = added + ?2, updated = updated + ?3, skipped = skipped + ?4,
                   rejected = rejected + ?5, processed = processed + ?2 + ?3 + ?4 + ?5,
                   turn = ?7,
                   finished_at = CASE WHEN copied_to < copies_up_to
                                        OR EXISTS (SELECT 1 FROM import_rows WHERE import_id = ?1)
                                      THEN NULL ELSE ?6 END
               WHERE import_id = ?1";
    let Tally {
        added,
        updated,
        skipped,
        rejected,
    } = tally;
    let bound = params![
        import.import_id.raw(),
        added,
        updated,
        skipped,
        rejected,
        micros(import.caller.now),
        import.turn
    ];
    query::execute(work.tx, sql, bound)?;
    // Leads of a copy may have been removed from its source meanwhile.
    let sql =
        "UPDATE imports SET total = processed WHERE import_id = ?1 AND finished_at IS NOT NULL";
    query::execute(work.tx, sql, [import.import_id.raw()])?;
    // One that has ended hands its turn on, so that a tenant with many small ones waits like others.
    let sql = "UPDATE imports SET turn = ?2
               WHERE import_id = (SELECT min(import_id) FROM imports
                                  WHERE tenant_id = ?1 AND finished_at IS NULL)";
    let tenant_id = import.caller.tenant_id.raw();
    query::execute(work.tx, sql, [tenant_id, import.turn])?;
    let sql = "DELETE FROM import_removals WHERE campaign_id = ?1
               AND NOT EXISTS (SELECT 1 FROM imports WHERE campaign_id = ?1 AND finished_at IS NULL)";
    query::execute(work.tx, sql, [import.campaign_id.raw()])?;
    Ok(())
}

/// Of each tenant's oldest import, the one that was stepped least recently.
fn next_in_turn(work: &Work<'_>, now: Timestamp) -> StoreResult<Option<Running>> {
    // From tenant to tenant: one may have thousands of them waiting.
    let sql = "WITH RECURSIVE waiting (tenant_id) AS (
                   SELECT min(tenant_id) FROM imports WHERE finished_at IS NULL
                   UNION ALL
                   SELECT (SELECT min(tenant_id) FROM imports
                           WHERE finished_at IS NULL AND tenant_id > waiting.tenant_id)
                   FROM waiting WHERE waiting.tenant_id IS NOT NULL)
               SELECT imports.import_id, imports.tenant_id, campaign_id, token_id, on_duplicate,
                      source_campaign_id, copied_to, copies_up_to, max(turn) OVER () + 1 AS next_turn
               FROM waiting JOIN imports
                    ON imports.import_id = (SELECT min(oldest.import_id) FROM imports AS oldest
                                            WHERE oldest.finished_at IS NULL
                                              AND oldest.tenant_id = waiting.tenant_id)
               ORDER BY turn, imports.import_id LIMIT 1";
    query::one(work.tx, sql, [], |cells| {
        Ok(Running {
            import_id: ImportId::from_raw(cells.get("import_id")?),
            campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
            caller: Caller {
                tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
                token_id: cells.get::<Option<i64>>("token_id")?.map(TokenId::from_raw),
                now,
            },
            on_duplicate: cells.choice("on_duplicate", parse_duplicate)?,
            copies: match cells.get::<Option<i64>>("source_campaign_id")? {
                None => None,
                Some(source) => Some(Copying {
                    source: CampaignId::from_raw(source),
                    after: cells.get("copied_to")?,
                    up_to: cells.get("copies_up_to")?,
                }),
            },
            turn: cells.get("next_turn")?,
        })
    })
}

fn take_rows(work: &Work<'_>, import_id: ImportId, max_leads: u32) -> StoreResult<Vec<NewLead>> {
    let sql = "SELECT row, lead FROM import_rows WHERE import_id = ?1 ORDER BY row LIMIT ?2";
    let rows = query::many(
        work.tx,
        sql,
        params![import_id.raw(), max_leads],
        |cells: &Cells<'_, '_>| Ok((cells.get::<i64>("row")?, cells.json::<QueuedLead>("lead")?)),
    )?;
    let sql = "DELETE FROM import_rows WHERE import_id = ?1 AND row <= ?2";
    let last = rows.last().map_or(-1, |(row, _)| *row);
    query::execute(work.tx, sql, [import_id.raw(), last])?;
    rows.into_iter().map(|(_, lead)| lead.into_lead()).collect()
}

/// The next leads of the source, which are then done.
fn copy_rows(
    work: &Work<'_>,
    import_id: ImportId,
    copying: &Copying,
    max_leads: u32,
) -> StoreResult<Vec<NewLead>> {
    let rows = lead_write::between(
        work.tx,
        copying.source,
        copying.after,
        copying.up_to,
        max_leads,
    )?;
    let whole = usize::try_from(max_leads).unwrap_or(usize::MAX);
    let last = rows.last().filter(|_| rows.len() >= whole);
    let copied_to = last.map_or(copying.up_to, |row| row.lead_id.raw());
    let sql = "UPDATE imports SET copied_to = ?2 WHERE import_id = ?1";
    query::execute(work.tx, sql, [import_id.raw(), copied_to])?;
    let lead = |row: lead_write::Row| NewLead::new(row.phone, row.fields);
    Ok(rows.into_iter().map(lead).collect())
}

fn add_rows(work: &mut Work<'_>, import: &Running, rows: Vec<NewLead>) -> StoreResult<Tally> {
    let mut campaign = match campaigns::head(work.tx, import.caller.tenant_id, import.campaign_id) {
        Ok(campaign) => Some(campaign),
        Err(StoreError::NotFound(_)) => None,
        Err(failure) => return Err(failure),
    };
    let mut tally = Tally::default();
    for lead in rows {
        if was_removed_since(work, import, &lead.phone)? {
            tally.skipped += 1;
            continue;
        }
        match add_row(work, import, campaign.as_mut(), &lead)? {
            Some(Put::Added(_)) => tally.added += 1,
            Some(Put::Updated(_)) => tally.updated += 1,
            Some(Put::Skipped(_)) => tally.skipped += 1,
            None => tally.rejected += 1,
        }
    }
    wake::campaign(work, import.campaign_id, import.caller.now)?;
    Ok(tally)
}

/// Keeps that a lead was removed, as long as an import that was queued before might bring it back.
pub(crate) fn note_removal(
    work: &mut Work<'_>,
    now: Timestamp,
    campaign_id: CampaignId,
    phone: &PhoneNumber,
) -> StoreResult<()> {
    let sql = "SELECT 1 FROM imports WHERE campaign_id = ?1 AND finished_at IS NULL LIMIT 1";
    if !query::exists(work.tx, sql, [campaign_id.raw()])? {
        return Ok(());
    }
    let removal_id = work.next_id(now);
    let sql = "INSERT INTO import_removals (campaign_id, phone, removal_id) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET removal_id = excluded.removal_id";
    let bound = params![campaign_id.raw(), phone.as_str(), removal_id];
    query::execute(work.tx, sql, bound)?;
    Ok(())
}

/// Whether a user removed the lead after this import was queued. Ids grow, so they tell the order.
fn was_removed_since(work: &Work<'_>, import: &Running, phone: &PhoneNumber) -> StoreResult<bool> {
    let sql =
        "SELECT 1 FROM import_removals WHERE campaign_id = ?1 AND phone = ?2 AND removal_id > ?3";
    let bound = params![
        import.campaign_id.raw(),
        phone.as_str(),
        import.import_id.raw()
    ];
    query::exists(work.tx, sql, bound)
}

/// `None`: the lead was refused.
fn add_row(
    work: &mut Work<'_>,
    import: &Running,
    campaign: Option<&mut Head>,
    lead: &NewLead,
) -> StoreResult<Option<Put>> {
    let Some(campaign) = campaign else {
        return Ok(None);
    };
    match lead_write::put(work, import.caller, campaign, lead, import.on_duplicate) {
        Ok(put) => Ok(Some(put)),
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
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

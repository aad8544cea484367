//! Bulk additions: queued with the request, added a few at a time so that dialing never waits.

use domain::campaign::CampaignStatus;
use domain::{CampaignId, ImportId, TenantId, TokenId};
use jiff::Timestamp;
use store::{Caller, Conflict, ImportRecord, NewLead, OnDuplicate, StoreError, StoreResult};

use crate::code::{micros, stored, to_json};
use crate::ops::lead_write::{self, Put};
use crate::ops::queued_lead::QueuedLead;
use crate::ops::{campaigns, wake};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// Queues leads.
pub(crate) async fn queue(
    work: &Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    leads: &[NewLead],
    on_duplicate: OnDuplicate,
) -> StoreResult<ImportRecord> {
    let campaign = campaigns::head(&work.tx, caller.tenant_id, campaign_id).await?;
    let status = campaign.status;
    if matches!(status, CampaignStatus::Stopped | CampaignStatus::Archived) {
        return Err(Conflict::TakesNoLeads(status).into());
    }
    let import_id = ImportId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO imports (tenant_id, import_id, campaign_id, token_id, on_duplicate, total, created_at, finished_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let bound = bound![
        caller.tenant_id.raw(),
        import_id.raw(),
        campaign_id.raw(),
        caller.token_id.map(TokenId::raw),
        duplicate_name(on_duplicate),
        stored(leads.len()),
        micros(caller.now),
        leads.is_empty().then(|| micros(caller.now)),
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
}

/// What a few rows came to.
#[derive(Default)]
struct Tally {
    added: i64,
    updated: i64,
    skipped: i64,
    rejected: i64,
}

/// Adds queued leads of the import, unless another node has just ended it.
pub(crate) async fn run(work: &mut Work<'_>, import: &Running, max_leads: u32) -> StoreResult<()> {
    let key = (work.tenant_id.raw(), import.import_id.raw());
    let sql =
        "SELECT 1 FROM imports WHERE tenant_id = $1 AND import_id = $2 AND finished_at IS NULL";
    if !query::exists(&work.tx, sql, bound![key.0, key.1]).await? {
        return Ok(());
    }
    let rows = take_rows(work, import.import_id, max_leads).await?;
    let tally = add_rows(work, import, rows).await?;
    let sql =
        "UPDATE imports SET added = added + $3, updated = updated + $4, skipped = skipped + $5,
                   rejected = rejected + $6, processed = processed + $3 + $4 + $5 + $6,
                   finished_at = CASE WHEN EXISTS (SELECT 1 FROM import_rows WHERE tenant_id = $1 AND import_id = $2)
                                      THEN NULL ELSE $7::bigint END
               WHERE tenant_id = $1 AND import_id = $2";
    let bound = bound![
        key.0,
        key.1,
        tally.added,
        tally.updated,
        tally.skipped,
        tally.rejected,
        micros(import.caller.now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// The oldest import of all tenants.
pub(crate) async fn oldest(db: &Db<'_>, now: Timestamp) -> StoreResult<Option<Running>> {
    let sql = "SELECT import_id, tenant_id, campaign_id, token_id, on_duplicate FROM imports
               WHERE finished_at IS NULL ORDER BY import_id LIMIT 1";
    query::one(db, sql, &[], |cells| {
        Ok(Running {
            import_id: ImportId::from_raw(cells.get("import_id")?),
            campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
            caller: Caller {
                tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
                token_id: cells.get::<Option<i64>>("token_id")?.map(TokenId::from_raw),
                now,
            },
            on_duplicate: cells.choice("on_duplicate", parse_duplicate)?,
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

async fn add_rows(work: &mut Work<'_>, import: &Running, rows: Vec<NewLead>) -> StoreResult<Tally> {
    let mut tally = Tally::default();
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

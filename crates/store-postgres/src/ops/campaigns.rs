//! Campaigns: making, reading, deleting.

use std::collections::HashMap;
use std::sync::Arc;

use domain::campaign::{CampaignStatus, CampaignType, LeadStatus, StatusReason};
use domain::settings::{CampaignSettings, Numbers, SettingsDraft, parse_zone};
use domain::{CampaignId, PoolId, TenantId, TokenId};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use store::campaign_rules::changes;
use store::{
    Caller, CampaignFilter, CampaignRecord, Conflict, LeadCounts, NewCampaign, Page, PageRequest,
    Precondition, RevisionRecord, Scope, StoreError, StoreResult,
};

use crate::code::{Cells, micros, to_json};
use crate::ops::{erasures, imports, lines, pools};
use crate::query::{self, Db, bound};
use crate::settings_cache::{Parsed, SettingsCache, parse_draft};
use crate::work::Work;

/// No such campaign of this tenant.
pub(crate) const NOT_FOUND: StoreError = StoreError::NotFound("campaign");

/// What operations on a campaign's leads need of it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) campaign_id: CampaignId,
    pub(crate) kind: CampaignType,
    pub(crate) status: CampaignStatus,
    pub(crate) revision: i64,
    /// The stored draft.
    settings: String,
}

impl Head {
    /// The zone whose dates are the campaign's days.
    pub(crate) fn zone(&self) -> StoreResult<TimeZone> {
        let zone = parse_draft(&self.settings)?.timezone;
        Ok(zone
            .as_deref()
            .and_then(|name| parse_zone(name).ok())
            .unwrap_or(TimeZone::UTC))
    }

    /// The settings as parsed.
    pub(crate) fn settings(&self, work: &Work<'_>) -> StoreResult<Arc<CampaignSettings>> {
        let settings = &work.shared.settings;
        let parsed = settings.get(self.campaign_id, self.kind, &self.settings)?;
        Ok(parsed.settings)
    }
}

/// Finds a campaign of the tenant.
pub(crate) async fn head(
    db: &Db<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
) -> StoreResult<Head> {
    let sql = "SELECT kind, status, revision, settings FROM campaigns
               WHERE tenant_id = $1 AND campaign_id = $2";
    let bound = bound![tenant_id.raw(), campaign_id.raw()];
    let found = query::one(db, sql, bound, |cells| {
        Ok(Head {
            campaign_id,
            kind: cells.choice("kind", CampaignType::parse)?,
            status: cells.choice("status", CampaignStatus::parse)?,
            revision: cells.get("revision")?,
            settings: cells.get("settings")?,
        })
    })
    .await?;
    found.ok_or(NOT_FOUND)
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT campaign_id, tenant_id, kind, status,
                    CASE WHEN status = 'RUNNING' AND EXISTS (SELECT 1 FROM holds WHERE ended_at IS NULL)
                        THEN 'ON_HOLD' ELSE status_reason END AS status_reason,
                    settings, revision, unverified, created_at, updated_at
             FROM campaigns ",
            $rest
        )
    };
}

/// Makes a campaign in DRAFT.
pub(crate) async fn create(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &NewCampaign,
) -> StoreResult<CampaignRecord> {
    check_references(work, &campaign.settings).await?;
    if let Some(source) = campaign.leads_of {
        head(&work.tx, caller.tenant_id, source).await?;
    }
    let campaign_id = CampaignId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO campaigns (tenant_id, campaign_id, line_id, pool_id, kind, status, name,
                   settings, revision, unverified, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, 'DRAFT', $6, $7, 1, $8, $9, $9)";
    let bound = bound![
        caller.tenant_id.raw(),
        campaign_id.raw(),
        campaign.settings.line_id.raw(),
        pool_of(&campaign.settings).map(PoolId::raw),
        campaign.kind.as_str(),
        campaign.draft.name,
        to_json(&campaign.draft),
        campaign.unverified,
        micros(caller.now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    let changes = changes(&SettingsDraft::default(), &campaign.draft);
    record_revision(work, caller, campaign_id, 1, &changes).await?;
    let import_id = match campaign.leads_of {
        Some(source) => imports::copy(work, caller, source, campaign_id).await?,
        None => None,
    };
    let made = get_own(work, campaign_id).await?;
    Ok(CampaignRecord { import_id, ..made })
}

/// The pool a campaign dials from.
pub(crate) const fn pool_of(settings: &CampaignSettings) -> Option<PoolId> {
    match settings.numbers {
        Numbers::Pool(pool_id) => pool_id,
        Numbers::Single(_) => None,
    }
}

/// Line and pool must be the tenant's.
pub(crate) async fn check_references(
    work: &Work<'_>,
    settings: &CampaignSettings,
) -> StoreResult<()> {
    if !lines::is_of(&work.tx, work.tenant_id, settings.line_id).await? {
        return Err(lines::NOT_FOUND);
    }
    match pool_of(settings) {
        Some(pool_id) if !pools::is_of(&work.tx, work.tenant_id, pool_id).await? => {
            Err(pools::NOT_FOUND)
        }
        _ => Ok(()),
    }
}

/// Keeps what led to a revision.
pub(crate) async fn record_revision(
    work: &Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    revision: i64,
    changes: &Map<String, Value>,
) -> StoreResult<()> {
    let sql =
        "INSERT INTO revisions (tenant_id, campaign_id, revision, token_id, changes, created_at)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let bound = bound![
        caller.tenant_id.raw(),
        campaign_id.raw(),
        revision,
        caller.token_id.map(TokenId::raw),
        to_json(changes),
        micros(caller.now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// One campaign.
pub(crate) async fn get(
    db: &Db<'_>,
    settings: &SettingsCache,
    tenant_id: TenantId,
    campaign_id: CampaignId,
) -> StoreResult<CampaignRecord> {
    let sql = select!("WHERE tenant_id = $1 AND campaign_id = $2");
    let bound = bound![tenant_id.raw(), campaign_id.raw()];
    let mut found = query::many(db, sql, bound, |cells| read(settings, cells)).await?;
    add_lead_counts(db, tenant_id, &mut found).await?;
    found.pop().ok_or(NOT_FOUND)
}

/// One campaign of the tenant that is written for.
pub(crate) async fn get_own(
    work: &Work<'_>,
    campaign_id: CampaignId,
) -> StoreResult<CampaignRecord> {
    get(&work.tx, &work.shared.settings, work.tenant_id, campaign_id).await
}

/// Campaigns, newest first.
pub(crate) async fn list(
    db: &Db<'_>,
    settings: &SettingsCache,
    tenant_id: TenantId,
    filter: &CampaignFilter,
    page: PageRequest,
) -> StoreResult<Page<CampaignRecord>> {
    let sql = select!(
        r#"WHERE tenant_id = $1 AND campaign_id < $2
            AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR kind = $5)
            AND ($6::text IS NULL OR lower(name COLLATE "C") LIKE $6 ESCAPE '\')
          ORDER BY campaign_id DESC LIMIT $3"#
    );
    let bound = bound![
        tenant_id.raw(),
        query::below(page),
        query::rows_for(page),
        filter.status.map(CampaignStatus::as_str),
        filter.kind.map(CampaignType::as_str),
        filter.name.as_deref().map(query::containing),
    ];
    let campaigns = query::many(db, sql, bound, |cells| read(settings, cells)).await?;
    let mut page = query::page_of(campaigns, page, |campaign| campaign.campaign_id.raw());
    add_lead_counts(db, tenant_id, &mut page.items).await?;
    Ok(page)
}

/// Deletes a campaign; its leads follow in steps, its calls stay.
pub(crate) async fn delete(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    precondition: &Precondition,
) -> StoreResult<()> {
    let Head {
        status, revision, ..
    } = head(&work.tx, caller.tenant_id, campaign_id).await?;
    precondition.check(revision)?;
    if !matches!(status, CampaignStatus::Draft | CampaignStatus::Archived) {
        return Err(Conflict::NotDeletable(status).into());
    }
    erasures::begin(work, caller.now, campaign_id).await?;
    for sql in [
        "DELETE FROM imports WHERE tenant_id = $1 AND campaign_id = $2",
        "DELETE FROM import_removals WHERE tenant_id = $1 AND campaign_id = $2",
        "DELETE FROM lead_counts WHERE tenant_id = $1 AND campaign_id = $2",
        "DELETE FROM revisions WHERE tenant_id = $1 AND campaign_id = $2",
        "DELETE FROM campaigns WHERE tenant_id = $1 AND campaign_id = $2",
    ] {
        let key = bound![caller.tenant_id.raw(), campaign_id.raw()];
        query::execute(&work.tx, sql, key).await?;
    }
    // A test call of a draft may be waiting.
    work.revoke(Scope::Campaign(campaign_id));
    Ok(())
}

/// Changes of a campaign, newest first.
pub(crate) async fn revisions(
    db: &Db<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    page: PageRequest,
) -> StoreResult<Page<RevisionRecord>> {
    head(db, tenant_id, campaign_id).await?;
    let sql = "SELECT revision, created_at, token_id, changes FROM revisions
               WHERE tenant_id = $1 AND campaign_id = $2 AND revision < $3
               ORDER BY revision DESC LIMIT $4";
    let bound = bound![
        tenant_id.raw(),
        campaign_id.raw(),
        query::below(page),
        query::rows_for(page),
    ];
    let revisions = query::many(db, sql, bound, |cells| {
        Ok(RevisionRecord {
            revision: cells.get("revision")?,
            created_at: cells.instant("created_at")?,
            token_id: cells.get::<Option<i64>>("token_id")?.map(TokenId::from_raw),
            changes: cells.json("changes")?,
        })
    })
    .await?;
    Ok(query::page_of(revisions, page, |revision| {
        revision.revision
    }))
}

fn read(settings: &SettingsCache, cells: &Cells<'_>) -> StoreResult<CampaignRecord> {
    let campaign_id = CampaignId::from_raw(cells.get("campaign_id")?);
    let kind = cells.choice("kind", CampaignType::parse)?;
    let Parsed { draft, settings } = settings.get(campaign_id, kind, cells.get("settings")?)?;
    Ok(CampaignRecord {
        campaign_id,
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        kind,
        status: cells.choice("status", CampaignStatus::parse)?,
        status_reason: cells.maybe_choice("status_reason", StatusReason::parse)?,
        draft,
        settings,
        revision: cells.get("revision")?,
        unverified: cells.get("unverified")?,
        lead_counts: LeadCounts::new(),
        import_id: None,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
    })
}

/// Reads the counters of all these campaigns at once.
async fn add_lead_counts(
    db: &Db<'_>,
    tenant_id: TenantId,
    campaigns: &mut [CampaignRecord],
) -> StoreResult<()> {
    let sql = "SELECT campaign_id, status, leads FROM lead_counts
               WHERE tenant_id = $1 AND campaign_id = ANY($2)";
    let ids: Vec<_> = campaigns
        .iter()
        .map(|campaign| campaign.campaign_id.raw())
        .collect();
    let counted = query::many(db, sql, bound![tenant_id.raw(), ids], |cells| {
        let status = cells.choice("status", LeadStatus::parse)?.as_str();
        Ok((
            cells.get::<i64>("campaign_id")?,
            status,
            cells.number("leads")?,
        ))
    })
    .await?;
    let mut of_campaign: HashMap<i64, Vec<(&'static str, u64)>> = HashMap::new();
    for (campaign_id, status, leads) in counted {
        of_campaign
            .entry(campaign_id)
            .or_default()
            .push((status, leads));
    }
    for campaign in campaigns {
        let none = LeadStatus::ALL.iter().map(|status| (status.as_str(), 0));
        campaign.lead_counts = none.collect();
        let counted = of_campaign.remove(&campaign.campaign_id.raw());
        campaign.lead_counts.extend(counted.unwrap_or_default());
    }
    Ok(())
}

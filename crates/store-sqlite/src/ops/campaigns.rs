//! Campaigns: making, reading, deleting.

use std::sync::Arc;

use domain::campaign::{CampaignStatus, CampaignType, LeadStatus, StatusReason};
use domain::settings::{CampaignSettings, Numbers, SettingsDraft, parse_zone};
use domain::{CampaignId, PoolId, TenantId, TokenId};
use jiff::tz::TimeZone;
use rusqlite::{Connection, params};
use serde_json::{Map, Value};
use store::campaign_rules::changes;
use store::{
    Caller, CampaignFilter, CampaignRecord, Conflict, LeadCounts, NewCampaign, Page, PageRequest,
    Precondition, RevisionRecord, Scope, StoreError, StoreResult,
};

use crate::code::{Cells, micros, to_json};
use crate::ops::{erasures, imports, lines, pools, query};
use crate::settings_cache::{Parsed, SettingsCache, parse_draft};
use crate::writer::Work;

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
    pub(crate) fn settings(&self, work: &mut Work<'_>) -> StoreResult<Arc<CampaignSettings>> {
        work.settings
            .get(self.campaign_id, self.revision, self.kind, &self.settings)
    }
}

/// Finds a campaign of the tenant.
pub(crate) fn head(
    db: &Connection,
    tenant_id: TenantId,
    campaign_id: CampaignId,
) -> StoreResult<Head> {
    let sql = "SELECT kind, status, revision, settings FROM campaigns
               WHERE tenant_id = ?1 AND campaign_id = ?2";
    let found = query::one(db, sql, [tenant_id.raw(), campaign_id.raw()], |cells| {
        Ok(Head {
            campaign_id,
            kind: cells.choice("kind", CampaignType::parse)?,
            status: cells.choice("status", CampaignStatus::parse)?,
            revision: cells.get("revision")?,
            settings: cells.get("settings")?,
        })
    })?;
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

/// Makes a campaign in DRAFT. Of the leads that it copies, `copied_at_once` come with it.
pub(crate) fn create(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &NewCampaign,
    copied_at_once: u32,
) -> StoreResult<CampaignRecord> {
    check_references(work, caller.tenant_id, &campaign.settings)?;
    let source = campaign
        .leads_of
        .map(|id| head(work.tx, caller.tenant_id, id))
        .transpose()?;
    let campaign_id = CampaignId::from_raw(work.next_id(caller.now));
    let sql = "INSERT INTO campaigns (campaign_id, tenant_id, line_id, pool_id, kind, status, name,
                   settings, revision, unverified, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, 'DRAFT', ?6, ?7, 1, ?8, ?9, ?9)";
    let bound = params![
        campaign_id.raw(),
        caller.tenant_id.raw(),
        campaign.settings.line_id.raw(),
        pool_of(&campaign.settings).map(PoolId::raw),
        campaign.kind.as_str(),
        campaign.draft.name,
        to_json(&campaign.draft),
        campaign.unverified,
        micros(caller.now),
    ];
    query::execute(work.tx, sql, bound)?;
    let changes = changes(&SettingsDraft::default(), &campaign.draft);
    record_revision(work, caller, campaign_id, 1, &changes)?;
    let import_id = source
        .map(|source| {
            imports::copy(
                work,
                caller,
                source.campaign_id,
                campaign_id,
                copied_at_once,
            )
        })
        .transpose()?
        .flatten();
    let made = get(
        work.tx,
        work.settings.cache(campaign_id),
        caller.tenant_id,
        campaign_id,
    )?;
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
pub(crate) fn check_references(
    work: &Work<'_>,
    tenant_id: TenantId,
    settings: &CampaignSettings,
) -> StoreResult<()> {
    if !lines::is_of(work.tx, tenant_id, settings.line_id)? {
        return Err(lines::NOT_FOUND);
    }
    match pool_of(settings) {
        Some(pool_id) if !pools::is_of(work.tx, tenant_id, pool_id)? => Err(pools::NOT_FOUND),
        _ => Ok(()),
    }
}

/// Keeps what led to a revision.
pub(crate) fn record_revision(
    work: &Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    revision: i64,
    changes: &Map<String, Value>,
) -> StoreResult<()> {
    let sql =
        "INSERT INTO revisions (campaign_id, revision, tenant_id, token_id, changes, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let bound = params![
        campaign_id.raw(),
        revision,
        caller.tenant_id.raw(),
        caller.token_id.map(TokenId::raw),
        to_json(changes),
        micros(caller.now),
    ];
    query::execute(work.tx, sql, bound)?;
    Ok(())
}

/// One campaign.
pub(crate) fn get(
    db: &Connection,
    settings: &SettingsCache,
    tenant_id: TenantId,
    campaign_id: CampaignId,
) -> StoreResult<CampaignRecord> {
    let sql = select!("WHERE tenant_id = ?1 AND campaign_id = ?2");
    let bound = [tenant_id.raw(), campaign_id.raw()];
    query::one(db, sql, bound, |cells| read(db, settings, cells))?.ok_or(NOT_FOUND)
}

/// Campaigns, newest first.
pub(crate) fn list(
    db: &Connection,
    settings: &SettingsCache,
    tenant_id: TenantId,
    filter: &CampaignFilter,
    page: PageRequest,
) -> StoreResult<Page<CampaignRecord>> {
    let sql = select!(
        r"WHERE tenant_id = ?1 AND campaign_id < ?2
            AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR kind = ?5)
            AND (?6 IS NULL OR name LIKE ?6 ESCAPE '\')
          ORDER BY campaign_id DESC LIMIT ?3"
    );
    let bound = params![
        tenant_id.raw(),
        query::below(page),
        query::rows_for(page),
        filter.status.map(CampaignStatus::as_str),
        filter.kind.map(CampaignType::as_str),
        filter.name.as_deref().map(query::containing),
    ];
    let campaigns = query::many(db, sql, bound, |cells| read(db, settings, cells))?;
    Ok(query::page_of(campaigns, page, |campaign| {
        campaign.campaign_id.raw()
    }))
}

/// Deletes a campaign; its leads follow in steps, its calls stay.
pub(crate) fn delete(
    work: &mut Work<'_>,
    caller: Caller,
    campaign_id: CampaignId,
    precondition: &Precondition,
) -> StoreResult<()> {
    let Head {
        status, revision, ..
    } = head(work.tx, caller.tenant_id, campaign_id)?;
    precondition.check(revision)?;
    if !matches!(status, CampaignStatus::Draft | CampaignStatus::Archived) {
        return Err(Conflict::NotDeletable(status).into());
    }
    erasures::begin(work, caller.now, campaign_id)?;
    for sql in [
        "DELETE FROM imports WHERE campaign_id = ?1",
        "DELETE FROM import_removals WHERE campaign_id = ?1",
        "DELETE FROM lead_counts WHERE campaign_id = ?1",
        "DELETE FROM revisions WHERE campaign_id = ?1",
        "DELETE FROM campaigns WHERE campaign_id = ?1",
    ] {
        query::execute(work.tx, sql, [campaign_id.raw()])?;
    }
    // A test call of a draft may be waiting.
    work.revoke(Scope::Campaign(campaign_id));
    Ok(())
}

/// Changes of a campaign, newest first.
pub(crate) fn revisions(
    db: &Connection,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    page: PageRequest,
) -> StoreResult<Page<RevisionRecord>> {
    head(db, tenant_id, campaign_id)?;
    let sql = "SELECT revision, created_at, token_id, changes FROM revisions
               WHERE campaign_id = ?1 AND tenant_id = ?2 AND revision < ?3
               ORDER BY revision DESC LIMIT ?4";
    let bound = params![
        campaign_id.raw(),
        tenant_id.raw(),
        query::below(page),
        query::rows_for(page)
    ];
    let revisions = query::many(db, sql, bound, |cells| {
        Ok(RevisionRecord {
            revision: cells.get("revision")?,
            created_at: cells.instant("created_at")?,
            token_id: cells.get::<Option<i64>>("token_id")?.map(TokenId::from_raw),
            changes: cells.json("changes")?,
        })
    })?;
    Ok(query::page_of(revisions, page, |revision| {
        revision.revision
    }))
}

fn read(
    db: &Connection,
    settings: &SettingsCache,
    cells: &Cells<'_, '_>,
) -> StoreResult<CampaignRecord> {
    let campaign_id = CampaignId::from_raw(cells.get("campaign_id")?);
    let tenant_id = TenantId::from_raw(cells.get("tenant_id")?);
    let kind = cells.choice("kind", CampaignType::parse)?;
    let status = cells.choice("status", CampaignStatus::parse)?;
    let status_reason = cells.maybe_choice("status_reason", StatusReason::parse)?;
    let text = cells.text("settings")?;
    let revision = cells.get("revision")?;
    let Parsed { draft, settings } = settings.get(campaign_id, revision, kind, text)?;
    Ok(CampaignRecord {
        campaign_id,
        tenant_id,
        kind,
        status,
        status_reason,
        draft,
        settings,
        revision,
        unverified: cells.get("unverified")?,
        lead_counts: lead_counts(db, campaign_id)?,
        import_id: None,
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
    })
}

fn lead_counts(db: &Connection, campaign_id: CampaignId) -> StoreResult<LeadCounts> {
    let sql = "SELECT status, leads FROM lead_counts WHERE campaign_id = ?1";
    let counted = query::many(db, sql, [campaign_id.raw()], |cells| {
        Ok((
            cells.choice("status", LeadStatus::parse)?.as_str(),
            cells.get("leads")?,
        ))
    })?;
    let mut counts: LeadCounts = LeadStatus::ALL
        .iter()
        .map(|status| (status.as_str(), 0))
        .collect();
    counts.extend(counted);
    Ok(counts)
}

//! Parsed settings in memory, so that neither planning nor reading a campaign parses JSON again and
//! again.
//!
//! Keyed by campaign and revision, which together never change meaning once committed: a reader
//! takes an entry only for the revision that it read. What a failed command had put in is taken out
//! again; after a commit that failed nothing is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::CampaignId;
use domain::campaign::CampaignType;
use domain::settings::{CampaignSettings, SettingsDraft};
use store::StoreResult;

use crate::code::corrupt;

/// Entries kept; beyond, the cache starts anew.
const MAX_ENTRIES: usize = 20_000;

/// The settings of a campaign at one revision, as requested and as parsed.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) draft: Arc<SettingsDraft>,
    pub(crate) settings: Arc<CampaignSettings>,
}

type Entries = HashMap<CampaignId, (i64, Parsed)>;

/// Shared by the writer and all readers.
#[derive(Clone, Default)]
pub(crate) struct SettingsCache(Arc<Mutex<Entries>>);

impl SettingsCache {
    /// The settings of a campaign at a revision; `text` is the stored draft.
    pub(crate) fn get(
        &self,
        campaign_id: CampaignId,
        revision: i64,
        kind: CampaignType,
        text: &str,
    ) -> StoreResult<Parsed> {
        if let Some(known) = self.known(campaign_id, revision) {
            return Ok(known);
        }
        let draft = parse_draft(text)?;
        let settings = parse_settings(kind, &draft)?;
        let parsed = Parsed {
            draft: Arc::new(draft),
            settings: Arc::new(settings),
        };
        self.put(campaign_id, revision, parsed.clone());
        Ok(parsed)
    }

    fn known(&self, campaign_id: CampaignId, revision: i64) -> Option<Parsed> {
        let entries = self.entries();
        let (cached, parsed) = entries.get(&campaign_id)?;
        (*cached == revision).then(|| parsed.clone())
    }

    /// Keeps an entry, unless a later one is there: a reader may be behind the writer.
    fn put(&self, campaign_id: CampaignId, revision: i64, parsed: Parsed) {
        let mut entries = self.entries();
        if entries
            .get(&campaign_id)
            .is_some_and(|(cached, _)| *cached > revision)
        {
            return;
        }
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(campaign_id, (revision, parsed));
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's side: it alone puts in what is not committed yet.
pub(crate) struct WriterSettings {
    cache: SettingsCache,
    fresh: Vec<CampaignId>,
}

impl WriterSettings {
    pub(crate) const fn new(cache: SettingsCache) -> Self {
        Self {
            cache,
            fresh: Vec::new(),
        }
    }

    /// What the functions for reading take, to read this campaign with.
    pub(crate) fn cache(&mut self, campaign_id: CampaignId) -> &SettingsCache {
        self.fresh.push(campaign_id);
        &self.cache
    }

    /// The parsed settings of a campaign at a revision that is stored.
    pub(crate) fn get(
        &mut self,
        campaign_id: CampaignId,
        revision: i64,
        kind: CampaignType,
        text: &str,
    ) -> StoreResult<Arc<CampaignSettings>> {
        self.fresh.push(campaign_id);
        let parsed = self.cache.get(campaign_id, revision, kind, text)?;
        Ok(parsed.settings)
    }

    /// Keeps settings that this command writes.
    pub(crate) fn put(&mut self, campaign_id: CampaignId, revision: i64, parsed: Parsed) {
        self.fresh.push(campaign_id);
        self.cache.put(campaign_id, revision, parsed);
    }

    /// Keeps what the command put in.
    pub(crate) fn keep(&mut self) {
        self.fresh.clear();
    }

    /// Takes out what the command put in.
    pub(crate) fn undo(&mut self) {
        let mut entries = self.cache.entries();
        for campaign_id in self.fresh.drain(..) {
            entries.remove(&campaign_id);
        }
    }

    /// Forgets everything: a commit failed.
    pub(crate) fn clear(&mut self) {
        self.cache.entries().clear();
        self.fresh.clear();
    }
}

/// The stored draft as request names.
pub(crate) fn parse_draft(text: &str) -> StoreResult<SettingsDraft> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("settings: {error}")))
}

/// The stored draft as checked settings. What was accepted once must parse for ever; a version
/// that narrows a rule migrates what is stored.
fn parse_settings(kind: CampaignType, draft: &SettingsDraft) -> StoreResult<CampaignSettings> {
    CampaignSettings::parse(kind, draft).map_err(|faults| {
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        corrupt(format!("settings do not parse: {}", fields.join(", ")))
    })
}

//! Parsed settings in the writer's memory, so that planning does not parse JSON again and again.
//!
//! Keyed by campaign and revision, which together never change meaning once committed. What a
//! failed command had put in is taken out again.

use std::collections::HashMap;
use std::sync::Arc;

use domain::CampaignId;
use domain::campaign::CampaignType;
use domain::settings::{CampaignSettings, SettingsDraft};
use store::StoreResult;

use crate::code::corrupt;

/// Entries kept; beyond, the cache starts anew.
const MAX_ENTRIES: usize = 20_000;

#[derive(Default)]
pub(crate) struct SettingsCache {
    parsed: HashMap<CampaignId, (i64, Arc<CampaignSettings>)>,
    fresh: Vec<CampaignId>,
}

impl SettingsCache {
    /// The settings of a campaign at a revision; `text` is the stored draft.
    pub(crate) fn get(
        &mut self,
        campaign_id: CampaignId,
        revision: i64,
        kind: CampaignType,
        text: &str,
    ) -> StoreResult<Arc<CampaignSettings>> {
        if let Some((cached, settings)) = self.parsed.get(&campaign_id)
            && *cached == revision
        {
            return Ok(Arc::clone(settings));
        }
        let settings = Arc::new(parse_settings(kind, text)?);
        if self.parsed.len() >= MAX_ENTRIES {
            self.parsed.clear();
        }
        self.parsed
            .insert(campaign_id, (revision, Arc::clone(&settings)));
        self.fresh.push(campaign_id);
        Ok(settings)
    }

    /// Keeps what the command put in.
    pub(crate) fn keep(&mut self) {
        self.fresh.clear();
    }

    /// Takes out what the command put in.
    pub(crate) fn undo(&mut self) {
        for campaign_id in self.fresh.drain(..) {
            self.parsed.remove(&campaign_id);
        }
    }

    /// Forgets everything: a commit failed.
    pub(crate) fn clear(&mut self) {
        self.parsed.clear();
        self.fresh.clear();
    }
}

/// The stored draft as request names.
pub(crate) fn parse_draft(text: &str) -> StoreResult<SettingsDraft> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("settings: {error}")))
}

/// The stored draft as checked settings. What was accepted once must parse for ever; a version
/// that narrows a rule migrates what is stored.
pub(crate) fn parse_settings(kind: CampaignType, text: &str) -> StoreResult<CampaignSettings> {
    CampaignSettings::parse(kind, &parse_draft(text)?).map_err(|faults| {
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        corrupt(format!("settings do not parse: {}", fields.join(", ")))
    })
}

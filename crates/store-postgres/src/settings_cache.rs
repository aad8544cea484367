//! Parsed settings in memory, so that planning does not parse JSON again and again.
//!
//! An entry counts only for exactly the stored text it was parsed from: what another node wrote, or
//! a transaction that was rolled back had written, can never be mistaken for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::CampaignId;
use domain::campaign::CampaignType;
use domain::settings::{CampaignSettings, SettingsDraft};
use store::StoreResult;

use crate::code::corrupt;

/// Entries kept; beyond, the cache starts anew.
const MAX_ENTRIES: usize = 20_000;

/// The settings of a campaign, as requested and as parsed.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) draft: Arc<SettingsDraft>,
    pub(crate) settings: Arc<CampaignSettings>,
}

struct Entry {
    kind: CampaignType,
    text: String,
    parsed: Parsed,
}

#[derive(Default)]
pub(crate) struct SettingsCache {
    entries: Mutex<HashMap<CampaignId, Entry>>,
}

impl SettingsCache {
    /// The settings of a campaign; `text` is the stored draft.
    pub(crate) fn get(
        &self,
        campaign_id: CampaignId,
        kind: CampaignType,
        text: &str,
    ) -> StoreResult<Parsed> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&campaign_id)
            && entry.kind == kind
            && entry.text == text
        {
            return Ok(entry.parsed.clone());
        }
        let draft = parse_draft(text)?;
        let settings = parse_settings(kind, &draft)?;
        let parsed = Parsed {
            draft: Arc::new(draft),
            settings: Arc::new(settings),
        };
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        let entry = Entry {
            kind,
            text: text.to_owned(),
            parsed: parsed.clone(),
        };
        entries.insert(campaign_id, entry);
        Ok(parsed)
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

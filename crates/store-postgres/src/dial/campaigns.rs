//! What the facts of one transaction need of campaigns, read once.
//!
//! It holds while the tenant's row is locked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::CampaignId;
use domain::campaign::CampaignType;
use domain::settings::CampaignSettings;
use store::StoreResult;

use crate::query::{self, bound};
use crate::work::Work;

/// Campaigns that were looked for; `None`: there is no such campaign.
#[derive(Default)]
pub(crate) struct Campaigns(HashMap<CampaignId, Option<Campaign>>);

struct Campaign {
    settings: Arc<CampaignSettings>,
    /// Whether it had no failures to forget when it was read.
    is_sound: bool,
}

impl Campaigns {
    /// Reads those that are not known yet.
    pub(crate) async fn read(
        &mut self,
        work: &Work<'_>,
        wanted: impl Iterator<Item = CampaignId>,
    ) -> StoreResult<()> {
        let missing: HashSet<_> = wanted.filter(|id| !self.0.contains_key(id)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        // Each by its key: where most tenants have few campaigns, a plan for any of them would read all
        // campaigns of one that has many.
        let sql = "SELECT campaign.* FROM UNNEST($2::bigint[]) AS wanted (campaign_id), LATERAL
                       (SELECT campaign_id, kind, settings, circuit_failures = 0 AS is_sound FROM campaigns
                        WHERE tenant_id = $1 AND campaigns.campaign_id = wanted.campaign_id OFFSET 0) AS campaign";
        let ids: Vec<_> = missing.iter().map(|id| id.raw()).collect();
        let found = query::many(&work.tx, sql, bound![work.tenant_id.raw(), ids], |cells| {
            let campaign_id = CampaignId::from_raw(cells.get("campaign_id")?);
            let kind = cells.choice("kind", CampaignType::parse)?;
            let text: &str = cells.get("settings")?;
            let campaign = Campaign {
                settings: work.shared.settings.get(campaign_id, kind, text)?.settings,
                is_sound: cells.get("is_sound")?,
            };
            Ok((campaign_id, Some(campaign)))
        })
        .await?;
        self.0.extend(missing.into_iter().map(|id| (id, None)));
        self.0.extend(found);
        Ok(())
    }

    /// Settings of a campaign that was read, if it is there.
    pub(crate) fn settings(&self, campaign_id: CampaignId) -> Option<&Arc<CampaignSettings>> {
        let known = self.0.get(&campaign_id)?.as_ref();
        known.map(|campaign| &campaign.settings)
    }

    /// Whether its circuit is closed for all that is known. From now on it is: whoever asks closes it.
    pub(crate) fn works(&mut self, campaign_id: CampaignId) -> bool {
        match self.0.get_mut(&campaign_id) {
            Some(Some(known)) => std::mem::replace(&mut known.is_sound, true),
            _ => false,
        }
    }

    /// A call of it failed by its configuration.
    pub(crate) fn fails(&mut self, campaign_id: CampaignId) {
        if let Some(Some(known)) = self.0.get_mut(&campaign_id) {
            known.is_sound = false;
        }
    }
}

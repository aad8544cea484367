//! Reading everything out of the store, after the end.

use store::{
    CallFilter, CallRecord, EventRecord, LeadFilter, LeadRecord, Page, PageRequest, Store,
    StoreError, StoreResult,
};

use super::Simulator;
use crate::judge::{CampaignRecords, Records};

const PAGE: u32 = 200;

impl Simulator {
    pub(super) async fn read_records(&self) -> StoreResult<Records> {
        let mut campaigns = Vec::new();
        for (index, made) in self.history.campaigns.iter().enumerate() {
            let tenant_id = self.tenants[made.tenant];
            let store = &self.process.store;
            let campaign = match store.get_campaign(tenant_id, made.id).await {
                Err(StoreError::NotFound(_)) if self.history.is_deleted(index) => None,
                campaign => Some(campaign?),
            };
            campaigns.push(CampaignRecords {
                index,
                leads: if campaign.is_some() {
                    self.leads_of(index).await?
                } else {
                    Vec::new()
                },
                campaign,
                calls: self.calls_of(index).await?,
            });
        }
        let store = &self.process.store;
        let mut imports = Vec::new();
        for (campaign, import_id) in &self.imports {
            if self.history.is_deleted(*campaign) {
                continue;
            }
            let tenant_id = self.tenants[self.history.campaigns[*campaign].tenant];
            imports.push(store.get_import(tenant_id, *import_id).await?);
        }
        let mut feeds = Vec::new();
        for tenant in 0..self.tenants.len() {
            feeds.push(self.feed_of(tenant).await?);
        }
        let mut tokens = Vec::new();
        for (tenant, (token_id, told)) in self.tokens.iter().enumerate() {
            let token = store.get_token(self.tenants[tenant], *token_id).await?;
            tokens.push((token.enabled, *told));
        }
        Ok(Records {
            campaigns,
            imports,
            feeds,
            tokens,
            live_calls: store.gauges().await?.live_calls,
            on_the_board: store.send_board().len(),
            erasures_wait: store.run_erasures(1).await?,
        })
    }

    async fn leads_of(&self, campaign: usize) -> StoreResult<Vec<LeadRecord>> {
        let made = &self.history.campaigns[campaign];
        let caller = self.caller(made.tenant);
        let mut all = Vec::new();
        let mut page = first_page();
        loop {
            let leads: Page<LeadRecord> = self
                .process
                .store
                .list_leads(
                    caller.tenant_id,
                    made.id,
                    LeadFilter::default(),
                    page,
                    caller.now,
                )
                .await?;
            all.extend(leads.items);
            let Some(before) = leads.next else {
                return Ok(all);
            };
            page.before = Some(before);
        }
    }

    async fn calls_of(&self, campaign: usize) -> StoreResult<Vec<CallRecord>> {
        let made = &self.history.campaigns[campaign];
        let filter = CallFilter {
            campaign_id: Some(made.id),
            ..CallFilter::default()
        };
        let mut all = Vec::new();
        let mut page = first_page();
        loop {
            let tenant_id = self.tenants[made.tenant];
            let store = &self.process.store;
            let calls = store.list_calls(tenant_id, filter.clone(), page).await?;
            all.extend(calls.items);
            let Some(before) = calls.next else {
                return Ok(all);
            };
            page.before = Some(before);
        }
    }

    async fn feed_of(&self, tenant: usize) -> StoreResult<Vec<EventRecord>> {
        let mut all: Vec<EventRecord> = Vec::new();
        loop {
            let after = all.last().map_or(0, |event| event.sequence);
            let store = &self.process.store;
            let events = store.list_events(self.tenants[tenant], after, PAGE).await?;
            if events.is_empty() {
                return Ok(all);
            }
            all.extend(events);
        }
    }
}

const fn first_page() -> PageRequest {
    PageRequest {
        limit: PAGE,
        before: None,
    }
}

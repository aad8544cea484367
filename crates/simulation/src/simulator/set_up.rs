//! What exists when a run begins: a line, a pool, campaigns with leads.

use std::sync::Arc;

use domain::campaign::{CampaignCommand, CampaignType};
use domain::{LineId, PoolId};
use jiff::Timestamp;
use rand::Rng;
use store::{
    NewCampaign, NewLead, NewLine, OnDuplicate, PoolContent, PoolNumber, PoolStrategy, Store,
    Vault, Written,
};

use super::{BUSY_HOURS, Event, Simulator};
use crate::judge::Told;
use crate::workload::{self, Planned};

impl Simulator {
    pub(super) async fn set_up(&mut self, now: Timestamp) -> Result<(), String> {
        let line_id = self.make_line(now).await?;
        let pool_id = self.make_pool(line_id).await?;
        let leads = self.rng.random_range(3..25);
        let count = self.rng.random_range(1..=4);
        for number in 0..count {
            let pool = self.rng.random_bool(0.4).then_some(pool_id);
            let draft = workload::draft(&mut self.rng, number, now, line_id, pool);
            let phones = workload::phones(&mut self.rng, number, leads);
            self.make_campaign(now, draft, phones).await?;
        }
        let actions = workload::actions(&mut self.rng, count, leads, now, BUSY_HOURS);
        for (at, action) in actions {
            self.push(at, Event::Act(action));
        }
        Ok(())
    }

    async fn make_line(&mut self, now: Timestamp) -> Result<LineId, String> {
        let limit = self.rng.random_range(1..=8);
        let rate = self.rng.random_range(1..=20);
        self.log.line_limit = limit;
        self.log.line_rate = rate;
        let vault = Vault::new(&[7; 32]);
        let line_key = "simulated".to_owned();
        let line = NewLine {
            provider: "SANDBOX".to_owned(),
            name: "simulated".to_owned(),
            base_url: Some("http://127.0.0.1:9/vapi".to_owned()),
            sealed_credentials: vault.seal(
                b"{\"api_key\":\"simulated\"}",
                &lines::credentials_context(&line_key),
                [1; 24],
            ),
            sealed_webhook_secret: vault.seal(
                b"whsec",
                &lines::webhook_secret_context(&line_key),
                [2; 24],
            ),
            line_key,
            max_concurrent_calls: limit,
            max_calls_per_second: rate,
        };
        self.caller.now = now;
        match self
            .process
            .store
            .create_line(self.caller, line, None)
            .await
        {
            Ok(Written::Fresh(line)) => Ok(line.line_id),
            other => Err(format!("{other:?}")),
        }
    }

    async fn make_pool(&mut self, line_id: LineId) -> Result<PoolId, String> {
        let numbers = (1..=4).map(|index| PoolNumber {
            phone_number_id: format!("pn_{index:03}"),
            e164: None,
            max_concurrent_calls: Some(2),
            enabled: index != 4,
        });
        let strategy = if self.rng.random_bool(0.5) {
            PoolStrategy::RoundRobin
        } else {
            PoolStrategy::LeastRecentlyUsed
        };
        let pool = PoolContent {
            name: "pool".to_owned(),
            line_id,
            strategy,
            numbers: numbers.collect(),
        };
        match self
            .process
            .store
            .create_pool(self.caller, pool, None)
            .await
        {
            Ok(Written::Fresh(pool)) => Ok(pool.pool_id),
            other => Err(format!("{other:?}")),
        }
    }

    async fn make_campaign(
        &mut self,
        now: Timestamp,
        draft: domain::settings::SettingsDraft,
        phones: Vec<domain::PhoneNumber>,
    ) -> Result<(), String> {
        let settings = workload::parse(&draft).ok_or("the drawn settings are not valid")?;
        let campaign = NewCampaign {
            kind: CampaignType::Outbound,
            draft: draft.clone(),
            settings: Arc::new(settings),
            unverified: false,
            leads_of: None,
        };
        let made = self
            .process
            .store
            .create_campaign(self.caller, campaign, None)
            .await;
        let Ok(Written::Fresh(made)) = made else {
            return Err(format!("{made:?}"));
        };
        let campaign_id = made.campaign_id;
        for phone in &phones {
            let lead = NewLead {
                phone: phone.clone(),
                fields: store::LeadFields::default(),
            };
            let added = self
                .process
                .store
                .add_lead(self.caller, campaign_id, lead, OnDuplicate::Update, None)
                .await;
            added.map_err(|error| error.to_string())?;
            self.log.told(now, campaign_id, Told::Added(phone.clone()));
        }
        self.log
            .told(now, campaign_id, Told::Settings(Box::new(draft.clone())));
        self.campaigns.push(Planned {
            campaign_id,
            draft,
            phones,
        });
        self.order(now, self.campaigns.len() - 1, CampaignCommand::Start)
            .await;
        Ok(())
    }
}

//! What exists when a run begins: lines, pools, tokens, campaigns with leads.

use std::sync::Arc;

use domain::LineId;
use domain::campaign::{CampaignCommand, CampaignType};
use domain::settings::SettingsDraft;
use store::{
    NewCampaign, NewLead, NewLine, NewToken, OnDuplicate, PoolContent, PoolNumber, PoolStrategy,
    Scopes, Store, Vault, Written,
};

use super::Simulator;
use crate::history::{Campaign, Line, LineTerms, Told};
use crate::plan::{self, PlannedCampaign, PlannedLead, PlannedLine};

/// A line of the run, and what a user needs to change it.
#[derive(Debug, Clone)]
pub(super) struct MadeLine {
    pub(super) line_id: LineId,
    pub(super) line_key: String,
    pub(super) tenant: usize,
}

/// The sealed credentials of a line.
pub(super) fn sealed_key(line_key: &str, api_key: &str) -> Vec<u8> {
    let credentials = serde_json::json!({ "api_key": api_key }).to_string();
    let context = lines::credentials_context(line_key);
    Vault::new(&[7; 32]).seal(credentials.as_bytes(), &context, [1; 24])
}

/// A lead as its user adds it: the number is repeated in a variable, so that a call that carries
/// somebody else's variables is noticed.
pub(super) fn new_lead(lead: &PlannedLead) -> NewLead {
    let mut custom_fields = serde_json::Map::new();
    custom_fields.insert("who".to_owned(), lead.phone.as_str().into());
    let fields = store::LeadFields {
        custom_fields,
        timezone: lead.zone.map(str::to_owned),
        not_before: lead.not_before,
        ..store::LeadFields::default()
    };
    NewLead::new(lead.phone.clone(), fields)
}

impl Simulator {
    pub(super) async fn set_up(&mut self) -> Result<(), String> {
        for tenant in 0..self.tenants.len() {
            self.make_token(tenant).await?;
        }
        for line in self.plan.lines.clone() {
            self.make_line(&line).await?;
        }
        for campaign in self.plan.campaigns.clone() {
            self.make_campaign(&campaign).await?;
        }
        Ok(())
    }

    async fn make_token(&mut self, tenant: usize) -> Result<(), String> {
        let token = NewToken {
            name: "simulated".to_owned(),
            scopes: Scopes {
                write: true,
                ..Scopes::default()
            },
            hash: [u8::try_from(tenant).unwrap_or_default(); 32],
            masked: "cmp_…".to_owned(),
            expires_at: None,
        };
        let caller = self.caller(tenant);
        match self.process.store.create_token(caller, token, None).await {
            Ok(Written::Fresh(token)) => {
                self.tokens.push((token.token_id, true));
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    }

    async fn make_line(&mut self, planned: &PlannedLine) -> Result<(), String> {
        let index = self.lines.len();
        let line_key = format!("line{index}");
        let account = format!("account{index}");
        let vault = Vault::new(&[7; 32]);
        let line = NewLine {
            provider: "SANDBOX".to_owned(),
            name: "simulated".to_owned(),
            base_url: Some("http://127.0.0.1:9/vapi".to_owned()),
            sealed_credentials: sealed_key(&line_key, &account),
            sealed_webhook_secret: vault.seal(
                b"whsec",
                &lines::webhook_secret_context(&line_key),
                [2; 24],
            ),
            line_key: line_key.clone(),
            max_concurrent_calls: planned.max_concurrent_calls,
            max_calls_per_second: planned.max_calls_per_second,
        };
        let caller = self.caller(planned.tenant);
        let made = self.process.store.create_line(caller, line, None).await;
        let Ok(Written::Fresh(made)) = made else {
            return Err(format!("{made:?}"));
        };
        self.make_pool(planned, made.line_id).await?;
        let now = self.clock.true_now();
        let terms = LineTerms {
            max_concurrent_calls: planned.max_concurrent_calls,
            max_calls_per_second: planned.max_calls_per_second,
            pool: enabled(&self.pools[index].1),
        };
        self.history.lines.push(Line {
            account,
            terms: vec![(now, now, terms)],
            keys: vec![(now, true)],
        });
        self.lines.push(MadeLine {
            line_id: made.line_id,
            line_key,
            tenant: planned.tenant,
        });
        Ok(())
    }

    async fn make_pool(&mut self, planned: &PlannedLine, line_id: LineId) -> Result<(), String> {
        let numbers = planned.pool.iter().map(|(index, most)| PoolNumber {
            phone_number_id: format!("pn_{index:03}"),
            e164: None,
            max_concurrent_calls: *most,
            enabled: true,
        });
        let content = PoolContent {
            name: "pool".to_owned(),
            line_id,
            strategy: if planned.round_robin {
                PoolStrategy::RoundRobin
            } else {
                PoolStrategy::LeastRecentlyUsed
            },
            numbers: numbers.collect(),
        };
        let caller = self.caller(planned.tenant);
        let made = self
            .process
            .store
            .create_pool(caller, content.clone(), None)
            .await;
        match made {
            Ok(Written::Fresh(pool)) => {
                self.pools.push((pool.pool_id, content));
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    }

    async fn make_campaign(&mut self, planned: &PlannedCampaign) -> Result<(), String> {
        let line = &self.lines[planned.line];
        let tenant = line.tenant;
        let draft = SettingsDraft {
            tenant_voice_provider_id: Some(line.line_id.raw()),
            phone_number_pool_id: planned.uses_pool.then(|| self.pools[planned.line].0.raw()),
            ..planned.draft.clone()
        };
        let settings = plan::parse(&draft).ok_or("the drawn settings are not valid")?;
        let campaign = NewCampaign {
            kind: CampaignType::Outbound,
            draft: draft.clone(),
            settings: Arc::new(settings),
            unverified: false,
            leads_of: None,
        };
        let caller = self.caller(tenant);
        let made = self
            .process
            .store
            .create_campaign(caller, campaign, None)
            .await;
        let Ok(Written::Fresh(made)) = made else {
            return Err(format!("{made:?}"));
        };
        let (index, now) = (self.history.campaigns.len(), self.clock.true_now());
        self.history.campaigns.push(Campaign {
            id: made.campaign_id,
            tenant,
            line: planned.line,
            uses_pool: planned.uses_pool,
            leads: planned.leads.clone(),
        });
        self.history
            .told(now, index, Told::Settings(Box::new(draft)));
        for lead in &planned.leads {
            let added = self
                .process
                .store
                .add_lead(
                    caller,
                    made.campaign_id,
                    new_lead(lead),
                    OnDuplicate::Update,
                    None,
                )
                .await;
            added.map_err(|error| error.to_string())?;
            self.history
                .told(now, index, Told::Added(lead.phone.clone()));
        }
        self.order(index, CampaignCommand::Start, false).await;
        Ok(())
    }
}

/// Enabled numbers of a pool with their own limits.
pub(super) fn enabled(content: &PoolContent) -> Vec<(String, Option<u32>)> {
    content
        .numbers
        .iter()
        .filter(|number| number.enabled)
        .map(|number| (number.phone_number_id.clone(), number.max_concurrent_calls))
        .collect()
}

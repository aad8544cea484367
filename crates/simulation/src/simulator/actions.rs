//! What users do while a run goes on, and what they are told.

use std::sync::Arc;

use domain::campaign::{CampaignCommand, LeadStatus};
use jiff::Timestamp;
use store::{
    CampaignOrder, CampaignUpdate, LeadChange, LeadKey, NewLead, OnDuplicate, Precondition, Store,
};

use super::Simulator;
use crate::judge::Told;
use crate::workload::{self, Action};

impl Simulator {
    pub(super) async fn act(&mut self, now: Timestamp, action: Action) {
        self.caller.now = now;
        match action {
            Action::Order(campaign, command) => self.order(now, campaign, command).await,
            Action::Edit(campaign) => self.edit(now, campaign).await,
            Action::OptOut(campaign, lead) => {
                let change = LeadChange {
                    do_not_call: Some(true),
                    ..LeadChange::default()
                };
                self.change_lead(now, campaign, lead, change, Told::OptedOut)
                    .await;
            }
            Action::Requeue(campaign, lead) => {
                let change = LeadChange {
                    mark_as_unanswered: Some(true),
                    ..LeadChange::default()
                };
                self.change_lead(now, campaign, lead, change, Told::Requeued)
                    .await;
            }
            Action::Remove(campaign, lead) => self.remove_lead(now, campaign, lead).await,
            Action::AddAgain(campaign, lead) => self.add_again(now, campaign, lead).await,
        }
    }

    pub(super) async fn order(
        &mut self,
        now: Timestamp,
        campaign: usize,
        command: CampaignCommand,
    ) {
        let campaign_id = self.campaigns[campaign].campaign_id;
        self.caller.now = now;
        let order = CampaignOrder {
            campaign_id,
            command,
            precondition: Precondition::None,
        };
        if self
            .process
            .store
            .order_campaign(self.caller, order, None)
            .await
            .is_ok()
        {
            self.note(command.as_str());
            let running = matches!(command, CampaignCommand::Start | CampaignCommand::Resume);
            self.log.told(now, campaign_id, Told::Running(running));
        }
    }

    async fn edit(&mut self, now: Timestamp, campaign: usize) {
        let planned = self.campaigns[campaign].clone();
        let draft = workload::edit(&mut self.rng, &planned.draft);
        let Some(settings) = workload::parse(&draft) else {
            return;
        };
        let Ok(current) = self
            .process
            .store
            .get_campaign(self.caller.tenant_id, planned.campaign_id)
            .await
        else {
            return;
        };
        let update = CampaignUpdate {
            campaign_id: planned.campaign_id,
            base_revision: current.revision,
            draft: Arc::new(draft.clone()),
            settings: Arc::new(settings),
            unverified: None,
        };
        if self
            .process
            .store
            .update_campaign(self.caller, update)
            .await
            .is_ok()
        {
            self.note("edit");
            self.log.told(
                now,
                planned.campaign_id,
                Told::Settings(Box::new(draft.clone())),
            );
            self.campaigns[campaign].draft = draft;
        }
    }

    async fn change_lead(
        &mut self,
        now: Timestamp,
        campaign: usize,
        lead: usize,
        change: LeadChange,
        told: fn(domain::PhoneNumber) -> Told,
    ) {
        let planned = &self.campaigns[campaign];
        let Some(phone) = planned.phones.get(lead).cloned() else {
            return;
        };
        let (campaign_id, key) = (planned.campaign_id, LeadKey::Phone(phone.clone()));
        let before = self
            .process
            .store
            .get_lead(self.caller.tenant_id, campaign_id, key.clone(), now)
            .await;
        let results = self
            .process
            .store
            .update_leads(self.caller, campaign_id, vec![(key, change)])
            .await;
        let changed = results.is_ok_and(|results| results.iter().all(Result::is_ok));
        // A re-queue counts only for a lead that was answered or exhausted.
        let told = told(phone);
        let requeued = before
            .is_ok_and(|lead| matches!(lead.status, LeadStatus::Answered | LeadStatus::Exhausted));
        if changed && (requeued || !matches!(told, Told::Requeued(_))) {
            self.note("lead_change");
            self.log.told(now, campaign_id, told);
        }
    }

    async fn remove_lead(&mut self, now: Timestamp, campaign: usize, lead: usize) {
        let planned = &self.campaigns[campaign];
        let Some(phone) = planned.phones.get(lead).cloned() else {
            return;
        };
        let campaign_id = planned.campaign_id;
        let keys = vec![LeadKey::Phone(phone.clone())];
        let removed = self
            .process
            .store
            .remove_leads(self.caller, campaign_id, keys)
            .await;
        if removed.is_ok_and(|results| results.iter().all(Result::is_ok)) {
            self.note("removed");
            self.log.told(now, campaign_id, Told::Removed(phone));
        }
    }

    async fn add_again(&mut self, now: Timestamp, campaign: usize, lead: usize) {
        let planned = &self.campaigns[campaign];
        let Some(phone) = planned.phones.get(lead).cloned() else {
            return;
        };
        let campaign_id = planned.campaign_id;
        let lead = NewLead {
            phone: phone.clone(),
            fields: store::LeadFields::default(),
        };
        let added = self
            .process
            .store
            .add_lead(self.caller, campaign_id, lead, OnDuplicate::Update, None)
            .await;
        if added.is_ok() {
            self.log.told(now, campaign_id, Told::Added(phone));
        }
    }
}

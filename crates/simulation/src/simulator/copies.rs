//! Users copy and delete campaigns; what that leaves to do is done in steps.

use std::sync::Arc;

use domain::PhoneNumber;
use domain::campaign::{CampaignCommand, CampaignStatus, CampaignType};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use store::{NewCampaign, Precondition, Store, Written};

use super::{Event, Presence, Simulator};
use crate::history::{Campaign, NEVER_KNOWN, QUEUED, Told};
use crate::plan::{self, Action, PlannedAction, When, later};

/// Leads in one transaction of an erasure; few, so that a death can come between.
const ERASE_STEP: u32 = 7;
/// Chance that a campaign is copied just before it is deleted.
const KEEPS_A_COPY: f64 = 0.4;

impl Simulator {
    /// Copies a campaign, and goes on with the copy: a copy that is not started calls nobody.
    pub(super) async fn copy(
        &mut self,
        source: usize,
        leads_too: bool,
        dice: u64,
        lost: bool,
    ) -> bool {
        let made = self.history.campaigns[source].clone();
        let caller = self.caller(made.tenant);
        let current = self.process.store.get_campaign(caller.tenant_id, made.id);
        let Ok(current) = current.await else {
            return false;
        };
        let mut draft = (*current.draft).clone();
        draft.name = Some(format!("copy {}", self.history.campaigns.len()));
        let Some(settings) = plan::parse(&draft) else {
            return false;
        };
        let campaign = NewCampaign {
            kind: CampaignType::Outbound,
            draft: draft.clone(),
            settings: Arc::new(settings),
            unverified: false,
            leads_of: leads_too.then_some(made.id),
        };
        let store = &self.process.store;
        let copied = store.create_campaign(caller, campaign, None).await;
        let Ok(Written::Fresh(copied)) = copied else {
            return false;
        };
        self.note("copy");
        let copy = self.history.campaigns.len();
        self.history.campaigns.push(Campaign {
            id: copied.campaign_id,
            leads: Vec::new(),
            ..made
        });
        self.tell(copy, Told::Settings(Box::new(draft)), lost);
        if leads_too {
            self.leads_are_copied(source, copy);
        }
        if let Some(import_id) = copied.import_id {
            self.imports.push((copy, import_id));
            self.copying.push((source, copy));
            let now = self.clock.true_now();
            self.push(later(now, SignedDuration::from_millis(100)), Event::Import);
        }
        self.go_on_with(copy, dice);
        true
    }

    /// What the copy gets: what is certainly in the source; what is on its way there, maybe.
    fn leads_are_copied(&mut self, source: usize, copy: usize) {
        let now = self.clock.true_now();
        for lead in self.history.campaigns[source].leads.clone() {
            let present = self.history.present_at(source, &lead.phone, now);
            let certain = !self.history.is_changing(source, &lead.phone, now);
            if certain && present != [true] {
                continue;
            }
            let phone = lead.phone.clone();
            self.history.campaigns[copy].leads.push(lead);
            let until = if certain {
                QUEUED
            } else {
                let absent = Told::Removed(phone.clone());
                self.history.told_between(now, NEVER_KNOWN, copy, absent);
                NEVER_KNOWN
            };
            let added = Told::Added(phone);
            self.history.told_between(now, until, copy, added);
        }
    }

    /// A lead that leaves its source while that is being copied may have been copied before.
    pub(super) fn removed_while_copied(&mut self, source: usize, phone: &PhoneNumber) {
        let now = self.clock.true_now();
        for (_, copy) in self.copying.clone().iter().filter(|(of, _)| *of == source) {
            let absent = Told::Removed(phone.clone());
            self.history.told_between(now, NEVER_KNOWN, *copy, absent);
        }
    }

    fn go_on_with(&mut self, copy: usize, dice: u64) {
        let first = SignedDuration::from_millis(self.rng.random_range(1..2_000));
        let at = later(self.clock.true_now(), first);
        if dice.is_multiple_of(2) {
            self.push_action(at, Action::Edit(copy, dice));
        }
        let second = SignedDuration::from_millis(self.rng.random_range(1..5_000));
        let start = Action::Order(copy, CampaignCommand::Start);
        self.push_action(later(at, second), start);
    }

    fn push_action(&mut self, at: Timestamp, action: Action) {
        let planned = PlannedAction {
            when: When::At(at),
            action,
            answer_lost: false,
        };
        self.push(at, Event::Act(planned));
    }

    /// The next step towards a campaign that is deleted.
    pub(super) async fn delete(&mut self, campaign: usize, lost: bool) -> bool {
        let campaign = campaign % self.history.campaigns.len();
        let made = &self.history.campaigns[campaign];
        let (campaign_id, caller) = (made.id, self.caller(made.tenant));
        let store = &self.process.store;
        let Ok(current) = store.get_campaign(caller.tenant_id, campaign_id).await else {
            return false;
        };
        let is_copied = self.copying.iter().any(|(source, _)| *source == campaign);
        let command = match current.status {
            // Whoever deletes what nobody calls any more may keep its leads, and not wait for them.
            CampaignStatus::Archived if !is_copied && self.rng.random_bool(KEEPS_A_COPY) => {
                let dice = self.rng.random();
                let copied = self.copy(campaign, true, dice, lost).await;
                let pause = SignedDuration::from_millis(self.rng.random_range(1..150));
                let at = later(self.clock.true_now(), pause);
                self.push_action(at, Action::Delete(campaign));
                return copied;
            }
            CampaignStatus::Draft | CampaignStatus::Archived => {
                let deleted = store.delete_campaign(caller, campaign_id, Precondition::None);
                if deleted.await.is_err() {
                    return false;
                }
                self.is_deleted(campaign, lost);
                return true;
            }
            CampaignStatus::Stopped => CampaignCommand::Archive,
            CampaignStatus::Running | CampaignStatus::Paused | CampaignStatus::Completed => {
                CampaignCommand::Stop
            }
        };
        let done = self.order(campaign, command, lost).await;
        if done {
            let pause = SignedDuration::from_millis(self.rng.random_range(1..3_000));
            let at = later(self.clock.true_now(), pause);
            self.push_action(at, Action::Delete(campaign));
        }
        done
    }

    fn is_deleted(&mut self, campaign: usize, lost: bool) {
        self.note("deleted");
        if self.copying.iter().any(|(source, _)| *source == campaign) {
            self.note("deleted_while_copied");
        }
        self.tell(campaign, Told::Deleted, lost);
        let soon = SignedDuration::from_millis(100);
        self.push(later(self.clock.true_now(), soon), Event::Erase);
    }

    /// Whether copies are unfinished, whose sources must not be erased.
    pub(super) const fn copies_wait(&self) -> bool {
        !self.copying.is_empty()
    }

    pub(super) async fn erase(&mut self, now: Timestamp) {
        if self.presence == Presence::Stopping {
            return;
        }
        let pause = match self.process.store.run_erasures(ERASE_STEP).await {
            Ok(true) => {
                self.note("erasure_step");
                SignedDuration::from_millis(50)
            }
            Ok(false) if self.copies_wait() => SignedDuration::from_secs(1),
            Ok(false) => return,
            Err(error) if error.is_retryable() => SignedDuration::from_secs(1),
            Err(error) => return self.broken("STORE", error.to_string()),
        };
        self.push(later(now, pause), Event::Erase);
    }
}

//! What users do while a run goes on, and what they are told.

use std::sync::Arc;

use domain::PhoneNumber;
use domain::campaign::{CampaignCommand, LeadStatus};
use domain::settings::SettingsDraft;
use jiff::{SignedDuration, Timestamp};
use store::{
    CampaignOrder, CampaignUpdate, LeadChange, LeadKey, LineChange, NewLead, OnDuplicate,
    Precondition, Store, Written,
};

use super::set_up::{enabled, new_lead, sealed_key};
use super::{Event, Presence, Simulator};
use crate::history::{QUEUED, Told};
use crate::plan::{self, Action, ClockChange, PlannedAction, When, later};

/// When a user whose answer was lost has certainly learned what became of the request.
const LEARNED: SignedDuration = SignedDuration::from_secs(5);

impl Simulator {
    /// Lets the actions that wait for this reservation happen soon, aimed at its lead.
    pub(super) fn ambush(&mut self, now: Timestamp, campaign: usize, phone: &PhoneNumber) {
        let nth = self.reservations - 1;
        let leads = &self.history.campaigns[campaign].leads;
        let lead = leads.iter().position(|lead| lead.phone == *phone);
        let waiting = std::mem::take(&mut self.waiting_actions);
        for mut planned in waiting {
            match planned.when {
                When::AfterReservation(index, after_ms) if index == nth && !self.quiet => {
                    planned.action = aimed(planned.action, campaign, lead);
                    let at = later(now, SignedDuration::from_millis(after_ms));
                    self.note("ambush");
                    self.push(at, Event::Act(planned));
                }
                _ => self.waiting_actions.push(planned),
            }
        }
        let ambushes = self.plan.weather.clock_ambushes.iter();
        let now_due = ambushes.filter(|ambush| ambush.nth == nth && !self.quiet);
        for ambush in now_due.copied().collect::<Vec<_>>() {
            self.note("clock_ambush");
            let at = later(now, ambush.after);
            self.push(at, Event::Clock(ClockChange::Step(ambush.step_ms)));
            if let Some(after) = ambush.corrected_after {
                self.push(later(at, after), Event::Clock(ClockChange::Correct));
            }
        }
    }

    pub(super) async fn act(&mut self, now: Timestamp, planned: PlannedAction) {
        if self.presence == Presence::Down || self.users_wait() {
            self.note("user_refused");
            return self.try_again(now, planned);
        }
        let lost = planned.answer_lost && self.plan.weather.lost_users && !self.quiet;
        let done = match planned.action {
            Action::Order(campaign, command) => self.order(campaign, command, lost).await,
            Action::Edit(campaign, dice) => self.edit(campaign, dice, lost).await,
            Action::OptOut(campaign, lead) => {
                let change = LeadChange {
                    do_not_call: Some(store::OptOut::Enter),
                    ..LeadChange::default()
                };
                self.change_lead(campaign, lead, change, Told::OptedOut, lost)
                    .await
            }
            Action::Requeue(campaign, lead) => {
                let change = LeadChange {
                    mark_as_unanswered: Some(true),
                    ..LeadChange::default()
                };
                self.change_lead(campaign, lead, change, Told::Requeued, lost)
                    .await
            }
            Action::Remove(campaign, lead) => self.remove_lead(campaign, lead, lost).await,
            Action::AddAgain(campaign, lead) => self.add_again(campaign, lead, lost).await,
            Action::Import(campaign, more) => self.queue_import(campaign, more).await,
            Action::Limits(line, calls, rate) => self.limit(line, calls, rate, lost).await,
            Action::Credentials(line, right) => self.change_key(line, right).await,
            Action::PoolNumber(line, number, on) => {
                self.switch_number(line, number, on, lost).await
            }
            Action::Token(tenant, on) => self.switch_token(tenant, on).await,
            Action::CloseSoon(campaign, seconds) => self.close_soon(campaign, seconds, lost).await,
            Action::Copy(campaign, leads_too, dice) => {
                self.copy(campaign, leads_too, dice, lost).await
            }
            Action::Delete(campaign) => self.delete(campaign, lost).await,
        };
        if done && lost {
            self.note("user_answer_lost");
            self.die(now);
        }
    }

    /// Whoever is in the middle of something asks again when nobody answers.
    fn try_again(&mut self, now: Timestamp, planned: PlannedAction) {
        let goes_on = matches!(
            planned.action,
            Action::Delete(_) | Action::Order(_, CampaignCommand::Start)
        );
        if goes_on && !self.quiet {
            self.push(
                later(now, SignedDuration::from_secs(1)),
                Event::Act(planned),
            );
        }
    }

    /// Keeps what the user is told of a change that was carried out.
    pub(super) fn tell(&mut self, campaign: usize, told: Told, lost: bool) {
        let now = self.clock.true_now();
        let until = if lost { later(now, LEARNED) } else { now };
        self.history.told_between(now, until, campaign, told);
    }

    pub(super) async fn order(
        &mut self,
        campaign: usize,
        command: CampaignCommand,
        lost: bool,
    ) -> bool {
        let made = &self.history.campaigns[campaign];
        let order = CampaignOrder {
            campaign_id: made.id,
            command,
            precondition: Precondition::None,
        };
        let caller = self.caller(made.tenant);
        let ordered = self.process.store.order_campaign(caller, order, None).await;
        if ordered.is_err() {
            return false;
        }
        self.note(command.as_str());
        let running = matches!(command, CampaignCommand::Start | CampaignCommand::Resume);
        self.tell(campaign, Told::Running(running), lost);
        true
    }

    async fn edit(&mut self, campaign: usize, dice: u64, lost: bool) -> bool {
        let made = &self.history.campaigns[campaign];
        let (campaign_id, caller) = (made.id, self.caller(made.tenant));
        let store = &self.process.store;
        let Ok(current) = store.get_campaign(caller.tenant_id, campaign_id).await else {
            return false;
        };
        let draft = Action::edited(dice, &current.draft);
        self.change(campaign, &current, draft, lost).await
    }

    /// Closes the campaign's window `seconds` from now, while calls may be on their way.
    async fn close_soon(&mut self, campaign: usize, seconds: u32, lost: bool) -> bool {
        let made = &self.history.campaigns[campaign];
        let caller = self.caller(made.tenant);
        let current = self.process.store.get_campaign(caller.tenant_id, made.id);
        let Ok(current) = current.await else {
            return false;
        };
        let draft = plan::closing(&current.draft, caller.now, seconds);
        let Some(draft) = draft else { return false };
        let done = self.change(campaign, &current, draft, lost).await;
        if done {
            self.note("close_soon");
        }
        done
    }

    async fn change(
        &mut self,
        campaign: usize,
        current: &store::CampaignRecord,
        draft: SettingsDraft,
        lost: bool,
    ) -> bool {
        let made = &self.history.campaigns[campaign];
        let (campaign_id, caller) = (made.id, self.caller(made.tenant));
        let store = &self.process.store;
        let Some(settings) = plan::parse(&draft) else {
            return false;
        };
        let update = CampaignUpdate {
            campaign_id,
            base_revision: current.revision,
            draft: Arc::new(draft.clone()),
            settings: Arc::new(settings),
            unverified: None,
        };
        if store.update_campaign(caller, update).await.is_err() {
            return false;
        }
        self.note("edit");
        self.tell(campaign, Told::Settings(Box::new(draft)), lost);
        true
    }

    /// The planned lead, and who may change it.
    fn lead(&self, campaign: usize, lead: usize) -> Option<(store::Caller, PhoneNumber)> {
        let made = &self.history.campaigns[campaign];
        let lead = made.leads.get(lead)?;
        Some((self.caller(made.tenant), lead.phone.clone()))
    }

    async fn change_lead(
        &mut self,
        campaign: usize,
        lead: usize,
        change: LeadChange,
        told: fn(PhoneNumber) -> Told,
        lost: bool,
    ) -> bool {
        let Some((caller, phone)) = self.lead(campaign, lead) else {
            return false;
        };
        let campaign_id = self.history.campaigns[campaign].id;
        let key = LeadKey::Phone(phone.clone());
        let store = &self.process.store;
        let before = store
            .get_lead(caller.tenant_id, campaign_id, key.clone(), caller.now)
            .await;
        let results = store
            .update_leads(caller, campaign_id, vec![(key, change)])
            .await;
        if !results.is_ok_and(|results| results.iter().all(Result::is_ok)) {
            return false;
        }
        // A re-queue counts only for a lead that was answered or exhausted.
        let told = told(phone);
        let over = |status| matches!(status, LeadStatus::Answered | LeadStatus::Exhausted);
        if matches!(told, Told::Requeued(_)) && !before.is_ok_and(|lead| over(lead.status)) {
            return false;
        }
        self.note(match told {
            Told::Requeued(_) => "requeued",
            _ => "opted_out",
        });
        self.tell(campaign, told, lost);
        true
    }

    async fn remove_lead(&mut self, campaign: usize, lead: usize, lost: bool) -> bool {
        let Some((caller, phone)) = self.lead(campaign, lead) else {
            return false;
        };
        let campaign_id = self.history.campaigns[campaign].id;
        let keys = vec![LeadKey::Phone(phone.clone())];
        let removed = self
            .process
            .store
            .remove_leads(caller, campaign_id, keys)
            .await;
        if !removed.is_ok_and(|results| results.iter().all(Result::is_ok)) {
            return false;
        }
        self.note("removed");
        self.removed_while_copied(campaign, &phone);
        self.tell(campaign, Told::Removed(phone), lost);
        true
    }

    async fn add_again(&mut self, campaign: usize, lead: usize, lost: bool) -> bool {
        let made = &self.history.campaigns[campaign];
        let Some(planned) = made.leads.get(lead).cloned() else {
            return false;
        };
        let (campaign_id, caller) = (made.id, self.caller(made.tenant));
        let added = self
            .process
            .store
            .add_lead(
                caller,
                campaign_id,
                new_lead(&planned),
                OnDuplicate::Update,
                None,
            )
            .await;
        let Ok(Written::Fresh(added)) = added else {
            return false;
        };
        self.note(if added.created {
            "added_again"
        } else {
            "updated"
        });
        self.tell(campaign, Told::Added(planned.phone), lost);
        true
    }

    /// Queues the leads there are and `more` new ones; from now on they may be there.
    async fn queue_import(&mut self, campaign: usize, more: u32) -> bool {
        let made = &self.history.campaigns[campaign];
        let (campaign_id, caller) = (made.id, self.caller(made.tenant));
        let mut leads = made.leads.clone();
        leads.extend((0..more).filter_map(|new| {
            Some(plan::PlannedLead {
                phone: PhoneNumber::parse(&format!("+1415{:03}{:04}", 600 + campaign, new))?,
                not_before: None,
                zone: None,
            })
        }));
        let queued: Vec<NewLead> = leads.iter().map(new_lead).collect();
        let queued = self
            .process
            .store
            .queue_leads(caller, campaign_id, queued, OnDuplicate::Skip, None)
            .await;
        let Ok(Written::Fresh(import)) = queued else {
            return false;
        };
        self.note("import");
        self.imports.push((campaign, import.import_id));
        let now = self.clock.true_now();
        for lead in leads {
            let told = Told::Added(lead.phone.clone());
            // It is done some time from now, and nobody is told when.
            self.history.told_between(now, QUEUED, campaign, told);
            let known = &mut self.history.campaigns[campaign].leads;
            if known.iter().all(|other| other.phone != lead.phone) {
                known.push(lead);
            }
        }
        self.push(later(now, SignedDuration::from_millis(100)), Event::Import);
        true
    }

    /// Lets other terms of a line begin.
    fn new_terms(
        &mut self,
        line: usize,
        lost: bool,
        change: impl Fn(&mut crate::history::LineTerms),
    ) {
        let now = self.clock.true_now();
        let until = if lost { later(now, LEARNED) } else { now };
        let known = &mut self.history.lines[line].terms;
        if let Some((_, _, last)) = known.last().cloned() {
            let mut terms = last;
            change(&mut terms);
            known.push((now, until, terms));
        }
    }

    async fn limit(&mut self, line: usize, calls: u32, rate: u32, lost: bool) -> bool {
        let change = LineChange {
            max_concurrent_calls: Some(calls),
            max_calls_per_second: Some(rate),
            ..LineChange::default()
        };
        if !self.change_line(line, change).await {
            return false;
        }
        self.note("limits");
        self.new_terms(line, lost, |terms| {
            terms.max_concurrent_calls = calls;
            terms.max_calls_per_second = rate;
        });
        true
    }

    async fn change_line(&self, line: usize, change: LineChange) -> bool {
        let made = &self.lines[line];
        let caller = self.caller(made.tenant);
        self.process
            .store
            .update_line(caller, made.line_id, change, Precondition::None)
            .await
            .is_ok()
    }

    pub(super) async fn change_key(&mut self, line: usize, right: bool) -> bool {
        let account = &self.history.lines[line].account;
        let wrong = format!("bad{account}");
        let key = if right { account } else { &wrong };
        let change = LineChange {
            sealed_credentials: Some(sealed_key(&self.lines[line].line_key, key)),
            ..LineChange::default()
        };
        let changed = self.change_line(line, change).await;
        if changed {
            self.note(if right { "key_mended" } else { "key_broken" });
            let now = self.clock.true_now();
            self.history.lines[line].keys.push((now, right));
        }
        changed
    }

    async fn switch_number(&mut self, line: usize, number: usize, on: bool, lost: bool) -> bool {
        let (pool_id, mut content) = self.pools[line].clone();
        content.numbers[number].enabled = on;
        let caller = self.caller(self.lines[line].tenant);
        let store = &self.process.store;
        let Ok(current) = store.get_pool(caller.tenant_id, pool_id).await else {
            return false;
        };
        let updated = store
            .update_pool(caller, pool_id, current.revision, content.clone())
            .await;
        if updated.is_err() {
            return false;
        }
        self.note(if on { "number_on" } else { "number_off" });
        let numbers = enabled(&content);
        self.pools[line].1 = content;
        self.new_terms(line, lost, |terms| terms.pool.clone_from(&numbers));
        true
    }

    async fn switch_token(&mut self, tenant: usize, on: bool) -> bool {
        let (token_id, _) = self.tokens[tenant];
        let caller = self.caller(tenant);
        let switched = self
            .process
            .store
            .set_token_enabled(caller, token_id, on, Precondition::None)
            .await;
        if switched.is_ok() {
            self.note("token");
            self.tokens[tenant].1 = on;
        }
        switched.is_ok()
    }
}

/// The action, aimed at what was just reserved.
fn aimed(action: Action, campaign: usize, lead: Option<usize>) -> Action {
    match action {
        Action::Order(_, command) => Action::Order(campaign, command),
        Action::Edit(_, dice) => Action::Edit(campaign, dice),
        Action::OptOut(_, other) => Action::OptOut(campaign, lead.unwrap_or(other)),
        Action::Remove(_, other) => Action::Remove(campaign, lead.unwrap_or(other)),
        Action::Requeue(_, other) => Action::Requeue(campaign, lead.unwrap_or(other)),
        Action::AddAgain(_, other) => Action::AddAgain(campaign, lead.unwrap_or(other)),
        Action::Import(_, more) => Action::Import(campaign, more),
        Action::CloseSoon(_, seconds) => Action::CloseSoon(campaign, seconds),
        Action::Copy(_, leads_too, dice) => Action::Copy(campaign, leads_too, dice),
        Action::Delete(_) => Action::Delete(campaign),
        other @ (Action::Limits(..)
        | Action::Credentials(..)
        | Action::PoolNumber(..)
        | Action::Token(..)) => other,
    }
}

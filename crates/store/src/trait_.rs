//! The operations.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    AttemptId, CampaignId, ImportId, LeadId, LineId, PhoneNumber, PoolId, TenantId, TokenId,
};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::dialing::{
    Applied, AttemptFact, Check, CheckRoom, DiskRoom, Gauges, LeadPayload, Tick, Ticked,
};
use crate::error::StoreResult;
use crate::hold::{Adoption, HeldLine, HoldReason, HoldStatus, Release, StrangeCall};
use crate::precondition::Precondition;
use crate::records::{
    CallRecord, CampaignRecord, EventRecord, ImportRecord, LeadRecord, LineRecord, Page,
    PageRequest, PoolRecord, RevisionRecord, TenantRecord, TokenRecord,
};
use crate::send_board::SendBoard;
use crate::writes::{
    CallFilter, Caller, CampaignFilter, CampaignOrder, CampaignUpdate, IdempotencyKey, Idempotent,
    LeadAdded, LeadChange, LeadFilter, LeadKey, LineChange, NewCampaign, NewLead, NewLine,
    NewToken, NumberHealth, OnDuplicate, OrderDone, PoolContent, StoredAnswer, TestCall, Written,
};

/// Everything Campanile does with its data. Each method is one transaction, or one consistent
/// read. Methods that take a [`Caller`] see and change only that tenant's objects.
#[async_trait]
pub trait Store: Send + Sync {
    // Tenants and tokens.

    /// The tenant with this name, made if it is missing.
    async fn ensure_tenant(&self, name: &str, now: Timestamp) -> StoreResult<TenantRecord>;
    /// All tenants, newest first.
    async fn list_tenants(&self, page: PageRequest) -> StoreResult<Page<TenantRecord>>;
    /// One tenant.
    async fn get_tenant(&self, tenant_id: TenantId) -> StoreResult<TenantRecord>;
    /// Replaces the numbers that test calls may go to, if the tenant fits the precondition.
    async fn set_test_call_numbers(
        &self,
        caller: Caller,
        numbers: Vec<PhoneNumber>,
        precondition: Precondition,
    ) -> StoreResult<TenantRecord>;
    /// Whether there is any token at all.
    async fn has_tokens(&self) -> StoreResult<bool>;
    /// The token whose secret has this SHA-256, enabled or not, expired or not.
    async fn find_token(&self, hash: &[u8; 32]) -> StoreResult<Option<TokenRecord>>;
    /// Makes a token.
    async fn create_token(
        &self,
        caller: Caller,
        token: NewToken,
        idempotency: Option<Idempotent<TokenRecord>>,
    ) -> StoreResult<Written<TokenRecord>>;
    /// One token.
    async fn get_token(&self, tenant_id: TenantId, token_id: TokenId) -> StoreResult<TokenRecord>;
    /// Tokens, newest first.
    async fn list_tokens(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<TokenRecord>>;
    /// Enables or disables a token that fits the precondition; holds from the answer on.
    async fn set_token_enabled(
        &self,
        caller: Caller,
        token_id: TokenId,
        enabled: bool,
        precondition: Precondition,
    ) -> StoreResult<TokenRecord>;
    /// Deletes a token that fits the precondition; holds from the answer on.
    async fn delete_token(
        &self,
        caller: Caller,
        token_id: TokenId,
        precondition: Precondition,
    ) -> StoreResult<()>;

    // Idempotency.

    /// The answer kept for the key, if any. Another fingerprint is
    /// [`crate::StoreError::IdempotencyMismatch`].
    async fn find_answer(
        &self,
        tenant_id: TenantId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> StoreResult<Option<StoredAnswer>>;
    /// Waits until every call of the tenant that is reserved now is sent or taken back, for a bounded
    /// time. For whoever repeats an answer that was given before: it must not promise earlier than
    /// the first one did that nothing more is sent.
    async fn settle_tenant(&self, tenant_id: TenantId);
    /// Keeps an answer for the key, in place of one that was kept for the same request: for
    /// effects outside of the store, whose answer is only known after them. Another fingerprint is
    /// [`crate::StoreError::IdempotencyMismatch`].
    async fn keep_answer(
        &self,
        caller: Caller,
        key: IdempotencyKey,
        answer: StoredAnswer,
    ) -> StoreResult<()>;

    // Lines.

    /// Makes a line.
    async fn create_line(
        &self,
        caller: Caller,
        line: NewLine,
        idempotency: Option<Idempotent<LineRecord>>,
    ) -> StoreResult<Written<LineRecord>>;
    /// One line of the tenant.
    async fn get_line(&self, tenant_id: TenantId, line_id: LineId) -> StoreResult<LineRecord>;
    /// One line, for the dialer.
    async fn line_for_dialing(&self, line_id: LineId) -> StoreResult<LineRecord>;
    /// The line with this callback key.
    async fn line_by_key(&self, line_key: &str) -> StoreResult<Option<LineRecord>>;
    /// Lines, newest first.
    async fn list_lines(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<LineRecord>>;
    /// Changes a line that fits the precondition. New credentials or a new address end its rest.
    async fn update_line(
        &self,
        caller: Caller,
        line_id: LineId,
        change: LineChange,
        precondition: Precondition,
    ) -> StoreResult<LineRecord>;
    /// Deletes a line that fits the precondition and that no campaign or pool uses.
    async fn delete_line(
        &self,
        caller: Caller,
        line_id: LineId,
        precondition: Precondition,
    ) -> StoreResult<()>;

    // Pools.

    /// Makes a pool.
    async fn create_pool(
        &self,
        caller: Caller,
        pool: PoolContent,
        idempotency: Option<Idempotent<PoolRecord>>,
    ) -> StoreResult<Written<PoolRecord>>;
    /// One pool.
    async fn get_pool(&self, tenant_id: TenantId, pool_id: PoolId) -> StoreResult<PoolRecord>;
    /// Pools, newest first.
    async fn list_pools(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<PoolRecord>>;
    /// Replaces a pool's content if it is at `base_revision`. A number that is disabled or removed
    /// places no call once this has answered.
    async fn update_pool(
        &self,
        caller: Caller,
        pool_id: PoolId,
        base_revision: i64,
        content: PoolContent,
    ) -> StoreResult<PoolRecord>;
    /// Deletes a pool that fits the precondition and that no campaign uses.
    async fn delete_pool(
        &self,
        caller: Caller,
        pool_id: PoolId,
        precondition: Precondition,
    ) -> StoreResult<()>;
    /// Health of each number of a pool over the 24 hours before `now`.
    async fn pool_health(
        &self,
        tenant_id: TenantId,
        pool_id: PoolId,
        now: Timestamp,
    ) -> StoreResult<Vec<NumberHealth>>;

    // Campaigns.

    /// Makes a campaign in DRAFT. If the leads of another one are asked for, the first few come at
    /// once and the others with [`Store::run_imports`].
    async fn create_campaign(
        &self,
        caller: Caller,
        campaign: NewCampaign,
        idempotency: Option<Idempotent<CampaignRecord>>,
    ) -> StoreResult<Written<CampaignRecord>>;
    /// One campaign.
    async fn get_campaign(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
    ) -> StoreResult<CampaignRecord>;
    /// Campaigns, newest first.
    async fn list_campaigns(
        &self,
        tenant_id: TenantId,
        filter: CampaignFilter,
        page: PageRequest,
    ) -> StoreResult<Page<CampaignRecord>>;
    /// Replaces a campaign's settings if it is at the base revision and the edit matrix of the
    /// contract allows it; settles. A changed `end_date` of a COMPLETED campaign reopens it.
    async fn update_campaign(
        &self,
        caller: Caller,
        update: CampaignUpdate,
    ) -> StoreResult<CampaignRecord>;
    /// Moves a campaign through its life; settles before it answers a command that narrows.
    async fn order_campaign(
        &self,
        caller: Caller,
        order: CampaignOrder,
        idempotency: Option<Idempotent<OrderDone>>,
    ) -> StoreResult<Written<OrderDone>>;
    /// Deletes a DRAFT or ARCHIVED campaign that fits the precondition, with its leads, which are
    /// gone for everybody; their rows go with [`Store::run_erasures`]. Its calls stay on record.
    async fn delete_campaign(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        precondition: Precondition,
    ) -> StoreResult<()>;
    /// Changes of a campaign, newest first.
    async fn list_revisions(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        page: PageRequest,
    ) -> StoreResult<Page<RevisionRecord>>;

    // Leads.

    /// Adds a lead, or changes the one with its number. Reopens a COMPLETED campaign. A lead whose
    /// number is on the do-not-call list is added as OPTED_OUT.
    async fn add_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        lead: NewLead,
        on_duplicate: OnDuplicate,
        idempotency: Option<Idempotent<LeadAdded>>,
    ) -> StoreResult<Written<LeadAdded>>;
    /// Queues leads to be added by [`Store::run_imports`].
    async fn queue_leads(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        leads: Vec<NewLead>,
        on_duplicate: OnDuplicate,
        idempotency: Option<Idempotent<ImportRecord>>,
    ) -> StoreResult<Written<ImportRecord>>;
    /// Adds up to `max_leads` queued leads; answers whether more are waiting.
    async fn run_imports(&self, now: Timestamp, max_leads: u32) -> StoreResult<bool>;
    /// Deletes up to `max_rows` rows of campaigns that are deleted; answers whether more can be
    /// deleted now. The leads of a campaign that is still being copied wait for that.
    async fn run_erasures(&self, max_rows: u32) -> StoreResult<bool>;
    /// One import.
    async fn get_import(
        &self,
        tenant_id: TenantId,
        import_id: ImportId,
    ) -> StoreResult<ImportRecord>;
    /// Changes a lead that fits the precondition. Settles what narrows.
    async fn update_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        key: LeadKey,
        change: LeadChange,
        precondition: Precondition,
    ) -> StoreResult<LeadRecord>;
    /// Removes a lead that fits the precondition. Settles.
    async fn remove_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        key: LeadKey,
        precondition: Precondition,
    ) -> StoreResult<()>;
    /// Changes leads one by one; each has its own answer. Settles what narrows.
    async fn update_leads(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        changes: Vec<(LeadKey, LeadChange)>,
    ) -> StoreResult<Vec<StoreResult<LeadRecord>>>;
    /// Removes leads one by one; each has its own answer. Settles.
    async fn remove_leads(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        keys: Vec<LeadKey>,
    ) -> StoreResult<Vec<StoreResult<()>>>;
    /// One lead. `now` decides which attempts are today's.
    async fn get_lead(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        key: LeadKey,
        now: Timestamp,
    ) -> StoreResult<LeadRecord>;
    /// Leads, newest first.
    async fn list_leads(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        filter: LeadFilter,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreResult<Page<LeadRecord>>;

    // Calls.

    /// One call with everything it left behind.
    async fn get_call(&self, tenant_id: TenantId, attempt_id: AttemptId)
    -> StoreResult<CallRecord>;
    /// Calls, newest first; `details` without transcript and structured data.
    async fn list_calls(
        &self,
        tenant_id: TenantId,
        filter: CallFilter,
        page: PageRequest,
    ) -> StoreResult<Page<CallRecord>>;

    /// Reserves one call without a lead, within the limits of line, campaign and numbers but at
    /// any hour. It counts in no cap; the next [`Store::tick`] hands it to the dialer. Whether the
    /// number may be called so is the caller's question.
    async fn reserve_test_call(
        &self,
        caller: Caller,
        call: TestCall,
        idempotency: Option<Idempotent<CallRecord>>,
    ) -> StoreResult<Written<CallRecord>>;

    /// The tenant's feed after the event numbered `after`, oldest first, at most `limit` (1 to
    /// 1,000) events.
    async fn list_events(
        &self,
        tenant_id: TenantId,
        after: i64,
        limit: u32,
    ) -> StoreResult<Vec<EventRecord>>;

    // Dialing.

    /// Plans and reserves, in one transaction that is durable before it answers; hands over the
    /// test calls that were reserved since the last tick.
    async fn tick(&self, tick: Tick) -> StoreResult<Ticked>;
    /// What the assistants shall know of these leads; a lead removed meanwhile has `None`.
    async fn lead_payloads(&self, lead_ids: Vec<LeadId>) -> StoreResult<Vec<Option<LeadPayload>>>;
    /// Applies facts in order; each is matched, reduced and told in one transaction.
    async fn apply_facts(
        &self,
        now: Timestamp,
        facts: Vec<AttemptFact>,
    ) -> StoreResult<Vec<Applied>>;
    /// Attempts whose look-up is due, the most overdue first, as far as there is room; each is
    /// leased for a while so that a crash loses none. None answered means that none is due whose
    /// line has room.
    async fn claim_checks(&self, now: Timestamp, room: CheckRoom) -> StoreResult<Vec<Check>>;
    /// Earliest due look-up.
    async fn next_check_at(&self) -> StoreResult<Option<Timestamp>>;
    /// To be called once by a fresh process before its first tick: whatever an old one may have
    /// sent becomes UNKNOWN; a database that went back, or a clock that did, is put on hold.
    /// Answers how many became UNKNOWN.
    async fn recover(&self, now: Timestamp) -> StoreResult<u64>;
    /// Tells the dialers of other processes on the database of changes made by this one, and rings
    /// [`Store::wake_signal`] for changes made by them, as long as it is polled; and sees to it that
    /// the database knows how large its tables are. All of it only shortens waits: without hints,
    /// dialers notice at their next scan. Ends only where there is nothing to do; a failure ends
    /// nothing.
    async fn stay_in_touch(&self);
    /// Rung when something may have become due earlier than the last tick said.
    fn wake_signal(&self) -> Arc<Notify>;
    /// Calls between reservation and decision.
    fn send_board(&self) -> Arc<SendBoard>;

    // Hold.

    /// What keeps the installation from dialing, and how far its lines have been asked.
    async fn hold_status(&self) -> StoreResult<HoldStatus>;
    /// Puts the installation on hold; settles. One that is on hold for this reason stays as it is.
    async fn hold(&self, now: Timestamp, reason: HoldReason, detail: String) -> StoreResult<()>;
    /// Ends the hold for one reason because the reason is gone; answers whether there was one. With a
    /// hold for the clock, as with its release, everything that was put off (look-ups, rests,
    /// wake-ups) is due again: the clock by which it was put off may have been ahead.
    async fn lift_hold(&self, now: Timestamp, reason: HoldReason) -> StoreResult<bool>;
    /// Ends all holds on the operator's word, and moves the marker past everything seen. Refused
    /// while lines have not all been asked, unless `force`.
    async fn release_hold(&self, now: Timestamp, force: bool) -> StoreResult<Release>;
    /// Notes how far a line got; its counts of adopted and unmatched calls are the store's own.
    async fn note_held_line(&self, now: Timestamp, line: HeldLine) -> StoreResult<()>;
    /// Takes calls at providers that carry keys of this installation: those the database does not
    /// know are put on record as attempts that count, and put the installation on hold, as they
    /// prove that it has forgotten something. An answer for each, in order.
    async fn adopt_calls(
        &self,
        now: Timestamp,
        calls: Vec<StrangeCall>,
    ) -> StoreResult<Vec<Adoption>>;
    /// Those of the keys that no attempt and no strange call on record carries.
    async fn unknown_attempt_keys(&self, keys: Vec<String>) -> StoreResult<Vec<String>>;

    // The server itself.

    /// What the clock of the database's own server says, to be held against this machine's; `None`:
    /// the database has no other clock. Nothing else may be decided by it.
    async fn database_clock(&self) -> StoreResult<Option<Timestamp>>;
    /// Processes that share a database must share the key that seals its secrets. `mark` tells one key
    /// from another; answers the mark of the key that is in use, which is this one if no other process
    /// lives, or if it `is_proven` to open what is stored.
    async fn agree_on_key(&self, mark: String, is_proven: bool) -> StoreResult<String>;
    /// Answers when the database takes reads and writes.
    async fn ping(&self, now: Timestamp) -> StoreResult<()>;
    /// How the disk stands. While it holds, [`Store::tick`], [`Store::reserve_test_call`] and
    /// [`Store::queue_leads`] answer [`crate::StoreError::Held`], imports wait, and RUNNING
    /// campaigns are ON_HOLD; it ends by itself.
    fn disk_room(&self) -> DiskRoom;
    /// Figures for metrics.
    async fn gauges(&self) -> StoreResult<Gauges>;
    /// Deletes what is kept for a time only (idempotency keys), in bounded steps.
    async fn sweep(&self, now: Timestamp) -> StoreResult<u64>;
}

//! The operations: each a call into `ops` or `dial` on the writer or a reader.

use std::sync::Arc;

use async_trait::async_trait;
use domain::campaign::{CampaignCommand, CampaignStatus, StatusReason};
use domain::{
    AttemptId, CampaignId, ImportId, LeadId, LineId, PhoneNumber, PoolId, TenantId, TokenId,
};
use failpoint::Failpoint;
use jiff::Timestamp;
use store::{
    Adoption, Applied, AttemptFact, CallFilter, CallRecord, Caller, CampaignFilter, CampaignOrder,
    CampaignRecord, CampaignUpdate, Check, CheckRoom, DiskRoom, EventRecord, Gauges, HeldLine,
    HoldReason, HoldStatus, IdempotencyKey, Idempotent, ImportRecord, LeadAdded, LeadChange,
    LeadFilter, LeadKey, LeadPayload, LeadRecord, LineChange, LineRecord, NewCampaign, NewLead,
    NewLine, NewToken, NumberHealth, OnDuplicate, OrderDone, Page, PageRequest, PoolContent,
    PoolRecord, Precondition, Release, RevisionRecord, Scope, SendBoard, Store, StoreError,
    StoreResult, StoredAnswer, StrangeCall, TenantRecord, TestCall, Tick, Ticked, TokenRecord,
    Written,
};
use tokio::sync::Notify;

use crate::open::SqliteStore;
use crate::{dial, events, ops, room};

impl SqliteStore {
    /// After a full disk: proves by a large write that there is room, if the disk says so. Nothing
    /// is begun before.
    async fn regain_room(&self) -> StoreResult<()> {
        if !self.room.is_full() {
            return Ok(());
        }
        let Some(bytes) = self.room.probe_bytes() else {
            return Ok(());
        };
        self.writer
            .write(move |work| room::probe(work, bytes))
            .await?;
        self.writer.write(|work| room::end_probe(work)).await?;
        self.room.has_room_again();
        self.wake.notify_one();
        Ok(())
    }

    /// What a RUNNING campaign shows while nothing new is begun: what the planner last wrote of it
    /// is no longer so.
    fn as_held(&self, mut campaign: CampaignRecord) -> CampaignRecord {
        if campaign.status == CampaignStatus::Running && self.room.look().held.is_some() {
            campaign.status_reason = Some(StatusReason::OnHold);
        }
        campaign
    }

    /// Waits for the requests of all scopes together, not for each in turn.
    async fn settle(&self, scopes: &[Scope]) {
        let all = async {
            for scope in scopes {
                self.board.settle(scope, self.settle_patience).await;
            }
        };
        // What hangs longer than this has long left, and is listed as live.
        let _ = tokio::time::timeout(self.settle_patience, all).await;
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ensure_tenant(&self, name: &str, now: Timestamp) -> StoreResult<TenantRecord> {
        let name = name.to_owned();
        self.writer
            .write(move |work| ops::tenants::ensure(work, &name, now))
            .await
    }

    async fn list_tenants(&self, page: PageRequest) -> StoreResult<Page<TenantRecord>> {
        self.readers
            .read(move |db| ops::tenants::list(db, page))
            .await
    }

    async fn get_tenant(&self, tenant_id: TenantId) -> StoreResult<TenantRecord> {
        self.readers
            .rows(move |db| ops::tenants::get(db, tenant_id))
            .await
    }

    async fn set_test_call_numbers(
        &self,
        caller: Caller,
        numbers: Vec<PhoneNumber>,
        precondition: Precondition,
    ) -> StoreResult<TenantRecord> {
        self.writer
            .write(move |work| {
                ops::tenants::set_test_call_numbers(work, caller.tenant_id, &numbers, &precondition)
            })
            .await
    }

    async fn has_tokens(&self) -> StoreResult<bool> {
        self.readers.rows(ops::tokens::any).await
    }

    async fn find_token(&self, hash: &[u8; 32]) -> StoreResult<Option<TokenRecord>> {
        let hash = *hash;
        self.readers
            .row(move |db| ops::tokens::find(db, &hash))
            .await
    }

    async fn create_token(
        &self,
        caller: Caller,
        token: NewToken,
        idempotency: Option<Idempotent<TokenRecord>>,
    ) -> StoreResult<Written<TokenRecord>> {
        self.writer
            .write(move |work| {
                ops::idempotency::once(work, caller, idempotency, |work| {
                    ops::tokens::create(work, caller, &token)
                })
            })
            .await
    }

    async fn get_token(&self, tenant_id: TenantId, token_id: TokenId) -> StoreResult<TokenRecord> {
        self.readers
            .rows(move |db| ops::tokens::get(db, tenant_id, token_id))
            .await
    }

    async fn list_tokens(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<TokenRecord>> {
        self.readers
            .read(move |db| ops::tokens::list(db, tenant_id, page))
            .await
    }

    async fn set_token_enabled(
        &self,
        caller: Caller,
        token_id: TokenId,
        enabled: bool,
        precondition: Precondition,
    ) -> StoreResult<TokenRecord> {
        self.writer
            .write(move |work| {
                ops::tokens::set_enabled(work, caller, token_id, enabled, &precondition)
            })
            .await
    }

    async fn delete_token(
        &self,
        caller: Caller,
        token_id: TokenId,
        precondition: Precondition,
    ) -> StoreResult<()> {
        self.writer
            .write(move |work| ops::tokens::delete(work, caller, token_id, &precondition))
            .await
    }

    async fn find_answer(
        &self,
        tenant_id: TenantId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> StoreResult<Option<StoredAnswer>> {
        let key = key.clone();
        self.readers
            .rows(move |db| ops::idempotency::find(db, tenant_id, &key, now))
            .await
    }

    async fn settle_tenant(&self, tenant_id: TenantId) {
        let patience = self.settle_patience;
        // What hangs longer than this has long left, and is listed as live.
        self.board.settle_present(tenant_id, patience).await;
    }

    async fn keep_answer(
        &self,
        caller: Caller,
        key: IdempotencyKey,
        answer: StoredAnswer,
    ) -> StoreResult<()> {
        self.writer
            .write(move |work| ops::idempotency::replace(work, caller, &key, &answer))
            .await
    }

    async fn create_line(
        &self,
        caller: Caller,
        line: NewLine,
        idempotency: Option<Idempotent<LineRecord>>,
    ) -> StoreResult<Written<LineRecord>> {
        self.writer
            .write(move |work| {
                ops::idempotency::once(work, caller, idempotency, |work| {
                    ops::lines::create(work, caller, &line)
                })
            })
            .await
    }

    async fn get_line(&self, tenant_id: TenantId, line_id: LineId) -> StoreResult<LineRecord> {
        self.readers
            .row(move |db| ops::lines::get(db, tenant_id, line_id))
            .await
    }

    async fn line_for_dialing(&self, line_id: LineId) -> StoreResult<LineRecord> {
        self.readers
            .row(move |db| ops::lines::for_dialing(db, line_id))
            .await
    }

    async fn line_by_key(&self, line_key: &str) -> StoreResult<Option<LineRecord>> {
        let line_key = line_key.to_owned();
        self.readers
            .row(move |db| ops::lines::by_key(db, &line_key))
            .await
    }

    async fn list_lines(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<LineRecord>> {
        self.readers
            .read(move |db| ops::lines::list(db, tenant_id, page))
            .await
    }

    async fn update_line(
        &self,
        caller: Caller,
        line_id: LineId,
        change: LineChange,
        precondition: Precondition,
    ) -> StoreResult<LineRecord> {
        let line = self
            .writer
            .write(move |work| ops::lines::update(work, caller, line_id, &change, &precondition))
            .await?;
        self.settle(&[Scope::Line(line_id)]).await;
        Ok(line)
    }

    async fn delete_line(
        &self,
        caller: Caller,
        line_id: LineId,
        precondition: Precondition,
    ) -> StoreResult<()> {
        self.writer
            .write(move |work| ops::lines::delete(work, caller, line_id, &precondition))
            .await
    }

    async fn create_pool(
        &self,
        caller: Caller,
        pool: PoolContent,
        idempotency: Option<Idempotent<PoolRecord>>,
    ) -> StoreResult<Written<PoolRecord>> {
        self.writer
            .write(move |work| {
                ops::idempotency::once(work, caller, idempotency, |work| {
                    ops::pools::create(work, caller, &pool)
                })
            })
            .await
    }

    async fn get_pool(&self, tenant_id: TenantId, pool_id: PoolId) -> StoreResult<PoolRecord> {
        self.readers
            .rows(move |db| ops::pools::get(db, tenant_id, pool_id))
            .await
    }

    async fn list_pools(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<PoolRecord>> {
        self.readers
            .read(move |db| ops::pools::list(db, tenant_id, page))
            .await
    }

    async fn update_pool(
        &self,
        caller: Caller,
        pool_id: PoolId,
        base_revision: i64,
        content: PoolContent,
    ) -> StoreResult<PoolRecord> {
        let (pool, scopes) = self
            .writer
            .write(move |work| ops::pools::update(work, caller, pool_id, base_revision, &content))
            .await?;
        self.settle(&scopes).await;
        Ok(pool)
    }

    async fn delete_pool(
        &self,
        caller: Caller,
        pool_id: PoolId,
        precondition: Precondition,
    ) -> StoreResult<()> {
        self.writer
            .write(move |work| ops::pools::delete(work, caller, pool_id, &precondition))
            .await
    }

    async fn pool_health(
        &self,
        tenant_id: TenantId,
        pool_id: PoolId,
        now: Timestamp,
    ) -> StoreResult<Vec<NumberHealth>> {
        self.readers
            .read(move |db| ops::pools::health(db, tenant_id, pool_id, now))
            .await
    }

    async fn create_campaign(
        &self,
        caller: Caller,
        campaign: NewCampaign,
        idempotency: Option<Idempotent<CampaignRecord>>,
    ) -> StoreResult<Written<CampaignRecord>> {
        let copied_at_once = self.copied_at_once;
        self.writer
            .write(move |work| {
                ops::idempotency::once(work, caller, idempotency, |work| {
                    ops::campaigns::create(work, caller, &campaign, copied_at_once)
                })
            })
            .await
    }

    async fn get_campaign(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
    ) -> StoreResult<CampaignRecord> {
        let settings = self.settings.clone();
        self.readers
            .rows(move |db| ops::campaigns::get(db, &settings, tenant_id, campaign_id))
            .await
            .map(|campaign| self.as_held(campaign))
    }

    async fn list_campaigns(
        &self,
        tenant_id: TenantId,
        filter: CampaignFilter,
        page: PageRequest,
    ) -> StoreResult<Page<CampaignRecord>> {
        let settings = self.settings.clone();
        let mut page = self
            .readers
            .read(move |db| ops::campaigns::list(db, &settings, tenant_id, &filter, page))
            .await?;
        page.items = page
            .items
            .into_iter()
            .map(|campaign| self.as_held(campaign))
            .collect();
        Ok(page)
    }

    async fn update_campaign(
        &self,
        caller: Caller,
        update: CampaignUpdate,
    ) -> StoreResult<CampaignRecord> {
        let (campaign, scopes) = self
            .writer
            .write(move |work| ops::campaign_edit::update(work, caller, &update))
            .await?;
        self.settle(&scopes).await;
        Ok(self.as_held(campaign))
    }

    async fn order_campaign(
        &self,
        caller: Caller,
        order: CampaignOrder,
        idempotency: Option<Idempotent<OrderDone>>,
    ) -> StoreResult<Written<OrderDone>> {
        let CampaignOrder {
            campaign_id,
            command,
            ..
        } = order;
        // The calls that are up are listed after the settling, so that the list is whole.
        let written = self
            .writer
            .write(move |work| {
                ops::idempotency::once(work, caller, idempotency, |work| {
                    ops::campaign_edit::order(work, caller, &order)
                })
            })
            .await?;
        // Also when the order is repeated: its answer promises as much as the first one's.
        if !matches!(command, CampaignCommand::Start | CampaignCommand::Resume) {
            self.settle(&[Scope::Campaign(campaign_id)]).await;
        }
        failpoint::reach(Failpoint::OrderSettled);
        let Written::Fresh(mut done) = written else {
            return Ok(written);
        };
        done.campaign = self.as_held(done.campaign);
        done.live_calls = self
            .readers
            .read(move |db| ops::calls::live_of_campaign(db, campaign_id))
            .await?;
        Ok(Written::Fresh(done))
    }

    async fn delete_campaign(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        precondition: Precondition,
    ) -> StoreResult<()> {
        self.writer
            .write(move |work| ops::campaigns::delete(work, caller, campaign_id, &precondition))
            .await
    }

    async fn list_revisions(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        page: PageRequest,
    ) -> StoreResult<Page<RevisionRecord>> {
        self.readers
            .read(move |db| ops::campaigns::revisions(db, tenant_id, campaign_id, page))
            .await
    }

    async fn add_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        lead: NewLead,
        on_duplicate: OnDuplicate,
        idempotency: Option<Idempotent<LeadAdded>>,
    ) -> StoreResult<Written<LeadAdded>> {
        let added = self
            .writer
            .write(move |work| {
                ops::idempotency::once(work, caller, idempotency, |work| {
                    ops::leads::add(work, caller, campaign_id, &lead, on_duplicate)
                })
            })
            .await?;
        if let Written::Fresh(LeadAdded {
            lead,
            created: false,
        }) = &added
        {
            self.settle(&[Scope::Lead(lead.lead_id)]).await;
        }
        Ok(added)
    }

    async fn queue_leads(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        leads: Vec<NewLead>,
        on_duplicate: OnDuplicate,
        idempotency: Option<Idempotent<ImportRecord>>,
    ) -> StoreResult<Written<ImportRecord>> {
        self.writer
            .write(move |work| {
                ops::idempotency::once(work, caller, idempotency, |work| {
                    work.check_room()?;
                    ops::imports::queue(work, caller, campaign_id, &leads, on_duplicate)
                })
            })
            .await
    }

    async fn run_imports(&self, now: Timestamp, max_leads: u32) -> StoreResult<bool> {
        let waiting = self.readers.rows(ops::imports::any_unfinished).await?;
        if !waiting || self.room.check().is_err() {
            return Ok(false);
        }
        self.writer
            .write(move |work| ops::imports::run(work, now, max_leads))
            .await
    }

    async fn run_erasures(&self, max_rows: u32) -> StoreResult<bool> {
        if !self.readers.rows(ops::erasures::any).await? {
            return Ok(false);
        }
        self.writer
            .write(move |work| ops::erasures::run(work, max_rows))
            .await
    }

    async fn get_import(
        &self,
        tenant_id: TenantId,
        import_id: ImportId,
    ) -> StoreResult<ImportRecord> {
        self.readers
            .rows(move |db| ops::imports::get(db, tenant_id, import_id))
            .await
    }

    async fn update_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        key: LeadKey,
        change: LeadChange,
        precondition: Precondition,
    ) -> StoreResult<LeadRecord> {
        let (lead, scopes) = self
            .writer
            .write(move |work| {
                ops::lead_edit::update_single(
                    work,
                    caller,
                    campaign_id,
                    &key,
                    &change,
                    &precondition,
                )
            })
            .await?;
        self.settle(&scopes).await;
        Ok(lead)
    }

    async fn remove_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        key: LeadKey,
        precondition: Precondition,
    ) -> StoreResult<()> {
        let ((), scopes) = self
            .writer
            .write(move |work| {
                ops::lead_edit::remove_single(work, caller, campaign_id, &key, &precondition)
            })
            .await?;
        self.settle(&scopes).await;
        Ok(())
    }

    async fn update_leads(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        changes: Vec<(LeadKey, LeadChange)>,
    ) -> StoreResult<Vec<StoreResult<LeadRecord>>> {
        let (results, scopes) = self
            .writer
            .write(move |work| ops::lead_edit::update(work, caller, campaign_id, &changes))
            .await?;
        self.settle(&scopes).await;
        Ok(results)
    }

    async fn remove_leads(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        keys: Vec<LeadKey>,
    ) -> StoreResult<Vec<StoreResult<()>>> {
        let (results, scopes) = self
            .writer
            .write(move |work| ops::lead_edit::remove(work, caller, campaign_id, &keys))
            .await?;
        self.settle(&scopes).await;
        failpoint::reach(Failpoint::RemovalSettled);
        Ok(results)
    }

    async fn get_lead(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        key: LeadKey,
        now: Timestamp,
    ) -> StoreResult<LeadRecord> {
        self.readers
            .rows(move |db| ops::leads::get(db, tenant_id, campaign_id, &key, now))
            .await
    }

    async fn list_leads(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        filter: LeadFilter,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreResult<Page<LeadRecord>> {
        self.readers
            .read(move |db| ops::leads::list(db, tenant_id, campaign_id, &filter, page, now))
            .await
    }

    async fn get_call(
        &self,
        tenant_id: TenantId,
        attempt_id: AttemptId,
    ) -> StoreResult<CallRecord> {
        self.readers
            .rows(move |db| ops::calls::get(db, tenant_id, attempt_id))
            .await
    }

    async fn list_calls(
        &self,
        tenant_id: TenantId,
        filter: CallFilter,
        page: PageRequest,
    ) -> StoreResult<Page<CallRecord>> {
        self.readers
            .read(move |db| ops::calls::list(db, tenant_id, &filter, page))
            .await
    }

    async fn list_events(
        &self,
        tenant_id: TenantId,
        after: i64,
        limit: u32,
    ) -> StoreResult<Vec<EventRecord>> {
        self.readers
            .read(move |db| events::list(db, tenant_id, after, limit))
            .await
    }

    async fn reserve_test_call(
        &self,
        caller: Caller,
        call: TestCall,
        idempotency: Option<Idempotent<CallRecord>>,
    ) -> StoreResult<Written<CallRecord>> {
        self.writer
            .write(move |work| {
                ops::idempotency::once(work, caller, idempotency, |work| {
                    work.check_room()?;
                    dial::test_call::reserve(work, caller, call)
                })
            })
            .await
    }

    async fn tick(&self, tick: Tick) -> StoreResult<Ticked> {
        self.regain_room().await?;
        let marker = Arc::clone(&self.marker);
        self.writer
            .write(move |work| {
                work.check_room()?;
                dial::tick::run(work, &marker, tick)
            })
            .await
    }

    async fn lead_payloads(&self, lead_ids: Vec<LeadId>) -> StoreResult<Vec<Option<LeadPayload>>> {
        self.readers
            .read(move |db| ops::leads::payloads(db, &lead_ids))
            .await
    }

    async fn apply_facts(
        &self,
        now: Timestamp,
        facts: Vec<AttemptFact>,
    ) -> StoreResult<Vec<Applied>> {
        let patience_of = self.patience_of;
        self.writer
            .write(move |work| dial::facts::apply_all(work, now, &facts, patience_of))
            .await
    }

    async fn claim_checks(&self, now: Timestamp, room: CheckRoom) -> StoreResult<Vec<Check>> {
        let full = dial::checks::full_lines(&room);
        let due = self
            .readers
            .rows(move |db| dial::checks::any_due(db, now, &full))
            .await?;
        if !due {
            return Ok(Vec::new());
        }
        self.writer
            .write(move |work| dial::checks::claim(work, now, room))
            .await
    }

    async fn next_check_at(&self) -> StoreResult<Option<Timestamp>> {
        self.readers.rows(dial::checks::next).await
    }

    async fn recover(&self, now: Timestamp) -> StoreResult<u64> {
        let patience_of = self.patience_of;
        let marker = Arc::clone(&self.marker);
        self.writer
            .write(move |work| dial::recover::run(work, &marker, now, patience_of))
            .await
    }

    /// The file has one process.
    async fn stay_in_touch(&self) {}

    fn wake_signal(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    fn send_board(&self) -> Arc<SendBoard> {
        Arc::clone(&self.board)
    }

    async fn hold_status(&self) -> StoreResult<HoldStatus> {
        self.readers.rows(ops::hold::status).await
    }

    async fn hold(&self, now: Timestamp, reason: HoldReason, detail: String) -> StoreResult<()> {
        self.writer
            .write(move |work| ops::hold::put(work, now, reason, &detail, None))
            .await?;
        self.settle(&[Scope::Everything]).await;
        Ok(())
    }

    async fn lift_hold(&self, now: Timestamp, reason: HoldReason) -> StoreResult<bool> {
        self.writer
            .write(move |work| ops::hold::lift(work, now, reason))
            .await
    }

    async fn release_hold(&self, now: Timestamp, force: bool) -> StoreResult<Release> {
        let marker = Arc::clone(&self.marker);
        let released = self
            .writer
            .write(move |work| ops::hold::release(work, &marker, now, force))
            .await?;
        match self.marker.fault() {
            Some(fault) => Err(StoreError::Unavailable(fault)),
            None => Ok(released),
        }
    }

    async fn note_held_line(&self, now: Timestamp, line: HeldLine) -> StoreResult<()> {
        self.writer
            .write(move |work| ops::hold::note_line(work, now, &line))
            .await
    }

    async fn adopt_calls(
        &self,
        now: Timestamp,
        calls: Vec<StrangeCall>,
    ) -> StoreResult<Vec<Adoption>> {
        let patience_of = self.patience_of;
        self.writer
            .write(move |work| dial::adopt::adopt_all(work, now, &calls, patience_of))
            .await
    }

    async fn unknown_attempt_keys(&self, keys: Vec<String>) -> StoreResult<Vec<String>> {
        self.readers
            .read(move |db| ops::hold::unknown_keys(db, &keys))
            .await
    }

    /// A file has one process at a time.
    async fn agree_on_key(&self, mark: String, _is_proven: bool) -> StoreResult<String> {
        Ok(mark)
    }

    async fn ping(&self, now: Timestamp) -> StoreResult<()> {
        self.regain_room().await?;
        if self.room.is_full() {
            // This small write might still fit; a user's would not.
            return Err(StoreError::Full("free space on it".to_owned()));
        }
        self.writer
            .write(move |work| ops::meta::ping(work, now))
            .await
    }

    fn disk_room(&self) -> DiskRoom {
        self.room.look()
    }

    /// The file is on this machine, whose clock is the only one.
    async fn database_clock(&self) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }

    async fn gauges(&self) -> StoreResult<Gauges> {
        self.readers.read(ops::meta::gauges).await
    }

    async fn sweep(&self, now: Timestamp) -> StoreResult<u64> {
        self.writer
            .write(move |work| ops::meta::sweep(work, now))
            .await
    }
}

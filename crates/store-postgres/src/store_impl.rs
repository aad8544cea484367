//! The operations: each a call into `ops` or `dial` on a write transaction or a reader's snapshot.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use domain::campaign::CampaignCommand;
use domain::{
    AttemptId, CampaignId, ImportId, LeadId, LineId, PhoneNumber, PoolId, TenantId, TokenId,
};
use failpoint::Failpoint;
use futures_util::future::join;
use jiff::Timestamp;
use store::{
    Adoption, Applied, AttemptFact, CallFilter, CallRecord, Caller, CampaignFilter, CampaignOrder,
    CampaignRecord, CampaignUpdate, Check, CheckRoom, DiskRoom, EventRecord, Gauges, HeldLine,
    HoldReason, HoldStatus, IdempotencyKey, Idempotent, ImportRecord, LeadAdded, LeadChange,
    LeadFilter, LeadKey, LeadPayload, LeadRecord, LineChange, LineRecord, NewCampaign, NewLead,
    NewLine, NewToken, NumberHealth, OnDuplicate, OrderDone, Page, PageRequest, PatienceOf,
    PoolContent, PoolRecord, Precondition, Release, RevisionRecord, Scope, SendBoard, Store,
    StoreResult, StoredAnswer, StrangeCall, TenantRecord, TestCall, Tick, Ticked, TokenRecord,
    Written,
};
use tokio::sync::Notify;

use crate::address::Address;
use crate::marker::Marker;
use crate::node::Node;
use crate::shared::Shared;
use crate::tx::As;
use crate::work::Work;
use crate::{dial, events, ops};

/// The store on PostgreSQL.
pub struct PostgresStore {
    pub(crate) pool: Pool,
    /// Whether the schema is known to be this program's.
    pub(crate) prepared: AtomicBool,
    pub(crate) address: Address,
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Node,
    pub(crate) patience_of: PatienceOf,
    pub(crate) marker: Marker,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresStore")
    }
}

/// Runs a read on a snapshot of its own.
macro_rules! read {
    ($store:expr, $scope:expr, |$db:ident| $body:expr) => {{
        let client = $store.client().await?;
        let snapshot = $crate::tx::Tx::begin(&client, $crate::tx::Kind::Snapshot, $scope).await?;
        let $db = &snapshot;
        let read: store::StoreResult<_> = $body.await;
        read
    }};
}
pub(crate) use read;

/// Runs a write of a tenant; its answer means that it is durable.
macro_rules! write {
    ($store:expr, $tenant:expr, |$work:ident| $body:expr) => {{
        $store.check_prepared()?;
        // Until the transaction has ended.
        let _turn = $store.shared.turns.of($tenant).await?;
        let claim = $store.node.claim(&$store.pool, &$store.shared).await?;
        let client = $store.client().await?;
        let mut work = Work::begin(&client, &$store.shared, claim, $tenant).await?;
        let result = {
            let $work = &mut work;
            async { $body.await }.await
        };
        work.finish(result).await
    }};
}
pub(crate) use write;

/// Runs a write of the server itself.
macro_rules! server {
    ($store:expr, |$db:ident| $body:expr) => {{
        let client = $store.client().await?;
        let tx =
            $crate::tx::Tx::begin_now(&client, $crate::tx::Kind::Write, $crate::tx::As::Server)
                .await?;
        let done = {
            let $db = &tx;
            $body.await?
        };
        $crate::commit::commit(tx).await?;
        store::StoreResult::Ok(done)
    }};
}
pub(crate) use server;

/// Runs a write once for its idempotency key.
macro_rules! once {
    ($store:expr, $caller:expr, $idempotency:expr, |$work:ident| $body:expr) => {{
        let (key, render) = match $idempotency {
            Some(Idempotent { key, render }) => (Some(key), Some(render)),
            None => (None, None),
        };
        write!($store, $caller.tenant_id, |$work| async {
            if let Some(answer) = ops::idempotency::replayed($work, $caller, key.as_ref()).await? {
                return Ok(Written::Replayed(answer));
            }
            let effect = $body.await?;
            if let (Some(key), Some(render)) = (&key, render) {
                let answer = render(&effect);
                ops::idempotency::keep($work, $caller, key, &answer).await?;
            }
            Ok(Written::Fresh(effect))
        })
    }};
}

#[async_trait]
impl Store for PostgresStore {
    async fn ensure_tenant(&self, name: &str, now: Timestamp) -> StoreResult<TenantRecord> {
        let found = read!(self, As::Server, |db| ops::tenants::by_name(db, name))?;
        if let Some(tenant) = found {
            return Ok(tenant);
        }
        let node = self.node.number(&self.pool, &self.shared).await?;
        let tenant_id = TenantId::from_raw(self.shared.ids.next(node, now));
        server!(self, |db| async {
            ops::tenants::make(db, tenant_id, name, now).await?;
            let made = ops::tenants::by_name(db, name).await?;
            made.ok_or(store::StoreError::NotFound("tenant"))
        })
    }

    async fn list_tenants(&self, page: PageRequest) -> StoreResult<Page<TenantRecord>> {
        read!(self, As::Server, |db| ops::tenants::list(db, page))
    }

    async fn get_tenant(&self, tenant_id: TenantId) -> StoreResult<TenantRecord> {
        read!(self, As::Tenant(tenant_id), |db| ops::tenants::get(
            db, tenant_id
        ))
    }

    async fn set_test_call_numbers(
        &self,
        caller: Caller,
        numbers: Vec<PhoneNumber>,
        precondition: Precondition,
    ) -> StoreResult<TenantRecord> {
        write!(self, caller.tenant_id, |work| {
            ops::tenants::set_test_call_numbers(work, &numbers, &precondition)
        })
    }

    async fn has_tokens(&self) -> StoreResult<bool> {
        read!(self, As::Server, |db| ops::tokens::any(db))
    }

    async fn find_token(&self, hash: &[u8; 32]) -> StoreResult<Option<TokenRecord>> {
        read!(self, As::Server, |db| ops::tokens::find(db, hash))
    }

    async fn create_token(
        &self,
        caller: Caller,
        token: NewToken,
        idempotency: Option<Idempotent<TokenRecord>>,
    ) -> StoreResult<Written<TokenRecord>> {
        once!(self, caller, idempotency, |work| ops::tokens::create(
            work, caller, &token
        ))
    }

    async fn get_token(&self, tenant_id: TenantId, token_id: TokenId) -> StoreResult<TokenRecord> {
        read!(self, As::Tenant(tenant_id), |db| ops::tokens::get(
            db, tenant_id, token_id
        ))
    }

    async fn list_tokens(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<TokenRecord>> {
        read!(self, As::Tenant(tenant_id), |db| ops::tokens::list(
            db, tenant_id, page
        ))
    }

    async fn set_token_enabled(
        &self,
        caller: Caller,
        token_id: TokenId,
        enabled: bool,
        precondition: Precondition,
    ) -> StoreResult<TokenRecord> {
        write!(self, caller.tenant_id, |work| ops::tokens::set_enabled(
            work,
            token_id,
            enabled,
            &precondition
        ))
    }

    async fn delete_token(
        &self,
        caller: Caller,
        token_id: TokenId,
        precondition: Precondition,
    ) -> StoreResult<()> {
        write!(self, caller.tenant_id, |work| ops::tokens::delete(
            work,
            token_id,
            &precondition
        ))
    }

    async fn find_answer(
        &self,
        tenant_id: TenantId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> StoreResult<Option<StoredAnswer>> {
        read!(self, As::Tenant(tenant_id), |db| ops::idempotency::find(
            db, tenant_id, key, now
        ))
    }

    async fn settle_tenant(&self, tenant_id: TenantId) {
        self.settle_present(tenant_id).await;
    }

    async fn keep_answer(
        &self,
        caller: Caller,
        key: IdempotencyKey,
        answer: StoredAnswer,
    ) -> StoreResult<()> {
        write!(self, caller.tenant_id, |work| ops::idempotency::replace(
            work, caller, &key, &answer
        ))
    }

    async fn create_line(
        &self,
        caller: Caller,
        line: NewLine,
        idempotency: Option<Idempotent<LineRecord>>,
    ) -> StoreResult<Written<LineRecord>> {
        once!(self, caller, idempotency, |work| ops::lines::create(
            work, caller, &line
        ))
    }

    async fn get_line(&self, tenant_id: TenantId, line_id: LineId) -> StoreResult<LineRecord> {
        read!(self, As::Tenant(tenant_id), |db| ops::lines::get(
            db, tenant_id, line_id
        ))
    }

    async fn line_for_dialing(&self, line_id: LineId) -> StoreResult<LineRecord> {
        read!(self, As::Server, |db| ops::lines::for_dialing(db, line_id))
    }

    async fn line_by_key(&self, line_key: &str) -> StoreResult<Option<LineRecord>> {
        self.read_line(line_key).await
    }

    async fn list_lines(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<LineRecord>> {
        read!(self, As::Tenant(tenant_id), |db| ops::lines::list(
            db, tenant_id, page
        ))
    }

    async fn update_line(
        &self,
        caller: Caller,
        line_id: LineId,
        change: LineChange,
        precondition: Precondition,
    ) -> StoreResult<LineRecord> {
        let line = write!(self, caller.tenant_id, |work| ops::lines::update(
            work,
            caller,
            line_id,
            &change,
            &precondition
        ))?;
        self.settle(caller.tenant_id, &[Scope::Line(line_id)]).await;
        Ok(line)
    }

    async fn delete_line(
        &self,
        caller: Caller,
        line_id: LineId,
        precondition: Precondition,
    ) -> StoreResult<()> {
        write!(self, caller.tenant_id, |work| ops::lines::delete(
            work,
            line_id,
            &precondition
        ))
    }

    async fn create_pool(
        &self,
        caller: Caller,
        pool: PoolContent,
        idempotency: Option<Idempotent<PoolRecord>>,
    ) -> StoreResult<Written<PoolRecord>> {
        once!(self, caller, idempotency, |work| ops::pools::create(
            work, caller, &pool
        ))
    }

    async fn get_pool(&self, tenant_id: TenantId, pool_id: PoolId) -> StoreResult<PoolRecord> {
        read!(self, As::Tenant(tenant_id), |db| ops::pools::get(
            db, tenant_id, pool_id
        ))
    }

    async fn list_pools(
        &self,
        tenant_id: TenantId,
        page: PageRequest,
    ) -> StoreResult<Page<PoolRecord>> {
        read!(self, As::Tenant(tenant_id), |db| ops::pools::list(
            db, tenant_id, page
        ))
    }

    async fn update_pool(
        &self,
        caller: Caller,
        pool_id: PoolId,
        base_revision: i64,
        content: PoolContent,
    ) -> StoreResult<PoolRecord> {
        let (pool, scopes) = write!(self, caller.tenant_id, |work| ops::pools::update(
            work,
            caller,
            pool_id,
            base_revision,
            &content
        ))?;
        self.settle(caller.tenant_id, &scopes).await;
        Ok(pool)
    }

    async fn delete_pool(
        &self,
        caller: Caller,
        pool_id: PoolId,
        precondition: Precondition,
    ) -> StoreResult<()> {
        write!(self, caller.tenant_id, |work| ops::pools::delete(
            work,
            pool_id,
            &precondition
        ))
    }

    async fn pool_health(
        &self,
        tenant_id: TenantId,
        pool_id: PoolId,
        now: Timestamp,
    ) -> StoreResult<Vec<NumberHealth>> {
        read!(self, As::Tenant(tenant_id), |db| ops::pools::health(
            db, tenant_id, pool_id, now
        ))
    }

    async fn create_campaign(
        &self,
        caller: Caller,
        campaign: NewCampaign,
        idempotency: Option<Idempotent<CampaignRecord>>,
    ) -> StoreResult<Written<CampaignRecord>> {
        once!(self, caller, idempotency, |work| ops::campaigns::create(
            work, caller, &campaign
        ))
    }

    async fn get_campaign(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
    ) -> StoreResult<CampaignRecord> {
        read!(self, As::Tenant(tenant_id), |db| ops::campaigns::get(
            db,
            &self.shared.settings,
            tenant_id,
            campaign_id
        ))
    }

    async fn list_campaigns(
        &self,
        tenant_id: TenantId,
        filter: CampaignFilter,
        page: PageRequest,
    ) -> StoreResult<Page<CampaignRecord>> {
        read!(self, As::Tenant(tenant_id), |db| ops::campaigns::list(
            db,
            &self.shared.settings,
            tenant_id,
            &filter,
            page
        ))
    }

    async fn update_campaign(
        &self,
        caller: Caller,
        update: CampaignUpdate,
    ) -> StoreResult<CampaignRecord> {
        let (campaign, scopes) = write!(self, caller.tenant_id, |work| {
            work.is_a(failpoint::Transaction::CampaignEdit);
            ops::campaign_edit::update(work, caller, &update)
        })?;
        self.settle(caller.tenant_id, &scopes).await;
        Ok(campaign)
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
        let written = once!(self, caller, idempotency, |work| ops::campaign_edit::order(
            work, caller, &order
        ))?;
        // Also when the order is repeated: its answer promises as much as the first one's.
        if !matches!(command, CampaignCommand::Start | CampaignCommand::Resume) {
            let scope = [Scope::Campaign(campaign_id)];
            self.settle(caller.tenant_id, &scope).await;
        }
        failpoint::reach(Failpoint::OrderSettled);
        let Written::Fresh(mut done) = written else {
            return Ok(written);
        };
        let tenant_id = caller.tenant_id;
        done.live_calls = read!(self, As::Tenant(tenant_id), |db| {
            ops::calls::live_of_campaign(db, tenant_id, campaign_id)
        })?;
        Ok(Written::Fresh(done))
    }

    async fn delete_campaign(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        precondition: Precondition,
    ) -> StoreResult<()> {
        write!(self, caller.tenant_id, |work| ops::campaigns::delete(
            work,
            caller,
            campaign_id,
            &precondition
        ))
    }

    async fn list_revisions(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        page: PageRequest,
    ) -> StoreResult<Page<RevisionRecord>> {
        read!(self, As::Tenant(tenant_id), |db| ops::campaigns::revisions(
            db,
            tenant_id,
            campaign_id,
            page
        ))
    }

    async fn add_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        lead: NewLead,
        on_duplicate: OnDuplicate,
        idempotency: Option<Idempotent<LeadAdded>>,
    ) -> StoreResult<Written<LeadAdded>> {
        let added = once!(self, caller, idempotency, |work| ops::leads::add(
            work,
            caller,
            campaign_id,
            lead,
            on_duplicate
        ))?;
        if let Written::Fresh(LeadAdded {
            lead,
            created: false,
        }) = &added
        {
            let scope = [Scope::Lead(lead.lead_id)];
            self.settle(caller.tenant_id, &scope).await;
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
        once!(self, caller, idempotency, |work| ops::imports::queue(
            work,
            caller,
            campaign_id,
            &leads,
            on_duplicate
        ))
    }

    async fn run_imports(&self, now: Timestamp, max_leads: u32) -> StoreResult<bool> {
        let next = read!(self, As::Server, |db| ops::imports::next_in_turn(db, now))?;
        let Some(import) = next else {
            return Ok(false);
        };
        write!(self, import.caller.tenant_id, |work| ops::imports::run(
            work, &import, max_leads
        ))?;
        read!(self, As::Server, |db| ops::imports::any_unfinished(db))
    }

    async fn run_erasures(&self, max_rows: u32) -> StoreResult<bool> {
        let next = read!(self, As::Server, |db| ops::erasures::next(db))?;
        let Some(erasure) = next else {
            return Ok(false);
        };
        write!(self, erasure.tenant_id, |work| ops::erasures::run(
            work, &erasure, max_rows
        ))?;
        let next = read!(self, As::Server, |db| ops::erasures::next(db))?;
        Ok(next.is_some())
    }

    async fn get_import(
        &self,
        tenant_id: TenantId,
        import_id: ImportId,
    ) -> StoreResult<ImportRecord> {
        read!(self, As::Tenant(tenant_id), |db| ops::imports::get(
            db, tenant_id, import_id
        ))
    }

    async fn update_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        key: LeadKey,
        change: LeadChange,
        precondition: Precondition,
    ) -> StoreResult<LeadRecord> {
        let (lead, scopes) = write!(self, caller.tenant_id, |work| {
            ops::lead_edit::update_single(work, caller, campaign_id, &key, &change, &precondition)
        })?;
        self.settle(caller.tenant_id, &scopes).await;
        Ok(lead)
    }

    async fn remove_lead(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        key: LeadKey,
        precondition: Precondition,
    ) -> StoreResult<()> {
        let scopes = write!(self, caller.tenant_id, |work| {
            ops::lead_edit::remove_single(work, caller, campaign_id, &key, &precondition)
        })?;
        self.settle(caller.tenant_id, &scopes).await;
        Ok(())
    }

    async fn update_leads(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        changes: Vec<(LeadKey, LeadChange)>,
    ) -> StoreResult<Vec<StoreResult<LeadRecord>>> {
        let (answers, scopes) = write!(self, caller.tenant_id, |work| ops::lead_edit::update(
            work,
            caller,
            campaign_id,
            &changes
        ))?;
        self.settle(caller.tenant_id, &scopes).await;
        Ok(answers)
    }

    async fn remove_leads(
        &self,
        caller: Caller,
        campaign_id: CampaignId,
        keys: Vec<LeadKey>,
    ) -> StoreResult<Vec<StoreResult<()>>> {
        let (answers, scopes) = write!(self, caller.tenant_id, |work| ops::lead_edit::remove(
            work,
            caller,
            campaign_id,
            &keys
        ))?;
        self.settle(caller.tenant_id, &scopes).await;
        failpoint::reach(Failpoint::RemovalSettled);
        Ok(answers)
    }

    async fn get_lead(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        key: LeadKey,
        now: Timestamp,
    ) -> StoreResult<LeadRecord> {
        read!(self, As::Tenant(tenant_id), |db| ops::leads::get(
            db,
            tenant_id,
            campaign_id,
            &key,
            now
        ))
    }

    async fn list_leads(
        &self,
        tenant_id: TenantId,
        campaign_id: CampaignId,
        filter: LeadFilter,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreResult<Page<LeadRecord>> {
        read!(self, As::Tenant(tenant_id), |db| ops::leads::list(
            db,
            tenant_id,
            campaign_id,
            &filter,
            page,
            now
        ))
    }

    async fn get_call(
        &self,
        tenant_id: TenantId,
        attempt_id: AttemptId,
    ) -> StoreResult<CallRecord> {
        read!(self, As::Tenant(tenant_id), |db| ops::calls::get(
            db, tenant_id, attempt_id
        ))
    }

    async fn list_calls(
        &self,
        tenant_id: TenantId,
        filter: CallFilter,
        page: PageRequest,
    ) -> StoreResult<Page<CallRecord>> {
        read!(self, As::Tenant(tenant_id), |db| ops::calls::list(
            db, tenant_id, &filter, page
        ))
    }

    async fn list_events(
        &self,
        tenant_id: TenantId,
        after: i64,
        limit: u32,
    ) -> StoreResult<Vec<EventRecord>> {
        read!(self, As::Tenant(tenant_id), |db| events::list(
            db, tenant_id, after, limit
        ))
    }

    async fn reserve_test_call(
        &self,
        caller: Caller,
        call: TestCall,
        idempotency: Option<Idempotent<CallRecord>>,
    ) -> StoreResult<Written<CallRecord>> {
        once!(self, caller, idempotency, |work| dial::test_call::reserve(
            work, caller, call
        ))
    }

    async fn tick(&self, tick: Tick) -> StoreResult<Ticked> {
        self.plan(tick).await
    }

    async fn lead_payloads(&self, lead_ids: Vec<LeadId>) -> StoreResult<Vec<Option<LeadPayload>>> {
        read!(self, As::Server, |db| ops::leads::payloads(db, &lead_ids))
    }

    async fn apply_facts(
        &self,
        now: Timestamp,
        facts: Vec<AttemptFact>,
    ) -> StoreResult<Vec<Applied>> {
        self.apply_of_all(now, facts).await
    }

    async fn claim_checks(&self, now: Timestamp, room: CheckRoom) -> StoreResult<Vec<Check>> {
        let full = dial::checks::full_lines(&room);
        let due = read!(self, As::Server, |db| dial::checks::any_due(db, now, &full))?;
        if !due {
            return Ok(Vec::new());
        }
        let claimed = server!(self, |db| dial::checks::claim(db, now, room))?;
        failpoint::reach(Failpoint::AfterCommit(failpoint::Transaction::Checks));
        Ok(claimed)
    }

    async fn next_check_at(&self) -> StoreResult<Option<Timestamp>> {
        read!(self, As::Server, |db| dial::checks::next(db))
    }

    async fn recover(&self, now: Timestamp) -> StoreResult<u64> {
        self.judge_start(now).await?;
        self.give_up_orphans(now).await
    }

    async fn stay_in_touch(&self) {
        join(self.carry_hints(), self.keep_statistics()).await;
    }

    fn wake_signal(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.wake)
    }

    fn send_board(&self) -> Arc<SendBoard> {
        Arc::clone(&self.shared.board)
    }

    async fn hold_status(&self) -> StoreResult<HoldStatus> {
        read!(self, As::Server, |db| ops::hold::status(db))
    }

    async fn hold(&self, now: Timestamp, reason: HoldReason, detail: String) -> StoreResult<()> {
        self.put_on_hold(now, reason, &detail).await
    }

    async fn lift_hold(&self, now: Timestamp, reason: HoldReason) -> StoreResult<bool> {
        self.lift(now, reason).await
    }

    async fn release_hold(&self, now: Timestamp, force: bool) -> StoreResult<Release> {
        self.release(now, force).await
    }

    async fn note_held_line(&self, now: Timestamp, line: HeldLine) -> StoreResult<()> {
        server!(self, |db| ops::hold::note_line(db, now, &line))
    }

    async fn adopt_calls(
        &self,
        now: Timestamp,
        calls: Vec<StrangeCall>,
    ) -> StoreResult<Vec<Adoption>> {
        self.adopt(now, &calls).await
    }

    async fn unknown_attempt_keys(&self, keys: Vec<String>) -> StoreResult<Vec<String>> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        read!(self, As::Server, |db| ops::hold::unknown_keys(db, &keys))
    }

    async fn database_clock(&self) -> StoreResult<Option<Timestamp>> {
        let client = self.client().await?;
        ops::clock::read(&client).await.map(Some)
    }

    async fn agree_on_key(&self, mark: String, is_proven: bool) -> StoreResult<String> {
        self.check_prepared()?;
        // Before the mark is written: whoever comes later finds this process alive.
        let own = self.node.owned(&self.pool, &self.shared).await?.number;
        server!(self, |db| ops::meta::agree_on_key(
            db, own, &mark, is_proven
        ))
    }

    async fn ping(&self, now: Timestamp) -> StoreResult<()> {
        server!(self, |db| ops::meta::ping(db, now))
    }

    /// The server's disk is not this process's to watch; what does not fit is refused by the server.
    fn disk_room(&self) -> DiskRoom {
        DiskRoom {
            free_bytes: None,
            reserve_bytes: 0,
            full: false,
            held: None,
        }
    }

    async fn gauges(&self) -> StoreResult<Gauges> {
        read!(self, As::Server, |db| ops::meta::gauges(db))
    }

    async fn sweep(&self, now: Timestamp) -> StoreResult<u64> {
        server!(self, |db| ops::meta::sweep(db, now))
    }
}

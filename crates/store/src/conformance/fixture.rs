//! What the cases have in common.

use std::borrow::Borrow;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::attempt::{EndFault, Fact};
use domain::campaign::{CampaignCommand, CampaignType};
use domain::settings::{CampaignSettings, SettingsDraft, WindowDraft};
use domain::{AttemptId, CampaignId, LineId, Outcome, PhoneNumber};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Applied, AttemptFact, AttemptRef, Caller, CampaignOrder, CampaignRecord, CampaignUpdate,
    Conflict, Dispatch, LeadChange, LeadFields, LeadKey, LeadRecord, LineRecord, NewCampaign,
    NewLead, NewLine, OnDuplicate, OptOut, OrderDone, PageRequest, PoolContent, PoolNumber,
    PoolRecord, PoolStrategy, Precondition, Store, StoreError, StoreResult, Tick, Written,
};

/// When the cases begin: a Monday, 10:00 in New York.
pub fn morning() -> Timestamp {
    Timestamp::from_second(1_772_463_600).unwrap()
}

/// So many seconds after [`morning`].
pub fn later(seconds: i64) -> Timestamp {
    morning() + SignedDuration::from_secs(seconds)
}

/// The caller at another time.
pub fn at(caller: Caller, now: Timestamp) -> Caller {
    Caller { now, ..caller }
}

/// A tenant of this name.
pub async fn tenant(store: &dyn Store, name: &str) -> Caller {
    let tenant = store.ensure_tenant(name, morning()).await.unwrap();
    Caller {
        tenant_id: tenant.tenant_id,
        token_id: None,
        now: morning(),
    }
}

/// What a write did now.
pub fn fresh<T: Debug>(written: Written<T>) -> T {
    match written {
        Written::Fresh(effect) => effect,
        Written::Replayed(answer) => panic!("replayed {answer:?}"),
    }
}

/// Asserts that there is no such object, whatever it is.
pub fn assert_not_found<T: Debug>(result: StoreResult<T>, noun: &str) {
    match result.unwrap_err() {
        StoreError::NotFound(missing) => assert_eq!(missing, noun),
        other => panic!("{other:?}"),
    }
}

/// The conflict that the operation met.
pub fn conflict<T: Debug>(result: StoreResult<T>) -> Conflict {
    match result.unwrap_err() {
        StoreError::Conflict(conflict) => conflict,
        other => panic!("{other:?}"),
    }
}

/// The revision that made the operation stale.
pub fn stale<T: Debug>(result: StoreResult<T>) -> i64 {
    match result.unwrap_err() {
        StoreError::Stale { current } => current,
        other => panic!("{other:?}"),
    }
}

/// The first page.
pub const fn first(limit: u32) -> PageRequest {
    PageRequest {
        limit,
        before: None,
    }
}

/// A number that differs each time.
pub fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A line to make.
pub fn new_line() -> NewLine {
    NewLine {
        provider: "VAPI".to_owned(),
        name: "Main".to_owned(),
        base_url: None,
        sealed_credentials: vec![1, 2, 3],
        sealed_webhook_secret: vec![4, 5],
        line_key: format!("line-{}", unique()),
        max_concurrent_calls: 10,
        max_calls_per_second: 10,
    }
}

/// A line of the tenant.
pub async fn line(store: &dyn Store, caller: Caller) -> LineRecord {
    fresh(store.create_line(caller, new_line(), None).await.unwrap())
}

/// A number of a pool.
pub fn number(id: &str) -> PoolNumber {
    PoolNumber {
        phone_number_id: id.to_owned(),
        e164: None,
        max_concurrent_calls: None,
        enabled: true,
    }
}

/// A pool with these numbers.
pub fn pool_content(line_id: LineId, ids: &[&str]) -> PoolContent {
    PoolContent {
        name: "Pool".to_owned(),
        line_id,
        strategy: PoolStrategy::RoundRobin,
        numbers: ids.iter().copied().map(number).collect(),
    }
}

/// A pool of the tenant with these numbers.
pub async fn pool(store: &dyn Store, caller: Caller, line_id: LineId, ids: &[&str]) -> PoolRecord {
    fresh(
        store
            .create_pool(caller, pool_content(line_id, ids), None)
            .await
            .unwrap(),
    )
}

/// Settings that let a campaign dial at any time.
pub fn draft(line_id: LineId) -> SettingsDraft {
    let days = [
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY",
    ];
    SettingsDraft {
        name: Some("Outreach".to_owned()),
        assistant_id: Some("asst_1".to_owned()),
        tenant_voice_provider_id: Some(line_id.raw()),
        dialer_type: Some("SINGLE".to_owned()),
        phone_number_id: Some("pn_1".to_owned()),
        start_date: Some("2026-01-01".to_owned()),
        timezone: Some("America/New_York".to_owned()),
        days_of_week: Some(days.map(str::to_owned).to_vec()),
        windows: Some(vec![WindowDraft {
            days_of_week: None,
            start_time: "00:00".to_owned(),
            end_time: "24:00".to_owned(),
        }]),
        max_call_attempts: Some(3),
        max_daily_attempts: Some(2),
        min_gap_between_attempts: Some(3),
        ..SettingsDraft::default()
    }
}

/// The draft as settings.
pub fn parsed(draft: &SettingsDraft) -> Arc<CampaignSettings> {
    Arc::new(CampaignSettings::parse(CampaignType::Outbound, draft).unwrap())
}

/// A campaign to make.
pub fn new_campaign(draft: impl Borrow<SettingsDraft>) -> NewCampaign {
    let draft = draft.borrow().clone();
    let settings = parsed(&draft);
    NewCampaign {
        kind: CampaignType::Outbound,
        draft,
        settings,
        unverified: false,
        leads_of: None,
    }
}

/// A DRAFT campaign with these settings.
pub async fn campaign(
    store: &dyn Store,
    caller: Caller,
    draft: impl Borrow<SettingsDraft>,
) -> CampaignRecord {
    fresh(
        store
            .create_campaign(caller, new_campaign(draft), None)
            .await
            .unwrap(),
    )
}

/// A tenant with a line and a DRAFT campaign on it.
pub async fn tenant_with_campaign(store: &dyn Store, name: &str) -> (Caller, CampaignRecord) {
    let caller = tenant(store, name).await;
    let line = line(store, caller).await;
    (caller, campaign(store, caller, draft(line.line_id)).await)
}

/// The same, RUNNING.
pub async fn tenant_with_running(store: &dyn Store, name: &str) -> (Caller, CampaignId) {
    let (caller, campaign) = tenant_with_campaign(store, name).await;
    order(store, caller, campaign.campaign_id, CampaignCommand::Start).await;
    (caller, campaign.campaign_id)
}

/// Carries out a command.
pub async fn order(
    store: &dyn Store,
    caller: Caller,
    campaign_id: CampaignId,
    command: CampaignCommand,
) -> OrderDone {
    let order = CampaignOrder {
        campaign_id,
        command,
        precondition: Precondition::None,
    };
    fresh(store.order_campaign(caller, order, None).await.unwrap())
}

/// Changes settings of the campaign as it is now.
pub async fn edit(
    store: &dyn Store,
    caller: Caller,
    campaign_id: CampaignId,
    change: impl FnOnce(&mut SettingsDraft),
) -> StoreResult<CampaignRecord> {
    let before = store
        .get_campaign(caller.tenant_id, campaign_id)
        .await
        .unwrap();
    let mut draft = before.draft;
    change(Arc::make_mut(&mut draft));
    let settings = parsed(&draft);
    let update = CampaignUpdate {
        campaign_id,
        base_revision: before.revision,
        draft,
        settings,
        unverified: None,
    };
    store.update_campaign(caller, update).await
}

/// The `n`-th number.
pub fn phone(n: u32) -> PhoneNumber {
    PhoneNumber::parse(&format!("+1415555{n:04}")).unwrap()
}

/// A lead with the `n`-th number.
pub fn new_lead(n: u32) -> NewLead {
    NewLead::new(phone(n), LeadFields::default())
}

/// Adds a lead with the `n`-th number.
pub async fn add(store: &dyn Store, caller: Caller, campaign_id: CampaignId, n: u32) -> LeadRecord {
    let added = store
        .add_lead(caller, campaign_id, new_lead(n), OnDuplicate::Update, None)
        .await
        .unwrap();
    fresh(added).lead
}

/// The lead with the `n`-th number, as it is at the caller's time.
pub async fn lead(
    store: &dyn Store,
    caller: Caller,
    campaign_id: CampaignId,
    n: u32,
) -> LeadRecord {
    let key = LeadKey::Phone(phone(n));
    store
        .get_lead(caller.tenant_id, campaign_id, key, caller.now)
        .await
        .unwrap()
}

/// Changes the lead with the `n`-th number.
pub async fn change(
    store: &dyn Store,
    caller: Caller,
    campaign_id: CampaignId,
    n: u32,
    change: LeadChange,
) -> StoreResult<LeadRecord> {
    let changes = vec![(LeadKey::Phone(phone(n)), change)];
    store
        .update_leads(caller, campaign_id, changes)
        .await
        .unwrap()
        .remove(0)
}

/// `do_not_call`.
pub fn do_not_call(said: OptOut) -> LeadChange {
    LeadChange {
        do_not_call: Some(said),
        ..LeadChange::default()
    }
}

/// `mark_as_unanswered`.
pub fn mark_as_unanswered() -> LeadChange {
    LeadChange {
        mark_as_unanswered: Some(true),
        ..LeadChange::default()
    }
}

/// Plans and reserves; what is reserved stays on the board.
pub async fn tick(store: &dyn Store, now: Timestamp) -> Vec<Dispatch> {
    let keys = Box::new(|| format!("key-{}", unique()));
    store
        .tick(Tick {
            now,
            keys,
            max_lines: 100,
            max_calls: 100,
        })
        .await
        .unwrap()
        .dispatches
}

/// Applies a fact.
pub async fn apply(store: &dyn Store, now: Timestamp, attempt_id: AttemptId, fact: Fact) {
    let fact = AttemptFact::new(AttemptRef::Id(attempt_id), fact);
    let applied = store.apply_facts(now, vec![fact]).await.unwrap();
    assert!(
        matches!(applied[..], [Applied::Changed { .. }]),
        "{applied:?}"
    );
}

/// The end of a call.
pub const fn ended(outcome: Outcome) -> Fact {
    Fact::Ended {
        outcome,
        fault: EndFault::None,
    }
}

/// Places the one call that is due and ends it.
pub async fn call_and_end(store: &dyn Store, now: Timestamp, outcome: Outcome) -> Dispatch {
    let mut due = tick(store, now).await;
    assert_eq!(due.len(), 1, "one call was expected to be due");
    let dispatch = due.remove(0);
    store.send_board().forget(dispatch.attempt_id);
    apply(store, now, dispatch.attempt_id, Fact::Placed).await;
    apply(store, now, dispatch.attempt_id, ended(outcome)).await;
    dispatch
}

/// Runs the campaign until its only lead, with the `n`-th number, has been reached and it is
/// COMPLETED.
pub async fn complete(store: &dyn Store, caller: Caller, campaign_id: CampaignId, n: u32) {
    add(store, caller, campaign_id, n).await;
    call_and_end(store, caller.now, Outcome::Answered).await;
    assert!(tick(store, caller.now).await.is_empty());
    let campaign = store
        .get_campaign(caller.tenant_id, campaign_id)
        .await
        .unwrap();
    assert_eq!(campaign.status, domain::campaign::CampaignStatus::Completed);
}

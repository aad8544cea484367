//! What takes many steps: copying the leads of a campaign, and deleting them.

use domain::campaign::{CampaignCommand, CampaignStatus, LeadStatus};
use domain::{CampaignId, LeadId, Outcome};

use super::fixture::{
    add, apply, assert_not_found, at, call_and_end, campaign, do_not_call, draft, ended, first,
    fresh, later, lead, morning, new_campaign, new_lead, order, tenant, tenant_with_campaign,
    tenant_with_running, tick,
};
use crate::{
    Caller, CampaignRecord, ImportRecord, LeadFilter, LeadKey, NewCampaign, NewLead, OnDuplicate,
    OptOut, Precondition, Store,
};

/// Queues leads with the numbers of the range.
async fn queue(
    store: &dyn Store,
    caller: Caller,
    id: CampaignId,
    numbers: std::ops::RangeInclusive<u32>,
) -> ImportRecord {
    let leads: Vec<NewLead> = numbers.map(new_lead).collect();
    let queued = store.queue_leads(caller, id, leads, OnDuplicate::Update, None);
    fresh(queued.await.unwrap())
}

/// Adds them at once.
async fn fill(
    store: &dyn Store,
    caller: Caller,
    id: CampaignId,
    numbers: std::ops::RangeInclusive<u32>,
) {
    queue(store, caller, id, numbers).await;
    assert!(!store.run_imports(caller.now, 100_000).await.unwrap());
}

/// Copies the campaign with its leads.
async fn copy(store: &dyn Store, caller: Caller, source: &CampaignRecord) -> CampaignRecord {
    let wanted = NewCampaign {
        leads_of: Some(source.campaign_id),
        ..new_campaign(source.draft.clone())
    };
    fresh(store.create_campaign(caller, wanted, None).await.unwrap())
}

async fn get(store: &dyn Store, caller: Caller, id: CampaignId) -> CampaignRecord {
    store.get_campaign(caller.tenant_id, id).await.unwrap()
}

async fn progress(store: &dyn Store, caller: Caller, made: &CampaignRecord) -> ImportRecord {
    let import_id = made.import_id.unwrap();
    store.get_import(caller.tenant_id, import_id).await.unwrap()
}

/// Moves a RUNNING campaign to where it may be deleted, and deletes it.
async fn stop_and_delete(store: &dyn Store, caller: Caller, id: CampaignId) {
    order(store, caller, id, CampaignCommand::Stop).await;
    order(store, caller, id, CampaignCommand::Archive).await;
    store
        .delete_campaign(caller, id, Precondition::None)
        .await
        .unwrap();
}

pub async fn a_small_copy_is_whole_at_once(store: &dyn Store) {
    let (caller, source) = tenant_with_campaign(store, "Acme").await;
    assert_eq!(
        copy(store, caller, &source).await.import_id,
        None,
        "there is nothing to bring"
    );
    fill(store, caller, source.campaign_id, 1..=3).await;
    let made = copy(store, caller, &source).await;
    assert_eq!(made.lead_counts["READY"], 3);
    let import = progress(store, caller, &made).await;
    assert_eq!(
        (import.campaign_id, import.total, import.added),
        (made.campaign_id, 3, 3)
    );
    assert_eq!(import.finished_at, Some(morning()));
    assert!(!store.run_imports(caller.now, 100).await.unwrap());
}

pub async fn a_long_copy_comes_in_steps(store: &dyn Store) {
    let (caller, source) = tenant_with_campaign(store, "Acme").await;
    let id = source.campaign_id;
    fill(store, caller, id, 1..=1_100).await;
    let made = copy(store, caller, &source).await;
    let begun = progress(store, caller, &made).await;
    assert_eq!((begun.total, begun.finished_at), (1_100, None));
    assert!(begun.processed > 0 && begun.processed <= 600, "{begun:?}");
    assert_eq!(made.lead_counts["READY"], begun.processed);

    // What happens meanwhile: one comes too late, one leaves, one is in the copy before its turn.
    add(store, caller, id, 2_000).await;
    let leaving = vec![LeadKey::Phone(super::fixture::phone(1_100))];
    let removed = store.remove_leads(caller, id, leaving).await.unwrap();
    assert!(removed[0].is_ok());
    let mut own = new_lead(1_099);
    own.fields.first_name = Some("Ada".to_owned());
    let added = store.add_lead(caller, made.campaign_id, own, OnDuplicate::Update, None);
    assert!(fresh(added.await.unwrap()).created);

    let mut steps = 0;
    while store.run_imports(later(1), 200).await.unwrap() {
        steps += 1;
        let now = progress(store, caller, &made).await;
        assert!(now.processed >= begun.processed && now.finished_at.is_none());
        assert!(steps < 10, "a copy ends");
    }
    assert!(steps > 1, "no step is longer than asked for");
    let done = progress(store, caller, &made).await;
    assert_eq!(
        (done.total, done.processed, done.added, done.skipped),
        (1_099, 1_099, 1_098, 1)
    );
    assert_eq!(done.finished_at, Some(later(1)));
    let copied = get(store, caller, made.campaign_id).await;
    assert_eq!(copied.lead_counts["READY"], 1_099);
    let kept = lead(store, caller, made.campaign_id, 1_099).await;
    assert_eq!(kept.fields.first_name.as_deref(), Some("Ada"));
}

pub async fn a_campaign_does_not_end_while_its_leads_come(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    queue(store, caller, id, 1..=2).await;
    assert!(store.run_imports(caller.now, 1).await.unwrap());
    call_and_end(store, caller.now, Outcome::Answered).await;
    assert!(tick(store, later(1)).await.is_empty());
    assert_eq!(
        get(store, caller, id).await.status,
        CampaignStatus::Running,
        "one lead is still to come"
    );
    assert!(!store.run_imports(later(2), 1).await.unwrap());
    call_and_end(store, later(3), Outcome::Answered).await;
    assert!(tick(store, later(4)).await.is_empty());
    assert_eq!(
        get(store, caller, id).await.status,
        CampaignStatus::Completed
    );
}

pub async fn a_campaign_whose_last_leads_are_known_already_ends(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    queue(store, caller, id, 1..=1).await;
    store.run_imports(caller.now, 1).await.unwrap();
    queue(store, caller, id, 1..=1).await;
    call_and_end(store, caller.now, Outcome::Answered).await;
    assert!(tick(store, later(1)).await.is_empty());
    assert!(!store.run_imports(later(2), 1).await.unwrap());
    assert!(tick(store, later(3)).await.is_empty());
    assert_eq!(
        get(store, caller, id).await.status,
        CampaignStatus::Completed
    );
}

pub async fn tenants_take_turns_with_their_imports(store: &dyn Store) {
    let (one, first_made) = tenant_with_campaign(store, "Acme").await;
    let (two, second_made) = tenant_with_campaign(store, "Other").await;
    let long = queue(store, one, first_made.campaign_id, 1..=9).await;
    let short = queue(store, two, second_made.campaign_id, 1..=2).await;
    for _ in 0..4 {
        assert!(store.run_imports(later(1), 1).await.unwrap());
    }
    let done = |caller: Caller, import: &ImportRecord| {
        let import_id = import.import_id;
        async move { store.get_import(caller.tenant_id, import_id).await.unwrap() }
    };
    assert_eq!(done(one, &long).await.processed, 2);
    assert_eq!(done(two, &short).await.finished_at, Some(later(1)));
    while store.run_imports(later(2), 2).await.unwrap() {}
    assert_eq!(done(one, &long).await.processed, 9);
    // Many small ones take no more turns than a large one.
    for n in 21..=28 {
        queue(store, one, first_made.campaign_id, n..=n).await;
    }
    let large = queue(store, two, second_made.campaign_id, 31..=39).await;
    for _ in 0..6 {
        assert!(store.run_imports(later(3), 1).await.unwrap());
    }
    assert_eq!(done(two, &large).await.processed, 3);
    while store.run_imports(later(4), 2).await.unwrap() {}
    assert_eq!(done(two, &large).await.processed, 9);
}

pub async fn a_deleted_campaign_is_gone_at_once_and_erased_in_steps(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    fill(store, caller, id, 1..=5).await;
    let waiting = queue(store, caller, id, 6..=9).await;
    store
        .delete_campaign(caller, id, Precondition::None)
        .await
        .unwrap();

    assert_not_found(store.get_campaign(caller.tenant_id, id).await, "campaign");
    let leads = store.list_leads(
        caller.tenant_id,
        id,
        LeadFilter::default(),
        first(10),
        caller.now,
    );
    assert_not_found(leads.await, "campaign");
    assert_not_found(
        store.get_import(caller.tenant_id, waiting.import_id).await,
        "import",
    );
    assert_eq!(store.gauges().await.unwrap().due_leads, 0);
    assert!(!store.run_imports(caller.now, 10).await.unwrap());
    // Its voice provider is not in use any more.
    store
        .delete_line(caller, made.settings.line_id, Precondition::None)
        .await
        .unwrap();

    let mut steps = 0;
    while store.run_erasures(2).await.unwrap() {
        steps += 1;
        assert!(steps < 20, "erasing ends");
    }
    assert!(steps >= 4, "no step is longer than asked for");
    assert!(!store.run_erasures(2).await.unwrap());
}

pub async fn nothing_finds_leads_that_are_being_erased(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = get(store, caller, id).await.settings.line_id;
    add(store, caller, id, 1).await;
    add(store, caller, id, 2).await;
    let up = tick(store, caller.now).await;
    assert_eq!(up.len(), 2);
    for call in &up {
        store.send_board().forget(call.attempt_id);
        apply(
            store,
            caller.now,
            call.attempt_id,
            domain::attempt::Fact::Placed,
        )
        .await;
    }
    add(store, caller, id, 3).await;
    stop_and_delete(store, caller, id).await;

    // Calls that were up end, and numbers are opted out, as if the leads were gone already.
    apply(store, later(60), up[0].attempt_id, ended(Outcome::NoAnswer)).await;
    apply(store, later(60), up[1].attempt_id, ended(Outcome::Answered)).await;
    let other = campaign(store, caller, draft(line_id)).await.campaign_id;
    add(store, caller, other, 3).await;
    let opted_out =
        super::fixture::change(store, caller, other, 3, do_not_call(OptOut::Enter)).await;
    assert_eq!(opted_out.unwrap().status, LeadStatus::OptedOut);
    let back = super::fixture::change(store, caller, other, 3, do_not_call(OptOut::Lift)).await;
    assert_eq!(back.unwrap().status, LeadStatus::Ready);
    // The invariants of the back end are checked in this state as well.
    assert_eq!(store.gauges().await.unwrap().due_leads, 1);
}

pub async fn a_campaign_that_is_being_copied_is_erased_after_that(store: &dyn Store) {
    let (caller, source) = tenant_with_campaign(store, "Acme").await;
    fill(store, caller, source.campaign_id, 1..=700).await;
    let made = copy(store, caller, &source).await;
    store
        .delete_campaign(caller, source.campaign_id, Precondition::None)
        .await
        .unwrap();
    assert!(
        !store.run_erasures(1_000).await.unwrap(),
        "its leads are still wanted"
    );
    while store.run_imports(later(1), 100).await.unwrap() {}
    let copied = get(store, caller, made.campaign_id).await;
    assert_eq!(copied.lead_counts["READY"], 700);
    let mut steps = 0;
    while store.run_erasures(500).await.unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 1);
}

pub async fn deleting_a_copy_ends_the_copying(store: &dyn Store) {
    let (caller, source) = tenant_with_campaign(store, "Acme").await;
    fill(store, caller, source.campaign_id, 1..=700).await;
    let made = copy(store, caller, &source).await;
    store
        .delete_campaign(caller, made.campaign_id, Precondition::None)
        .await
        .unwrap();
    assert!(!store.run_imports(later(1), 100).await.unwrap());
    while store.run_erasures(100).await.unwrap() {}
    let left = get(store, caller, source.campaign_id).await;
    assert_eq!(left.lead_counts["READY"], 700);
}

pub async fn a_copy_of_another_tenants_campaign_brings_nothing(store: &dyn Store) {
    let (owner, source) = tenant_with_campaign(store, "Acme").await;
    fill(store, owner, source.campaign_id, 1..=1).await;
    let stranger = at(tenant(store, "Other").await, later(1));
    let own_line = super::fixture::line(store, stranger).await;
    let wanted = NewCampaign {
        leads_of: Some(source.campaign_id),
        ..new_campaign(draft(own_line.line_id))
    };
    assert_not_found(
        store.create_campaign(stranger, wanted, None).await,
        "campaign",
    );
    let key = LeadKey::Id(LeadId::from_raw(1));
    let found = store.get_lead(stranger.tenant_id, source.campaign_id, key, stranger.now);
    assert_not_found(found.await, "campaign");
}

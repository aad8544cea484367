//! Queued leads.

use domain::campaign::CampaignCommand;
use domain::{CampaignId, ImportId};

use super::fixture::{
    add, assert_not_found, at, campaign, conflict, first, fresh, later, lead, morning, new_lead,
    order, phone, tenant, tenant_with_campaign, tenant_with_running, tick,
};
use crate::{Caller, Conflict, ImportRecord, LeadFilter, NewLead, OnDuplicate, Store};

async fn queue(
    store: &dyn Store,
    caller: Caller,
    campaign_id: CampaignId,
    leads: Vec<NewLead>,
    on_duplicate: OnDuplicate,
) -> ImportRecord {
    fresh(
        store
            .queue_leads(caller, campaign_id, leads, on_duplicate, None)
            .await
            .unwrap(),
    )
}

async fn get(store: &dyn Store, caller: Caller, import_id: ImportId) -> ImportRecord {
    store.get_import(caller.tenant_id, import_id).await.unwrap()
}

/// Processed, added, updated, skipped, rejected.
fn tally(import: &ImportRecord) -> [u64; 5] {
    [
        import.processed,
        import.added,
        import.updated,
        import.skipped,
        import.rejected,
    ]
}

fn named(n: u32, name: &str) -> NewLead {
    let mut lead = new_lead(n);
    lead.fields.first_name = Some(name.to_owned());
    lead
}

pub async fn what_is_removed_after_an_import_was_queued_is_not_brought_back(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    add(store, caller, id, 1).await;
    let leads = vec![new_lead(1), new_lead(2)];
    let queued = queue(store, caller, id, leads.clone(), OnDuplicate::Update).await;
    let keys = vec![crate::LeadKey::Phone(phone(1))];
    store.remove_leads(caller, id, keys).await.unwrap();
    while store.run_imports(later(1), 1).await.unwrap() {}
    let done = get(store, caller, queued.import_id).await;
    assert_eq!(tally(&done), [2, 1, 0, 1, 0]);
    let key = crate::LeadKey::Phone(phone(1));
    let gone = store.get_lead(caller.tenant_id, id, key, later(1)).await;
    assert_not_found(gone, "lead");
    // An import that is asked for after the removal may bring the lead.
    let again = queue(store, at(caller, later(2)), id, leads, OnDuplicate::Update).await;
    while store.run_imports(later(3), 1).await.unwrap() {}
    let done = get(store, caller, again.import_id).await;
    assert_eq!(tally(&done), [2, 1, 1, 0, 0]);
}

pub async fn an_import_adds_its_leads_step_by_step(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let mut first_lead = named(1, "Ada");
    first_lead
        .fields
        .custom_fields
        .insert("plan".to_owned(), "gold".into());
    first_lead.fields.timezone = Some("Europe/Paris".to_owned());
    first_lead.fields.priority = Some(7);
    first_lead.fields.not_before = Some(later(600));
    let leads = vec![first_lead.clone(), new_lead(2), new_lead(3)];
    let queued = queue(store, caller, made.campaign_id, leads, OnDuplicate::Update).await;
    assert_eq!(
        (queued.campaign_id, queued.total, tally(&queued)),
        (made.campaign_id, 3, [0; 5])
    );
    assert_eq!((queued.created_at, queued.finished_at), (morning(), None));

    assert!(store.run_imports(later(1), 2).await.unwrap());
    let half = get(store, caller, queued.import_id).await;
    assert_eq!((tally(&half), half.finished_at), ([2, 2, 0, 0, 0], None));
    assert!(!store.run_imports(later(2), 2).await.unwrap());
    let done = get(store, caller, queued.import_id).await;
    assert_eq!(
        (tally(&done), done.finished_at),
        ([3, 3, 0, 0, 0], Some(later(2)))
    );
    assert!(!store.run_imports(later(3), 2).await.unwrap());

    let added = lead(store, caller, made.campaign_id, 1).await;
    assert_eq!(
        (added.fields, added.created_at),
        (first_lead.fields, later(1))
    );
    let listed = store
        .list_leads(
            caller.tenant_id,
            made.campaign_id,
            LeadFilter::default(),
            first(10),
            caller.now,
        )
        .await;
    let phones: Vec<_> = listed
        .unwrap()
        .items
        .into_iter()
        .map(|lead| lead.phone)
        .collect();
    assert_eq!(phones, [3, 2, 1].map(phone));
}

pub async fn an_import_wakes_its_campaign(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    queue(store, caller, id, vec![new_lead(1)], OnDuplicate::Update).await;
    assert!(tick(store, caller.now).await.is_empty());
    store.run_imports(later(1), 10).await.unwrap();
    assert_eq!(tick(store, later(1)).await.len(), 1);
}

pub async fn an_import_counts_duplicates_as_asked(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    add(store, caller, id, 1).await;
    let leads = || vec![named(1, "Ada"), named(2, "Bob"), named(2, "Rob")];
    let skipping = queue(store, caller, id, leads(), OnDuplicate::Skip).await;
    store.run_imports(caller.now, 100).await.unwrap();
    assert_eq!(
        tally(&get(store, caller, skipping.import_id).await),
        [3, 1, 0, 2, 0]
    );
    assert_eq!(lead(store, caller, id, 1).await.fields.first_name, None);
    assert_eq!(
        lead(store, caller, id, 2)
            .await
            .fields
            .first_name
            .as_deref(),
        Some("Bob")
    );
    let updating = queue(store, caller, id, leads(), OnDuplicate::Update).await;
    store.run_imports(caller.now, 100).await.unwrap();
    assert_eq!(
        tally(&get(store, caller, updating.import_id).await),
        [3, 0, 3, 0, 0]
    );
    assert_eq!(
        lead(store, caller, id, 2)
            .await
            .fields
            .first_name
            .as_deref(),
        Some("Rob")
    );
}

pub async fn a_campaign_closed_meanwhile_rejects_the_rest(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let queued = queue(
        store,
        caller,
        id,
        (1..=3).map(new_lead).collect(),
        OnDuplicate::Update,
    )
    .await;
    assert!(store.run_imports(caller.now, 1).await.unwrap());
    order(store, caller, id, CampaignCommand::Stop).await;
    assert!(!store.run_imports(later(1), 100).await.unwrap());
    let done = get(store, caller, queued.import_id).await;
    assert_eq!(
        (tally(&done), done.finished_at),
        ([3, 1, 0, 0, 2], Some(later(1)))
    );
    let counts = store
        .get_campaign(caller.tenant_id, id)
        .await
        .unwrap()
        .lead_counts;
    assert_eq!(counts["READY"], 1);
}

pub async fn imports_run_one_after_the_other(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let second = campaign(store, caller, made.draft).await.campaign_id;
    let one = queue(
        store,
        caller,
        made.campaign_id,
        vec![new_lead(1), new_lead(2)],
        OnDuplicate::Update,
    )
    .await;
    let two = queue(
        store,
        at(caller, later(1)),
        second,
        vec![new_lead(1)],
        OnDuplicate::Update,
    )
    .await;
    let mut steps = 0;
    while store.run_imports(later(2), 1).await.unwrap() {
        steps += 1;
        let (first, second) = (
            get(store, caller, one.import_id).await,
            get(store, caller, two.import_id).await,
        );
        assert!(first.finished_at.is_some() || second.processed == 0);
        assert!(steps < 10, "imports end");
    }
    assert_eq!(
        tally(&get(store, caller, one.import_id).await),
        [2, 2, 0, 0, 0]
    );
    assert_eq!(
        tally(&get(store, caller, two.import_id).await),
        [1, 1, 0, 0, 0]
    );
}

pub async fn closed_campaigns_queue_no_leads(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    order(store, caller, id, CampaignCommand::Stop).await;
    let refused = store
        .queue_leads(caller, id, vec![new_lead(1)], OnDuplicate::Update, None)
        .await;
    assert!(matches!(conflict(refused), Conflict::TakesNoLeads(_)));
}

pub async fn imports_of_another_tenant_are_not_found(store: &dyn Store) {
    let (owner, made) = tenant_with_campaign(store, "Acme").await;
    let stranger = tenant(store, "Other").await;
    let refused = store
        .queue_leads(
            stranger,
            made.campaign_id,
            vec![new_lead(1)],
            OnDuplicate::Update,
            None,
        )
        .await;
    assert_not_found(refused, "campaign");
    let queued = queue(
        store,
        owner,
        made.campaign_id,
        vec![new_lead(1)],
        OnDuplicate::Update,
    )
    .await;
    assert_not_found(
        store.get_import(stranger.tenant_id, queued.import_id).await,
        "import",
    );
    store.run_imports(owner.now, 10).await.unwrap();
}

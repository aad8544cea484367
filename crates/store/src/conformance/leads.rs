//! Adding and reading leads.

use domain::campaign::{CampaignCommand, CampaignStatus, LeadStatus, StatusReason};
use domain::{CampaignId, LeadId, Outcome};
use serde_json::json;

use super::fixture::{
    add, at, call_and_end, campaign, change, complete, conflict, do_not_call, fresh, later, lead,
    morning, new_lead, order, phone, tenant_with_campaign, tenant_with_running, tick,
};
use crate::{
    Caller, Conflict, LeadAdded, LeadField, LeadFields, NewLead, OnDuplicate, OptOut, Store,
    StoreResult,
};

pub async fn a_new_lead_wakes_its_campaign(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    assert!(tick(store, caller.now).await.is_empty());
    add(store, at(caller, later(1)), id, 1).await;
    assert_eq!(tick(store, later(1)).await.len(), 1);
}

async fn put(
    store: &dyn Store,
    caller: Caller,
    campaign_id: CampaignId,
    fields: LeadFields,
    on_duplicate: OnDuplicate,
) -> StoreResult<LeadAdded> {
    let lead = NewLead::new(phone(1), fields);
    store
        .add_lead(caller, campaign_id, lead, on_duplicate, None)
        .await
        .map(fresh)
}

pub async fn a_new_lead_is_ready_and_counted(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let fields = LeadFields {
        first_name: Some("Ada".to_owned()),
        last_name: Some("Lovelace".to_owned()),
        email: Some("ada@example.org".to_owned()),
        custom_fields: json!({ "plan": "gold", "visits": 3 })
            .as_object()
            .cloned()
            .unwrap(),
        timezone: Some("Europe/London".to_owned()),
        priority: Some(9),
        not_before: Some(later(600)),
    };
    let added = put(
        store,
        caller,
        made.campaign_id,
        fields.clone(),
        OnDuplicate::Update,
    )
    .await
    .unwrap();
    assert!(added.created);
    let lead = added.lead;
    assert_eq!(
        (lead.status, lead.fields.clone(), lead.phone.clone()),
        (LeadStatus::Ready, fields, phone(1))
    );
    assert_eq!(
        (
            lead.attempts,
            lead.attempts_today,
            lead.last_outcome,
            lead.last_attempt_at
        ),
        (0, 0, None, None)
    );
    assert_eq!(
        (lead.due_at, lead.revision, lead.created_at),
        (Some(later(600)), 1, morning())
    );
    assert_eq!(
        add(store, caller, made.campaign_id, 2)
            .await
            .fields
            .priority,
        Some(5)
    );
    let counts = store
        .get_campaign(caller.tenant_id, made.campaign_id)
        .await
        .unwrap()
        .lead_counts;
    assert_eq!((counts["READY"], counts.values().sum::<u64>()), (2, 2));
}

pub async fn adding_a_number_again_updates_or_skips(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let (id, caller_later) = (made.campaign_id, at(caller, later(60)));
    let named = |name: &str| LeadFields {
        first_name: Some(name.to_owned()),
        ..LeadFields::default()
    };
    let with_email = LeadFields {
        email: Some("a@example.org".to_owned()),
        priority: Some(2),
        ..named("Ada")
    };
    let original = put(store, caller, id, with_email, OnDuplicate::Update)
        .await
        .unwrap()
        .lead;

    let skipped = put(store, caller_later, id, named("Bob"), OnDuplicate::Skip)
        .await
        .unwrap();
    assert_eq!((skipped.created, &skipped.lead), (false, &original));
    let updated = put(store, caller_later, id, named("Bob"), OnDuplicate::Update)
        .await
        .unwrap();
    let expected = LeadFields {
        first_name: Some("Bob".to_owned()),
        ..original.fields.clone()
    };
    assert_eq!(
        (updated.created, updated.lead.lead_id),
        (false, original.lead_id)
    );
    assert_eq!((updated.lead.fields, updated.lead.revision), (expected, 2));
    assert_eq!(
        (updated.lead.created_at, updated.lead.updated_at),
        (morning(), later(60))
    );
    let same = put(store, caller_later, id, named("Bob"), OnDuplicate::Update)
        .await
        .unwrap();
    assert_eq!(same.lead.revision, 2);
}

pub async fn custom_fields_merge_by_key(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let fields = |fields: serde_json::Value| LeadFields {
        custom_fields: fields.as_object().cloned().unwrap(),
        ..LeadFields::default()
    };
    let id = made.campaign_id;
    put(
        store,
        caller,
        id,
        fields(json!({ "a": 1, "b": { "x": 1 }, "none": null })),
        OnDuplicate::Update,
    )
    .await
    .unwrap();
    let merged = put(
        store,
        caller,
        id,
        fields(json!({ "a": null, "b": { "y": 2 }, "c": [3] })),
        OnDuplicate::Update,
    );
    let merged = merged.await.unwrap().lead.fields.custom_fields;
    assert_eq!(
        serde_json::Value::from(merged),
        json!({ "b": { "y": 2 }, "c": [3] })
    );
}

pub async fn custom_fields_have_a_limit(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let half = |key: &str| {
        let fields = json!({ key: "x".repeat(40 * 1024) })
            .as_object()
            .cloned()
            .unwrap();
        LeadFields {
            custom_fields: fields,
            ..LeadFields::default()
        }
    };
    put(
        store,
        caller,
        made.campaign_id,
        half("a"),
        OnDuplicate::Update,
    )
    .await
    .unwrap();
    let too_large = put(
        store,
        caller,
        made.campaign_id,
        half("b"),
        OnDuplicate::Update,
    )
    .await;
    assert!(matches!(conflict(too_large), Conflict::TooLarge(_)));
    let kept = lead(store, caller, made.campaign_id, 1).await;
    assert_eq!((kept.fields.custom_fields.len(), kept.revision), (1, 1));
    put(
        store,
        caller,
        made.campaign_id,
        half("a"),
        OnDuplicate::Update,
    )
    .await
    .unwrap();
}

pub async fn a_number_on_the_do_not_call_list_is_added_as_opted_out(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let second = campaign(store, caller, made.draft).await.campaign_id;
    add(store, caller, made.campaign_id, 1).await;
    change(
        store,
        caller,
        made.campaign_id,
        1,
        do_not_call(OptOut::Enter),
    )
    .await
    .unwrap();
    let added = add(store, caller, second, 1).await;
    assert_eq!((added.status, added.due_at), (LeadStatus::OptedOut, None));
    let (stranger, foreign) = tenant_with_campaign(store, "Other").await;
    assert_eq!(
        add(store, stranger, foreign.campaign_id, 1).await.status,
        LeadStatus::Ready
    );
}

pub async fn closed_campaigns_take_no_leads(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    for (command, status) in [
        (CampaignCommand::Stop, CampaignStatus::Stopped),
        (CampaignCommand::Archive, CampaignStatus::Archived),
    ] {
        order(store, caller, id, command).await;
        let refused = store
            .add_lead(caller, id, new_lead(1), OnDuplicate::Update, None)
            .await;
        assert_eq!(conflict(refused), Conflict::TakesNoLeads(status));
    }
}

pub async fn a_new_lead_reopens_a_completed_campaign(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    complete(store, caller, id, 1).await;
    add(store, caller, id, 1).await;
    let again = store.get_campaign(caller.tenant_id, id).await.unwrap();
    assert_eq!(
        again.status,
        CampaignStatus::Completed,
        "a lead that was there is nothing new to do"
    );
    add(store, caller, id, 2).await;
    let reopened = store.get_campaign(caller.tenant_id, id).await.unwrap();
    assert_eq!(
        (reopened.status, reopened.revision),
        (CampaignStatus::Running, again.revision + 1)
    );
    let dials = StatusReason::Dialing;
    assert_eq!(reopened.status_reason, Some(dials), "it has a lead to call");
    call_and_end(store, later(60), Outcome::Answered).await;
}

pub async fn payloads_come_in_order_and_without_removed_leads(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let fields = LeadFields {
        first_name: Some("Ada".to_owned()),
        custom_fields: json!({ "plan": "gold" }).as_object().cloned().unwrap(),
        ..LeadFields::default()
    };
    let named = put(
        store,
        caller,
        made.campaign_id,
        fields.clone(),
        OnDuplicate::Update,
    )
    .await
    .unwrap()
    .lead
    .lead_id;
    let plain = add(store, caller, made.campaign_id, 2).await.lead_id;
    let payloads = store
        .lead_payloads(vec![plain, LeadId::from_raw(1), named])
        .await
        .unwrap();
    let first_names: Vec<_> = payloads
        .iter()
        .map(|payload| payload.as_ref().map(|known| known.first_name.clone()))
        .collect();
    assert_eq!(first_names, [Some(None), None, Some(fields.first_name)]);
    assert_eq!(
        payloads[2].as_ref().unwrap().custom_fields,
        fields.custom_fields
    );
}

pub async fn adding_a_number_again_clears_what_is_given_as_null(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    let fields = LeadFields {
        first_name: Some("Ada".to_owned()),
        last_name: Some("Lovelace".to_owned()),
        timezone: Some("Europe/London".to_owned()),
        priority: Some(9),
        not_before: Some(later(600)),
        ..LeadFields::default()
    };
    let update = OnDuplicate::Update;
    put(store, caller, id, fields, update).await.unwrap();
    let again = || NewLead {
        cleared: vec![
            LeadField::FirstName,
            LeadField::Timezone,
            LeadField::Priority,
            LeadField::NotBefore,
        ],
        ..new_lead(1)
    };
    let added = store.add_lead(caller, id, again(), OnDuplicate::Skip, None);
    let skipped = fresh(added.await.unwrap()).lead.fields;
    assert_eq!(skipped.first_name.as_deref(), Some("Ada"));
    let added = store.add_lead(caller, id, again(), update, None);
    let cleared = fresh(added.await.unwrap()).lead.fields;
    let left = LeadFields {
        last_name: Some("Lovelace".to_owned()),
        priority: Some(5),
        ..LeadFields::default()
    };
    assert_eq!(cleared, left);
    // In bulk just so: the queue keeps what was cleared.
    let ada = LeadFields {
        first_name: Some("Ada".to_owned()),
        ..LeadFields::default()
    };
    put(store, caller, id, ada, update).await.unwrap();
    let queued = store.queue_leads(caller, id, vec![again()], update, None);
    fresh(queued.await.unwrap());
    while store.run_imports(later(1), 10).await.unwrap() {}
    assert_eq!(lead(store, caller, id, 1).await.fields, left);
}

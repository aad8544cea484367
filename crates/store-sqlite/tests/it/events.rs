//! Each change tells itself in the tenant's feed. Nothing reads the feed through the store yet.

use domain::Outcome;
use domain::campaign::CampaignCommand;
use rusqlite::Connection;
use serde_json::{Value, json};
use store::conformance::Bench;
use store::conformance::fixture::{
    add, at, call_and_end, campaign, change, complete, do_not_call, edit, later,
    mark_as_unanswered, new_lead, order, phone, tenant, tenant_with_campaign, tenant_with_running,
};
use store::{LeadKey, OnDuplicate, OptOut};

use crate::bench::SqliteBench;

/// Types and data of the tenant's events after a sequence.
fn feed(bench: &SqliteBench, tenant: store::Caller, after: i64) -> Vec<(String, Value)> {
    let connection = Connection::open(bench.file()).unwrap();
    let sql =
        "SELECT type, data FROM events WHERE tenant_id = ?1 AND sequence > ?2 ORDER BY sequence";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([tenant.tenant_id.raw(), after], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?))
    });
    let parsed = |row: rusqlite::Result<(String, String)>| {
        let (kind, data) = row.unwrap();
        (kind, serde_json::from_str(&data).unwrap())
    };
    rows.unwrap().map(parsed).collect()
}

fn types(bench: &SqliteBench, tenant: store::Caller, after: i64) -> Vec<String> {
    feed(bench, tenant, after)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect()
}

#[tokio::test]
async fn a_campaigns_life_is_told() {
    let bench = SqliteBench::open();
    let store = bench.store();
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    for command in [
        CampaignCommand::Start,
        CampaignCommand::Start,
        CampaignCommand::Pause,
        CampaignCommand::Resume,
    ] {
        order(store, caller, id, command).await;
    }
    edit(store, caller, id, |draft| draft.priority = Some(9))
        .await
        .unwrap();
    edit(store, caller, id, |_| {}).await.unwrap();
    for command in [CampaignCommand::Stop, CampaignCommand::Archive] {
        order(store, caller, id, command).await;
    }
    let expected = [
        (
            "campaign.started",
            json!({ "from": "DRAFT", "to": "RUNNING", "revision": 2 }),
        ),
        (
            "campaign.paused",
            json!({ "from": "RUNNING", "to": "PAUSED", "revision": 3 }),
        ),
        (
            "campaign.resumed",
            json!({ "from": "PAUSED", "to": "RUNNING", "revision": 4 }),
        ),
        (
            "campaign.updated",
            json!({ "changed": ["priority"], "revision": 5 }),
        ),
        (
            "campaign.stopped",
            json!({ "from": "RUNNING", "to": "STOPPED", "revision": 6 }),
        ),
        (
            "campaign.updated",
            json!({ "changed": ["status"], "from": "STOPPED", "to": "ARCHIVED", "revision": 7 }),
        ),
    ];
    assert_eq!(
        feed(&bench, caller, 0),
        expected.map(|(kind, data)| (kind.to_owned(), data))
    );
    bench.check();
}

#[tokio::test]
async fn completing_and_reopening_is_told() {
    let bench = SqliteBench::open();
    let store = bench.store();
    let (caller, id) = tenant_with_running(store, "Acme").await;
    complete(store, caller, id, 1).await;
    let told = types(&bench, caller, 1);
    assert_eq!(
        told,
        [
            "lead.added",
            "call.placed",
            "call.ended",
            "lead.completed",
            "campaign.completed"
        ]
    );
    add(store, caller, id, 2).await;
    let told = feed(&bench, caller, 6);
    assert_eq!(
        told[0],
        ("lead.added".to_owned(), json!({ "status": "READY" }))
    );
    assert_eq!(
        told[1],
        (
            "campaign.resumed".to_owned(),
            json!({ "reason": "reopened", "revision": 4 })
        )
    );
    bench.check();
}

#[tokio::test]
async fn changes_of_leads_are_told() {
    let bench = SqliteBench::open();
    let store = bench.store();
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    let second = campaign(store, caller, made.draft).await.campaign_id;
    for campaign_id in [id, second] {
        add(store, caller, campaign_id, 1).await;
    }
    store
        .add_lead(caller, id, new_lead(1), OnDuplicate::Update, None)
        .await
        .unwrap();
    assert_eq!(types(&bench, caller, 0), ["lead.added", "lead.added"]);
    change(store, caller, id, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    change(store, caller, id, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    let opted_out = (
        "lead.opted_out".to_owned(),
        json!({ "source": "lead_update" }),
    );
    let updated = |revision, status| json!({ "changed": ["do_not_call"], "revision": revision, "status": status });
    let told = feed(&bench, caller, 2);
    assert_eq!(
        told,
        [
            opted_out.clone(),
            opted_out,
            ("lead.updated".to_owned(), updated(2, "OPTED_OUT"))
        ]
    );
    change(store, caller, id, 1, do_not_call(OptOut::Lift))
        .await
        .unwrap();
    let back = json!({ "changed": ["do_not_call"], "status": "READY" });
    let told = feed(&bench, caller, 5);
    assert_eq!(
        told,
        [
            ("lead.updated".to_owned(), back),
            ("lead.updated".to_owned(), updated(3, "READY"))
        ]
    );
    store
        .remove_leads(caller, id, vec![LeadKey::Phone(phone(1))])
        .await
        .unwrap();
    assert_eq!(
        feed(&bench, caller, 7),
        [("lead.removed".to_owned(), json!({ "status": "READY" }))]
    );
    bench.check();
}

#[tokio::test]
async fn a_requeued_lead_is_told() {
    let bench = SqliteBench::open();
    let store = bench.store();
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    call_and_end(store, caller.now, Outcome::Answered).await;
    let before = i64::try_from(types(&bench, caller, 0).len()).unwrap();
    change(store, at(caller, later(60)), id, 1, mark_as_unanswered())
        .await
        .unwrap();
    let told = json!({ "changed": ["mark_as_unanswered"], "revision": 2, "status": "READY" });
    assert_eq!(
        feed(&bench, caller, before),
        [("lead.updated".to_owned(), told)]
    );
    bench.check();
}

#[tokio::test]
async fn a_refused_operation_tells_nothing_and_leaves_no_gap() {
    let bench = SqliteBench::open();
    let store = bench.store();
    let caller = tenant(store, "Acme").await;
    let line = store::conformance::fixture::line(store, caller).await;
    let id = campaign(
        store,
        caller,
        store::conformance::fixture::draft(line.line_id),
    )
    .await
    .campaign_id;
    let large = json!({ "large": "x".repeat(70 * 1024) })
        .as_object()
        .cloned()
        .unwrap();
    let mut refused = new_lead(1);
    refused.fields.custom_fields = large;
    assert!(
        store
            .add_lead(caller, id, refused, OnDuplicate::Update, None)
            .await
            .is_err()
    );
    add(store, caller, id, 2).await;
    assert_eq!(types(&bench, caller, 0), ["lead.added"]);
    bench.check();
}

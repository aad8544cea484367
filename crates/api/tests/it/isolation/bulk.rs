//! Lists with own and foreign items: each is told as if the foreign ones did not exist.

use domain::ambient::Clock;
use http::Method;
use serde_json::{Value, json};
use store::Store;

use super::places::missing;
use super::world::{Ask, World};
use crate::contract::Document;
use crate::support::Reply;

async fn send(world: &World, operation: &str, campaign: &str, body: &Value) -> Reply {
    let operation = Document::get().operation(operation);
    let path = operation.path.replace("{campaign_id}", campaign);
    let ask = Ask::new(operation.method.clone(), path).json(body);
    let reply = ask.send(&world.server, Some(&world.one.bearer)).await;
    let leak = world.other.canaries.found_in(&reply.bytes, &ask.text());
    assert_eq!(leak, None, "{}", reply.body);
    reply
}

/// Success and message of each item.
fn results(reply: &Reply) -> Vec<(bool, String)> {
    let results = reply.body["results"].as_array().unwrap().iter();
    let result = |result: &Value| {
        let message = result["message"].as_str().unwrap().to_owned();
        (result["success"].as_bool().unwrap(), message)
    };
    results.map(result).collect()
}

#[tokio::test]
async fn a_mixed_list_of_changes_changes_ones_own_leads_only() {
    let world = World::new().await;
    let (one, other) = (&world.one, &world.other);
    let theirs = world.database.rows_of(other.tenant_id);
    let campaign = one.id("campaign_id", None);
    let change =
        |phone: String| json!({ "phone_number": phone, "first_name": "New", "do_not_call": true });
    let list = json!([
        change(one.phone(3)),
        change(other.phone(3)),
        change(one.phone(9_999)),
        // In another campaign of its own: not here.
        change(one.phone(4)),
        change(other.phone(1)),
    ]);
    let reply = send(&world, "updateLeads", campaign, &list).await;
    let results = results(&reply);
    assert!(results[0].0, "{}", reply.body);
    assert!(!results[2].0, "{}", reply.body);
    for foreign in [1, 3, 4] {
        assert_eq!(results[foreign], results[2], "{}", reply.body);
    }
    assert_eq!(world.database.rows_of(other.tenant_id), theirs);
}

#[tokio::test]
async fn a_mixed_list_of_removals_removes_ones_own_leads_only() {
    let world = World::new().await;
    let (one, other) = (&world.one, &world.other);
    let theirs = world.database.rows_of(other.tenant_id);
    let foreign = other.id("campaign_lead_id", None);
    let list = json!([
        { "campaign_lead_id": one.id("campaign_lead_id", None) },
        { "campaign_lead_id": foreign },
        { "campaign_lead_id": missing(foreign) },
        // The id wins: the number of an own lead does not stand in for a foreign id.
        { "campaign_lead_id": foreign, "phone_number": one.phone(2) },
        { "campaign_lead_id": missing(foreign), "phone_number": one.phone(2) },
        { "phone_number": other.phone(2) },
        { "phone_number": one.phone(1) },
    ]);
    let reply = send(&world, "removeLeads", one.id("campaign_id", None), &list).await;
    let results = results(&reply);
    assert_eq!((results[0].0, results[6].0), (true, true), "{}", reply.body);
    assert!(!results[2].0, "{}", reply.body);
    for foreign in [1, 3, 4, 5] {
        assert_eq!(results[foreign], results[2], "{}", reply.body);
    }
    assert_eq!(world.database.rows_of(other.tenant_id), theirs);
}

/// Another tenant's leads and opt-outs do not show in what becomes of the same numbers here.
#[tokio::test]
async fn adding_another_tenants_numbers_tells_nothing_of_them() {
    let world = World::new().await;
    let (one, other) = (&world.one, &world.other);
    let opt_out = json!({ "do_not_call": true });
    let lead = other.id("campaign_lead_id", None);
    let path = format!(
        "/api/v2/voice-campaigns/{}/leads/{lead}",
        other.id("campaign_id", None)
    );
    let ask = Ask::new(Method::PATCH, path).json(&opt_out);
    let opted_out = ask.send(&world.server, Some(&other.bearer)).await;
    assert_eq!(
        opted_out.body["data"]["status"], "OPTED_OUT",
        "{}",
        opted_out.body
    );

    let theirs = world.database.rows_of(other.tenant_id);
    let campaign = one.id("campaign_id", None);
    let mut told = Vec::new();
    // Opted out there, in a call there, and known to nobody.
    for phone in [other.phone(3), other.phone(2), "+13125550001".to_owned()] {
        let list = json!([{ "phone_number": phone }]);
        let queued = send(&world, "addLeads", campaign, &list).await;
        let now = world.server.clock.now();
        while world.server.store.run_imports(now, 100).await.unwrap() {}
        let import = queued.body["data"]["import_id"].as_str().unwrap();
        let mut import = read(&world, &format!("/api/v2/imports/{import}")).await;
        let path = format!(
            "/api/v2/voice-campaigns/{campaign}/leads?phone_number=%2B{}",
            &phone[1..]
        );
        let mut leads = read(&world, &path).await;
        let lead = leads["data"][0].as_object_mut().unwrap();
        assert_eq!(lead["phone_number"], phone);
        for own in [
            "campaign_lead_id",
            "phone_number",
            "created_at",
            "updated_at",
        ] {
            assert!(lead.shift_remove(own).is_some(), "{own}");
        }
        let import_data = import["data"].as_object_mut().unwrap();
        import_data.retain(|name, _| !name.ends_with("_id") && !name.ends_with("_at"));
        told.push((import, leads));
    }
    assert_eq!(told[0], told[2]);
    assert_eq!(told[1], told[2]);
    assert_eq!(world.database.rows_of(other.tenant_id), theirs);
}

async fn read(world: &World, path: &str) -> Value {
    let ask = Ask::new(Method::GET, path);
    let reply = ask.send(&world.server, Some(&world.one.bearer)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

//! A server that stands still while others go on: what it had reserved is late when it wakes, and what
//! was promised by the others meanwhile binds it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::torture::http::Waiting;
use crate::torture::kinds::stops::{MOMENTS, length};
use crate::torture::nodes::scene::Scene;
use crate::torture::process::{Launch, patiently};
use crate::torture::users::Deed;
use crate::torture::wait::{met_within, pause};

/// Until the armed moment has come, on a machine that others use too.
const STOPPED_WITHIN: Duration = Duration::from_secs(120);
/// The shortest.
const SHORTEST_MS: u64 = 1_000;
/// What was held back would leave by then, if it could.
const AFTERMATH_MS: u64 = 900;

/// With users inside: those wait until it goes on.
pub(super) fn at_random(scene: &mut Scene, longest_ms: u64) -> Result<(), String> {
    let index = scene.any();
    pause(scene.dice.between(20, 900));
    scene.nodes.doors.shut(index);
    scene.nodes.members[index].server.signal("STOP");
    let still_ms = length(&mut scene.dice, longest_ms).max(SHORTEST_MS);
    let busy_until = still_ms / 2;
    pause(busy_until);
    scene.keep_busy(40);
    pause(still_ms - busy_until);
    scene.nodes.members[index].server.signal("CONT");
    pause(AFTERMATH_MS);
    scene.nodes.admit(index)
}

/// Between commit and send. While it stands still, another one answers a pause or a narrower
/// schedule, removes and opts out, and a token that is sent to the still one is disabled.
pub(super) fn before_send(scene: &mut Scene, longest_ms: u64) -> Result<(), String> {
    let index = scene.any();
    let moment = *scene.dice.pick(&MOMENTS);
    let order = format!("{moment}:stop@{}", scene.dice.between(1, 5));
    let (token_id, token) = make_token(scene);
    scene.nodes.kill(index);
    scene.nodes.launch(index, &Launch::armed(&order));
    let mut waits = 0;
    let stopped = met_within(STOPPED_WITHIN, || {
        if waits % 20 == 0 {
            scene.keep_busy(40);
        }
        waits += 1;
        scene.nodes.members[index].server.is_stopped()
    });
    if !stopped {
        scene.nodes.admit(index)?;
        return Err(format!("{order} was never reached"));
    }
    let refused = while_it_is_still(scene, index, (&token_id, &token), longest_ms);
    scene.nodes.admit(index)?;
    refused
}

fn while_it_is_still(
    scene: &mut Scene,
    index: usize,
    (token_id, token): (&str, &str),
    longest_ms: u64,
) -> Result<(), String> {
    let campaign = usize::try_from(scene.dice.between(0, 1)).unwrap();
    let (narrow, wide) = match scene.dice.between(0, 1) {
        0 => (Deed::Pause, Deed::Resume),
        _ => (Deed::Narrow, Deed::Widen),
    };
    let desk = scene.desk.clone();
    let alone = desk.alone_with(campaign);
    let answered = desk.ask_alone(&alone, campaign, narrow);
    for _ in 0..2 {
        if let Some(phone) = desk.somebody(1 - campaign, &mut scene.dice) {
            desk.ask(1 - campaign, Deed::OptOut(phone));
        }
        if let Some(phone) = desk.somebody(1 - campaign, &mut scene.dice) {
            desk.ask(1 - campaign, Deed::Remove(phone));
        }
    }
    // It is in the still server's hands, unread, when its token is disabled.
    let path = format!(
        "/api/v2/voice-campaigns/{}/resume",
        desk.campaigns[campaign]
    );
    let address = &scene.nodes.members[index].address;
    let asked = Waiting::send(address, token, "POST", &path, &json!({}));
    let disabled = desk.request(
        "PATCH",
        &format!("/api/v2/tokens/{token_id}"),
        Some(&json!({ "enabled": false })),
    );
    pause(length(&mut scene.dice, longest_ms).max(SHORTEST_MS));
    scene.nodes.members[index].server.signal("CONT");
    let status = asked.and_then(Waiting::status);
    pause(AFTERMATH_MS);
    // Others may only order something now.
    let _ = answered && desk.ask_alone(&alone, campaign, wide);
    drop(alone);
    let was_disabled = disabled.is_some_and(|(status, _)| status == 200);
    // One whose sessions the database has ended meanwhile refuses to do anything for now.
    let is_refused = matches!(status, Some(401 | 503));
    if was_disabled && !is_refused {
        return Err(format!("a disabled token was answered {status:?}"));
    }
    Ok(())
}

/// A token of its own; its id and its secret.
fn make_token(scene: &Scene) -> (String, String) {
    let body = json!({ "name": "freeze", "scopes": ["read", "write"] });
    // A server that has just lost its database may say so once.
    let made = patiently(|| {
        let made = scene.desk.request("POST", "/api/v2/tokens", Some(&body));
        made.filter(|(status, _)| *status == 201)
    });
    let made: Value = serde_json::from_str(&made.1).unwrap();
    let text = |name: &str| made["data"][name].as_str().unwrap().to_owned();
    (text("token_id"), text("token_secret"))
}

//! What a tenant that acts at random writes.

use serde_json::{Value, json};

use super::actions::Walker;

/// The secret of every line of the tenant with this word.
pub(super) fn proof(word: &str) -> String {
    format!("{word}-webhook-secret-c0ffee")
}

/// The key of the tenant's account at the vendor.
pub(super) fn api_key(word: &str) -> String {
    format!("{word}-api-key-c0ffee")
}

/// A body for the operation; none for those without one, or that are new here.
pub(super) fn body(walker: &mut Walker, operation: &str, other: &Walker) -> Option<Value> {
    let word = walker.word;
    let name = format!("{word} {}", walker.dice.below(100));
    Some(match operation {
        "createCampaign" => campaign(walker, other, &name),
        "updateCampaign" => campaign_change(walker, other, &name),
        "duplicateCampaign" => json!({ "name": name, "include_leads": walker.dice.one_in(3) }),
        "addLead" => lead(walker, &name),
        "addLeads" => (0..=walker.dice.below(4))
            .map(|_| lead(walker, &name))
            .collect(),
        "addLeadV1" => {
            let mut body = lead(walker, &name);
            body["tenant_id"] = json!(walker.id("tenant_id", other));
            body
        }
        "updateLead" => lead_change(walker, &name),
        "updateLeadV1" => {
            let change = lead_change(walker, &name);
            found_by_phone(walker, other, change)
        }
        "updateLeads" => {
            let change = lead_change(walker, &name);
            (0..=walker.dice.below(3))
                .map(|_| found_by_phone(walker, other, change.clone()))
                .collect()
        }
        "removeLeadV1" => removal(walker, other),
        "removeLeads" => (0..=walker.dice.below(3))
            .map(|_| removal(walker, other))
            .collect(),
        "placeTestCall" => json!({ "phone_number": phone(walker) }),
        "createVoiceProvider" => {
            json!({ "provider": "VAPI", "name": name, "webhook_secret": proof(word),
            "credentials": { "api_key": api_key(word) }, "max_concurrent_calls": 3 })
        }
        "updateVoiceProvider" => {
            json!({ "name": name, "max_concurrent_calls": 1 + walker.dice.below(5) })
        }
        "createPhoneNumberPool" => json!({ "name": name,
            "tenant_voice_provider_id": walker.id("tenant_voice_provider_id", other),
            "phone_numbers": [{ "phone_number_id": format!("pn_{word}") }] }),
        "updatePhoneNumberPool" => json!({ "name": name,
            "tenant_voice_provider_id": walker.id("tenant_voice_provider_id", other) }),
        "updateTenant" => json!({ "test_call_numbers": [phone(walker)] }),
        "createToken" => json!({ "name": name, "scopes": ["read"] }),
        "updateToken" => json!({ "enabled": walker.dice.one_in(2) }),
        "receiveCallback" => report(walker, other),
        _ => return None,
    })
}

fn campaign(walker: &mut Walker, other: &Walker, name: &str) -> Value {
    let word = walker.word;
    let mut body = json!({
        "name": name, "type": "OUTBOUND", "assistant_id": format!("asst_{word}"),
        "tenant_voice_provider_id": walker.id("tenant_voice_provider_id", other),
        "dialer_type": "SINGLE", "phone_number_id": format!("pn_{word}"),
        "start_date": "2026-01-05", "timezone": "America/New_York",
        "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
        "daily_start_time": "00:00", "daily_end_time": "23:59",
        "max_call_attempts": 3, "max_daily_attempts": 3, "min_gap_between_attempts": 3,
        "webhook_url": format!("https://{word}.example.com/hook"), "metadata": { word: name },
    });
    if walker.dice.one_in(3) {
        body["dialer_type"] = json!("POOL");
        body["phone_number_pool_id"] = json!(walker.id("phone_number_pool_id", other));
    }
    body
}

fn campaign_change(walker: &mut Walker, other: &Walker, name: &str) -> Value {
    match walker.dice.below(4) {
        0 => json!({ "name": name, "priority": 1 + walker.dice.below(10) }),
        1 => json!({ "tenant_voice_provider_id": walker.id("tenant_voice_provider_id", other) }),
        2 => {
            json!({ "dialer_type": "POOL", "phone_number_pool_id": walker.id("phone_number_pool_id", other) })
        }
        _ => json!({ "max_concurrent_calls": 1 + walker.dice.below(4), "metadata": { "a": name } }),
    }
}

/// A number of its own, or one that both tenants call.
fn phone(walker: &mut Walker) -> String {
    let last = walker.dice.below(40);
    let shared = walker.dice.one_in(4);
    format!("{}{last:04}", if shared { "+1312555" } else { walker.area })
}

fn lead(walker: &mut Walker, name: &str) -> Value {
    let word = walker.word;
    json!({ "phone_number": phone(walker), "first_name": name, "email": format!("{word}@example.com"),
        "custom_fields": { word: name } })
}

fn lead_change(walker: &mut Walker, name: &str) -> Value {
    match walker.dice.below(4) {
        0 => json!({ "do_not_call": walker.dice.one_in(2) }),
        1 => json!({ "mark_as_unanswered": true }),
        _ => json!({ "last_name": name, "custom_fields": { "note": name } }),
    }
}

fn found_by_phone(walker: &mut Walker, other: &Walker, mut change: Value) -> Value {
    change["phone_number"] = json!(own_or_foreign_phone(walker, other));
    change
}

fn own_or_foreign_phone(walker: &mut Walker, other: &Walker) -> String {
    if walker.dice.one_in(4) {
        return format!("{}{:04}", other.area, walker.dice.below(40));
    }
    phone(walker)
}

fn removal(walker: &mut Walker, other: &Walker) -> Value {
    let phone = own_or_foreign_phone(walker, other);
    match walker.dice.below(3) {
        0 => json!({ "campaign_lead_id": walker.id("campaign_lead_id", other) }),
        1 => {
            json!({ "campaign_lead_id": walker.id("campaign_lead_id", other), "phone_number": phone })
        }
        _ => json!({ "phone_number": phone }),
    }
}

/// A report about one of its calls, or of the other's.
fn report(walker: &mut Walker, other: &Walker) -> Value {
    let word = walker.word;
    let (own, foreign) = (walker.attempt_keys.clone(), &other.attempt_keys);
    let draw = walker.dice.below(1_000_000);
    let nobody = "att_n0b0dy".to_owned();
    let (own, foreign) = (
        walker.dice.of(&own).cloned(),
        walker.dice.of(foreign).cloned(),
    );
    let is_foreign = walker.dice.one_in(5);
    let key = if is_foreign { foreign } else { own.clone() }.unwrap_or(nobody);
    let index = walker.attempt_keys.iter().position(|known| *known == key);
    let id = index.map_or_else(
        || format!("{word}-x{draw}"),
        |index| format!("{word}-{index}"),
    );
    let ends = [
        "customer-ended-call",
        "customer-did-not-answer",
        "voicemail",
        "customer-busy",
    ];
    let reason = walker.dice.of(&ends).unwrap();
    let kind = if walker.dice.one_in(3) {
        "status-update"
    } else {
        "end-of-call-report"
    };
    json!({ "message": {
        "type": kind, "status": "in-progress", "endedReason": reason,
        "artifact": { "transcript": format!("AI: {word}") },
        "analysis": { "summary": word },
        "call": { "id": id, "name": key, "monitor": { "controlUrl": format!("https://api.vapi.ai/{word}/control") } },
    }})
}

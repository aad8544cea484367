//! The sample campaign.

use std::time::Duration;

use dialer::SystemClock;
use domain::ambient::Clock;
use serde_json::{Value, json};

use super::client::{ApiClient, text_of};
use crate::failure::{Failure, Outcome};

/// Calls at once.
pub(super) const CONCURRENCY: u32 = 12;
/// Leads of the campaign.
const LEADS: usize = 200;
/// Caller numbers of the pool.
const NUMBERS: usize = 5;
/// How often the bulk addition is asked about, and how many times.
const IMPORT_POLL: Duration = Duration::from_millis(50);
const IMPORT_POLLS: usize = 600;

const FIRST_NAMES: [&str; 20] = [
    "Ada", "Amir", "Beatriz", "Carlos", "Chidi", "Dana", "Elif", "Emma", "Felix", "Grace", "Hana",
    "Ivan", "Jonas", "Kavya", "Lucia", "Mateo", "Nora", "Omar", "Priya", "Sofia",
];
const LAST_NAMES: [&str; 10] = [
    "Almeida", "Brown", "Costa", "Diaz", "Evans", "Fischer", "Garcia", "Haddad", "Ito", "Jensen",
];

/// Makes provider, pool, campaign and leads, starts it, and answers its id.
pub(super) async fn start(client: &ApiClient) -> Outcome<String> {
    let provider = json!({
        "provider": "SANDBOX",
        "name": "Simulated phones",
        "credentials": { "api_key": "demo" },
        "max_concurrent_calls": CONCURRENCY,
        "max_calls_per_second": 1,
    });
    let provider_id = text_of(
        &client.post("/api/v2/voice-providers", &provider).await?,
        "tenant_voice_provider_id",
    )?;
    let numbers: Vec<Value> = (1..=NUMBERS)
        .map(|number| json!({ "phone_number_id": format!("pn_{number:03}") }))
        .collect();
    let pool = json!({
        "name": "Demo numbers",
        "tenant_voice_provider_id": provider_id,
        "strategy": "LEAST_RECENTLY_USED",
        "phone_numbers": numbers,
    });
    let pool_id = text_of(
        &client.post("/api/v2/phone-number-pools", &pool).await?,
        "phone_number_pool_id",
    )?;
    let campaign = client
        .post("/api/v2/voice-campaigns", &settings(&provider_id, &pool_id))
        .await?;
    let campaign_id = text_of(&campaign, "campaign_id")?;
    add_leads(client, &campaign_id).await?;
    client
        .post(
            &format!("/api/v2/voice-campaigns/{campaign_id}/start"),
            &json!({}),
        )
        .await?;
    Ok(campaign_id)
}

fn settings(provider_id: &str, pool_id: &str) -> Value {
    json!({
        "name": "Autumn check-in",
        "type": "OUTBOUND",
        "assistant_id": "asst_abc123",
        "tenant_voice_provider_id": provider_id,
        "dialer_type": "POOL",
        "phone_number_pool_id": pool_id,
        "start_date": SystemClock.now().strftime("%Y-%m-%d").to_string(),
        "timezone": "UTC",
        "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
        "windows": [{ "start_time": "00:00", "end_time": "24:00" }],
        "max_call_attempts": 3,
        "max_daily_attempts": 3,
        "min_gap_between_attempts": 5,
        "retry_gaps_minutes": [5, 15],
    })
}

async fn add_leads(client: &ApiClient, campaign_id: &str) -> Outcome {
    let leads: Vec<Value> = (0..LEADS).map(lead).collect();
    let path = format!("/api/v2/voice-campaigns/{campaign_id}/leads/bulk");
    let import_id = text_of(
        &client.post(&path, &Value::Array(leads)).await?,
        "import_id",
    )?;
    for _ in 0..IMPORT_POLLS {
        let import = client.get(&format!("/api/v2/imports/{import_id}")).await?;
        if !import["data"]["finished_at"].is_null() {
            return Ok(());
        }
        tokio::time::sleep(IMPORT_POLL).await;
    }
    Err(Failure::failed("the leads were not added in time"))
}

/// A person that does not exist, with a number kept free for fiction.
fn lead(index: usize) -> Value {
    let first = FIRST_NAMES[index % FIRST_NAMES.len()];
    let last = LAST_NAMES[index / FIRST_NAMES.len() % LAST_NAMES.len()];
    let area = [415, 212][index / 100 % 2];
    json!({
        "phone_number": format!("+1{area}5550{:03}", 100 + index % 100),
        "first_name": first,
        "last_name": last,
        "email": format!("{}.{}@example.com", first.to_lowercase(), last.to_lowercase()),
        "custom_fields": { "appointment": format!("slot {}", index + 1) },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_lead_has_a_number_of_its_own_that_is_kept_for_fiction() {
        let numbers: BTreeSet<String> = (0..LEADS)
            .map(|index| lead(index)["phone_number"].to_string())
            .collect();
        assert_eq!(numbers.len(), LEADS);
        assert!(numbers.iter().all(|number| number.contains("55501")));
    }
}

//! Reading scenarios from JSON: every fault of a document is found, and named by its key.

use serde_json::{Map, Value};

use super::{ConcurrencyRefusal, Faults, PhoneScript, Rate, Scenario, SecondsRange};
use crate::phone::{PhoneOutcome, is_e164};

/// At most this many scripted phones in one scenario.
const MAX_PHONES: usize = 1_000_000;
/// At most this many successive outcomes for one phone.
const MAX_OUTCOMES: usize = 100;
/// No duration in a scenario is longer than this.
const MAX_SECONDS: f64 = 7.0 * 86_400.0;

impl Scenario {
    pub(super) fn take_entries(
        &mut self,
        entries: &Map<String, Value>,
        problems: &mut Vec<String>,
    ) {
        let mut named = Vec::new();
        for (key, value) in entries {
            if let Some(rate) = Rate::ALL.into_iter().find(|rate| rate.key() == key) {
                named.push(rate);
                take(self.rate_mut(rate), read_rate(value), key, problems);
                continue;
            }
            match key.as_str() {
                "queue_seconds" => take(&mut self.queue_seconds, read_range(value), key, problems),
                "ring_seconds" => take(&mut self.ring_seconds, read_range(value), key, problems),
                "talk_seconds" => take(&mut self.talk_seconds, read_range(value), key, problems),
                "concurrency" => take(&mut self.concurrency, read_count(value), key, problems),
                "calls_per_second" => {
                    take(&mut self.calls_per_second, read_pace(value), key, problems);
                }
                "concurrency_refusal" => {
                    take(
                        &mut self.concurrency_refusal,
                        read_refusal(value),
                        key,
                        problems,
                    );
                }
                "phones" => self.take_phones(value, problems),
                "faults" => take_faults(&mut self.faults, value, problems),
                _ => problems.push(format!("unknown key `{key}`")),
            }
        }
        if !named.is_empty() {
            let kept = Rate::ALL.into_iter().filter(|rate| !named.contains(rate));
            self.rate_precedence = Rate::ALL
                .into_iter()
                .filter(|rate| named.contains(rate))
                .chain(kept)
                .collect();
        }
    }

    fn take_phones(&mut self, value: &Value, problems: &mut Vec<String>) {
        let Value::Object(phones) = value else {
            return problems.push("`phones` must be an object of scripts by number".to_owned());
        };
        for (number, script) in phones {
            if !is_e164(number) {
                problems.push(format!("`phones.{number}` is not a number in E.164 form"));
            } else if script.is_null() {
                self.phones.remove(number);
            } else if let Some(script) = read_script(number, script, problems) {
                self.phones.insert(number.clone(), script);
            }
        }
        if self.phones.len() > MAX_PHONES {
            problems.push(format!("`phones` holds more than {MAX_PHONES} numbers"));
        }
    }
}

impl Faults {
    fn rate(&mut self, key: &str) -> Option<&mut f64> {
        Some(match key {
            "create_timeout" => &mut self.create_timeout,
            "create_timeout_after_accept" => &mut self.create_timeout_after_accept,
            "create_500" => &mut self.create_500,
            "create_500_after_accept" => &mut self.create_500_after_accept,
            "create_429" => &mut self.create_429,
            "create_garbage" => &mut self.create_garbage,
            "webhook_loss" => &mut self.webhook_loss,
            "webhook_duplicate" => &mut self.webhook_duplicate,
            "webhook_reorder" => &mut self.webhook_reorder,
            "webhook_before_response" => &mut self.webhook_before_response,
            "get_500" => &mut self.get_500,
            "down" => &mut self.down,
            _ => return None,
        })
    }

    fn seconds(&mut self, key: &str) -> Option<&mut SecondsRange> {
        Some(match key {
            "create_delay_seconds" => &mut self.create_delay_seconds,
            "webhook_delay_seconds" => &mut self.webhook_delay_seconds,
            "list_lag_seconds" => &mut self.list_lag_seconds,
            _ => return None,
        })
    }
}

/// Puts a value that was read into its place, or says what was wrong with it.
fn take<T>(place: &mut T, read: Result<T, String>, key: &str, problems: &mut Vec<String>) {
    match read {
        Ok(value) => *place = value,
        Err(wanted) => problems.push(format!("`{key}` must be {wanted}")),
    }
}

fn take_faults(faults: &mut Faults, value: &Value, problems: &mut Vec<String>) {
    let Value::Object(entries) = value else {
        return problems.push("`faults` must be an object".to_owned());
    };
    for (key, value) in entries {
        let name = format!("faults.{key}");
        if let Some(rate) = faults.rate(key) {
            take(rate, read_rate(value), &name, problems);
        } else if let Some(range) = faults.seconds(key) {
            take(range, read_range(value), &name, problems);
        } else {
            problems.push(format!("unknown key `{name}`"));
        }
    }
}

fn read_rate(value: &Value) -> Result<f64, String> {
    let rate = match value {
        Value::Bool(on) => Some(f64::from(u8::from(*on))),
        other => other.as_f64(),
    };
    rate.filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or_else(|| "a rate from 0 to 1".to_owned())
}

fn read_range(value: &Value) -> Result<SecondsRange, String> {
    let range = match value {
        Value::Array(ends) if ends.len() == 2 => ends[0]
            .as_f64()
            .zip(ends[1].as_f64())
            .map(|(low, high)| SecondsRange { low, high }),
        other => other.as_f64().map(SecondsRange::fixed),
    };
    range
        .filter(|range| 0.0 <= range.low && range.low <= range.high && range.high <= MAX_SECONDS)
        .ok_or_else(|| format!("seconds, or [shortest, longest], from 0 to {MAX_SECONDS}"))
}

fn read_count(value: &Value) -> Result<u32, String> {
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    count
        .filter(|&count| count <= 1_000_000)
        .ok_or_else(|| "a whole number from 0 to 1000000".to_owned())
}

fn read_pace(value: &Value) -> Result<f64, String> {
    let pace = value
        .as_f64()
        .filter(|pace| (0.001..=1_000_000.0).contains(pace));
    pace.ok_or_else(|| "a number from 0.001 to 1000000".to_owned())
}

fn read_refusal(value: &Value) -> Result<ConcurrencyRefusal, String> {
    match (value.as_str(), value.as_u64()) {
        (Some("400"), _) | (_, Some(400)) => Ok(ConcurrencyRefusal::BadRequest),
        (Some("429"), _) | (_, Some(429)) => Ok(ConcurrencyRefusal::TooManyRequests),
        (Some("blocked"), _) => Ok(ConcurrencyRefusal::Blocked),
        _ => Err("\"400\", \"429\" or \"blocked\"".to_owned()),
    }
}

fn read_script(number: &str, value: &Value, problems: &mut Vec<String>) -> Option<PhoneScript> {
    let Value::Object(entries) = value else {
        problems.push(format!("`phones.{number}` must be an object or null"));
        return None;
    };
    let before = problems.len();
    let mut script = PhoneScript::default();
    for (key, value) in entries {
        let name = format!("phones.{number}.{key}");
        match key.as_str() {
            "outcome" => {
                take(
                    &mut script.outcomes,
                    read_outcome(value).map(|one| vec![one]),
                    &name,
                    problems,
                );
            }
            "ended_reason" => {
                let outcome = read_outcome(&serde_json::json!({ "ended_reason": value }));
                take(
                    &mut script.outcomes,
                    outcome.map(|one| vec![one]),
                    &name,
                    problems,
                );
            }
            "outcomes" => take(&mut script.outcomes, read_outcomes(value), &name, problems),
            "ring_seconds" => {
                take(
                    &mut script.ring_seconds,
                    read_range(value).map(Some),
                    &name,
                    problems,
                );
            }
            "talk_seconds" => {
                take(
                    &mut script.talk_seconds,
                    read_range(value).map(Some),
                    &name,
                    problems,
                );
            }
            _ => problems.push(format!("unknown key `{name}`")),
        }
    }
    (problems.len() == before).then_some(script)
}

fn read_outcomes(value: &Value) -> Result<Vec<PhoneOutcome>, String> {
    match value {
        Value::Array(list) if (1..=MAX_OUTCOMES).contains(&list.len()) => {
            list.iter().map(read_outcome).collect()
        }
        _ => Err(format!("a list of 1 to {MAX_OUTCOMES} outcomes")),
    }
}

fn read_outcome(value: &Value) -> Result<PhoneOutcome, String> {
    let wanted = || {
        format!(
            "one of {} or {{\"ended_reason\":\"…\"}}",
            PhoneOutcome::names().join(", ")
        )
    };
    match value {
        Value::String(name) => PhoneOutcome::named(name).ok_or_else(wanted),
        Value::Object(entries) if entries.len() == 1 => match entries.get("ended_reason") {
            Some(Value::String(reason)) if (1..=200).contains(&reason.len()) => {
                Ok(PhoneOutcome::EndedReason(reason.clone()))
            }
            _ => Err(wanted()),
        },
        _ => Err(wanted()),
    }
}

//! What belongs to one API key: its limits and its saved objects.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    dice::{Dice, uuid_text},
    time,
};

/// At most this many saved objects of one kind in one account.
const MAX_RESOURCES: usize = 1_000;
/// The creation time of what every account has.
const BUILT_IN_CREATED_AT: &str = "2024-01-01T00:00:00.000Z";

/// A kind of saved object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    Assistant,
    PhoneNumber,
    Squad,
    Workflow,
}

/// One API key's side of the vendor.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) org_id: Arc<str>,
    /// Calls accepted and not ended.
    pub(crate) live_calls: u32,
    /// The calls in order of creation, by their number in the world's book.
    pub(crate) calls: VecDeque<u64>,
    /// Requests of this account that randomness was drawn for.
    pub(crate) draws: u64,
    bucket: Bucket,
    assistants: Vec<Map<String, Value>>,
    phone_numbers: Vec<Map<String, Value>>,
    squads: Vec<Map<String, Value>>,
    workflows: Vec<Map<String, Value>>,
    created_resources: u64,
}

impl Account {
    pub(crate) fn new(seed: u64, key: &str) -> Self {
        let org_id: Arc<str> = Arc::from(uuid_text(Dice::new(seed, "org", key, 0).uuid()));
        let base = |id: &str, name: &str| {
            json!({
                "id": id, "orgId": &*org_id, "name": name,
                "createdAt": BUILT_IN_CREATED_AT, "updatedAt": BUILT_IN_CREATED_AT
            })
        };
        let assistants = [
            ("asst_abc123", "Sales assistant"),
            ("asst_xyz456", "Support assistant"),
        ];
        let mut numbers = vec![
            ("pn_abc123".to_owned(), "+14155559001".to_owned()),
            ("pn_xyz456".to_owned(), "+14155559002".to_owned()),
        ];
        numbers.extend((1..=20).map(|n| (format!("pn_{n:03}"), format!("+14155559{}", 100 + n))));
        let number = |(id, number): &(String, String)| {
            let mut object = base(id, &format!("Line {number}"));
            object["provider"] = json!("vapi");
            object["number"] = json!(number);
            object["status"] = json!("active");
            into_map(object)
        };
        let assistant = |(id, name): &(&str, &str)| {
            let mut object = base(id, name);
            object["model"] = json!({"provider": "openai", "model": "gpt-4o"});
            object["firstMessage"] = json!("Hello, this is a call from the sandbox.");
            into_map(object)
        };
        let mut squad = base("sq_abc123", "Sales squad");
        squad["members"] = json!([{"assistantId": "asst_abc123"}, {"assistantId": "asst_xyz456"}]);
        let mut workflow = base("wf_abc123", "Sales workflow");
        workflow["nodes"] = json!([]);
        workflow["edges"] = json!([]);
        Self {
            live_calls: 0,
            calls: VecDeque::new(),
            draws: 0,
            bucket: Bucket::default(),
            assistants: assistants.iter().map(assistant).collect(),
            phone_numbers: numbers.iter().map(number).collect(),
            squads: vec![into_map(squad)],
            workflows: vec![into_map(workflow)],
            created_resources: 0,
            org_id,
        }
    }

    /// Counts a draw and returns its index.
    pub(crate) fn next_draw(&mut self) -> u64 {
        self.draws += 1;
        self.draws - 1
    }

    /// Takes one create request out of the pace limit; false when there is none left.
    pub(crate) fn take_create(&mut self, now: Timestamp, per_second: f64) -> bool {
        self.bucket.take(now, per_second)
    }

    pub(crate) fn resources(&self, kind: ResourceKind) -> &[Map<String, Value>] {
        match kind {
            ResourceKind::Assistant => &self.assistants,
            ResourceKind::PhoneNumber => &self.phone_numbers,
            ResourceKind::Squad => &self.squads,
            ResourceKind::Workflow => &self.workflows,
        }
    }

    fn resources_mut(&mut self, kind: ResourceKind) -> &mut Vec<Map<String, Value>> {
        match kind {
            ResourceKind::Assistant => &mut self.assistants,
            ResourceKind::PhoneNumber => &mut self.phone_numbers,
            ResourceKind::Squad => &mut self.squads,
            ResourceKind::Workflow => &mut self.workflows,
        }
    }

    pub(crate) fn find(&self, kind: ResourceKind, id: &str) -> Option<&Map<String, Value>> {
        self.resources(kind)
            .iter()
            .find(|object| object.get("id").is_some_and(|own| own == id))
    }

    /// Saves a new object and returns it with its id and times; `None` when the account is full.
    pub(crate) fn add(
        &mut self,
        seed: u64,
        now: Timestamp,
        kind: ResourceKind,
        fields: Map<String, Value>,
    ) -> Option<Map<String, Value>> {
        if self.resources(kind).len() >= MAX_RESOURCES {
            return None;
        }
        let mut dice = Dice::new(seed, "resource", &self.org_id, self.created_resources);
        self.created_resources += 1;
        let created_at = time::with_milliseconds(time::to_millisecond(now));
        let mut object = into_map(json!({"id": uuid_text(dice.uuid()), "orgId": &*self.org_id}));
        if kind == ResourceKind::PhoneNumber {
            let line = dice.index(10_000_000);
            object.insert("number".to_owned(), json!(format!("+1628{line:07}")));
            object.insert("status".to_owned(), json!("active"));
        }
        object.extend(fields);
        object.insert("createdAt".to_owned(), json!(created_at));
        object.insert("updatedAt".to_owned(), json!(created_at));
        self.resources_mut(kind).push(object.clone());
        Some(object)
    }

    /// Changes fields of a saved object (`null` removes one) and returns it.
    pub(crate) fn change(
        &mut self,
        now: Timestamp,
        kind: ResourceKind,
        id: &str,
        fields: Map<String, Value>,
    ) -> Option<Map<String, Value>> {
        let updated_at = time::with_milliseconds(time::to_millisecond(now));
        let list = self.resources_mut(kind);
        let object = list
            .iter_mut()
            .find(|object| object.get("id").is_some_and(|own| own == id))?;
        for (key, value) in fields {
            if value.is_null() {
                object.remove(&key);
            } else {
                object.insert(key, value);
            }
        }
        object.insert("updatedAt".to_owned(), json!(updated_at));
        Some(object.clone())
    }

    /// Removes a saved object and returns it.
    pub(crate) fn remove(&mut self, kind: ResourceKind, id: &str) -> Option<Map<String, Value>> {
        let list = self.resources_mut(kind);
        let at = list
            .iter()
            .position(|object| object.get("id").is_some_and(|own| own == id))?;
        Some(list.remove(at))
    }
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A token bucket: so many requests in a second, and as many in a burst.
#[derive(Debug, Default)]
struct Bucket {
    tokens: f64,
    filled_at: Option<Timestamp>,
}

impl Bucket {
    fn take(&mut self, now: Timestamp, per_second: f64) -> bool {
        let capacity = per_second.max(1.0);
        let waited = self.filled_at.map(|at| time::elapsed(at, now));
        self.tokens = waited.map_or(capacity, |waited: Duration| {
            (self.tokens + waited.as_secs_f64() * per_second).min(capacity)
        });
        self.filled_at = Some(now);
        // A request that comes exactly on its beat must not fail over the last digit of a sum.
        let is_allowed = self.tokens >= 1.0 - 1e-6;
        if is_allowed {
            self.tokens = (self.tokens - 1.0).max(0.0);
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_allows_its_pace_and_one_burst() {
        let mut bucket = Bucket::default();
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!((0..20).filter(|_| bucket.take(start, 5.0)).count(), 5);
        let beats = (1..=50).map(|n| time::later(start, Duration::from_millis(200 * n)));
        assert!(beats.into_iter().all(|beat| bucket.take(beat, 5.0)));
        assert!(!bucket.take(time::later(start, Duration::from_secs(10)), 5.0));
    }
}

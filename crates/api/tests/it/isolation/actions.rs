//! One tenant that acts at random.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::TenantId;
use domain::ambient::Clock;
use http::Method;
use serde_json::{Value, json};
use store::Store;

use super::bodies;
use super::dice::Dice;
use super::leaks::{Canaries, kind_of};
use super::world::{Ask, account};
use crate::contract::{Document, Operation};
use crate::support::{Reply, Server, global};

/// Nobody has ids up to here: those of objects begin with the time.
const NOBODY: i64 = 1_000;
/// Not walked: pages for people, which are large and know no tenant.
const SKIPPED: &[&str] = &["openapi", "docs", "metrics", "receiveAttemptCallback"];
/// How often an operation is chosen, where not twice.
const WEIGHTS: &[(&str, usize)] = &[
    ("addLead", 14),
    ("createCampaign", 6),
    ("startCampaign", 8),
    ("receiveCallback", 12),
    ("resumeCampaign", 4),
    ("createVoiceProvider", 3),
    ("createPhoneNumberPool", 3),
    ("stopCampaign", 1),
    ("archiveCampaign", 1),
    ("deleteCampaign", 1),
    ("deleteVoiceProvider", 1),
    ("livez", 1),
    ("readyz", 1),
];
/// Parameters that name objects, by the type of their ids.
const TYPES: &[(&str, &str)] = &[
    ("tenant_id", "Tenant"),
    ("tenant_voice_provider_id", "TenantVoiceProvider"),
    ("campaign_id", "VoiceCampaign"),
    ("campaign_lead_id", "VoiceCampaignLead"),
    ("phone_number_pool_id", "VoicePhoneNumberPool"),
    ("call_id", "VoiceCall"),
    ("import_id", "LeadImport"),
    ("token_id", "ApiToken"),
];

/// A tenant that acts.
pub(super) struct Walker {
    pub(super) word: &'static str,
    pub(super) area: &'static str,
    pub(super) tenant_id: TenantId,
    pub(super) dice: Dice,
    /// Keys of its calls, in the order in which they were reserved.
    pub(super) attempt_keys: Vec<String>,
    /// Every answer, with its ids by the order in which they were first seen.
    pub(super) answers: Vec<String>,
    pub(super) successes: usize,
    bearer: String,
    own_token: String,
    /// Global ids it learned, by type.
    known: BTreeMap<String, Vec<String>>,
    /// Leads with their campaigns.
    leads: Vec<(String, String)>,
    line_keys: Vec<String>,
    cursors: Vec<String>,
    canaries: Canaries,
    /// Ids of the other that were sent in this step.
    sent: Vec<String>,
}

impl Walker {
    pub(super) async fn new(
        server: &Server,
        word: &'static str,
        area: &'static str,
        seed: u64,
    ) -> Self {
        let tenant = server
            .store
            .ensure_tenant(word, server.clock.now())
            .await
            .unwrap();
        let tenant_id = tenant.tenant_id;
        let account = account(word, area);
        server.vendor.set_account(&bodies::api_key(word), account);
        let token = server
            .token_of(tenant_id, word, &["read", "write", "admin"])
            .await;
        let mut walker = Self {
            word,
            area,
            tenant_id,
            dice: Dice::new(seed),
            attempt_keys: Vec::new(),
            answers: Vec::new(),
            successes: 0,
            bearer: format!("Bearer {token}"),
            own_token: String::new(),
            known: BTreeMap::new(),
            leads: Vec::new(),
            line_keys: Vec::new(),
            cursors: Vec::new(),
            canaries: Canaries::default(),
            sent: Vec::new(),
        };
        walker.canaries.anywhere = vec![word.to_owned(), area.to_owned(), token];
        let ask = Ask::new(Method::GET, "/api/v2/tenant");
        let reply = ask.send(server, Some(&walker.bearer)).await;
        let token_id = reply.body["data"]["token_id"].as_str().unwrap();
        token_id.clone_into(&mut walker.own_token);
        walker.learn(&reply.body);
        walker
    }

    /// One request, and what must hold of its answer.
    pub(super) async fn step(&mut self, server: &Server, other: &Self) {
        let operation = self.operation();
        self.sent.clear();
        let (ask, comparable) = self.ask(operation, other);
        let bearer = operation.secured.then(|| self.bearer.clone());
        let reply = ask.send(server, bearer.as_deref()).await;
        assert_eq!(
            other.told(&reply.bytes, &ask.text()),
            None,
            "{} is told: {} {}",
            self.word,
            ask.text(),
            reply.body
        );
        self.successes += usize::from(reply.status.is_success());
        // What is learned decides how the walk goes on, so that it must not depend on the other.
        let answer = if comparable {
            self.learn(&reply.body);
            if reply.body.is_null() {
                let table = String::from_utf8_lossy(&reply.bytes).into_owned();
                let cells = table.split([',', '\r', '\n']);
                cells.for_each(|cell| self.learn_id(cell));
            }
            format!("{} {}", operation.id, self.plain(&reply))
        } else {
            operation.id.clone()
        };
        self.answers.push(answer);
    }

    /// The first thing of this tenant in what another is told.
    pub(super) fn told(&self, answer: &[u8], asked: &str) -> Option<String> {
        self.canaries.found_in(answer, asked)
    }

    fn operation(&mut self) -> &'static Operation {
        let operations = &Document::get().operations;
        let weighted = operations.iter().flat_map(|operation| {
            let weight = WEIGHTS.iter().find(|(id, _)| *id == operation.id);
            let weight = weight.map_or(2, |(_, weight)| *weight);
            let times = if SKIPPED.contains(&operation.id.as_str()) {
                0
            } else {
                weight
            };
            std::iter::repeat_n(operation, times)
        });
        let weighted: Vec<_> = weighted.collect();
        self.dice.of(&weighted).unwrap()
    }

    /// A request, and whether its answer does not depend on what the other has.
    fn ask(&mut self, operation: &Operation, other: &Self) -> (Ask, bool) {
        let mut comparable = true;
        let path = self.path(operation, other);
        let mut ask = Ask::new(operation.method.clone(), path);
        if let Some(body) = bodies::body(self, &operation.id, other) {
            ask = ask.json(&body);
        }
        if operation.id == "receiveCallback" {
            return (ask.header("x-vapi-secret", &bodies::proof(self.word)), true);
        }
        if operation.takes("Idempotency-Key") && self.dice.one_in(5) {
            let key = format!("key-{}", self.dice.below(8));
            ask = ask.header("idempotency-key", &key);
        }
        if operation.takes("If-Match") && self.dice.one_in(4) {
            ask = ask.header("if-match", &format!("\"{}\"", self.dice.below(4)));
        }
        let mut query = Vec::new();
        for name in operation.names_in("query") {
            if !self.dice.one_in(5) {
                continue;
            }
            if name == "cursor" && self.dice.one_in(2) {
                // Where it leads among one's own objects depends on the other's: a number is a
                // number, and only what is shown must be one's own.
                query.extend(
                    self.dice
                        .of(&other.cursors)
                        .map(|cursor| format!("cursor={cursor}")),
                );
                comparable = false;
                continue;
            }
            query.extend(
                self.parameter(name, other)
                    .map(|value| format!("{name}={value}")),
            );
        }
        if !query.is_empty() {
            ask.path = format!("{}?{}", ask.path, query.join("&"));
        }
        (ask, comparable)
    }

    fn parameter(&mut self, name: &str, other: &Self) -> Option<String> {
        let word = |words: &[&str], dice: &mut Dice| dice.of(words).map(ToString::to_string);
        let dice = &mut self.dice;
        match name {
            "limit" => Some(format!("{}", 1 + dice.below(5))),
            "cursor" => dice.of(&self.cursors).cloned(),
            "name" | "q" => word(&[self.word, other.word, "lead"], dice),
            "phone_number" => {
                let last = dice.below(40);
                let area = if dice.one_in(2) {
                    self.area
                } else {
                    other.area
                };
                Some(format!("%2B{}{last:04}", &area[1..]))
            }
            "status" => word(&["RUNNING", "DRAFT", "READY", "ANSWERED"], dice),
            "type" => word(&["OUTBOUND", "INBOUND"], dice),
            "state" => word(&["ENDED", "DISPATCHING"], dice),
            "outcome" => word(&["ANSWERED", "NO_ANSWER"], dice),
            "on_duplicate" => word(&["skip", "update"], dice),
            "skip_provider_check" | "hang_up" => word(&["true", "false"], dice),
            "from" | "to" => word(&["2026-01-05T18:00:00Z", "2026-01-06T00:00:00Z"], dice),
            _ => None,
        }
    }

    fn path(&mut self, operation: &Operation, other: &Self) -> String {
        let mut path = operation.path.clone();
        let lead = self.dice.of(&self.leads).cloned();
        let takes_lead = operation.takes("campaign_lead_id");
        for name in operation.names_in("path") {
            let id = match (name, &lead) {
                ("provider", _) => "vapi".to_owned(),
                ("line_key", _) => {
                    let keys = self.line_keys.clone();
                    self.dice
                        .of(&keys)
                        .cloned()
                        .unwrap_or_else(|| "none".to_owned())
                }
                // Mostly a lead in its own campaign.
                ("campaign_id", Some((campaign, _))) if takes_lead && !self.dice.one_in(6) => {
                    campaign.clone()
                }
                ("campaign_lead_id", Some((_, lead))) if !self.dice.one_in(6) => lead.clone(),
                _ => self.id(name, other),
            };
            path = path.replace(&format!("{{{name}}}"), &id);
        }
        path
    }

    /// An id for a parameter or field: mostly its own, else the other's, or one that nobody has.
    pub(super) fn id(&mut self, name: &str, other: &Self) -> String {
        let of_type = TYPES.iter().find(|(known, _)| *known == name);
        let (_, of_type) = of_type.unwrap_or(&("", "VoiceCampaign"));
        let (draw, nobody) = (self.dice.below(10), self.dice.below(50));
        let nobody = global(of_type, NOBODY - i64::try_from(nobody).unwrap());
        let none = Vec::new();
        let own = self.known.get(*of_type).unwrap_or(&none).clone();
        let own = self.dice.of(&own).cloned();
        // Drawn whether or not the other has any, so that the walk alone is the same.
        let foreign = other.known.get(*of_type).unwrap_or(&none);
        let foreign = self.dice.of(foreign).cloned();
        match draw {
            0..=6 => own.unwrap_or(nobody),
            7 | 8 => {
                let id = foreign.unwrap_or(nobody);
                self.sent.push(id.clone());
                id
            }
            _ => nobody,
        }
    }

    /// Keeps every id, key and cursor of an answer.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                if let (Some(Value::String(lead)), Some(Value::String(campaign))) =
                    (map.get("campaign_lead_id"), map.get("campaign_id"))
                    && !self.leads.iter().any(|(_, known)| known == lead)
                {
                    self.leads.push((campaign.clone(), lead.clone()));
                }
                for (name, item) in map {
                    match item {
                        Value::String(text) if name.ends_with("_id") => self.learn_id(text),
                        Value::String(text) if name == "next_cursor" => {
                            self.cursors.push(text.clone());
                        }
                        Value::String(text) if name == "callback_url" => {
                            let key = text.split('/').nth(5).unwrap().to_owned();
                            if !self.line_keys.contains(&key) {
                                self.canaries.anywhere.push(key.clone());
                                self.line_keys.push(key);
                            }
                        }
                        item => self.learn(item),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }

    fn learn_id(&mut self, text: &str) {
        let Some((kind, number)) = kind_of(text) else {
            return;
        };
        // Its own token must go on working; ids that it made up or was given are not its own.
        if number <= NOBODY || text == self.own_token || self.sent.iter().any(|id| id == text) {
            return;
        }
        if self.canaries.ids.insert(text.to_owned()) {
            self.known.entry(kind).or_default().push(text.to_owned());
        }
    }

    /// The answer with every id by its place among those of its type, and without keys.
    fn plain(&self, reply: &Reply) -> String {
        let etag = reply.header("etag");
        let replayed = reply.header("idempotent-replayed");
        let body = if reply.body.is_null() {
            let text = String::from_utf8_lossy(&reply.bytes).into_owned();
            let lines = text.lines().map(|line| {
                let cells = line.split(',').map(|cell| self.plain_text("", cell));
                cells.collect::<Vec<_>>().join(",")
            });
            lines.collect::<Vec<_>>().join("\n")
        } else {
            self.plain_value("", &reply.body).to_string()
        };
        format!("{} {etag} {replayed} {body}", reply.status)
    }

    fn plain_value(&self, name: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.plain_text(name, text)),
            Value::Array(items) => items
                .iter()
                .map(|item| self.plain_value(name, item))
                .collect(),
            Value::Object(map) => {
                let fields = map.iter();
                fields
                    .map(|(name, item)| (name.clone(), self.plain_value(name, item)))
                    .collect()
            }
            other => other.clone(),
        }
    }

    fn plain_text(&self, name: &str, text: &str) -> String {
        if ["token_secret", "masked", "callback_url"].contains(&name) {
            return "…".to_owned();
        }
        // Some look like a global id.
        if name == "next_cursor" {
            let plain = URL_SAFE_NO_PAD.decode(text).unwrap();
            let plain = String::from_utf8(plain).unwrap();
            return plain.split(':').next().unwrap().to_owned();
        }
        if let Some((kind, number)) = kind_of(text) {
            let known = self.known.get(&kind).into_iter().flatten();
            let place = known.clone().position(|id| id == text);
            return match place {
                Some(place) => format!("{kind}#{place}"),
                None if text == self.own_token => "own token".to_owned(),
                None if number <= NOBODY || self.sent.iter().any(|id| id == text) => {
                    format!("{kind} of somebody")
                }
                None => panic!("{text} ({kind}:{number}) is not of {}", self.word),
            };
        }
        text.to_owned()
    }
}

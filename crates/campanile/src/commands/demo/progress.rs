//! Watching the campaign through the API.

use std::collections::HashMap;
use std::time::Duration;

use dialer::SystemClock;
use domain::ambient::Clock;
use jiff::Timestamp;
use serde_json::Value;

use super::client::ApiClient;
use super::view::View;
use crate::failure::Outcome;

/// Calls of one page; the whole list is read again each time, it is short.
const PAGE: usize = 200;
/// Calls that are shown.
const SHOWN_CALLS: usize = 8;
/// What the pace is measured over.
const PACE_SECONDS: f64 = 15.0;

/// What there is to see at one moment.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Status of the campaign, with its reason.
    pub(super) status: String,
    /// Leads by state, in the order of the API.
    pub(super) leads: Vec<(String, u64)>,
    /// Calls that are over.
    pub(super) ended: usize,
    /// Calls that are up.
    pub(super) live: usize,
    /// Calls ended in a minute of real time, lately.
    pub(super) per_minute: f64,
    /// The newest calls.
    pub(super) calls: Vec<Call>,
    /// Real seconds since the campaign was started.
    pub(super) elapsed_seconds: f64,
}

/// A call to show.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) phone: String,
    pub(super) attempt: u64,
    pub(super) state: String,
    pub(super) outcome: String,
}

/// Shows the campaign again and again; returns when it is done, if that is wanted.
pub(super) async fn watch(
    client: &ApiClient,
    campaign_id: &str,
    until_done: bool,
    view: &mut View,
) -> Outcome {
    let mut watcher = Watcher::new(client, campaign_id);
    loop {
        let progress = watcher.look().await?;
        let is_done = progress.status.starts_with("COMPLETED");
        view.show(&progress);
        if is_done && until_done {
            return Ok(());
        }
        tokio::time::sleep(view.period()).await;
    }
}

struct Watcher<'a> {
    client: &'a ApiClient,
    campaign_id: &'a str,
    started_at: Timestamp,
    /// How many calls had ended when.
    history: Vec<(f64, usize)>,
    names: HashMap<String, String>,
}

impl<'a> Watcher<'a> {
    fn new(client: &'a ApiClient, campaign_id: &'a str) -> Self {
        Self {
            client,
            campaign_id,
            started_at: SystemClock.now(),
            history: Vec::new(),
            names: HashMap::new(),
        }
    }

    async fn look(&mut self) -> Outcome<Progress> {
        let path = format!("/api/v2/voice-campaigns/{}", self.campaign_id);
        let campaign = self.client.get(&path).await?;
        let calls = self.calls().await?;
        let campaign = &campaign["data"];
        let (ended, live): (Vec<_>, Vec<_>) = calls
            .iter()
            .partition(|call| text(call, "state") == "ENDED");
        let live = live
            .iter()
            .filter(|call| is_live(&text(call, "state")))
            .count();
        let elapsed_seconds = SystemClock
            .now()
            .duration_since(self.started_at)
            .as_secs_f64();
        let mut shown = Vec::new();
        for call in calls.iter().take(SHOWN_CALLS) {
            shown.push(self.shown(call).await?);
        }
        Ok(Progress {
            status: status(campaign),
            leads: leads(campaign),
            ended: ended.len(),
            live,
            per_minute: self.pace(elapsed_seconds, ended.len()),
            calls: shown,
            elapsed_seconds,
        })
    }

    /// Every call of the campaign, newest first.
    async fn calls(&self) -> Outcome<Vec<Value>> {
        let (mut calls, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!(
                "/api/v2/voice-campaigns/{}/calls?limit={PAGE}{cursor}",
                self.campaign_id
            );
            let mut page = self.client.get(&path).await?;
            if let Some(items) = page["data"].as_array_mut() {
                calls.append(items);
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(calls),
            }
        }
    }

    async fn shown(&mut self, call: &Value) -> Outcome<Call> {
        let lead_id = text(call, "campaign_lead_id");
        if !self.names.contains_key(&lead_id) {
            let path = format!(
                "/api/v2/voice-campaigns/{}/leads/{lead_id}",
                self.campaign_id
            );
            let lead = self.client.get(&path).await?;
            let name = format!(
                "{} {}",
                text(&lead["data"], "first_name"),
                text(&lead["data"], "last_name")
            );
            self.names.insert(lead_id.clone(), name);
        }
        Ok(Call {
            name: self.names.get(&lead_id).cloned().unwrap_or_default(),
            phone: text(call, "phone_number"),
            attempt: call["attempt"].as_u64().unwrap_or(0),
            state: text(call, "state"),
            outcome: text(call, "outcome"),
        })
    }

    fn pace(&mut self, now: f64, ended: usize) -> f64 {
        self.history.push((now, ended));
        self.history.retain(|(at, _)| now - at <= PACE_SECONDS);
        let Some((from, before)) = self.history.first() else {
            return 0.0;
        };
        let more = u32::try_from(ended.saturating_sub(*before)).unwrap_or(u32::MAX);
        if now - from < 0.5 {
            0.0
        } else {
            f64::from(more) * 60.0 / (now - from)
        }
    }
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

fn is_live(state: &str) -> bool {
    matches!(
        state,
        "DISPATCHING" | "PLACED" | "RINGING" | "IN_PROGRESS" | "UNKNOWN"
    )
}

fn status(campaign: &Value) -> String {
    match campaign["status_reason"].as_str() {
        Some(reason) => format!("{}, {reason}", text(campaign, "campaign_status")),
        None => text(campaign, "campaign_status"),
    }
}

fn leads(campaign: &Value) -> Vec<(String, u64)> {
    let counts = campaign["leads"].as_object().into_iter().flatten();
    counts
        .map(|(state, count)| (state.clone(), count.as_u64().unwrap_or(0)))
        .collect()
}

/// How long to wait between two looks.
pub(super) const fn period(is_terminal: bool) -> Duration {
    if is_terminal {
        Duration::from_secs(1)
    } else {
        Duration::from_secs(2)
    }
}

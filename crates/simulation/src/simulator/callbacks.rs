//! The way of a callback through the API, without HTTP.

use domain::ambient::Clock;
use jiff::Timestamp;
use providers::CallStatus;
use store::Store;

use super::{Presence, Simulator};

impl Simulator {
    pub(super) async fn deliver(&mut self, now: Timestamp) {
        let due = self.world().due_callbacks(now);
        for callback in due {
            let status = if self.presence == Presence::Down {
                None
            } else {
                self.note("callback");
                match self.ingest(&callback).await {
                    Some(()) => continue,
                    None => Some(503),
                }
            };
            self.note("callback_refused");
            self.world().callback_failed(now, &callback, status);
        }
    }

    async fn ingest(&mut self, callback: &sandbox::Callback) -> Option<()> {
        let url = &callback.target.url;
        let line_key = url.split("/hooks/sandbox/").nth(1)?.split('/').next()?;
        let line = self.process.store.line_by_key(line_key).await.ok()??;
        let adapter = providers::ProviderKind::Sandbox.adapter();
        let mut headers = http::HeaderMap::new();
        for (name, value) in &callback.target.headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).ok()?;
            headers.insert(name, http::HeaderValue::from_str(value).ok()?);
        }
        let raw = providers::RawCallback {
            headers: &headers,
            body: &callback.body,
        };
        let verified = adapter.verify_callback(raw, "whsec").ok()?;
        let events = adapter.read_callback(&verified).ok()?;
        let ended = |event: &providers::CallEvent| matches!(&event.status, CallStatus::Ended(end) if end.outcome.is_some());
        let heard: Vec<_> = events
            .iter()
            .filter(|event| ended(event))
            .filter_map(|event| event.attempt_key.clone())
            .collect();
        let facts: Vec<_> = events
            .into_iter()
            .flat_map(|event| lines::echo_facts(line.line_id, event))
            .collect();
        let now = self.clock.now();
        self.process.store.apply_facts(now, facts).await.ok()?;
        self.history.heard.extend(heard);
        Some(())
    }
}

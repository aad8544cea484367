//! The network of the simulation: requests go straight into the world.
//!
//! An exchange is over at once here; how long it would have taken is kept, and the simulator lets
//! its consequences wait for that long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::header::DATE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use providers::{ProviderAnswer, ProviderRequest, SendGuard, Transport, TransportError};
use rand::Rng;
use rand::rngs::SmallRng;
use sandbox::{Outcome, Request, World};

use crate::ambient::VirtualClock;

/// Carries requests into the world.
pub(crate) struct SimulatedTransport {
    world: Arc<Mutex<World>>,
    clock: Arc<VirtualClock>,
    state: Mutex<State>,
}

struct State {
    last_took: Duration,
    rng: SmallRng,
    stale_reads: f64,
    /// The first answer to each read, for reads that show the past.
    first_reads: BTreeMap<String, ProviderAnswer>,
    stale: u64,
    /// Connections are refused.
    unreachable: bool,
}

impl SimulatedTransport {
    pub(crate) fn new(
        world: Arc<Mutex<World>>,
        clock: Arc<VirtualClock>,
        rng: SmallRng,
        stale_reads: f64,
    ) -> Self {
        let state = State {
            last_took: Duration::ZERO,
            rng,
            stale_reads,
            first_reads: BTreeMap::new(),
            stale: 0,
            unreachable: false,
        };
        Self {
            world,
            clock,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the last exchange would have taken.
    pub(crate) fn last_took(&self) -> Duration {
        self.state().last_took
    }

    /// How many reads showed the past.
    pub(crate) fn stale_reads(&self) -> u64 {
        self.state().stale
    }

    /// From now on, reads show the present.
    pub(crate) fn read_truly(&self) {
        self.state().stale_reads = 0.0;
    }

    /// Lets connections be refused, or stand again.
    pub(crate) fn set_unreachable(&self, unreachable: bool) {
        self.state().unreachable = unreachable;
    }

    fn carry(
        &self,
        request: ProviderRequest,
        timeout: Duration,
    ) -> Result<ProviderAnswer, TransportError> {
        let mut seen = Request::new(request.method, &request.url);
        seen.headers.extend(request.headers);
        seen.body = request.body;
        let now = self.clock.true_now();
        let reply = self
            .world
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .handle(now, &seen);
        self.state().last_took = reply.after.min(timeout);
        match reply.outcome {
            Outcome::Answer(answer) if reply.after < timeout => {
                let mut headers = HeaderMap::new();
                for (name, value) in answer.headers {
                    if let Ok(value) = HeaderValue::from_str(&value) {
                        headers.insert(HeaderName::from_static(name), value);
                    }
                }
                Ok(ProviderAnswer {
                    status: answer.status,
                    headers,
                    body: answer.body,
                })
            }
            Outcome::Answer(_) | Outcome::Withheld => {
                Err(TransportError::lost("no answer in time"))
            }
        }
    }

    /// The provider's clock is right, and told with every answer as HTTP wants it.
    fn dated(&self, mut answer: ProviderAnswer) -> ProviderAnswer {
        let date = self.clock.true_now().strftime("%a, %d %b %Y %H:%M:%S GMT");
        if let Ok(date) = HeaderValue::from_str(&date.to_string()) {
            answer.headers.insert(DATE, date);
        }
        answer
    }

    /// A replica that lags: sometimes a read of a call shows what the first one showed.
    fn maybe_stale(&self, url: &str, answer: ProviderAnswer) -> ProviderAnswer {
        let mut state = self.state();
        if answer.status != 200 || url.contains('?') {
            return answer;
        }
        let first = state
            .first_reads
            .entry(url.to_owned())
            .or_insert_with(|| answer.clone())
            .clone();
        let rate = state.stale_reads;
        if rate > 0.0 && state.rng.random_bool(rate) {
            state.stale += 1;
            return first;
        }
        answer
    }
}

#[async_trait]
impl Transport for SimulatedTransport {
    async fn place(
        &self,
        request: ProviderRequest,
        timeout: Duration,
        guard: SendGuard,
    ) -> Result<ProviderAnswer, TransportError> {
        if self.state().unreachable {
            return Err(TransportError::never_sent("connection refused"));
        }
        if !domain::planted!("send_unguarded", guard(), true) {
            return Err(TransportError::withdrawn());
        }
        let again: Option<ProviderRequest> =
            domain::planted!("lost_answer_sent_again", None, Some(request.clone()));
        let answer = self.carry(request, timeout);
        let answer = match (again, answer) {
            (Some(again), Err(_)) => self.carry(again, timeout),
            (_, answer) => answer,
        };
        answer.map(|answer| self.dated(answer))
    }

    async fn exchange(
        &self,
        request: ProviderRequest,
        timeout: Duration,
    ) -> Result<ProviderAnswer, TransportError> {
        let read = (request.method == Method::GET).then(|| request.url.clone());
        if self.state().unreachable {
            return Err(TransportError::never_sent("connection refused"));
        }
        let answer = self.carry(request, timeout)?;
        let answer = match read {
            Some(url) => self.maybe_stale(&url, answer),
            None => answer,
        };
        Ok(self.dated(answer))
    }
}

//! The network of the simulation: requests go straight into the world.
//!
//! An exchange is over at once here; how long it would have taken is kept, and the simulator lets
//! its consequences wait for that long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::ambient::Clock;
use http::{HeaderMap, HeaderName, HeaderValue};
use providers::{ProviderAnswer, ProviderRequest, SendGuard, Transport, TransportError};
use sandbox::{Outcome, Request, World};

use crate::ambient::VirtualClock;

/// Carries requests into the world.
pub(crate) struct SimulatedTransport {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) clock: Arc<VirtualClock>,
    last_took: Mutex<Duration>,
}

impl SimulatedTransport {
    pub(crate) fn new(world: Arc<Mutex<World>>, clock: Arc<VirtualClock>) -> Self {
        Self {
            world,
            clock,
            last_took: Mutex::new(Duration::ZERO),
        }
    }

    /// How long the last exchange would have taken.
    pub(crate) fn last_took(&self) -> Duration {
        *self
            .last_took
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(
        &self,
        request: ProviderRequest,
        timeout: Duration,
    ) -> Result<ProviderAnswer, TransportError> {
        let mut seen = Request::new(request.method, &request.url);
        seen.headers.extend(request.headers);
        seen.body = request.body;
        let now = self.clock.now();
        let reply = self
            .world
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .handle(now, &seen);
        *self
            .last_took
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = reply.after.min(timeout);
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
            Outcome::Answer(_) | Outcome::Withheld => Err(TransportError {
                never_sent: false,
                message: "no answer in time".to_owned(),
            }),
        }
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
        if !guard() {
            return Err(TransportError {
                never_sent: true,
                message: "withdrawn before it was sent".to_owned(),
            });
        }
        self.carry(request, timeout)
    }

    async fn exchange(
        &self,
        request: ProviderRequest,
        timeout: Duration,
    ) -> Result<ProviderAnswer, TransportError> {
        self.carry(request, timeout)
    }
}

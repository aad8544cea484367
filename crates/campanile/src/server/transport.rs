//! The network for providers, with one exception: the sandbox inside this process.

use std::time::Duration;

use async_trait::async_trait;
use dialer::{HttpTransport, TransportOptions};
use providers::{ProviderAnswer, ProviderRequest, SendGuard, Transport, TransportError};

use crate::config::Outside;
use crate::failure::{Failure, Outcome};

/// Carries requests for the sandbox of this process over loopback, and all others by the rules of
/// the installation. The exception is that one address and nothing else, so that the sandbox
/// needs no `--allow-private-networks`.
pub(crate) struct ProviderNetwork {
    outside: Option<HttpTransport>,
    sandbox: Option<(String, HttpTransport)>,
}

impl ProviderNetwork {
    /// The network with this sandbox, whose address has no trailing slash.
    pub(crate) fn new(outside: Outside, sandbox_base_url: Option<&str>) -> Outcome<Self> {
        let make = |allow_private_networks| {
            let made = HttpTransport::new(TransportOptions {
                allow_private_networks,
            });
            made.map_err(|error| Failure::failed(format!("TLS cannot be set up: {error}")))
        };
        let sandbox = match sandbox_base_url {
            Some(base_url) => Some((base_url.to_owned(), make(true)?)),
            None => None,
        };
        Ok(Self {
            outside: match outside {
                Outside::Nothing => None,
                Outside::Public => Some(make(false)?),
                Outside::Anything => Some(make(true)?),
            },
            sandbox,
        })
    }

    fn route(&self, url: &str) -> Result<&HttpTransport, TransportError> {
        match &self.sandbox {
            Some((base_url, transport)) if is_below(url, base_url) => Ok(transport),
            _ => self.outside.as_ref().ok_or_else(|| TransportError::never_sent("this server reaches no provider but its sandbox; start it without --sandbox-only to allow others")),
        }
    }
}

/// Whether `url` is `base_url` or a path below it.
fn is_below(url: &str, base_url: &str) -> bool {
    let rest = url.strip_prefix(base_url);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

#[async_trait]
impl Transport for ProviderNetwork {
    async fn place(
        &self,
        request: ProviderRequest,
        timeout: Duration,
        guard: SendGuard,
    ) -> Result<ProviderAnswer, TransportError> {
        self.route(&request.url)?
            .place(request, timeout, guard)
            .await
    }

    async fn exchange(
        &self,
        request: ProviderRequest,
        timeout: Duration,
    ) -> Result<ProviderAnswer, TransportError> {
        self.route(&request.url)?.exchange(request, timeout).await
    }
}

#[cfg(test)]
mod tests {
    use providers::Departure;

    use super::*;

    #[test]
    fn only_the_sandboxs_own_address_is_the_exception() {
        let base = "http://127.0.0.1:4000/vapi";
        assert!(is_below("http://127.0.0.1:4000/vapi/call", base));
        assert!(is_below("http://127.0.0.1:4000/vapi?limit=1", base));
        for url in [
            "http://127.0.0.1:40000/vapi",
            "http://127.0.0.1:4000/vapid",
            "http://127.0.0.1:4000/control",
            "http://10.0.0.1/vapi",
        ] {
            assert!(!is_below(url, base), "{url}");
        }
    }

    #[tokio::test]
    async fn with_nothing_outside_only_the_sandbox_is_asked() {
        let base = "http://127.0.0.1:1/vapi";
        let network = ProviderNetwork::new(Outside::Nothing, Some(base)).unwrap();
        let ask = |url: &str| {
            let request = ProviderRequest {
                method: http::Method::GET,
                url: url.to_owned(),
                headers: http::HeaderMap::new(),
                body: bytes::Bytes::new(),
            };
            network.exchange(request, Duration::from_secs(5))
        };
        let refused = ask("https://192.0.2.1/call").await.unwrap_err();
        assert_eq!(refused.departure, Departure::NeverSent, "{refused}");
        assert!(refused.message.contains("--sandbox-only"), "{refused}");
        // Nobody listens on port 1, but it was tried.
        let tried = ask(&format!("{base}/call")).await.unwrap_err();
        assert!(tried.message.contains("cannot connect"), "{tried}");
    }
}

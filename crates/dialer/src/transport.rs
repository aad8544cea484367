//! One request, once, over HTTP/1.1: no retries, no redirects, every wait and every size bounded.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use hyper_util::client::legacy::connect::HttpConnector;
use providers::public_address::is_public;
use providers::{ProviderAnswer, ProviderRequest, SendGuard, Transport, TransportError};
use tower_service::Service;

use crate::gate::{Gate, Gated};
use crate::one_body::OneBody;
use crate::pool::{Connection, Pool};
use crate::resolver::GuardedResolver;

/// Time to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take to be ready for its next request.
const READY_TIMEOUT: Duration = Duration::from_millis(100);
/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How to reach providers.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransportOptions {
    /// Also connect to addresses that are not public.
    pub allow_private_networks: bool,
}

/// Carries requests over the network.
pub struct HttpTransport {
    connector: HttpsConnector<HttpConnector<GuardedResolver>>,
    pool: Pool,
    options: TransportOptions,
}

impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpTransport")
    }
}

impl HttpTransport {
    /// A transport with the web's root certificates.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(options: TransportOptions) -> Result<Self, rustls::Error> {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_webpki_roots()
            .with_no_client_auth();
        let resolver = GuardedResolver {
            allow_private_networks: options.allow_private_networks,
        };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self {
            connector,
            pool: Pool::default(),
            options,
        })
    }

    async fn carry(
        &self,
        request: ProviderRequest,
        timeout: Duration,
        guard: Option<SendGuard>,
    ) -> Result<ProviderAnswer, TransportError> {
        let uri: Uri = request
            .url
            .parse()
            .map_err(|_| TransportError::never_sent("the provider's address is not a URL"))?;
        let address = self.checked_address(&uri)?;
        let Connection { mut sender, gate } = match self.pool.take(&address) {
            Some(connection) => connection,
            None => self.connect(&uri).await?,
        };
        let message = to_message(request, &uri)?;
        if let Some(guard) = guard {
            gate.ask(guard);
        }
        let answered = tokio::time::timeout(timeout, async {
            let sent = sender.try_send_request(message).await;
            if gate.is_shut() {
                return Err(TransportError::withdrawn());
            }
            let response = sent.map_err(|mut error| {
                let message = format!("no answer: {}", error.error());
                // The library hands the message back exactly when it never began to write it.
                match error.take_message() {
                    Some(_) => TransportError::never_sent(message),
                    None => TransportError::lost(message),
                }
            })?;
            read(response).await
        });
        let answer = answered.await.unwrap_or_else(|_| {
            if gate.shut() {
                return Err(TransportError::never_sent(
                    "it could not be written in time",
                ));
            }
            Err(TransportError::lost("no answer in time"))
        })?;
        // A server that has answered without reading the request to its end may never be ready.
        let ready = tokio::time::timeout(READY_TIMEOUT, sender.ready()).await;
        if matches!(ready, Ok(Ok(()))) {
            self.pool.give_back(&address, Connection { sender, gate });
        }
        Ok(answer)
    }

    /// `scheme://host:port`, if the host may be connected to as far as its text says.
    fn checked_address(&self, uri: &Uri) -> Result<String, TransportError> {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(TransportError::never_sent(
                "the provider's address is not a URL",
            ));
        };
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if let Ok(address) = host.parse()
            && !self.options.allow_private_networks
            && !is_public(address)
        {
            return Err(TransportError::never_sent(
                "the provider's address is private; start the server with --allow-private-networks to allow it",
            ));
        }
        Ok(format!("{scheme}://{authority}"))
    }

    async fn connect(&self, uri: &Uri) -> Result<Connection, TransportError> {
        let gate = Arc::new(Gate::new());
        let gate_of_stream = Arc::clone(&gate);
        let mut connector = self.connector.clone();
        let connecting = async {
            let stream = connector
                .call(uri.clone())
                .await
                .map_err(|error| TransportError::never_sent(format!("cannot connect: {error}")))?;
            let stream = Gated::new(stream, gate_of_stream);
            let handshake = http1::Builder::new().handshake(stream);
            handshake
                .await
                .map_err(|error| TransportError::never_sent(format!("cannot connect: {error}")))
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let (sender, connection) = connected
            .unwrap_or_else(|_| Err(TransportError::never_sent("cannot connect in time")))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the connection's own task ends with the connection"
        )]
        tokio::spawn(async move {
            // How the connection ended is told by the request that was on it.
            let _ = connection.await;
        });
        Ok(Connection { sender, gate })
    }
}

fn to_message(request: ProviderRequest, uri: &Uri) -> Result<Request<OneBody>, TransportError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut message = Request::new(OneBody::new(request.body));
    *message.method_mut() = request.method;
    *message.uri_mut() = path
        .parse()
        .map_err(|_| TransportError::never_sent("the provider's address is not a URL"))?;
    *message.headers_mut() = request.headers;
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(host)
        .map_err(|_| TransportError::never_sent("the provider's address is not a URL"))?;
    message.headers_mut().insert(header::HOST, host);
    message.headers_mut().insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("campanile/", env!("CARGO_PKG_VERSION"))),
    );
    Ok(message)
}

async fn read(
    response: http::Response<hyper::body::Incoming>,
) -> Result<ProviderAnswer, TransportError> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let body = body
        .map_err(|error| TransportError::lost(format!("the answer broke off: {error}")))?
        .to_bytes();
    Ok(ProviderAnswer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    })
}

#[async_trait]
impl Transport for HttpTransport {
    async fn place(
        &self,
        request: ProviderRequest,
        timeout: Duration,
        guard: SendGuard,
    ) -> Result<ProviderAnswer, TransportError> {
        self.carry(request, timeout, Some(guard)).await
    }

    async fn exchange(
        &self,
        request: ProviderRequest,
        timeout: Duration,
    ) -> Result<ProviderAnswer, TransportError> {
        match tokio::time::timeout(timeout, self.carry(request, timeout, None)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::lost("no answer in time")),
        }
    }
}

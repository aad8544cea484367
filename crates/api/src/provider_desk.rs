//! Asks voice vendors on behalf of a user who waits: one request each, bounded in time, no retry.

use domain::fault::Fault;
use domain::settings::CallingEntity;
use lines::{LineError, OpenLine, credentials_context, webhook_secret_context};
use providers::{
    Assistant, CHECK_TIMEOUT, CallEvent, LookupError, Provider, ProviderAnswer, ProviderKind,
    ProviderNumber, ProviderRequest,
};
use serde_json::{Map, Value};
use store::LineRecord;

use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// Longest text of a vendor that is passed on.
const MAX_WORDS_CHARS: usize = 500;

/// A look-up without the object that was asked for.
#[derive(Debug, Clone)]
pub(crate) enum LookupFailure {
    /// The vendor says that there is no such object.
    NotFound,
    /// The vendor refuses the credentials; its words.
    Unauthorized(String),
    /// The vendor answered something else; its words.
    Unexpected(String),
    /// No answer; why.
    Unreachable(String),
}

impl LookupFailure {
    /// As an answer, when it is nobody's single field.
    pub(crate) fn into_error(self) -> ApiError {
        match self {
            Self::NotFound => {
                ApiError::ProviderRefused("The voice provider knows no such object".to_owned())
            }
            Self::Unauthorized(words) => ApiError::ProviderRefused(format!(
                "The voice provider refused the credentials: {words}"
            )),
            Self::Unexpected(words) => ApiError::ProviderRefused(format!(
                "The voice provider answered unexpectedly: {words}"
            )),
            Self::Unreachable(reason) => ApiError::ProviderUnreachable(reason),
        }
    }

    /// A fault of `field` if the object is unknown, else an error of the whole request.
    pub(crate) fn blame(self, field: &str) -> Result<Fault, ApiError> {
        match self {
            Self::NotFound => Ok(Fault::new(
                field,
                code::UNKNOWN_AT_PROVIDER,
                format!(
                    "The voice provider knows no `{field}` like this; use an id from its account."
                ),
            )),
            other => Err(other.into_error()),
        }
    }
}

/// An opened line, ready to ask its vendor.
pub(crate) struct Desk<'a> {
    app: &'a App,
    provider: &'static dyn Provider,
    line: OpenLine,
}

/// Seals and opens the secrets of lines.
pub(crate) struct ProviderDesk<'a> {
    app: &'a App,
}

impl<'a> ProviderDesk<'a> {
    pub(crate) const fn new(app: &'a App) -> Self {
        Self { app }
    }

    /// Opens a stored line to ask its vendor.
    pub(crate) fn open(&self, line: &LineRecord) -> ApiResult<Desk<'a>> {
        let line = self.secrets(line)?;
        Ok(Desk {
            app: self.app,
            provider: line.adapter(),
            line,
        })
    }

    /// Opens the secrets of a stored line.
    pub(crate) fn secrets(&self, line: &LineRecord) -> ApiResult<OpenLine> {
        let sandbox = self.app.options.sandbox_base_url.as_deref();
        OpenLine::open(line, &self.app.vault, sandbox).map_err(|error| match error {
            LineError::NoSandbox => ApiError::ProviderUnreachable(error.to_string()),
            other => ApiError::Internal(other.to_string()),
        })
    }

    /// Seals credentials for the line with this key.
    pub(crate) fn seal_credentials(
        &self,
        line_key: &str,
        credentials: &Map<String, Value>,
    ) -> Vec<u8> {
        // A map with string keys: this cannot fail.
        let plain = serde_json::to_vec(credentials).unwrap_or_default();
        self.seal(&plain, &credentials_context(line_key))
    }

    /// Seals a callback secret for the line with this key.
    pub(crate) fn seal_webhook_secret(&self, line_key: &str, secret: &str) -> Vec<u8> {
        self.seal(secret.as_bytes(), &webhook_secret_context(line_key))
    }

    fn seal(&self, plain: &[u8], context: &str) -> Vec<u8> {
        let mut nonce = [0; 24];
        self.app.entropy.fill(&mut nonce);
        self.app.vault.seal(plain, context, nonce)
    }
}

/// The vendor of a stored line.
pub(crate) fn kind_of(line: &LineRecord) -> ApiResult<ProviderKind> {
    ProviderKind::parse(&line.provider).ok_or_else(|| {
        ApiError::Internal(format!("a line of the unknown vendor {}", line.provider))
    })
}

impl Desk<'_> {
    /// One assistant, workflow or squad.
    pub(crate) async fn assistant(
        &self,
        entity: CallingEntity,
        id: &str,
    ) -> Result<Assistant, LookupFailure> {
        let request = self.provider.get_assistant(&self.line.access, entity, id);
        self.read(
            self.provider
                .read_get_assistant(&self.exchange(request).await?),
        )
    }

    /// Every assistant of the account.
    pub(crate) async fn assistants(&self) -> Result<Vec<Assistant>, LookupFailure> {
        let request = self.provider.list_assistants(&self.line.access);
        self.read(
            self.provider
                .read_list_assistants(&self.exchange(request).await?),
        )
    }

    /// One caller number.
    pub(crate) async fn phone_number(&self, id: &str) -> Result<ProviderNumber, LookupFailure> {
        let request = self.provider.get_phone_number(&self.line.access, id);
        self.read(
            self.provider
                .read_get_phone_number(&self.exchange(request).await?),
        )
    }

    /// Every caller number of the account.
    pub(crate) async fn phone_numbers(&self) -> Result<Vec<ProviderNumber>, LookupFailure> {
        let request = self.provider.list_phone_numbers(&self.line.access);
        self.read(
            self.provider
                .read_list_phone_numbers(&self.exchange(request).await?),
        )
    }

    /// Whether the credentials work.
    pub(crate) async fn verify(&self) -> Result<(), LookupFailure> {
        let request = self.provider.verify_credentials(&self.line.access);
        self.read(
            self.provider
                .read_verify_credentials(&self.exchange(request).await?),
        )
    }

    /// What the vendor knows of a call, oldest first.
    pub(crate) async fn call(
        &self,
        provider_call_id: &str,
    ) -> Result<Vec<CallEvent>, LookupFailure> {
        let request = self.provider.get_call(&self.line.access, provider_call_id);
        self.read(self.provider.read_get_call(&self.exchange(request).await?))
    }

    /// The request that hangs a call up; `None` when the vendor has no way to.
    pub(crate) fn hang_up_request(
        &self,
        provider_call_id: &str,
        control_url: Option<&str>,
    ) -> Option<ProviderRequest> {
        self.provider
            .hang_up(&self.line.access, provider_call_id, control_url)
    }

    /// Sends that request. `NotFound`: its address is gone, as it is when the call is over.
    pub(crate) async fn hang_up(&self, request: ProviderRequest) -> Result<(), LookupFailure> {
        self.read(self.provider.read_hang_up(&self.exchange(request).await?))
    }

    async fn exchange(&self, request: ProviderRequest) -> Result<ProviderAnswer, LookupFailure> {
        let answer = self.app.transport.exchange(request, CHECK_TIMEOUT).await;
        answer.map_err(|error| LookupFailure::Unreachable(self.words(&error.message)))
    }

    fn read<T>(&self, answer: Result<T, LookupError>) -> Result<T, LookupFailure> {
        answer.map_err(|error| match error {
            LookupError::NotFound => LookupFailure::NotFound,
            LookupError::Unauthorized(text) => LookupFailure::Unauthorized(self.words(&text)),
            LookupError::Unexpected(text) => LookupFailure::Unexpected(self.words(&text)),
        })
    }

    /// What the vendor said, as it may be told.
    fn words(&self, text: &str) -> String {
        let text = text.chars().filter(|c| !c.is_control());
        let text: String = text.take(MAX_WORDS_CHARS).collect();
        self.line.conceal(&text)
    }
}

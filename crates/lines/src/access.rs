//! Opening a stored line.

use providers::{Credentials, LineAccess, Provider, ProviderKind};
use store::{LineRecord, Vault};

use crate::conceal::conceal;

/// A line with its secrets, ready for requests.
#[derive(Clone)]
pub struct OpenLine {
    /// Which vendor.
    pub kind: ProviderKind,
    /// Address and credentials.
    pub access: LineAccess,
    /// Secret of its callbacks.
    pub webhook_secret: String,
    /// Unguessable part of its callback address.
    pub line_key: String,
    /// Most calls started per second.
    pub max_calls_per_second: u32,
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Its secrets do not open: another key file, or damage.
    #[error(transparent)]
    Sealed(#[from] store::VaultError),
    /// Its vendor is not known to this program.
    #[error("the voice provider {0} is not known to this version")]
    UnknownProvider(String),
    /// Its opened secrets are not what the program wrote.
    #[error("the stored credentials are damaged")]
    Damaged,
    /// The sandbox of this process is not running.
    #[error("no sandbox runs in this process: give the line a base_url")]
    NoSandbox,
}

/// Where a line's credentials are sealed to.
pub fn credentials_context(line_key: &str) -> String {
    format!("line/{line_key}/credentials")
}

/// Where a line's callback secret is sealed to.
pub fn webhook_secret_context(line_key: &str) -> String {
    format!("line/{line_key}/webhook_secret")
}

impl OpenLine {
    /// Opens `line`; `sandbox_base_url` is the root of the sandbox inside this process, for lines
    /// of kind SANDBOX without an address of their own.
    pub fn open(
        line: &LineRecord,
        vault: &Vault,
        sandbox_base_url: Option<&str>,
    ) -> Result<Self, LineError> {
        let kind = ProviderKind::parse(&line.provider)
            .ok_or_else(|| LineError::UnknownProvider(line.provider.clone()))?;
        let base_url = line
            .base_url
            .as_deref()
            .or(kind.default_base_url())
            .or(sandbox_base_url);
        let base_url = base_url
            .ok_or(LineError::NoSandbox)?
            .trim_end_matches('/')
            .to_owned();
        let credentials = vault.open(
            &line.sealed_credentials,
            &credentials_context(&line.line_key),
        )?;
        let credentials = serde_json::from_slice(&credentials).map_err(|_| LineError::Damaged)?;
        let secret = vault.open(
            &line.sealed_webhook_secret,
            &webhook_secret_context(&line.line_key),
        )?;
        Ok(Self {
            kind,
            access: LineAccess {
                base_url,
                credentials: Credentials(credentials),
            },
            webhook_secret: String::from_utf8(secret).map_err(|_| LineError::Damaged)?,
            line_key: line.line_key.clone(),
            max_calls_per_second: line.max_calls_per_second,
        })
    }

    /// The vendor's words without the secrets of this line; what a vendor says is shown, kept and
    /// logged in no other form.
    pub fn conceal(&self, text: &str) -> String {
        let credentials = self.access.credentials.0.values();
        let credentials = credentials.filter_map(serde_json::Value::as_str);
        let own = [self.webhook_secret.as_str(), self.line_key.as_str()];
        conceal(text, credentials.chain(own))
    }

    /// The vendor's adapter.
    pub fn adapter(&self) -> &'static dyn Provider {
        self.kind.adapter()
    }
}

/// The address at which the vendor reports one attempt.
pub fn callback_url(public_url: &str, line: &OpenLine, attempt_key: &str) -> String {
    format!(
        "{}/hooks/{}/{}/{attempt_key}",
        public_url.trim_end_matches('/'),
        line.kind.hook_segment(),
        line.line_key
    )
}

//! Requests that must have one effect, however often they are sent.
//!
//! The key is bound to method and path, and to a hash of query and body. The answer is rendered
//! inside the store's transaction and kept with the effect; a repetition gets the same bytes.
//! Kept answers are sealed: they hold personal data and, for a new token, its secret.

use domain::TenantId;
use http::request::Parts;
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::{IdempotencyKey, Idempotent, StoreResult, StoredAnswer, Written};

use crate::answer::Answer;
use crate::error::{ApiError, ApiResult};
use crate::json;
use crate::state::App;

/// Name of the header.
const HEADER: &str = "idempotency-key";
/// Longest key.
const MAX_KEY_BYTES: usize = 255;

/// What identifies a request besides its body.
pub(crate) struct Request {
    key: Option<String>,
    operation: String,
    query: String,
}

impl Request {
    /// Reads the header, if there is one.
    pub(crate) fn of(parts: &Parts) -> ApiResult<Self> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let key = values
            .next()
            .map(|value| value.to_str().ok().filter(|key| is_sound(key)));
        if values.next().is_some() {
            return Err(ApiError::InvalidIdempotencyKey);
        }
        let key = match key {
            None => None,
            Some(Some(key)) => Some(key.to_owned()),
            Some(None) => return Err(ApiError::InvalidIdempotencyKey),
        };
        Ok(Self {
            key,
            operation: format!("{} {}", parts.method, parts.uri.path()),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

fn is_sound(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len())
        && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// The idempotency key of a request, if it brought one.
pub(crate) struct Once(Option<IdempotencyKey>);

impl Once {
    /// Binds the key to what was asked.
    pub(crate) fn new(request: Request, body: &Value) -> Self {
        Self(request.key.map(|key| IdempotencyKey {
            key,
            operation: request.operation,
            fingerprint: fingerprint(&request.query, body),
        }))
    }

    /// The answer that was given to this request before, if any.
    pub(crate) async fn earlier_answer(
        &self,
        app: &App,
        tenant_id: TenantId,
    ) -> ApiResult<Option<Answer>> {
        let Some(key) = &self.0 else {
            return Ok(None);
        };
        let stored = app.store.find_answer(tenant_id, key, app.now()).await?;
        stored.map(|stored| replay(app, key, stored)).transpose()
    }

    /// Performs `write` with the key, and answers with what `render` makes of its effect. The
    /// store renders the same bytes inside its transaction and keeps them.
    pub(crate) async fn write<T, F>(
        self,
        app: &App,
        render: impl Fn(&T) -> Answer + Clone + Send + 'static,
        write: impl FnOnce(Option<Idempotent<T>>) -> F,
    ) -> ApiResult<Answer>
    where
        F: Future<Output = StoreResult<Written<T>>>,
    {
        let Some(key) = self.0 else {
            return match write(None).await? {
                Written::Fresh(effect) => Ok(render(&effect)),
                Written::Replayed(_) => {
                    Err(ApiError::Internal("a replay without a key".to_owned()))
                }
            };
        };
        let inside = render.clone();
        let seal = sealer(app, &key);
        let keep = move |effect: &T| seal(inside(effect).into_stored());
        let idempotent = Idempotent {
            key: key.clone(),
            render: Box::new(keep),
        };
        match write(Some(idempotent)).await? {
            Written::Fresh(effect) => Ok(render(&effect)),
            // Another request with the key was quicker.
            Written::Replayed(stored) => replay(app, &key, stored),
        }
    }
}

/// Where a kept answer belongs, so that it opens nowhere else.
fn context(key: &IdempotencyKey) -> String {
    format!("answer/{}/{}", key.operation, key.key)
}

fn sealer(
    app: &App,
    key: &IdempotencyKey,
) -> impl Fn(StoredAnswer) -> StoredAnswer + Send + 'static {
    let (vault, context) = (app.vault.clone(), context(key));
    let mut nonce = [0; 24];
    app.entropy.fill(&mut nonce);
    move |stored| StoredAnswer {
        body: vault.seal(&stored.body, &context, nonce),
        ..stored
    }
}

fn replay(app: &App, key: &IdempotencyKey, stored: StoredAnswer) -> ApiResult<Answer> {
    let StoredAnswer { status, body } = stored;
    let opened = app.vault.open(&body, &context(key));
    let body = opened.map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(Answer::replay(StoredAnswer { status, body }))
}

fn fingerprint(query: &str, body: &Value) -> [u8; 32] {
    let mut pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    pairs.sort();
    let mut hash = Sha256::new();
    for (name, value) in pairs {
        // Lengths keep the parts apart.
        hash.update(format!("{}:{name}{}:{value}", name.len(), value.len()));
    }
    hash.update("|");
    hash.update(json::canonical(body));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_printable_ascii_of_bounded_length() {
        assert!(is_sound("a") && is_sound(&"x".repeat(255)) && is_sound("8e03 978e~"));
        assert!(!is_sound("") && !is_sound(&"x".repeat(256)) && !is_sound("tab\t"));
    }

    #[test]
    fn the_fingerprint_depends_on_meaning_not_on_spelling() {
        let same = fingerprint("a=1&b=2", &json!({"x": 1, "y": 2}));
        assert_eq!(same, fingerprint("b=2&a=%31", &json!({"y": 2, "x": 1})));
        assert_ne!(same, fingerprint("a=1&b=2", &json!({"x": 1, "y": 3})));
        assert_ne!(same, fingerprint("a=1", &json!({"x": 1, "y": 2})));
    }
}

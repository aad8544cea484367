//! Requests that must have one effect, however often they are sent.
//!
//! The key is bound to method and path, and to a hash of query and body. The answer is rendered
//! inside the store's transaction and kept with the effect; a repetition gets the same bytes.
//! Kept answers are sealed: they hold personal data and, for a new token, its secret.
//!
//! Invariants:
//! - While a request with a key is being handled, another with the same key is refused: 409, or
//!   422 when it asks for something else. The claim ends with the handler, also when it fails, is
//!   cancelled or panics, so no key is ever stuck; a killed process takes its claims with it.
//! - One effect does not hang on the claim: the store refuses a second one in the transaction of
//!   the effect. The claim only spares the second request its work and its wait.
//!
//! Claims are known to this process alone. Of several processes over one database two may handle
//! one key at once; then the store lets one have the effect and the other replays its answer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use domain::TenantId;
use http::request::Parts;
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::{Caller, IdempotencyKey, Idempotent, StoreResult, StoredAnswer, Written};

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

/// Keys whose requests this process is handling.
#[derive(Default, Clone)]
pub(crate) struct Running(Arc<Mutex<Claims>>);

/// Fingerprints of the requests, by tenant, operation and key.
type Claims = HashMap<ClaimedKey, [u8; 32]>;
type ClaimedKey = (TenantId, String, String);

impl Running {
    /// Refuses a key that another request has claimed.
    fn check(&self, tenant_id: TenantId, key: &IdempotencyKey) -> ApiResult<()> {
        self.claim(tenant_id, key).map(drop)
    }

    /// Claims the key until the claim is dropped.
    fn claim(&self, tenant_id: TenantId, key: &IdempotencyKey) -> ApiResult<Claim> {
        let claimed = (tenant_id, key.operation.clone(), key.key.clone());
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.entry(claimed.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(key.fingerprint);
                Ok(Claim {
                    running: self.clone(),
                    claimed,
                })
            }
            Entry::Occupied(entry) if *entry.get() == key.fingerprint => {
                Err(ApiError::IdempotencyRunning)
            }
            Entry::Occupied(_) => Err(ApiError::IdempotencyMismatch),
        }
    }
}

/// A key that no other request may use while this lives.
struct Claim {
    running: Running,
    claimed: ClaimedKey,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = self
            .running
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        claims.remove(&self.claimed);
    }
}

/// The idempotency key of a request, if it brought one. It is claimed until this is dropped.
pub(crate) struct Once(Option<Keyed>);

struct Keyed {
    tenant_id: TenantId,
    key: IdempotencyKey,
    _claim: Claim,
}

/// What a write did.
enum Performed<T> {
    Now(T),
    Before(Answer),
}

/// A request whose key was looked at.
pub(crate) enum Begun {
    /// It is to be handled.
    First(Once),
    /// It was handled before, with this answer.
    Repeated(Answer),
}

impl Once {
    /// Binds the key to what was asked, and claims it unless it has its answer.
    pub(crate) async fn begin(
        app: &App,
        tenant_id: TenantId,
        request: Request,
        body: &Value,
    ) -> ApiResult<Begun> {
        let Some(key) = request.key else {
            return Ok(Begun::First(Self(None)));
        };
        let key = IdempotencyKey {
            key,
            operation: request.operation,
            fingerprint: fingerprint(&request.query, body),
        };
        // A repetition claims nothing, so that many at once are all answered.
        app.running.check(tenant_id, &key)?;
        if let Some(answer) = earlier_answer(app, tenant_id, &key).await? {
            return Ok(Begun::Repeated(answer));
        }
        let claim = app.running.claim(tenant_id, &key)?;
        // The request that had the key may have been answered since.
        if let Some(answer) = earlier_answer(app, tenant_id, &key).await? {
            return Ok(Begun::Repeated(answer));
        }
        Ok(Begun::First(Self(Some(Keyed {
            tenant_id,
            key,
            _claim: claim,
        }))))
    }

    /// Performs `write` with the key, and answers with what `render` makes of its effect. The
    /// store renders the same bytes inside its transaction and keeps them.
    pub(crate) async fn write<T, F>(
        &self,
        app: &App,
        render: impl Fn(&T) -> Answer + Clone + Send + 'static,
        write: impl FnOnce(Option<Idempotent<T>>) -> F,
    ) -> ApiResult<Answer>
    where
        F: Future<Output = StoreResult<Written<T>>>,
    {
        Ok(match self.perform(app, render.clone(), write).await? {
            Performed::Now(effect) => render(&effect),
            Performed::Before(answer) => answer,
        })
    }

    /// Performs `write` with the key, then `complete`, whose answer is kept in place of what
    /// `render` made inside the transaction. For effects that go on outside of the store: they
    /// begin once only, and a request that breaks off after the transaction is repeated with the
    /// answer of `render`.
    pub(crate) async fn write_and_complete<T, F>(
        &self,
        app: &App,
        caller: Caller,
        render: impl FnOnce(&T) -> Answer + Send + 'static,
        write: impl FnOnce(Option<Idempotent<T>>) -> F,
        complete: impl AsyncFnOnce(T) -> Answer,
    ) -> ApiResult<Answer>
    where
        F: Future<Output = StoreResult<Written<T>>>,
    {
        match self.perform(app, render, write).await? {
            Performed::Before(answer) => Ok(answer),
            Performed::Now(effect) => {
                let answer = complete(effect).await;
                if let Err(error) = self.keep(app, caller, &answer).await {
                    // The effect is durable and has an answer; only a repetition is told less.
                    tracing::warn!(?error, "the whole answer was not kept");
                }
                Ok(answer)
            }
        }
    }

    /// Keeps the answer of a request without an effect in the store.
    pub(crate) async fn keep(&self, app: &App, caller: Caller, answer: &Answer) -> ApiResult<()> {
        if let Some(Keyed { key, .. }) = &self.0 {
            let answer = sealer(app, key)(answer.stored());
            app.store.keep_answer(caller, key.clone(), answer).await?;
        }
        Ok(())
    }

    async fn perform<T, F>(
        &self,
        app: &App,
        render: impl FnOnce(&T) -> Answer + Send + 'static,
        write: impl FnOnce(Option<Idempotent<T>>) -> F,
    ) -> ApiResult<Performed<T>>
    where
        F: Future<Output = StoreResult<Written<T>>>,
    {
        let Some(Keyed { tenant_id, key, .. }) = &self.0 else {
            return match write(None).await? {
                Written::Fresh(effect) => Ok(Performed::Now(effect)),
                Written::Replayed(_) => {
                    Err(ApiError::Internal("a replay without a key".to_owned()))
                }
            };
        };
        let seal = sealer(app, key);
        let idempotent = Idempotent {
            key: key.clone(),
            render: Box::new(move |effect: &T| seal(render(effect).stored())),
        };
        Ok(match write(Some(idempotent)).await? {
            Written::Fresh(effect) => Performed::Now(effect),
            // A request that this process did not know of was quicker.
            Written::Replayed(stored) => {
                Performed::Before(replay(app, *tenant_id, key, &stored).await?)
            }
        })
    }
}

/// The answer that was given to this request before, if any.
async fn earlier_answer(
    app: &App,
    tenant_id: TenantId,
    key: &IdempotencyKey,
) -> ApiResult<Option<Answer>> {
    let stored = app.store.find_answer(tenant_id, key, app.now()).await?;
    match stored {
        Some(stored) => Ok(Some(replay(app, tenant_id, key, &stored).await?)),
        None => Ok(None),
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

/// The kept answer, once it is true here too: the request that it was kept for may still wait for
/// calls that had begun when it was written, and a repetition must not promise before it that
/// nothing more rings.
async fn replay(
    app: &App,
    tenant_id: TenantId,
    key: &IdempotencyKey,
    stored: &StoredAnswer,
) -> ApiResult<Answer> {
    app.store.settle_tenant(tenant_id).await;
    let opened = app.vault.open(&stored.body, &context(key));
    let body = opened.map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(Answer::replay(StoredAnswer { body, ..*stored }))
}

/// The same for what means the same, whatever the spelling.
pub(crate) fn fingerprint(query: &str, body: &Value) -> [u8; 32] {
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

    #[test]
    fn a_key_is_claimed_until_its_request_is_over_however_it_ends() {
        let running = Running::default();
        let key = |fingerprint| IdempotencyKey {
            key: "k".to_owned(),
            operation: "POST /x".to_owned(),
            fingerprint: [fingerprint; 32],
        };
        let (one, other) = (TenantId::from_raw(1), TenantId::from_raw(2));
        let claim = running.claim(one, &key(1)).ok();
        assert!(claim.is_some() && running.claim(other, &key(1)).is_ok());
        let again = running.claim(one, &key(1)).err();
        assert!(matches!(again, Some(ApiError::IdempotencyRunning)));
        let different = running.claim(one, &key(2)).err();
        assert!(matches!(different, Some(ApiError::IdempotencyMismatch)));
        drop(claim);
        let panicked = std::panic::catch_unwind({
            let running = running.clone();
            move || {
                let _claim = running.claim(one, &key(1)).ok();
                panic!("a bug")
            }
        });
        assert!(panicked.is_err());
        assert!(running.claim(one, &key(1)).is_ok());
        assert!(running.0.lock().unwrap().is_empty());
    }
}

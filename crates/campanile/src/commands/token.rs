//! `campanile token`: on the database itself, also beside a running server.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use dialer::{SystemClock, SystemEntropy};
use domain::TokenId;
use domain::ambient::Clock;
use serde_json::{Value, json};
use store::{
    Caller, NewToken, PageRequest, Precondition, Store, StoreResult, TenantRecord, TokenRecord,
    Written,
};

use crate::config::{Settings, settings::TokenSettings};
use crate::failure::{Failure, Outcome};
use crate::{output, storage};

/// Objects read at once.
const PAGE: u32 = 200;

/// `token create`: the secret alone on stdout.
pub(crate) async fn create(settings: &Settings) -> Outcome {
    let store = storage::open(settings).await?;
    let secret = api::token::generate(&SystemEntropy);
    let token = make(store.as_ref(), &settings.token, &secret)
        .await
        .map_err(Failure::failed)?;
    let shown = if settings.json {
        let mut shown = to_json(&token);
        shown["token"] = secret.into();
        serde_json::to_string_pretty(&shown).unwrap_or_default()
    } else {
        secret
    };
    match output::precious(&shown) {
        Ok(()) => Ok(()),
        Err(error) => Err(take_back(store.as_ref(), &token, &error).await),
    }
}

/// Nobody has read the secret, and nobody can read it again.
async fn take_back(store: &dyn Store, token: &TokenRecord, error: &std::io::Error) -> Failure {
    let caller = Caller {
        tenant_id: token.tenant_id,
        token_id: None,
        now: SystemClock.now(),
    };
    let precondition = store::Precondition::None;
    let deleted = store
        .delete_token(caller, token.token_id, precondition)
        .await;
    Failure::failed(match deleted {
        Ok(()) => format!(
            "the token could not be written to stdout ({error}) and was deleted again: make another one"
        ),
        Err(undeleted) => format!(
            "the token could not be written to stdout ({error}) and could not be deleted either ({undeleted}): disable it with `campanile token disable {}`",
            global_id(token.token_id)
        ),
    })
}

/// Makes the token with this secret, and the tenant when it is missing.
pub(crate) async fn make(
    store: &dyn Store,
    wanted: &TokenSettings,
    secret: &str,
) -> StoreResult<TokenRecord> {
    let now = SystemClock.now();
    let tenant = store.ensure_tenant(&wanted.tenant, now).await?;
    let caller = Caller {
        tenant_id: tenant.tenant_id,
        token_id: None,
        now,
    };
    let token = NewToken {
        name: wanted.name.clone(),
        scopes: wanted.scopes,
        hash: api::token::hash(secret),
        masked: api::token::mask(secret),
        expires_at: None,
    };
    match store.create_token(caller, token, None).await? {
        Written::Fresh(token) => Ok(token),
        Written::Replayed(_) => Err(store::StoreError::Corrupt(
            "a token was replayed without a key".to_owned(),
        )),
    }
}

/// `token list`.
pub(crate) async fn list(settings: &Settings) -> Outcome {
    let store = storage::open_existing(settings).await?;
    let tokens = match find_tenant(store.as_ref(), &settings.token.tenant).await? {
        Some(tenant) => all_tokens(store.as_ref(), &tenant).await?,
        None => return Err(unknown_tenant(settings)),
    };
    if settings.json {
        output::json(&Value::Array(tokens.iter().map(to_json).collect()));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let state = if token.enabled { "enabled" } else { "disabled" };
            vec![
                global_id(token.token_id),
                token.name.clone(),
                token.scopes.names().join(","),
                token.masked.clone(),
                state.to_owned(),
                token.created_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            ]
        })
        .collect();
    output::rows(
        &["id", "name", "scopes", "token", "state", "created"],
        &rows,
    );
    Ok(())
}

/// `token disable`.
pub(crate) async fn disable(settings: &Settings, wanted: &str) -> Outcome {
    let store = storage::open_existing(settings).await?;
    let Some(tenant) = find_tenant(store.as_ref(), &settings.token.tenant).await? else {
        return Err(unknown_tenant(settings));
    };
    let tokens = all_tokens(store.as_ref(), &tenant).await?;
    let token = choose(&tokens, wanted)?;
    let caller = Caller {
        tenant_id: tenant.tenant_id,
        token_id: None,
        now: SystemClock.now(),
    };
    let token = store
        .set_token_enabled(caller, token.token_id, false, Precondition::None)
        .await
        .map_err(Failure::failed)?;
    if settings.json {
        output::json(&to_json(&token));
    } else {
        output::line(&format!("disabled {} ({})", token.name, token.masked));
    }
    Ok(())
}

/// The token with this id or, when only one has it, this name.
fn choose<'a>(tokens: &'a [TokenRecord], wanted: &str) -> Outcome<&'a TokenRecord> {
    if let Some(token) =
        parse_id(wanted).and_then(|id| tokens.iter().find(|token| token.token_id == id))
    {
        return Ok(token);
    }
    let mut named = tokens
        .iter()
        .filter(|token| token.name == wanted && token.enabled);
    match (named.next(), named.next()) {
        (Some(token), None) => Ok(token),
        (Some(_), Some(_)) => Err(Failure::failed(format!(
            "several enabled tokens are named \"{wanted}\": give the id, see `campanile token list`"
        ))),
        (None, _) => Err(Failure::failed(format!(
            "there is no enabled token \"{wanted}\": see `campanile token list`"
        ))),
    }
}

/// As the API writes it.
fn global_id(token_id: TokenId) -> String {
    STANDARD.encode(format!("{}:{token_id}", TokenId::NOUN))
}

fn parse_id(text: &str) -> Option<TokenId> {
    let decoded = STANDARD_NO_PAD
        .decode(text.trim_end_matches('='))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let plain = decoded.as_deref().unwrap_or(text);
    let number = plain.strip_prefix(TokenId::NOUN)?.strip_prefix(':')?;
    number.parse().ok().map(TokenId::from_raw)
}

fn to_json(token: &TokenRecord) -> Value {
    json!({
        "token_id": global_id(token.token_id),
        "name": token.name,
        "scopes": token.scopes.names(),
        "masked": token.masked,
        "enabled": token.enabled,
        "created_at": token.created_at.to_string(),
        "expires_at": token.expires_at.map(|at| at.to_string()),
    })
}

fn unknown_tenant(settings: &Settings) -> Failure {
    let name = &settings.token.tenant;
    Failure::failed(format!(
        "there is no tenant \"{name}\": check --tenant, or make it with `campanile token create --tenant {name}`"
    ))
}

async fn find_tenant(store: &dyn Store, name: &str) -> Outcome<Option<TenantRecord>> {
    let mut before = None;
    loop {
        let page = store
            .list_tenants(PageRequest {
                limit: PAGE,
                before,
            })
            .await
            .map_err(Failure::failed)?;
        if let Some(tenant) = page.items.into_iter().find(|tenant| tenant.name == name) {
            return Ok(Some(tenant));
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(None),
        }
    }
}

async fn all_tokens(store: &dyn Store, tenant: &TenantRecord) -> Outcome<Vec<TokenRecord>> {
    let (mut tokens, mut before) = (Vec::new(), None);
    loop {
        let request = PageRequest {
            limit: PAGE,
            before,
        };
        let page = store
            .list_tokens(tenant.tenant_id, request)
            .await
            .map_err(Failure::failed)?;
        tokens.extend(page.items);
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_id_is_read_in_every_form_the_api_takes() {
        let id = TokenId::from_raw(42);
        for text in [
            global_id(id),
            global_id(id).trim_end_matches('=').to_owned(),
            "ApiToken:42".to_owned(),
        ] {
            assert_eq!(parse_id(&text), Some(id), "{text}");
        }
        for text in ["42", "Tenant:42", "ci", ""] {
            assert_eq!(parse_id(text), None, "{text}");
        }
    }
}

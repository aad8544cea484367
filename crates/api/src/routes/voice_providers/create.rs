use axum::extract::State;
use domain::ambient::random_key;
use providers::ProviderKind;
use serde::Deserialize;
use serde_json::{Map, Value};
use store::{LineRecord, NewLine};
use utoipa::ToSchema;

use super::account::{check_credentials, check_webhook_secret, limit, text};
use super::base_url;
use super::view::VoiceProviderView;
use crate::answer::{Answer, Success};
use crate::auth::Admin;
use crate::body::{Post, RequestBody};
use crate::code;
use crate::error::ApiResult;
use crate::faults::Faults;
use crate::name;
use crate::provider_desk::ProviderDesk;
use crate::query::NoQuery;
use crate::state::App;

/// An account at a voice vendor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "held against its schema, then read field by field"
)]
pub(crate) struct VoiceProviderCreate {
    /// The vendor: `VAPI` or `SANDBOX`.
    #[schema(example = "VAPI")]
    provider: String,
    /// Display name.
    #[schema(min_length = 1, max_length = 200, example = "Vapi production")]
    name: String,
    /// The vendor's secrets: `api_key` for VAPI, nothing for SANDBOX. Never shown again.
    #[schema(value_type = Option<Object>, write_only, example = json!({ "api_key": "…" }))]
    credentials: Option<Map<String, Value>>,
    /// Root of the vendor's API; the vendor's own, or the sandbox inside the server, when left out.
    #[schema(max_length = 2_048)]
    base_url: Option<String>,
    /// Most calls at once; what the vendor allows without asking when left out.
    #[schema(minimum = 1, maximum = 10_000)]
    max_concurrent_calls: Option<i64>,
    /// Most calls started per second; what the vendor takes when left out.
    #[schema(minimum = 1, maximum = 10_000)]
    max_calls_per_second: Option<i64>,
    /// Secret that the vendor sends back with each callback; made here when left out. Never shown.
    #[schema(min_length = 16, max_length = 200, write_only)]
    webhook_secret: Option<String>,
}

impl RequestBody for VoiceProviderCreate {}

/// Connects an account at a voice vendor. Nothing is asked of the vendor; see `/verify`.
#[utoipa::path(post, path = "/api/v2/voice-providers", operation_id = "createVoiceProvider", tag = "Voice providers",
    request_body(content = VoiceProviderCreate, example = json!({ "provider": "VAPI", "name": "Vapi production", "credentials": { "api_key": "…" } })),
    responses((status = 201, description = "Voice provider created successfully", body = Success<VoiceProviderView>,
            headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn create_voice_provider(
    State(app): State<App>,
    Admin(caller): Admin,
    _: NoQuery,
    post: Post<VoiceProviderCreate>,
) -> ApiResult<Answer> {
    let (fields, mut faults) = post.body.into_parts();
    let line = read(&app, fields, &mut faults);
    let line = faults.settle(line)?;
    let render = {
        let app = app.clone();
        move |line: &LineRecord| {
            let view = VoiceProviderView::of(&app, line);
            Answer::created("Voice provider created successfully", view)
                .with_revision(line.revision)
        }
    };
    post.once
        .write(&app, render, |key| app.store.create_line(caller, line, key))
        .await
}

fn read(app: &App, mut fields: Map<String, Value>, faults: &mut Faults) -> Option<NewLine> {
    let name = name::read(&fields, faults);
    let webhook_secret = text(&fields, "webhook_secret")
        .and_then(|secret| faults.take(check_webhook_secret(secret)));
    let webhook_secret = webhook_secret.map(str::to_owned);
    let kind = kind(text(&fields, "provider")?, faults)?;
    let base_url =
        text(&fields, "base_url").and_then(|text| faults.take(base_url::parse(app, kind, text)));
    let has_address = kind.default_base_url().is_some() || app.options.sandbox_base_url.is_some();
    if base_url.is_none() && !has_address && !faults.has("base_url") {
        let message = "`base_url` is required: no sandbox runs inside this server.";
        faults.add("base_url", code::REQUIRED, message);
    }
    let credentials = match fields.get_mut("credentials").map(Value::take) {
        Some(Value::Object(credentials)) => credentials,
        _ => Map::new(),
    };
    if !faults.has("credentials") {
        check_credentials(kind, &credentials, faults);
    }
    let usual = kind.adapter().capabilities();
    let line_key = random_key(app.entropy.as_ref(), "");
    let webhook_secret = webhook_secret.unwrap_or_else(|| random_key(app.entropy.as_ref(), ""));
    let desk = ProviderDesk::new(app);
    Some(NewLine {
        provider: kind.as_str().to_owned(),
        name: name?,
        base_url,
        sealed_credentials: desk.seal_credentials(&line_key, &credentials),
        sealed_webhook_secret: desk.seal_webhook_secret(&line_key, &webhook_secret),
        line_key,
        max_concurrent_calls: limit(&fields, "max_concurrent_calls")
            .unwrap_or(usual.default_max_concurrent_calls),
        max_calls_per_second: limit(&fields, "max_calls_per_second")
            .unwrap_or(usual.default_max_calls_per_second),
    })
}

fn kind(text: &str, faults: &mut Faults) -> Option<ProviderKind> {
    let kind = ProviderKind::parse(text);
    if kind.is_none() && ProviderKind::NOT_YET.contains(&text) {
        faults.add(
            "provider",
            code::NOT_SUPPORTED,
            format!("{text} is not supported yet; use VAPI or SANDBOX."),
        );
    } else if kind.is_none() {
        faults.add(
            "provider",
            code::INVALID_CHOICE,
            "`provider` must be one of VAPI, SANDBOX.",
        );
    }
    kind
}

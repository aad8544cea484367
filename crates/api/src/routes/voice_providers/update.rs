use axum::extract::State;
use domain::LineId;
use serde::Deserialize;
use serde_json::{Map, Value};
use store::{LineChange, LineRecord};
use utoipa::ToSchema;

use super::account::{check_credentials, check_webhook_secret, limit, text};
use super::base_url;
use super::view::VoiceProviderView;
use crate::answer::{Answer, Success};
use crate::auth::Admin;
use crate::body::{Body, RequestBody};
use crate::code;
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::faults::Faults;
use crate::ids::PathId;
use crate::name;
use crate::provider_desk::{ProviderDesk, kind_of};
use crate::query::NoQuery;
use crate::state::App;

/// A change of a voice provider. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "held against its schema, then read field by field"
)]
pub(crate) struct VoiceProviderPatch {
    /// The vendor of an account never changes.
    #[schema(nullable = false, example = "VAPI")]
    provider: Option<String>,
    /// Display name.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 200,
        example = "Vapi production"
    )]
    name: Option<String>,
    /// The vendor's secrets; they replace all that were kept.
    #[schema(value_type = Option<Object>, nullable = false, write_only, example = json!({ "api_key": "…" }))]
    credentials: Option<Map<String, Value>>,
    /// Root of the vendor's API; `null`: the vendor's own, or the sandbox inside the server.
    #[schema(max_length = 2_048)]
    base_url: Option<String>,
    /// Most calls at once.
    #[schema(nullable = false, minimum = 1, maximum = 10_000)]
    max_concurrent_calls: Option<i64>,
    /// Most calls started per second.
    #[schema(nullable = false, minimum = 1, maximum = 10_000)]
    max_calls_per_second: Option<i64>,
    /// Secret that the vendor sends back with each callback. Calls that are up still carry the old
    /// one; their callbacks are refused and their ends are looked up instead.
    #[schema(nullable = false, min_length = 16, max_length = 200, write_only)]
    webhook_secret: Option<String>,
}

impl RequestBody for VoiceProviderPatch {}

/// Changes a voice provider. New credentials or a new address end its rest.
#[utoipa::path(patch, path = "/api/v2/voice-providers/{tenant_voice_provider_id}", operation_id = "updateVoiceProvider", tag = "Voice providers",
    params(("tenant_voice_provider_id" = String, Path, description = "Global id of the voice provider.", example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM="), IfMatchParam),
    request_body(content = VoiceProviderPatch, example = json!({ "max_concurrent_calls": 20 })),
    responses((status = 200, description = "Voice provider updated successfully", body = Success<VoiceProviderView>,
            headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn update_voice_provider(
    State(app): State<App>,
    Admin(caller): Admin,
    PathId(line_id): PathId<LineId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
    body: Body<VoiceProviderPatch>,
) -> ApiResult<Answer> {
    let line = app.store.get_line(caller.tenant_id, line_id).await?;
    precondition.check(line.revision)?;
    let (fields, mut faults) = body.into_parts();
    let change = read(&app, &line, fields, &mut faults)?;
    faults.check()?;
    let line = app
        .store
        .update_line(caller, line_id, change, precondition)
        .await?;
    let view = VoiceProviderView::of(&app, &line);
    Ok(Answer::ok("Voice provider updated successfully", view).with_revision(line.revision))
}

fn read(
    app: &App,
    line: &LineRecord,
    mut fields: Map<String, Value>,
    faults: &mut Faults,
) -> ApiResult<LineChange> {
    let kind = kind_of(line)?;
    let desk = ProviderDesk::new(app);
    if text(&fields, "provider").is_some_and(|provider| provider != line.provider) {
        faults.add(
            "provider",
            code::IMMUTABLE,
            "`provider` cannot change; connect another account.",
        );
    }
    let secret = text(&fields, "webhook_secret")
        .and_then(|secret| faults.take(check_webhook_secret(secret)));
    let sealed_webhook_secret =
        secret.map(|secret| desk.seal_webhook_secret(&line.line_key, secret));
    let base_url = match fields.get("base_url") {
        Some(Value::String(text)) => faults.take(base_url::parse(app, kind, text)).map(Some),
        Some(_) => Some(None),
        None => None,
    };
    if base_url == Some(None)
        && kind
            .default_base_url()
            .or(app.options.sandbox_base_url.as_deref())
            .is_none()
    {
        let message = "`base_url` cannot be cleared: no sandbox runs inside this server.";
        faults.add("base_url", code::REQUIRED, message);
    }
    let credentials = match fields.get_mut("credentials").map(Value::take) {
        Some(Value::Object(credentials)) => Some(credentials),
        _ => None,
    };
    if let Some(credentials) = &credentials {
        check_credentials(kind, credentials, faults);
    }
    Ok(LineChange {
        name: name::read(&fields, faults),
        base_url,
        sealed_credentials: credentials
            .map(|credentials| desk.seal_credentials(&line.line_key, &credentials)),
        sealed_webhook_secret,
        max_concurrent_calls: limit(&fields, "max_concurrent_calls"),
        max_calls_per_second: limit(&fields, "max_calls_per_second"),
    })
}

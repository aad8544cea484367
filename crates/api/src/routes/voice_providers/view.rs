use providers::ProviderKind;
use serde::Serialize;
use store::LineRecord;
use utoipa::ToSchema;

use crate::ids::GlobalId;
use crate::state::App;
use crate::wire::instant;

/// An account at a voice vendor, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VoiceProviderView {
    /// Global id of the voice provider.
    #[schema(example = "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=")]
    tenant_voice_provider_id: String,
    /// The vendor.
    #[schema(example = "VAPI")]
    provider: String,
    /// Display name.
    #[schema(example = "Vapi production")]
    name: String,
    /// Root of the vendor's API; `null`: the vendor's own, or the sandbox inside the server.
    base_url: Option<String>,
    /// Always `true`: credentials are kept sealed and never shown.
    credentials_set: bool,
    /// Always `true`: the secret of callbacks is kept sealed and never shown.
    webhook_secret_set: bool,
    /// Most calls at once.
    max_concurrent_calls: u32,
    /// Most calls started per second.
    max_calls_per_second: u32,
    /// `AVAILABLE`, or `RESTING` after failures in a row.
    #[schema(example = "AVAILABLE")]
    status: &'static str,
    /// When it is tried again.
    #[schema(format = DateTime)]
    rests_until: Option<String>,
    /// Why it rests.
    rest_reason: Option<String>,
    /// Where the vendor reports its calls; `null` when the server has no address of its own.
    #[schema(
        example = "https://campanile.example.com/hooks/vapi/n4bq7w2mzk8t5c3vxj9rp6hdaf/{attempt_key}"
    )]
    callback_url: Option<String>,
    /// Counts changes.
    revision: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl VoiceProviderView {
    /// The line as of now.
    pub(super) fn of(app: &App, line: &LineRecord) -> Self {
        let rests_until = line.rests_until.filter(|until| *until > app.now());
        Self {
            tenant_voice_provider_id: line.line_id.global(),
            provider: line.provider.clone(),
            name: line.name.clone(),
            base_url: line.base_url.clone(),
            credentials_set: true,
            webhook_secret_set: true,
            max_concurrent_calls: line.max_concurrent_calls,
            max_calls_per_second: line.max_calls_per_second,
            status: if rests_until.is_some() {
                "RESTING"
            } else {
                "AVAILABLE"
            },
            rests_until: rests_until.map(instant),
            rest_reason: rests_until.and(line.rest_reason.clone()),
            callback_url: callback_url(app, line),
            revision: line.revision,
            created_at: instant(line.created_at),
            updated_at: instant(line.updated_at),
        }
    }
}

fn callback_url(app: &App, line: &LineRecord) -> Option<String> {
    let public_url = app.options.public_url.as_deref()?.trim_end_matches('/');
    let segment = ProviderKind::parse(&line.provider)?.hook_segment();
    Some(format!(
        "{public_url}/hooks/{segment}/{}/{{attempt_key}}",
        line.line_key
    ))
}

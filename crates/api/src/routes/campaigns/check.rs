//! What a draft's references must be: objects of the tenant, known at the provider, able to dial.

use domain::calendar::Calendar;
use domain::campaign::CampaignType;
use domain::fault::Fault;
use domain::settings::{CallingEntity, CampaignSettings, DialerType, Numbers, SettingsDraft};
use domain::{LineId, PoolId, TenantId};
use futures_util::future::join;
use jiff::Timestamp;
use providers::ProviderKind;
use store::{LineRecord, PoolRecord, StoreError, StoreResult};

use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::faults::Faults;
use crate::outside::check_url;
use crate::provider_desk::{LookupFailure, ProviderDesk, kind_of};
use crate::state::App;

const LINE: &str = "tenant_voice_provider_id";
const POOL: &str = "phone_number_pool_id";

/// Objects that a draft names.
pub(crate) struct References {
    pub(crate) line: Option<LineRecord>,
    pub(crate) pool: Option<PoolRecord>,
}

impl References {
    /// When nothing depends on them.
    pub(crate) const fn none() -> Self {
        Self {
            line: None,
            pool: None,
        }
    }
}

/// The address of webhooks must be one that this server may call.
pub(crate) fn webhook(app: &App, draft: &SettingsDraft, faults: &mut Faults) {
    if let Some(text) = &draft.webhook_url
        && !faults.has("webhook_url")
    {
        let private = app.options.allow_private_networks;
        faults.take(check_url("webhook_url", text, private));
    }
}

/// Looks up what the draft names in the store, and checks what needs no provider.
pub(crate) async fn references(
    app: &App,
    tenant_id: TenantId,
    draft: &SettingsDraft,
    faults: &mut Faults,
) -> ApiResult<References> {
    webhook(app, draft, faults);
    let line = match draft.tenant_voice_provider_id.filter(|_| !faults.has(LINE)) {
        Some(id) => known(
            LINE,
            "voice provider",
            app.store.get_line(tenant_id, LineId::from_raw(id)).await,
            faults,
        )?,
        None => None,
    };
    let pool = match draft.phone_number_pool_id.filter(|_| !faults.has(POOL)) {
        Some(id) => known(
            POOL,
            "phone number pool",
            app.store.get_pool(tenant_id, PoolId::from_raw(id)).await,
            faults,
        )?,
        None => None,
    };
    if let (Some(line), Some(pool)) = (&line, &pool)
        && pool.line_id != line.line_id
    {
        let message = format!("The pool belongs to another voice provider than `{LINE}` names.");
        faults.add(POOL, code::WRONG_PROVIDER, message);
    }
    if let Some(line) = &line
        && draft.vapi_calling_entity.is_some()
        && !matches!(kind_of(line)?, ProviderKind::Vapi | ProviderKind::Sandbox)
    {
        let message =
            "`vapi_calling_entity` is for VAPI only; leave it out with this voice provider.";
        faults.add("vapi_calling_entity", code::WRONG_PROVIDER, message);
    }
    Ok(References { line, pool })
}

fn known<T>(
    field: &str,
    label: &str,
    read: StoreResult<T>,
    faults: &mut Faults,
) -> ApiResult<Option<T>> {
    match read {
        Ok(record) => Ok(Some(record)),
        Err(StoreError::NotFound(_)) => {
            faults.add(
                field,
                code::NO_SUCH_OBJECT,
                format!("There is no {label} with this id."),
            );
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is asked of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    line_id: LineId,
    assistant: Option<(CallingEntity, String)>,
    phone_number_id: Option<String>,
}

impl Question {
    /// The assistant and the single number of a draft, each if it is `wanted` and sound so far.
    pub(crate) fn about(
        line: &LineRecord,
        draft: &SettingsDraft,
        faults: &Faults,
        wanted: impl Fn(&[&str]) -> bool,
    ) -> Self {
        let entity = draft.vapi_calling_entity.as_deref();
        let entity = entity
            .and_then(CallingEntity::parse)
            .unwrap_or(CallingEntity::Assistant);
        let sound = |name: &str| !faults.has(name);
        let assistant = draft.assistant_id.clone().filter(|_| {
            sound("assistant_id")
                && sound("vapi_calling_entity")
                && wanted(&["assistant_id", "vapi_calling_entity", LINE])
        });
        let single = draft.dialer_type.as_deref() == Some(DialerType::Single.as_str());
        let number = draft.phone_number_id.clone().filter(|_| {
            single && sound("phone_number_id") && wanted(&["phone_number_id", "dialer_type", LINE])
        });
        Self {
            line_id: line.line_id,
            assistant: assistant.map(|id| (entity, id)),
            phone_number_id: number,
        }
    }

    /// Whether nothing is asked.
    pub(crate) const fn is_empty(&self) -> bool {
        self.assistant.is_none() && self.phone_number_id.is_none()
    }

    /// Asks, both at once. Objects the provider does not know become faults; a provider that
    /// refuses or cannot be reached is the error.
    pub(crate) async fn ask(
        &self,
        app: &App,
        line: &LineRecord,
        faults: &mut Faults,
    ) -> ApiResult<()> {
        if self.is_empty() {
            return Ok(());
        }
        let desk = ProviderDesk::new(app).open(line)?;
        let assistant = async {
            match &self.assistant {
                Some((entity, id)) => desk.assistant(*entity, id).await.map(drop),
                None => Ok(()),
            }
        };
        let number = async {
            match &self.phone_number_id {
                Some(id) => desk.phone_number(id).await.map(drop),
                None => Ok(()),
            }
        };
        let (assistant, number) = join(assistant, number).await;
        let mut failure = None;
        for (field, answer) in [("assistant_id", assistant), ("phone_number_id", number)] {
            match answer.map_err(|error: LookupFailure| error.blame(field)) {
                Ok(()) => {}
                Err(Ok(fault)) => faults.push(fault),
                Err(Err(error)) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Everything that keeps these settings from ever dialing.
pub(crate) fn hindrances(
    kind: CampaignType,
    settings: &CampaignSettings,
    pool: Option<&PoolRecord>,
    now: Timestamp,
) -> Vec<Fault> {
    if kind == CampaignType::Inbound {
        let message = "An INBOUND campaign cannot be started yet.";
        return vec![Fault::new("type", code::NOT_SUPPORTED, message)];
    }
    let mut found: Vec<_> = no_number(settings, pool).into_iter().collect();
    let opens = settings.outbound.as_ref().is_some_and(|outbound| {
        Calendar::new(&outbound.hours, &outbound.zone)
            .next_open(now)
            .is_some()
    });
    if !opens {
        let message = "The calendar never opens from now on; look at `end_date`, `days_of_week` and `blackout_dates`.";
        found.push(Fault::new("end_date", code::NEVER_OPENS, message));
    }
    found
}

/// That there is nothing to call from, if there is nothing.
pub(crate) fn no_number(settings: &CampaignSettings, pool: Option<&PoolRecord>) -> Option<Fault> {
    let fault = |field: &str, message: &str| Some(Fault::new(field, code::NO_NUMBER, message));
    match &settings.numbers {
        Numbers::Single(None) => fault(
            "phone_number_id",
            "A SINGLE campaign needs a `phone_number_id` to call from.",
        ),
        Numbers::Pool(None) => fault(
            POOL,
            "A POOL campaign needs a `phone_number_pool_id` to call from.",
        ),
        Numbers::Pool(Some(_))
            if !pool.is_some_and(|pool| pool.numbers.iter().any(|number| number.enabled)) =>
        {
            fault(POOL, "The pool has no enabled number to call from.")
        }
        Numbers::Single(Some(_)) | Numbers::Pool(Some(_)) => None,
    }
}

/// The pool that parsed settings dial from.
pub(crate) async fn pool_of(
    app: &App,
    tenant_id: TenantId,
    settings: &CampaignSettings,
) -> ApiResult<Option<PoolRecord>> {
    match settings.numbers {
        Numbers::Pool(Some(pool_id)) => match app.store.get_pool(tenant_id, pool_id).await {
            Ok(pool) => Ok(Some(pool)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(ApiError::from(error)),
        },
        Numbers::Pool(None) | Numbers::Single(_) => Ok(None),
    }
}

//! Hanging a call up at its voice provider.
//!
//! An order to hang up is harmless when it is repeated: the vendor ends a call once. When the
//! vendor refuses one, or gave no address for it, it is asked about the call, and what it says is
//! applied like any other report, so that a call that is over is known to be over.

use lines::facts_about;
use providers::{CallEvent, CallStatus};
use store::{CallRecord, Conflict};

use crate::error::{ApiError, ApiResult};
use crate::provider_desk::{Desk, LookupFailure};
use crate::state::App;

/// What became of it.
#[derive(Debug)]
pub(crate) enum HungUp {
    /// The vendor hangs the call up, and will report its end.
    Ordered,
    /// The call is over, and known to be.
    Over,
    /// It cannot be done; why.
    Impossible(&'static str),
    /// The vendor refused, or did not answer.
    Failed(LookupFailure),
}

impl HungUp {
    /// As the answer to a user who wanted this one call hung up.
    pub(crate) fn into_result(self) -> ApiResult<()> {
        match self {
            Self::Ordered => Ok(()),
            Self::Over => Err(ApiError::Conflict(Conflict::CallOver)),
            Self::Impossible(why) => Err(ApiError::Conflict(Conflict::CannotHangUp(why))),
            Self::Failed(failure) => Err(failure.into_error()),
        }
    }
}

/// Hangs `call` up.
pub(crate) async fn hang_up(app: &App, desk: &Desk<'_>, call: &CallRecord) -> ApiResult<HungUp> {
    if !call.state.is_live() {
        return Ok(HungUp::Over);
    }
    let Some(id) = call.provider_call_id.as_deref() else {
        return Ok(HungUp::Impossible(
            "the voice provider has not named the call yet; try again in a few seconds",
        ));
    };
    let mut known = Known {
        over: false,
        control_url: call.control_url.clone(),
    };
    if known.control_url.is_none() {
        known = match look_up(app, desk, call, id).await? {
            Ok(known) => known,
            Err(failure) => return Ok(HungUp::Failed(failure)),
        };
    }
    if known.over {
        return Ok(HungUp::Over);
    }
    let Some(request) = desk.hang_up_request(id, known.control_url.as_deref()) else {
        return Ok(HungUp::Impossible(
            "the voice provider offers no way to hang this call up",
        ));
    };
    Ok(match desk.hang_up(request).await {
        Ok(()) => HungUp::Ordered,
        Err(refused @ (LookupFailure::NotFound | LookupFailure::Unexpected(_))) => {
            match look_up(app, desk, call, id).await? {
                Ok(Known { over: true, .. }) => HungUp::Over,
                Ok(_) | Err(_) => HungUp::Failed(refused),
            }
        }
        Err(failure) => HungUp::Failed(failure),
    })
}

/// What a look-up told.
struct Known {
    over: bool,
    control_url: Option<String>,
}

/// Asks the vendor about the call and brings its state up to date.
async fn look_up(
    app: &App,
    desk: &Desk<'_>,
    call: &CallRecord,
    provider_call_id: &str,
) -> ApiResult<Result<Known, LookupFailure>> {
    let events = match desk.call(provider_call_id).await {
        Ok(events) => events,
        // The line may mean another account by now, so this proves nothing about the call.
        Err(LookupFailure::NotFound) => Vec::new(),
        Err(failure) => return Ok(Err(failure)),
    };
    let is_over = |event: &CallEvent| matches!(event.status, CallStatus::Ended(_));
    let told_over = events.iter().any(is_over);
    let control_url = events
        .iter()
        .rev()
        .find_map(|event| event.control_url.clone());
    let about = |event| facts_about(call.attempt_id, event);
    let facts: Vec<_> = events.into_iter().flat_map(about).collect();
    if !facts.is_empty() {
        app.store.apply_facts(app.now(), facts).await?;
    }
    let now = app.store.get_call(call.tenant_id, call.attempt_id).await?;
    Ok(Ok(Known {
        over: told_over || !now.state.is_live(),
        control_url: control_url.or(now.control_url),
    }))
}

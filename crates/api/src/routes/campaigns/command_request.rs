//! What every life-cycle command of a campaign is asked with, read in one place and in one order:
//! who asks, which campaign, the query, `If-Match`, then the body with its key.

use axum::extract::{FromRequest, FromRequestParts, Request};
use domain::CampaignId;
use domain::campaign::CampaignCommand;
use store::{Caller, CampaignOrder, Precondition};

use crate::auth::Writer;
use crate::body::{Interrupted, Nothing, Post};
use crate::error::ApiResult;
use crate::etag::IfMatch;
use crate::idempotency::Once;
use crate::ids::PathId;
use crate::query::Query;
use crate::state::App;

/// A command that was not looked at yet.
pub(crate) struct CommandRequest {
    app: App,
    caller: Caller,
    campaign_id: CampaignId,
    query: Query,
    precondition: Precondition,
    post: Post<Nothing>,
}

/// Documentation of the path and the headers.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "read by `CommandRequest`; this is its documentation"
)]
pub(crate) struct CampaignIdParam {
    /// Global id of the campaign.
    #[param(example = "Vm9pY2VDYW1wYWlnbjoxMjM=")]
    campaign_id: String,
}

/// Documentation of the query of a command that holds.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by `hold`; this is its documentation")]
pub(crate) struct HangUpParam {
    /// Hang up the calls that are still up; the result of each is in `live_calls`.
    hang_up: Option<bool>,
}

impl CommandRequest {
    /// The parts, when `read` has taken what it knows from the query.
    pub(super) fn read(
        self,
        command: CampaignCommand,
        read: impl FnOnce(&mut Query),
    ) -> ApiResult<(App, Caller, CampaignOrder, Once)> {
        let mut query = self.query;
        read(&mut query);
        query.finish()?;
        self.post.body.parse()?;
        let order = CampaignOrder {
            campaign_id: self.campaign_id,
            command,
            precondition: self.precondition,
        };
        Ok((self.app, self.caller, order, self.post.once))
    }

    /// The parts of a command that takes no query.
    pub(super) fn without_query(
        self,
        command: CampaignCommand,
    ) -> ApiResult<(App, Caller, CampaignOrder, Once)> {
        self.read(command, |_| {})
    }
}

impl FromRequest<App> for CommandRequest {
    type Rejection = Interrupted;

    async fn from_request(request: Request, app: &App) -> Result<Self, Interrupted> {
        let (mut parts, body) = request.into_parts();
        let Writer(caller) = Writer::from_request_parts(&mut parts, app).await?;
        let PathId(campaign_id) = PathId::from_request_parts(&mut parts, app).await?;
        let query = Query::from_request_parts(&mut parts, app).await?;
        let IfMatch(precondition) = IfMatch::from_request_parts(&mut parts, app).await?;
        let post = Post::from_request(Request::from_parts(parts, body), app).await?;
        Ok(Self {
            app: app.clone(),
            caller,
            campaign_id,
            query,
            precondition,
            post,
        })
    }
}

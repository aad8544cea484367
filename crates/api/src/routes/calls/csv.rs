//! Calls as CSV, written page by page as the reader takes them.

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use domain::TenantId;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use store::{CallFilter, CallRecord, Page, PageRequest, StoreResult};

use super::view::CallView;
use crate::error::ApiResult;
use crate::state::App;

/// Calls read at once.
const PAGE: u32 = 200;

const HEAD: &str = "call_id,campaign_id,campaign_lead_id,attempt,phone_number,state,outcome,ended_reason,\
provider_call_id,tenant_voice_provider_id,phone_number_id,assistant_id,planned_at,started_at,ended_at,\
duration_seconds,cost_usd,recording_url,summary\r\n";

/// The calls as a download. The first page is read before the answer begins, so that a database
/// that is down is told as such; a failure later breaks the download off.
pub(super) async fn download(
    app: App,
    tenant_id: TenantId,
    filter: CallFilter,
) -> ApiResult<Response> {
    let source = Source {
        app,
        tenant_id,
        filter,
    };
    let first = source.read(None).await?;
    let rows = stream::try_unfold(
        (source, Some(first), HEAD),
        |(source, page, head)| async move {
            let Some(page) = page else { return Ok(None) };
            let text = text(head, &page.items);
            let next = match page.next {
                Some(before) => Some(source.read(Some(before)).await?),
                None => None,
            };
            StoreResult::Ok(Some((Bytes::from(text), (source, next, ""))))
        },
    );
    let mut response = Response::new(Body::from_stream(rows));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
    );
    headers.insert(
        CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"calls.csv\""),
    );
    Ok(response)
}

struct Source {
    app: App,
    tenant_id: TenantId,
    filter: CallFilter,
}

impl Source {
    async fn read(&self, before: Option<i64>) -> StoreResult<Page<CallRecord>> {
        let page = PageRequest {
            limit: PAGE,
            before,
        };
        self.app
            .store
            .list_calls(self.tenant_id, self.filter.clone(), page)
            .await
    }
}

fn text(head: &str, calls: &[CallRecord]) -> String {
    let mut text = String::with_capacity(head.len() + calls.len() * 400);
    text.push_str(head);
    for call in calls {
        row(&mut text, &CallView::of(call));
    }
    text
}

fn row(text: &mut String, call: &CallView) {
    plain(text, &call.call_id);
    plain(text, &call.campaign_id);
    plain(text, call.campaign_lead_id.as_deref().unwrap_or_default());
    plain(text, &call.attempt.to_string());
    // A `+` and digits: no spreadsheet makes more of it than a number.
    plain(text, &call.phone_number);
    plain(text, call.state);
    plain(text, call.outcome.unwrap_or_default());
    free(text, call.ended_reason.as_deref());
    free(text, call.provider_call_id.as_deref());
    plain(text, &call.tenant_voice_provider_id);
    free(text, Some(&call.phone_number_id));
    free(text, Some(&call.assistant_id));
    plain(text, &call.planned_at);
    plain(text, call.started_at.as_deref().unwrap_or_default());
    plain(text, call.ended_at.as_deref().unwrap_or_default());
    plain(
        text,
        &call
            .duration_seconds
            .map(|seconds| seconds.to_string())
            .unwrap_or_default(),
    );
    plain(
        text,
        &call
            .cost_usd
            .map(|cost| cost.to_string())
            .unwrap_or_default(),
    );
    free(text, call.recording_url.as_deref());
    free(text, call.summary.as_deref());
    // The comma behind the last cell becomes the end of the line.
    text.pop();
    text.push_str("\r\n");
}

/// A cell of ours, which needs no quotes.
fn plain(text: &mut String, cell: &str) {
    text.push_str(cell);
    text.push(',');
}

/// A cell of somebody else's words: quoted, and kept from being a formula in a spreadsheet.
fn free(text: &mut String, cell: Option<&str>) {
    let Some(cell) = cell else {
        text.push(',');
        return;
    };
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        "'"
    } else {
        ""
    };
    let _ = write!(text, "\"{guard}{}\",", cell.replace('"', "\"\""));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_is_quoted_and_no_formula() {
        let cell = |text: &str| {
            let mut row = String::new();
            free(&mut row, Some(text));
            row
        };
        assert_eq!(cell("customer-ended-call"), "\"customer-ended-call\",");
        assert_eq!(cell("a \"b\", c\nd"), "\"a \"\"b\"\", c\nd\",");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(cell(formula), format!("\"'{formula}\","));
        }
    }
}

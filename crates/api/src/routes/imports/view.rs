use serde::Serialize;
use store::ImportRecord;
use utoipa::ToSchema;

use crate::ids::GlobalId;
use crate::wire::instant;

/// A bulk addition of leads.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportView {
    /// Global id of the import.
    #[schema(example = "TGVhZEltcG9ydDoxMjM=")]
    import_id: String,
    /// Global id of the campaign.
    #[schema(example = "Vm9pY2VDYW1wYWlnbjoxMjM=")]
    campaign_id: String,
    /// `QUEUED`, `RUNNING` or `COMPLETED`.
    #[schema(example = "RUNNING")]
    status: &'static str,
    /// Leads in it.
    total: u64,
    /// Leads done so far.
    processed: u64,
    /// Of these, new ones.
    added: u64,
    /// Of these, ones that were there and were updated.
    updated: u64,
    /// Of these, ones that were there and were skipped.
    skipped: u64,
    /// Of these, ones that the campaign did not take.
    rejected: u64,
    /// When it was queued.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was done.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
}

impl ImportView {
    pub(crate) fn of(import: &ImportRecord) -> Self {
        let status = match (import.finished_at, import.processed) {
            (Some(_), _) => "COMPLETED",
            (None, 0) => "QUEUED",
            (None, _) => "RUNNING",
        };
        Self {
            import_id: import.import_id.global(),
            campaign_id: import.campaign_id.global(),
            status,
            total: import.total,
            processed: import.processed,
            added: import.added,
            updated: import.updated,
            skipped: import.skipped,
            rejected: import.rejected,
            created_at: instant(import.created_at),
            finished_at: import.finished_at.map(instant),
        }
    }
}

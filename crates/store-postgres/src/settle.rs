//! "When it has answered, nothing of its scope can still be sent", over all nodes.
//!
//! The narrowing is committed under the tenant's row, so no node reserves under the old rules any
//! more. What is left are calls that were reserved before. Those of this process are on its board:
//! taken back, or waited for. Those of other nodes can leave only within their send deadline, which
//! every node measures with its own monotonic clock from before its reservation committed: longer
//! than that after our commit, none of them can begin. Mostly it is over sooner, when their
//! attempts are no longer DISPATCHING.

use std::time::Duration;

use domain::{LeadId, LineId, TenantId};
use store::{Scope, StoreResult};

use crate::query::{self, bound};
use crate::store_impl::{PostgresStore, read};
use crate::tx::As;

/// How long a narrowing operation waits for requests that are being sent. Longer than the send
/// deadline, so that what was reserved before is either decided or has long left.
pub(crate) const SETTLE_PATIENCE: Duration = Duration::from_millis(2_500);

/// How often other nodes' attempts are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl PostgresStore {
    /// Waits for the requests of all scopes together, not for each in turn.
    pub(crate) async fn settle(&self, tenant_id: TenantId, scopes: &[Scope]) {
        if scopes.is_empty() {
            return;
        }
        let all = async {
            for scope in scopes {
                self.shared.board.settle(scope, SETTLE_PATIENCE).await;
            }
            self.settle_elsewhere(tenant_id, scopes).await;
        };
        // What hangs longer than this has long left, and is listed as live.
        let _ = tokio::time::timeout(SETTLE_PATIENCE, all).await;
    }

    /// Waits for the tenant's calls that are reserved now, on this node and on others; not for what
    /// is reserved later.
    pub(crate) async fn settle_present(&self, tenant_id: TenantId) {
        let board = &self.shared.board;
        let here = board.settle_present(tenant_id, SETTLE_PATIENCE);
        let elsewhere = async {
            let mut newest = None;
            while self
                .is_present_elsewhere(tenant_id, &mut newest)
                .await
                .unwrap_or(true)
            {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let both = async { tokio::join!(here, elsewhere) };
        let _ = tokio::time::timeout(SETTLE_PATIENCE, both).await;
    }

    /// Whether a call of the tenant that another node reserved may still be sent. `newest` is the
    /// last one that counts, kept from the first look on.
    async fn is_present_elsewhere(
        &self,
        tenant_id: TenantId,
        newest: &mut Option<i64>,
    ) -> StoreResult<bool> {
        let owned = self.node.owned(&self.pool, &self.shared).await?;
        let sql = "SELECT max(attempt_id) AS newest FROM attempts
                   WHERE tenant_id = $1 AND live AND state = 'DISPATCHING' AND (node <> $2 OR attempt_id <= $3)
                     AND attempt_id <= coalesce($4, attempt_id)";
        let bound = bound![tenant_id.raw(), owned.number, owned.after, *newest];
        let found: Option<i64> = read!(self, As::Tenant(tenant_id), |db| query::one(
            db,
            sql,
            bound,
            |row| row.maybe_number("newest")
        ))?
        .flatten();
        *newest = newest.or(found);
        Ok(found.is_some())
    }

    async fn settle_elsewhere(&self, tenant_id: TenantId, scopes: &[Scope]) {
        loop {
            match self.is_sent_elsewhere(tenant_id, scopes).await {
                Ok(false) => return,
                // Whoever cannot look waits the time out.
                Ok(true) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn is_sent_elsewhere(&self, tenant_id: TenantId, scopes: &[Scope]) -> StoreResult<bool> {
        let owned = self.node.owned(&self.pool, &self.shared).await?;
        let (mut campaigns, mut leads, mut lines, mut phones) = (vec![], vec![], vec![], vec![]);
        for scope in scopes {
            match scope {
                Scope::Campaign(id) => campaigns.push(id.raw()),
                Scope::Lead(id) => leads.push(LeadId::raw(*id)),
                Scope::Line(id) => lines.push(LineId::raw(*id)),
                Scope::Phone(_, phone) => phones.push(phone.as_str()),
                Scope::Everything => return Ok(false),
            }
        }
        let sql = "SELECT 1 FROM attempts
                   WHERE tenant_id = $1 AND live AND state = 'DISPATCHING' AND (node <> $2 OR attempt_id <= $3)
                     AND (campaign_id = ANY($4) OR lead_id = ANY($5) OR line_id = ANY($6) OR phone = ANY($7))
                   LIMIT 1";
        let bound = bound![
            tenant_id.raw(),
            owned.number,
            owned.after,
            campaigns,
            leads,
            lines,
            phones
        ];
        read!(self, As::Tenant(tenant_id), |db| query::exists(
            db, sql, bound
        ))
    }
}

//! What a fresh process does about calls that others were sending.
//!
//! A node whose number nobody holds may live all the same: its session broke, and what it had reserved
//! can leave until its send deadline. Who pauses meanwhile waits for what is DISPATCHING. So nothing
//! is given up before that deadline has passed on this node's monotonic clock.

use jiff::Timestamp;
use store::StoreResult;

use crate::dial::recover;
use crate::error::translate;
use crate::node;
use crate::settle::SETTLE_PATIENCE;
use crate::store_impl::{PostgresStore, read, write};
use crate::tx::As;
use crate::work::Work;

impl PostgresStore {
    /// Gives up what nodes that are not there were sending; answers how many calls.
    pub(crate) async fn give_up_orphans(&self, now: Timestamp) -> StoreResult<u64> {
        let own = self.node.number(&self.pool, &self.shared).await?;
        let orphans = read!(self, As::Server, |db| async {
            let mut living = node::living(&**db.connection().await?)
                .await
                .map_err(translate)?;
            living.retain(|number| *number != own);
            living.push(node::UNCLAIMED);
            recover::orphans(db, &living).await
        })?;
        if !orphans.is_empty() {
            tokio::time::sleep(SETTLE_PATIENCE).await;
        }
        let patience_of = self.patience_of;
        let mut given_up = 0;
        for (tenant_id, attempts) in &orphans {
            given_up += write!(self, *tenant_id, |work| recover::give_up(
                work,
                now,
                attempts,
                patience_of
            ))?;
        }
        self.shared.wake.notify_one();
        Ok(given_up)
    }
}

//! Hold mode as the store's operations: each on a transaction of the server itself, and settled over
//! all nodes.

use std::collections::HashMap;
use std::time::Duration;

use domain::TenantId;
use jiff::Timestamp;
use store::{Adoption, HoldReason, Release, Scope, StoreResult, StrangeCall};

use crate::dial::adopt;
use crate::ops::hold::{self, Sight};
use crate::query::{self, bound};
use crate::store_impl::{PostgresStore, read, server, write};
use crate::tx::As;
use crate::work::Work;

/// How often other nodes' attempts are looked at while a hold settles.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl PostgresStore {
    /// Puts the installation on hold; when it has answered, no call that was reserved before can
    /// begin, on any node.
    pub(crate) async fn put_on_hold(
        &self,
        now: Timestamp,
        reason: HoldReason,
        detail: &str,
    ) -> StoreResult<()> {
        server!(self, |db| async {
            hold::lock(db).await?;
            hold::put(db, &self.shared, now, reason, detail, None).await
        })?;
        self.settle_everything().await;
        Ok(())
    }

    /// Looks at the database before anything is planned; what is wrong with it is put on record.
    /// Answers what was seen.
    pub(crate) async fn look(&self, now: Timestamp) -> StoreResult<Sight> {
        let last = self.marker.last();
        let sight = read!(self, As::Server, |db| hold::look(db, last))?;
        if let Some(detail) = sight.trouble().filter(|_| !sight.is_noted()) {
            server!(self, |db| async {
                hold::lock(db).await?;
                hold::note_loss(db, now).await?;
                hold::put(db, &self.shared, now, HoldReason::WentBack, &detail, None).await
            })?;
        }
        if !sight.knows_attempt {
            self.forget_marker(&sight, now);
        }
        Ok(sight)
    }

    /// Once it is on record what this node knew better, its memory starts anew.
    fn forget_marker(&self, sight: &Sight, now: Timestamp) {
        self.marker
            .forget(sight.name.as_deref().unwrap_or("unnamed"), now);
    }

    /// What a fresh process makes of the database.
    pub(crate) async fn judge_start(&self, now: Timestamp) -> StoreResult<()> {
        let (shared, marker) = (&self.shared, &self.marker);
        let sight = server!(self, |db| async {
            hold::lock(db).await?;
            hold::judge_start(db, shared, marker, now).await
        })?;
        match sight.agreed {
            Some(last) => self.marker.resume(last),
            None => self.forget_marker(&sight.sight, now),
        }
        Ok(())
    }

    /// Ends one hold because its reason is gone.
    pub(crate) async fn lift(&self, now: Timestamp, reason: HoldReason) -> StoreResult<bool> {
        let found = read!(self, As::Server, |db| hold::status(db))?;
        let is_there = found.holds.iter().any(|hold| hold.reason == reason);
        if is_there && reason.is_about_the_clock() {
            self.forget_wrong_instants(now).await?;
        }
        let ended = server!(self, |db| hold::lift(db, now, reason))?;
        if ended {
            self.shared.ring();
        }
        Ok(ended)
    }

    /// Ends all holds on the operator's word.
    pub(crate) async fn release(&self, now: Timestamp, force: bool) -> StoreResult<Release> {
        self.check_prepared()?;
        let node = self.node.number(&self.pool, &self.shared).await?;
        let passed = self.shared.ids.next(node, now).max(self.marker.last());
        let found = read!(self, As::Server, |db| hold::status(db))?;
        let is_about_the_clock = |hold: &store::Hold| hold.reason.is_about_the_clock();
        if (force || found.is_reconciled()) && found.holds.iter().any(is_about_the_clock) {
            self.forget_wrong_instants(now).await?;
        }
        let released = server!(self, |db| async {
            hold::lock(db).await?;
            hold::release(db, now, passed, force).await
        })?;
        self.shared.ring();
        Ok(released)
    }

    /// Makes good what a wrong clock put off, before the hold for it ends: one tenant after the
    /// other, each under its own lock, as every write of a tenant is.
    async fn forget_wrong_instants(&self, now: Timestamp) -> StoreResult<()> {
        for tenant_id in read!(self, As::Server, |db| hold::tenants(db))? {
            write!(self, tenant_id, |work| hold::forget_wrong_instants(
                work, now
            ))?;
        }
        Ok(())
    }

    /// Adopts calls that the database does not know. The hold is durable first: a process that
    /// dies in between has not lost what proves that something was forgotten.
    pub(crate) async fn adopt(
        &self,
        now: Timestamp,
        calls: &[StrangeCall],
    ) -> StoreResult<Vec<Adoption>> {
        let keys: Vec<&str> = calls.iter().map(|call| call.attempt_key.as_str()).collect();
        let (unknown, tenants) = read!(self, As::Server, |db| async {
            let unknown = hold::unknown_keys(db, &keys).await?;
            Ok((unknown, adopt::tenants_of(db, calls).await?))
        })?;
        if !unknown.is_empty() {
            let first = calls.iter().map(|call| adopt::created_at(call, now)).min();
            let first = first.unwrap_or(now);
            self.hold_for_strange_calls(now, unknown.len(), first)
                .await?;
        }
        let mut adoptions = vec![Adoption::Known; calls.len()];
        let mut by_tenant: HashMap<Option<TenantId>, Vec<usize>> = HashMap::new();
        // A call may be known by another tenant, whose line has the same account: what that has the
        // line's own tenant cannot see.
        let strange = |(_, call): &(usize, &StrangeCall)| unknown.contains(&call.attempt_key);
        for (place, call) in calls.iter().enumerate().filter(strange) {
            let tenant_id = tenants.get(&call.line_id).copied();
            by_tenant.entry(tenant_id).or_default().push(place);
        }
        for (tenant_id, places) in by_tenant {
            let answers = match tenant_id {
                Some(tenant_id) => self.adopt_of(now, tenant_id, calls, &places).await?,
                None => self.park_all(now, calls, &places).await?,
            };
            for (place, answer) in places.into_iter().zip(answers) {
                adoptions[place] = answer;
            }
        }
        Ok(adoptions)
    }

    /// Others may have been placed about the time of the first one, and not been seen yet.
    async fn hold_for_strange_calls(
        &self,
        now: Timestamp,
        strange: usize,
        first: Timestamp,
    ) -> StoreResult<()> {
        let shared = &self.shared;
        let detail = format!(
            "a voice provider has {strange} call(s) of this installation that the database does not know: it is an older copy, restored together with its marker"
        );
        server!(self, |db| async {
            hold::lock(db).await?;
            if hold::needs_reconciliation(db).await? {
                return Ok(());
            }
            hold::note_gap(db, first, now).await?;
            hold::put(db, shared, now, HoldReason::StrangeCalls, &detail, None).await
        })
    }

    async fn adopt_of(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        calls: &[StrangeCall],
        places: &[usize],
    ) -> StoreResult<Vec<Adoption>> {
        let patience_of = self.patience_of;
        write!(self, tenant_id, |work| async {
            let mut answers = Vec::with_capacity(places.len());
            for place in places {
                let call = &calls[*place];
                answers.push(adopt::adopt_or_park(work, now, call, patience_of).await?);
            }
            Ok(answers)
        })
    }

    /// Calls of lines that nobody has any more.
    async fn park_all(
        &self,
        now: Timestamp,
        calls: &[StrangeCall],
        places: &[usize],
    ) -> StoreResult<Vec<Adoption>> {
        server!(self, |db| async {
            let mut answers = Vec::with_capacity(places.len());
            for place in places {
                let call = &calls[*place];
                let unknown = hold::unknown_keys(db, &[&call.attempt_key]).await?;
                answers.push(if unknown.is_empty() {
                    Adoption::Known
                } else {
                    adopt::park(db, None, now, call).await?
                });
            }
            StoreResult::Ok(answers)
        })
    }

    /// Waits for every request that is being sent, here and on other nodes.
    async fn settle_everything(&self) {
        let all = async {
            let scope = Scope::Everything;
            self.shared
                .board
                .settle(&scope, crate::settle::SETTLE_PATIENCE)
                .await;
            while self.is_anything_sent_elsewhere().await.unwrap_or(true) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // What hangs longer than this has long left.
        let _ = tokio::time::timeout(crate::settle::SETTLE_PATIENCE, all).await;
    }

    async fn is_anything_sent_elsewhere(&self) -> StoreResult<bool> {
        let owned = self.node.owned(&self.pool, &self.shared).await?;
        let sql = "SELECT 1 FROM attempts
                   WHERE live AND state = 'DISPATCHING' AND (node <> $1 OR attempt_id <= $2) LIMIT 1";
        let bound = bound![owned.number, owned.after];
        read!(self, As::Server, |db| query::exists(db, sql, bound))
    }
}

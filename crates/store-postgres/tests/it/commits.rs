//! Commits whose answer never comes: what was done is known to be done, what was not is known not to be,
//! and what nobody can know is not claimed.

mod wire;

use domain::CampaignId;
use domain::attempt::{Fact, StateName};
use domain::campaign::{CampaignCommand, CampaignStatus};
use store::conformance::Bench;
use store::conformance::fixture::{add, at, later, tenant_with_running, tick, unique};
use store::{
    AttemptFact, AttemptRef, CallFilter, Caller, CampaignOrder, IdempotencyKey, Idempotent,
    OrderDone, PageRequest, Precondition, Store, StoreError, StoreResult, StoredAnswer, Tick,
    Written,
};
use store_postgres::PostgresStore;

use crate::bench::PostgresBench;
use wire::{Cut, Wire};

/// A running campaign, and a process that reaches the database over a wire.
struct Scene {
    bench: PostgresBench,
    wire: Wire,
    store: PostgresStore,
    caller: Caller,
    campaign: CampaignId,
}

impl Scene {
    async fn new() -> Self {
        let bench = PostgresBench::open();
        let (caller, campaign) = tenant_with_running(bench.store(), "Acme").await;
        let wire = Wire::to(postgres_cluster::shared().host());
        let store = PostgresStore::connect(&bench.options_over(wire.host())).unwrap();
        // It has its connections and its number before anything is cut.
        add(&store, caller, campaign, 1).await;
        Self {
            bench,
            wire,
            store,
            caller,
            campaign,
        }
    }

    async fn pause(&self, key: Option<&IdempotencyKey>) -> StoreResult<Written<OrderDone>> {
        let order = CampaignOrder {
            campaign_id: self.campaign,
            command: CampaignCommand::Pause,
            precondition: Precondition::None,
        };
        let idempotency = key.map(|key| Idempotent {
            key: key.clone(),
            render: Box::new(|_: &OrderDone| StoredAnswer {
                status: 200,
                revision: None,
                body: b"paused".to_vec(),
            }) as Box<_>,
        });
        self.store
            .order_campaign(self.caller, order, idempotency)
            .await
    }

    async fn status(&self) -> CampaignStatus {
        let (store, tenant_id) = (self.bench.store(), self.caller.tenant_id);
        let campaign = store.get_campaign(tenant_id, self.campaign).await;
        campaign.unwrap().status
    }

    async fn tick(&self) -> StoreResult<usize> {
        let keys = Box::new(|| format!("key-{}", unique()));
        let tick = Tick {
            now: self.caller.now,
            keys,
            max_lines: 100,
            max_calls: 100,
        };
        Ok(self.store.tick(tick).await?.dispatches.len())
    }

    async fn states(&self) -> Vec<StateName> {
        let page = PageRequest {
            limit: 100,
            before: None,
        };
        let calls = self
            .bench
            .store()
            .list_calls(self.caller.tenant_id, CallFilter::default(), page)
            .await
            .unwrap();
        calls.items.iter().map(|call| call.state).collect()
    }

    fn end(self) {
        assert!(self.wire.was_cut());
        drop(self.store);
        self.bench.check();
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_known_to_be_done() {
    let scene = Scene::new().await;
    scene.wire.cut_next(Cut::After);
    let paused = scene.pause(None).await;
    assert!(matches!(paused, Ok(Written::Fresh(_))), "{paused:?}");
    assert_eq!(scene.status().await, CampaignStatus::Paused);
    scene.end();
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_known_to_be_undone() {
    let scene = Scene::new().await;
    scene.wire.cut_next(Cut::Before);
    let refused = scene.pause(None).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("nothing was done")),
        "{refused:?}"
    );
    assert_eq!(scene.status().await, CampaignStatus::Running);
    scene.end();
}

#[tokio::test]
async fn a_commit_that_goes_on_without_its_client_is_waited_for() {
    let scene = Scene::new().await;
    scene.bench.admin(
        "CREATE FUNCTION is_slow() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER is_slow AFTER UPDATE ON campaigns
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION is_slow()",
    );
    scene.wire.cut_next(Cut::During);
    let paused = scene.pause(None).await;
    assert!(paused.is_ok(), "{paused:?}");
    assert_eq!(scene.status().await, CampaignStatus::Paused);
    scene.end();
}

#[tokio::test]
async fn what_nobody_can_tell_is_said_to_be_unknown_and_done_once_with_its_key() {
    let scene = Scene::new().await;
    let key = IdempotencyKey {
        key: format!("pause-{}", unique()),
        operation: "POST /pause".to_owned(),
        fingerprint: [7; 32],
    };
    scene.wire.cut_next(Cut::AfterWithAll);
    let lost = scene.pause(Some(&key)).await;
    assert!(
        matches!(lost, Err(StoreError::CommitUnknown(_))),
        "{lost:?}"
    );
    assert_eq!(scene.status().await, CampaignStatus::Paused);
    let again = scene.pause(Some(&key)).await;
    assert!(matches!(again, Ok(Written::Replayed(_))), "{again:?}");
    scene.end();
}

#[tokio::test]
async fn a_reservation_that_was_committed_unheard_is_sent() {
    let scene = Scene::new().await;
    scene.wire.cut_next(Cut::After);
    assert_eq!(scene.tick().await.unwrap(), 1);
    assert_eq!(scene.states().await, [StateName::Dispatching]);
    scene.end();
}

#[tokio::test]
async fn a_reservation_that_never_arrived_is_made_again() {
    let scene = Scene::new().await;
    scene.wire.cut_next(Cut::Before);
    let lost = scene.tick().await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    assert_eq!(scene.states().await, []);
    assert_eq!(tick(&scene.store, scene.caller.now).await.len(), 1);
    scene.end();
}

#[tokio::test]
async fn a_reservation_whose_fate_is_unknown_is_never_sent_and_looked_up() {
    let scene = Scene::new().await;
    scene.wire.cut_next(Cut::AfterWithAll);
    let lost = scene.tick().await;
    assert!(
        matches!(lost, Err(StoreError::CommitUnknown(_))),
        "{lost:?}"
    );
    assert_eq!(scene.states().await, [StateName::Dispatching]);
    let page = PageRequest {
        limit: 1,
        before: None,
    };
    let calls = scene.bench.store();
    let calls = calls.list_calls(scene.caller.tenant_id, CallFilter::default(), page);
    let attempt_id = calls.await.unwrap().items[0].attempt_id;
    assert!(scene.store.send_board().begin(attempt_id).is_none());
    assert!(
        tick(&scene.store, later(1)).await.is_empty(),
        "it holds its lead"
    );
    let due = scene
        .store
        .claim_checks(later(60), store::CheckRoom::of(10))
        .await
        .unwrap();
    assert_eq!(due.len(), 1);
    scene.end();
}

#[tokio::test]
async fn facts_whose_commit_is_unknown_may_be_told_again() {
    let scene = Scene::new().await;
    let call = tick(&scene.store, scene.caller.now).await.remove(0);
    scene.store.send_board().forget(call.attempt_id);
    let told = || {
        vec![AttemptFact::new(
            AttemptRef::Id(call.attempt_id),
            Fact::Placed,
        )]
    };
    scene.wire.cut_next(Cut::AfterWithAll);
    let lost = scene.store.apply_facts(later(1), told()).await;
    assert!(
        matches!(lost, Err(StoreError::CommitUnknown(_))),
        "{lost:?}"
    );
    let again = scene.store.apply_facts(later(2), told()).await.unwrap();
    assert_eq!(again, [store::Applied::Unchanged]);
    assert_eq!(scene.states().await, [StateName::Placed]);
    let caller = at(scene.caller, later(3));
    add(&scene.store, caller, scene.campaign, 2).await;
    scene.end();
}

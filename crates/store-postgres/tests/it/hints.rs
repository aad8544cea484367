//! Hints between processes: what one does wakes the dialers of the others.
//!
//! Nothing else rings the signal that is waited for here, so that a hint that is not told or not
//! heard is a test that waits in vain.

use std::sync::Arc;
use std::time::Duration;

use domain::CampaignId;
use domain::campaign::CampaignCommand;
use store::conformance::Bench;
use store::conformance::fixture::{
    add, at, change, do_not_call, edit, later, order, phone, tenant_with_campaign, tick, unique,
};
use store::{Caller, HoldReason, LineChange, OptOut, Precondition, Store, TestCall};
use store_postgres::PostgresStore;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::bench::PostgresBench;

/// Longer than any hint takes, and than a lost connection takes to be made anew.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that dials and one that does not, with hints between them.
struct Pair {
    bench: PostgresBench,
    dialer: Arc<PostgresStore>,
    api: Arc<PostgresStore>,
    rung: Arc<Notify>,
    hints: JoinSet<()>,
}

impl Pair {
    async fn new() -> Self {
        let bench = PostgresBench::open();
        let (dialer, api) = (
            Arc::new(bench.other_node()),
            Arc::new(bench.node_without_dialer()),
        );
        let mut hints = JoinSet::new();
        for node in [Arc::clone(&dialer), Arc::clone(&api)] {
            hints.spawn(async move { node.stay_in_touch().await });
        }
        let rung = dialer.wake_signal();
        let pair = Self {
            bench,
            dialer,
            api,
            rung,
            hints,
        };
        pair.rings("it listens").await;
        pair
    }

    /// Waits until the dialer is woken.
    async fn rings(&self, what: &str) {
        let rung = tokio::time::timeout(PATIENCE, self.rung.notified()).await;
        assert!(rung.is_ok(), "the dialer was not woken: {what}");
    }

    async fn orders(&self, caller: Caller, campaign: CampaignId, command: CampaignCommand) {
        order(self.api.as_ref(), caller, campaign, command).await;
        self.rings(&format!("{command:?}")).await;
    }

    async fn end(mut self) {
        self.hints.shutdown().await;
        drop((self.dialer, self.api));
        self.bench.check();
    }
}

#[tokio::test]
async fn what_a_user_does_at_one_process_wakes_the_dialer_of_another() {
    let pair = Pair::new().await;
    let api = pair.api.as_ref();
    let (caller, made) = tenant_with_campaign(api, "Acme").await;
    let campaign = made.campaign_id;
    pair.orders(caller, campaign, CampaignCommand::Start).await;
    add(api, caller, campaign, 1).await;
    pair.rings("a lead").await;
    pair.orders(caller, campaign, CampaignCommand::Pause).await;
    pair.orders(caller, campaign, CampaignCommand::Resume).await;
    let edited = edit(api, caller, campaign, |draft| {
        draft.min_gap_between_attempts = Some(5);
    });
    edited.await.unwrap();
    pair.rings("other settings").await;
    let call = TestCall {
        campaign_id: campaign,
        phone: phone(7),
        attempt_key: format!("att_{}", unique()),
        precondition: Precondition::None,
    };
    api.reserve_test_call(caller, call, None).await.unwrap();
    pair.rings("a test call").await;
    let placed = tick(pair.dialer.as_ref(), later(1)).await;
    assert!(placed.iter().any(|call| call.phone == phone(7)));
    for call in placed {
        pair.dialer.send_board().forget(call.attempt_id);
    }
    let caller = at(caller, later(9));
    let wider = LineChange {
        max_concurrent_calls: Some(7),
        ..LineChange::default()
    };
    let line = api
        .get_campaign(caller.tenant_id, campaign)
        .await
        .unwrap()
        .settings
        .line_id;
    api.update_line(caller, line, wider, Precondition::None)
        .await
        .unwrap();
    pair.rings("a line").await;
    change(api, caller, campaign, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    pair.rings("an opt-out").await;
    pair.orders(caller, campaign, CampaignCommand::Stop).await;
    api.hold(caller.now, HoldReason::ClockStep, "because".to_owned())
        .await
        .unwrap();
    api.release_hold(caller.now, false).await.unwrap();
    pair.rings("the end of a hold").await;
    pair.end().await;
}

#[tokio::test]
async fn a_connection_that_is_lost_is_made_anew_and_misses_nothing() {
    let pair = Pair::new().await;
    let (caller, made) = tenant_with_campaign(pair.api.as_ref(), "Acme").await;
    let campaign = made.campaign_id;
    pair.orders(caller, campaign, CampaignCommand::Start).await;
    for lost in 1..=3 {
        let cut = pair.bench.admin(
            "SELECT count(*) FROM (SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'campanile'
                   AND query ~ '^(LISTEN|NOTIFY|SELECT pg_backend_pid)') AS ended",
        );
        assert_ne!(cut.trim(), "0", "loss {lost}");
        pair.rings("it listens again, and may have missed something")
            .await;
        add(pair.api.as_ref(), caller, campaign, lost).await;
        pair.rings("a lead").await;
    }
    pair.end().await;
}

#[tokio::test]
async fn a_process_opens_no_more_connections_than_it_may() {
    let pair = Pair::new().await;
    let reads = (0..12).map(|_| pair.dialer.gauges());
    for read in futures_util::future::join_all(reads).await {
        read.unwrap();
    }
    tick(pair.dialer.as_ref(), later(0)).await;
    pair.dialer.ensure_tenant("Acme", later(0)).await.unwrap();
    let sessions = pair.bench.admin(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'campanile'",
    );
    // Beside those of the dialer there is the one by which the other process carries hints.
    let sessions: u32 = sessions.trim().parse().unwrap();
    assert!(
        sessions <= pair.bench.options().connections + 1,
        "{sessions}"
    );
    pair.end().await;
}

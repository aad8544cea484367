//! Statements that are under way together, of which one fails: who asked hears what it was, nothing is
//! half done, and the connection is as good as before. The only connection for operations is the one
//! that it happens on.

use std::future::{Future as _, poll_fn};
use std::task::Poll;

use domain::Outcome;
use domain::attempt::{EndFault, Fact, StateName};
use domain::campaign::LeadStatus;
use store::conformance::Bench;
use store::conformance::fixture::{add, apply, at, edit, later, lead, tenant_with_running, tick};
use store::{Applied, AttemptFact, AttemptRef, Store as _, StoreError};
use store_postgres::{Options, PostgresStore};

use crate::bench::PostgresBench;

const ANSWERED: Fact = Fact::Ended {
    outcome: Outcome::Answered,
    fault: EndFault::None,
};

/// What a server says whose operator cancels a statement.
const CANCELLED: &str = "57014";

/// A store with one connection for operations.
async fn store_of(bench: &PostgresBench) -> PostgresStore {
    let one = Options {
        connections: 3,
        ..bench.options()
    };
    PostgresStore::open(&one).await.unwrap()
}

/// From now on every change of the table fails.
fn fail(bench: &PostgresBench, table: &str) {
    bench.admin(&format!(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'cancelled' USING ERRCODE = '{CANCELLED}'; END $$;
         CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fails()"
    ));
}

fn mend(bench: &PostgresBench) {
    bench.admin("DROP FUNCTION fails() CASCADE");
}

#[tokio::test]
async fn facts_of_which_a_part_fails_may_be_told_again() {
    // The lines that are woken, the lead that is free, the details of the call, the feed.
    for table in ["lines", "leads", "call_details", "events", "attempts"] {
        let bench = PostgresBench::open();
        let store = store_of(&bench).await;
        let (caller, campaign) = tenant_with_running(&store, "Acme").await;
        add(&store, caller, campaign, 1).await;
        let call = tick(&store, later(0)).await.remove(0);
        apply(&store, later(1), call.attempt_id, Fact::Placed).await;
        fail(&bench, table);
        let mut told = AttemptFact::new(AttemptRef::Id(call.attempt_id), ANSWERED);
        told.details = Some(store::CallDetails {
            summary: Some("They talked.".to_owned()),
            ..store::CallDetails::default()
        });
        let refused = store.apply_facts(later(9), vec![told.clone()]).await;
        let refused = refused.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Unavailable(why) if why.contains(CANCELLED)),
            "{table}: {refused:?}"
        );
        mend(&bench);
        let known = lead(&store, caller, campaign, 1).await;
        assert_eq!(known.status, LeadStatus::InCall, "{table}: nothing is done");
        let state = StateName::Ended;
        assert_eq!(
            store.apply_facts(later(9), vec![told]).await.unwrap(),
            [Applied::Changed { state }],
            "{table}"
        );
        drop(store);
        bench.check();
    }
}

#[tokio::test]
async fn a_plan_of_which_a_part_fails_reserves_nothing_and_is_made_again() {
    for table in ["leads", "attempts", "campaigns", "lines"] {
        let bench = PostgresBench::open();
        let store = store_of(&bench).await;
        let (caller, campaign) = tenant_with_running(&store, "Acme").await;
        add(&store, caller, campaign, 1).await;
        fail(&bench, table);
        let keys = Box::new(|| "att_failing".to_owned());
        let ticked = store
            .tick(store::Tick {
                now: later(0),
                keys,
                max_lines: 8,
                max_calls: 8,
            })
            .await;
        assert!(
            ticked.is_err_and(|error| error.is_retryable()),
            "{table}: it is tried again soon"
        );
        mend(&bench);
        assert_eq!(bench.admin("SELECT count(*) FROM attempts"), "0", "{table}");
        assert_eq!(tick(&store, later(0)).await.len(), 1, "{table}");
        drop(store);
        bench.check();
    }
}

#[tokio::test]
async fn a_write_whose_event_fails_is_not_done() {
    let bench = PostgresBench::open();
    let store = store_of(&bench).await;
    let (caller, campaign) = tenant_with_running(&store, "Acme").await;
    let revision = || bench.admin("SELECT revision FROM campaigns");
    let before = revision();
    fail(&bench, "events");
    let refused = edit(&store, caller, campaign, |draft| {
        draft.name = Some("other".to_owned());
    })
    .await;
    assert!(refused.is_err_and(|error| error.is_retryable()));
    mend(&bench);
    assert_eq!(revision(), before);
    edit(&store, at(caller, later(1)), campaign, |draft| {
        draft.name = Some("other".to_owned());
    })
    .await
    .unwrap();
    drop(store);
    bench.check();
}

/// Whoever asks and goes away in the middle leaves no transaction open, and no tenant behind.
#[tokio::test]
async fn who_goes_away_in_the_middle_leaves_the_connection_clean() {
    let bench = PostgresBench::open();
    let store = store_of(&bench).await;
    let (caller, campaign) = tenant_with_running(&store, "Acme").await;
    let (other, of_other) = tenant_with_running(&store, "Bolt").await;
    add(&store, caller, campaign, 0).await;
    let call = tick(&store, later(0)).await.remove(0);
    apply(&store, later(1), call.attempt_id, Fact::Placed).await;
    let mut waits = 0;
    // It goes away where it waits for the first time, for the second, and so on until it never waits so often.
    loop {
        let told = AttemptFact::new(AttemptRef::Id(call.attempt_id), ANSWERED);
        let mut telling = Box::pin(store.apply_facts(later(9), vec![told]));
        let mut left = waits;
        let told = poll_fn(|context| match (telling.as_mut().poll(context), left) {
            (Poll::Ready(told), _) => Poll::Ready(Some(told)),
            (Poll::Pending, 0) => Poll::Ready(None),
            (Poll::Pending, _) => {
                left -= 1;
                Poll::Pending
            }
        });
        let told = told.await;
        drop(telling);
        let own = store.get_campaign(other.tenant_id, of_other).await.unwrap();
        assert_eq!(own.tenant_id, other.tenant_id);
        let foreign = store.get_campaign(other.tenant_id, campaign).await;
        assert!(
            matches!(foreign, Err(StoreError::NotFound(_))),
            "{foreign:?}"
        );
        assert!(comes_to_rest(&bench).await, "after {waits} waits");
        if let Some(told) = told {
            told.expect("it may be told again");
            break;
        }
        waits += 1;
    }
    assert!(waits >= 4, "it waited {waits} times");
    let known = lead(&store, caller, campaign, 0).await;
    assert_eq!(known.status, LeadStatus::Answered);
    drop(store);
    bench.check();
}

/// Whether no transaction stays open.
async fn comes_to_rest(bench: &PostgresBench) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    for _ in 0..50 {
        if bench.admin(sql) == "0" {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

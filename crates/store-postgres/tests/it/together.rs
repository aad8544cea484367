//! Facts that come at the same time share a transaction, and nothing else.

use domain::Outcome;
use domain::attempt::{EndFault, Fact, StateName};
use domain::campaign::LeadStatus;
use domain::{AttemptId, CampaignId};
use futures_util::future::join_all;
use store::conformance::Bench;
use store::conformance::fixture::{add, apply, later, lead, tenant_with_running, tick};
use store::{Applied, AttemptFact, AttemptRef, Caller, Dispatch, Store, StoreError, StoreResult};

use crate::bench::PostgresBench;

const ANSWERED: Fact = Fact::Ended {
    outcome: Outcome::Answered,
    fault: EndFault::None,
};

/// So many calls of the campaign, placed.
async fn placed(
    store: &dyn Store,
    caller: Caller,
    campaign: CampaignId,
    count: u32,
) -> Vec<Dispatch> {
    for n in 0..count {
        add(store, caller, campaign, n).await;
    }
    let mut calls = Vec::new();
    for second in 0..i64::from(count) {
        calls.extend(tick(store, later(second)).await);
    }
    assert_eq!(calls.len(), count as usize);
    for call in &calls {
        apply(store, later(60), call.attempt_id, Fact::Placed).await;
    }
    calls
}

async fn tell(store: &dyn Store, attempt_id: AttemptId, fact: Fact) -> StoreResult<Vec<Applied>> {
    let fact = AttemptFact::new(AttemptRef::Id(attempt_id), fact);
    store.apply_facts(later(90), vec![fact]).await
}

#[tokio::test]
async fn facts_that_come_at_once_are_few_transactions_and_each_hears_of_its_own() {
    let bench = PostgresBench::open();
    let store = bench.store();
    let (caller, campaign) = tenant_with_running(store, "Acme").await;
    let calls = placed(store, caller, campaign, 8).await;
    // Three of each call at once: the second is about what the first has made of it.
    let told = calls
        .iter()
        .flat_map(|call| [Fact::Ringing, Fact::Connected, ANSWERED].map(|fact| (call, fact)));
    let told = told.map(|(call, fact)| tell(store, call.attempt_id, fact));
    let answers = join_all(told).await;
    let used = "SELECT count(DISTINCT xmin::text) FROM events
                WHERE type IN ('call.ringing', 'call.answered', 'call.ended')";
    let used: u32 = bench.admin(used).trim().parse().unwrap();
    assert!(used <= 6, "24 facts took {used} transactions");
    let states = [StateName::Ringing, StateName::InProgress, StateName::Ended];
    for (answer, state) in answers.into_iter().zip(states.into_iter().cycle()) {
        assert_eq!(answer.unwrap(), [Applied::Changed { state }]);
    }
    for n in 0..8 {
        let lead = lead(store, caller, campaign, n).await;
        assert_eq!(lead.status, LeadStatus::Answered);
    }
    let told =
        "SELECT type, count(*) FROM events WHERE type LIKE 'call.%' GROUP BY type ORDER BY type";
    let told = bench.admin(told);
    let wanted =
        ["answered", "ended", "placed", "reserved", "ringing"].map(|kind| format!("call.{kind}|8"));
    for line in told.lines() {
        assert!(wanted.iter().any(|wanted| wanted == line), "{told}");
    }
    bench.check();
}

#[tokio::test]
async fn a_fact_that_cannot_be_applied_refuses_nobody_elses() {
    let bench = PostgresBench::open();
    let store = bench.store();
    let (caller, campaign) = tenant_with_running(store, "Acme").await;
    let calls = placed(store, caller, campaign, 3).await;
    let broken = calls[1].attempt_id;
    let state_of = |state: &str| {
        bench.admin(&format!(
            "UPDATE attempts SET state = '{state}' WHERE attempt_id = {broken}"
        ))
    };
    state_of("NONSENSE");
    let told = calls
        .iter()
        .map(|call| tell(store, call.attempt_id, ANSWERED));
    let answers = join_all(told).await;
    let ended = [Applied::Changed {
        state: StateName::Ended,
    }];
    assert_eq!(answers[0].as_deref().unwrap(), ended);
    assert!(
        matches!(answers[1], Err(StoreError::Corrupt(_))),
        "{answers:?}"
    );
    assert_eq!(answers[2].as_deref().unwrap(), ended);
    state_of("PLACED");
    assert_eq!(tell(store, broken, ANSWERED).await.unwrap(), ended);
    bench.check();
}

#[tokio::test]
async fn who_waited_for_a_caller_that_went_away_is_answered_all_the_same() {
    let bench = PostgresBench::open();
    let store = bench.store();
    let (caller, campaign) = tenant_with_running(store, "Acme").await;
    let calls = placed(store, caller, campaign, 4).await;
    let lock = bench.lock_tenant("Acme", 2);
    let mut waiting: Vec<_> = calls
        .iter()
        .map(|call| Box::pin(tell(store, call.attempt_id, ANSWERED)))
        .collect();
    // Two have a turn and stand at the tenant's row; the others wait for them.
    for told in &mut waiting {
        assert!(futures_util::poll!(told.as_mut()).is_pending());
    }
    let others = waiting.split_off(2);
    drop(waiting);
    assert!(!lock.is_finished());
    for answer in join_all(others).await {
        assert_eq!(
            answer.unwrap(),
            [Applied::Changed {
                state: StateName::Ended
            }]
        );
    }
    lock.join().unwrap();
    let gone = |n| lead(store, caller, campaign, n);
    assert_eq!(
        gone(0).await.status,
        LeadStatus::InCall,
        "nobody was told that it ended"
    );
    bench.check();
}

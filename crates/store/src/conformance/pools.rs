//! Pools of caller numbers.

use domain::Outcome;
use domain::attempt::Fact;
use domain::campaign::CampaignCommand;
use domain::settings::SettingsDraft;

use super::fixture::{
    add, apply, assert_not_found, at, call_and_end, campaign, conflict, draft, first, fresh, later,
    line, number, order, pool, pool_content, stale, tenant, tick,
};
use crate::{Conflict, PageRequest, PoolContent, PoolNumber, PoolStrategy, Precondition, Store};

fn pool_draft(content: &crate::PoolRecord) -> SettingsDraft {
    SettingsDraft {
        dialer_type: Some("POOL".to_owned()),
        phone_number_pool_id: Some(content.pool_id.raw()),
        ..draft(content.line_id)
    }
}

pub async fn a_pool_keeps_its_numbers_in_order(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let given = PoolContent {
        numbers: vec![
            PoolNumber {
                e164: Some("+14155550100".to_owned()),
                ..number("z")
            },
            PoolNumber {
                max_concurrent_calls: Some(2),
                enabled: false,
                ..number("a")
            },
        ],
        ..pool_content(line.line_id, &[])
    };
    let made = fresh(
        store
            .create_pool(caller, given.clone(), None)
            .await
            .unwrap(),
    );
    assert_eq!(
        (&made.numbers, made.strategy, made.revision),
        (&given.numbers, PoolStrategy::RoundRobin, 1)
    );
    assert_eq!(
        store
            .get_pool(caller.tenant_id, made.pool_id)
            .await
            .unwrap(),
        made
    );
    let newer = pool(store, caller, line.line_id, &["b"]).await;
    let page = store.list_pools(caller.tenant_id, first(1)).await.unwrap();
    assert_eq!(page.items, [newer]);
    let rest = store
        .list_pools(
            caller.tenant_id,
            PageRequest {
                limit: 1,
                before: page.next,
            },
        )
        .await
        .unwrap();
    assert_eq!((rest.items, rest.next), (vec![made], None));
}

pub async fn a_pool_lists_a_number_once(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let twice = store
        .create_pool(caller, pool_content(line.line_id, &["a", "b", "a"]), None)
        .await;
    assert!(matches!(conflict(twice), Conflict::Duplicate(_)));
}

pub async fn a_pool_is_replaced_as_a_whole(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let made = pool(store, caller, line.line_id, &["a", "b"]).await;
    let content = PoolContent {
        name: "New".to_owned(),
        strategy: PoolStrategy::LeastRecentlyUsed,
        ..pool_content(line.line_id, &["c", "a"])
    };
    let changed = store
        .update_pool(caller, made.pool_id, 1, content.clone())
        .await
        .unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.strategy, changed.revision),
        ("New", content.strategy, 2)
    );
    assert_eq!(changed.numbers, content.numbers);
    assert_eq!(
        stale(store.update_pool(caller, made.pool_id, 1, content).await),
        2
    );
}

pub async fn a_pool_in_use_is_not_deleted(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let made = pool(store, caller, line.line_id, &["a"]).await;
    let campaign = campaign(store, caller, pool_draft(&made)).await;
    assert!(matches!(
        conflict(
            store
                .delete_pool(caller, made.pool_id, Precondition::None)
                .await
        ),
        Conflict::InUse(_)
    ));
    store
        .delete_campaign(caller, campaign.campaign_id, Precondition::None)
        .await
        .unwrap();
    store
        .delete_pool(caller, made.pool_id, Precondition::None)
        .await
        .unwrap();
    assert_not_found(
        store.get_pool(caller.tenant_id, made.pool_id).await,
        "phone number pool",
    );
}

pub async fn pools_of_another_tenant_are_not_found(store: &dyn Store) {
    let (owner, stranger) = (tenant(store, "Acme").await, tenant(store, "Other").await);
    let (own_line, foreign_line) = (line(store, stranger).await, line(store, owner).await);
    let made = pool(store, owner, foreign_line.line_id, &["a"]).await;
    let noun = "phone number pool";
    assert_not_found(store.get_pool(stranger.tenant_id, made.pool_id).await, noun);
    let update = store
        .update_pool(
            stranger,
            made.pool_id,
            1,
            pool_content(own_line.line_id, &[]),
        )
        .await;
    assert_not_found(update, noun);
    assert_not_found(
        store
            .delete_pool(stranger, made.pool_id, Precondition::None)
            .await,
        noun,
    );
    assert_not_found(
        store
            .pool_health(stranger.tenant_id, made.pool_id, stranger.now)
            .await,
        noun,
    );
    assert!(
        store
            .list_pools(stranger.tenant_id, first(10))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let on_foreign_line = store
        .create_pool(stranger, pool_content(foreign_line.line_id, &["a"]), None)
        .await;
    assert_not_found(on_foreign_line, "voice provider");
}

pub async fn health_counts_the_last_day_by_number(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let made = pool(store, caller, line.line_id, &["a", "b", "idle"]).await;
    let campaign = campaign(store, caller, pool_draft(&made)).await.campaign_id;
    order(store, caller, campaign, CampaignCommand::Start).await;
    add(store, caller, campaign, 1).await;
    let first_call = call_and_end(store, caller.now, Outcome::NoAnswer).await;
    assert_eq!(first_call.phone_number_id, "a");

    let now = later(20 * 3_600);
    let due = tick(store, now).await;
    let again = &due[0];
    assert_eq!(again.phone_number_id, "b");
    apply(store, now, again.attempt_id, Fact::Connected).await;
    let of = |health: &crate::NumberHealth| {
        (
            health.live_calls,
            health.calls,
            health.answered,
            health.short_calls,
        )
    };
    let health = store
        .pool_health(caller.tenant_id, made.pool_id, now)
        .await
        .unwrap();
    let ids: Vec<_> = health
        .iter()
        .map(|number| number.phone_number_id.as_str())
        .collect();
    assert_eq!(ids, ["a", "b", "idle"]);
    assert_eq!(
        health.iter().map(of).collect::<Vec<_>>(),
        [(0, 1, 0, 0), (1, 1, 0, 0), (0, 0, 0, 0)]
    );

    let over = now + jiff::SignedDuration::from_secs(5);
    apply(
        store,
        over,
        again.attempt_id,
        super::fixture::ended(Outcome::Answered),
    )
    .await;
    let next_day = at(caller, later(25 * 3_600));
    let health = store
        .pool_health(caller.tenant_id, made.pool_id, next_day.now)
        .await
        .unwrap();
    assert_eq!(
        health.iter().map(of).collect::<Vec<_>>(),
        [(0, 0, 0, 0), (0, 1, 1, 1), (0, 0, 0, 0)]
    );
}

pub async fn rotation_survives_a_change_of_the_pool(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let made = pool(store, caller, line.line_id, &["a", "b", "c"]).await;
    let id = campaign(store, caller, pool_draft(&made)).await.campaign_id;
    order(store, caller, id, CampaignCommand::Start).await;
    add(store, caller, id, 1).await;
    assert_eq!(
        call_and_end(store, caller.now, Outcome::Answered)
            .await
            .phone_number_id,
        "a"
    );
    let content = pool_content(line.line_id, &["a", "c", "d"]);
    store
        .update_pool(caller, made.pool_id, 1, content)
        .await
        .unwrap();
    for (n, expected) in [(2, "c"), (3, "d"), (4, "a")] {
        let caller = at(caller, later(i64::from(n)));
        add(store, caller, id, n).await;
        assert_eq!(
            call_and_end(store, caller.now, Outcome::Answered)
                .await
                .phone_number_id,
            expected
        );
    }
}

pub async fn a_number_that_leaves_takes_its_unsent_calls_back(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let line = line(store, caller).await;
    let made = pool(store, caller, line.line_id, &["a", "b"]).await;
    let id = campaign(store, caller, pool_draft(&made)).await.campaign_id;
    order(store, caller, id, CampaignCommand::Start).await;
    for n in 1..=2 {
        add(store, caller, id, n).await;
    }
    let due = tick(store, caller.now).await;
    assert_eq!(due.len(), 2);
    let board = store.send_board();
    let wider = pool_content(line.line_id, &["a", "b", "c"]);
    store
        .update_pool(caller, made.pool_id, 1, wider)
        .await
        .unwrap();
    assert!(
        board.begin(due[0].attempt_id).is_some(),
        "a wider pool takes nothing back"
    );
    let disabled = PoolContent {
        numbers: vec![
            PoolNumber {
                enabled: false,
                ..number("a")
            },
            PoolNumber {
                enabled: false,
                ..number("b")
            },
        ],
        ..pool_content(line.line_id, &[])
    };
    store
        .update_pool(caller, made.pool_id, 2, disabled)
        .await
        .unwrap();
    assert!(board.begin(due[1].attempt_id).is_none());
    apply(store, caller.now, due[1].attempt_id, Fact::NeverSent).await;
    assert!(tick(store, later(60)).await.is_empty());
    let enabled = pool_content(line.line_id, &["b"]);
    store
        .update_pool(at(caller, later(60)), made.pool_id, 3, enabled)
        .await
        .unwrap();
    assert_eq!(tick(store, later(60)).await[0].phone_number_id, "b");
}

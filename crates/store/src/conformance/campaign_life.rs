//! Commands: what they do, and what they promise about calls.

use std::time::Duration;

use domain::CampaignId;
use domain::attempt::{Fact, Refusal, StateName};
use domain::campaign::{CampaignCommand, CampaignStatus, StatusReason};
use serde_json::json;

use super::fixture::{
    add, apply, assert_not_found, at, campaign, conflict, draft, first, fresh, later, new_line,
    order, tenant, tenant_with_campaign, tenant_with_running, tick,
};
use crate::{
    CallFilter, Caller, CampaignOrder, Conflict, IdempotencyKey, Idempotent, NewLine, OrderDone,
    Precondition, Store, StoredAnswer, Written,
};

pub async fn a_campaign_goes_through_its_life(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    let mut was = CampaignStatus::Draft;
    let steps = [
        (CampaignCommand::Start, CampaignStatus::Running),
        (CampaignCommand::Pause, CampaignStatus::Paused),
        (CampaignCommand::Resume, CampaignStatus::Running),
        (CampaignCommand::Stop, CampaignStatus::Stopped),
        (CampaignCommand::Archive, CampaignStatus::Archived),
    ];
    for (revision, (command, status)) in (2..).zip(steps) {
        let caller = at(caller, later(revision));
        let done = order(store, caller, id, command).await;
        assert!(done.changed);
        assert_eq!(
            (done.campaign.status, done.campaign.revision),
            (status, revision)
        );
        assert_eq!(done.campaign.updated_at, caller.now);
        let reason = (status == CampaignStatus::Running).then_some(StatusReason::NoDialableLeads);
        assert_eq!(done.campaign.status_reason, reason);
        let page = store
            .list_revisions(caller.tenant_id, id, first(1))
            .await
            .unwrap();
        let change = json!({ "status": { "from": was.as_str(), "to": status.as_str() } });
        assert_eq!(
            serde_json::Value::from(page.items[0].changes.clone()),
            change
        );
        was = status;
    }
}

/// Starts or resumes the campaign; answers the reason that the answer and a read after it tell.
async fn begin(
    store: &dyn Store,
    caller: Caller,
    id: CampaignId,
    command: CampaignCommand,
) -> StatusReason {
    let done = order(store, caller, id, command).await;
    let read = store.get_campaign(caller.tenant_id, id).await.unwrap();
    assert_eq!(read.status_reason, done.campaign.status_reason);
    read.status_reason.unwrap()
}

pub async fn a_campaign_that_begins_to_run_says_at_once_what_it_does(store: &dyn Store) {
    use CampaignCommand::{Pause, Resume, Start};
    let caller = tenant(store, "Acme").await;
    let narrow = NewLine {
        max_concurrent_calls: 1,
        ..new_line()
    };
    let line_id = fresh(store.create_line(caller, narrow, None).await.unwrap()).line_id;
    let id = campaign(store, caller, draft(line_id)).await.campaign_id;
    let reason = begin(store, caller, id, Start).await;
    assert_eq!(reason, StatusReason::NoDialableLeads);

    order(store, caller, id, Pause).await;
    add(store, caller, id, 1).await;
    let reason = begin(store, caller, id, Resume).await;
    assert_eq!(reason, StatusReason::Dialing);
    // Saying so has placed no call; the planner does.
    let calls = store.list_calls(caller.tenant_id, CallFilter::default(), first(9));
    assert!(calls.await.unwrap().items.is_empty());
    let dispatch = tick(store, caller.now).await.remove(0);

    let other = campaign(store, caller, draft(line_id)).await.campaign_id;
    add(store, caller, other, 2).await;
    let reason = begin(store, caller, other, Start).await;
    assert_eq!(reason, StatusReason::AtCapacity);

    store.send_board().forget(dispatch.attempt_id);
    let refused = Fact::Refused(Refusal::Credentials);
    apply(store, caller.now, dispatch.attempt_id, refused).await;
    order(store, caller, other, Pause).await;
    let reason = begin(store, caller, other, Resume).await;
    assert_eq!(reason, StatusReason::ProviderUnavailable);

    let mut afternoons = draft(line_id);
    for window in afternoons.windows.iter_mut().flatten() {
        "14:00".clone_into(&mut window.start_time);
    }
    let closed = campaign(store, caller, afternoons).await.campaign_id;
    add(store, caller, closed, 3).await;
    let reason = begin(store, caller, closed, Start).await;
    assert_eq!(reason, StatusReason::OutsideWindow);
}

pub async fn a_repeated_command_changes_nothing(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    for command in [CampaignCommand::Start, CampaignCommand::Resume] {
        let again = order(store, at(caller, later(60)), id, command).await;
        assert!(!again.changed);
        assert_eq!(
            (again.campaign.revision, again.campaign.updated_at),
            (2, caller.now)
        );
    }
}

pub async fn an_illegal_command_names_the_legal_ones(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let pause = CampaignOrder {
        campaign_id: made.campaign_id,
        command: CampaignCommand::Pause,
        precondition: Precondition::None,
    };
    match conflict(store.order_campaign(caller, pause, None).await) {
        Conflict::IllegalCommand(illegal) => assert_eq!(illegal.legal, [CampaignCommand::Start]),
        other => panic!("{other:?}"),
    }
}

pub async fn pausing_lists_the_calls_that_are_up(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    store.send_board().forget(due[0].attempt_id);
    apply(store, caller.now, due[0].attempt_id, Fact::Ringing).await;

    let states = |answer: &OrderDone| {
        answer
            .live_calls
            .iter()
            .map(|call| call.state)
            .collect::<Vec<_>>()
    };
    let key = IdempotencyKey {
        key: "k".to_owned(),
        operation: "POST …/pause".to_owned(),
        fingerprint: [1; 32],
    };
    let render = |done: &OrderDone| StoredAnswer {
        status: 200,
        revision: None,
        body: vec![u8::try_from(done.live_calls.len()).unwrap()],
    };
    let idempotent = Idempotent {
        key: key.clone(),
        render: Box::new(render),
    };
    let pause = CampaignOrder {
        campaign_id: id,
        command: CampaignCommand::Pause,
        precondition: Precondition::None,
    };
    let written = store
        .order_campaign(caller, pause, Some(idempotent))
        .await
        .unwrap();
    let Written::Fresh(done) = written else {
        panic!("the first pause is fresh")
    };
    assert_eq!(states(&done), [StateName::Ringing]);
    assert_eq!(done.live_calls[0].attempt_id, due[0].attempt_id);
    // The answer that is kept lists them as well.
    let kept = store
        .find_answer(caller.tenant_id, &key, caller.now)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.body, [1]);
    let again = order(store, caller, id, CampaignCommand::Pause).await;
    assert_eq!(
        (again.changed, states(&again)),
        (false, vec![StateName::Ringing])
    );
}

pub async fn pausing_takes_back_what_was_not_sent(store: &dyn Store) {
    for command in [CampaignCommand::Pause, CampaignCommand::Stop] {
        let (caller, id) = tenant_with_running(store, command.as_str()).await;
        add(store, caller, id, 1).await;
        let due = tick(store, caller.now).await;
        assert_eq!(due.len(), 1);
        order(store, caller, id, command).await;
        assert!(store.send_board().begin(due[0].attempt_id).is_none());
        apply(store, caller.now, due[0].attempt_id, Fact::NeverSent).await;
        assert!(tick(store, later(60)).await.is_empty());
    }
}

pub async fn pausing_waits_for_a_request_that_is_being_sent(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    let permit = store.send_board().begin(due[0].attempt_id).unwrap();
    let pause = order(store, caller, id, CampaignCommand::Pause);
    tokio::pin!(pause);
    let moment = Duration::from_millis(50);
    assert!(
        tokio::time::timeout(moment, &mut pause).await.is_err(),
        "its answer is not known yet"
    );
    drop(permit);
    assert_eq!(pause.await.campaign.status, CampaignStatus::Paused);
}

pub async fn commands_of_another_tenant_are_not_found(store: &dyn Store) {
    let (_, id) = tenant_with_running(store, "Acme").await;
    let stranger = tenant(store, "Other").await;
    for command in CampaignCommand::ALL {
        let order = CampaignOrder {
            campaign_id: id,
            command: *command,
            precondition: Precondition::None,
        };
        assert_not_found(
            store.order_campaign(stranger, order, None).await,
            "campaign",
        );
    }
}

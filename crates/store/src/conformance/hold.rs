//! On hold nothing dials, and calls that the store has forgotten come back as calls that count.

use std::time::Duration;

use domain::attempt::{Fact, StateName};
use domain::campaign::{LeadStatus, StatusReason};
use domain::{AttemptId, CampaignId, LineId, Outcome};
use jiff::Timestamp;

use super::fixture::{
    add, apply, at, call_and_end, campaign, change, conflict, draft, edit, ended, first, later,
    lead, line, mark_as_unanswered, morning, order, phone, tenant, tenant_with_running, tick,
    unique,
};
use crate::{
    Adoption, Applied, AttemptFact, AttemptRef, CallFilter, CallRecord, Caller, CheckRoom,
    Conflict, HeldLine, HoldReason, LeadKey, LineProgress, Precondition, Release, Store,
    StrangeCall, TestCall,
};

async fn only_line(store: &dyn Store, caller: Caller) -> LineId {
    let lines = store.list_lines(caller.tenant_id, first(50)).await.unwrap();
    lines.items[0].line_id
}

async fn hold(store: &dyn Store, now: Timestamp, reason: HoldReason) {
    let detail = format!("because of {}", reason.as_str());
    store.hold(now, reason, detail).await.unwrap();
}

async fn reasons(store: &dyn Store) -> Vec<HoldReason> {
    let status = store.hold_status().await.unwrap();
    assert_eq!(status.is_on_hold(), !status.holds.is_empty());
    status.holds.iter().map(|hold| hold.reason).collect()
}

/// A call to the `n`-th number that the store does not know.
fn strange(line_id: LineId, campaign_id: Option<CampaignId>, n: u32) -> StrangeCall {
    StrangeCall {
        line_id,
        attempt_key: format!("strange-{}", unique()),
        provider_call_id: format!("call-{}", unique()),
        campaign_id,
        phone: Some(phone(n)),
        phone_number_id: Some("pn_1".to_owned()),
        created_at: Some(morning()),
        facts: Vec::new(),
    }
}

fn told(call: &StrangeCall, fact: Fact) -> AttemptFact {
    let echo = AttemptRef::Echo {
        line_id: call.line_id,
        attempt_key: Some(call.attempt_key.clone()),
        provider_call_id: call.provider_call_id.clone(),
    };
    AttemptFact::new(echo, fact)
}

async fn adopt(store: &dyn Store, now: Timestamp, call: &StrangeCall) -> Adoption {
    let adopted = store.adopt_calls(now, vec![call.clone()]).await.unwrap();
    assert_eq!(adopted.len(), 1);
    adopted[0]
}

fn adopted(adoption: Adoption) -> AttemptId {
    match adoption {
        Adoption::Adopted(attempt_id) => attempt_id,
        other => panic!("{other:?}"),
    }
}

async fn calls_to(store: &dyn Store, caller: Caller, n: u32) -> Vec<CallRecord> {
    let filter = CallFilter {
        phone: Some(phone(n)),
        ..CallFilter::default()
    };
    let page = store.list_calls(caller.tenant_id, filter, first(50)).await;
    page.unwrap().items
}

async fn held_lines(store: &dyn Store) -> Vec<HeldLine> {
    store.hold_status().await.unwrap().lines
}

/// Says of every line that it was asked.
async fn all_asked(store: &dyn Store, now: Timestamp) {
    for mut held in held_lines(store).await {
        held.progress = LineProgress::Done;
        store.note_held_line(now, held).await.unwrap();
    }
}

async fn release(store: &dyn Store, now: Timestamp) {
    all_asked(store, now).await;
    let released = store.release_hold(now, false).await.unwrap();
    assert!(matches!(released, Release::Released(_)), "{released:?}");
}

pub async fn the_marker_moves_forward_with_every_tick_that_dials(store: &dyn Store) {
    store.recover(morning()).await.unwrap();
    let status = store.hold_status().await.unwrap();
    assert_eq!((status.is_on_hold(), status.marker), (false, None));
    let (caller, id) = tenant_with_running(store, "Acme").await;
    assert!(tick(store, morning()).await.is_empty());
    let marker = || async { store.hold_status().await.unwrap().marker };
    assert_eq!(marker().await, None, "nothing was dialed yet");
    let mut last = None;
    for n in 1..=3 {
        add(store, caller, id, n).await;
        call_and_end(store, later(n.into()), Outcome::Answered).await;
        let now = marker().await;
        assert!(now > last, "{now:?} after {last:?}");
        last = now;
    }
    hold(store, later(10), HoldReason::StrangeCalls).await;
    release(store, later(11)).await;
    assert!(marker().await > last, "a release moves it as well");
}

pub async fn on_hold_nothing_dials_and_the_campaign_says_so(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let reason = || async {
        let campaign = store.get_campaign(caller.tenant_id, id).await.unwrap();
        campaign.status_reason
    };
    hold(store, later(1), HoldReason::ClockStep).await;
    assert!(tick(store, later(2)).await.is_empty());
    assert_eq!(reason().await, Some(StatusReason::OnHold));
    let call = TestCall {
        campaign_id: id,
        phone: phone(2),
        attempt_key: format!("key-{}", unique()),
        precondition: Precondition::None,
    };
    let refused = conflict(store.reserve_test_call(caller, call, None).await);
    assert!(matches!(refused, Conflict::OnHold), "{refused:?}");
    // Everything else works.
    add(store, caller, id, 3).await;
    edit(store, caller, id, |draft| draft.max_call_attempts = Some(2))
        .await
        .unwrap();
    assert!(
        store
            .lift_hold(later(3), HoldReason::ClockStep)
            .await
            .unwrap()
    );
    assert_ne!(reason().await, Some(StatusReason::OnHold));
    assert_eq!(tick(store, later(4)).await.len(), 2);
}

pub async fn a_hold_takes_back_what_was_not_sent(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    hold(store, later(1), HoldReason::ClockStep).await;
    assert!(store.send_board().begin(due[0].attempt_id).is_none());
    apply(store, later(1), due[0].attempt_id, Fact::NeverSent).await;
    assert!(tick(store, later(60)).await.is_empty());
}

pub async fn a_hold_waits_for_a_request_that_is_being_sent(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    let permit = store.send_board().begin(due[0].attempt_id).unwrap();
    let held = hold(store, later(1), HoldReason::ClockStep);
    tokio::pin!(held);
    let moment = Duration::from_millis(50);
    assert!(
        tokio::time::timeout(moment, &mut held).await.is_err(),
        "its answer is not known yet"
    );
    drop(permit);
    held.await;
}

pub async fn each_reason_holds_until_it_is_gone(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let lift = |reason| store.lift_hold(later(9), reason);
    hold(store, later(1), HoldReason::ClockStep).await;
    hold(store, later(2), HoldReason::ClockBehind).await;
    store
        .hold(later(3), HoldReason::ClockStep, "again".to_owned())
        .await
        .unwrap();
    let status = store.hold_status().await.unwrap();
    let step = status.by(HoldReason::ClockStep).unwrap();
    assert_eq!(
        (step.since, step.detail.as_str()),
        (later(1), "because of clock_step"),
        "it stays as it began"
    );
    assert!(lift(HoldReason::ClockStep).await.unwrap());
    assert!(!lift(HoldReason::ClockStep).await.unwrap());
    assert_eq!(reasons(store).await, [HoldReason::ClockBehind]);
    assert!(tick(store, later(10)).await.is_empty());
    assert!(lift(HoldReason::ClockBehind).await.unwrap());
    assert_eq!(tick(store, later(11)).await.len(), 1);
}

pub async fn a_hold_survives_a_fresh_process(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    hold(store, later(1), HoldReason::StrangeCalls).await;
    store.recover(later(2)).await.unwrap();
    assert_eq!(reasons(store).await, [HoldReason::StrangeCalls]);
    assert!(tick(store, later(3)).await.is_empty());
}

pub async fn a_clock_that_is_behind_what_is_stored_holds(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    call_and_end(store, later(1_000), Outcome::Answered).await;
    store.recover(later(950)).await.unwrap();
    assert_eq!(reasons(store).await, [], "a correction is no step");
    store.recover(later(900)).await.unwrap();
    assert_eq!(reasons(store).await, [HoldReason::ClockBehind]);
    let status = store.hold_status().await.unwrap();
    let behind = status.by(HoldReason::ClockBehind).unwrap();
    assert!(behind.ends_at.is_some_and(|at| at >= later(1_000)));
    assert!(status.is_reconciled(), "the providers need not be asked");
    release(store, later(901)).await;
    assert_eq!(reasons(store).await, []);
}

pub async fn what_a_wrong_clock_put_off_is_due_when_it_is_right(store: &dyn Store) {
    const DAY: i64 = 86_400;
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let due = |now| store.claim_checks(now, CheckRoom::of(10));
    for (n, by_hand) in [(1, false), (2, true)] {
        let today = 3_600 * i64::from(n);
        add(store, caller, id, n).await;
        let call = tick(store, later(today)).await.remove(0);
        store.send_board().forget(call.attempt_id);
        // Its answer is lost while the clock is a day ahead.
        apply(store, later(today + DAY), call.attempt_id, Fact::AnswerLost).await;
        hold(store, later(today + 1), HoldReason::ClockStep).await;
        assert!(due(later(today + 100)).await.unwrap().is_empty());
        if by_hand {
            release(store, later(today + 100)).await;
        } else {
            let lifted = store.lift_hold(later(today + 100), HoldReason::ClockStep);
            assert!(lifted.await.unwrap());
        }
        let checks = due(later(today + 101)).await.unwrap();
        let checked: Vec<AttemptId> = checks.iter().map(|check| check.attempt_id).collect();
        assert!(checked.contains(&call.attempt_id), "{checked:?}");
        apply(
            store,
            later(today + 102),
            call.attempt_id,
            ended(Outcome::Answered),
        )
        .await;
    }
}

pub async fn leads_of_a_wrong_clock_are_called_when_it_is_right(store: &dyn Store) {
    const DAY: i64 = 86_400;
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    call_and_end(store, later(0), Outcome::NoAnswer).await;
    // While the clock is a day ahead, a lead is added and another is put back.
    let tomorrow = at(caller, later(DAY));
    add(store, tomorrow, id, 2).await;
    let put_back = change(store, tomorrow, id, 1, mark_as_unanswered()).await;
    put_back.unwrap();
    hold(store, later(DAY + 1), HoldReason::ClockStep).await;
    assert!(
        store
            .lift_hold(later(600), HoldReason::ClockStep)
            .await
            .unwrap()
    );
    let calls = tick(store, later(601)).await;
    let mut numbers: Vec<_> = calls.iter().map(|call| call.phone.clone()).collect();
    numbers.sort();
    assert_eq!(numbers, [phone(1), phone(2)]);
    // What follows counts: three attempts a lead, two a day.
    for call in calls {
        store.send_board().forget(call.attempt_id);
        apply(store, later(602), call.attempt_id, ended(Outcome::NoAnswer)).await;
    }
    for call in tick(store, later(1_300)).await {
        store.send_board().forget(call.attempt_id);
        apply(
            store,
            later(1_301),
            call.attempt_id,
            ended(Outcome::NoAnswer),
        )
        .await;
    }
    assert!(tick(store, later(2_000)).await.is_empty());
}

pub async fn news_of_a_call_is_taken_while_the_clock_is_behind_it(store: &dyn Store) {
    const HOUR: i64 = 3_600;
    let (caller, id) = tenant_with_running(store, "Acme").await;
    for (n, told_at) in [(1, Some(later(40))), (2, None)] {
        add(store, caller, id, n).await;
        let call = tick(store, later(n.into())).await.remove(0);
        store.send_board().forget(call.attempt_id);
        let planned_at = later(n.into());
        let mut fact = AttemptFact::new(AttemptRef::Id(call.attempt_id), ended(Outcome::NoAnswer));
        fact.at = told_at;
        // The clock has been set back since it was planned.
        let applied = store.apply_facts(later(-3 * HOUR), vec![fact]).await;
        assert!(matches!(applied.unwrap()[..], [Applied::Changed { .. }]));
        let record = calls_to(store, caller, n).await.remove(0);
        let ended_at = record.times.ended_at.unwrap();
        assert_eq!(ended_at, told_at.unwrap_or(planned_at));
    }
    // The gap of the second counts from the latest instant at which it can have been up.
    let calls = tick(store, later(30 * 60)).await;
    let numbers: Vec<_> = calls.iter().map(|call| call.phone.clone()).collect();
    assert_eq!(numbers, [phone(1)]);
}

pub async fn release_waits_for_every_line(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    line(store, caller).await;
    let now = later(10);
    assert_eq!(
        store.release_hold(now, false).await.unwrap(),
        Release::NotOnHold
    );
    hold(store, now, HoldReason::StrangeCalls).await;
    let lines = held_lines(store).await;
    assert_eq!(lines.len(), 2);
    for progress in [LineProgress::Pending, LineProgress::Failed] {
        for mut held in lines.clone() {
            held.progress = progress;
            held.note = Some("why".to_owned());
            held.calls_seen = 7;
            store.note_held_line(now, held).await.unwrap();
        }
        let mut done = lines[0].clone();
        done.progress = LineProgress::Done;
        store.note_held_line(now, done).await.unwrap();
        let shown = held_lines(store).await;
        assert_eq!(
            (shown[1].progress, shown[1].calls_seen),
            (progress, 7),
            "{shown:?}"
        );
        let refused = store.release_hold(now, false).await.unwrap();
        assert!(matches!(refused, Release::NotReconciled(_)), "{refused:?}");
        assert!(tick(store, now).await.is_empty(), "nothing was changed");
    }
    release(store, now).await;
    assert_eq!(
        store.release_hold(now, false).await.unwrap(),
        Release::NotOnHold
    );
    assert_eq!(tick(store, now).await.len(), 1);
}

/// A database that was copied while it was on hold, and then put back, brings the lines' answers with it.
pub async fn what_lines_answered_before_says_nothing_of_another_loss(store: &dyn Store) {
    let (caller, _) = tenant_with_running(store, "Acme").await;
    let lose = async |what: &str| {
        let hold = store.hold(later(1), HoldReason::WentBack, what.to_owned());
        hold.await.unwrap();
    };
    lose("calls until number 7").await;
    let mut line = store.hold_status().await.unwrap().lines.remove(0);
    assert_eq!(line.line_id, only_line(store, caller).await);
    line.progress = LineProgress::Done;
    store.note_held_line(later(2), line).await.unwrap();
    // Another process that sees the same.
    lose("calls until number 7").await;
    assert!(store.hold_status().await.unwrap().is_reconciled());
    lose("calls until number 9").await;
    assert!(!store.hold_status().await.unwrap().is_reconciled());
    assert_eq!(reasons(store).await, [HoldReason::WentBack]);
    let released = store.release_hold(later(3), false).await.unwrap();
    assert!(matches!(released, Release::NotReconciled(_)));
}

pub async fn release_by_force_does_not_wait(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    hold(store, later(1), HoldReason::StrangeCalls).await;
    let released = store.release_hold(later(2), true).await.unwrap();
    let Release::Released(status) = released else {
        panic!("{released:?}")
    };
    assert!(!status.is_reconciled());
    assert_eq!(tick(store, later(3)).await.len(), 1);
    // The next hold asks anew.
    hold(store, later(4), HoldReason::StrangeCalls).await;
    assert_eq!(held_lines(store).await[0].progress, LineProgress::Pending);
}

pub async fn what_may_be_forgotten_reaches_to_the_start_of_the_process(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    call_and_end(store, later(100), Outcome::Answered).await;
    store.recover(later(5_000)).await.unwrap();
    hold(store, later(5_001), HoldReason::StrangeCalls).await;
    let status = store.hold_status().await.unwrap();
    let until = status.gaps.iter().map(|gap| gap.until).max().unwrap();
    let from = status.gaps.iter().map(|gap| gap.from).min().unwrap();
    assert_eq!(until, later(5_000));
    assert!(from <= later(100), "{from}");
}

pub async fn a_forgotten_call_takes_its_leads_place(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    edit(store, caller, id, |draft| draft.max_call_attempts = Some(1))
        .await
        .unwrap();
    add(store, caller, id, 1).await;
    let mut call = strange(line_id, Some(id), 1);
    call.facts = vec![told(&call, Fact::Ringing)];
    let attempt_id = adopted(adopt(store, later(60), &call).await);
    assert_eq!(reasons(store).await, [HoldReason::StrangeCalls]);
    let shown = lead(store, caller, id, 1).await;
    assert_eq!((shown.status, shown.attempts), (LeadStatus::InCall, 1));
    let record = store.get_call(caller.tenant_id, attempt_id).await.unwrap();
    assert_eq!(
        (record.state, record.attempt_number, record.lead_id),
        (StateName::Ringing, 1, Some(shown.lead_id))
    );
    assert_eq!(record.provider_call_id, Some(call.provider_call_id.clone()));
    // Told again, by list or callback, it is one call.
    assert_eq!(adopt(store, later(61), &call).await, Adoption::Known);
    assert_eq!(calls_to(store, caller, 1).await.len(), 1);
    let end = told(&call, ended(Outcome::NoAnswer));
    store.apply_facts(later(70), vec![end]).await.unwrap();
    assert_eq!(
        lead(store, caller, id, 1).await.status,
        LeadStatus::Exhausted
    );
    release(store, later(80)).await;
    assert!(tick(store, later(100_000)).await.is_empty());
}

pub async fn a_forgotten_call_counts_in_the_caps_and_the_gap(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    add(store, caller, id, 1).await;
    let mut call = strange(line_id, Some(id), 1);
    let mut end = told(&call, ended(Outcome::NoAnswer));
    end.at = Some(later(60));
    call.facts = vec![end];
    adopt(store, later(70), &call).await;
    release(store, later(71)).await;
    // Three minutes lie between two attempts, two attempts fit a day.
    assert!(tick(store, later(60 + 179)).await.is_empty());
    call_and_end(store, later(60 + 181), Outcome::NoAnswer).await;
    assert!(tick(store, later(7 * 3_600)).await.is_empty());
    let shown = lead(store, at(caller, later(400)), id, 1).await;
    assert_eq!((shown.attempts, shown.attempts_today), (2, 2));
}

pub async fn a_forgotten_call_that_was_answered_ends_the_lead(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    add(store, caller, id, 1).await;
    let mut call = strange(line_id, Some(id), 1);
    call.facts = vec![told(&call, ended(Outcome::Answered))];
    adopt(store, later(60), &call).await;
    assert_eq!(
        lead(store, caller, id, 1).await.status,
        LeadStatus::Answered
    );
    release(store, later(61)).await;
    assert!(tick(store, later(100_000)).await.is_empty());
}

pub async fn a_forgotten_call_beside_a_live_one_harms_neither(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    add(store, caller, id, 1).await;
    let live = tick(store, caller.now).await.remove(0);
    store.send_board().forget(live.attempt_id);
    apply(store, caller.now, live.attempt_id, Fact::Placed).await;
    let mut call = strange(line_id, Some(id), 1);
    call.facts = vec![told(&call, Fact::Ringing)];
    adopted(adopt(store, later(60), &call).await);
    let calls = calls_to(store, caller, 1).await;
    assert_eq!(calls.len(), 2);
    let latest = calls.iter().max_by_key(|call| call.attempt_number).unwrap();
    assert_eq!(
        latest.attempt_id, live.attempt_id,
        "it decides for the lead"
    );
    let end = told(&call, ended(Outcome::NoAnswer));
    store.apply_facts(later(70), vec![end]).await.unwrap();
    assert_eq!(lead(store, caller, id, 1).await.status, LeadStatus::InCall);
    apply(store, later(80), live.attempt_id, ended(Outcome::Answered)).await;
    let shown = lead(store, caller, id, 1).await;
    assert_eq!((shown.status, shown.attempts), (LeadStatus::Answered, 2));
}

/// The lead waits for a call in doubt, which turns out never to have been placed.
pub async fn what_a_forgotten_call_ended_a_lead_for_holds(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    edit(store, caller, id, |draft| {
        draft.retry_outcomes = Some(vec!["NO_ANSWER".to_owned()]);
    })
    .await
    .unwrap();
    let told_of = [
        (Outcome::Answered, LeadStatus::Answered),
        (Outcome::InvalidNumber, LeadStatus::Invalid),
        (Outcome::Busy, LeadStatus::Exhausted),
        (Outcome::NoAnswer, LeadStatus::Ready),
    ];
    for (number, (outcome, status)) in (1..).zip(told_of) {
        let now = later(i64::from(number) * 100);
        add(store, at(caller, now), id, number).await;
        let doubtful = tick(store, now).await.remove(0).attempt_id;
        store.send_board().forget(doubtful);
        let mut call = strange(line_id, Some(id), number);
        call.facts = vec![told(&call, ended(outcome))];
        adopted(adopt(store, now, &call).await);
        release(store, now).await;
        apply(store, now, doubtful, Fact::NeverSent).await;
        let shown = lead(store, caller, id, number).await;
        assert_eq!((shown.status, shown.attempts), (status, 1), "{outcome:?}");
    }
    let dialed = tick(store, later(100_000)).await;
    assert_eq!(dialed.len(), 1, "only who did not answer");
}

pub async fn a_forgotten_call_that_names_no_campaign_counts_in_each(store: &dyn Store) {
    let (caller, first_id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    let second = campaign(store, caller, draft(line_id)).await.campaign_id;
    let start = domain::campaign::CampaignCommand::Start;
    order(store, caller, second, start).await;
    for id in [first_id, second] {
        add(store, caller, id, 1).await;
    }
    adopted(adopt(store, later(60), &strange(line_id, None, 1)).await);
    for id in [first_id, second] {
        assert_eq!(lead(store, caller, id, 1).await.attempts, 1);
    }
}

pub async fn a_forgotten_call_counts_for_a_lead_that_is_added_again(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    edit(store, caller, id, |draft| draft.max_call_attempts = Some(1))
        .await
        .unwrap();
    let mut call = strange(line_id, Some(id), 1);
    call.facts = vec![told(&call, ended(Outcome::NoAnswer))];
    adopted(adopt(store, later(60), &call).await);
    assert_eq!(calls_to(store, caller, 1).await.len(), 1);
    release(store, later(61)).await;
    add(store, at(caller, later(62)), id, 1).await;
    assert!(tick(store, later(100_000)).await.is_empty());
}

pub async fn a_call_that_belongs_nowhere_is_noted_once(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    let gone = CampaignId::from_raw(id.raw() + 1);
    let mut nobody = strange(line_id, Some(id), 1);
    nobody.phone = None;
    let stranger = tenant(store, "Other").await;
    let theirs = {
        let line = line(store, stranger).await;
        strange(line.line_id, Some(id), 2)
    };
    let calls = [strange(line_id, Some(gone), 1), nobody, theirs];
    for call in &calls {
        assert_eq!(adopt(store, later(60), call).await, Adoption::Unmatched);
        assert_eq!(adopt(store, later(61), call).await, Adoption::Known);
    }
    assert_eq!(reasons(store).await, [HoldReason::StrangeCalls]);
    let keys = calls.iter().map(|call| call.attempt_key.clone()).collect();
    let unknown = store.unknown_attempt_keys(keys).await.unwrap();
    assert_eq!(unknown, [""; 0]);
    let status = store.hold_status().await.unwrap();
    let mut noted: Vec<&str> = status
        .unmatched
        .iter()
        .map(|call| call.provider_call_id.as_str())
        .collect();
    noted.sort_unstable();
    let mut expected: Vec<&str> = calls
        .iter()
        .map(|call| call.provider_call_id.as_str())
        .collect();
    expected.sort_unstable();
    assert_eq!(noted, expected);
    assert!(calls_to(store, caller, 1).await.is_empty());
    assert!(calls_to(store, stranger, 2).await.is_empty());
}

pub async fn calls_found_on_hold_are_counted_by_line(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    add(store, caller, id, 1).await;
    hold(store, later(1), HoldReason::MarkerMissing).await;
    adopt(store, later(2), &strange(line_id, Some(id), 1)).await;
    let gone = CampaignId::from_raw(id.raw() + 1);
    adopt(store, later(3), &strange(line_id, Some(gone), 2)).await;
    let mut held = held_lines(store).await.remove(0);
    assert_eq!((held.adopted, held.unmatched), (1, 1));
    // What the dialer notes leaves the store's own counts alone.
    (held.adopted, held.unmatched) = (0, 0);
    store.note_held_line(later(4), held).await.unwrap();
    let held = held_lines(store).await.remove(0);
    assert_eq!((held.adopted, held.unmatched), (1, 1));
    assert_eq!(reasons(store).await, [HoldReason::MarkerMissing]);
}

pub async fn a_call_that_is_known_is_not_strange(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    add(store, caller, id, 1).await;
    let known = call_and_end(store, caller.now, Outcome::Answered).await;
    let keys = vec![known.attempt_key.clone(), "other".to_owned()];
    let unknown = store.unknown_attempt_keys(keys).await.unwrap();
    assert_eq!(unknown, ["other"]);
    let mut call = strange(line_id, Some(id), 1);
    call.attempt_key = known.attempt_key;
    assert_eq!(adopt(store, later(60), &call).await, Adoption::Known);
    assert_eq!(reasons(store).await, []);
    let key = LeadKey::Phone(phone(1));
    let shown = store.get_lead(caller.tenant_id, id, key, later(60)).await;
    assert_eq!(shown.unwrap().attempts, 1);
}

pub async fn a_call_that_puts_on_hold_is_counted_with_its_line(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = only_line(store, caller).await;
    adopted(adopt(store, later(1), &strange(line_id, Some(id), 1)).await);
    assert_eq!(reasons(store).await, [HoldReason::StrangeCalls]);
    let held = held_lines(store).await.remove(0);
    assert_eq!((held.adopted, held.unmatched), (1, 0));
}

/// Lines of two tenants may have the same account, and then each lists the other's calls.
pub async fn a_call_of_another_tenant_is_known(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let (other, other_id) = tenant_with_running(store, "Other").await;
    let line_id = only_line(store, other).await;
    add(store, caller, id, 1).await;
    let known = call_and_end(store, caller.now, Outcome::Answered).await;
    let mut call = strange(line_id, Some(other_id), 1);
    call.attempt_key = known.attempt_key;
    assert_eq!(adopt(store, later(60), &call).await, Adoption::Known);
    let status = store.hold_status().await.unwrap();
    assert_eq!((status.holds, status.unmatched), (vec![], vec![]));
}

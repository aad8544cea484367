//! What the dialer does: plan, send, look up, start anew.

use std::collections::HashMap;

use domain::TenantId;
use store::{CheckRoom, Dispatch, TestCall, Tick, Ticked};

use super::campaigns::any_campaign;
use super::lines::any_line;
use super::{
    Came, Dice, Kind, Moment, Side, Told, guard, idempotent, name_of, shown, told, who, written,
};
use crate::differential::side::phone;

pub(super) async fn take(side: &mut Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    match kind {
        Kind::Tick => tick(side, dice, moment).await,
        Kind::Send => send(side, dice),
        Kind::ClaimChecks => claim_checks(side, dice, moment).await,
        Kind::ReserveTestCall => reserve_test_call(side, dice, moment).await,
        _ => {
            if kind == Kind::Restart {
                side.restart();
            }
            let given_up = side.store().recover(moment.now).await;
            side.look_anew(moment.now);
            let found = given_up.as_ref().is_ok_and(|count| *count > 0);
            let told = told(format!("{kind:?}"), given_up).0;
            if found {
                told.meets("calls given up")
            } else {
                told
            }
        }
    }
}

async fn tick(side: &mut Side, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let max_calls = dice.of(&[100, 100, 100, 100, 100, 100, 100, 0]);
    let tick = Tick {
        now: moment.now,
        keys: side.key_source(),
        max_lines: 100,
        max_calls,
    };
    let call = format!("tick for {max_calls}");
    let ticked = match side.store().tick(tick).await {
        Ok(ticked) => ticked,
        Err(error) => return Told::refused(call, &error),
    };
    let is_on_hold = side
        .store()
        .hold_status()
        .await
        .is_ok_and(|status| status.is_on_hold());
    let Ticked {
        mut dispatches,
        next_wake_at,
    } = ticked;
    // Tenants and lines have no order among them; the calls of a line do.
    dispatches.sort_by_key(|dispatch| side.names.peek(&by_line(dispatch)));
    for dispatch in &dispatches {
        let is_known = side
            .known
            .attempts
            .iter()
            .any(|known| known.id == dispatch.attempt_id);
        if !is_known {
            side.known
                .attempt(dispatch.attempt_id, &dispatch.attempt_key, dispatch.line_id);
        }
    }
    // On hold, where other processes can end it, a process looks again by itself.
    let next_wake_at = next_wake_at.filter(|_| !is_on_hold);
    // At once is at once, however long it has been due.
    let next_wake_at = next_wake_at.map(|at| at.max(moment.now));
    let mut told = Told::done(call, &(&dispatches, next_wake_at));
    if let Some(first) = dispatches.first() {
        told = told.meets("calls");
        let tenant_id = first.tenant_id;
        if dispatches
            .iter()
            .any(|dispatch| dispatch.tenant_id != tenant_id)
        {
            told = told.meets("calls of two tenants");
        }
    }
    if dispatches.iter().any(|dispatch| dispatch.on_trial) {
        told = told.meets("a call on trial");
    }
    if is_on_hold {
        told.meets("on hold")
    } else {
        told
    }
}

fn by_line(dispatch: &Dispatch) -> String {
    let tenant_id: TenantId = dispatch.tenant_id;
    format!(
        "{tenant_id:?} {:?} {}",
        dispatch.line_id,
        dispatch.lead_id == store::NO_LEAD
    )
}

/// Asks the board for a recent call, as its sender does.
fn send(side: &Side, dice: &mut Dice<'_>) -> Told {
    let newest = usize::from(dice.below(6));
    let board = side.store().send_board();
    let Some(known) = side.known.attempts.iter().rev().nth(newest) else {
        return Told::done("send nothing".to_owned(), &());
    };
    let may = board.begin(known.id).is_some();
    let mut told = Told::done(format!("send {:?}", known.id), &(may, board.len()));
    if !may {
        told.came = Came::Refused;
    }
    told
}

async fn claim_checks(side: &Side, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let mut room = CheckRoom {
        // Among those that are equally overdue there is no order, so all are asked for.
        limit: 100,
        per_line: dice.of(&[100, 1, 2]),
        under_way: HashMap::new(),
    };
    if dice.one_in(3) {
        let line_id = any_line(side, dice, 0);
        room.under_way.insert(line_id, dice.of(&[1, 2]));
    }
    let call = format!("claim_checks {room:?}");
    let checks = side.store().claim_checks(moment.now, room).await;
    let checks = checks.map(|mut checks| {
        checks.sort_by_key(|check| side.names.peek(&format!("{:?}", check.line_id)));
        checks
    });
    let (told, checks) = told(call, checks);
    match checks.unwrap_or_default().first() {
        Some(first) => told.meets(name_of(&first.state)),
        None => told,
    }
}

async fn reserve_test_call(side: &mut Side, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let who = who(side, dice, moment.now);
    let campaign_id = any_campaign(side, dice, who.place);
    let store = side.store();
    let known = store
        .get_campaign(who.caller.tenant_id, campaign_id)
        .await
        .ok();
    let attempt_key = (side.key_source())();
    let call = TestCall {
        campaign_id,
        // One in two times nobody's who is a lead.
        phone: phone(dice.byte() % 12),
        attempt_key: attempt_key.clone(),
        precondition: guard(dice, known.map(|known| known.revision)),
    };
    let idempotency = idempotent(dice, Kind::ReserveTestCall, moment);
    let text = format!(
        "reserve_test_call {:?} {call:?}{}",
        who.caller,
        shown(idempotency.as_ref())
    );
    let (told, made) = written(
        text,
        store.reserve_test_call(who.caller, call, idempotency).await,
    );
    if let Some(made) = made {
        side.known
            .attempt(made.attempt_id, &attempt_key, made.line_id);
    }
    told
}

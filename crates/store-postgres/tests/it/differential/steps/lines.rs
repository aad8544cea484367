//! Lines and pools.

use domain::{LineId, PoolId};
use store::{LineChange, NewLine, PoolContent, PoolNumber, PoolStrategy};

use super::{
    Dice, Kind, Moment, Side, Told, Who, guard, idempotent, pick, shown, told, who, written,
};
use crate::differential::side::{MISSING, Owned};

/// Of what a pool may have.
const NUMBERS: &[&str] = &["pn_1", "pn_2", "pn_3", "pn_4"];

pub(super) async fn take(side: &mut Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let who = who(side, dice, moment.now);
    match kind {
        Kind::CreateLine => create_line(side, who, dice, moment).await,
        Kind::UpdateLine | Kind::DeleteLine => change_line(side, kind, who, dice).await,
        Kind::CreatePool => create_pool(side, who, dice, moment).await,
        _ => change_pool(side, kind, who, dice).await,
    }
}

pub(crate) fn any_line(side: &Side, dice: &mut Dice<'_>, tenant: usize) -> LineId {
    pick(dice, &side.known.lines, tenant, LineId::from_raw(MISSING))
}

pub(crate) fn any_pool(side: &Side, dice: &mut Dice<'_>, tenant: usize) -> PoolId {
    pick(dice, &side.known.pools, tenant, PoolId::from_raw(MISSING))
}

async fn create_line(side: &mut Side, who: Who, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let line = NewLine {
        provider: dice.of(&["VAPI", "SANDBOX"]).to_owned(),
        name: dice.of(&["Main", "Zweite", "50%"]).to_owned(),
        base_url: dice.maybe(3, &["https://one.example".to_owned()]),
        sealed_credentials: vec![1, dice.byte()],
        sealed_webhook_secret: vec![2, dice.byte()],
        line_key: format!("line-of-step-{}", moment.number),
        max_concurrent_calls: u32::from(dice.of(&[10_u8, 1, 2, 3])),
        max_calls_per_second: u32::from(dice.of(&[10_u8, 1, 2])),
    };
    let idempotency = idempotent(dice, Kind::CreateLine, moment);
    let call = format!(
        "create_line {:?} {line:?}{}",
        who.caller,
        shown(idempotency.as_ref())
    );
    let made = side
        .store()
        .create_line(who.caller, line, idempotency)
        .await;
    let (told, made) = written(call, made);
    if let Some(made) = made {
        let owned = Owned {
            tenant: who.place,
            id: made.line_id,
        };
        side.known.lines.push(owned);
    }
    told
}

async fn change_line(side: &Side, kind: Kind, who: Who, dice: &mut Dice<'_>) -> Told {
    let store = side.store();
    let line_id = any_line(side, dice, who.place);
    let line = store.get_line(who.caller.tenant_id, line_id).await.ok();
    let guard = guard(dice, line.map(|line| line.revision));
    if kind == Kind::DeleteLine {
        let call = format!("delete_line {:?} {line_id:?} {guard:?}", who.caller);
        return told(call, store.delete_line(who.caller, line_id, guard).await).0;
    }
    let change = LineChange {
        name: dice.maybe(3, &["Main".to_owned(), "Neu".to_owned()]),
        base_url: dice.maybe(4, &[None, Some("https://two.example".to_owned())]),
        sealed_credentials: dice.maybe(3, &[vec![1, 1], vec![9]]),
        sealed_webhook_secret: dice.maybe(4, &[vec![8]]),
        max_concurrent_calls: dice.maybe(3, &[1, 5, 10]),
        max_calls_per_second: dice.maybe(3, &[1, 5]),
    };
    let call = format!(
        "update_line {:?} {line_id:?} {change:?} {guard:?}",
        who.caller
    );
    told(
        call,
        store.update_line(who.caller, line_id, change, guard).await,
    )
    .0
}

fn content(side: &Side, tenant: usize, dice: &mut Dice<'_>) -> PoolContent {
    let line_id = any_line(side, dice, tenant);
    let first = usize::from(dice.below(3));
    let last = first + usize::from(dice.of(&[2_u8, 1, 3, 0]));
    let numbers = NUMBERS.iter().take(last).skip(first);
    let mut numbers: Vec<_> = numbers.map(|id| number(dice, id)).collect();
    if dice.one_in(4) {
        numbers.reverse();
    }
    if dice.one_in(12) {
        // Twice the same one.
        numbers.extend(numbers.first().cloned());
    }
    PoolContent {
        name: dice.of(&["Pool", "Bäume"]).to_owned(),
        line_id,
        strategy: dice.of(&[PoolStrategy::RoundRobin, PoolStrategy::LeastRecentlyUsed]),
        numbers,
    }
}

fn number(dice: &mut Dice<'_>, id: &str) -> PoolNumber {
    PoolNumber {
        phone_number_id: id.to_owned(),
        e164: dice.maybe(3, &["+14155550199".to_owned()]),
        max_concurrent_calls: dice.maybe(3, &[1, 2]),
        enabled: !dice.one_in(5),
    }
}

async fn create_pool(side: &mut Side, who: Who, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let content = content(side, who.place, dice);
    let idempotency = idempotent(dice, Kind::CreatePool, moment);
    let call = format!(
        "create_pool {:?} {content:?}{}",
        who.caller,
        shown(idempotency.as_ref())
    );
    let made = side
        .store()
        .create_pool(who.caller, content, idempotency)
        .await;
    let (told, made) = written(call, made);
    if let Some(made) = made {
        let owned = Owned {
            tenant: who.place,
            id: made.pool_id,
        };
        side.known.pools.push(owned);
    }
    told
}

async fn change_pool(side: &Side, kind: Kind, who: Who, dice: &mut Dice<'_>) -> Told {
    let store = side.store();
    let pool_id = any_pool(side, dice, who.place);
    let pool = store.get_pool(who.caller.tenant_id, pool_id).await.ok();
    let revision = pool.as_ref().map(|pool| pool.revision);
    if kind == Kind::DeletePool {
        let guard = guard(dice, revision);
        let call = format!("delete_pool {:?} {pool_id:?} {guard:?}", who.caller);
        return told(call, store.delete_pool(who.caller, pool_id, guard).await).0;
    }
    let base = revision.unwrap_or(1) - i64::from(dice.one_in(6));
    let mut content = content(side, who.place, dice);
    if let Some(pool) = pool.filter(|_| !dice.one_in(6)) {
        // Numbers seldom move to another line.
        content.line_id = pool.line_id;
    }
    let call = format!(
        "update_pool {:?} {pool_id:?} at {base} {content:?}",
        who.caller
    );
    told(
        call,
        store.update_pool(who.caller, pool_id, base, content).await,
    )
    .0
}

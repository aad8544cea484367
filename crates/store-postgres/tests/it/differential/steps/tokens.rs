//! Tenants, tokens and kept answers.

use domain::TokenId;
use store::{NewToken, Scopes, StoredAnswer};

use super::{
    Dice, Kind, Moment, Side, Told, guard, idempotent, key, pick, shown, told, who, written,
};
use crate::differential::side::{MISSING, Owned, person};

pub(super) async fn take(side: &mut Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    match kind {
        Kind::EnsureTenant => {
            let name = dice.of(&["first", "second", "third", "Ärger"]);
            let tenant = side.store().ensure_tenant(name, moment.now).await;
            told(format!("ensure_tenant {name}"), tenant).0
        }
        Kind::CreateToken => create(side, dice, moment).await,
        Kind::KeepAnswer | Kind::FindAnswer => answers(side, kind, dice, moment).await,
        _ => change(side, kind, dice, moment).await,
    }
}

async fn create(side: &mut Side, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let who = who(side, dice, moment.now);
    let expires_at = dice.one_in(3).then(|| super::around(dice, moment.now));
    let token = NewToken {
        name: dice.of(&["CI", "laptop", "Ümlaut"]).to_owned(),
        scopes: Scopes {
            read: dice.one_in(2),
            write: dice.one_in(2),
            admin: dice.one_in(2),
        },
        hash: hash(moment.number),
        masked: "cmp_…x".to_owned(),
        expires_at,
    };
    let idempotency = idempotent(dice, Kind::CreateToken, moment);
    let call = format!(
        "create_token {:?} {token:?}{}",
        who.caller,
        shown(idempotency.as_ref())
    );
    let made = side
        .store()
        .create_token(who.caller, token, idempotency)
        .await;
    let (told, made) = written(call, made);
    if let Some(made) = made {
        let owned = Owned {
            tenant: who.place,
            id: made.token_id,
        };
        side.known.tokens.push(owned);
    }
    told
}

/// The hash of the token that was made at a step.
pub(crate) fn hash(step: usize) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&step.to_le_bytes());
    hash
}

async fn answers(side: &Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let who = who(side, dice, moment.now);
    let of = dice.of(&[Kind::CreateToken, Kind::CreateCampaign]);
    let key = key(dice, of);
    let call = format!(
        "{kind:?} {:?} {} of {:?}, request {}",
        who.caller, key.key, of, key.fingerprint[0]
    );
    let store = side.store();
    if kind == Kind::FindAnswer {
        return told(
            call,
            store
                .find_answer(who.caller.tenant_id, &key, moment.now)
                .await,
        )
        .0;
    }
    let answer = StoredAnswer {
        status: 202,
        revision: None,
        body: format!("kept at step {}", moment.number).into_bytes(),
    };
    told(call, store.keep_answer(who.caller, key, answer).await).0
}

async fn change(side: &Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let who = who(side, dice, moment.now);
    let store = side.store();
    let tenant_id = who.caller.tenant_id;
    if kind == Kind::SetTestCallNumbers {
        let numbers: Vec<_> = (0..dice.below(4)).map(|_| person(dice)).collect();
        let tenant = store.get_tenant(tenant_id).await.ok();
        let guard = guard(dice, tenant.map(|tenant| tenant.revision));
        let call = format!(
            "set_test_call_numbers {:?} {numbers:?} {guard:?}",
            who.caller
        );
        return told(
            call,
            store
                .set_test_call_numbers(who.caller, numbers, guard)
                .await,
        )
        .0;
    }
    let token_id = pick(
        dice,
        &side.known.tokens,
        who.place,
        TokenId::from_raw(MISSING),
    );
    let token = store.get_token(tenant_id, token_id).await.ok();
    let guard = guard(dice, token.map(|token| token.revision));
    let enabled = dice.one_in(2);
    let call = format!("{kind:?} {:?} {token_id:?} {enabled} {guard:?}", who.caller);
    if kind == Kind::DeleteToken {
        return told(call, store.delete_token(who.caller, token_id, guard).await).0;
    }
    let changed = store
        .set_token_enabled(who.caller, token_id, enabled, guard)
        .await;
    told(call, changed).0
}

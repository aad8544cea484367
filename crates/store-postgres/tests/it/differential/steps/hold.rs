//! What keeps an installation from dialing, and calls that it forgot.

use store::{
    Adoption, AttemptFact, AttemptRef, HeldLine, HoldReason, LineProgress, Release, StrangeCall,
};

use super::campaigns::any_campaign;
use super::facts::{any_attempt, told_of};
use super::lines::any_line;
use super::{Dice, Kind, Moment, Side, Told, around, told};
use crate::differential::observe::comparable;
use crate::differential::side::person;

/// Reasons that nothing but their own end or the operator ends.
const REASONS: &[HoldReason] = &[
    HoldReason::ClockStep,
    HoldReason::StrangeCalls,
    HoldReason::ClockBehind,
    HoldReason::MarkerMissing,
];

pub(super) async fn take(side: &mut Side, kind: Kind, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let (store, now) = (side.store(), moment.now);
    match kind {
        Kind::Hold => {
            let reason = dice.of(REASONS);
            let detail = format!("held at step {}", moment.number);
            told(
                format!("hold {reason:?}"),
                store.hold(now, reason, detail).await,
            )
            .0
        }
        Kind::LiftHold => {
            let status = store.hold_status().await.unwrap_or_default();
            let held: Vec<_> = status.holds.iter().map(|hold| hold.reason).collect();
            let any = held.is_empty() || dice.one_in(4);
            let reason = dice.of(if any { REASONS } else { &held });
            let lifted = store.lift_hold(now, reason).await;
            let was = lifted.as_ref().is_ok_and(|lifted| *lifted);
            let told = told(format!("lift_hold {reason:?}"), lifted).0;
            if was { told.meets("lifted") } else { told }
        }
        Kind::ReleaseHold => {
            let force = !dice.one_in(3);
            let released = store
                .release_hold(now, force)
                .await
                .map(|release| match release {
                    Release::NotOnHold => Release::NotOnHold,
                    Release::NotReconciled(status) => Release::NotReconciled(comparable(status)),
                    Release::Released(status) => Release::Released(comparable(status)),
                });
            let (told, release) = told(format!("release_hold {force}"), released);
            match release {
                Some(Release::NotOnHold) => told.meets("not on hold"),
                Some(Release::NotReconciled(_)) => told.meets("not reconciled"),
                Some(Release::Released(_)) => told.meets("released"),
                None => told,
            }
        }
        Kind::NoteHeldLine => note(side, dice, moment).await,
        _ => adopt(side, dice, moment).await,
    }
}

/// As a dialer does: of lines that are asked.
async fn note(side: &Side, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let status = side.store().hold_status().await;
    let asked = status.map(|status| status.lines).unwrap_or_default();
    if asked.is_empty() {
        return Told::done("note_held_line of none".to_owned(), &());
    }
    let line = HeldLine {
        progress: dice.of(&[
            LineProgress::Done,
            LineProgress::Done,
            LineProgress::Done,
            LineProgress::Failed,
            LineProgress::Pending,
        ]),
        calls_seen: u64::from(dice.byte()),
        adopted: 77,
        unmatched: 88,
        note: dice.maybe(2, &["it does not answer".to_owned()]),
        ..dice.of(&asked)
    };
    let call = format!("note_held_line {line:?}");
    told(call, side.store().note_held_line(moment.now, line).await).0
}

fn strange(side: &Side, dice: &mut Dice<'_>, moment: Moment, number: u8) -> StrangeCall {
    let tenant = usize::from(dice.one_in(4));
    let line_id = any_line(side, dice, tenant);
    let provider_call_id = format!("strange-{}-{number}", moment.number);
    let mut attempt_key = format!("forgotten-{}-{number}", moment.number);
    let mut facts = Vec::new();
    if let Some(known) = any_attempt(side, dice) {
        if dice.one_in(6) {
            attempt_key.clone_from(&known.key);
        }
        let attempt = AttemptRef::Echo {
            line_id,
            attempt_key: Some(attempt_key.clone()),
            provider_call_id: provider_call_id.clone(),
        };
        for _ in 0..dice.below(3) {
            let told = told_of(known, side, dice, moment.now);
            let provider_call_id = Some(provider_call_id.clone());
            facts.push(AttemptFact {
                attempt: attempt.clone(),
                provider_call_id,
                ..told
            });
        }
    }
    StrangeCall {
        line_id,
        attempt_key,
        provider_call_id,
        campaign_id: (!dice.one_in(3)).then(|| any_campaign(side, dice, tenant)),
        phone: (!dice.one_in(6)).then(|| person(dice)),
        phone_number_id: dice.maybe(2, &["pn_1".to_owned(), "pn_9".to_owned()]),
        created_at: dice.one_in(2).then(|| around(dice, moment.now)),
        facts,
    }
}

async fn adopt(side: &mut Side, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let count = dice.of(&[1_u8, 2]);
    let calls: Vec<_> = (0..count)
        .map(|number| strange(side, dice, moment, number))
        .collect();
    let call = format!("adopt_calls {calls:?}");
    let adopted = side.store().adopt_calls(moment.now, calls.clone()).await;
    let (mut told, adopted) = told(call, adopted);
    for (call, adoption) in calls.iter().zip(adopted.into_iter().flatten()) {
        let met = match adoption {
            Adoption::Known => "known",
            Adoption::Adopted(_) => "adopted",
            Adoption::Unmatched => "unmatched",
        };
        told.met.push(met.to_owned());
        if let Adoption::Adopted(attempt_id) = adoption {
            side.known
                .attempt(attempt_id, &call.attempt_key, call.line_id);
        }
    }
    told
}

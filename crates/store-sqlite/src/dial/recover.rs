//! A fresh process never sends what an old one may have sent.

use domain::AttemptId;
use domain::attempt::Fact;
use failpoint::Transaction;
use jiff::Timestamp;
use store::{AttemptFact, AttemptRef, PatienceOf, StoreResult};

use crate::code::micros;
use crate::dial::facts;
use crate::error::translate;
use crate::marker::Marker;
use crate::ops::hold;
use crate::writer::Work;

/// Every DISPATCHING attempt becomes UNKNOWN; every line and awake campaign is looked at anew.
/// A database that went back is put on hold before anything else.
pub(crate) fn run(
    work: &mut Work<'_>,
    marker: &Marker,
    now: Timestamp,
    patience_of: PatienceOf,
) -> StoreResult<u64> {
    work.is_a(Transaction::Recovery);
    hold::judge_start(work, marker, now)?;
    let ids = {
        let sql = "SELECT attempt_id FROM attempts WHERE live = 1 AND state = 'DISPATCHING' ORDER BY attempt_id";
        let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
        let rows = statement
            .query_map([], |row| row.get(0))
            .map_err(translate)?;
        rows.collect::<Result<Vec<i64>, _>>().map_err(translate)?
    };
    let ids = domain::planted!("dispatches_forgotten", ids, Vec::<i64>::new());
    for id in &ids {
        let fate = domain::planted!("death_means_unsent", Fact::AnswerLost, Fact::NeverSent);
        let mut fact = AttemptFact::new(AttemptRef::Id(AttemptId::from_raw(*id)), fate);
        fact.reason = Some("the server stopped while the call was being placed".to_owned());
        facts::apply(work, now, &fact, patience_of)?;
    }
    // Wake-ups are durable, so this is not needed for correctness; it costs one look.
    work.tx
        .prepare_cached("UPDATE lines SET wake_at = ?1 WHERE EXISTS
             (SELECT 1 FROM campaigns WHERE campaigns.line_id = lines.line_id AND status = 'RUNNING')")
        .map_err(translate)?
        .execute([micros(now)])
        .map_err(translate)?;
    work.wake();
    Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
}

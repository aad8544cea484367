//! How the turns of a line fall to its campaigns, if each has somebody to call at every turn.
//!
//! The planner itself gives the turns away, one by one, as leads allow. This foretells how many
//! leads of each campaign are worth reading for that. It decides nothing: a campaign of which too
//! few were read stays behind the others, and the next plan, which is made at once, begins with it.

use crate::settings::CampaignSettings;

/// Virtual time of one call of a campaign of weight 1; every weight up to 10 divides it.
pub(super) const STRIDE: i64 = 2_520_000;

/// How far one call moves its campaign ahead.
pub(super) fn stride(settings: &CampaignSettings) -> i64 {
    let priority = i64::from(settings.priority.clamp(1, 10));
    let priority = crate::planted!("priority_upside_down", priority, 11 - priority);
    crate::planted!("turns_ignored", STRIDE / priority, 0)
}

/// Who waits for turns: its virtual time and its settings.
pub type Contender<'a> = (i64, &'a CampaignSettings);

/// Gives `turns` away, each to the contender that is furthest behind; of equals the first is next.
/// Answers how many each one got. Takes `turns` × contenders steps.
pub(super) fn foretell(
    virtual_time: i64,
    contenders: &[Contender<'_>],
    turns: usize,
) -> Vec<usize> {
    let mut passes: Vec<i64> = contenders
        .iter()
        .map(|(pass, _)| (*pass).max(virtual_time))
        .collect();
    let mut given = vec![0; contenders.len()];
    for _ in 0..turns {
        let Some(next) = (0..passes.len()).min_by_key(|index| (passes[*index], *index)) else {
            break;
        };
        given[next] += 1;
        passes[next] = passes[next].saturating_add(stride(contenders[next].1));
    }
    given
}

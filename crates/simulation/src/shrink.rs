//! Making a failing run small: fewer campaigns, leads, actions, faults and deaths, as long as the
//! same promise stays broken.

use crate::cuts::Cuts;
use crate::faults::FaultKind;
use crate::plan::Options;
use crate::simulator::{Report, run};

/// Most runs that one shrinking may take.
const MOST_RUNS: u32 = 200;

/// The smallest failing run that was found.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// What it leaves out.
    pub cuts: Cuts,
    /// What it came to.
    pub report: Report,
    /// Runs that it took.
    pub runs: u32,
}

struct Search<'a> {
    seed: u64,
    options: &'a Options,
    invariant: &'static str,
    best: Shrunk,
}

/// Cuts away what does not matter for the first broken promise of `report`.
///
/// # Errors
/// As [`run`].
pub fn shrink(seed: u64, options: &Options, report: Report) -> Result<Shrunk, String> {
    let Some(first) = report.violations.first() else {
        return Err("the run keeps every promise; there is nothing to shrink".to_owned());
    };
    let mut search = Search {
        seed,
        options,
        invariant: first.invariant,
        best: Shrunk {
            cuts: options.cuts.clone(),
            report,
            runs: 0,
        },
    };
    search.fewer_faults()?;
    search.fewer_campaigns()?;
    search.fewer_actions()?;
    search.fewer_deaths()?;
    search.fewer_leads()?;
    Ok(search.best)
}

impl Search<'_> {
    /// Keeps the cut if the promise is still broken.
    fn holds(&mut self, change: impl FnOnce(&mut Cuts)) -> Result<bool, String> {
        if self.best.runs >= MOST_RUNS {
            return Ok(false);
        }
        self.best.runs += 1;
        let mut cuts = self.best.cuts.clone();
        change(&mut cuts);
        let options = Options {
            cuts: cuts.clone(),
            ..self.options.clone()
        };
        let report = run(self.seed, &options)?;
        let broken = report
            .violations
            .iter()
            .any(|violation| violation.invariant == self.invariant);
        if broken {
            self.best.cuts = cuts;
            self.best.report = report;
        }
        Ok(broken)
    }

    fn fewer_faults(&mut self) -> Result<(), String> {
        let kinds = self.best.cuts.left_of(self.options.faults).kinds();
        for kind in kinds.collect::<Vec<FaultKind>>() {
            self.holds(|cuts| cuts.without.push(kind))?;
        }
        Ok(())
    }

    fn fewer_campaigns(&mut self) -> Result<(), String> {
        for campaign in 0..self.best.report.campaigns {
            if !self.best.cuts.silent.contains(&campaign) {
                self.holds(|cuts| cuts.silent.push(campaign))?;
            }
        }
        Ok(())
    }

    /// Halves what is left, then takes single actions away.
    fn fewer_actions(&mut self) -> Result<(), String> {
        let all = (0..self.best.report.actions).collect();
        let mut kept: Vec<usize> = self.best.cuts.actions.clone().unwrap_or(all);
        let mut part = kept.len();
        while part > 0 {
            let mut from = 0;
            while from < kept.len() {
                let until = (from + part).min(kept.len());
                let rest: Vec<_> = kept[..from].iter().chain(&kept[until..]).copied().collect();
                if self.holds(|cuts| cuts.actions = Some(rest.clone()))? {
                    kept = rest;
                } else {
                    from = until;
                }
            }
            part /= 2;
        }
        Ok(())
    }

    fn fewer_deaths(&mut self) -> Result<(), String> {
        for most in [0, 1, 2, 4, 8] {
            if self.holds(|cuts| cuts.crashes = Some(most))? {
                break;
            }
        }
        Ok(())
    }

    fn fewer_leads(&mut self) -> Result<(), String> {
        for most in [1, 2, 3, 5, 8, 13, 20] {
            if self.holds(|cuts| cuts.leads = Some(most))? {
                break;
            }
        }
        Ok(())
    }
}

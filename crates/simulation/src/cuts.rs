//! What is cut away from a run, so that a failing seed becomes a small story.
//!
//! A cut only ever takes away; what is left keeps its instants and its dice.

use std::fmt;

use crate::faults::{FaultKind, FaultSet};

/// What a run leaves out of what its seed draws.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cuts {
    /// Most leads of a campaign.
    pub leads: Option<usize>,
    /// Campaigns that are never started, by their index.
    pub silent: Vec<usize>,
    /// The users' actions that stay, by their index; absent: all.
    pub actions: Option<Vec<usize>>,
    /// Kinds of faults that do not strike.
    pub without: Vec<FaultKind>,
    /// Most deaths of the process.
    pub crashes: Option<u32>,
}

impl Cuts {
    /// The faults that are left of `faults`.
    pub fn left_of(&self, faults: FaultSet) -> FaultSet {
        self.without
            .iter()
            .fold(faults, |set, kind| set.without(*kind))
    }

    /// Reads what `Display` writes: `leads=3,silent=0+2,actions=1+4,without=clock+storage,crashes=1`.
    ///
    /// # Errors
    /// A sentence about the part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut cuts = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is not of the form key=value"))?;
            match key {
                "leads" => cuts.leads = Some(number(value)?),
                "silent" => cuts.silent = numbers(value)?,
                "actions" => cuts.actions = Some(numbers(value)?),
                "crashes" => cuts.crashes = Some(number(value)?),
                "without" => cuts.without = kinds(value)?,
                _ => {
                    return Err(format!(
                        "{key:?} is not known; known are leads, silent, actions, without, crashes"
                    ));
                }
            }
        }
        Ok(cuts)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn numbers(text: &str) -> Result<Vec<usize>, String> {
    text.split('+')
        .filter(|part| !part.is_empty())
        .map(number)
        .collect()
}

fn kinds(text: &str) -> Result<Vec<FaultKind>, String> {
    let set = FaultSet::parse(&text.replace('+', ","));
    let set = set.map_err(|name| format!("{name:?} is no kind of fault"))?;
    Ok(set.kinds().collect())
}

impl fmt::Display for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |items: &[usize]| {
            let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
            texts.join("+")
        };
        let mut parts = Vec::new();
        parts.extend(self.leads.map(|leads| format!("leads={leads}")));
        if !self.silent.is_empty() {
            parts.push(format!("silent={}", joined(&self.silent)));
        }
        let actions = self.actions.as_deref();
        parts.extend(actions.map(|actions| format!("actions={}", joined(actions))));
        if !self.without.is_empty() {
            let names: Vec<_> = self.without.iter().map(|kind| kind.as_str()).collect();
            parts.push(format!("without={}", names.join("+")));
        }
        parts.extend(self.crashes.map(|crashes| format!("crashes={crashes}")));
        f.write_str(&parts.join(","))
    }
}

//! E1, E2, L2: whoever reads only the feed knows what the records say.

use std::collections::{BTreeMap, BTreeSet};

use domain::attempt::StateName;
use domain::campaign::LeadStatus;
use domain::{AttemptId, CampaignId, LeadId};
use store::EventRecord;

use super::records::{CampaignRecords, Records};
use super::{Seen, Verdict};
use crate::history::Violation;

/// What a reader of the feed believes.
#[derive(Default)]
struct Reader<'a> {
    calls: BTreeMap<AttemptId, (&'a str, Option<&'a str>)>,
    leads: BTreeMap<LeadId, Option<&'a str>>,
    campaigns: BTreeMap<CampaignId, &'a str>,
}

pub(super) fn judge(seen: &Seen<'_>, records: &Records) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    for (tenant, feed) in records.feeds.iter().enumerate() {
        let mut reader = Reader::default();
        for (index, event) in feed.iter().enumerate() {
            let expected = i64::try_from(index + 1).unwrap_or(i64::MAX);
            if event.sequence != expected {
                verdict.broken(
                    "E2",
                    format!("event {expected} of tenant {tenant} is missing"),
                );
                return verdict.violations;
            }
            reader.read(event, &mut verdict);
        }
        let own = records
            .campaigns
            .iter()
            .filter(|of| seen.history.campaigns[of.index].tenant == tenant);
        for of in own {
            reader.compare(of, &mut verdict);
        }
    }
    verdict.violations
}

impl<'a> Reader<'a> {
    fn read(&mut self, event: &'a EventRecord, verdict: &mut Verdict) {
        let text = |name: &str| event.data[name].as_str();
        match (
            event.kind.as_str(),
            event.attempt_id,
            event.lead_id,
            event.campaign_id,
        ) {
            ("call.analyzed", ..) => {}
            (kind, Some(attempt_id), ..) if kind.starts_with("call.") => {
                let state = text("state").unwrap_or_default();
                self.moved(attempt_id, state, event, verdict);
                self.calls.insert(attempt_id, (state, text("outcome")));
            }
            ("lead.removed", _, Some(lead_id), _) => {
                self.leads.remove(&lead_id);
            }
            ("lead.opted_out", _, Some(lead_id), _) => {
                self.leads.insert(lead_id, Some("OPTED_OUT"));
            }
            ("lead.added" | "lead.completed", _, Some(lead_id), _) => {
                self.leads.insert(lead_id, text("status"));
            }
            ("lead.updated", _, Some(lead_id), _) => {
                let status = text("status");
                let put_back = event.data["changed"]
                    .as_array()
                    .is_some_and(|changed| changed.iter().any(|one| one == "mark_as_unanswered"));
                if status.is_some() || put_back {
                    self.leads.insert(lead_id, status);
                }
            }
            ("campaign.started" | "campaign.resumed", _, _, Some(campaign_id)) => {
                self.campaigns.insert(campaign_id, "RUNNING");
            }
            ("campaign.paused", _, _, Some(campaign_id)) => {
                self.campaigns.insert(campaign_id, "PAUSED");
            }
            ("campaign.stopped", _, _, Some(campaign_id)) => {
                self.campaigns.insert(campaign_id, "STOPPED");
            }
            ("campaign.completed", _, _, Some(campaign_id)) => {
                self.campaigns.insert(campaign_id, "COMPLETED");
            }
            ("campaign.updated", _, _, Some(campaign_id)) => {
                if let Some(status) = text("to") {
                    self.campaigns.insert(campaign_id, status);
                }
            }
            _ => {}
        }
    }

    /// L2: a call goes forward only, unless the feed says that it corrects itself.
    fn moved(&self, attempt_id: AttemptId, to: &str, event: &EventRecord, verdict: &mut Verdict) {
        let corrected = event.data["corrected"] == true;
        let Some((from, _)) = self.calls.get(&attempt_id) else {
            return;
        };
        let backwards = rank(to) < rank(from) || (rank(from) == OVER && !corrected);
        if backwards && !corrected {
            verdict.broken("L2", format!("a call went from {from} to {to}"));
        }
    }

    /// E1: the end of the feed is the state of the records.
    fn compare(&self, of: &CampaignRecords, verdict: &mut Verdict) {
        for call in &of.calls {
            let told = self.calls.get(&call.attempt_id);
            let state = call.state.as_str();
            let outcome = call.outcome.map(domain::Outcome::as_str);
            let silent = call.state == StateName::Dispatching && told.is_none();
            let agrees = told.is_some_and(|(told, _)| *told == state)
                && (call.state != StateName::Ended
                    || told.is_some_and(|(_, told)| *told == outcome));
            if !silent && !agrees {
                verdict.broken(
                    "E1",
                    format!("a call is {state} {outcome:?}, told {told:?}"),
                );
            }
        }
        for lead in &of.leads {
            let told = self.leads.get(&lead.lead_id).copied();
            let status = lead.status;
            let final_now = status.is_final();
            let right = match told {
                None => false,
                Some(told) => {
                    let told = told.unwrap_or("READY");
                    let told_final = LeadStatus::ALL
                        .iter()
                        .any(|one| one.is_final() && one.as_str() == told);
                    if final_now {
                        told == status.as_str()
                    } else {
                        !told_final
                    }
                }
            };
            if !right {
                let what = format!("{} is {}, told {told:?}", lead.phone, status.as_str());
                verdict.broken("E1", what);
            }
        }
        let Some(campaign) = &of.campaign else { return };
        let status = campaign.status.as_str();
        let told = self.campaigns.get(&campaign.campaign_id);
        if told.is_some_and(|told| *told != status) {
            verdict.broken("E1", format!("a campaign is {status}, told {told:?}"));
        }
    }
}

/// Counts the ways out of doubt.
pub(super) fn reached(records: &Records, reached: &mut BTreeMap<&'static str, u64>) {
    let mut note = |what| *reached.entry(what).or_default() += 1;
    for feed in &records.feeds {
        let mut in_doubt = BTreeSet::new();
        for event in feed {
            let Some(attempt_id) = event.attempt_id else {
                continue;
            };
            if event.data["corrected"] == true {
                note("corrected");
            }
            let doubted = in_doubt.remove(&attempt_id);
            match event.data["state"].as_str() {
                Some("UNKNOWN") => {
                    in_doubt.insert(attempt_id);
                }
                Some("ABSENT") => note("proven_absent"),
                _ if event.data["outcome"] == "PRESUMED_PLACED" => note("presumed_placed"),
                Some(_) if doubted => note("found_after_doubt"),
                _ => {}
            }
        }
    }
}

const OVER: u8 = 5;

fn rank(state: &str) -> u8 {
    match state {
        "DISPATCHING" => 0,
        "UNKNOWN" => 1,
        "PLACED" => 2,
        "RINGING" => 3,
        "IN_PROGRESS" => 4,
        _ => OVER,
    }
}

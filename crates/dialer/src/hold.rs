//! The loop that tends a hold: it says so in the log, ends what ends by itself, and has every line
//! asked for calls that the database may have forgotten.

use std::collections::HashMap;
use std::time::Duration;

use domain::LineId;
use jiff::{SignedDuration, Timestamp};
use store::{Gap, HeldLine, HoldStatus, LineProgress};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::core::Core;

/// How often the hold is looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it is said in the log, in periods.
const PERIODS_BETWEEN_LINES: u32 = 180;
/// How often providers are asked for the time, in periods.
const PERIODS_BETWEEN_ASKING: u32 = 30;
/// Lines that are asked at the same time.
const MAX_ASKING: usize = 8;
/// Pause before a line that could not be asked is asked again.
const FAILED_PAUSE: SignedDuration = SignedDuration::from_secs(15);
/// Widest and narrowest window that a line is first asked for; one that failed is asked for less.
const WIDEST: SignedDuration = SignedDuration::from_hours(24);
/// See [`WIDEST`].
const NARROWEST: SignedDuration = SignedDuration::from_mins(1);

/// When and how a line is asked next.
#[derive(Debug, Clone, Copy)]
struct Plan {
    at: Timestamp,
    widest: SignedDuration,
}

/// Runs until told to stop.
pub(crate) async fn run(core: Core, stop: CancellationToken) {
    let mut periods = 0_u32;
    let mut was_on_hold = false;
    let mut asking = Asking::default();
    while !stop.is_cancelled() {
        match core.parts().store.hold_status().await {
            Ok(status) => {
                let on_hold = status.is_on_hold();
                if on_hold != was_on_hold {
                    periods = 0;
                    was_on_hold = on_hold;
                    asking = Asking::default();
                    if !on_hold {
                        tracing::warn!("no longer on hold: dialing goes on");
                    }
                }
                if on_hold {
                    tend(&core, &status, periods, &mut asking).await;
                    periods = periods.wrapping_add(1);
                }
            }
            Err(error) => tracing::warn!(%error, "whether to hold could not be read"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
    asking.tasks.shutdown().await;
}

async fn tend(core: &Core, status: &HoldStatus, periods: u32, asking: &mut Asking) {
    if periods.is_multiple_of(PERIODS_BETWEEN_LINES) {
        say(status);
    }
    if let Err(error) = core.tend_clock(status).await {
        tracing::warn!(%error, "a hold for the clock could not be ended");
    }
    let clock = status
        .holds
        .iter()
        .any(|hold| hold.reason.is_about_the_clock());
    if clock && periods % PERIODS_BETWEEN_ASKING == 1 {
        let asked = core.ask_the_time().await;
        if let Err(error) = asked {
            tracing::warn!(%error, "the providers could not be asked for the time");
        }
    }
    if status.needs_reconciliation() {
        asking.go_on(core, status).await;
    }
}

fn say(status: &HoldStatus) {
    let done = status
        .lines
        .iter()
        .filter(|line| line.progress == LineProgress::Done);
    let (done, lines) = (done.count(), status.lines.len());
    for hold in &status.holds {
        tracing::error!(
            hold.reason = hold.reason.as_str(),
            hold.lines_asked = done,
            hold.lines = lines,
            "on hold since {:.0}, nothing dials: {}; see `campanile hold status`, end it with `campanile hold release`",
            hold.since,
            hold.detail
        );
    }
}

/// The lines that are being asked.
#[derive(Default)]
struct Asking {
    tasks: JoinSet<(LineId, Plan)>,
    plans: HashMap<LineId, Plan>,
    busy: std::collections::HashSet<LineId>,
}

impl Asking {
    /// Takes what was answered and asks who is due.
    async fn go_on(&mut self, core: &Core, status: &HoldStatus) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok((line_id, plan)) = ended {
                self.plans.insert(line_id, plan);
                self.busy.remove(&line_id);
            } else {
                // Whichever it was is asked again.
                self.busy.clear();
                self.tasks.shutdown().await;
            }
        }
        let now = core.parts().clock.now();
        for line in &status.lines {
            let plan = self.plans.get(&line.line_id).copied().unwrap_or(Plan {
                at: now,
                widest: WIDEST,
            });
            let due = line.progress != LineProgress::Done && plan.at <= now;
            if due && self.tasks.len() < MAX_ASKING && self.busy.insert(line.line_id) {
                let (core, line, gaps) = (core.clone(), line.clone(), status.gaps.clone());
                self.tasks
                    .spawn(async move { (line.line_id, ask(&core, &line, &gaps, plan).await) });
            }
        }
    }
}

/// Asks one line; answers when and how to ask it again, should it not be done.
async fn ask(core: &Core, line: &HeldLine, gaps: &[Gap], plan: Plan) -> Plan {
    let asked = core.reconcile_line(line, gaps, plan.widest).await;
    let later = |pause| {
        let now = core.parts().clock.now();
        now.saturating_add(pause).unwrap_or(now)
    };
    match asked {
        Ok(line) if line.progress == LineProgress::Pending => Plan {
            at: match core.settled_at(line.line_id, gaps).await {
                Some(at) => at,
                None => later(FAILED_PAUSE),
            },
            ..plan
        },
        Ok(line) => {
            if let Some(why) = &line.note {
                tracing::warn!(
                    line.id = line.line_id.raw(),
                    "a voice provider could not be asked for past calls: {why}"
                );
            }
            Plan {
                at: later(FAILED_PAUSE),
                widest: (plan.widest / 2).max(NARROWEST),
            }
        }
        Err(error) => {
            tracing::warn!(line.id = line.line_id.raw(), %error, "past calls could not be looked at");
            Plan {
                at: later(FAILED_PAUSE),
                ..plan
            }
        }
    }
}

//! Torture of three equal servers on one PostgreSQL: they are killed and stopped while the others go
//! on, the database ends sessions, goes away, dies and is replaced by a standby, and users go to
//! whichever server they find.
//!
//! It shares the phones, the users and the judge with the torture of one process; the judge reads the
//! sandbox's log and what users were told by any of the servers. What is dealt is a [`Blow`].
//!
//! `make test` runs [`Plan::SMALL`], `make torture OF=nodes` the whole.

mod blows;
mod installation;
mod scene;
mod wire;

use std::path::Path;

use failpoint::Failpoint;
use postgres_cluster::Stop;

use super::report::Done;
use super::{Kind, judge_all};
use blows::Blow;
use scene::{Scene, deal, setting};

/// How much of each.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    kills: usize,
    /// How often at every failpoint.
    failpoint_rounds: usize,
    freezes: usize,
    freezes_before_sends: usize,
    longest_freeze_ms: u64,
    session_ends: usize,
    wire_cuts: usize,
    /// Of each way to stop it.
    database_restarts: usize,
    restarts: usize,
    rolling_restarts: usize,
    promotions: usize,
    /// Whether it tells how far it is.
    is_told: bool,
}

impl Plan {
    const SMALL: Self = Self {
        kills: 10,
        failpoint_rounds: 0,
        freezes: 2,
        freezes_before_sends: 3,
        longest_freeze_ms: 4_000,
        session_ends: 1,
        wire_cuts: 1,
        database_restarts: 1,
        restarts: 1,
        rolling_restarts: 1,
        promotions: 1,
        is_told: false,
    };

    const LARGE: Self = Self {
        kills: 120,
        failpoint_rounds: 2,
        freezes: 15,
        freezes_before_sends: 30,
        longest_freeze_ms: 120_000,
        session_ends: 30,
        wire_cuts: 40,
        database_restarts: 15,
        restarts: 20,
        rolling_restarts: 10,
        promotions: 8,
        is_told: true,
    };

    fn kills(&self) -> Vec<Blow> {
        let mut blows = vec![Blow::Kill; self.kills];
        for _ in 0..self.failpoint_rounds {
            blows.extend(Failpoint::all().into_iter().map(Blow::KillAt));
        }
        blows
    }

    fn freezes(&self) -> Vec<Blow> {
        let longest_ms = self.longest_freeze_ms;
        let mut blows = vec![Blow::Freeze { longest_ms }; self.freezes];
        let before = Blow::FreezeBeforeSend { longest_ms };
        blows.resize(self.freezes + self.freezes_before_sends, before);
        blows
    }

    fn losses(&self) -> Vec<Blow> {
        let mut blows = vec![Blow::EndSessions; self.session_ends];
        blows.extend(vec![Blow::CutWire; self.wire_cuts]);
        for how in [Stop::Fast, Stop::Immediate] {
            blows.extend(vec![Blow::RestartDatabase(how); self.database_restarts]);
        }
        blows
    }

    fn restarts(&self) -> Vec<Blow> {
        let mut blows = vec![Blow::Restart; self.restarts];
        blows.extend(vec![Blow::RollingRestart; self.rolling_restarts]);
        blows
    }

    fn everything(&self) -> Vec<Blow> {
        let groups = [self.kills(), self.freezes(), self.losses(), self.restarts()];
        groups.concat()
    }
}

fn run(plan: &Plan, folder: &Path, seed: u64, kind: &str, blows: Vec<Blow>) -> Done {
    let mut scene = Scene::start(folder, setting(seed));
    let count = blows.len();
    let broken = deal(&mut scene, blows, |done, of| {
        super::progress(plan.is_told, kind, done, of);
    });
    let mut verdict = scene.finish();
    verdict.violations.extend(broken);
    Done::Judged(count, verdict)
}

const PROMOTED: Kind<Plan> = (
    "three servers: a standby that is behind is promoted",
    |plan, folder, seed| {
        let blows = vec![Blow::Promote; plan.promotions];
        run(plan, folder, seed, "promotions", blows)
    },
);

/// Side by side they mostly wait.
const SMALL: [Kind<Plan>; 2] = [
    (
        "three servers: everything but a promotion",
        |plan, folder, seed| run(plan, folder, seed, "everything", plan.everything()),
    ),
    PROMOTED,
];

const STOPPED: Kind<Plan> = ("three servers: SIGSTOP", |plan, folder, seed| {
    run(plan, folder, seed, "freezes", plan.freezes())
});

/// Those that stand still for long in two scenes, so that it ends in time.
const LARGE: [Kind<Plan>; 6] = [
    ("three servers: SIGKILL", |plan, folder, seed| {
        run(plan, folder, seed, "kills", plan.kills())
    }),
    STOPPED,
    STOPPED,
    (
        "three servers: connections cut, database restarted",
        |plan, folder, seed| run(plan, folder, seed, "losses", plan.losses()),
    ),
    (
        "three servers: SIGTERM of one, of one after the other",
        |plan, folder, seed| run(plan, folder, seed, "restarts", plan.restarts()),
    ),
    PROMOTED,
];

/// Of a limit that no scene has reached nothing is proven.
fn judge(plan: &Plan, is_told: bool, kinds: &[Kind<Plan>]) {
    let reached = judge_all(plan, is_told, kinds).reached();
    for limit in ["line", "campaign", "number"] {
        assert!(
            reached.contains(limit),
            "the limit of the {limit} was never reached, only of {reached:?}"
        );
    }
}

#[test]
fn a_small_torture_of_three_servers_harms_nobody() {
    judge(&Plan::SMALL, false, &SMALL);
}

#[test]
#[ignore = "half an hour: make torture OF=nodes"]
fn the_whole_torture_of_three_servers_harms_nobody() {
    judge(&Plan::LARGE, true, &LARGE);
}

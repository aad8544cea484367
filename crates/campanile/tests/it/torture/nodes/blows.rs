//! What is done to the servers and their database.

mod database;
mod deaths;
mod freezes;
mod promotion;
pub(super) mod restarts;

use failpoint::Failpoint;
use postgres_cluster::Stop;

use super::scene::Scene;

#[derive(Debug, Clone, Copy)]
pub(super) enum Blow {
    /// SIGKILL of one, at any moment.
    Kill,
    /// SIGKILL of one at this moment.
    KillAt(Failpoint),
    /// SIGSTOP of one at any moment, for so long at most.
    Freeze { longest_ms: u64 },
    /// SIGSTOP of one between commit and send.
    FreezeBeforeSend { longest_ms: u64 },
    /// The database ends every session.
    EndSessions,
    /// Connections to the database break in the middle; at times answers are lost before.
    CutWire,
    /// The database is stopped and started.
    RestartDatabase(Stop),
    /// SIGTERM of one, and a new one.
    Restart,
    /// SIGTERM and a new one, one after the other.
    RollingRestart,
    /// The database dies, and a standby takes over that has not heard the last seconds.
    Promote,
}

impl Blow {
    /// Deals it, and sees the servers well again; otherwise says what went wrong.
    pub(super) fn deal(self, scene: &mut Scene) -> Result<(), String> {
        match self {
            Self::Kill => deaths::at_random(scene),
            Self::KillAt(failpoint) => deaths::at(scene, failpoint),
            Self::Freeze { longest_ms } => freezes::at_random(scene, longest_ms),
            Self::FreezeBeforeSend { longest_ms } => freezes::before_send(scene, longest_ms),
            Self::EndSessions => database::end_sessions(scene),
            Self::CutWire => database::cut_wire(scene),
            Self::RestartDatabase(how) => database::restart(scene, how),
            Self::Restart => restarts::of_one(scene),
            Self::RollingRestart => restarts::of_all(scene),
            Self::Promote => promotion::of_a_standby(scene),
        }
    }
}

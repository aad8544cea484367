//! One server over SQLite on a stage: what each kind of torture of one process begins with, and how
//! it ends.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use super::doors::Doors;
use super::installation::Installation;
use super::records::Records;
use super::report::Verdict;
pub(super) use super::stage::Setting;
use super::stage::Stage;
use super::world::World;

pub(super) struct Scene {
    // Before the phones: they outlive whatever calls them.
    pub(super) installation: Installation,
    stage: Stage,
}

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

impl Scene {
    pub(super) fn start(folder: &Path, setting: Setting) -> Self {
        Self::start_on(folder, folder, setting)
    }

    /// With the database on a file system of its own.
    pub(super) fn start_on(folder: &Path, database_folder: &Path, setting: Setting) -> Self {
        let world = World::start(folder, &setting);
        let installation = Installation::start(folder, database_folder, &setting.launch);
        let doors = Doors::of([installation.address.clone()]);
        let stage = Stage::set(world, doors, &installation.token, setting);
        Self {
            installation,
            stage,
        }
    }

    /// Lets every campaign come to its end on a server that lives, and judges.
    pub(super) fn finish(mut self, bound: Duration) -> Verdict {
        let unfinished = self.stage.come_to_the_end(bound);
        let (ends, log) = (&self.installation.ends, self.installation.log());
        let mut verdict = self.stage.verdict(|| self.records(), ends, &log);
        verdict.violations.extend(unfinished);
        self.installation.server.signal("TERM");
        let ended = self
            .installation
            .server
            .ends_within(Duration::from_secs(15));
        if ended.and_then(|status| status.code()) != Some(0) {
            verdict
                .violations
                .push(format!("the last server ended with {ended:?}"));
        }
        verdict
    }

    /// Keeps them from being lost with the database.
    pub(super) fn remember_deadlines(&mut self) {
        let records = self.records();
        self.stage.remember_deadlines(&records);
    }

    fn records(&self) -> Records {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database =
            rusqlite::Connection::open_with_flags(self.installation.database(), flags).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        Records::of_sqlite(&database)
    }
}

//! A disk that is full for a while.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::BOUND;
use crate::torture::Plan;
use crate::torture::dice::Dice;
use crate::torture::process::runs;
use crate::torture::report::Done;
use crate::torture::scene::{Scene, Setting};
use crate::torture::wait::pause;

/// Enough for the database of this test, and quickly filled.
const SIZE: &str = "size=48m";

/// A file system in memory, gone with this value.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        std::fs::create_dir_all(at).ok()?;
        let path = at.to_str()?;
        runs(&["mount", "-t", "tmpfs", "-o", SIZE, "tmpfs", path]).then_some(Self(at))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        let block = [0_u8; 4096];
        while file.write_all(&block).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> std::path::PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

pub(crate) fn full(plan: &Plan, folder: &Path, seed: u64) -> Done {
    let at = folder.join("small");
    let Some(small) = Small::mount(&at) else {
        return Done::Skipped("a small file system cannot be mounted (that needs root)".to_owned());
    };
    let mut scene = Scene::start_on(folder, &at, Setting::new(seed));
    let mut dice = Dice::new(seed);
    for round in 0..plan.full_disks {
        scene.keep_busy(40);
        pause(dice.between(300, 1_500));
        small.fill();
        pause(dice.between(500, 3_000));
        if dice.between(0, 1) == 0 {
            // Dies while there is no room, and comes back when there is.
            scene.installation.server.kill();
        }
        small.empty();
        if scene.installation.server.ended().is_some() {
            scene
                .installation
                .restart(&crate::torture::process::Launch::default());
        }
        plan.progress("full disks", round + 1, plan.full_disks);
    }
    scene.users_stop();
    let verdict = scene.finish(BOUND);
    drop(small);
    Done::Judged(plan.full_disks, verdict)
}

//! The servers on a stage, and the blows they take.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use super::blows::Blow;
use super::installation::{NODES, Nodes};
use crate::torture::dice::Dice;
use crate::torture::report::Verdict;
use crate::torture::stage::{Setting, Stage};
use crate::torture::world::World;

/// Longer than the longest freeze: a request to a server that stands still is answered when it goes
/// on, and what it orders counts from then on.
const PATIENCE: Duration = Duration::from_secs(200);
/// Beyond this the leads of a campaign must be final.
const BOUND: Duration = Duration::from_secs(600);

pub(super) struct Scene {
    // Before the phones: they outlive whatever calls them.
    pub(super) nodes: Nodes,
    stage: Stage,
    pub(super) dice: Dice,
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
        let world = World::start(folder, &setting);
        let nodes = Nodes::start(folder);
        let dice = Dice::new(setting.seed);
        let stage = Stage::set(world, nodes.doors.clone(), &nodes.token, setting);
        Self { nodes, stage, dice }
    }

    /// One of the servers.
    pub(super) fn any(&mut self) -> usize {
        usize::try_from(self.dice.between(0, NODES as u64 - 1)).unwrap()
    }

    /// Lets every campaign come to its end, and judges.
    pub(super) fn finish(mut self) -> Verdict {
        let unfinished = self.stage.come_to_the_end(BOUND);
        let (ends, log) = (&self.nodes.ends, self.nodes.log());
        let mut verdict = self.stage.verdict(|| self.nodes.records(), ends, &log);
        verdict.violations.extend(unfinished);
        for index in 0..NODES {
            let stopped = super::blows::restarts::terminate(&mut self.nodes, index);
            verdict.violations.extend(stopped.err());
        }
        verdict
    }
}

/// What all scenes with several servers have: every limit that there is, in reach.
pub(super) fn setting(seed: u64) -> Setting {
    let mut setting = Setting::new(seed);
    setting.concurrency = 16;
    setting.per_second = 10;
    setting.of_campaign = [Some(8), None];
    setting.per_minute = [None, Some(240)];
    setting.of_number = Some(4);
    setting.phones_scale = 20;
    // A call in doubt holds its place for half a minute: more of them would fill the line with doubt.
    setting.faults = serde_json::json!({
        "create_timeout_after_accept": 0.01, "create_500_after_accept": 0.01, "create_500": 0.01,
        "create_429": 0.02, "webhook_loss": 0.05, "webhook_duplicate": 0.1,
        "webhook_before_response": 0.1, "webhook_reorder": 0.1
    });
    setting.users = 2;
    setting.narrows = true;
    setting.patience = PATIENCE;
    setting
}

/// Deals blows in a random order; what went wrong in dealing them is a violation too.
pub(super) fn deal(
    scene: &mut Scene,
    mut blows: Vec<Blow>,
    mut progress: impl FnMut(usize, usize),
) -> Vec<String> {
    let mut broken = Vec::new();
    let count = blows.len();
    for done in 1..=count {
        let last = blows.len() as u64 - 1;
        let drawn = usize::try_from(scene.dice.between(0, last)).unwrap();
        let blow = blows.swap_remove(drawn);
        scene.keep_busy(60);
        let dealt = blow.deal(scene);
        broken.extend(dealt.err().map(|why| format!("{blow:?}: {why}")));
        progress(done, count);
    }
    broken
}

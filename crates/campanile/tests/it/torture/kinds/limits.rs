//! A process that may open few files, or has little memory: it may refuse, it may even end, but it
//! calls nobody twice, and it is back when the limits are gone.

use std::path::Path;

use super::BOUND;
use crate::torture::Plan;
use crate::torture::http::request;
use crate::torture::process::{Launch, runs};
use crate::torture::report::Done;
use crate::torture::scene::{Scene, Setting};
use crate::torture::wait::{instant, pause};

/// A few more files than the process has open when nothing goes on.
const FILES: &str = "--nofile=72:72";
/// Less address space than it takes when much goes on.
const MEMORY: &str = "--as=700000000";
/// How long each limit is borne.
const SECONDS: u64 = 8;

pub(crate) fn files_and_memory(plan: &Plan, folder: &Path, seed: u64) -> Done {
    if !runs(&["prlimit", "--nofile=100", "--", "true"]) {
        return Done::Skipped("prlimit (util-linux) is not installed".to_owned());
    }
    let mut setting = Setting::new(seed);
    // Requests hang, so that connections pile up.
    setting.faults["create_delay_seconds"] = serde_json::json!([0.5, 2.0]);
    let mut scene = Scene::start(folder, setting);
    for round in 0..plan.limit_rounds {
        for limit in [FILES, MEMORY] {
            scene.installation.server.kill();
            scene
                .installation
                .restart(&Launch::under(&["prlimit", limit, "--"]));
            bear(&mut scene);
        }
        plan.progress("limits", round + 1, plan.limit_rounds);
    }
    scene.installation.server.kill();
    scene.installation.restart(&Launch::default());
    Done::Judged(plan.limit_rounds * 2, scene.finish(BOUND))
}

/// Works under the limit; a server that ends is started again as a supervisor would.
fn bear(scene: &mut Scene) {
    let began = instant();
    while began.elapsed().as_secs() < SECONDS {
        scene.keep_busy(60);
        // A crowd that asks and does not wait for answers.
        let crowd: Vec<_> = (0..40)
            .filter_map(|_| std::net::TcpStream::connect(&scene.installation.address).ok())
            .collect();
        pause(200);
        drop(crowd);
        if scene.installation.server.ended().is_some() {
            scene.installation.restart(&Launch::default());
            return;
        }
    }
    // The crowd is gone, so the service is back under the same limit.
    let is_back = || request(&scene.installation.address, "", "GET", "/livez", None).is_some();
    crate::torture::wait::wait_until(std::time::Duration::from_secs(20), is_back);
}

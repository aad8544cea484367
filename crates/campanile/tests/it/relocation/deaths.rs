//! Sudden deaths of a move: the same command goes on, and never can both databases be served.

use std::os::unix::process::ExitStatusExt as _;

use failpoint::Failpoint;

use super::{content, copy_of, empty, filled, is_served, move_command, move_to};
use crate::program::{Home, alone};

/// Three pages of leads, of hints and of events.
const LEADS: u32 = 12_000;

fn prepared() -> Home {
    let home = Home::new();
    filled(&home, LEADS);
    home
}

/// Moves until the moment is reached; whether the process died there.
pub(super) fn dies_at(home: &Home, address: &str, moment: Failpoint, time: u32) -> bool {
    let mut command = move_command(home, address);
    command.env(
        "CAMPANILE_FAILPOINT",
        format!("{}:kill@{time}", moment.name()),
    );
    let status = command
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(
        status.success() || status.signal() == Some(9),
        "{moment:?}: {status}"
    );
    !status.success()
}

#[test]
fn a_move_goes_on_wherever_it_was_killed() {
    let _alone = alone();
    let cluster = postgres_cluster::shared();
    let source = prepared();
    let mut deaths: Vec<(Failpoint, u32)> = Failpoint::OF_A_MOVE.map(|moment| (moment, 1)).into();
    // In the middle of a table, and between two.
    for moment in [Failpoint::MovePageRead, Failpoint::MovePageWritten] {
        deaths.extend([(moment, 11), (moment, 12), (moment, 13)]);
    }
    for (moment, time) in deaths {
        let home = copy_of(&source);
        let (database, address) = empty(cluster);
        assert!(dies_at(&home, &address, moment, time), "{moment:?} {time}");
        let served = (is_served(&home, None), is_served(&home, Some(&address)));
        let expected = match moment {
            Failpoint::MoveMarked => (false, false),
            Failpoint::MoveEnded => (false, true),
            _ => (true, false),
        };
        assert_eq!(served, expected, "{moment:?} {time}: source and target");
        let result = move_to(&home, &address);
        let is_over = moment == Failpoint::MoveEnded;
        assert_eq!(result["already_moved"], is_over, "{result}");
        assert!(is_over || result["resumed"] == true, "{result}");
        content::assert_same(&home.file("campanile.db"), cluster, &database);
        let counted = cluster.admin(&database, "SELECT status, leads FROM lead_counts");
        assert_eq!(counted, format!("READY|{LEADS}"));
        cluster.drop_database(&database);
    }
}

#[test]
fn a_move_that_is_killed_again_and_again_comes_to_its_end() {
    let _alone = alone();
    let cluster = postgres_cluster::shared();
    let home = prepared();
    let (database, address) = empty(cluster);
    let mut deaths = 0;
    while dies_at(&home, &address, Failpoint::MovePageWritten, 4) {
        deaths += 1;
        assert!(deaths < 50, "it does not come forward");
    }
    assert!(deaths >= 5, "only {deaths} deaths");
    content::assert_same(&home.file("campanile.db"), cluster, &database);
    cluster.drop_database(&database);
}

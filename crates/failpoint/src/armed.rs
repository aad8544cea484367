//! The one moment that is armed, and what happens there.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use crate::names::Failpoint;

/// How long a thread that stopped its process stays where it is: the other threads' stop and its
/// own are not the same instant.
const STAY: Duration = Duration::from_millis(20);

/// Why nothing was armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    /// Not in the form `name:action@n`.
    #[error("write NAME:kill@N or NAME:stop@N, where N counts from 1")]
    Form,
    /// No moment of that name.
    #[error("there is no failpoint of that name")]
    Unknown,
    /// One was armed before.
    #[error("a process has one armed failpoint at most")]
    Twice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// SIGKILL: nothing is flushed, no handler runs.
    Kill,
    /// SIGSTOP, and on after SIGCONT.
    Stop,
}

#[derive(Debug)]
struct Armed {
    failpoint: Failpoint,
    action: Action,
    /// Times it must still be reached.
    left: AtomicU32,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms one moment for the life of the process: `call.permitted:kill@3` kills it when that moment
/// is reached for the third time.
///
/// # Errors
/// See [`ArmError`].
pub fn arm(order: &str) -> Result<(), ArmError> {
    let armed = parse(order)?;
    ARMED.set(armed).map_err(|_| ArmError::Twice)
}

fn parse(order: &str) -> Result<Armed, ArmError> {
    let (name, action) = order.split_once(':').ok_or(ArmError::Form)?;
    let (action, times) = action.split_once('@').ok_or(ArmError::Form)?;
    let action = match action {
        "kill" => Action::Kill,
        "stop" => Action::Stop,
        _ => return Err(ArmError::Form),
    };
    let times: u32 = times
        .parse()
        .ok()
        .filter(|times| *times > 0)
        .ok_or(ArmError::Form)?;
    Ok(Armed {
        failpoint: Failpoint::find(name).ok_or(ArmError::Unknown)?,
        action,
        left: AtomicU32::new(times),
    })
}

pub(crate) fn is_armed(failpoint: Failpoint) -> bool {
    let armed = ARMED.get().filter(|armed| armed.failpoint == failpoint);
    armed.is_some_and(|armed| armed.left.load(Ordering::Relaxed) > 0)
}

pub(crate) fn reach(failpoint: Failpoint) {
    let Some(armed) = ARMED.get().filter(|armed| armed.failpoint == failpoint) else {
        return;
    };
    let count_down = |left: u32| left.checked_sub(1);
    if armed
        .left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_down)
        != Ok(1)
    {
        return;
    }
    match armed.action {
        Action::Kill => {
            let _ = kill_process(getpid(), Signal::KILL);
            // The signal is on its way; this thread does nothing more.
            loop {
                std::thread::park();
            }
        }
        Action::Stop => {
            let _ = kill_process(getpid(), Signal::STOP);
            #[expect(
                clippy::disallowed_methods,
                reason = "the thread that reached the moment must not go on before the stop takes hold"
            )]
            std::thread::sleep(STAY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_the_moment_the_action_and_the_count() {
        let armed = parse("call.permitted:stop@3").unwrap();
        assert_eq!(armed.failpoint, Failpoint::CallPermitted);
        assert_eq!(armed.action, Action::Stop);
        assert_eq!(armed.left.into_inner(), 3);
        for (order, error) in [
            ("", ArmError::Form),
            ("call.permitted", ArmError::Form),
            ("call.permitted:kill", ArmError::Form),
            ("call.permitted:kill@0", ArmError::Form),
            ("call.permitted:sleep@1", ArmError::Form),
            ("call.placed:kill@1", ArmError::Unknown),
        ] {
            assert_eq!(parse(order).unwrap_err(), error, "{order}");
        }
    }

    #[test]
    fn a_moment_that_is_not_armed_does_nothing() {
        for failpoint in Failpoint::all() {
            reach(failpoint);
            assert!(!is_armed(failpoint));
        }
    }
}

//! A database that is put back to an earlier copy, the hold that follows, and the operator who ends
//! it.
//!
//! Users do nothing between the copy and the moment it is found: what they would have been told
//! then is lost with the database, which nobody promises otherwise.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dialer::Core;
use domain::ambient::Clock;
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use store::{LineProgress, Release, Store, StoreResult};

use super::{Event, Presence, Simulator};
use crate::history::Restore;
use crate::plan::later;

/// How often a hold is tended.
const PERIOD: SignedDuration = SignedDuration::from_secs(15);
/// How often it is looked for.
const LOOK: SignedDuration = SignedDuration::from_secs(60);
/// Widest window that a provider is asked for at once.
const WIDEST: SignedDuration = SignedDuration::from_hours(24);
/// Chance that the operator tries to end the hold in a period.
const TRIES: f64 = 0.4;
/// Chance that, when that is refused, the keys of all lines are set right.
const MENDS: f64 = 0.1;
/// What an operator takes for a clock that is right.
const RIGHT_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// A copy of the database, and what the simulator knew then.
pub(super) struct BackUp {
    copied_at: Timestamp,
    heard: BTreeSet<String>,
    copying: Vec<(usize, usize)>,
    is_due: bool,
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn copy_database(from: &Path, to: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (beside(from, suffix), beside(to, suffix));
        if to.exists() {
            std::fs::remove_file(&to)?;
        }
        if suffix != "-shm" && from.exists() {
            std::fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

impl Simulator {
    pub(super) fn back_up(&mut self, now: Timestamp) {
        match copy_database(&self.path, &self.path.with_extension("copy")) {
            Ok(()) => {
                self.backup = Some(BackUp {
                    copied_at: now,
                    heard: self.history.heard.clone(),
                    copying: self.copying.clone(),
                    is_due: false,
                });
            }
            Err(error) => self.broken("SETUP", error.to_string()),
        }
    }

    /// The process is killed; the next one finds the copy.
    pub(super) fn put_back(&mut self, now: Timestamp) {
        let Some(backup) = &mut self.backup else {
            return;
        };
        backup.is_due = true;
        if self.presence != Presence::Down {
            self.die(now);
        }
    }

    /// Whether users wait for the copy to be put back.
    pub(super) const fn users_wait(&self) -> bool {
        self.backup.is_some()
    }

    /// Puts the copy in the place of the database, which nobody has open; its marker stays.
    pub(super) fn restore_files(&mut self, now: Timestamp) {
        let Some(backup) = self.backup.take_if(|backup| backup.is_due) else {
            return;
        };
        if let Err(error) = copy_database(&self.path.with_extension("copy"), &self.path) {
            return self.broken("SETUP", error.to_string());
        }
        self.note("database_put_back");
        self.history.heard = backup.heard;
        self.copying = backup.copying;
        self.history.restores.push(Restore {
            copied_at: backup.copied_at,
            found_at: now,
            released_at: None,
        });
    }

    /// What the dialer's hold loop does, and an operator beside it.
    pub(super) async fn tend_hold(&mut self, now: Timestamp) {
        if self.presence == Presence::Stopping {
            return;
        }
        let status = match self.process.store.hold_status().await {
            Ok(status) => status,
            Err(error) if error.is_retryable() => {
                return self.push(later(now, PERIOD), Event::Hold);
            }
            Err(error) => return self.broken("STORE", error.to_string()),
        };
        if !status.is_on_hold() {
            return self.push(later(now, LOOK), Event::Hold);
        }
        self.note("on_hold");
        let tended = tend(&self.process.core, &status).await;
        let released = match tended {
            // Whoever ends a hold has looked at a clock.
            Ok(()) if self.clock_is_right() && self.rng.random_bool(TRIES) => {
                let wall = self.clock.now();
                self.process.store.release_hold(wall, false).await
            }
            Ok(()) => Ok(Release::NotOnHold),
            Err(error) => Err(error),
        };
        match released {
            Ok(Release::Released(_)) => {
                self.note("hold_released");
                for restore in &mut self.history.restores {
                    restore.released_at.get_or_insert(now);
                }
            }
            Ok(Release::NotReconciled(_)) => {
                self.note("release_refused");
                self.maybe_mend_keys().await;
            }
            Ok(Release::NotOnHold) => {}
            Err(error) if error.is_retryable() => {}
            Err(error) => return self.broken("STORE", error.to_string()),
        }
        self.push(later(now, PERIOD), Event::Hold);
    }
}

impl Simulator {
    fn clock_is_right(&self) -> bool {
        SignedDuration::from_micros(self.clock.ahead_micros()).abs() < RIGHT_WITHIN
    }

    /// Lines that cannot be asked keep everybody from dialing until somebody looks after them.
    async fn maybe_mend_keys(&mut self) {
        if self.rng.random_bool(MENDS) {
            for line in 0..self.lines.len() {
                self.change_key(line, true).await;
            }
        }
    }
}

async fn tend(core: &Core, status: &store::HoldStatus) -> StoreResult<()> {
    core.tend_clock(status).await?;
    if status
        .holds
        .iter()
        .any(|hold| hold.reason.is_about_the_clock())
    {
        core.ask_the_time().await?;
    }
    for line in &status.lines {
        if line.progress != LineProgress::Done {
            core.reconcile_line(line, &status.gaps, WIDEST).await?;
        }
    }
    Ok(())
}

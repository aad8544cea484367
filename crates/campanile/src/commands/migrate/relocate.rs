//! `campanile migrate --from … --to …`: moves an installation from a SQLite file to PostgreSQL.
//!
//! The order is what makes it safe, see [`store::relocation`]: take the source, see that the key opens
//! its secrets, take the target, begin on both sides, move page by page, count, mark the source as
//! moved, end the move at the target. A process that dies anywhere is followed by the same command,
//! which goes on; at no moment can both be served.

use std::collections::BTreeMap;
use std::path::Path;

use dialer::{SystemClock, SystemEntropy};
use domain::ambient::{Clock as _, random_key};
use failpoint::Failpoint;
use serde_json::json;
use store::relocation::{Progress as TableProgress, TABLES};
use store::{StoreError, Vault};
use store_postgres::{Address, Arrival, Holding, Target, TargetError};
use store_sqlite::{Access, Departure, Options, Source};

use super::progress::Progress;
use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::{key_file, output, process};

/// How this run came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It begins the move.
    Begun,
    /// It goes on with it.
    Resumed,
    /// There is nothing left to do.
    Done,
}

pub(super) async fn run(settings: &Settings, path: &Path, address: &Address) -> Outcome {
    let began = SystemClock.monotonic();
    let mut source = open_source(settings, path)?;
    check_key(settings, path, &source)?;
    let opened = Target::open(address).await;
    let mut target = opened.map_err(|error| match error {
        TargetError::Store(error) => stopped(error),
        told => Failure::failed(told),
    })?;
    let names = Names {
        from: path.canonicalize().map_or_else(
            |_| path.display().to_string(),
            |path| path.display().to_string(),
        ),
        to: address.shown(),
    };
    let course = agree(&mut source, &mut target, &names).await?;
    if course == Course::Done {
        tell_done(settings, &names);
        return Ok(());
    }
    failpoint::reach(Failpoint::MoveBegun);
    let on_hold = source.hold_status().map_err(stopped)?.is_on_hold();
    let moved = copy(settings, &source, &mut target).await?;
    compare(&source, &mut target, &names).await?;
    failpoint::reach(Failpoint::MoveCounted);
    let installation = source.installation().map_err(stopped)?;
    source.mark_moved(SystemClock.now()).map_err(stopped)?;
    failpoint::reach(Failpoint::MoveMarked);
    let ended = target.finish(installation.as_deref(), SystemClock.now());
    ended.await.map_err(stopped)?;
    failpoint::reach(Failpoint::MoveEnded);
    let report = Report {
        moved,
        seconds: SystemClock.monotonic().saturating_sub(began).as_secs_f64(),
        resumed: course == Course::Resumed,
        on_hold,
    };
    report.tell(settings, &names);
    Ok(())
}

/// Both ends, for people.
struct Names {
    from: String,
    to: String,
}

/// Takes a file that is moved, or was.
pub(super) fn open_source(settings: &Settings, path: &Path) -> Outcome<Source> {
    if !path.exists() {
        return Err(Failure::failed(format!(
            "there is no database {}: check --from",
            path.display()
        )));
    }
    let options = Options {
        access: Access::Owner,
        readers: 1,
        patience_of: lines::patience_of,
        reserve_bytes: settings.disk_reserve_mib,
        on_failed_sync: process::end_after_failed_sync,
    };
    Source::open(path, options).map_err(Failure::failed)
}

/// The target needs the key that sealed what comes along: one that does not open it would be noticed
/// at the first call only.
fn check_key(settings: &Settings, path: &Path, source: &Source) -> Outcome {
    let sealed = source.sealed_lines().map_err(stopped)?;
    if sealed.is_empty() {
        return Ok(());
    }
    let (file, database) = (settings.secret_key_file.display(), path.display());
    let key = key_file::read(&settings.secret_key_file).map_err(Failure::failed)?;
    let Some(key) = key else {
        return Err(Failure::failed(format!(
            "the key file {file} is missing, but {database} holds credentials sealed with it, which the target cannot use without: name it with --secret-key-file"
        )));
    };
    let vault = Vault::new(&key);
    let closed = sealed.iter().filter(|line| {
        let credentials = lines::credentials_context(&line.line_key);
        let secret = lines::webhook_secret_context(&line.line_key);
        vault.open(&line.credentials, &credentials).is_err()
            || vault.open(&line.webhook_secret, &secret).is_err()
    });
    match closed.count() {
        0 => Ok(()),
        closed => Err(Failure::failed(format!(
            "the key file {file} does not open the credentials of {closed} of {} voice providers in {database}: name the one it was made with, --secret-key-file FILE",
            sealed.len()
        ))),
    }
}

/// Finds out which move this is, and begins or resumes it on both sides.
async fn agree(source: &mut Source, target: &mut Target, names: &Names) -> Outcome<Course> {
    let Names { from, to } = names;
    let departure = source.departure().cloned();
    let is_same = |arrival: &Arrival| {
        let same = |departure: &Departure| departure.move_id == arrival.move_id;
        departure.as_ref().is_some_and(same)
    };
    match target.look().await.map_err(stopped)? {
        Holding::Part(arrival) if is_same(&arrival) => {
            source.resume().map_err(stopped)?;
            Ok(Course::Resumed)
        }
        Holding::Whole(arrival) if is_same(&arrival) => Ok(Course::Done),
        Holding::Nothing => begin(source, target, names).await,
        Holding::Part(arrival) if arrival.source == *from => Err(Failure::failed(format!(
            "{from} was written to since its move to {to} began, so what is there is no longer true: drop that database, make it anew, and run this again"
        ))),
        Holding::Part(arrival) => Err(Failure::failed(format!(
            "{to} holds a part of another move, from {}: go on with that one, or name an empty database",
            arrival.source
        ))),
        Holding::Whole(arrival) => Err(Failure::failed(format!(
            "{to} is not empty: what was in {} was moved there; name an empty database (createdb --owner <user> <name>)",
            arrival.source
        ))),
        Holding::Rows(table) => Err(Failure::failed(format!(
            "{to} is not empty: its table {table} has rows; name an empty database (createdb --owner <user> <name>)"
        ))),
    }
}

async fn begin(source: &mut Source, target: &mut Target, names: &Names) -> Outcome<Course> {
    let Names { from, to } = names;
    if let Some(departure) = source.departure()
        && departure.moved_at.is_some()
    {
        return Err(Failure::failed(format!(
            "{from} was moved to {} already: serve that one; to go back to the file on purpose, stop everything there and run `campanile migrate --undo --from sqlite://{from}`",
            departure.target
        )));
    }
    let now = SystemClock.now();
    source.settle(now).await.map_err(stopped)?;
    let move_id = random_key(&SystemEntropy, "move_");
    source.begin(&move_id, to, now).map_err(stopped)?;
    target.begin(&move_id, from, now).await.map_err(stopped)?;
    Ok(Course::Begun)
}

/// Moves what is missing; answers how many rows are there, and were moved by this run.
async fn copy(settings: &Settings, source: &Source, target: &mut Target) -> Outcome<Moved> {
    let mut there: BTreeMap<String, TableProgress> = target.progress().await.map_err(stopped)?;
    let mut all = 0;
    for table in TABLES {
        all += source.count(table).map_err(stopped)?;
    }
    let before = there.values().map(|progress| progress.rows).sum();
    let mut progress = Progress::new(all, before, settings.json);
    for table in TABLES {
        let mut so_far = there.remove(table.name).unwrap_or_default();
        while !so_far.is_whole {
            let page = source.page(table, so_far.last.as_ref()).map_err(stopped)?;
            failpoint::reach(Failpoint::MovePageRead);
            target.write(table, &page).await.map_err(stopped)?;
            failpoint::reach(Failpoint::MovePageWritten);
            so_far.advance(&page);
            progress.add(table, page.rows);
        }
    }
    progress.end();
    Ok(Moved {
        rows: progress.moved(),
        by_this_run: progress.moved() - before,
    })
}

/// What was moved.
struct Moved {
    rows: u64,
    by_this_run: u64,
}

/// Everything is there, and nothing else.
async fn compare(source: &Source, target: &mut Target, names: &Names) -> Outcome {
    let Names { from, to } = names;
    let differs = |what: &str, here: String, there: String| {
        Failure::failed(format!(
            "{what} differ: {here} in {from}, {there} in {to}; the move is not ended, and {from} can be served as before: drop the other database, make it anew, and run this again"
        ))
    };
    for table in TABLES {
        let here = source.count(table).map_err(stopped)?;
        let there = target.count(table).await.map_err(stopped)?;
        if here != there {
            let what = format!("the rows of {}", table.name);
            return Err(differs(&what, here.to_string(), there.to_string()));
        }
    }
    let here = source.leads_by_status().map_err(stopped)?;
    let there = target.leads_by_status().await.map_err(stopped)?;
    if here == there {
        Ok(())
    } else {
        let (here, there) = (format!("{here:?}"), format!("{there:?}"));
        Err(differs("the counted leads", here, there))
    }
}

/// Why the move stopped, and that it can go on.
fn stopped(error: impl Into<TargetError>) -> Failure {
    let error = error.into();
    match &error {
        TargetError::Store(
            StoreError::Unavailable(_) | StoreError::CommitUnknown(_) | StoreError::Full(_),
        ) => Failure::failed(format!(
            "{error}; mend that and run the same command again: it goes on where it was"
        )),
        TargetError::Store(_) => Failure::failed(format!(
            "{error}; this is a bug, please report it; unless it says of itself that it was moved, the source can be served as before"
        )),
        TargetError::Open(_) | TargetError::Busy { .. } | TargetError::InUse { .. } => {
            Failure::failed(error)
        }
    }
}

fn tell_done(settings: &Settings, names: &Names) {
    let Names { from, to } = names;
    if settings.json {
        let told =
            json!({ "event": "result", "from": from, "to": to, "rows": 0, "already_moved": true });
        output::line(&told.to_string());
    } else {
        output::line(&format!("{from} was moved to {to} before: nothing to do"));
    }
}

/// What a run came to.
struct Report {
    moved: Moved,
    seconds: f64,
    resumed: bool,
    on_hold: bool,
}

impl Report {
    fn tell(&self, settings: &Settings, names: &Names) {
        let Names { from, to } = names;
        let key = settings.secret_key_file.display();
        if settings.json {
            let told = json!({
                "event": "result", "from": from, "to": to, "rows": self.moved.rows,
                "rows_by_this_run": self.moved.by_this_run, "seconds": self.seconds,
                "resumed": self.resumed, "already_moved": false, "on_hold": self.on_hold,
                "secret_key_file": key.to_string(),
            });
            output::line(&told.to_string());
            return;
        }
        output::line(&format!(
            "moved {} rows from {from} to {to}{} in {:.1} s; every table has as many rows there as here",
            self.moved.by_this_run,
            if self.resumed { ", the rest," } else { "" },
            self.seconds
        ));
        output::line(&format!(
            "{from} is marked as moved and is not served any more; keep it until you trust the new one"
        ));
        output::line(&format!(
            "serve {to} with the same key file: --secret-key-file {key}"
        ));
        if self.on_hold {
            output::line(
                "the installation is on hold, as it would have been on the file: see `campanile hold status`",
            );
        }
    }
}

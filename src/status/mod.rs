//! Where every table, window and run stands: facts from the state file, the configuration, and the run that is going.
//!
//! They are the same for the terminal, the page, the metrics and the report. No server is asked for them. They come from
//! counters: no chunk is read.

mod account;
mod condition;
mod facts;
mod faults;
mod findings;
mod line;
mod pace;
mod read;
mod runs;
mod words;

use std::path::Path;

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::checkpoint::Reader;
use crate::config::Config;
use crate::control;

pub(crate) use account::line as account_line;
pub(crate) use condition::{Condition, REFUSED};
pub(crate) use facts::{
    PassStatus, Progress, RunStatus, Status, TableStatus, Unrepaired, WindowDifferences, WindowStatus,
    of_expected,
};
pub(crate) use faults::{
    Fault, alike, dates, differing_line, faults, months, of_table, reconcile_line, run_again, run_line,
    same_again,
};
pub(crate) use line::{Line, Part, worst};
pub(crate) use pace::{of_hours, of_signs, of_work};
pub(crate) use read::read as kept_with_view;
pub(crate) use runs::{Kept, read as runs};
pub(crate) use words::{
    Task, being_forgotten, dates_of, missing, next_run, notes, outcome_of, refused, repairing, subject_of,
    totals,
};

#[cfg(test)]
pub(crate) use facts::PaceStatus;

/// Looks at the state file at `path`. A readable `config` adds the tables that no run has reached yet, and the hours of
/// the source.
///
/// # Errors
/// `State` if the file is damaged or cannot be read.
pub(crate) async fn look(path: &Path, config: Option<&Config>, clock: &SharedClock) -> Result<Status> {
    let mut status = kept(Reader::open(path)?.as_ref(), config)?;
    complete(&mut status, path, config, clock).await;
    Ok(status)
}

/// The part of a look that a state file has; `None` is one that is missing.
///
/// # Errors
/// As [`look`].
pub(crate) fn kept(reader: Option<&Reader>, config: Option<&Config>) -> Result<Status> {
    match reader {
        Some(reader) => Ok(read::read(reader, config)?.0),
        None => Ok(Status {
            tables: read::configured(Vec::new(), config),
            ..Status::default()
        }),
    }
}

/// Adds the rest: what the run that is going tells, the time, and the hours.
pub(crate) async fn complete(status: &mut Status, path: &Path, config: Option<&Config>, clock: &SharedClock) {
    if status.running().is_some() {
        status.figures = control::figures(path, clock).await;
    }
    status.pace.now = clock.now();
    if let Some(source) = config.map(|config| &config.source) {
        (status.pace.hours, status.pace.wall) = (source.hours.clone(), source.wall);
    }
}

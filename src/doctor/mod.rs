//! Checks of all that a run needs, one by one.
//!
//! Checks write nothing. Of the source's rows they read only one count of rows without a date, if an index answers
//! it; the guard is proven in the same batch. A check that the server does not permit becomes a warning.

mod database;
mod facts;
mod files;
mod reach;
mod report;
mod source;
mod standing;
mod subject;
mod tables;
mod target;

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::checkpoint::Reader;
use crate::config::Config;
use crate::mssql::{Session, Timeouts};
use crate::preflight::ends;
use crate::source::SourceSession;
use report::Found;
use subject::{Records, Subject};

pub use facts::SourceFacts;
pub use files::{configuration, log_files, metrics_file, state};
pub use report::{Check, Level, Report};

/// The longest time of a statement: all are small, and a person waits for the answer.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// Checks both servers and every table. `now` is this machine's time, and `state` the path of the state file.
pub async fn servers(report: &mut Report, config: &Config, state: &Path, now: DateTime<Utc>) {
    let subject = Subject {
        config,
        timeouts: Timeouts {
            statement: config.run.timeouts.statement.min(STATEMENT_MAX),
            ..config.run.timeouts
        },
        now,
    };
    let mut found: Vec<Found<'_>> = config
        .tables
        .iter()
        .map(|table| Found {
            table,
            schema: None,
            plan: None,
            rows_estimated: None,
            unkept: None,
        })
        .collect();
    // A table is read by the plan that the target has of it, so the target is asked while the source is examined. What
    // is wrong with either is reported in its own turn.
    let mut opened = target::open(&subject).await;
    let mut records = Records {
        target: opened.as_mut().ok().map(|opened| &mut opened.session),
        reader: Reader::open(state).ok().flatten(),
    };
    // The report has a lost connection already; the other end is checked all the same.
    let there = source::examine(report, &subject, &mut found, &mut records).await;
    let here = target::examine(report, &subject, &found, opened).await;
    if there.and(here).is_ok() {
        one_database(report, config, &subject.timeouts).await;
    }
}

/// Reports if both ends are one database, where a table would be both read and written.
async fn one_database(report: &mut Report, config: &Config, timeouts: &Timeouts) {
    let table = match ends::read_and_written(config) {
        Ok(Some(table)) => table,
        Ok(None) => return,
        Err(error) => return report.error("target", &error),
    };
    let asked = async {
        let (there, here) = (&config.source, &config.target);
        let mut source = SourceSession::open(&there.endpoint, &there.guard, timeouts).await?;
        let mut target = Session::open(&here.endpoint, None, timeouts).await?;
        ends::refuse_one_database(config, &table, &mut source, &mut target).await
    };
    if let Err(error) = asked.await {
        report.error("target", &error);
    }
}

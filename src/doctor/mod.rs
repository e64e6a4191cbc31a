//! Checks of all that a run needs, one by one.
//!
//! Checks write nothing. Of the source's rows they read only one count of rows without a date, if an index answers
//! it; the guard is proven in the same batch. A check that the server does not permit becomes a warning.

mod database;
mod files;
mod reach;
mod report;
mod source;
mod tables;
mod target;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::mssql::{Session, Timeouts};
use crate::preflight::ends;
use crate::source::SourceSession;
use report::Found;

pub use files::{configuration, state};
pub use report::{Check, Level, Report};

/// The longest time of a statement: all are small, and a person waits for the answer.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// Checks both servers and every table. `now` is this machine's time.
pub async fn servers(report: &mut Report, config: &Config, now: DateTime<Utc>) {
    let timeouts = Timeouts {
        statement: config.run.timeouts.statement.min(STATEMENT_MAX),
        ..config.run.timeouts
    };
    let mut found: Vec<Found<'_>> = config
        .tables
        .iter()
        .map(|table| Found {
            table,
            schema: None,
            plan: None,
            rows_estimated: None,
        })
        .collect();
    // The report has a lost connection already; the other end is checked all the same.
    let there = source::examine(report, config, &mut found, &timeouts, now).await;
    let here = target::examine(report, config, &found, &timeouts, now).await;
    if there.and(here).is_ok() {
        one_database(report, config, &timeouts).await;
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

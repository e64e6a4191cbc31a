//! Checks of all that a run needs, one by one.
//!
//! Checks write nothing. Of the source's rows they read only one count of rows without a date, if an index answers
//! it; the guard is proven in the same batch. A check that the server does not permit becomes a warning.

mod files;
mod reach;
mod report;
mod source;
mod tables;
mod target;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::mssql::Timeouts;
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
        })
        .collect();
    // The report has a lost connection already; the other end is checked all the same.
    let _ = source::examine(report, config, &mut found, &timeouts, now).await;
    let _ = target::examine(report, config, &found, &timeouts, now).await;
}

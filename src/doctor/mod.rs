//! What stands between a configuration and a run: each thing that can be wrong, looked at one by one.
//!
//! Nothing is written anywhere. Of the source's rows nothing is read but one count of rows without a date, where an
//! index answers it, and the guard is proven in the same batch. What a server does not let be looked at is a warning.

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

/// How long a statement may take here: all of them are small, and somebody waits for the answer.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// Looks at both servers and every table. `now` is this machine's time.
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
    // A connection that is lost is in the report; the other end is looked at all the same.
    let _ = source::examine(report, config, &mut found, &timeouts, now).await;
    let _ = target::examine(report, config, &found, &timeouts, now).await;
}

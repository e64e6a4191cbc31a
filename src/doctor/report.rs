//! What was looked at, and how it came out.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::config::TableConfig;
use crate::model::plan::TablePlan;
use crate::model::table::TableSchema;
use crate::mssql::ServerInfo;

/// Clocks that are further apart than this are told. Rows wait `settle_minutes` by the source's clock, so that a clock
/// that is off by minutes leaves rows out or takes them too early.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(5 * 60);

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it must be.
    Ok,
    /// A run works, and somebody should know.
    Warning,
    /// A run does not work.
    Failure,
}

/// One thing that was looked at. JSON has its fields in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// How it came out.
    pub level: Level,
    /// The server's error number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// What it is about: `configuration`, `state`, `source`, `target`, `source table NAME`, `target table NAME`.
    pub place: String,
    /// The state of the server's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<u8>,
    /// What was found: the cause, and the fix.
    pub text: String,
}

/// All checks, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
}

/// The connection is gone, and with it the rest of what was to be asked of that server; the report has it.
pub(super) struct Lost;

/// A configured table, as far as the source knows it.
pub(super) struct Found<'c> {
    pub(super) table: &'c TableConfig,
    pub(super) schema: Option<TableSchema>,
    pub(super) plan: Option<TablePlan>,
}

impl Report {
    /// Adds a check.
    pub fn add(&mut self, level: Level, place: impl Into<String>, text: impl Into<String>) {
        self.checks.push(Check {
            level,
            place: place.into(),
            text: text.into(),
            number: None,
            state: None,
        });
    }

    pub(super) fn ok(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.add(Level::Ok, place, text);
    }

    pub(super) fn warning(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.add(Level::Warning, place, text);
    }

    pub(super) fn failure(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.add(Level::Failure, place, text);
    }

    /// Adds a failure that is an error of the program.
    pub fn error(&mut self, place: impl Into<String>, error: &Error) {
        self.checks.push(Check {
            level: Level::Failure,
            place: place.into(),
            text: error.chain(),
            number: error.number(),
            state: error.state(),
        });
    }

    /// Adds that something could not be looked at: a warning, as long as the connection goes on.
    pub(super) fn unchecked(
        &mut self,
        broken: bool,
        place: &str,
        what: &str,
        error: &Error,
    ) -> Result<(), Lost> {
        if broken {
            self.error(place, error);
            return Err(Lost);
        }
        self.warning(place, format!("{what} could not be checked: {}", error.chain()));
        Ok(())
    }

    /// How many checks came out so.
    pub fn count(&self, level: Level) -> usize {
        self.checks.iter().filter(|check| check.level == level).count()
    }
}

/// A server's name, database and version, and how far its clock is from this machine's.
pub(super) fn introduce(report: &mut Report, place: &str, server: &ServerInfo, now: DateTime<Utc>) {
    let role = if server.updateability.is_empty() {
        "of a role that it does not tell"
    } else {
        &server.updateability
    };
    report.ok(
        place,
        format!(
            "Logged in to server {}, database {}, {role}: {}",
            server.server_name, server.database, server.version
        ),
    );
    let apart = server.now_utc.signed_duration_since(now.naive_utc());
    let zone = server
        .now
        .signed_duration_since(server.now_utc)
        .as_seconds_f64()
        .round()
        / 3600.0;
    let text = format!(
        "Its clock is at {} (UTC{zone:+}), {} s from this machine's",
        server.now.format("%Y-%m-%d %H:%M:%S"),
        apart.num_seconds().abs()
    );
    if apart.abs().to_std().is_ok_and(|apart| apart <= CLOCKS_APART_MAX) {
        report.ok(place, text);
    } else {
        report.warning(
            place,
            format!("{text}; correct the clock that is wrong, as rows wait settle_minutes by the source's"),
        );
    }
}

//! Checks and their outcomes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::facts::SourceFacts;
use crate::base::error::{Error, Result};
use crate::base::text::harmless_text;
use crate::config::TableConfig;
use crate::model::plan::TablePlan;
use crate::model::table::TableSchema;
use crate::mssql::{Endpoint, ServerInfo};
use crate::preflight::ends;

/// Clocks further apart than this cause a warning. Rows wait `settle_minutes` by the source's clock, so a clock that
/// is minutes wrong leaves rows out or takes them too early.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(5 * 60);

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it must be.
    Ok,
    /// A run works, but a person should know.
    Warning,
    /// A run does not work.
    Failure,
}

/// One check. JSON has its fields in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// Its outcome.
    pub level: Level,
    /// The server's error number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Its subject: `configuration`, `state`, `source`, `target`, `source table NAME`, `target table NAME`.
    pub place: String,
    /// The state of the server's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<u8>,
    /// The finding: the cause and the fix.
    pub text: String,
}

/// All checks, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
    /// What was found at the source.
    pub source: Option<SourceFacts>,
}

/// The connection is lost, and with it the server's remaining checks. The report has the error.
pub(super) struct Lost;

/// A configured table, with the source's answers about it.
pub(super) struct Found<'c> {
    pub(super) table: &'c TableConfig,
    pub(super) schema: Option<TableSchema>,
    /// The plan by which a run would go on with it.
    pub(super) plan: Option<TablePlan>,
    /// Its rows by the source's statistics.
    pub(super) rows_estimated: Option<u64>,
    /// Why that is the plan of a table that nothing is loaded of: the target's record refuses it, or cannot be read.
    pub(super) unkept: Option<Error>,
}

impl Report {
    /// Adds a check. Statements that a text suggests hold names as the server has them.
    pub fn add(&mut self, level: Level, place: impl Into<String>, text: impl Into<String>) {
        self.checks.push(Check {
            level,
            place: place.into(),
            text: harmless_text(&text.into()),
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

    /// Adds a warning that `what` could not be checked; a failure and `Lost` if the connection broke.
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

    /// The number of checks with this outcome.
    pub fn count(&self, level: Level) -> usize {
        self.checks.iter().filter(|check| check.level == level).count()
    }
}

/// The major version of SQL Server 2016, the oldest that the statements are written for.
const MAJOR_MIN: u32 = 13;

/// `SERVERPROPERTY('EngineEdition')` of the services, which are always new and number their versions otherwise.
const SERVICES: [&str; 5] = ["5", "6", "8", "9", "11"];

/// The warning about a server that is older than the oldest supported version. Others that speak its protocol may name any
/// version, so it is no failure.
fn outdated(product_version: &str, engine_edition: &str) -> Option<String> {
    let major: u32 = product_version.split('.').next()?.trim().parse().ok()?;
    (major < MAJOR_MIN && !SERVICES.contains(&engine_edition)).then(|| {
        format!(
            "It names the version {product_version}, and SQL Server 2016 (13) is the oldest that is supported: a statement \
             may be refused. A server of another vendor that speaks the protocol may name an old version and be new"
        )
    })
}

/// Reports a server's name, database and version, and how far its clock is from this machine's.
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
    if let Some(text) = outdated(&server.product_version, &server.engine_edition) {
        report.warning(place, text);
    }
    let clock = server.clock;
    let apart = clock.now_utc.signed_duration_since(now.naive_utc());
    let zone = clock
        .now
        .signed_duration_since(clock.now_utc)
        .as_seconds_f64()
        .round()
        / 3600.0;
    let text = format!(
        "Its clock is at {} (UTC{zone:+}), {} s from this machine's",
        clock.now.format("%Y-%m-%d %H:%M:%S"),
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

/// Reports what protects the connection to an end, and where it was sent on to.
pub(super) fn protected(report: &mut Report, endpoint: &Endpoint, embedded: bool, redirected: Option<&str>) {
    for (text, weak) in ends::protection(endpoint, embedded, redirected) {
        let level = if weak { Level::Warning } else { Level::Ok };
        report.add(level, endpoint.label, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_before_2016_is_outdated_unless_it_is_a_service() {
        for (version, edition, outdated_) in [
            ("12.0.6024.0", "3", true),
            ("11.0.7001.0", "", true),
            ("13.0.1601.5", "3", false),
            ("16.0.1000.6", "2", false),
            ("12.0.2000.8", "5", false),
            ("12.0.2000.8", "8", false),
            ("", "", false),
            ("unknown", "3", false),
        ] {
            let text = outdated(version, edition);
            assert_eq!(text.is_some(), outdated_, "{version} {edition}");
        }
    }
}

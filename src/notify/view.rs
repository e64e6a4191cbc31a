//! A notice as JSON: what a URL and a command get.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::base::program;
use crate::base::text::cut;
use crate::config::NoticeEvent;
use crate::progress::TableSummary;

/// The version of the vocabulary. It rises when a field goes or changes its meaning, not when one is added.
const SCHEMA_VERSION: u32 = 1;

/// Tables that a notice names: those that are not in order first.
const TABLES_MAX: usize = 50;

/// The longest text of an error, in characters.
const TEXT_MAX: usize = 1000;

/// Whose notices they are.
#[derive(Debug, Clone)]
pub struct About {
    /// The command.
    pub command: String,
    /// Its identity, as in its receipts.
    pub run_id: u128,
    /// The name of this machine.
    pub host: String,
    /// The configuration file.
    pub config: String,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An event of a command.
    Event(NoticeEvent),
    /// A person asked for it.
    Test,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Event(event) => event.as_str(),
            Kind::Test => "test",
        }
    }
}

/// A notice that is to be delivered.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) event: Kind,
    pub(super) exit_code: Option<u8>,
    pub(super) run_id: u128,
    /// Its text as JSON.
    pub(super) body: String,
}

impl Notice {
    pub(super) fn of(event: Kind, run_id: u128, view: &NoticeView) -> Notice {
        #[derive(Serialize)]
        struct Versioned<'a> {
            schema_version: u32,
            #[serde(flatten)]
            view: &'a NoticeView,
        }
        let versioned = Versioned {
            schema_version: SCHEMA_VERSION,
            view,
        };
        Notice {
            event,
            exit_code: view.exit_code,
            run_id,
            body: serde_json::to_string(&versioned).expect("a view of plain fields can be written as JSON"),
        }
    }

    /// One that says it is a test.
    pub(super) fn test(about: About, at: DateTime<Utc>) -> Notice {
        let run_id = about.run_id;
        let mut view = NoticeView::of(about, at, Kind::Test);
        view.message = Some("This is a test: notices arrive.".to_owned());
        Notice::of(Kind::Test, run_id, &view)
    }
}

/// A notice. It has no value of a row, no text of a server with values, and no secret.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NoticeView {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The command: `run` or `reconcile`; `doctor` in a test.
    pub command: String,
    /// The configuration file, as it was given.
    pub config: String,
    /// The time since the command began; 0 in a test.
    pub elapsed_ms: u64,
    /// The error that ended the command; `None` without one.
    pub error: Option<String>,
    /// What happened: `start`, `success`, `failure`, `mismatch`, `waiting`, `incomplete` or `test`.
    pub event: String,
    /// The exit code; `None` as long as the command goes on.
    pub exit_code: Option<u8>,
    /// The name of the machine.
    pub host: String,
    /// What happened in a sentence, with what to do next; `None` where the error says it.
    pub message: Option<String>,
    /// The rows that were loaded by the tables that have ended.
    pub rows_loaded: u64,
    /// The identity of the command, as in its receipts and its log.
    pub run_id: String,
    /// The table that the notice is about: whose rows differ, or that is worked on while the command waits. `None` of the
    /// command as a whole.
    pub table: Option<String>,
    /// The tables that have ended, at most 50: those that are not in order first.
    pub tables: Vec<NoticeTable>,
    /// The tables that have ended and are not listed.
    pub tables_left_out: usize,
    /// The wait that a notice of `waiting` is about; `None` in the others.
    pub wait: Option<NoticeWait>,
}

impl NoticeView {
    pub(super) fn of(about: About, at: DateTime<Utc>, event: Kind) -> NoticeView {
        NoticeView {
            at,
            command: about.command,
            config: about.config,
            elapsed_ms: 0,
            error: None,
            event: event.as_str().to_owned(),
            exit_code: None,
            host: about.host,
            message: None,
            rows_loaded: 0,
            run_id: format!("{:032x}", about.run_id),
            table: None,
            tables: Vec::new(),
            tables_left_out: 0,
            wait: None,
        }
    }

    /// Names the tables that have ended.
    pub(super) fn with_tables<'a>(&mut self, ended: impl Iterator<Item = &'a TableSummary>) {
        let mut ended: Vec<&TableSummary> = ended.collect();
        self.rows_loaded = ended.iter().map(|table| table.rows_loaded).sum();
        // A sort that keeps the order of work among equals.
        ended.sort_by_key(|table| {
            table.state() == "complete" && table.rows_ahead + table.rows_unfollowed == 0
        });
        self.tables_left_out = ended.len().saturating_sub(TABLES_MAX);
        self.tables = ended.into_iter().take(TABLES_MAX).map(NoticeTable::of).collect();
    }
}

/// A table in a notice.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NoticeTable {
    /// Why it was refused, or could not be finished; `None` without a cause of its own.
    pub error: Option<String>,
    /// Its name at the source.
    pub name: String,
    /// The rows that this run loaded.
    pub rows_loaded: u64,
    /// `complete`, `open`, `failed`, `mismatched`, `held`, `refused`, or `planned` for one that it did not come to.
    pub state: String,
}

impl NoticeTable {
    fn of(table: &TableSummary) -> NoticeTable {
        NoticeTable {
            error: table
                .error
                .as_ref()
                .or(table.lasting.as_ref())
                .map(|error| short(&program::named(error))),
            name: table.name.clone(),
            rows_loaded: table.rows_loaded,
            state: table.state().to_owned(),
        }
    }
}

/// A wait in a notice.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NoticeWait {
    /// `pace`, `latency`, `lag`, `pause` or `outage`.
    pub cause: String,
    /// What is waited for, in words and numbers.
    pub detail: String,
    /// Whether the wait is over.
    pub is_over: bool,
    /// Its start.
    pub since: DateTime<Utc>,
    /// Its end or the time of the next attempt, as known when the wait began to be long; `None` if nobody knows.
    pub until: Option<DateTime<Utc>>,
    /// How long it has lasted.
    pub waited_ms: u64,
}

/// A text that is not longer than a notice has room for.
pub(super) fn short(text: &str) -> String {
    cut(text, TEXT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_are_not_in_order_come_first() {
        let table = |name: &str, change: fn(&mut TableSummary)| {
            let mut table = TableSummary {
                name: name.to_owned(),
                is_looked_at: true,
                ..TableSummary::default()
            };
            change(&mut table);
            table
        };
        let ended = [
            table("WHOLE", |_| {}),
            table("AHEAD", |table| table.rows_ahead = 1),
            table("LEFT", |table| table.rows_unfollowed = 1),
            table("OPEN", |table| table.windows_open = 1),
        ];
        let about = About {
            command: "run".to_owned(),
            run_id: 1,
            host: "vm".to_owned(),
            config: "sync.toml".to_owned(),
        };
        let mut view = NoticeView::of(about, DateTime::UNIX_EPOCH, Kind::Test);
        view.with_tables(ended.iter());
        let names: Vec<&str> = view.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["AHEAD", "LEFT", "OPEN", "WHOLE"]);
    }
}

//! The rows that were counted, and what they say.

use crate::base::error::Error;
use crate::base::exit_code::ExitCode;
use crate::cli::voice::Voice;
use crate::config::Mode;
use crate::model::window::{Window, spans};

/// The counts of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Count {
    pub(in crate::cli) table: String,
    pub(in crate::cli) mode: Mode,
    pub(in crate::cli) rows: Rows,
    /// The windows by themselves, if that was asked for, and those that are not counted.
    pub(in crate::cli) windows: Vec<(Window, Rows)>,
}

/// The rows of a table or window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Rows {
    /// Both ends were counted.
    Counted {
        source: u64,
        /// `None` if the target has no such table.
        target: Option<u64>,
    },
    /// No row of it is loaded, so nothing is counted.
    NotLoaded,
    /// Some chunks are loaded, or the window is open, and it is not complete.
    NotComplete,
    /// It cannot be counted at one of the ends.
    Failed,
}

/// The outcome.
#[derive(Debug, Default)]
pub(in crate::cli) struct Counted {
    pub(in crate::cli) counts: Vec<Count>,
    /// Windows whose end has passed by the source's clock, and that are not loaded to their end.
    pub(in crate::cli) unfinished: Vec<(String, Window, Rows)>,
    /// Tables that cannot be counted, with why.
    pub(in crate::cli) errors: Vec<(String, Error)>,
}

impl Counted {
    /// Tells of tables that cannot be counted, and of windows that should be complete and are not.
    pub(super) fn warn(&self, voice: &Voice) {
        for (_, error) in &self.errors {
            voice.error(error);
        }
        let mut tables: Vec<&str> = self.unfinished.iter().map(|(table, ..)| table.as_str()).collect();
        tables.dedup();
        for table in tables {
            for (rows, says) in [
                (Rows::NotComplete, "has ended and is not complete"),
                (Rows::NotLoaded, "is not loaded"),
            ] {
                let windows = self
                    .unfinished
                    .iter()
                    .filter(|(of, _, found)| (of.as_str(), *found) == (table, rows));
                let windows: Vec<Window> = windows.map(|(_, window, _)| *window).collect();
                for span in spans(&windows) {
                    voice.say(&format!(
                        "warning: table {table}: window {span} {says}; `sync run` with its dates loads the rest"
                    ));
                }
            }
        }
    }

    /// A difference outranks tables and windows that could not be compared.
    pub(super) fn exit(&self) -> ExitCode {
        let not_loaded = self.counts.iter().any(|count| count.rows == Rows::NotLoaded);
        match self.are_equal() {
            Some(false) => ExitCode::Mismatch,
            _ if !self.errors.is_empty() => self.errors[0].1.kind().exit_code(),
            _ if not_loaded || !self.unfinished.is_empty() => ExitCode::Incomplete,
            _ => ExitCode::Done,
        }
    }

    /// Whether all is loaded and equal, as far as it has to be; `None` if all that was counted is, but not all was.
    pub(super) fn are_equal(&self) -> Option<bool> {
        let counted = self.counts.iter().filter_map(|count| count.rows.is_equal());
        let equal = counted.reduce(|all, equal| all && equal);
        let is_left = |count: &Count| matches!(count.rows, Rows::NotLoaded | Rows::Failed);
        let is_whole = self.unfinished.is_empty() && !self.counts.iter().any(is_left);
        equal.filter(|equal| is_whole || !equal)
    }
}

//! The facts of a report: what was asked for, how each window of it stands, and what both ends have of it.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::base::exit_code::ExitCode;
use crate::model::account::Account;
use crate::model::hours::Wall;
use crate::model::row::Tally;
use crate::model::window::{DateRange, Window};
use crate::status::{Condition, Kept, PassStatus};

/// All that a report tells.
pub(super) struct Report {
    pub(super) made: Made,
    pub(super) source: End,
    pub(super) target: End,
    pub(super) months: Months,
    /// Whether it is of some of the configured tables.
    pub(super) is_of_some: bool,
    pub(super) tables: Vec<TableFacts>,
    pub(super) servers: Servers,
    /// The runs that may have worked on it, the latest first.
    pub(super) runs: Vec<Kept>,
    /// The passes of `sync reconcile` over some of it, the latest first.
    pub(super) passes: Vec<PassStatus>,
    /// What all runs asked of the source for these tables, and outside of tables.
    pub(super) accounts: Vec<Account>,
    pub(super) left_out: Vec<LeftOut>,
}

/// When, where and by which program a report was made.
pub(super) struct Made {
    pub(super) at: DateTime<Utc>,
    pub(super) version: &'static str,
    pub(super) host: String,
    /// The clock by which it tells times.
    pub(super) wall: Wall,
    /// Whether a run was going meanwhile.
    pub(super) during_a_run: bool,
}

/// An end by its names, without its login.
pub(super) struct End {
    /// `host:port`, `host\instance` or `embedded`.
    pub(super) server: String,
    pub(super) database: String,
    pub(super) schema: String,
}

/// What the servers were asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Servers {
    /// Nothing.
    NotAsked,
    /// For their counts, and the target for its receipts.
    Asked,
    /// One of them did not answer.
    Away {
        /// The error.
        error: String,
        /// How a command ends with it.
        code: ExitCode,
    },
}

/// A table.
#[derive(Default)]
pub(super) struct TableFacts {
    pub(super) name: String,
    pub(super) mode: String,
    /// Its name at the source, with its schema.
    pub(super) source: String,
    pub(super) target: String,
    pub(super) is_dated: bool,
    pub(super) windows: Vec<WindowFacts>,
    /// The rows of its complete windows.
    pub(super) counted: Option<Counted>,
    /// Why it cannot be counted, and how a command ends with that.
    pub(super) count_error: Option<(String, ExitCode)>,
    /// The rows that the target's catalog has of it and those that all its receipts prove, if they are fewer.
    pub(super) fewer: Option<(u64, u64)>,
    /// Why the last run that came to it could not finish it.
    pub(super) refused: Option<String>,
    /// Rows that left the target and could not be followed.
    pub(super) unfollowed: u64,
    /// Whether a `sync forget` of some of it was interrupted.
    pub(super) is_being_forgotten: bool,
}

/// A window.
#[derive(Debug, Clone)]
pub(super) struct WindowFacts {
    pub(super) window: Window,
    pub(super) state: Condition,
    pub(super) error: Option<String>,
    /// Its verified chunks.
    pub(super) chunks: u64,
    /// Rows, bytes and digest of these.
    pub(super) tally: Tally,
    pub(super) counted: Option<Counted>,
    /// What the target's receipts say of it; `None` if they were not read.
    pub(super) receipts: Option<Receipts>,
    /// Whether it has to be complete.
    pub(super) must_be_complete: bool,
}

/// Rows that were counted at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) source: u64,
    /// 0 if there is no such table.
    pub(super) target: u64,
}

/// The receipts of a window at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipts {
    pub(super) rows: u64,
    /// Whether they are those that the state file has the digest of.
    pub(super) agree: bool,
}

/// A thing that a reader might miss.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// The table; empty for something of the whole.
    pub(super) table: String,
    pub(super) text: String,
}

/// The months that are asked for, by their first days in order; none for all dates.
#[derive(Debug, Clone, Default)]
pub(super) struct Months(Vec<NaiveDate>);

impl Report {
    /// The rows of all complete windows that were counted.
    pub(super) fn counted(&self) -> Option<Counted> {
        let counted = self.tables.iter().filter_map(|table| table.counted);
        counted.reduce(|sum, more| Counted {
            source: sum.source + more.source,
            target: sum.target + more.target,
        })
    }
}

impl Counted {
    pub(super) fn is_equal(self) -> bool {
        self.source == self.target
    }
}

impl Months {
    /// Months by their first days, each once.
    pub(super) fn of(mut months: Vec<NaiveDate>) -> Months {
        months.sort_unstable();
        months.dedup();
        Months(months)
    }

    pub(super) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = NaiveDate> {
        self.0.iter().copied()
    }

    /// The dates of each; none of a month at the end of the calendar.
    pub(super) fn ranges(&self) -> impl Iterator<Item = DateRange> {
        self.iter().filter_map(|start| {
            let end = start.checked_add_months(chrono::Months::new(1))?;
            Some(DateRange { start, end })
        })
    }

    /// Whether a window is asked for. One without dates always is, as in a run.
    pub(super) fn has(&self, window: Window) -> bool {
        let is_one = |days: NaiveDate| self.0.binary_search(&days.with_day(1).unwrap_or(days)).is_ok();
        self.is_all() || window.days().is_none_or(|days| is_one(days.start()))
    }

    /// Whether some of the dates are asked for.
    pub(super) fn has_some_of(&self, range: DateRange) -> bool {
        self.is_all()
            || self
                .ranges()
                .any(|month| month.start < range.end && range.start < month.end)
    }
}

impl TableFacts {
    /// Rows, bytes and digest of all its windows.
    pub(super) fn tally(&self) -> Tally {
        self.windows.iter().fold(Tally::default(), |mut sum, window| {
            sum.add(window.tally);
            sum
        })
    }

    /// Its verified chunks.
    pub(super) fn chunks(&self) -> u64 {
        self.windows.iter().map(|window| window.chunks).sum()
    }

    /// The rows of its receipts, as far as these were read.
    pub(super) fn receipt_rows(&self) -> Option<u64> {
        let rows = self.windows.iter().filter_map(|window| window.receipts);
        rows.map(|receipts| receipts.rows).reduce(|sum, more| sum + more)
    }

    /// The worst of its windows.
    pub(super) fn state(&self) -> Condition {
        Condition::worst(self.windows.iter().map(|window| window.state)).unwrap_or(Condition::NotLoaded)
    }

    /// Whether it differs at the two ends, as far as that was counted.
    pub(super) fn differs(&self) -> bool {
        let windows = self.windows.iter().filter_map(|window| window.counted);
        windows.chain(self.counted).any(|counted| !counted.is_equal())
    }
}

impl WindowFacts {
    pub(super) fn is_complete(&self) -> bool {
        self.state == Condition::Complete
    }

    /// Whether the target's receipts are others than those that the state file knows.
    pub(super) fn disagrees(&self) -> bool {
        self.receipts.is_some_and(|receipts| !receipts.agree)
    }
}

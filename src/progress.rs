//! Events and summary of a run. `report/` renders them.

use std::time::Duration;

use crate::base::error::Error;
use crate::base::exit_code::ExitCode;
use crate::model::account::Account;
use crate::model::hours::Wall;
use crate::model::pace::{Cause, Decision, Hold};
pub use crate::model::stages::Stages;
use crate::model::window::{DateRange, Window};
use crate::mssql::{Limit, is_conflict, is_duplicate_key};

/// Receives the events of a run. Its workers call it, so it must not block.
pub trait Progress: Send + Sync {
    /// Receives one event.
    fn event(&self, event: Event<'_>);

    /// Takes away what is drawn for as long as the work lasts. The work is over, or is given up.
    fn close(&self) {}
}

/// An event of a run.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The run begins.
    RunStarted {
        /// Its identity, as in its receipts.
        run_id: u128,
        /// The requested dates; `None` if it has reference tables alone.
        range: Option<DateRange>,
        /// Number of tables.
        tables: usize,
        /// Number of parallel windows.
        max_workers: usize,
    },
    /// A note, such as a guarantee switched off, columns left out, or rows without a date.
    Note(&'a str),
    /// A warning that the user should act on.
    Warning(&'a str),
    /// A table begins.
    TableStarted {
        /// Its name at the source.
        table: &'a str,
        /// Windows that still need work.
        windows: usize,
        /// Rows of these windows that earlier runs verified.
        rows_done: u64,
        /// Rows of these windows including `rows_done`, by the server's estimate; `None` if unknown.
        rows_expected: Option<u64>,
    },
    /// A window begins.
    WindowStarted {
        /// Its table.
        table: &'a str,
        /// The window.
        window: Window,
    },
    /// A chunk is committed and proven.
    ChunkVerified {
        /// Its table.
        table: &'a str,
        /// Its window.
        window: Window,
        /// Its number in the window.
        ordinal: u32,
        /// Its rows.
        row_count: u64,
        /// Their canonical bytes.
        byte_count: u64,
        /// The part of the window's dates that it covers, both ends from 0 to 1. The remaining time is judged by
        /// dates, because counting rows would cost the source a query.
        dates: (f64, f64),
        /// The time that it took.
        stages: Stages,
    },
    /// The comparison of a table's verified chunks begins.
    Comparing {
        /// The table.
        table: &'a str,
    },
    /// A verified chunk was compared again.
    ChunkCompared {
        /// Its table.
        table: &'a str,
        /// Its window.
        window: Window,
        /// Its number in the window.
        ordinal: u32,
        /// Its rows, by its receipt.
        row_count: u64,
    },
    /// A table's verified chunks were compared again.
    Compared {
        /// The table.
        table: &'a str,
        /// Chunks compared.
        chunks: u64,
        /// Chunks that differ.
        differing: u64,
    },
    /// An attempt failed and is retried.
    Retrying {
        /// The table.
        table: &'a str,
        /// The window, if the attempt belongs to one.
        window: Option<Window>,
        /// Attempts made so far.
        attempt: u32,
        /// Time until the next attempt.
        wait: Duration,
        /// The length of the server's outage, if one is the cause.
        away: Option<Duration>,
        /// The cause.
        error: &'a Error,
    },
    /// A server that was away is back.
    Back {
        /// The length of its outage.
        away: Duration,
    },
    /// The clock that a person reads times of the source by.
    Wall(Wall),
    /// The ceiling of the rows that are read a second from now on.
    Paced {
        /// `None` for any number.
        rows_per_second: Option<u64>,
    },
    /// All reads of the source wait, for longer than a moment; or wait for something else from now on. It comes again now
    /// and then, as long as the wait lasts.
    Held {
        /// What for, and until when.
        hold: &'a Hold,
    },
    /// The wait is over.
    Released {
        /// What was waited for.
        cause: Cause,
        /// The time that it took.
        waited: Duration,
    },
    /// The governor decided something.
    Decided {
        /// What, and why.
        decision: &'a Decision,
    },
    /// The run was asked to stop, and finishes the chunks in flight.
    Stopping {
        /// Whether Ctrl-C was typed, which a terminal may have shown as `^C` beside the cursor.
        typed: bool,
    },
    /// All of a window is verified.
    WindowDone {
        /// Its table.
        table: &'a str,
        /// The window.
        window: Window,
        /// Its rows.
        rows: u64,
    },
    /// A window failed for good; the other windows continue.
    WindowFailed {
        /// Its table.
        table: &'a str,
        /// The window.
        window: Window,
        /// The cause.
        error: &'a Error,
    },
    /// A table ended.
    TableDone {
        /// Its outcome.
        summary: &'a TableSummary,
        /// How long it took.
        elapsed: Duration,
    },
    /// Work on a table, or a command, is over: what it asked of the source.
    Accounted {
        /// The account; of no table for that of the whole command.
        account: &'a Account,
    },
    /// The run ended.
    RunDone {
        /// Its outcome.
        summary: &'a RunSummary,
        /// How long it took.
        elapsed: Duration,
    },
}

/// The outcome of a run.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// One summary per table, in the order of work.
    pub tables: Vec<TableSummary>,
    /// The command's exit code.
    pub exit: ExitCode,
    /// Whether the run was asked to stop.
    pub is_stopped: bool,
    /// Whether the clocks disagreed, so that windows stay open.
    pub is_doubtful: bool,
    /// The limit of what a run may read, if that ended it.
    pub limit: Option<Limit>,
    /// What it asked of the source, a table; the first entry is of no table.
    pub accounts: Vec<Account>,
}

impl RunSummary {
    /// Whether the request to stop is what left work undone.
    pub fn was_stopped(&self) -> bool {
        self.is_stopped && self.exit == ExitCode::Incomplete
    }

    /// Rows loaded by the run.
    pub fn rows_loaded(&self) -> u64 {
        self.tables.iter().map(|table| table.rows_loaded).sum()
    }
}

/// The outcome of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSummary {
    /// Its name at the source.
    pub name: String,
    /// Whether the run came as far as to compare its receipts with its target. Nothing else is known of it if not.
    pub is_looked_at: bool,
    /// Windows that are complete.
    pub windows_done: usize,
    /// Windows that failed for good.
    pub windows_failed: usize,
    /// Windows that the run left unfinished, or whose end lies in the future.
    pub windows_open: usize,
    /// What constraints refused of a window whose chunks may yet be loaded together. It is told if they are not.
    pub refusals: Vec<String>,
    /// The first error that another run would meet again, unless somebody removes its cause.
    pub lasting: Option<String>,
    /// The chunks that a unique index, a foreign key or a check of the target refused.
    pub refused: Refused,
    /// Chunks whose rows differed when read back.
    pub mismatched: usize,
    /// Windows left as they were, because a load would have removed too many rows.
    pub held: usize,
    /// Rows of the requested dates that are dated beyond the source's clock and not copied.
    pub rows_ahead: u64,
    /// Rows that left the target, in this run or an earlier one, and could not be followed.
    pub rows_unfollowed: u64,
    /// Rows loaded by this run.
    pub rows_loaded: u64,
    /// Rows of the requested windows that this run or an earlier one verified.
    pub rows_total: u64,
    /// Rows of a reference table that this run read and found unchanged.
    pub rows_compared: u64,
    /// Whether the shadow table of a reference table was swapped in.
    pub is_swapped: bool,
    /// Whether there was nothing to load, and no shadow table to swap in.
    pub already_complete: bool,
    /// The reason why the table was refused, or the part of it that is left out.
    pub error: Option<String>,
    /// The exit code of a table that failed before its work began.
    pub preflight: Option<ExitCode>,
}

/// Whether constraints of the target refused rows of a table in its last passes, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// A unique index met a value twice.
    pub duplicate: bool,
    /// A foreign key or a check conflicted.
    pub conflict: bool,
}

impl Refused {
    /// What an error of a chunk tells.
    pub fn by(error: &Error) -> Refused {
        Refused {
            duplicate: is_duplicate_key(error),
            conflict: is_conflict(error),
        }
    }

    /// Adds what another chunk was refused by.
    pub fn add(&mut self, other: Refused) {
        self.duplicate |= other.duplicate;
        self.conflict |= other.conflict;
    }
}

impl TableSummary {
    /// The state that a person should know first: a word for a window's, or `held` or `refused`.
    pub fn state(&self) -> &'static str {
        if self.preflight.is_some() {
            "refused"
        } else if self.mismatched > 0 {
            "mismatched"
        } else if self.held > 0 {
            "held"
        } else if self.windows_failed > 0 || self.error.is_some() {
            "failed"
        } else if !self.is_looked_at {
            "planned"
        } else if self.windows_open > 0 {
            "open"
        } else {
            "complete"
        }
    }

    /// Whether the run reports unfinished work in the table.
    pub fn is_unfinished(&self) -> bool {
        self.windows_failed > 0
            || self.mismatched > 0
            || self.held > 0
            || self.error.is_some()
            || self.preflight.is_some()
    }
}

/// Hands each event to several others, in their order.
pub struct Fanout(Vec<std::sync::Arc<dyn Progress>>);

impl Fanout {
    /// All of these receive each event.
    pub fn new(to: impl IntoIterator<Item = std::sync::Arc<dyn Progress>>) -> Self {
        Fanout(to.into_iter().collect())
    }
}

impl Progress for Fanout {
    fn event(&self, event: Event<'_>) {
        for progress in &self.0 {
            progress.event(event);
        }
    }

    fn close(&self) {
        for progress in &self.0 {
            progress.close();
        }
    }
}

/// A progress that shows nothing, for tests and for callers that need only the summary.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_table_is_what_a_person_should_know_first() {
        let whole = TableSummary {
            is_looked_at: true,
            ..TableSummary::default()
        };
        let but = |change: fn(&mut TableSummary)| {
            let mut table = whole.clone();
            change(&mut table);
            table.state()
        };
        assert_eq!(whole.state(), "complete");
        assert_eq!(but(|table| table.is_looked_at = false), "planned");
        assert_eq!(but(|table| table.windows_open = 1), "open");
        assert_eq!(but(|table| table.error = Some(String::new())), "failed");
        assert_eq!(but(|table| (table.windows_failed, table.held) = (1, 1)), "held");
        assert_eq!(but(|table| (table.mismatched, table.held) = (1, 1)), "mismatched");
        assert_eq!(but(|table| table.preflight = Some(ExitCode::State)), "refused");
    }
}

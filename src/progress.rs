//! What a run tells while it goes and when it is done: its events and its summary. `report/` renders them.

use std::time::Duration;

use crate::base::error::Error;
use crate::base::exit_code::ExitCode;
use crate::model::window::{DateRange, Window};

/// Hears what a run does. Called from its workers: must not block.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// Something that happened in a run.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The run begins.
    RunStarted {
        /// Its identity, as its receipts have it.
        run_id: u128,
        /// The dates it was asked for.
        range: DateRange,
        /// Tables it will go through.
        tables: usize,
        /// Windows at once.
        max_workers: usize,
    },
    /// Something that must be said: a guarantee switched off, columns left out, rows without a date.
    Note(&'a str),
    /// Something that the user should look into.
    Warning(&'a str),
    /// A table's turn.
    TableStarted {
        /// Its name at the source.
        table: &'a str,
        /// Windows that still need work.
        windows: usize,
        /// Rows already verified by earlier runs, in these windows.
        rows_done: u64,
        /// Rows of these windows, the ones done included, as far as the server knows without counting.
        rows_expected: Option<u64>,
    },
    /// A window is taken up.
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
        /// Which part of the window's dates it covers, both ends from 0 to 1: what is left is judged by the
        /// calendar, as counting rows would cost the source a query.
        dates: (f64, f64),
    },
    /// A table's verified chunks are compared again from here on.
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
        /// Those of them that differ.
        differing: u64,
    },
    /// An attempt failed and is made again.
    Retrying {
        /// The table.
        table: &'a str,
        /// The window, where the attempt belongs to one.
        window: Option<Window>,
        /// Attempts made so far.
        attempt: u32,
        /// Time until the next.
        wait: Duration,
        /// How long the server has been away, where that is why.
        away: Option<Duration>,
        /// Why it failed.
        error: &'a Error,
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
    /// A window failed for good; the others go on.
    WindowFailed {
        /// Its table.
        table: &'a str,
        /// The window.
        window: Window,
        /// Why.
        error: &'a Error,
    },
    /// A table's turn is over.
    TableDone {
        /// Its name.
        table: &'a str,
        /// Rows loaded by this run.
        rows: u64,
        /// How long it took.
        elapsed: Duration,
    },
    /// The run is over.
    RunDone {
        /// What came of it.
        summary: &'a RunSummary,
        /// How long it took.
        elapsed: Duration,
    },
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// A line a table, in the order they were worked on.
    pub tables: Vec<TableSummary>,
    /// How the command ends.
    pub exit: ExitCode,
}

/// What came of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSummary {
    /// Its name at the source.
    pub name: String,
    /// Windows that are complete.
    pub windows_done: usize,
    /// Windows that failed for good.
    pub windows_failed: usize,
    /// Windows that the run's end left unfinished, or whose end is still to come.
    pub windows_open: usize,
    /// Chunks whose rows differed when read back.
    pub mismatched: usize,
    /// Windows that nothing was loaded into, because too many rows would have left them.
    pub held: usize,
    /// Rows of the dates asked for that are dated beyond the source's clock, and are not copied.
    pub rows_ahead: u64,
    /// Rows that left the target, in this run or an earlier one, and could not be followed.
    pub rows_unfollowed: u64,
    /// Rows loaded by this run.
    pub rows_loaded: u64,
    /// Rows verified by this run and those before, in the windows asked for.
    pub rows_total: u64,
    /// Rows of a reference table that this run read and found to be those in place.
    pub rows_compared: u64,
    /// Whether there was nothing to load.
    pub already_complete: bool,
    /// Why the table could not be worked on, or what of it is left out.
    pub error: Option<String>,
    /// How a run ends whose table failed before its work began.
    pub preflight: Option<ExitCode>,
}

impl TableSummary {
    /// Whether something of it is still to be done, as the run will say.
    pub fn is_unfinished(&self) -> bool {
        self.windows_failed > 0
            || self.mismatched > 0
            || self.held > 0
            || self.error.is_some()
            || self.preflight.is_some()
    }
}

/// A progress that shows nothing, for tests and for callers that only want the summary.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}

/// The last day of a range, as the user gave it.
pub fn last_day(range: DateRange) -> chrono::NaiveDate {
    range.end.pred_opt().unwrap_or(range.end)
}

//! The records of the store, as the program uses them.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Utc};

use crate::base::stop::STOPPED;
use crate::model::account::Account;
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::pace::{Decision, Hold};
use crate::model::plan::AccessPath;
use crate::model::stages::ChunkTiming;
use crate::model::window::{DateRange, Window};
use crate::mssql::Database;

/// A table, as a run planned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRecord {
    /// Its name in the configuration.
    pub name: String,
    /// `schema.name` at the source.
    pub source: String,
    /// `schema.name` at the target.
    pub target: String,
    /// The conditions that must not change between runs: one name and one value a part.
    pub fingerprint: Vec<(String, String)>,
    /// The way that its windows are read.
    pub access_path: AccessPath,
    /// Notes on the table for an operator.
    pub notes: Vec<String>,
}

/// The state of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowState {
    /// It is known, and chunks of it may be verified.
    Planned,
    /// A run loads it, or did so when the run was killed.
    Loading,
    /// Everything that was old enough is verified; its end is still to come.
    Open,
    /// All of it is verified.
    Complete,
    /// It failed; the other windows continued.
    Failed,
    /// A chunk of it differed when its rows were read back.
    Mismatched,
}

impl WindowState {
    /// Its name, as `sync status` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            WindowState::Planned => "planned",
            WindowState::Loading => "loading",
            WindowState::Open => "open",
            WindowState::Complete => "complete",
            WindowState::Failed => "failed",
            WindowState::Mismatched => "mismatched",
        }
    }
}

/// A window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRecord {
    /// Its dates.
    pub window: Window,
    /// Its state.
    pub state: WindowState,
    /// The error that it failed with, or the difference.
    pub error: Option<String>,
    /// The time of this record.
    pub updated_at: DateTime<Utc>,
}

/// Counts and sums over a window's chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Chunks of any state.
    pub chunks: u64,
    /// Verified chunks.
    pub verified: u64,
    /// Failed chunks.
    pub failed: u64,
    /// Mismatched chunks.
    pub mismatched: u64,
    /// Stale chunks.
    pub stale: u64,
    /// Rows of the verified chunks.
    pub rows: u64,
    /// Canonical bytes of the verified chunks.
    pub bytes: u64,
}

/// A moment at which a store agreed with all receipts of a table, of which there is one for each identity that the table
/// has had. A receipt of an earlier load that the store does not know then comes from a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InStep {
    /// The epoch of the lease that the table was compared under.
    pub epoch: i64,
    /// `sys.tables.object_id` of the target table, to which the epoch belongs.
    pub object_id: i32,
    /// Its `sys.tables.create_date`.
    pub created: String,
}

/// The mark of a chunk: the first four bytes of its load's identity and those of its digest, each as a signed integer,
/// added up. A server computes the same by `CAST(SUBSTRING(load_id, 1, 4) AS int)`. The sum of a window's marks shows,
/// together with its counts, whether store and target have the same chunks, without a read of the chunks.
pub fn mark(chunk: &Chunk) -> i64 {
    let [a, b, c, d, ..] = chunk.load_id.to_be_bytes();
    let [e, f, g, h, ..] = chunk.tally.digest.to_bytes();
    i64::from(i32::from_be_bytes([a, b, c, d])) + i64::from(i32::from_be_bytes([e, f, g, h]))
}

impl Counts {
    /// The number of chunks that were loaded or attempted, even if the target has lost them since.
    pub fn remembered(&self) -> u64 {
        self.verified + self.stale + self.failed + self.mismatched
    }

    pub(super) fn add(&mut self, chunk: &Chunk) {
        self.change(chunk, u64::wrapping_add);
    }

    pub(super) fn remove(&mut self, chunk: &Chunk) {
        self.change(chunk, u64::wrapping_sub);
    }

    fn change(&mut self, chunk: &Chunk, by: fn(u64, u64) -> u64) {
        self.chunks = by(self.chunks, 1);
        let of_state = match chunk.state {
            ChunkState::Verified => {
                self.rows = by(self.rows, chunk.tally.row_count);
                self.bytes = by(self.bytes, chunk.tally.byte_count);
                &mut self.verified
            }
            ChunkState::Failed => &mut self.failed,
            ChunkState::Mismatched => &mut self.mismatched,
            ChunkState::Stale => &mut self.stale,
            ChunkState::Planned | ChunkState::Extracted | ChunkState::Loaded => return,
        };
        *of_state = by(*of_state, 1);
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its identity.
    pub run_id: u128,
    /// Its process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// The time of its start.
    pub started_at: DateTime<Utc>,
    /// The time of its end; `None` while it runs, and for ever if it was killed.
    pub ended_at: Option<DateTime<Utc>>,
    /// Its exit code.
    pub exit_code: Option<u8>,
    /// The requested dates.
    pub range: DateRange,
    /// The error that ended it; [`STOPPED`] if the request to stop did.
    pub error: Option<String>,
}

impl RunRecord {
    /// Whether the request to stop ended it, which is no fault.
    pub fn is_stopped(&self) -> bool {
        self.error.as_deref() == Some(STOPPED)
    }

    /// Whether it is the work of the process that is writing the store, if one is.
    pub fn is_going(&self, writer: Option<u32>) -> bool {
        self.ended_at.is_none() && writer == Some(self.pid)
    }
}

/// How fast a run loaded, its waits and comparisons included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadRate {
    /// The end of the run.
    pub at: DateTime<Utc>,
    /// The rows that it loaded.
    pub rows: u64,
    /// The time that it took.
    pub elapsed_ms: u64,
}

/// A server that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The start of the outage.
    pub since: DateTime<Utc>,
    /// The time of the next attempt.
    pub next_try_at: DateTime<Utc>,
    /// The text of the last error, without row values.
    pub error: String,
}

/// One of the two ends of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server that rows are read from.
    Source,
    /// The server that rows are written to.
    Target,
}

impl End {
    pub(super) fn key(self) -> &'static [u8] {
        match self {
            End::Source => b"source",
            End::Target => b"target",
        }
    }
}

/// The finding that a window's row counts were equal at both ends. It holds as long as the sums of the window's
/// receipts stay the same, so a reload of the window or a restored target ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundEqual {
    /// The source's time of the comparison.
    pub at: NaiveDateTime,
    /// The number of the window's receipts at that time.
    pub chunks: u64,
    /// The sum of their rows.
    pub rows: u64,
    /// The sum of their load marks.
    pub marks: i64,
}

/// The part of the verified chunks that a pass compares. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassScope {
    /// The names of the tables; `None` for all that are configured.
    pub tables: Option<Vec<String>>,
    /// The dates of which each window has a day; `None` for all windows.
    pub range: Option<DateRange>,
}

impl PassScope {
    /// Whether all of `other` is within it.
    pub fn covers(&self, other: &PassScope) -> bool {
        self.is_whole() || self == other
    }

    /// Whether it is all tables and all dates.
    pub fn is_whole(&self) -> bool {
        *self == PassScope::default()
    }
}

/// A pass of `sync reconcile` over the verified chunks, which may take several commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Its identity.
    pub id: u128,
    /// Whether it also compares the source.
    pub source: bool,
    /// The tables and dates that it compares. A command for others does not resume it.
    pub scope: PassScope,
    /// The time of its start.
    pub started_at: DateTime<Utc>,
    /// The time of its end; `None` while it is under way or was interrupted.
    pub ended_at: Option<DateTime<Utc>>,
    /// Chunks that were found to be the same, or that it reloaded.
    pub same: u64,
    /// Chunks that were found to differ and were not repaired.
    pub differing: u64,
    /// Chunks and windows that were found to differ and were repaired.
    pub repaired: u64,
    /// Tables that could not be compared.
    pub left_out: u64,
}

/// A difference that a pass found and did not repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// The table.
    pub table: String,
    /// The window.
    pub window: Window,
    /// The chunk; `None` for a difference of the window as a whole.
    pub ordinal: Option<u32>,
    /// The load of the chunk that differed. A chunk of another load has been loaded since.
    pub load_id: u128,
}

/// The tables that a run was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The run.
    pub run_id: u128,
    /// The names of the tables, in the order of work.
    pub tables: Vec<String>,
}

/// The reason why the last run that came to a table could not finish it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The table.
    pub table: String,
    /// The time.
    pub at: DateTime<Utc>,
    /// The error, without row values.
    pub error: String,
    /// The first day that the run was asked for.
    pub first: NaiveDate,
    /// The day after the last one.
    pub end: NaiveDate,
}

impl Refusal {
    /// The dates that the run was asked for.
    pub fn range(&self) -> DateRange {
        DateRange {
            start: self.first,
            end: self.end,
        }
    }
}

/// A month that was loaded and then forgotten, and that no run has come to since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgottenMonth {
    /// The table.
    pub table: String,
    /// The first day of the month.
    pub month: NaiveDate,
}

/// A table, or a month of it, to forget. The tombstone is written before anything is forgotten, so that an interrupted
/// `forget` is completed later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The table's name in the configuration.
    pub table: String,
    /// The target tables whose receipts go, as receipts name them.
    pub targets: Vec<String>,
    /// The first day of the month to forget; `None` for the whole table with its plan.
    pub month: Option<NaiveDate>,
    /// The database whose receipts go; `None` if it cannot be told from others, or an earlier program wrote the tombstone.
    pub database: Option<Database>,
}

impl Tombstone {
    /// Whether it covers a window.
    pub fn covers(&self, window: Window) -> bool {
        self.days()
            .is_none_or(|(first, end)| first <= window.stored_start() && window.stored_start() < end)
    }

    /// The month's first day and the day after its last.
    pub fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let first = self.month?.with_day(1)?;
        Some((first, first.checked_add_months(Months::new(1))?))
    }
}

/// A change to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A table, which replaces the one of its name.
    Table(TableRecord),
    /// A window, which replaces the one of its dates.
    Window {
        /// Its table.
        table: String,
        /// Its new record.
        record: WindowRecord,
    },
    /// A chunk, which replaces the one of its ordinal.
    Chunk {
        /// Its table.
        table: String,
        /// Its window.
        window: Window,
        /// Its new record.
        chunk: Chunk,
    },
    /// The removal of a chunk.
    RemoveChunk {
        /// Its table.
        table: String,
        /// Its window.
        window: Window,
        /// Its number.
        ordinal: u32,
    },
    /// The removal of a window and its chunks.
    RemoveWindow {
        /// Its table.
        table: String,
        /// The window.
        window: Window,
    },
    /// A window whose row counts were found equal at both ends.
    FoundEqual {
        /// Its table.
        table: String,
        /// The window.
        window: Window,
        /// The finding.
        found: FoundEqual,
    },
    /// The number of rows that left a table's target and could not be followed, from the target's plan.
    Unfollowed {
        /// The table.
        table: String,
        /// The number of rows.
        rows: u64,
    },
    /// The store agrees with all receipts of a table.
    InStep {
        /// The table.
        table: String,
        /// The moment of it.
        at: InStep,
    },
    /// A pass, which replaces the one of its identity.
    Pass(Pass),
    /// The removal of the pass of this identity.
    RemovePass(u128),
    /// A chunk that a pass found to be the same.
    Checked {
        /// Its table.
        table: String,
        /// Its window.
        window: Window,
        /// Its number.
        ordinal: u32,
        /// The pass.
        pass: u128,
        /// The load of the chunk.
        load_id: u128,
    },
    /// The removal of what passes found of a table's chunks: rows may have moved among them since.
    Unchecked {
        /// The table.
        table: String,
    },
    /// The differences that a pass leaves, which replace those of before.
    Differing {
        /// The pass.
        pass: u128,
        /// The differences.
        all: Vec<Differing>,
    },
    /// A run, which replaces the one of its identity.
    Run(RunRecord),
    /// What a run asked of its source for a table, which replaces what was kept of it. The accounts of the last runs are
    /// kept.
    Account {
        /// The run.
        run_id: u128,
        /// The number of the account among those of the run. 0 is of no table.
        number: u32,
        /// The account.
        account: Account,
    },
    /// A commit of a chunk, which replaces what was kept of the one before, and adds to the times of the stages.
    Timing {
        /// Its table.
        table: String,
        /// Its window.
        window: Window,
        /// Its number.
        ordinal: u32,
        /// The commit.
        timing: ChunkTiming,
    },
    /// A difference was found in a table: rows that were read back, or compared again, were not those of the source.
    Mismatched {
        /// The table.
        table: String,
    },
    /// How fast the last run loaded that loaded much.
    LoadRate(LoadRate),
    /// The tables that the last run was asked for.
    Asked(Asked),
    /// The number of rows that a table will have as a whole; `None` if it is not known.
    Expected {
        /// The table.
        table: String,
        /// The number of rows, by the server's estimate.
        rows: Option<u64>,
    },
    /// A run could not finish a table.
    Refused(Refusal),
    /// A run works on a table, and nothing speaks against it any more. What was refused of other dates stays to be told.
    Accepted {
        /// The table.
        table: String,
        /// The dates of the run; `None` for a reference table.
        range: Option<DateRange>,
    },
    /// A month of a table was forgotten: of a store that is remade.
    ForgottenMonth(ForgottenMonth),
    /// An end that a run has worked with, which replaces the one before.
    Reached {
        /// Which of the two.
        end: End,
        /// What identifies it: server, port, database and login.
        fingerprint: [u8; 32],
    },
    /// The server that a run waits for; `None` ends the wait.
    Waiting(Option<Waiting>),
    /// What all reads of the source wait for; `None` ends the wait.
    Held(Option<Hold>),
    /// A decision of the governor, of which the last ones are kept.
    Decided(Decision),
    /// The intent to forget a table, or a month of it.
    Forget(Tombstone),
    /// The end of a `forget`: removes the chunks, the windows and the tombstone, and for a whole table its record.
    Forgotten(Tombstone),
}

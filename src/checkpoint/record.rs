//! What the store holds, as the program uses it.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Utc};

use crate::model::chunk::{Chunk, ChunkState};
use crate::model::plan::AccessPath;
use crate::model::window::{DateRange, Window};

/// A table as a run planned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRecord {
    /// Its name in the configuration.
    pub name: String,
    /// `schema.name` at the source.
    pub source: String,
    /// `schema.name` at the target.
    pub target: String,
    /// What must not change between runs, by name.
    pub fingerprint: Vec<(String, String)>,
    /// How its windows are walked.
    pub access_path: AccessPath,
    /// What an operator should know of it.
    pub notes: Vec<String>,
}

/// Where a window stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowState {
    /// Known; chunks of it may be verified.
    Planned,
    /// A run is at it, or was when it was killed.
    Loading,
    /// All that was old enough is verified; its end is still to come.
    Open,
    /// All of it is verified.
    Complete,
    /// It failed; the other windows went on.
    Failed,
    /// A chunk of it differed when it was read back.
    Mismatched,
}

impl WindowState {
    /// Its name, as status has it.
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
    /// Where it stands.
    pub state: WindowState,
    /// Why it failed or differed.
    pub error: Option<String>,
    /// When this was written.
    pub updated_at: DateTime<Utc>,
}

/// What a window's chunks come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Chunks of any state.
    pub chunks: u64,
    /// Verified ones.
    pub verified: u64,
    /// Failed ones.
    pub failed: u64,
    /// Mismatched ones.
    pub mismatched: u64,
    /// Stale ones.
    pub stale: u64,
    /// Rows of the verified ones.
    pub rows: u64,
    /// Canonical bytes of the verified ones.
    pub bytes: u64,
}

/// A load's mark: the first four bytes of its identity as a signed integer, which is what a server makes of
/// `CAST(SUBSTRING(load_id, 1, 4) AS int)`. The sum of a window's marks tells, together with its counts, whether
/// store and target have the same chunks, without reading them.
pub fn load_mark(load_id: u128) -> i64 {
    let [a, b, c, d, ..] = load_id.to_be_bytes();
    i64::from(i32::from_be_bytes([a, b, c, d]))
}

impl Counts {
    /// Chunks that were loaded once, or tried: what is known of a window although the target may have lost it.
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
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it runs, and for ever when it was killed.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub exit_code: Option<u8>,
    /// The dates it was asked for.
    pub range: DateRange,
    /// Why it ended, where that was an error.
    pub error: Option<String>,
}

/// A server that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// When it was first missed.
    pub since: DateTime<Utc>,
    /// When it is tried again.
    pub next_try_at: DateTime<Utc>,
    /// What it was missed by, without row values.
    pub error: String,
}

/// That a window's row counts were equal at both ends. It holds as long as the window's receipts come to the same: a
/// window that was loaded again, or whose target was restored, is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundEqual {
    /// The source's time at which they were.
    pub at: NaiveDateTime,
    /// Receipts of the window then.
    pub chunks: u64,
    /// Their rows.
    pub rows: u64,
    /// The sum of their load marks.
    pub marks: i64,
}

/// One going through the verified chunks, to compare them again. It may take several commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Its identity.
    pub id: u128,
    /// Whether the source is compared, too.
    pub source: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it is under way or was cut short.
    pub ended_at: Option<DateTime<Utc>>,
    /// Chunks found to be the same, or loaded again by it.
    pub same: u64,
    /// Chunks found to differ that were not repaired.
    pub differing: u64,
}

/// What is to be forgotten of a table: written before anything is, so that a forgetting that is cut short is
/// finished later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The table's name in the configuration.
    pub table: String,
    /// The target tables whose receipts go, as receipts name them.
    pub targets: Vec<String>,
    /// The first day of the month that is forgotten; `None` for all of the table, its plan included.
    pub month: Option<NaiveDate>,
}

impl Tombstone {
    /// Whether a window is among what is forgotten.
    pub fn covers(&self, window: Window) -> bool {
        self.days()
            .is_none_or(|(first, end)| first <= window.start() && window.start() < end)
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
    /// A table, written over the one of its name.
    Table(TableRecord),
    /// A window, written over the one of its dates.
    Window {
        /// Its table.
        table: String,
        /// What it is now.
        record: WindowRecord,
    },
    /// A chunk, written over the one of its ordinal.
    Chunk {
        /// Its table.
        table: String,
        /// Its window.
        window: Window,
        /// What it is now.
        chunk: Chunk,
    },
    /// A chunk that is no more.
    RemoveChunk {
        /// Its table.
        table: String,
        /// Its window.
        window: Window,
        /// Its number.
        ordinal: u32,
    },
    /// A window that is no more, with its chunks.
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
        /// When, and what that rests on.
        found: FoundEqual,
    },
    /// How many rows left a table's target and cannot be followed to where they are now, as the target's plan tells.
    Unfollowed {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// The comparing again that began last.
    Pass(Pass),
    /// A chunk that was found to be the same.
    Checked {
        /// Its table.
        table: String,
        /// Its window.
        window: Window,
        /// Its number.
        ordinal: u32,
        /// By which pass.
        pass: u128,
        /// The load that it is of.
        load_id: u128,
    },
    /// A run, written over the one of its identity.
    Run(RunRecord),
    /// A run has worked with both of these servers.
    Reached {
        /// Where the source is.
        source: String,
        /// Where the target is.
        target: String,
    },
    /// A server is waited for, or no more.
    Waiting(Option<Waiting>),
    /// A table, or a month of it, is to be forgotten.
    Forget(Tombstone),
    /// It is forgotten: its chunks, windows and, where it is a whole table, its record go, and the tombstone.
    Forgotten(Tombstone),
}

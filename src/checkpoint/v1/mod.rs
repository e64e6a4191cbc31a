//! Version 1 of every value, frozen: a changed field needs a new version beside it, never an edit.
//!
//! A choice may get one more number at its end, which no byte that was written before has. An older program refuses a
//! value with that number.

mod account;
mod pace;
mod stages;
mod tombstone;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::record;
use crate::model::chunk;
use crate::model::chunk::{ChunkState, KeyBytes, KeyRange};
use crate::model::row::{Digest, Tally};
use crate::model::window::DateRange;
pub(super) use account::Account;
pub(super) use pace::{Decision, Hold};
pub(super) use stages::{ChunkTiming, StageTimes};
pub(super) use tombstone::{ForgettingIn, Tombstone};

#[derive(Serialize, Deserialize)]
enum AccessPath {
    Date,
    DayWalk,
    Key,
    Walk,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Table {
    name: String,
    source: String,
    target: String,
    fingerprint: Vec<(String, String)>,
    access_path: AccessPath,
    /// Unused, because rows without a date have a window of their own.
    undated_rows: Option<u64>,
    notes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum WindowState {
    Planned,
    Loading,
    Open,
    Complete,
    Failed,
    Mismatched,
}

/// A window's dates: the first day, and the day after the last. The two windows without dates have days outside any
/// month.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "(NaiveDate, NaiveDate)", into = "(NaiveDate, NaiveDate)")]
struct Dates(crate::model::window::Window);

impl TryFrom<(NaiveDate, NaiveDate)> for Dates {
    type Error = crate::base::error::Error;
    fn try_from((start, end): (NaiveDate, NaiveDate)) -> Result<Self, Self::Error> {
        crate::model::window::Window::from_stored(start, end).map(Dates)
    }
}

impl From<Dates> for (NaiveDate, NaiveDate) {
    fn from(dates: Dates) -> Self {
        dates.0.to_stored()
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Window {
    window: Dates,
    state: WindowState,
    error: Option<String>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Counts {
    chunks: u64,
    verified: u64,
    failed: u64,
    mismatched: u64,
    stale: u64,
    rows: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
enum State {
    Planned,
    Extracted,
    Loaded,
    Verified,
    Failed,
    Mismatched,
    Stale,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Chunk {
    ordinal: u32,
    after: Option<Vec<u8>>,
    through: Option<Vec<u8>>,
    state: State,
    row_count: u64,
    byte_count: u64,
    digest: [u8; 32],
    attempts: u32,
    error: Option<String>,
    load_id: u128,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Run {
    run_id: u128,
    pid: u32,
    host: String,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    exit_code: Option<u8>,
    first: NaiveDate,
    end: NaiveDate,
    error: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LoadRate {
    at: DateTime<Utc>,
    rows: u64,
    elapsed_ms: u64,
}

/// The sum of the load marks of a window's verified chunks.
#[derive(Serialize, Deserialize)]
pub(super) struct Marks {
    pub(super) sum: i64,
}

/// The mark of a chunk that a pass found to be the same.
#[derive(Serialize, Deserialize)]
pub(super) struct Checked {
    pub(super) pass: u128,
    pub(super) load_id: u128,
}

/// A pass without its scope, as the first programs wrote it. It is read, and no longer written.
#[derive(Serialize, Deserialize)]
pub(super) struct Pass {
    id: u128,
    source: bool,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    same: u64,
    differing: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ScopedPass {
    id: u128,
    source: bool,
    tables: Option<Vec<String>>,
    /// The first day, and the day after the last.
    range: Option<(NaiveDate, NaiveDate)>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    same: u64,
    differing: u64,
    left_out: u64,
}

/// A moment at which the store agreed with all receipts of a table.
#[derive(Serialize, Deserialize)]
pub(super) struct InStep {
    pub(super) epoch: i64,
    pub(super) object_id: i32,
    pub(super) created: String,
}

/// Chunks and windows that a pass has repaired.
#[derive(Serialize, Deserialize)]
pub(super) struct Repaired {
    pub(super) count: u64,
}

/// The time at which a window was found equal, and the sums of the receipts that this rests on.
#[derive(Serialize, Deserialize)]
pub(super) struct FoundEqual {
    at: NaiveDateTime,
    chunks: u64,
    rows: u64,
    marks: i64,
}

/// The number of differences that were found in a table.
#[derive(Serialize, Deserialize)]
pub(super) struct Mismatches {
    pub(super) count: u64,
}

/// The number of rows that left a table's target and could not be followed.
#[derive(Serialize, Deserialize)]
pub(super) struct Unfollowed {
    pub(super) rows: u64,
}

/// The addresses of the two ends that a run of an earlier program has worked with.
#[derive(Serialize, Deserialize)]
pub(super) struct ReachedAddresses {
    pub(super) source: String,
    pub(super) target: String,
}

/// An end that a run has worked with: what identifies its server, port, database and login.
#[derive(Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) fingerprint: [u8; 32],
}

#[derive(Serialize, Deserialize)]
pub(super) struct Waiting {
    since: DateTime<Utc>,
    next_try_at: DateTime<Utc>,
    error: String,
}

/// The last process that opened the store for writing.
#[derive(Serialize, Deserialize)]
pub(super) struct Writer {
    pub(super) pid: u32,
}

/// A difference that a pass left.
#[derive(Serialize, Deserialize)]
pub(super) struct Differing {
    table: String,
    window: Dates,
    ordinal: Option<u32>,
    load_id: u128,
}

/// The tables that a run was asked for.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    run_id: u128,
    tables: Vec<String>,
}

/// The reason why a table could not be finished.
#[derive(Serialize, Deserialize)]
pub(super) struct Refusal {
    table: String,
    at: DateTime<Utc>,
    error: String,
    first: NaiveDate,
    end: NaiveDate,
}

/// The number of rows that a table will have.
#[derive(Serialize, Deserialize)]
pub(super) struct Expected {
    pub(super) rows: u64,
}

/// A month that was loaded and then forgotten.
#[derive(Serialize, Deserialize)]
pub(super) struct ForgottenMonth {
    table: String,
    month: NaiveDate,
}

/// Converts between two enums of the same variants.
macro_rules! same_variants {
    ($ours:ty, $theirs:ty, $($variant:ident),+) => {
        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                match value { $(<$ours>::$variant => Self::$variant),+ }
            }
        }
        impl From<$theirs> for $ours {
            fn from(value: $theirs) -> Self {
                match value { $(<$theirs>::$variant => Self::$variant),+ }
            }
        }
    };
}

use same_variants;

same_variants!(
    AccessPath,
    crate::model::plan::AccessPath,
    Date,
    DayWalk,
    Key,
    Walk
);
same_variants!(
    WindowState,
    record::WindowState,
    Planned,
    Loading,
    Open,
    Complete,
    Failed,
    Mismatched
);
same_variants!(
    State, ChunkState, Planned, Extracted, Loaded, Verified, Failed, Mismatched, Stale
);

/// Converts between two structs of the same fields.
macro_rules! same_fields {
    ($ours:ty, $theirs:ty, $($field:ident),+) => {
        impl From<&$theirs> for $ours {
            fn from(value: &$theirs) -> Self {
                let value = value.clone();
                Self { $($field: value.$field),+ }
            }
        }
        impl From<$ours> for $theirs {
            fn from(stored: $ours) -> Self {
                Self { $($field: stored.$field),+ }
            }
        }
    };
}

use same_fields;

same_fields!(
    Counts,
    record::Counts,
    chunks,
    verified,
    failed,
    mismatched,
    stale,
    rows,
    bytes
);
same_fields!(LoadRate, record::LoadRate, at, rows, elapsed_ms);
same_fields!(Waiting, record::Waiting, since, next_try_at, error);
same_fields!(FoundEqual, record::FoundEqual, at, chunks, rows, marks);
same_fields!(Asked, record::Asked, run_id, tables);
same_fields!(Refusal, record::Refusal, table, at, error, first, end);
same_fields!(ForgottenMonth, record::ForgottenMonth, table, month);

impl From<&record::Differing> for Differing {
    fn from(record: &record::Differing) -> Self {
        Differing {
            table: record.table.clone(),
            window: Dates(record.window),
            ordinal: record.ordinal,
            load_id: record.load_id,
        }
    }
}

impl From<Differing> for record::Differing {
    fn from(stored: Differing) -> Self {
        record::Differing {
            table: stored.table,
            window: stored.window.0,
            ordinal: stored.ordinal,
            load_id: stored.load_id,
        }
    }
}

impl From<&record::TableRecord> for Table {
    fn from(record: &record::TableRecord) -> Self {
        let record = record.clone();
        Table {
            name: record.name,
            source: record.source,
            target: record.target,
            fingerprint: record.fingerprint,
            access_path: record.access_path.into(),
            undated_rows: None,
            notes: record.notes,
        }
    }
}

impl From<Table> for record::TableRecord {
    fn from(stored: Table) -> Self {
        record::TableRecord {
            name: stored.name,
            source: stored.source,
            target: stored.target,
            fingerprint: stored.fingerprint,
            access_path: stored.access_path.into(),
            notes: stored.notes,
        }
    }
}

impl From<&record::WindowRecord> for Window {
    fn from(record: &record::WindowRecord) -> Self {
        Window {
            window: Dates(record.window),
            state: record.state.into(),
            error: record.error.clone(),
            updated_at: record.updated_at,
        }
    }
}

impl From<Window> for record::WindowRecord {
    fn from(stored: Window) -> Self {
        record::WindowRecord {
            window: stored.window.0,
            state: stored.state.into(),
            error: stored.error,
            updated_at: stored.updated_at,
        }
    }
}

impl From<&chunk::Chunk> for Chunk {
    fn from(chunk: &chunk::Chunk) -> Self {
        let key = |key: &Option<KeyBytes>| key.clone().map(|key| key.0);
        Chunk {
            ordinal: chunk.ordinal,
            after: key(&chunk.range.after),
            through: key(&chunk.range.through),
            state: chunk.state.into(),
            row_count: chunk.tally.row_count,
            byte_count: chunk.tally.byte_count,
            digest: chunk.tally.digest.to_bytes(),
            attempts: chunk.attempts,
            error: chunk.error.clone(),
            load_id: chunk.load_id,
        }
    }
}

impl From<Chunk> for chunk::Chunk {
    fn from(stored: Chunk) -> Self {
        chunk::Chunk {
            ordinal: stored.ordinal,
            range: KeyRange {
                after: stored.after.map(KeyBytes),
                through: stored.through.map(KeyBytes),
            },
            state: stored.state.into(),
            tally: Tally {
                row_count: stored.row_count,
                byte_count: stored.byte_count,
                digest: Digest::from_bytes(&stored.digest),
            },
            attempts: stored.attempts,
            error: stored.error,
            load_id: stored.load_id,
        }
    }
}

impl From<&record::RunRecord> for Run {
    fn from(run: &record::RunRecord) -> Self {
        Run {
            run_id: run.run_id,
            pid: run.pid,
            host: run.host.clone(),
            started_at: run.started_at,
            ended_at: run.ended_at,
            exit_code: run.exit_code,
            first: run.range.start,
            end: run.range.end,
            error: run.error.clone(),
        }
    }
}

impl From<Run> for record::RunRecord {
    fn from(stored: Run) -> Self {
        record::RunRecord {
            run_id: stored.run_id,
            pid: stored.pid,
            host: stored.host,
            started_at: stored.started_at,
            ended_at: stored.ended_at,
            exit_code: stored.exit_code,
            range: DateRange {
                start: stored.first,
                end: stored.end,
            },
            error: stored.error,
        }
    }
}

impl From<Pass> for record::Pass {
    fn from(stored: Pass) -> Self {
        record::Pass {
            id: stored.id,
            source: stored.source,
            scope: record::PassScope::default(),
            started_at: stored.started_at,
            ended_at: stored.ended_at,
            same: stored.same,
            differing: stored.differing,
            repaired: 0,
            left_out: 0,
        }
    }
}

impl From<&record::Pass> for ScopedPass {
    fn from(pass: &record::Pass) -> Self {
        let record::Pass {
            id,
            source,
            scope,
            started_at,
            ended_at,
            same,
            differing,
            repaired: _,
            left_out,
        } = pass.clone();
        ScopedPass {
            id,
            source,
            tables: scope.tables,
            range: scope.range.map(|range| (range.start, range.end)),
            started_at,
            ended_at,
            same,
            differing,
            left_out,
        }
    }
}

impl From<ScopedPass> for record::Pass {
    fn from(stored: ScopedPass) -> Self {
        record::Pass {
            id: stored.id,
            source: stored.source,
            scope: record::PassScope {
                tables: stored.tables,
                range: stored.range.map(|(start, end)| DateRange { start, end }),
            },
            started_at: stored.started_at,
            ended_at: stored.ended_at,
            same: stored.same,
            differing: stored.differing,
            repaired: 0,
            left_out: stored.left_out,
        }
    }
}

#[cfg(test)]
mod tests;

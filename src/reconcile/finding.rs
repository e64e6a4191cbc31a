//! The options of a comparison, and its findings.

use chrono::{DateTime, Utc};

use crate::base::exit_code::ExitCode;
use crate::model::account::Account;
use crate::model::table::Identifier;
use crate::model::window::{DateRange, Window};
use crate::reconcile::compare::Difference;

/// The options of a comparison.
#[derive(Debug, Clone)]
pub struct ReconcileOptions {
    /// Whether the source's present rows are compared, too.
    pub source: bool,
    /// Whether chunks that differ are loaded again.
    pub repair: bool,
    /// Compares only windows with one of these days, and the windows without dates.
    pub range: Option<DateRange>,
    /// Compares only these tables.
    pub tables: Option<Vec<Identifier>>,
    /// Tables whose brake is off: any number of rows may leave them.
    pub allow_deletes: Vec<Identifier>,
    /// The number of parallel windows, instead of the configuration's.
    pub max_workers: Option<usize>,
    /// Whether the source is read outside of its hours, too.
    pub ignore_hours: bool,
}

/// The subject of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A chunk that has a receipt.
    Chunk,
    /// A chunk that the store holds verified and the target has no receipt of.
    Lost,
    /// Receipts are missing before a chunk, and the store does not know those chunks.
    Gap,
    /// A window whose end has passed, but whose last receipt stops at a key.
    Unfinished,
    /// Rows of a window at the target outside the range of every receipt.
    Uncovered,
}

/// A chunk or a window that differs.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its table.
    pub table: String,
    /// Its window.
    pub window: Window,
    /// The chunk's number; `None` if the finding is about the window.
    pub ordinal: Option<u32>,
    /// Its subject.
    pub about: About,
    /// Its difference.
    pub difference: Difference,
    /// The load that the chunk's receipt is of; `None` without one.
    pub load_id: Option<u128>,
    /// Whether it was loaded again and is verified now.
    pub repaired: bool,
}

/// The result of a table's comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableCompared {
    /// Its name.
    pub name: String,
    /// What was found.
    pub state: TableState,
    /// Chunks that were compared, by this command or an earlier one of the same pass.
    pub chunks: u64,
    /// The rows of those that this command compared, by their receipts.
    pub rows: u64,
}

/// What a comparison found of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableState {
    /// All that was compared is as it was verified.
    Same,
    /// Something differs.
    Differing,
    /// What differed was loaded again.
    Repaired,
    /// Nothing of it, or of the dates that were asked for, is loaded.
    NothingLoaded,
    /// It could not be compared.
    LeftOut,
}

impl TableState {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            TableState::Same => "same",
            TableState::Differing => "differing",
            TableState::Repaired => "repaired",
            TableState::NothingLoaded => "nothing loaded",
            TableState::LeftOut => "left out",
        }
    }
}

/// The result of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Reconciled {
    /// Whether the source was compared, too.
    pub source: bool,
    /// Whether all dates were asked for.
    pub is_whole: bool,
    /// The tables that the command came to, in its order.
    pub tables: Vec<TableCompared>,
    /// The chunks that this command compared.
    pub chunks: u64,
    /// Their rows, by their receipts.
    pub rows: u64,
    /// Chunks that an earlier command of the same pass found to be the same.
    pub chunks_before: u64,
    /// The time since which these were compared; `None` without any.
    pub since: Option<DateTime<Utc>>,
    /// The chunks and windows that differ.
    pub findings: Vec<Finding>,
    /// The tables that could not be compared or repaired, each with the reason.
    pub left_out: Vec<String>,
    /// Whether one of these was left out because its plan has changed.
    pub has_changed: bool,
    /// Whether the command was asked to stop.
    pub stopped: bool,
    /// What was asked of the source, a table; the first entry is of no table.
    pub accounts: Vec<Account>,
}

impl Reconciled {
    /// Nothing is compared yet.
    pub(super) fn begun(options: &ReconcileOptions) -> Reconciled {
        Reconciled {
            source: options.source,
            is_whole: options.range.is_none(),
            ..Reconciled::default()
        }
    }

    /// The exit code of the command.
    pub fn exit(&self) -> ExitCode {
        if self.findings.iter().any(|finding| !finding.repaired) {
            ExitCode::Mismatch
        } else if self.has_changed {
            ExitCode::State
        } else if self.stopped || !self.left_out.is_empty() || self.is_empty() {
            ExitCode::Incomplete
        } else {
            ExitCode::Done
        }
    }

    /// Whether no chunk was compared and nothing was found. Such a result proves nothing.
    pub fn is_empty(&self) -> bool {
        self.chunks + self.chunks_before == 0 && self.findings.is_empty()
    }

    /// The number of tables that were compared.
    pub fn tables_compared(&self) -> u64 {
        let states = self.tables.iter().map(|table| table.state);
        let compared =
            states.filter(|state| !matches!(state, TableState::NothingLoaded | TableState::LeftOut));
        compared.count() as u64
    }

    /// What was found of the table that this is about alone.
    pub(super) fn state(&self) -> TableState {
        if self.is_empty() {
            TableState::NothingLoaded
        } else if self.findings.iter().any(|finding| !finding.repaired) {
            TableState::Differing
        } else if self.findings.is_empty() {
            TableState::Same
        } else {
            TableState::Repaired
        }
    }

    /// The number of compared chunks that differ.
    pub(super) fn differing(&self) -> u64 {
        let chunks = self.findings.iter();
        chunks.filter(|finding| finding.about == About::Chunk).count() as u64
    }
}

//! What is compared, and what was found.

use crate::base::exit_code::ExitCode;
use crate::model::table::Identifier;
use crate::model::window::{DateRange, Window};
use crate::reconcile::compare::Difference;

/// What is to be compared.
#[derive(Debug, Clone)]
pub struct ReconcileOptions {
    /// Whether the source's rows of today are compared, too.
    pub source: bool,
    /// Whether chunks that differ are loaded again.
    pub repair: bool,
    /// Only windows with a day of these, and those without dates.
    pub range: Option<DateRange>,
    /// Only these tables.
    pub tables: Option<Vec<Identifier>>,
    /// Tables that any number of rows may leave.
    pub allow_deletes: Vec<Identifier>,
    /// Windows at once, instead of the configuration's.
    pub max_workers: Option<usize>,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A chunk that has a receipt.
    Chunk,
    /// A chunk that the store holds verified and the target has no receipt of.
    Lost,
    /// Receipts that are missing before a chunk, of which the store does not know.
    Gap,
    /// A window whose end has passed and whose last receipt ends at a key.
    Unfinished,
    /// Rows of a window at the target that are in no receipt's range.
    Uncovered,
}

/// A chunk that differs, or a window that does.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its table.
    pub table: String,
    /// Its window.
    pub window: Window,
    /// The chunk's number; `None` where it is about the window.
    pub ordinal: Option<u32>,
    /// What it is about.
    pub about: About,
    /// In what.
    pub difference: Difference,
    /// Whether it was loaded again and is verified now.
    pub repaired: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Reconciled {
    /// Whether the source was compared, too.
    pub source: bool,
    /// Tables that were compared.
    pub tables: u64,
    /// Chunks compared by this command.
    pub chunks: u64,
    /// Their rows, by their receipts.
    pub rows: u64,
    /// Chunks that an earlier command of the same pass found to be the same.
    pub chunks_before: u64,
    /// What differs.
    pub findings: Vec<Finding>,
    /// What could not be compared, or repaired, and why.
    pub left_out: Vec<String>,
    /// Whether it was asked to stop.
    pub stopped: bool,
}

impl Reconciled {
    /// How the command ends.
    pub fn exit(&self) -> ExitCode {
        if self.findings.iter().any(|finding| !finding.repaired) {
            ExitCode::Mismatch
        } else if self.stopped || !self.left_out.is_empty() || self.is_empty() {
            ExitCode::Incomplete
        } else {
            ExitCode::Done
        }
    }

    /// Whether no chunk was compared and nothing was found: that proves nothing.
    pub fn is_empty(&self) -> bool {
        self.chunks + self.chunks_before == 0 && self.findings.is_empty()
    }

    /// Compared chunks that differ.
    pub(super) fn differing(&self) -> u64 {
        let chunks = self.findings.iter();
        chunks.filter(|finding| finding.about == About::Chunk).count() as u64
    }
}

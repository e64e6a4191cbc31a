//! The facts that `sync status` reads from the checkpoint file, for its text and its JSON.

use crate::checkpoint::{Counts, Pass, RunRecord, Tombstone, Waiting};

/// All that `sync status` shows, as text or as JSON.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub(super) tables: Vec<TableStatus>,
    pub(super) run: Option<RunStatus>,
    /// What an interrupted `sync forget` has left to do.
    pub(super) forgetting: Vec<Tombstone>,
    /// The passes of `sync reconcile` that are kept, the latest last.
    pub(super) passes: Vec<Pass>,
}

#[derive(Debug, Default)]
pub(super) struct TableStatus {
    pub(super) name: String,
    pub(super) mode: String,
    pub(super) notes: Vec<String>,
    /// Rows that left the target table and could not be followed.
    pub(super) unfollowed: u64,
    pub(super) windows: Vec<WindowStatus>,
}

#[derive(Debug)]
pub(super) struct WindowStatus {
    pub(super) window: String,
    /// Its first day and the day after its last; `None` without dates.
    pub(super) dates: Option<(String, String)>,
    pub(super) state: &'static str,
    pub(super) error: Option<String>,
    pub(super) counts: Counts,
}

#[derive(Debug)]
pub(super) struct RunStatus {
    pub(super) record: RunRecord,
    pub(super) running: bool,
    /// The outage that the run waits out.
    pub(super) waiting: Option<Waiting>,
}

fn sum(all: impl Iterator<Item = Counts>) -> Counts {
    all.fold(Counts::default(), |mut sum, counts| {
        sum.chunks += counts.chunks;
        sum.verified += counts.verified;
        sum.failed += counts.failed;
        sum.mismatched += counts.mismatched;
        sum.stale += counts.stale;
        sum.rows += counts.rows;
        sum.bytes += counts.bytes;
        sum
    })
}

impl TableStatus {
    pub(super) fn counts(&self) -> Counts {
        sum(self.windows.iter().map(|window| window.counts))
    }
}

impl Status {
    pub(super) fn totals(&self) -> Counts {
        sum(self.tables.iter().map(TableStatus::counts))
    }
}

//! The progress of a window by its receipts, and the check by sums alone that receipts and checkpoints agree.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::error::Result;
use crate::checkpoint::{Store, View};
use crate::model::chunk::{Chunk, ChunkState, KeyBytes};
use crate::model::plan::TablePlan;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::target::receipt::{self, Sums};
use crate::target::table::Target;

/// The point at which a window resumes.
#[derive(Debug, Clone)]
pub struct Next {
    /// The next chunk's number.
    pub ordinal: u32,
    /// The last key before it.
    pub after: Option<KeyBytes>,
}

/// The progress of a window whose receipts and checkpoints agree; `None` if they do not.
pub(super) fn in_step(
    view: &View<'_>,
    plan: &TablePlan,
    window: Window,
    sums: &Sums,
) -> Result<Option<Reached>> {
    let name = plan.name.as_str();
    let counts = view.counts(name, window)?;
    let agree = [sums.verified, sums.here, counts.chunks, counts.verified]
        .iter()
        .all(|count| *count == sums.chunks)
        && (sums.rows, sums.bytes) == (counts.rows, counts.bytes)
        && sums.marks == view.marks(name, window)?;
    // The chunks must be gapless, too: a chunk that somebody deleted from both sides leaves a hole.
    let last = view
        .last_chunk(name, window)?
        .filter(|last| agree && u64::from(last.ordinal) + 1 == sums.chunks);
    Ok(last.map(|last| Reached {
        redo: Vec::new(),
        next: following(&last),
        rest: false,
        verified_rows: sums.rows,
    }))
}

/// Whether the sums of receipts and checkpoints agree for all windows of a table, those of `except` aside.
/// Then the target has lost nothing since the last comparison, and nothing has become stale. Asks the target
/// for sums only.
///
/// # Errors
/// As [`super::Comparison::run`].
pub async fn is_in_step(
    session: &mut Session,
    store: &Store,
    plan: &TablePlan,
    target: &Target,
    except: &BTreeSet<Window>,
) -> Result<bool> {
    let sums = receipt::sums(session, &plan.target, &target.incarnation).await?;
    let view = store.view()?;
    for (window, sums) in &sums {
        if !except.contains(window) && in_step(&view, plan, *window, sums)?.is_none() {
            return Ok(false);
        }
    }
    let lost = without_receipts(&view, plan, &sums)?;
    Ok(lost.iter().all(|window| except.contains(window)))
}

/// Windows that the store has chunks of and the target no receipt for, unless another window has taken their
/// days meanwhile. Includes windows whose chunks became stale, or failed to load, since that was noticed.
/// Only the table in place tells the rows of a reference table, so its window is left out.
pub(super) fn without_receipts(
    view: &View<'_>,
    plan: &TablePlan,
    sums: &BTreeMap<Window, Sums>,
) -> Result<Vec<Window>> {
    let name = plan.name.as_str();
    let mut windows = Vec::new();
    for record in view.windows(name)? {
        let window = record.window;
        let taken = sums.keys().any(|other| window.overlaps(*other));
        if window != Window::All && !taken && view.counts(name, window)?.remembered() > 0 {
            windows.push(window);
        }
    }
    Ok(windows)
}

/// The progress of a window.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) redo: Vec<Chunk>,
    pub(super) next: Option<Next>,
    /// Whether the window has more rows, which this run does not read.
    pub(super) rest: bool,
    pub(super) verified_rows: u64,
}

impl Reached {
    /// The progress that the trimmed chunks of a window show.
    pub(super) fn by(chunks: Vec<Chunk>) -> Reached {
        let next = match chunks.last() {
            Some(last) => following(last),
            None => Some(Next {
                ordinal: 0,
                after: None,
            }),
        };
        let (verified, redo): (Vec<Chunk>, Vec<Chunk>) = chunks
            .into_iter()
            .partition(|chunk| chunk.state == ChunkState::Verified);
        Reached {
            redo,
            next,
            rest: false,
            verified_rows: verified.iter().map(|chunk| chunk.tally.row_count).sum(),
        }
    }
}

/// Whether chunks cover their window to its end and are all verified.
pub fn is_complete(chunks: &[Chunk]) -> bool {
    chunks.last().is_some_and(|chunk| chunk.range.through.is_none())
        && chunks.iter().all(|chunk| chunk.state == ChunkState::Verified)
}

/// The point at which a window resumes after a chunk; `None` after its last.
fn following(chunk: &Chunk) -> Option<Next> {
    chunk.range.through.clone().map(|key| Next {
        ordinal: chunk.ordinal + 1,
        after: Some(key),
    })
}

//! How far a window is, by its receipts; and whether receipts and checkpoints agree, by sums alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::error::Result;
use crate::checkpoint::Store;
use crate::model::chunk::{Chunk, ChunkState, KeyBytes};
use crate::model::plan::TablePlan;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::target::receipt::{self, Sums};
use crate::target::table::Target;

/// Where a window goes on.
#[derive(Debug, Clone)]
pub struct Next {
    /// The next chunk's number.
    pub ordinal: u32,
    /// The last key before it.
    pub after: Option<KeyBytes>,
}

/// How far a window is whose receipts and checkpoints agree; `None` where they do not.
pub(super) fn in_step(
    store: &Store,
    plan: &TablePlan,
    window: Window,
    sums: &Sums,
) -> Result<Option<Reached>> {
    let name = plan.name.as_str();
    let view = store.view()?;
    let counts = view.counts(name, window)?;
    let agree = [sums.verified, sums.here, counts.chunks, counts.verified]
        .iter()
        .all(|count| *count == sums.chunks)
        && (sums.rows, sums.bytes) == (counts.rows, counts.bytes)
        && sums.marks == view.marks(name, window)?;
    // Gapless, too: what hands took out of the middle of both is a hole.
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

/// Whether receipts and checkpoints of all windows of a table come to the same, but for those of `except`: nothing was
/// lost at the target since they were compared, and nothing has become stale. Asks the target for sums only.
///
/// # Errors
/// As [`Comparison::run`].
pub async fn is_in_step(
    session: &mut Session,
    store: &Store,
    plan: &TablePlan,
    target: &Target,
    except: &BTreeSet<Window>,
) -> Result<bool> {
    let sums = receipt::sums(session, &plan.target, &target.incarnation).await?;
    for (window, sums) in &sums {
        if !except.contains(window) && in_step(store, plan, *window, sums)?.is_none() {
            return Ok(false);
        }
    }
    let lost = without_receipts(store, plan, &sums)?;
    Ok(lost.iter().all(|window| except.contains(window)))
}

/// Windows that the store remembers chunks of and the target no receipt at all, unless another window has taken their days
/// meanwhile: also those that became stale, or failed to be loaded, since that was noticed. A reference table's rows are
/// told by the table in place alone.
pub(super) fn without_receipts(
    store: &Store,
    plan: &TablePlan,
    sums: &BTreeMap<Window, Sums>,
) -> Result<Vec<Window>> {
    let name = plan.name.as_str();
    let mut windows = Vec::new();
    let view = store.view()?;
    for record in view.windows(name)? {
        let window = record.window;
        let taken = sums.keys().any(|other| window.overlaps(*other));
        if window != Window::All && !taken && view.counts(name, window)?.remembered() > 0 {
            windows.push(window);
        }
    }
    Ok(windows)
}

/// How far a window is.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) redo: Vec<Chunk>,
    pub(super) next: Option<Next>,
    /// Whether it goes on, but not in this run.
    pub(super) rest: bool,
    pub(super) verified_rows: u64,
}

impl Reached {
    /// As the trimmed chunks of a window say.
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

/// Whether a window's chunks are all of it, and all verified.
pub fn is_complete(chunks: &[Chunk]) -> bool {
    chunks.last().is_some_and(|chunk| chunk.range.through.is_none())
        && chunks.iter().all(|chunk| chunk.state == ChunkState::Verified)
}

/// Where a window goes on after a chunk: nowhere, after its last.
fn following(chunk: &Chunk) -> Option<Next> {
    chunk.range.through.clone().map(|key| Next {
        ordinal: chunk.ordinal + 1,
        after: Some(key),
    })
}

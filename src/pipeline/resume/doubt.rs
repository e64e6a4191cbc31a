//! Receipts that are not believed: the store knows their loads otherwise.
//!
//! A receipt names its load by a random identity, so a store that has a checkpoint of the same load knows what the receipt
//! must say. One that says something else was changed by hand. A receipt of a load that the store does not know is
//! another run's, or of a backup that the target was restored from. The epoch tells which: when the store was last in step,
//! it knew all receipts of earlier epochs, and those that it does not know any more were replaced since.

use std::collections::BTreeMap;

use crate::base::error::Result;
use crate::base::text::counted;
use crate::checkpoint::{InStep, Store};
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::plan::TablePlan;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::target::lease::Lease;
use crate::target::receipt::{self, Incarnation, Receipt};
use crate::target::table::Target;

/// Why a receipt is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It says something else about its load than the store.
    Changed,
    /// It is of a load that was replaced, and so of a backup.
    Restored,
    /// It lacks the seal of `receipt_key`.
    Unsealed,
}

/// The epoch at which the store was last in step with the receipts of a table; `None` if it never was, or if the table
/// that now bears the name is another one, whose epochs have begun anew.
pub(crate) fn was_in_step(store: &Store, table: &str, incarnation: &Incarnation) -> Result<Option<i64>> {
    let at = store.view()?.in_step(table)?;
    let is_here = |at: &InStep| (at.object_id, &at.created) == (incarnation.object_id, &incarnation.created);
    Ok(at.filter(is_here).map(|at| at.epoch))
}

/// What the store knows of a window's loads.
pub(crate) struct Memory<'a> {
    loads: BTreeMap<u128, &'a Chunk>,
    verified: BTreeMap<u32, &'a Chunk>,
    /// The epoch at which the store was last in step with the table's receipts.
    in_step: Option<i64>,
}

impl<'a> Memory<'a> {
    /// Of the store's chunks of a window.
    pub(crate) fn of(chunks: &'a [Chunk], in_step: Option<i64>) -> Self {
        let verified = chunks.iter().filter(|chunk| chunk.state == ChunkState::Verified);
        Memory {
            loads: chunks.iter().map(|chunk| (chunk.load_id, chunk)).collect(),
            verified: verified.map(|chunk| (chunk.ordinal, chunk)).collect(),
            in_step,
        }
    }

    /// Why a receipt is not believed; `None` if it is. One that is stale needs no belief.
    pub(crate) fn doubt(&self, receipt: &Receipt) -> Option<Doubt> {
        let chunk = &receipt.chunk;
        if receipt.is_unsealed {
            return Some(Doubt::Unsealed);
        }
        if chunk.state != ChunkState::Verified {
            return None;
        }
        if let Some(known) = self.loads.get(&chunk.load_id) {
            let is_same = (&known.range, known.tally) == (&chunk.range, chunk.tally);
            return match known.state {
                ChunkState::Verified if is_same => None,
                ChunkState::Verified | ChunkState::Stale => Some(Doubt::Changed),
                // An attempt whose commit happened although its answer was lost.
                ChunkState::Planned
                | ChunkState::Extracted
                | ChunkState::Loaded
                | ChunkState::Failed
                | ChunkState::Mismatched => None,
            };
        }
        let in_step = self.in_step?;
        // Of the epoch itself it may be a load whose checkpoint a crash prevented, unless the store has one there.
        let is_replaced = receipt.epoch < in_step
            || (receipt.epoch == in_step && self.verified.contains_key(&chunk.ordinal));
        is_replaced.then_some(Doubt::Restored)
    }

    /// The chunk of a receipt that is not believed, to be loaded again. What hands changed keeps the range that the store
    /// knows.
    pub(crate) fn stale(&self, receipt: &Receipt) -> Chunk {
        let chunk = &receipt.chunk;
        let known = self.loads.get(&chunk.load_id).copied().unwrap_or(chunk);
        Chunk {
            ordinal: chunk.ordinal,
            state: ChunkState::Stale,
            ..known.clone()
        }
    }
}

/// Marks the receipts of windows that are not believed as stale, and returns the reasons. A comparison of rows with
/// receipts alone would find a restored target as good as new.
///
/// # Errors
/// `Busy` if the lease was lost; `State` if a receipt or a record is damaged; those of the session.
pub(crate) async fn disbelieve(
    session: &mut Session,
    store: &Store,
    lease: &Lease,
    (plan, target): (&TablePlan, &Target),
    windows: &[Window],
) -> Result<Vec<Doubt>> {
    let name = plan.name.as_str();
    let in_step = was_in_step(store, name, &target.incarnation)?;
    let mut doubts = Vec::new();
    for window in windows {
        let stored = store.chunks(name, *window)?;
        let memory = Memory::of(&stored, in_step);
        let mut ordinals = Vec::new();
        for receipt in receipt::read(session, &plan.target, *window).await? {
            if let Some(doubt) = memory.doubt(&receipt) {
                doubts.push(doubt);
                ordinals.push(receipt.chunk.ordinal);
            }
        }
        receipt::mark_all_stale(session, lease, *window, &ordinals).await?;
    }
    Ok(doubts)
}

/// The warnings about receipts of a table that are not believed.
pub(crate) fn warnings(table: &str, doubts: &[Doubt]) -> Vec<String> {
    let count = |doubt| doubts.iter().filter(|found| **found == doubt).count() as u64;
    let mut warnings = Vec::new();
    let changed = count(Doubt::Changed);
    if changed > 0 {
        warnings.push(format!(
            "Table {table}: the target's receipts of {} say something else than this state file knows of the same loads \
             (changed by hand, or of an older backup), so they are not believed; load what they cover again by `sync run`",
            counted(changed, "chunk")
        ));
    }
    let unsealed = count(Doubt::Unsealed);
    if unsealed > 0 {
        warnings.push(format!(
            "Table {table}: the target's receipts of {} lack the seal of receipt_key (made without this key, or changed by \
             hand), so they are not believed; load what they cover again by `sync run`",
            counted(unsealed, "chunk")
        ));
    }
    let restored = count(Doubt::Restored);
    if restored > 0 {
        warnings.push(format!(
            "Table {table}: the target was restored to a state of before an earlier run; its receipts of {} are of loads \
             that were replaced since, so they are not believed; load what they cover again by `sync run`",
            counted(restored, "chunk")
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chunk::KeyRange;
    use crate::model::row::Tally;

    fn chunk(ordinal: u32, load_id: u128, state: ChunkState) -> Chunk {
        Chunk {
            ordinal,
            range: KeyRange {
                after: None,
                through: None,
            },
            state,
            tally: Tally::default(),
            attempts: 1,
            error: None,
            load_id,
        }
    }

    fn receipt(chunk: Chunk, epoch: i64) -> Receipt {
        Receipt {
            window: Window::Undated,
            chunk,
            epoch,
            incarnation: Incarnation {
                object_id: 1,
                created: String::new(),
            },
            is_unsealed: false,
        }
    }

    #[test]
    fn a_receipt_that_says_something_else_than_the_store_is_doubted() {
        use ChunkState::*;
        for (known, doubt) in [
            (Verified, None),
            (Stale, Some(Doubt::Changed)),
            (Failed, None),
            (Extracted, None),
        ] {
            let stored = [chunk(0, 1, known)];
            let memory = Memory::of(&stored, Some(9));
            assert_eq!(memory.doubt(&receipt(chunk(0, 1, Verified), 1)), doubt, "{known}");
            assert_eq!(memory.doubt(&receipt(chunk(0, 1, Stale), 1)), None);
        }
        let stored = [chunk(0, 1, Verified)];
        let memory = Memory::of(&stored, None);
        let mut other = receipt(chunk(0, 1, Verified), 1);
        other.chunk.tally.row_count = 5;
        assert_eq!(memory.doubt(&other), Some(Doubt::Changed));
        assert_eq!(memory.stale(&other).tally.row_count, 0);
    }

    #[test]
    fn a_load_that_the_store_does_not_know_is_believed_if_it_is_younger() {
        let stored = [chunk(0, 1, ChunkState::Verified)];
        let of = |epoch, ordinal| receipt(chunk(ordinal, 2, ChunkState::Verified), epoch);
        let memory = Memory::of(&stored, Some(5));
        for (epoch, ordinal, doubt) in [
            (6, 0, None),
            (4, 0, Some(Doubt::Restored)),
            (4, 1, Some(Doubt::Restored)),
            (5, 0, Some(Doubt::Restored)),
            (5, 1, None),
        ] {
            assert_eq!(
                memory.doubt(&of(epoch, ordinal)),
                doubt,
                "epoch {epoch}, chunk {ordinal}"
            );
        }
        assert_eq!(Memory::of(&stored, None).doubt(&of(4, 0)), None);
    }
}

//! Receipts that are not believed: the store knows their loads otherwise.
//!
//! A receipt names its load by a random identity, so a store that has a checkpoint of the same load knows what the receipt
//! must say. One that says something else was changed by hand. A receipt of a load that the store does not know is
//! another run's, or of a backup that the target was restored from. The epoch tells which: when the store was last in step,
//! it knew all receipts of epochs until then, so one of them in whose place it has another load now was replaced. Pure.

use std::collections::BTreeMap;

use crate::base::error::Result;
use crate::base::text::counted;
use crate::checkpoint::{InStep, Store, View};
use crate::model::chunk::{Chunk, ChunkState};
use crate::target::receipt::{Incarnation, Receipt, Seal};

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

/// The epoch at which the store was last in step with the receipts of a table of this identity; `None` if it never was.
pub(crate) fn was_in_step(view: &View<'_>, table: &str, incarnation: &Incarnation) -> Result<Option<i64>> {
    let moments = view.in_step(table)?;
    let is_here = |at: &&InStep| (at.object_id, &at.created) == (incarnation.object_id, &incarnation.created);
    Ok(moments.iter().find(is_here).map(|at| at.epoch))
}

/// The least epoch that the next lease of a table must be above: one that the store has seen. After a restore, the
/// target's own is lower, and epochs would no longer tell what came first.
pub(crate) fn epoch_seen(store: &Store, table: &str) -> Result<i64> {
    let moments = store.view()?.in_step(table)?;
    Ok(moments.iter().map(|at| at.epoch).max().unwrap_or_default())
}

/// Whether a receipt is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It is.
    Believed,
    /// It is, because the store knows the same, but it lacks its seal.
    Sealable,
    /// It is not.
    Doubted(Doubt),
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

    /// Whether a receipt is believed. One that is stale needs no belief.
    pub(crate) fn judge(&self, receipt: &Receipt) -> Judged {
        let chunk = &receipt.chunk;
        let known = self.loads.get(&chunk.load_id);
        let is_same = known.is_some_and(|known| {
            (known.state, &known.range, known.tally) == (ChunkState::Verified, &chunk.range, chunk.tally)
        });
        match receipt.seal {
            Seal::Missing | Seal::Wrong if is_same => return Judged::Sealable,
            Seal::Missing | Seal::Wrong => return Judged::Doubted(Doubt::Unsealed),
            Seal::Unasked | Seal::Fits => {}
        }
        if chunk.state != ChunkState::Verified || is_same {
            return Judged::Believed;
        }
        let doubt = match known.map(|known| known.state) {
            Some(ChunkState::Verified | ChunkState::Stale) => Some(Doubt::Changed),
            // An attempt whose commit happened although its answer was lost.
            Some(_) => None,
            // What the store knows nothing of in this place replaced nothing: another machine loaded it.
            None => {
                let is_old = self.in_step.is_some_and(|in_step| receipt.epoch <= in_step);
                (is_old && self.verified.contains_key(&chunk.ordinal)).then_some(Doubt::Restored)
            }
        };
        doubt.map_or(Judged::Believed, Judged::Doubted)
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

/// The warnings about receipts of a table that are not believed, with what loads their rows again.
pub(crate) fn warnings(table: &str, doubts: &[Doubt], remedy: &str) -> Vec<String> {
    let count = |doubt| doubts.iter().filter(|found| **found == doubt).count() as u64;
    let mut warnings = Vec::new();
    let changed = count(Doubt::Changed);
    if changed > 0 {
        warnings.push(format!(
            "Table {table}: the target's receipts of {} say something else than this state file knows of the same loads \
             (changed by hand, or of an older backup), so they are not believed; {remedy}",
            counted(changed, "chunk")
        ));
    }
    let unsealed = count(Doubt::Unsealed);
    if unsealed > 0 {
        warnings.push(format!(
            "Table {table}: the target's receipts of {} lack the seal of receipt_key (made without this key, or changed by \
             hand), so they are not believed; {remedy}",
            counted(unsealed, "chunk")
        ));
    }
    let restored = count(Doubt::Restored);
    if restored > 0 {
        warnings.push(format!(
            "Table {table}: the target was restored to a state of before an earlier run; its receipts of {} are of loads \
             that were replaced since, so they are not believed; {remedy}",
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
    use crate::model::window::Window;

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
            seal: Seal::Unasked,
        }
    }

    fn doubted(doubt: Option<Doubt>) -> Judged {
        doubt.map_or(Judged::Believed, Judged::Doubted)
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
            let judged = memory.judge(&receipt(chunk(0, 1, Verified), 1));
            assert_eq!(judged, doubted(doubt), "{known}");
            assert_eq!(memory.judge(&receipt(chunk(0, 1, Stale), 1)), Judged::Believed);
        }
        let stored = [chunk(0, 1, Verified)];
        let memory = Memory::of(&stored, None);
        let mut other = receipt(chunk(0, 1, Verified), 1);
        other.chunk.tally.row_count = 5;
        assert_eq!(memory.judge(&other), Judged::Doubted(Doubt::Changed));
        assert_eq!(memory.stale(&other).tally.row_count, 0);
    }

    #[test]
    fn a_load_that_the_store_does_not_know_is_believed_if_it_is_younger_or_replaced_nothing() {
        let stored = [chunk(0, 1, ChunkState::Verified), chunk(1, 3, ChunkState::Stale)];
        let of = |epoch, ordinal| receipt(chunk(ordinal, 2, ChunkState::Verified), epoch);
        let memory = Memory::of(&stored, Some(5));
        for (epoch, ordinal, doubt) in [
            (6, 0, None),
            (4, 0, Some(Doubt::Restored)),
            (5, 0, Some(Doubt::Restored)),
            (4, 1, None),
            (4, 2, None),
        ] {
            let judged = memory.judge(&of(epoch, ordinal));
            assert_eq!(judged, doubted(doubt), "epoch {epoch}, chunk {ordinal}");
        }
        assert_eq!(Memory::of(&stored, None).judge(&of(4, 0)), Judged::Believed);
    }

    #[test]
    fn a_receipt_without_its_seal_is_believed_if_the_store_knows_the_same() {
        let stored = [chunk(0, 1, ChunkState::Verified)];
        let memory = Memory::of(&stored, Some(5));
        for seal in [Seal::Missing, Seal::Wrong] {
            let unsealed = |load_id| Receipt {
                seal,
                ..receipt(chunk(0, load_id, ChunkState::Stale), 1)
            };
            assert_eq!(memory.judge(&unsealed(1)), Judged::Sealable);
            assert_eq!(memory.judge(&unsealed(2)), Judged::Doubted(Doubt::Unsealed));
        }
    }
}

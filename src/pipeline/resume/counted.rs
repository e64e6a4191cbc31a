//! The counts by which a comparison notices rows that are gone under receipts that stayed, or that nobody
//! loaded.
//!
//! The server keeps the number of a table's rows. If it is the sum of the receipts, no window is counted: a
//! run over finished months scans nothing. Only a change that keeps that number is not seen.

use std::collections::{BTreeMap, BTreeSet};

use super::reached::Reached;
use super::scope::Scope;
use crate::base::error::Result;
use crate::model::chunk::{Chunk, ChunkEvent, ChunkState, KeyRange, next_state};
use crate::model::plan::TablePlan;
use crate::model::window::{Extent, Window};
use crate::mssql::Session;
use crate::target::receipt::Sums;
use crate::target::row_count::{self, Part};
use crate::target::table::Target;

/// Counts the rows of a table's windows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter<'a> {
    pub(super) plan: &'a TablePlan,
    pub(super) target: &'a Target,
    pub(super) scope: Scope<'a>,
    /// Whether to count in any case.
    pub(super) always: bool,
}

impl Counter<'_> {
    /// Whether the rows of the windows must be counted: it was asked for, or the table's own number is not
    /// known or not the one that all receipts add up to.
    ///
    /// Rows under no receipt (an older script's) keep the numbers apart until they are replaced, so until
    /// then each run counts. Receipts of another table of this name say nothing about this one.
    pub(super) async fn must(self, session: &mut Session, sums: &BTreeMap<Window, Sums>) -> Result<bool> {
        if !sums.keys().any(|window| self.scope.counts(*window)) {
            return Ok(false);
        }
        if self.always || sums.values().any(|sums| sums.here != sums.chunks) {
            return Ok(true);
        }
        let proven: u64 = sums.values().map(|sums| sums.rows).sum();
        Ok(row_count::kept(session, &self.target.incarnation).await? != Some(proven))
    }

    /// The windows of `in_step` whose number of rows in the target is not their verified chunks'.
    pub(super) async fn short(
        self,
        session: &mut Session,
        in_step: &BTreeMap<Window, Reached>,
    ) -> Result<Vec<Window>> {
        let counted = in_step.iter().filter(|(window, _)| self.scope.counts(**window));
        let (windows, parts): (Vec<Window>, Vec<Part>) = counted
            .map(|(window, reached)| {
                let range = KeyRange {
                    after: None,
                    through: reached.next.as_ref().and_then(|next| next.after.clone()),
                };
                (*window, part(*window, range, reached.verified_rows))
            })
            .unzip();
        let differing = self.differing(session, &parts).await?;
        Ok(differing.into_iter().map(|number| windows[number]).collect())
    }

    /// Compares the number of rows in the target with the receipts': first for whole windows and, if that
    /// differs, chunk by chunk. Returns the ordinals of the chunks that became stale.
    pub(super) async fn recount(
        self,
        session: &mut Session,
        unmatched: &mut BTreeMap<Window, Vec<Chunk>>,
    ) -> Result<BTreeMap<Window, Vec<u32>>> {
        let mut whole = Vec::new();
        let mut parts = Vec::new();
        for (window, chunks) in unmatched.iter().filter(|(window, _)| self.scope.counts(**window)) {
            // If part of the window is loaded again anyway, only its verified chunks are counted.
            if chunks.iter().all(|chunk| chunk.state == ChunkState::Verified) {
                let range = KeyRange {
                    after: None,
                    through: chunks.last().and_then(|chunk| chunk.range.through.clone()),
                };
                let expected = chunks.iter().map(|chunk| chunk.tally.row_count).sum();
                parts.push(part(*window, range, expected));
                whole.push(*window);
            }
        }
        let mut sound: BTreeSet<Window> = whole.iter().copied().collect();
        for number in self.differing(session, &parts).await? {
            sound.remove(&whole[number]);
        }
        let mut stale = BTreeMap::new();
        for (window, chunks) in unmatched
            .iter_mut()
            .filter(|(window, _)| self.scope.counts(**window))
        {
            if !sound.contains(window) {
                stale.insert(*window, self.recount_chunks(session, *window, chunks).await?);
            }
        }
        Ok(stale)
    }

    /// Counts the rows of a window's verified chunks. Returns the ordinals of those that became stale.
    async fn recount_chunks(
        self,
        session: &mut Session,
        window: Window,
        chunks: &mut [Chunk],
    ) -> Result<Vec<u32>> {
        let mut verified: Vec<&mut Chunk> = chunks
            .iter_mut()
            .filter(|chunk| chunk.state == ChunkState::Verified)
            .collect();
        let parts: Vec<Part> = verified
            .iter()
            .map(|chunk| part(window, chunk.range.clone(), chunk.tally.row_count))
            .collect();
        let mut stale = Vec::new();
        for number in self.differing(session, &parts).await? {
            verified[number].state = next_state(verified[number].state, ChunkEvent::TargetChanged)?;
            stale.push(verified[number].ordinal);
        }
        Ok(stale)
    }

    /// The numbers of the parts that have another number of rows in the target than by their receipts.
    async fn differing(self, session: &mut Session, parts: &[Part]) -> Result<Vec<usize>> {
        let counts = row_count::of_parts(session, self.plan, self.target, parts).await?;
        let counts = counts.into_iter().zip(parts).enumerate();
        Ok(counts
            .filter(|(_, (count, part))| *count != part.row_count)
            .map(|(number, _)| number)
            .collect())
    }
}

fn part(window: Window, range: KeyRange, row_count: u64) -> Part {
    Part {
        extent: Extent::of_window(window),
        range,
        row_count,
    }
}

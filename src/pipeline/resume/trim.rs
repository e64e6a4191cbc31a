//! Turns the receipts of a window into a sequence of chunks without a gap. Pure.
//!
//! A target that lost receipts (restored, failed over, changed by hand) also lacks their rows. These ranges
//! are loaded again: by the store's chunks or, if it has none, by the keys of the neighbours. Sound chunks
//! behind a gap stay.

use crate::base::error::Result;
use crate::model::chunk::{Chunk, ChunkEvent, ChunkState, KeyBytes, KeyRange, next_state};
use crate::model::row::Tally;

/// The chunks of a window after trimming.
#[derive(Debug, Default)]
pub(super) struct Trimmed {
    /// Chunks whose ranges follow on each other, from the window's start. Those that are not verified must be
    /// loaded.
    pub(super) chunks: Vec<Chunk>,
    /// The first number from which the receipts are inconsistent and must be dropped.
    pub(super) cut_at: Option<u32>,
    /// Chunks that the store holds verified and that have no receipt.
    pub(super) lost: usize,
    /// The range of those that do not follow on the receipts, as one chunk; sound only if it ends behind its start, which
    /// bytes of keys do not tell.
    pub(super) rest: Option<Chunk>,
}

/// Fills the gaps between the `receipts` of a window, which are in the order of their ordinals, from the
/// store's chunks.
///
/// # Errors
/// `Internal` when a state cannot change as it must.
pub(super) fn trim_to_gapless(receipts: Vec<Chunk>, known: &[Chunk]) -> Result<Trimmed> {
    let mut mended = Trimmed::default();
    let lost = |from: u32, end: u32| {
        let between = known
            .iter()
            .filter(move |chunk| from <= chunk.ordinal && chunk.ordinal < end);
        between.filter(|chunk| {
            use ChunkState::{Failed, Mismatched, Stale, Verified};
            matches!(chunk.state, Verified | Stale | Failed | Mismatched)
        })
    };
    for chunk in receipts {
        let next = ordinal_after(&mended.chunks);
        let (after, ended) = end_of(&mended.chunks);
        let follows = chunk.ordinal == next && chunk.range.after == after;
        let behind_a_gap = chunk.ordinal > next && chunk.range.after.is_some();
        if ended || !(follows || behind_a_gap) {
            mended.cut_at = Some(chunk.ordinal);
            break;
        }
        if behind_a_gap {
            mended.lost += verified(lost(next, chunk.ordinal));
            let remembered: Vec<Chunk> = lost(next, chunk.ordinal).cloned().collect();
            let filled = match follow_on(&remembered, &after, next) {
                true if remembered.len() as u64 == u64::from(chunk.ordinal - next)
                    && remembered.last().map(|last| &last.range.through) == Some(&chunk.range.after) =>
                {
                    remembered.into_iter().map(again).collect::<Result<Vec<_>>>()?
                }
                _ => between(next..chunk.ordinal, after, &chunk.range.after),
            };
            mended.chunks.extend(filled);
        }
        mended.chunks.push(chunk);
    }
    if mended.cut_at.is_none() {
        let next = ordinal_after(&mended.chunks);
        let (after, ended) = end_of(&mended.chunks);
        mended.lost += verified(lost(next, u32::MAX));
        let mut tail: Vec<Chunk> = lost(next, u32::MAX).cloned().collect();
        let last = tail.last().cloned();
        while !ended && !tail.is_empty() && !follow_on(&tail, &after, next) {
            tail.pop();
        }
        if !ended {
            let is_cut = tail.last().map(|chunk| chunk.ordinal) != last.as_ref().map(|last| last.ordinal);
            mended
                .chunks
                .extend(tail.into_iter().map(again).collect::<Result<Vec<_>>>()?);
            let next = ordinal_after(&mended.chunks);
            let (after, ended) = end_of(&mended.chunks);
            // Without a chunk, nothing stands for the window's start, and in `through` for its end.
            let is_behind = |last: &Chunk| last.range.through.is_some() && last.range.through == after;
            if let Some(last) = last.filter(|last| is_cut && !ended && !is_behind(last)) {
                let rest = between(next..next.saturating_add(1), after, &last.range.through).pop();
                // Remembered, should this run die before it is loaded.
                mended.rest = rest.map(|chunk| Chunk {
                    state: ChunkState::Stale,
                    ..chunk
                });
            }
        }
    }
    Ok(mended)
}

/// The number of verified chunks. A stale one needs no new warning, because the user was warned when it
/// became stale.
fn verified<'a>(chunks: impl Iterator<Item = &'a Chunk>) -> usize {
    chunks.filter(|chunk| chunk.state == ChunkState::Verified).count()
}

fn ordinal_after(chunks: &[Chunk]) -> u32 {
    chunks.last().map_or(0, |last| last.ordinal.saturating_add(1))
}

/// The last key of these chunks, and whether they reach the window's end.
fn end_of(chunks: &[Chunk]) -> (Option<KeyBytes>, bool) {
    let through = chunks.last().map(|last| last.range.through.clone());
    let ended = through == Some(None);
    (through.flatten(), ended)
}

/// Whether chunks follow on each other from `after` and `ordinal` on.
fn follow_on(chunks: &[Chunk], after: &Option<KeyBytes>, ordinal: u32) -> bool {
    let mut expected = (ordinal, after.clone());
    let mut ended = false;
    chunks.iter().all(|chunk| {
        let follows = !ended && (chunk.ordinal, &chunk.range.after) == (expected.0, &expected.1);
        ended = chunk.range.through.is_none();
        expected = (chunk.ordinal.saturating_add(1), chunk.range.through.clone());
        follows
    })
}

/// A chunk whose receipt is lost, to be loaded again in its range. One that has failed since keeps its state.
fn again(mut chunk: Chunk) -> Result<Chunk> {
    if matches!(chunk.state, ChunkState::Verified | ChunkState::Stale) {
        chunk.state = next_state(chunk.state, ChunkEvent::TargetChanged)?;
    }
    Ok(chunk)
}

/// One chunk for the whole of a gap, and empty ones for the other numbers that are missing there, so that
/// numbers stay dense.
fn between(
    ordinals: std::ops::Range<u32>,
    after: Option<KeyBytes>,
    through: &Option<KeyBytes>,
) -> Vec<Chunk> {
    let mut after = after;
    let mut chunks = Vec::new();
    for ordinal in ordinals {
        chunks.push(Chunk {
            ordinal,
            range: KeyRange {
                after: after.clone(),
                through: through.clone(),
            },
            state: ChunkState::Planned,
            tally: Tally::default(),
            attempts: 0,
            error: None,
            load_id: 0,
        });
        after.clone_from(through);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Option<KeyBytes> {
        (number > 0).then(|| KeyBytes(vec![number]))
    }

    /// A verified chunk of the keys after `after` and through `through`; 0 is the window's start, 9 its end.
    fn chunk(ordinal: u32, after: u8, through: u8) -> Chunk {
        Chunk {
            ordinal,
            range: KeyRange {
                after: key(after),
                through: key(through).filter(|_| through != 9),
            },
            state: ChunkState::Verified,
            tally: Tally::default(),
            attempts: 1,
            error: None,
            load_id: u128::from(ordinal),
        }
    }

    fn told(mended: &Trimmed) -> Vec<String> {
        let number = |key: &Option<KeyBytes>, none: u8| key.as_ref().map_or(none, |key| key.0[0]);
        let chunks = mended.chunks.iter().map(|chunk| {
            format!(
                "{} {}-{} {}",
                chunk.ordinal,
                number(&chunk.range.after, 0),
                number(&chunk.range.through, 9),
                chunk.state
            )
        });
        chunks.collect()
    }

    #[test]
    fn what_follows_on_is_left_as_it_is() {
        let mended = trim_to_gapless(
            vec![chunk(0, 0, 1), chunk(1, 1, 9)],
            &[chunk(0, 0, 1), chunk(1, 1, 9)],
        )
        .unwrap();
        assert_eq!(told(&mended), ["0 0-1 verified", "1 1-9 verified"]);
        assert_eq!((mended.cut_at, mended.lost), (None, 0));
    }

    #[test]
    fn a_gap_is_filled_with_what_the_store_remembers() {
        let known: Vec<Chunk> = (0..5).map(|n| chunk(n, n as u8, n as u8 + 1)).collect();
        let receipts = vec![known[0].clone(), known[3].clone()];
        let mended = trim_to_gapless(receipts, &known).unwrap();
        assert_eq!(
            told(&mended),
            [
                "0 0-1 verified",
                "1 1-2 stale",
                "2 2-3 stale",
                "3 3-4 verified",
                "4 4-5 stale"
            ]
        );
        assert_eq!((mended.cut_at, mended.lost), (None, 3));
    }

    #[test]
    fn a_gap_that_the_store_does_not_know_is_one_range() {
        let mended = trim_to_gapless(vec![chunk(2, 3, 4), chunk(3, 4, 9)], &[chunk(1, 5, 6)]).unwrap();
        assert_eq!(
            told(&mended),
            [
                "0 0-3 planned",
                "1 3-3 planned",
                "2 3-4 verified",
                "3 4-9 verified"
            ]
        );
        assert_eq!(mended.cut_at, None);
    }

    #[test]
    fn a_window_without_receipts_is_what_the_store_remembers_of_it() {
        let mended = trim_to_gapless(Vec::new(), &[chunk(0, 0, 1), chunk(1, 1, 9)]).unwrap();
        assert_eq!(told(&mended), ["0 0-1 stale", "1 1-9 stale"]);
        assert_eq!(mended.lost, 2);
    }

    #[test]
    fn what_was_noticed_before_is_noticed_again() {
        let mut known = [chunk(0, 0, 1), chunk(1, 1, 9)];
        for (first, second) in [
            (ChunkState::Stale, ChunkState::Stale),
            (ChunkState::Failed, ChunkState::Mismatched),
        ] {
            (known[0].state, known[1].state) = (first, second);
            let mended = trim_to_gapless(Vec::new(), &known).unwrap();
            assert_eq!(
                told(&mended),
                [format!("0 0-1 {first}"), format!("1 1-9 {second}")]
            );
            // And is no news.
            assert_eq!(mended.lost, 0);
        }
    }

    #[test]
    fn receipts_that_make_no_sense_are_cut() {
        for (receipts, cut_at) in [
            (vec![chunk(0, 0, 1), chunk(1, 2, 3)], 1),
            (vec![chunk(0, 0, 9), chunk(1, 1, 3)], 1),
            (vec![chunk(0, 0, 1), chunk(3, 0, 3)], 3),
            (vec![chunk(0, 4, 5)], 0),
        ] {
            assert_eq!(trim_to_gapless(receipts, &[]).unwrap().cut_at, Some(cut_at));
        }
    }
}

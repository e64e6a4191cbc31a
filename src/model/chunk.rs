//! The chunk, a key range of a window: the unit of load and of proof, and the only function that changes its state.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::row::{Tally, Values};

/// A key's canonical bytes: the date, if the path has it first, then the columns of the unique index. They are opaque
/// here, because the server orders keys, never the program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyBytes(pub Vec<u8>);

impl KeyBytes {
    /// Whether two keys have the same value first.
    ///
    /// # Errors
    /// `State` if a key's bytes are damaged.
    pub fn begins_as(&self, other: &KeyBytes) -> Result<bool> {
        Ok(Values::new(&self.0).next_value()? == Values::new(&other.0).next_value()?)
    }
}

/// The keys `after < key <= through` of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// `None`: from the window's start.
    pub after: Option<KeyBytes>,
    /// `None`: to the window's end, target-only rows included. Only the last chunk of a closed window has no end.
    pub through: Option<KeyBytes>,
}

impl KeyRange {
    /// The bytes of its two ends.
    pub fn ends(&self) -> [Option<&[u8]>; 2] {
        [&self.after, &self.through].map(|key| key.as_ref().map(|key| &key.0[..]))
    }
}

/// The state of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChunkState {
    /// It is known, and nothing is done yet, or a crash took its rows from memory.
    Planned,
    /// Its rows are in memory, or were.
    Extracted,
    /// Its rows are staged at the target, not visible.
    Loaded,
    /// Its rows and receipt are committed, and were equal when read back.
    Verified,
    /// Its last attempt failed.
    Failed,
    /// The rows that were read back differed twice; none of them is visible.
    Mismatched,
    /// It was verified once, but the target no longer matches the receipt.
    Stale,
}

impl fmt::Display for ChunkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChunkState::Planned => "planned",
            ChunkState::Extracted => "extracted",
            ChunkState::Loaded => "loaded",
            ChunkState::Verified => "verified",
            ChunkState::Failed => "failed",
            ChunkState::Mismatched => "mismatched",
            ChunkState::Stale => "stale",
        })
    }
}

/// An event in the life of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkEvent {
    /// A run begins to work on it.
    Started,
    /// Its rows were read from the source.
    ReadFromSource,
    /// Its rows are staged at the target.
    Staged,
    /// Rows and receipt are committed.
    Committed,
    /// The rows that were read back differed for the second time.
    Differed,
    /// An attempt failed for good, or the run ended before the next one.
    GaveUp,
    /// The target no longer matches the receipt.
    TargetChanged,
}

/// The state after `event`.
///
/// # Errors
/// `Internal` for an event that cannot happen in `state`, which is a bug.
pub fn next_state(state: ChunkState, event: ChunkEvent) -> Result<ChunkState> {
    use ChunkEvent as E;
    use ChunkState as S;
    Ok(match (state, event) {
        (S::Planned | S::Extracted | S::Loaded | S::Failed | S::Mismatched | S::Stale, E::Started) => {
            S::Planned
        }
        (S::Planned, E::ReadFromSource) => S::Extracted,
        (S::Extracted, E::Staged) => S::Loaded,
        (S::Loaded, E::Committed) => S::Verified,
        (S::Loaded, E::Differed) => S::Mismatched,
        (S::Planned | S::Extracted | S::Loaded, E::GaveUp) => S::Failed,
        (S::Verified | S::Stale, E::TargetChanged) => S::Stale,
        (state, event) => {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("A chunk that is {state} cannot take the event {event:?}"),
            ));
        }
    })
}

/// A chunk as the checkpoint store and the receipts know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its number in its window, from 0 without gaps.
    pub ordinal: u32,
    /// Its range of keys.
    pub range: KeyRange,
    /// Its state.
    pub state: ChunkState,
    /// The tally of the source's rows.
    pub tally: Tally,
    /// The number of attempts, the first included.
    pub attempts: u32,
    /// The last error's text, without row values.
    pub error: Option<String>,
    /// The identity of the attempt whose commit made the receipt.
    pub load_id: u128,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [ChunkState; 7] = [
        ChunkState::Planned,
        ChunkState::Extracted,
        ChunkState::Loaded,
        ChunkState::Verified,
        ChunkState::Failed,
        ChunkState::Mismatched,
        ChunkState::Stale,
    ];

    #[test]
    fn the_way_of_a_row() {
        let mut state = ChunkState::Planned;
        for event in [
            ChunkEvent::ReadFromSource,
            ChunkEvent::Staged,
            ChunkEvent::Committed,
        ] {
            state = next_state(state, event).unwrap();
        }
        assert_eq!(state, ChunkState::Verified);
    }

    #[test]
    fn only_a_commit_verifies() {
        for state in STATES {
            for event in [
                ChunkEvent::Started,
                ChunkEvent::ReadFromSource,
                ChunkEvent::Staged,
                ChunkEvent::Differed,
                ChunkEvent::GaveUp,
                ChunkEvent::TargetChanged,
            ] {
                assert_ne!(
                    next_state(state, event).ok(),
                    Some(ChunkState::Verified),
                    "{state} {event:?}"
                );
            }
        }
    }

    #[test]
    fn a_verified_chunk_changes_only_when_the_target_did() {
        for event in [
            ChunkEvent::Started,
            ChunkEvent::ReadFromSource,
            ChunkEvent::Staged,
            ChunkEvent::Committed,
            ChunkEvent::Differed,
            ChunkEvent::GaveUp,
        ] {
            let error = next_state(ChunkState::Verified, event).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal);
        }
        assert_eq!(
            next_state(ChunkState::Verified, ChunkEvent::TargetChanged).unwrap(),
            ChunkState::Stale
        );
    }
}

//! The changes that make the store agree with the receipts. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::doubt::Doubt;
use super::reached::{Reached, is_complete};
use super::scope::Scope;
use crate::checkpoint::{Change, WindowRecord, WindowState};
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::window::Window;
use crate::target::receipt::Receipt;

/// A window as the store has it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) record: WindowRecord,
    /// Its chunks; not read if the window is in step.
    pub(super) chunks: Vec<Chunk>,
}

/// The windows of a table as their receipts prove them.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Windows whose receipts have the same sums as the store.
    pub(super) in_step: BTreeMap<Window, Reached>,
    /// The chunks of the other windows; none for a window that has lost all its receipts.
    pub(super) unmatched: BTreeMap<Window, Vec<Chunk>>,
    /// Receipts that are believed and lack their seals.
    pub(super) unsealed: Vec<Receipt>,
    /// The ordinals of receipts that are not believed.
    pub(super) doubted: BTreeMap<Window, Vec<u32>>,
    /// Why, one each.
    pub(super) doubts: Vec<Doubt>,
    /// The number of receipts for rows in another table of this name.
    pub(super) foreign: usize,
    /// Whether they are a shadow table's, which completes no window before its cutover.
    pub(super) is_shadow: bool,
}

/// The changes that make the store agree with the receipts.
#[derive(Debug, Default)]
pub(super) struct Diff {
    pub(super) changes: Vec<Change>,
    /// Chunks that are removed although they were recorded as verified.
    pub(super) lost: usize,
}

/// Compares the store's records of a table with its receipts.
pub(super) fn diff(
    table: &str,
    stored: &[Stored],
    found: &Found,
    scope: Scope<'_>,
    now: DateTime<Utc>,
) -> Diff {
    let mut diff = Diff::default();
    for window in stored {
        if !found.in_step.contains_key(&window.record.window) {
            diff.remove_unproven(table, window, found, scope, now);
        }
    }
    let by_window: BTreeMap<Window, &Stored> = stored
        .iter()
        .map(|stored| (stored.record.window, stored))
        .collect();
    let completion = |window: Window, complete: bool| {
        let state = by_window.get(&window).map(|stored| stored.record.state);
        // A run that died after a window's last chunk did not record that the window is complete.
        let recorded = state.map(|state| state == WindowState::Complete);
        let complete = complete && !found.is_shadow;
        let state = match complete {
            true => WindowState::Complete,
            false => WindowState::Planned,
        };
        (recorded != Some(complete)).then(|| window_change(table, window, state, now))
    };
    for (window, reached) in &found.in_step {
        diff.changes.extend(completion(*window, reached.next.is_none()));
    }
    for (window, chunks) in &found.unmatched {
        let known = by_window.get(window).map_or(&[][..], |stored| &stored.chunks);
        diff.put_proven(table, *window, chunks, known);
        diff.changes.extend(completion(*window, is_complete(chunks)));
    }
    diff
}

impl Diff {
    /// Removes the chunks of a window that no receipt proves, or the window itself.
    fn remove_unproven(
        &mut self,
        table: &str,
        stored: &Stored,
        found: &Found,
        scope: Scope<'_>,
        now: DateTime<Utc>,
    ) {
        let window = stored.record.window;
        // Without a receipt a window's dates are not fixed, and another run may have cut the days
        // differently. The window is planned anew if it is asked for or overlaps another one.
        let bare = !found.unmatched.contains_key(&window);
        let mut receipted = found.in_step.keys().chain(found.unmatched.keys());
        let removed = bare && (scope.all_of(window) || receipted.any(|other| window.overlaps(*other)));
        if removed {
            self.changes.push(Change::RemoveWindow {
                table: table.to_owned(),
                window,
            });
        } else if bare && stored.record.state == WindowState::Complete {
            self.changes
                .push(window_change(table, window, WindowState::Planned, now));
        }
        let chunks = found.unmatched.get(&window).into_iter().flatten();
        let proven: BTreeSet<u32> = chunks.map(|chunk| chunk.ordinal).collect();
        let unproven = stored.chunks.iter().filter(|chunk| {
            !proven.contains(&chunk.ordinal)
                && matches!(chunk.state, ChunkState::Verified | ChunkState::Stale)
        });
        for chunk in unproven {
            // Those of the other windows were counted when they were trimmed.
            self.lost += usize::from(bare && chunk.state == ChunkState::Verified);
            if !removed {
                self.changes.push(Change::RemoveChunk {
                    table: table.to_owned(),
                    window,
                    ordinal: chunk.ordinal,
                });
            }
        }
    }

    /// Records the chunks that receipts prove and the store lacks in that state.
    fn put_proven(&mut self, table: &str, window: Window, proven: &[Chunk], known: &[Chunk]) {
        let known: BTreeMap<u32, &Chunk> = known.iter().map(|chunk| (chunk.ordinal, chunk)).collect();
        for chunk in proven {
            let same = known
                .get(&chunk.ordinal)
                .is_some_and(|known| (known.state, known.load_id) == (chunk.state, chunk.load_id));
            if !same {
                self.changes.push(Change::Chunk {
                    table: table.to_owned(),
                    window,
                    chunk: chunk.clone(),
                });
            }
        }
    }
}

fn window_change(table: &str, window: Window, state: WindowState, now: DateTime<Utc>) -> Change {
    Change::Window {
        table: table.to_owned(),
        record: WindowRecord {
            window,
            state,
            error: None,
            updated_at: now,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chunk::{KeyBytes, KeyRange};
    use crate::model::row::Tally;
    use crate::model::window::DateRange;

    fn window(month: u32) -> Window {
        let day = |month| chrono::NaiveDate::from_ymd_opt(2025, month, 1).unwrap();
        Window::new(day(month), day(month + 1)).unwrap()
    }

    fn october() -> Scope<'static> {
        let day = |text: &str| text.parse().unwrap();
        Scope::Dates(DateRange::inclusive(day("2025-10-01"), day("2025-10-31")).unwrap())
    }

    fn chunk(ordinal: u32, last: bool) -> Chunk {
        Chunk {
            ordinal,
            range: KeyRange {
                after: (ordinal > 0).then(|| KeyBytes(vec![1])),
                through: (!last).then(|| KeyBytes(vec![1])),
            },
            state: ChunkState::Verified,
            tally: Tally::default(),
            attempts: 1,
            error: None,
            load_id: u128::from(ordinal),
        }
    }

    fn stored(window: Window, state: WindowState, chunks: Vec<Chunk>) -> Stored {
        let record = WindowRecord {
            window,
            state,
            error: None,
            updated_at: DateTime::UNIX_EPOCH,
        };
        Stored { record, chunks }
    }

    fn unmatched(window: Window, chunks: Vec<Chunk>) -> Found {
        Found {
            unmatched: BTreeMap::from([(window, chunks)]),
            ..Found::default()
        }
    }

    fn changes(stored: &[Stored], found: &Found) -> (Vec<String>, usize) {
        let diff = diff("T", stored, found, october(), DateTime::UNIX_EPOCH);
        let named = diff.changes.iter().map(|change| match change {
            Change::Window { record, .. } => format!("{} {}", record.window, record.state.as_str()),
            Change::RemoveWindow { window, .. } => format!("{window} removed"),
            Change::Chunk { window, chunk, .. } => format!("{window}/{} put", chunk.ordinal),
            Change::RemoveChunk { window, ordinal, .. } => format!("{window}/{ordinal} removed"),
            other => format!("{other:?}"),
        });
        (named.collect(), diff.lost)
    }

    #[test]
    fn a_store_that_says_what_the_receipts_prove_is_left_as_it_is() {
        let stored = [stored(window(10), WindowState::Complete, vec![chunk(0, true)])];
        let found = unmatched(window(10), vec![chunk(0, true)]);
        assert_eq!(changes(&stored, &found), (vec![], 0));
    }

    #[test]
    fn a_receipt_that_the_store_does_not_know_is_put_and_completes_its_window() {
        let stored = [stored(window(10), WindowState::Loading, vec![chunk(0, false)])];
        let found = unmatched(window(10), vec![chunk(0, false), chunk(1, true)]);
        let expected = vec!["2025-10/1 put".to_owned(), "2025-10 complete".to_owned()];
        assert_eq!(changes(&stored, &found), (expected, 0));
    }

    #[test]
    fn a_window_without_receipts_is_removed_if_it_is_asked_for_and_kept_as_planned_if_not() {
        let stored = [
            stored(window(10), WindowState::Complete, vec![chunk(0, true)]),
            stored(window(11), WindowState::Complete, vec![chunk(0, true)]),
        ];
        let expected = vec![
            "2025-10 removed".to_owned(),
            "2025-11 planned".to_owned(),
            "2025-11/0 removed".to_owned(),
        ];
        assert_eq!(changes(&stored, &Found::default()), (expected, 2));
    }
}

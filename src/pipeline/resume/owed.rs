//! Days that are owed: the store has loaded them once, and the target has no receipt of them. They are loaded again,
//! whatever dates are asked for, as one chunk without keys, because the keys of the store's chunks need not be theirs.

use chrono::NaiveDateTime;

use crate::base::error::Result;
use crate::checkpoint::View;
use crate::model::chunk::{Chunk, ChunkState, KeyRange};
use crate::model::row::Tally;
use crate::model::window::{Window, uncovered};

/// The days of a window that are owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owed {
    /// Those that have passed.
    pub(crate) passed: Option<Window>,
    /// Those that have not. A chunk up to their end would leave out rows to come, so a run that asks for them loads them.
    pub(crate) to_come: Option<Window>,
}

impl Owed {
    /// Divides a window at the time before which rows are old enough to be read.
    ///
    /// # Errors
    /// `Usage` if a day is outside of the calendar.
    pub(crate) fn of(window: Window, cutoff: NaiveDateTime) -> Result<Owed> {
        let Window::Dates(days) = window else {
            return Ok(Owed {
                passed: Some(window),
                to_come: None,
            });
        };
        let today = cutoff.date();
        let part = |start, end| (start < end).then(|| Window::new(start, end)).transpose();
        Ok(Owed {
            passed: part(days.start(), days.end().min(today))?,
            to_come: part(days.start().max(today), days.end())?,
        })
    }

    /// The chunk of a window that is owed as a whole.
    pub(crate) fn chunk(load_id: u128) -> Chunk {
        Chunk {
            ordinal: 0,
            range: KeyRange {
                after: None,
                through: None,
            },
            state: ChunkState::Stale,
            tally: Tally::default(),
            attempts: 0,
            error: None,
            load_id,
        }
    }
}

/// The days that the store has loaded in windows of which the target has no receipt and which overlap others: those that
/// no window of `kept` covers.
pub(super) fn days(view: &View<'_>, table: &str, kept: &[Window]) -> Result<Vec<Window>> {
    let mut owed = Vec::new();
    for record in view.windows(table)? {
        let window = record.window;
        let is_displaced = !kept.contains(&window) && kept.iter().any(|other| window.overlaps(*other));
        if is_displaced && view.counts(table, window)?.remembered() > 0 {
            let covered: Vec<Window> = kept.iter().chain(&owed).copied().collect();
            owed.extend(uncovered(window, &covered)?);
        }
    }
    Ok(owed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(first: &str, end: &str) -> Window {
        Window::new(first.parse().unwrap(), end.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_window_is_divided_at_the_day_of_the_cutoff() {
        let cutoff = "2025-11-20T08:30:00".parse().unwrap();
        let of = |window| {
            let owed = Owed::of(window, cutoff).unwrap();
            (owed.passed, owed.to_come)
        };
        let november = window("2025-11-01", "2025-12-01");
        let halves = (
            Some(window("2025-11-01", "2025-11-20")),
            Some(window("2025-11-20", "2025-12-01")),
        );
        assert_eq!(of(november), halves);
        let october = window("2025-10-01", "2025-11-01");
        assert_eq!(of(october), (Some(october), None));
        let december = window("2025-12-01", "2026-01-01");
        assert_eq!(of(december), (None, Some(december)));
        assert_eq!(of(Window::Undated), (Some(Window::Undated), None));
    }
}

//! Which windows a run works on.

use std::collections::BTreeSet;

use crate::model::window::{DateRange, Window};

/// What a run is to work on.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// These dates, and what has none; any chunk that is stale or lost; and any window that was begun and whose end has
    /// passed.
    Dates(DateRange),
    /// Any chunk that is stale or lost, and these windows to their end.
    Repair(&'a BTreeSet<Window>),
}

impl Scope<'_> {
    /// Whether all of a window is asked for.
    pub(super) fn all_of(self, window: Window) -> bool {
        match self {
            Scope::Dates(range) => window.is_asked(range),
            Scope::Repair(whole) => whole.contains(&window),
        }
    }

    /// Whether the rows of a window are counted at the target. A repair goes by what was found.
    pub(super) fn counts(self, window: Window) -> bool {
        matches!(self, Scope::Dates(_)) && self.all_of(window)
    }

    /// Whether a window that was begun is finished once its end has passed.
    pub(super) fn finishes(self) -> bool {
        matches!(self, Scope::Dates(_))
    }
}

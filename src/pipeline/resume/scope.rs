//! The scope of a run: the windows that it works on.

use std::collections::BTreeSet;

use crate::model::window::{DateRange, Window};

/// The windows that a run works on.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// These dates and the rows without a date; every chunk that is stale or lost; and every window that was
    /// begun and whose end has passed.
    Dates(DateRange),
    /// Every chunk that is stale or lost, and these windows to their end.
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

    /// Whether the rows of a window are counted at the target. A repair covers only its findings.
    pub(super) fn counts(self, window: Window) -> bool {
        matches!(self, Scope::Dates(_)) && self.all_of(window)
    }

    /// Whether a window that was begun is finished once its end has passed.
    pub(super) fn finishes(self) -> bool {
        matches!(self, Scope::Dates(_))
    }
}

//! A table as the grid shows it: its months, each with its windows and the days that are not loaded.

use std::collections::BTreeMap;

use chrono::Datelike;

use super::condition::Condition;
use super::facts::{Status, TableStatus, WindowStatus};
use crate::model::window::Window;

/// A table's line of the grid.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) table: &'a TableStatus,
    /// By year and month.
    pub(crate) months: BTreeMap<(i32, u32), Vec<Part<'a>>>,
    /// The rows without a date.
    pub(crate) undated: Option<Part<'a>>,
    /// What a table without months is: a reference table, or one that nobody has loaded.
    pub(crate) whole: Option<Part<'a>>,
}

/// A window of a line, or days that no window covers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) window: Window,
    pub(crate) state: Condition,
    /// What is known of it; `None` of days that are not loaded.
    pub(crate) known: Option<&'a WindowStatus>,
}

impl<'a> From<&'a WindowStatus> for Part<'a> {
    fn from(window: &'a WindowStatus) -> Part<'a> {
        Part {
            window: window.window,
            state: window.state,
            known: Some(window),
        }
    }
}

/// The worst condition of parts; `None` without any.
pub(crate) fn worst(parts: &[Part<'_>]) -> Option<Condition> {
    Condition::worst(parts.iter().map(|part| part.state))
}

impl<'a> Line<'a> {
    pub(crate) fn of(status: &Status, table: &'a TableStatus) -> Line<'a> {
        let mut months: BTreeMap<(i32, u32), Vec<Part<'a>>> = BTreeMap::new();
        let not_loaded = status.not_loaded(table).into_iter().map(|window| Part {
            window,
            state: status.of_not_loaded(table, window),
            known: None,
        });
        for part in table.windows.iter().map(Part::from).chain(not_loaded) {
            if let Some(days) = part.window.days() {
                let month = (days.start().year(), days.start().month());
                months.entry(month).or_default().push(part);
            }
        }
        for parts in months.values_mut() {
            parts.sort_by_key(|part| part.window);
        }
        let of = |kind: Window| {
            let mut windows = table.windows.iter();
            windows.find(|window| window.window == kind).map(Part::from)
        };
        let undated = of(Window::Undated);
        let nothing = Part {
            window: Window::All,
            state: match status.is_asked_now(table) {
                true => Condition::Planned,
                false => Condition::NotLoaded,
            },
            known: None,
        };
        let is_empty = months.is_empty() && undated.is_none();
        Line {
            table,
            whole: of(Window::All).or_else(|| is_empty.then_some(nothing)),
            undated,
            months,
        }
    }

    /// All its parts, by date; those without dates come last.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'a>> + '_ {
        let others = self.undated.iter().chain(&self.whole);
        self.months.values().flatten().chain(others).copied()
    }

    /// The words beside the character of a table without months.
    pub(crate) fn word(&self) -> &'static str {
        match (self.table.is_dated, self.whole.map(|part| part.state)) {
            (_, Some(Condition::NotLoaded)) => "not loaded",
            (false, _) => "whole table",
            (true, _) => "planned",
        }
    }
}

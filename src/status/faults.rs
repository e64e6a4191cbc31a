//! What is wrong with the windows of a table, in words, and the command that puts it right.

use chrono::NaiveDate;

use super::condition::Condition;
use super::facts::{TableStatus, Unrepaired};
use crate::base::program;
use crate::base::text::counted;
use crate::model::window::{DateRange, Window};

/// Windows of a table that share a fault.
pub(crate) struct Fault<'a> {
    pub(crate) table: &'a TableStatus,
    pub(crate) state: Condition,
    pub(crate) error: Option<&'a str>,
    pub(crate) windows: Vec<Window>,
    /// Its chunks that are to be loaded again.
    pub(crate) stale: u64,
}

impl Fault<'_> {
    /// What to do before the command.
    pub(crate) fn advice(&self) -> &'static str {
        match self.state {
            Condition::Failed => "Correct that if it is still so, then run",
            Condition::Mismatched => "Run again, and it is not committed until it is equal",
            _ => "Run",
        }
    }

    /// The command that puts it right.
    pub(crate) fn command(&self) -> String {
        run_again(dates(&self.windows), self.table.is_dated, &self.table.name)
    }
}

/// The command that loads these days of a table.
pub(crate) fn run_again(dates: Option<(NaiveDate, NaiveDate)>, is_dated: bool, table: &str) -> String {
    // A run of a table with dates needs some; rows without a date come with any.
    let otherwise = if is_dated {
        " --start-date DAY --end-date DAY"
    } else {
        ""
    };
    run_line(dates, otherwise, table)
}

/// The faults of a table's windows.
pub(crate) fn faults(table: &TableStatus) -> Vec<Fault<'_>> {
    let faulty = table.windows.iter().filter_map(|window| {
        let state = match window.state {
            state if state.is_fault() => state,
            _ if window.counts.stale > 0 => Condition::Stale,
            _ => return None,
        };
        Some(((state, window.error.as_deref()), window))
    });
    let groups = alike(faulty).into_iter();
    groups
        .map(|((state, error), windows)| Fault {
            table,
            state,
            error,
            windows: windows.iter().map(|window| window.window).collect(),
            stale: windows.iter().map(|window| window.counts.stale).sum(),
        })
        .collect()
}

/// Things by what they share, in the order in which that comes first.
pub(crate) fn alike<K: PartialEq, T>(things: impl Iterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    for (key, thing) in things {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(thing),
            None => groups.push((key, vec![thing])),
        }
    }
    groups
}

/// An error without the place that it begins with, `Table SALES, window 2025-10: `, where the table stands beside it.
pub(crate) fn of_table<'a>(error: &'a str, table: &str) -> &'a str {
    let rest = error.strip_prefix(&format!("Table {table}"));
    match rest.filter(|rest| rest.starts_with([':', ','])) {
        Some(rest) => rest.split_once(": ").map_or(error, |(_, rest)| rest),
        None => error,
    }
}

/// The months of windows as text, ranges in short: `2012-01 to 2025-11 (167 months)`.
pub(crate) fn months(windows: &[Window]) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut rest = windows;
    while let Some(first) = rest.first() {
        let is_whole = |window: &Window| window.to_string().len() == "2025-10".len();
        let follows = |pair: &[Window]| match (pair[0].days(), pair[1].days()) {
            (Some(one), Some(next)) => is_whole(&pair[0]) && is_whole(&pair[1]) && one.end() == next.start(),
            _ => false,
        };
        let count = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
        texts.push(match count {
            1 => first.to_string().replace("..", " to "),
            count => format!("{first} to {} ({count} months)", rest[count - 1]),
        });
        rest = &rest[count..];
    }
    texts.join(", ")
}

/// The first day of windows, and their last, as a run is asked for them; `None` without dates.
pub(crate) fn dates(windows: &[Window]) -> Option<(NaiveDate, NaiveDate)> {
    let days = || windows.iter().filter_map(|window| window.days());
    let first = days().map(|days| days.start()).min()?;
    let last = days().map(|days| days.end()).max()?.pred_opt()?;
    Some((first, last))
}

/// The command that loads these days of a table, first and last, to be copied. `otherwise` stands in their place where
/// nobody knows them.
pub(crate) fn run_line(dates: Option<(NaiveDate, NaiveDate)>, otherwise: &str, table: &str) -> String {
    let dates = dates.map_or_else(
        || otherwise.to_owned(),
        |(first, last)| format!(" --start-date {first} --end-date {last}"),
    );
    format!(
        "{} run{dates} --tables {}",
        program::command(),
        program::argument(table)
    )
}

/// The command that asks for what a run was asked for: its dates and its tables, which are `None` for all.
pub(crate) fn same_again(dates: Option<DateRange>, tables: Option<&[String]>) -> String {
    let dates = dates.map_or_else(String::new, |range| {
        format!(" --start-date {} --end-date {}", range.start, range.last_day())
    });
    let tables = tables.map_or_else(String::new, |tables| {
        format!(" --tables {}", program::argument(&tables.join(",")))
    });
    format!("{} run{dates}{tables}", program::command())
}

/// The command that compares a table again, with the source too, and with `repair` loads again what differs.
pub(crate) fn reconcile_line(source: bool, repair: bool, table: &str) -> String {
    let source = if source { " --source" } else { "" };
    let repair = if repair { " --repair" } else { "" };
    format!(
        "{} reconcile{source}{repair} --tables {}",
        program::command(),
        program::argument(table)
    )
}

/// What comparisons found in windows of a table, in words.
pub(crate) fn differing_line(differing: &[Unrepaired]) -> String {
    let count: u64 = differing.iter().map(|of| of.count).sum();
    let windows: Vec<Window> = differing.iter().map(|of| of.window).collect();
    format!(
        "a comparison found {} in {}, and nobody has put it right",
        counted(count, "difference"),
        months(&windows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_argument_of_the_command_to_copy() {
        let day = |text: &str| text.parse().unwrap();
        let dates = Some((day("2025-10-01"), day("2025-10-31")));
        assert_eq!(
            run_line(dates, "", "SALES"),
            "sync run --start-date 2025-10-01 --end-date 2025-10-31 --tables SALES"
        );
        assert_eq!(run_line(None, "", "ITEM B"), "sync run --tables \"ITEM B\"");
        let range = DateRange {
            start: day("2025-10-01"),
            end: day("2025-11-01"),
        };
        let tables = ["SALES", "ITEM B"].map(str::to_owned);
        assert_eq!(
            same_again(Some(range), Some(&tables)),
            "sync run --start-date 2025-10-01 --end-date 2025-10-31 --tables \"SALES,ITEM B\""
        );
        assert_eq!(same_again(None, None), "sync run");
        assert_eq!(
            reconcile_line(true, true, "SALES"),
            "sync reconcile --source --repair --tables SALES"
        );
        assert_eq!(
            reconcile_line(false, false, "ITEM B"),
            "sync reconcile --tables \"ITEM B\""
        );
    }
}

//! What there is to forget of a table, and how it is told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Months, NaiveDate};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::{counted, rows};
use crate::checkpoint::{Tombstone, View};
use crate::cli::screen::Screen;
use crate::config::{Config, Mode};
use crate::model::table::Identifier;
use crate::model::window::{Window, spans};
use crate::status::run_line;

/// The months that are named, by the first day of the first one and the day after the last.
pub(super) type Span = (NaiveDate, NaiveDate);

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Forgotten,
    WouldForget,
    /// The answer was no.
    Kept,
}

/// The table to forget.
pub(super) struct Subject {
    /// Its name, as the checkpoints have it.
    pub(super) name: String,
    pub(super) mode: Option<Mode>,
    /// Its target tables: two if it was renamed.
    pub(super) targets: Vec<String>,
}

impl Subject {
    pub(super) fn of(
        config: &Config,
        view: Option<&View<'_>>,
        table: &Identifier,
        by_month: bool,
    ) -> Result<Subject> {
        let configured = config.tables.iter().find(|one| one.name.same_as(table.as_str()));
        let recorded = view.map_or_else(|| Ok(Vec::new()), View::tables)?;
        let recorded = recorded.into_iter().find(|record| table.same_as(&record.name));
        let is_full = configured.is_some_and(|table| table.mode == Mode::Full);
        if is_full && by_month {
            let text = format!(
                "Table {} is a reference table and has no months; leave the months out to forget all of it",
                table
            );
            return Err(Error::new(ErrorKind::Usage, text));
        }
        let mut targets: Vec<String> = configured
            .map(|table| config.target_table(table).exact())
            .into_iter()
            .collect();
        targets.extend(recorded.as_ref().map(|record| record.target.clone()));
        targets.dedup();
        let name = match (configured, recorded) {
            // Checkpoints keep the spelling of the name under which they were written.
            (_, Some(record)) => record.name,
            (Some(table), None) => table.name.as_str().to_owned(),
            (None, None) => {
                let fix = match config.meant(table) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => "correct the name".to_owned(),
                };
                let (name, path) = (table, config.path.display());
                let text =
                    format!("--table names {name}, which neither {path} nor the state file knows; {fix}");
                return Err(Error::new(ErrorKind::Usage, text));
            }
        };
        Ok(Subject {
            name,
            mode: configured.map(|table| table.mode),
            targets,
        })
    }
}

/// The chunks and rows of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) chunks: u64,
    pub(super) rows: u64,
}

/// What there is to forget.
pub(super) struct ToForget {
    pub(super) subject: Subject,
    pub(super) months: Option<Span>,
    /// The windows that are loaded.
    pub(super) windows: BTreeMap<Window, Amount>,
}

impl ToForget {
    pub(super) fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    pub(super) fn sum(&self) -> Amount {
        let windows = self.windows.values();
        windows.fold(Amount::default(), |sum, window| Amount {
            chunks: sum.chunks + window.chunks,
            rows: sum.rows + window.rows,
        })
    }

    /// The tombstones to write: one for the whole table, or one for each month that has something to forget. If the target
    /// was renamed, they name both target tables.
    pub(super) fn tombstones(&self) -> Vec<Tombstone> {
        let of = |month| Tombstone {
            table: self.subject.name.clone(),
            targets: self.subject.targets.clone(),
            month,
            database: None,
        };
        let Some((first, end)) = self.months else {
            return vec![of(None)];
        };
        let starts = self.windows.keys().filter_map(|window| window.days());
        let mut months: BTreeSet<NaiveDate> = starts.filter_map(|days| days.start().with_day(1)).collect();
        if months.is_empty() {
            // Receipts that cannot be read are of any month.
            let next = |month: &NaiveDate| month.checked_add_months(Months::new(1));
            months.extend(std::iter::successors(Some(first), next).take_while(|month| *month < end));
        }
        months.into_iter().map(|month| of(Some(month))).collect()
    }

    pub(super) fn never_loaded(&self, loaded: Vec<Window>) -> Error {
        let dated: Vec<Window> = loaded.into_iter().filter(Window::is_dated).collect();
        let loaded = match dated.is_empty() {
            true => "nothing of it is loaded".to_owned(),
            false => format!("loaded are {}", spans(&dated).join(", ")),
        };
        let what = self.months.map(month_names).unwrap_or_default();
        Error::new(
            ErrorKind::Usage,
            format!(
                "Table {}: {what} was never loaded or is forgotten already; {loaded}",
                self.subject.name
            ),
        )
    }

    /// `2025-10 of SALES`, or the table alone.
    pub(super) fn what(&self) -> String {
        match self.months {
            Some(months) if self.windows.is_empty() => {
                format!("{} of {}", month_names(months), self.subject.name)
            }
            Some(_) => {
                let windows: Vec<Window> = self.windows.keys().copied().collect();
                format!("{} of {}", spans(&windows).join(", "), self.subject.name)
            }
            None => self.subject.name.clone(),
        }
    }

    /// `4 chunks of 120 rows in 1 window`.
    pub(super) fn amount(&self) -> String {
        let Amount { chunks, rows: count } = self.sum();
        format!(
            "{} of {} in {}",
            counted(chunks, "chunk"),
            rows(count),
            counted(self.windows.len() as u64, "window")
        )
    }

    pub(super) fn question(&self) -> String {
        format!(
            "Forget {}: {}? The rows stay at the target until a run loads them again, which reads all of them from the \
             source.",
            self.what(),
            self.amount()
        )
    }

    /// The command that loads it again.
    pub(super) fn run_line(&self) -> String {
        let days = self.windows.keys().filter_map(|window| window.days());
        let first = days.clone().map(|days| days.start()).min();
        let last = days.filter_map(|days| days.end().pred_opt()).max();
        let otherwise = match self.subject.mode {
            Some(Mode::Full) => "",
            Some(Mode::Monthly) | None => " --start-date FIRST --end-date LAST",
        };
        run_line(first.zip(last), otherwise, &self.subject.name)
    }

    pub(super) fn text(&self, outcome: Outcome, screen: &Screen) -> String {
        let what = self.what();
        if self.is_empty() && self.months.is_none() {
            let text = format!("Nothing of {what} was loaded by a run, so there was nothing to forget.");
            return screen.prose(&text);
        }
        let said = match outcome {
            Outcome::Forgotten => format!(
                "Forgot {what}: {}. The rows at the target stay until a run loads them again:",
                self.amount()
            ),
            Outcome::WouldForget => format!(
                "Would forget {what}: {}. Nothing was forgotten. This would load it again:",
                self.amount()
            ),
            Outcome::Kept => return "Nothing was forgotten.\n".to_owned(),
        };
        // A command to copy stays on one line.
        format!("{}  {}\n", screen.prose(&said), self.run_line())
    }
}

fn month_names((first, end): Span) -> String {
    let last = end.pred_opt().unwrap_or(end);
    match (
        first.format("%Y-%m").to_string(),
        last.format("%Y-%m").to_string(),
    ) {
        (first, last) if first == last => first,
        (first, last) => format!("{first} to {last}"),
    }
}

//! The lines of a run's events, for bars and plain lines alike.
//!
//! An error is said once in full. If the same one comes again, it is called by its beginning, "as above".

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::waits::Waits;
use crate::base::error::Error;
use crate::base::text::{counted, duration, gist, rows, thousands};
use crate::model::window::Window;
use crate::progress::{Event, TableSummary};

/// So many errors are remembered: more at once nobody keeps apart, and memory stays bounded.
const ERRORS_MAX: usize = 16;

/// Makes lines of events, and remembers what it has said.
#[derive(Debug, Default)]
pub(super) struct Teller {
    /// The errors that were said in full, without their place.
    errors: VecDeque<String>,
    /// Whether a table has begun that has nothing to do.
    is_idle: bool,
    /// What reads of the source wait for.
    waits: Waits,
    /// Windows that were found without rows, since the last line.
    empty: Empty,
}

/// Windows of a table without rows: how many, the first and the last.
#[derive(Debug, Default)]
struct Empty {
    table: String,
    count: u64,
    span: Option<(Window, Window)>,
}

impl Empty {
    fn add(&mut self, table: &str, window: Window) {
        let (first, last) = self.span.unwrap_or((window, window));
        table.clone_into(&mut self.table);
        self.span = Some((first.min(window), last.max(window)));
        self.count += 1;
    }

    fn line(&mut self) -> Option<String> {
        let Empty { table, count, span } = std::mem::take(self);
        let (first, last) = span?;
        Some(match count {
            1 => format!("{table} {first}: verified, no rows"),
            _ => format!(
                "{table} {first} to {last}: verified, no rows in {}",
                counted(count, "window")
            ),
        })
    }
}

impl Teller {
    /// The lines of an event: none for those that are only counted or come together later.
    pub(super) fn tell(&mut self, event: Event<'_>, now: DateTime<Utc>) -> Vec<String> {
        if let Event::WindowDone {
            table,
            window,
            rows: 0,
        } = event
        {
            self.empty.add(table, window);
            return Vec::new();
        }
        let told = self.waits.line(event, now).or_else(|| self.line(event));
        // What came before is said before.
        let before = told.as_ref().and_then(|_| self.empty.line());
        before.into_iter().chain(told).collect()
    }

    /// What reads of the source wait for, as short as a bar has room for.
    pub(super) fn held(&self, now: DateTime<Utc>) -> Option<String> {
        self.waits.short(now)
    }

    /// The ceiling of rows a second.
    pub(super) fn at_most(&self) -> Option<u64> {
        self.waits.at_most()
    }

    fn line(&mut self, event: Event<'_>) -> Option<String> {
        Some(match event {
            Event::RunStarted {
                run_id,
                range,
                tables,
                max_workers,
            } => {
                let dates = range.map_or_else(String::new, |range| format!(" from {range}"));
                format!(
                    "run {run_id:032x}: {}{dates}, {} at once",
                    counted(tables as u64, "table"),
                    counted(max_workers as u64, "window"),
                )
            }
            Event::Note(text) => format!("note: {text}"),
            Event::Warning(text) => match self.again(text) {
                // A warning has no other place than its own.
                Some(name) => format!("warning: {}{name}", place(text)),
                None => format!("warning: {text}"),
            },
            Event::TableStarted {
                table,
                windows,
                rows_done,
                ..
            } => {
                self.is_idle = windows == 0;
                if self.is_idle {
                    // Its end tells all.
                    return None;
                }
                let before = if rows_done > 0 {
                    format!(", {} there already", rows(rows_done))
                } else {
                    String::new()
                };
                format!("{table}: {} to do{before}", counted(windows as u64, "window"))
            }
            Event::Compared {
                table,
                chunks,
                differing,
            } => {
                let differing = match differing {
                    0 => "all the same".to_owned(),
                    1 => "1 differs".to_owned(),
                    count => format!("{} differ", thousands(count)),
                };
                format!("{table}: {} compared, {differing}", counted(chunks, "chunk"))
            }
            Event::Retrying {
                table,
                window,
                attempt,
                wait,
                away,
                error,
            } => {
                let place = window.map_or_else(String::new, |window| format!(" {window}"));
                let away = away
                    .filter(|away| away.as_secs() > 0)
                    .map_or_else(String::new, |away| format!(" (away for {})", duration(away)));
                format!(
                    "{table}{place}: attempt {attempt} failed, retried in {}{away}: {}",
                    duration(wait),
                    self.error(error)
                )
            }
            Event::Back { away } => format!("back after {}", duration(away)),
            Event::Stopping { .. } => {
                "stopping: chunks in flight are finished first; interrupt again to stop at once".to_owned()
            }
            Event::WindowDone {
                table,
                window,
                rows: count,
            } => format!("{table} {window}: verified, {}", rows(count)),
            // The command ends with its error, and says it.
            Event::WindowFailed { table, window, error } if error.kind().ends_the_run() => {
                format!("{table} {window}: failed, and the run ends")
            }
            Event::WindowFailed { table, window, error } => {
                format!("{table} {window}: failed: {}", self.error(error))
            }
            Event::TableDone { summary, elapsed } => {
                let was_idle = std::mem::take(&mut self.is_idle);
                done(summary, elapsed, was_idle)
            }
            Event::Wall(_)
            | Event::Paced { .. }
            | Event::Held { .. }
            | Event::Released { .. }
            | Event::Decided { .. }
            | Event::Comparing { .. }
            | Event::WindowStarted { .. }
            | Event::ChunkVerified { .. }
            | Event::ChunkCompared { .. }
            | Event::Accounted { .. }
            | Event::RunDone { .. } => return None,
        })
    }

    /// An error in full, or by its short name if it was said before.
    fn error(&mut self, error: &Error) -> String {
        let text = error.chain();
        self.again(&text).unwrap_or(text)
    }

    /// The short name of an error that was said before; `None` for a new one, which is said now.
    fn again(&mut self, text: &str) -> Option<String> {
        let bare = &text[place(text).len()..];
        if self.errors.iter().any(|told| told == bare) {
            return Some(format!("{} (as above)", gist(bare)));
        }
        if self.errors.len() == ERRORS_MAX {
            self.errors.pop_front();
        }
        self.errors.push_back(bare.to_owned());
        None
    }
}

/// The line of a table's end.
fn done(summary: &TableSummary, elapsed: std::time::Duration, was_idle: bool) -> String {
    let (table, loaded) = (&summary.name, summary.rows_loaded);
    if summary.rows_compared > 0 && loaded == 0 && summary.already_complete {
        return format!(
            "{table}: unchanged, the source's {} are those in place",
            rows(summary.rows_compared)
        );
    }
    if was_idle && loaded == 0 {
        return format!(
            "{table}: nothing to do, {} there already",
            rows(summary.rows_total)
        );
    }
    let seconds = elapsed.as_secs_f64();
    let speed = if loaded > 0 && seconds >= 0.1 {
        format!(", {}/s", rows((loaded as f64 / seconds) as u64))
    } else {
        String::new()
    };
    format!("{table}: {} in {}{speed}", rows(loaded), duration(elapsed))
}

/// The place that a text begins with, as `Table T, window 2025-10, chunk 3: `; empty without one.
fn place(text: &str) -> &str {
    match text.find(": ") {
        Some(colon) if text.starts_with("Table ") => &text[..colon + 2],
        _ => "",
    }
}

//! The output of the counts: a table for people, Markdown, and JSON.

use serde::Serialize;

use super::counted::{Count, Counted, Rows};
use crate::base::text::thousands;
use crate::cli::screen::{Cell, Column, Screen, Table, Tone};
use crate::model::window::{Window, spans};

impl Rows {
    pub(in crate::cli) fn source(self) -> Option<u64> {
        match self {
            Rows::Counted { source, .. } => Some(source),
            Rows::NotLoaded | Rows::NotComplete | Rows::Failed => None,
        }
    }

    pub(in crate::cli) fn target(self) -> Option<u64> {
        match self {
            Rows::Counted { target, .. } => target,
            Rows::NotLoaded | Rows::NotComplete | Rows::Failed => None,
        }
    }

    /// Whether both ends have the same count; `None` if nothing was counted. A missing target table counts as empty.
    pub(in crate::cli) fn is_equal(self) -> Option<bool> {
        self.source().map(|source| self.target().unwrap_or(0) == source)
    }

    pub(super) fn state(self) -> &'static str {
        match self {
            Rows::NotLoaded => "not loaded",
            Rows::NotComplete => "not complete",
            Rows::Failed => "failed",
            Rows::Counted { source, target } if target.unwrap_or(0) != source => "different",
            Rows::Counted { source: 0, .. } => "empty",
            Rows::Counted { .. } => "equal",
        }
    }

    /// The number of rows at the target; a dash where nothing was counted.
    fn number(self) -> String {
        match self {
            Rows::Counted { target, .. } => thousands(target.unwrap_or(0)),
            Rows::NotLoaded | Rows::NotComplete | Rows::Failed => "–".to_owned(),
        }
    }

    fn mark(self) -> String {
        match (self.tone(), self.source()) {
            (Tone::Bad, Some(source)) => format!("{} source: {}", Tone::Bad.mark(), thousands(source)),
            (tone, Some(_)) => tone.mark().to_owned(),
            (_, None) => self.state().to_owned(),
        }
    }

    fn tone(self) -> Tone {
        match self.state() {
            "equal" => Tone::Plain,
            "empty" => Tone::Faint,
            "different" | "failed" => Tone::Bad,
            _ => Tone::Attention,
        }
    }
}

/// The lines of the output: a name, and the rows.
fn lines(counts: &[Count]) -> Vec<(String, Rows)> {
    let mut lines = Vec::new();
    for count in counts {
        let name = |window: &str| format!("{} {window}", count.table);
        let is_counted = |(_, rows): &&(Window, Rows)| matches!(rows, Rows::Counted { .. });
        let by_window: Vec<_> = count.windows.iter().filter(is_counted).collect();
        if by_window.is_empty() || count.rows.source().is_none() {
            lines.push((count.table.clone(), count.rows));
        }
        let by_window = by_window
            .iter()
            .map(|(window, rows)| (name(&window.to_string()), *rows));
        lines.extend(by_window);
        // A table that is named as such needs no line for each of its windows.
        let left = [Rows::NotComplete, Rows::NotLoaded];
        for rows in left.into_iter().filter(|rows| *rows != count.rows) {
            let windows = count.windows.iter().filter(|(_, found)| *found == rows);
            let windows: Vec<Window> = windows.map(|(window, _)| *window).collect();
            lines.extend(spans(&windows).iter().map(|span| (name(span), rows)));
        }
    }
    lines
}

/// The counts as lines of a table, with their total. Row counts are the target's.
pub(super) struct Lines {
    lines: Vec<(String, Rows)>,
    total: u64,
}

pub(super) fn tabled(counts: &[Count]) -> Lines {
    Lines {
        lines: lines(counts),
        total: counts.iter().filter_map(|count| count.rows.target()).sum(),
    }
}

/// The counts for a terminal.
pub(super) fn text(lines: &Lines, screen: &Screen) -> String {
    let mut table = Table::new([
        Column::name("Table"),
        Column::number("Row Count"),
        Column::name("Status"),
    ]);
    for (name, rows) in &lines.lines {
        let status = Cell::from(rows.mark()).tone(rows.tone());
        table.line([name.as_str().into(), rows.number().into(), status]);
    }
    let strong = |text: String| Cell::from(text).tone(Tone::Strong);
    table.line([
        strong("TOTAL".to_owned()),
        strong(thousands(lines.total)),
        "".into(),
    ]);
    table.text(screen)
}

/// The counts as an aligned Markdown table, with numbers at the left as in the tables that it replaces.
pub(super) fn markdown(lines: &Lines) -> String {
    let head = ["Table", "Row Count", "Status"].map(str::to_owned);
    let of = lines.lines.iter();
    let of = of.map(|(name, rows)| [name.clone(), rows.number(), rows.mark()]);
    let total = format!("**{}**", thousands(lines.total));
    let total = ["**TOTAL**".to_owned(), total, String::new()];
    let mut cells: Vec<[String; 3]> = std::iter::once(head).chain(of).chain([total]).collect();
    let width = |column: usize| cells.iter().map(|line| line[column].chars().count()).max();
    let widths = [0, 1, 2].map(|column| width(column).unwrap_or(0));
    cells.insert(1, widths.map(|width| "-".repeat(width)));
    let [first, second, third] = widths;
    let line = |[name, number, status]: &[String; 3]| {
        format!("| {name:first$} | {number:second$} | {status:third$} |\n")
    };
    cells.iter().map(line).collect()
}

/// The counts as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct CountsView<'a> {
    /// Whether all is loaded and equal; `null` if what was counted is, and not all was counted.
    equal: Option<bool>,
    exit_code: u8,
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    equal: Option<bool>,
    /// Why it cannot be counted.
    error: Option<String>,
    mode: String,
    name: &'a str,
    source: Option<u64>,
    /// `equal`, `empty`, `different`, `not loaded`, `not complete` or `failed`.
    state: &'static str,
    target: Option<u64>,
    /// With `--windows` all of them, else those that are not counted.
    windows: Vec<WindowView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowView {
    equal: Option<bool>,
    source: Option<u64>,
    state: &'static str,
    target: Option<u64>,
    window: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    source: u64,
    target: u64,
}

impl CountsView<'_> {
    pub(super) fn of(counted: &Counted) -> CountsView<'_> {
        let counts = &counted.counts;
        let tables = counts.iter().map(|count| TableView {
            equal: count.rows.is_equal(),
            error: counted
                .errors
                .iter()
                .find(|(table, _)| *table == count.table)
                .map(|(_, error)| error.chain()),
            mode: count.mode.to_string(),
            name: &count.table,
            source: count.rows.source(),
            state: count.rows.state(),
            target: count.rows.target(),
            windows: count.windows.iter().map(WindowView::of).collect(),
        });
        CountsView {
            equal: counted.are_equal(),
            exit_code: counted.exit() as u8,
            tables: tables.collect(),
            totals: TotalsView {
                source: counts.iter().filter_map(|count| count.rows.source()).sum(),
                target: counts.iter().filter_map(|count| count.rows.target()).sum(),
            },
        }
    }
}

impl WindowView {
    fn of((window, rows): &(Window, Rows)) -> WindowView {
        WindowView {
            equal: rows.is_equal(),
            source: rows.source(),
            state: rows.state(),
            target: rows.target(),
            window: window.to_string(),
        }
    }
}

//! `sync counts` prints the row counts of source and target side by side, one line per table, as in the work log.

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use super::voice::Voice;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, markdown, thousands};
use crate::checkpoint::{Reader, View, WindowState};
use crate::cli::context::{Context, json, result};
use crate::config::{Config, Mode, TableConfig};
use crate::model::row::Value;
use crate::model::table::{Column, DataType, TableName, TableSchema};
use crate::model::window::Window;
use crate::model::window::{Bounds, Extent, midnight};
use crate::mssql::{Session, catalog};
use crate::pipeline::resume::read_cutoff;
use crate::source::{SourceQuery, SourceSession};
use crate::target::lease;
use crate::tsql::predicate::Where;

/// Arguments of `sync counts`.
#[derive(Debug, Args)]
pub(super) struct CountsArgs {
    /// Count whole tables instead of the loaded windows
    #[arg(long)]
    all: bool,
    /// Print one line per window instead of one per table
    #[arg(long, conflicts_with = "all")]
    windows: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The counts of one table, or of one of its windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    table: String,
    window: Option<Window>,
    rows: Rows,
}

/// The rows of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Both ends were counted.
    Counted {
        source: u64,
        /// `None` if the target has no such table.
        target: Option<u64>,
    },
    /// No row of the table is loaded, so nothing is counted.
    NotLoaded,
    /// Some chunks are loaded, but no window is complete.
    NotComplete,
}

/// One line of the output, before it is counted.
#[derive(Debug)]
struct Line<'a> {
    table: &'a TableConfig,
    window: Option<Window>,
    asked: Scope,
    /// The rows to show if neither end has a row, because windows are left out of the line.
    if_empty: Option<Rows>,
}

#[derive(Debug)]
enum Scope {
    /// Count the rows of these extents.
    Extents(Vec<Extent>),
    /// Count nothing, for this reason.
    Nothing(Rows),
}

/// The lines to count, and the windows left out of them.
#[derive(Debug, Default)]
struct Plan<'a> {
    lines: Vec<Line<'a>>,
    /// Windows that have receipts and are not complete.
    begun: Vec<(&'a TableConfig, Window)>,
}

/// The outcome of a [`Plan`].
#[derive(Debug)]
struct Counted {
    counts: Vec<Count>,
    /// Incomplete windows whose end has passed by the source's clock.
    unfinished: Vec<(String, Window)>,
}

pub(super) async fn run(context: &Context, args: CountsArgs) -> Result<ExitCode> {
    let mut config = context.load()?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let counted = counts(context, &config, &args).await;
    embedded.stop().await;
    let counted = counted?;
    counted.warn(&context.voice);
    result(&if args.json {
        json(&CountsView::of(&counted.counts))
    } else {
        text(&counted.counts)
    })?;
    Ok(counted.exit())
}

async fn counts(context: &Context, config: &Config, args: &CountsArgs) -> Result<Counted> {
    if args.all {
        let whole = config.tables.iter().map(|table| Line {
            table,
            window: None,
            asked: Scope::Extents(vec![Extent::All]),
            if_empty: None,
        });
        let plan = Plan {
            lines: whole.collect(),
            begun: Vec::new(),
        };
        return count(config, &plan).await;
    }
    let path = context.state_of(&config.path);
    let reader = Reader::open(&path)?;
    if reader.is_none() {
        let path = path.display();
        context.voice.say(&format!(
            "note: there is no state file {path}: nothing is loaded yet; --all counts whole tables"
        ));
    }
    let view = reader.as_ref().map(Reader::view).transpose()?;
    let tables = config.tables.iter();
    let plan = loaded(&context.voice, tables, view.as_ref(), args.windows)?;
    count(config, &plan).await
}

/// The output of `sync counts` for the tables of one mode and the windows that `view` knows; empty without such
/// tables. The servers of `config` must be running.
#[cfg(feature = "emulator")]
pub(super) async fn of_loaded(
    voice: &Voice,
    config: &Config,
    view: &View<'_>,
    mode: Mode,
) -> Result<(String, ExitCode)> {
    let tables = config.tables.iter().filter(|table| table.mode == mode);
    let plan = loaded(voice, tables, Some(view), false)?;
    if plan.lines.is_empty() {
        return Ok((String::new(), ExitCode::Done));
    }
    let counted = count(config, &plan).await?;
    counted.warn(voice);
    Ok((text(&counted.counts), counted.exit()))
}

/// Plans a line for each table's complete windows, or with `by_window` for each window, from the checkpoint file.
/// A note names the windows left out.
fn loaded<'a>(
    voice: &Voice,
    tables: impl Iterator<Item = &'a TableConfig>,
    view: Option<&View<'_>>,
    by_window: bool,
) -> Result<Plan<'a>> {
    let mut plan = Plan::default();
    for table in tables {
        let name = table.name.as_str();
        let windows = view.map_or_else(|| Ok(vec![]), |view| view.windows(name))?;
        let (complete, rest): (Vec<_>, Vec<_>) = windows
            .into_iter()
            .partition(|record| record.state == WindowState::Complete);
        if !rest.is_empty() {
            let names: Vec<String> = rest.iter().map(|record| record.window.to_string()).collect();
            voice.say(&format!(
                "note: table {}: {} not complete and left out: {}",
                table.name,
                counted(rest.len() as u64, "window"),
                names.join(", ")
            ));
        }
        let before = plan.begun.len();
        for (view, record) in view
            .iter()
            .flat_map(|view| rest.iter().map(move |record| (view, record)))
        {
            // A verified or stale checkpoint stands for a receipt.
            let counts = view.counts(name, record.window)?;
            if counts.verified + counts.stale > 0 {
                plan.begun.push((table, record.window));
            }
        }
        let complete: Vec<Window> = complete.into_iter().map(|record| record.window).collect();
        let left_out = if plan.begun.len() > before {
            Rows::NotComplete
        } else {
            Rows::NotLoaded
        };
        // Rows without a date are few or none, and say nothing of the others.
        let no_dates = table.mode == Mode::Monthly && !complete.iter().any(Window::is_dated);
        let line = |window, asked| Line {
            table,
            window,
            asked,
            if_empty: (window.is_none() && no_dates).then_some(left_out),
        };
        if complete.is_empty() || (by_window && no_dates) {
            plan.lines.push(line(None, Scope::Nothing(left_out)));
        }
        if complete.is_empty() {
            continue;
        }
        if by_window {
            let extents = |window| Scope::Extents(vec![Extent::of_window(window)]);
            let lines = complete
                .into_iter()
                .map(|window| line(Some(window), extents(window)));
            plan.lines.extend(lines);
        } else {
            let extents = joined(complete.into_iter());
            plan.lines.push(line(None, Scope::Extents(extents)));
        }
    }
    Ok(plan)
}

/// Joins windows whose dates touch, so that one query counts each extent.
fn joined(windows: impl Iterator<Item = Window>) -> Vec<Extent> {
    let mut days: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    let mut other = Vec::new();
    // The store returns windows in the order of their dates.
    for window in windows {
        match (window, days.last_mut()) {
            (Window::All | Window::Undated, _) => other.push(window),
            (Window::Dates(next), Some(last)) if next.start() <= last.1 => last.1 = last.1.max(next.end()),
            (Window::Dates(next), _) => days.push((next.start(), next.end())),
        }
    }
    let days = days.into_iter().map(|(start, end)| {
        Extent::Dates(Bounds {
            start: midnight(start),
            end: midnight(end),
        })
    });
    days.chain(other.into_iter().map(Extent::of_window)).collect()
}

/// Counts each line at both ends, and finds the windows that should be complete by now.
async fn count(config: &Config, plan: &Plan<'_>) -> Result<Counted> {
    let timeouts = config.run.timeouts;
    let guard = &config.source.guard;
    let mut source = SourceSession::open(&config.source.endpoint, guard, &timeouts).await?;
    let mut target = lease::open_to_look(&config.target.endpoint, &timeouts).await?;
    let mut counts = Vec::new();
    for line in &plan.lines {
        let rows = match &line.asked {
            Scope::Nothing(rows) => *rows,
            Scope::Extents(extents) => {
                let name = config.source_table(line.table);
                let there = count_source(&mut source, &name, line.table, extents).await?;
                let target_name = config.target_table(line.table);
                let here = match count_target(&mut target, &target_name, line.table, extents).await {
                    Err(error) => return Err(lease::with_holder(&mut target, &target_name, error).await),
                    here => here?,
                };
                let there = there.ok_or_else(|| is_not_there(&name))?;
                match line.if_empty {
                    Some(rows) if there == 0 && here.unwrap_or(0) == 0 => rows,
                    _ => Rows::Counted {
                        source: there,
                        target: here,
                    },
                }
            }
        };
        counts.push(Count {
            table: line.table.name.as_str().to_owned(),
            window: line.window,
            rows,
        });
    }
    Ok(Counted {
        counts,
        unfinished: unfinished(config, &mut source, &plan.begun).await?,
    })
}

fn is_not_there(name: &TableName) -> Error {
    Error::new(
        ErrorKind::Preflight,
        format!(
            "The source has no table {name} that this login may see; check its name and schema, or grant SELECT on it"
        ),
    )
}

/// Of the windows begun, those whose end plus `settle_minutes` has passed by the source's clock. Without any window
/// begun, the clock is not asked.
async fn unfinished(
    config: &Config,
    source: &mut SourceSession,
    begun: &[(&TableConfig, Window)],
) -> Result<Vec<(String, Window)>> {
    if begun.is_empty() {
        return Ok(Vec::new());
    }
    let server = source.server().await?;
    let mut unfinished = Vec::new();
    for (table, window) in begun {
        let name = config.source_table(table);
        let schema = source.describe(&name).await?.ok_or_else(|| is_not_there(&name))?;
        let date = table.date_column.as_ref();
        let position = date.and_then(|date| schema.position(date.as_str()));
        // Instants with an offset are compared in UTC; dates without one count as the server's local time.
        let now = match position.map(|position| schema.columns[position].data_type) {
            Some(DataType::DateTimeOffset(_)) => server.now_utc,
            _ => server.now,
        };
        let readable = read_cutoff(now, config.run.settle_minutes);
        if window.has_passed(readable) {
            unfinished.push((table.name.as_str().to_owned(), *window));
        }
    }
    Ok(unfinished)
}

/// The rows of extents at the source; `None` if there is no such table.
async fn count_source(
    session: &mut SourceSession,
    name: &TableName,
    table: &TableConfig,
    extents: &[Extent],
) -> Result<Option<u64>> {
    let Some(schema) = session.describe(name).await? else {
        return Ok(None);
    };
    let date = date_column(&schema, table, extents)?;
    let mut count = 0;
    for extent in extents {
        let (select, params) = count_where(name, date, *extent);
        let row = session.row(SourceQuery::new(select, params)).await?;
        count += row.count(0)?;
    }
    Ok(Some(count))
}

/// The rows of extents at the target; `None` if there is no such table.
async fn count_target(
    session: &mut Session,
    name: &TableName,
    table: &TableConfig,
    extents: &[Extent],
) -> Result<Option<u64>> {
    let Some(schema) = catalog::describe(session, name).await? else {
        return Ok(None);
    };
    let date = date_column(&schema, table, extents)?;
    let mut count = 0;
    for extent in extents {
        let (select, params) = count_where(name, date, *extent);
        let rows = session.rows(&select, &params).await?;
        let row = rows.first().ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                format!("The target did not answer how many rows {name} has"),
            )
        })?;
        count += row.count(0)?;
    }
    Ok(Some(count))
}

/// The column that extents are about; `None` if they are the whole table.
fn date_column<'a>(
    schema: &'a TableSchema,
    table: &TableConfig,
    extents: &[Extent],
) -> Result<Option<&'a Column>> {
    let whole = extents.iter().all(|extent| *extent == Extent::All);
    let Some(date) = table.date_column.as_ref().filter(|_| !whole) else {
        return Ok(None);
    };
    let position = schema.position(date.as_str()).ok_or_else(|| {
        let text = format!(
            "Table {} has no column {date}; set date_column to the one it has",
            schema.name
        );
        Error::new(ErrorKind::Preflight, text)
    })?;
    Ok(Some(&schema.columns[position]))
}

fn count_where(name: &TableName, date: Option<&Column>, extent: Extent) -> (String, Vec<Value<'static>>) {
    let mut clause = Where::default();
    clause.extent(date, extent);
    let (filter, params) = clause.finish();
    (
        format!("SELECT COUNT_BIG(*) FROM {}{filter}", name.quoted()),
        params,
    )
}

impl Counted {
    /// Warns of windows that should be complete and are not.
    fn warn(&self, voice: &Voice) {
        for (table, window) in &self.unfinished {
            voice.say(&format!(
                "warning: table {table}: window {window} has ended and is not complete; `sync run` with its dates loads the rest"
            ));
        }
    }

    /// A difference outranks tables and windows that could not be compared.
    fn exit(&self) -> ExitCode {
        let is = |equal| self.counts.iter().any(|count| count.is_equal() == equal);
        let not_loaded = self.counts.iter().any(|count| count.rows == Rows::NotLoaded);
        if is(Some(false)) {
            ExitCode::Mismatch
        } else if not_loaded || !self.unfinished.is_empty() {
            ExitCode::Incomplete
        } else {
            ExitCode::Done
        }
    }
}

impl Count {
    fn source(&self) -> Option<u64> {
        match self.rows {
            Rows::Counted { source, .. } => Some(source),
            Rows::NotLoaded | Rows::NotComplete => None,
        }
    }

    fn target(&self) -> Option<u64> {
        match self.rows {
            Rows::Counted { target, .. } => target,
            Rows::NotLoaded | Rows::NotComplete => None,
        }
    }

    /// Whether both ends have the same count; `None` if nothing was counted. A missing target table counts as empty.
    fn is_equal(&self) -> Option<bool> {
        self.source().map(|source| self.target().unwrap_or(0) == source)
    }

    fn name(&self) -> String {
        match self.window {
            Some(window) => format!("{} {window}", self.table),
            None => self.table.clone(),
        }
    }

    fn status(&self) -> &'static str {
        match self.rows {
            Rows::NotLoaded => "not loaded",
            Rows::NotComplete => "not complete",
            Rows::Counted { source, target } if target.unwrap_or(0) != source => "different",
            Rows::Counted { source: 0, .. } => "empty",
            Rows::Counted { .. } => "equal",
        }
    }

    fn mark(&self) -> String {
        match (self.status(), self.source()) {
            ("empty", _) => "○".to_owned(),
            ("equal", _) => "✓".to_owned(),
            (_, Some(source)) => format!("✗ source: {}", thousands(source)),
            (status, None) => status.to_owned(),
        }
    }
}

/// Whether all counted lines are equal; `None` if no line was counted.
fn are_equal(counts: &[Count]) -> Option<bool> {
    let counted = counts.iter().filter_map(Count::is_equal);
    counted.reduce(|all, equal| all && equal)
}

/// The counts as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CountsView<'a> {
    equal: Option<bool>,
    tables: Vec<LineView<'a>>,
    total: TotalView,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LineView<'a> {
    equal: Option<bool>,
    name: &'a str,
    source: Option<u64>,
    status: &'static str,
    target: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalView {
    source: u64,
    target: u64,
}

impl CountsView<'_> {
    fn of(counts: &[Count]) -> CountsView<'_> {
        let lines = counts.iter().map(|count| LineView {
            equal: count.is_equal(),
            name: &count.table,
            source: count.source(),
            status: count.status(),
            target: count.target(),
            window: count.window.map(|window| window.to_string()),
        });
        CountsView {
            equal: are_equal(counts),
            tables: lines.collect(),
            total: TotalView {
                source: counts.iter().filter_map(Count::source).sum(),
                target: counts.iter().filter_map(Count::target).sum(),
            },
        }
    }
}

/// The counts as an aligned Markdown table. Its row counts are the target's.
fn text(counts: &[Count]) -> String {
    let total = counts.iter().filter_map(Count::target).sum();
    let mut lines = vec![["Table".to_owned(), "Row Count".to_owned(), "Status".to_owned()]];
    for count in counts {
        lines.push([count.name(), thousands(count.target().unwrap_or(0)), count.mark()]);
    }
    lines.push([
        "**TOTAL**".to_owned(),
        format!("**{}**", thousands(total)),
        String::new(),
    ]);
    markdown(&lines)
}

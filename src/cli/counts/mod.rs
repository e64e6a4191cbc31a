//! `sync counts` prints the row counts of source and target side by side, one line per table, as in the work log.

mod counted;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate};
use clap::{Args, ValueEnum};

use super::embedded::Embedded;
use super::voice::Voice;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::text::counted;
use crate::checkpoint::{Reader, Tombstone, View, WindowState};
use crate::cli::context::{Context, json, result};
use crate::cli::hours::outside;
use crate::cli::shared::table;
use crate::config::{Config, Mode, TableConfig};
use crate::model::plan::AccessPath;
use crate::model::row::Value;
use crate::model::table::{Column, Identifier, TableName, TableSchema};
use crate::model::window::{Bounds, DateRange, Extent, Window, midnight, missing, spans};
use crate::mssql::{Session, catalog};
use crate::pipeline::resume::read_cutoff;
use crate::source::{SourceQuery, SourceSession, absent};
use crate::target::lease;
use crate::tsql::predicate::Where;
pub(super) use counted::{Count, Counted, Rows};
use view::{CountsView, markdown, tabled, text};

/// Arguments of `sync counts`.
#[derive(Debug, Args)]
pub(super) struct CountsArgs {
    /// Count whole tables instead of the loaded windows
    #[arg(long)]
    all: bool,
    /// Print one line per window instead of one per table
    #[arg(long, conflicts_with = "all")]
    windows: bool,
    /// Only these tables of the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    /// Form of the table; the default is text on a terminal and markdown elsewhere
    #[arg(long, value_name = "FORM", value_enum)]
    format: Option<Format>,
    /// Print JSON
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// The form of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    // Aligned columns that fit the terminal.
    Text,
    Markdown,
}

/// A table to count.
#[derive(Debug)]
struct Plan<'a> {
    table: &'a TableConfig,
    /// The extents to count, each with its window if it is counted by itself.
    extents: Vec<(Option<Window>, Extent)>,
    /// What the table is if there is nothing to count, or if neither end has a row although windows are left out.
    otherwise: Option<Rows>,
    /// Windows that are not counted.
    left: Vec<Left>,
}

/// A window that is not counted.
#[derive(Debug, Clone, Copy)]
struct Left {
    window: Window,
    rows: Rows,
    /// Whether it should be complete once its end has passed.
    must_be_complete: bool,
}

pub(super) async fn run(context: &Context, args: CountsArgs) -> Result<ExitCode> {
    let mut config = context.begin()?;
    let hours = config.source.hours.as_ref();
    if let Some(note) = hours.and_then(|hours| outside(hours, context.clock.now())) {
        context.voice.say(&note);
    }
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let counted = counts(context, &config, &args).await;
    embedded.stop().await;
    let counted = counted?;
    counted.warn(&context.voice);
    let lines = tabled(&counted.counts);
    result(&match (args.json, args.format, context.screen.width) {
        (true, _, _) => json(&CountsView::of(&counted)),
        (false, Some(Format::Text), _) | (false, None, Some(_)) => text(&lines, &context.screen),
        (false, Some(Format::Markdown), _) | (false, None, None) => markdown(&lines),
    })?;
    Ok(counted.exit())
}

async fn counts(context: &Context, config: &Config, args: &CountsArgs) -> Result<Counted> {
    let chosen = config.chosen(args.tables.as_deref())?;
    if args.all {
        let whole = chosen.into_iter().map(|table| Plan {
            table,
            extents: vec![(None, Extent::All)],
            otherwise: None,
            left: Vec::new(),
        });
        return count(config, &whole.collect::<Vec<_>>()).await;
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
    let plans = chosen
        .into_iter()
        .map(|table| loaded(table, view.as_ref(), args.windows));
    let plans = plans.collect::<Result<Vec<_>>>()?;
    note_left(&context.voice, &plans);
    count(config, &plans).await
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
    let plans = tables
        .map(|table| loaded(table, Some(view), false))
        .collect::<Result<Vec<_>>>()?;
    if plans.is_empty() {
        return Ok((String::new(), ExitCode::Done));
    }
    note_left(voice, &plans);
    let counted = count(config, &plans).await?;
    counted.warn(voice);
    Ok((markdown(&tabled(&counted.counts)), counted.exit()))
}

/// Counts the complete windows of tables at both ends, as far as they are asked for. Each window is counted by itself
/// where an index finds its rows, and else all of a table's together: a count of each would read the table for each.
///
/// # Errors
/// Those of the state file and of the servers.
pub(super) async fn of_windows(
    config: &Config,
    view: &View<'_>,
    tables: &[&TableConfig],
    is_asked: impl Fn(Window) -> bool,
) -> Result<Counted> {
    let mut plans = Vec::new();
    for table in tables {
        let mut plan = loaded(table, Some(view), true)?;
        plan.extents.retain(|(window, _)| window.is_none_or(&is_asked));
        plan.left.retain(|left| is_asked(left.window));
        let record = view.table(table.name.as_str())?;
        if record.is_some_and(|record| record.access_path == AccessPath::Walk) {
            let windows: Vec<Window> = plan.extents.iter().filter_map(|(window, _)| *window).collect();
            let extents = joined(windows.into_iter()).into_iter();
            plan.extents = extents.map(|extent| (None, extent)).collect();
        }
        if plan.extents.is_empty() {
            plan.otherwise.get_or_insert(Rows::NotComplete);
        }
        plans.push(plan);
    }
    count(config, &plans).await
}

/// Plans the count of a table's complete windows from the state file, together, or with `by_window` each by itself.
fn loaded<'a>(table: &'a TableConfig, view: Option<&View<'_>>, by_window: bool) -> Result<Plan<'a>> {
    let name = table.name.as_str();
    let records = view.map_or_else(|| Ok(vec![]), |view| view.windows(name))?;
    let forgetting = view.map_or_else(|| Ok(vec![]), View::tombstones)?;
    let (mut complete, mut left, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let window = record.window;
        all.push(window);
        // A run first finishes what is being forgotten.
        let covers = |one: &&Tombstone| one.table == name && one.covers(window);
        if forgetting.iter().any(|one| covers(&one)) {
            left.push(Left {
                window,
                rows: Rows::NotLoaded,
                must_be_complete: true,
            });
            continue;
        }
        if record.state == WindowState::Complete {
            complete.push(window);
            continue;
        }
        let counts = view.map(|view| view.counts(name, window)).transpose()?;
        // A verified or stale checkpoint stands for a receipt.
        let is_begun = counts.is_some_and(|counts| counts.verified + counts.stale > 0);
        let is_open = record.state == WindowState::Open;
        left.push(Left {
            window,
            rows: match is_begun || is_open {
                true => Rows::NotComplete,
                false => Rows::NotLoaded,
            },
            must_be_complete: is_begun || !is_open,
        });
    }
    let forgotten = view.map_or_else(|| Ok(vec![]), View::forgotten)?;
    for month in forgotten.into_iter().filter(|forgotten| forgotten.table == name) {
        let owed = not_loaded(month_from(month.month), &all)?;
        all.extend(owed.iter().copied());
        left.extend(owed.into_iter().map(|window| Left {
            window,
            rows: Rows::NotLoaded,
            must_be_complete: true,
        }));
    }
    left.extend(gaps(&all)?);
    left.sort_by_key(|left| left.window);
    let is_any = |rows: Rows| left.iter().any(|left| left.rows == rows);
    let left_out = match is_any(Rows::NotComplete) {
        true => Rows::NotComplete,
        false => Rows::NotLoaded,
    };
    // Rows without a date are few or none, and say nothing of the others.
    let no_dates = table.mode == Mode::Monthly && !complete.iter().any(Window::is_dated);
    let extents = match by_window {
        true => complete
            .into_iter()
            .map(|window| (Some(window), Extent::of_window(window)))
            .collect(),
        false => joined(complete.into_iter())
            .into_iter()
            .map(|extent| (None, extent))
            .collect::<Vec<_>>(),
    };
    Ok(Plan {
        table,
        otherwise: (no_dates || extents.is_empty()).then_some(left_out),
        extents,
        left,
    })
}

/// The dates of a range that none of these windows covers.
fn not_loaded(range: Option<DateRange>, windows: &[Window]) -> Result<Vec<Window>> {
    range.map_or_else(|| Ok(vec![]), |range| missing(range, windows))
}

fn month_from(start: NaiveDate) -> Option<DateRange> {
    let end = start.checked_add_months(Months::new(1))?;
    Some(DateRange { start, end })
}

/// The dates between a table's windows that no window covers: nobody asked for them, as far as the state file knows.
fn gaps(windows: &[Window]) -> Result<Vec<Left>> {
    let days = || windows.iter().filter_map(|window| window.days());
    let (start, end) = (
        days().map(|days| days.start()).min(),
        days().map(|days| days.end()).max(),
    );
    let range = start.zip(end).map(|(start, end)| DateRange { start, end });
    let gaps = not_loaded(range, windows)?.into_iter();
    Ok(gaps
        .map(|window| Left {
            window,
            rows: Rows::NotLoaded,
            must_be_complete: false,
        })
        .collect())
}

/// Names the windows that are left out.
fn note_left(voice: &Voice, plans: &[Plan<'_>]) {
    for plan in plans {
        for (rows, status) in [
            (Rows::NotComplete, "not complete"),
            (Rows::NotLoaded, "not loaded"),
        ] {
            let windows = plan.left.iter().filter(|left| left.rows == rows);
            let windows: Vec<Window> = windows.map(|left| left.window).collect();
            if !windows.is_empty() {
                voice.say(&format!(
                    "note: table {}: {} {status} and left out: {}",
                    plan.table.name,
                    counted(windows.len() as u64, "window"),
                    spans(&windows).join(", ")
                ));
            }
        }
    }
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

/// Counts each table at both ends, and finds the windows that should be complete by now.
async fn count(config: &Config, plans: &[Plan<'_>]) -> Result<Counted> {
    let timeouts = config.run.timeouts;
    let guard = &config.source.guard;
    let mut source = SourceSession::open(&config.source.endpoint, guard, &timeouts).await?;
    let mut target = lease::open_to_look(&config.target.endpoint, &timeouts).await?;
    let mut counted = Counted::default();
    for plan in plans {
        let counts = match plan.extents.is_empty() {
            true => Ok(Vec::new()),
            false => count_table(config, plan, &mut source, &mut target).await,
        };
        match counts {
            Ok(counts) => counted.counts.push(plan.counted(counts)),
            // A table that cannot be counted hides no other.
            Err(error)
                if plans.len() > 1
                    && error.kind().is_of_the_table()
                    && !(source.is_broken() || target.is_broken()) =>
            {
                counted.counts.push(plan.failed());
                counted.errors.push((plan.table.name.to_string(), error));
            }
            Err(error) => return Err(error),
        }
    }
    counted.unfinished = unfinished(config, &mut source, plans).await?;
    Ok(counted)
}

/// The rows of each extent of a table, at the source and at the target.
async fn count_table(
    config: &Config,
    plan: &Plan<'_>,
    source: &mut SourceSession,
    target: &mut Session,
) -> Result<Vec<(u64, Option<u64>)>> {
    let name = config.source_table(plan.table);
    let extents: Vec<Extent> = plan.extents.iter().map(|(_, extent)| *extent).collect();
    let there = count_source(source, &name, plan.table, &extents).await?;
    let target_name = config.target_table(plan.table);
    let here = match count_target(target, &target_name, plan.table, &extents).await {
        Err(error) => return Err(lease::with_holder(target, &target_name, error).await),
        here => here?,
    };
    let Some(there) = there else {
        return Err(is_not_there(source, &name).await);
    };
    let here = here.map_or_else(
        || vec![None; extents.len()],
        |counts| counts.into_iter().map(Some).collect(),
    );
    Ok(there.into_iter().zip(here).collect())
}

impl Plan<'_> {
    /// A table that cannot be counted.
    fn failed(&self) -> Count {
        Count {
            table: self.table.name.as_str().to_owned(),
            mode: self.table.mode,
            rows: Rows::Failed,
            windows: Vec::new(),
        }
    }

    /// The counts of the table, of whose extents `counts` are.
    fn counted(&self, counts: Vec<(u64, Option<u64>)>) -> Count {
        let source: u64 = counts.iter().map(|(source, _)| source).sum();
        let here: Vec<u64> = counts.iter().filter_map(|(_, target)| *target).collect();
        let target = (!here.is_empty()).then(|| here.iter().sum());
        let rows = match self.otherwise {
            Some(rows) if source == 0 && target.unwrap_or(0) == 0 => rows,
            _ => Rows::Counted { source, target },
        };
        let by_window = self
            .extents
            .iter()
            .zip(counts)
            .filter_map(|((window, _), counts)| {
                let (source, target) = counts;
                window.map(|window| (window, Rows::Counted { source, target }))
            });
        let left = self.left.iter().map(|left| (left.window, left.rows));
        let windows: BTreeMap<Window, Rows> = by_window.chain(left).collect();
        Count {
            table: self.table.name.as_str().to_owned(),
            mode: self.table.mode,
            rows,
            windows: windows.into_iter().collect(),
        }
    }
}

async fn is_not_there(source: &mut SourceSession, name: &TableName) -> Error {
    let absent = absent(source, name).await;
    Error::new(
        ErrorKind::Preflight,
        format!("The source has {absent}check its name and schema, or grant SELECT on it"),
    )
}

/// Of the windows that must be complete, those whose end plus `settle_minutes` has passed by the source's clock. Without any,
/// the clock is not asked.
async fn unfinished(
    config: &Config,
    source: &mut SourceSession,
    plans: &[Plan<'_>],
) -> Result<Vec<(String, Window, Rows)>> {
    let mut unfinished = Vec::new();
    let mut clock = None;
    for plan in plans {
        let awaited: Vec<&Left> = plan.left.iter().filter(|left| left.must_be_complete).collect();
        if awaited.is_empty() {
            continue;
        }
        let clock = match clock {
            Some(clock) => clock,
            None => *clock.insert(source.clock().await?),
        };
        let name = config.source_table(plan.table);
        let Some(schema) = source.describe(&name).await? else {
            return Err(is_not_there(source, &name).await);
        };
        let date = plan.table.date_column.as_ref();
        let position = date.and_then(|date| schema.position(date.as_str()));
        let now = clock.for_dates(position.map(|position| schema.columns[position].data_type));
        let readable = read_cutoff(now, config.run.settle_minutes);
        let passed = awaited
            .into_iter()
            .filter(|left| left.window.has_passed(readable));
        let named = passed.map(|left| (plan.table.name.as_str().to_owned(), left.window, left.rows));
        unfinished.extend(named);
    }
    Ok(unfinished)
}

/// The rows of each extent at the source; `None` if there is no such table.
async fn count_source(
    session: &mut SourceSession,
    name: &TableName,
    table: &TableConfig,
    extents: &[Extent],
) -> Result<Option<Vec<u64>>> {
    let Some(schema) = session.describe(name).await? else {
        return Ok(None);
    };
    let date = date_column(&schema, table, extents)?;
    let mut counts = Vec::new();
    for extent in extents {
        let (select, params) = count_where(name, date, *extent);
        let row = session.row(SourceQuery::new(select, params)).await?;
        counts.push(row.count(0)?);
    }
    Ok(Some(counts))
}

/// The rows of each extent at the target; `None` if there is no such table.
async fn count_target(
    session: &mut Session,
    name: &TableName,
    table: &TableConfig,
    extents: &[Extent],
) -> Result<Option<Vec<u64>>> {
    let Some(schema) = catalog::describe(session, name).await? else {
        return Ok(None);
    };
    let date = date_column(&schema, table, extents)?;
    let mut counts = Vec::new();
    for extent in extents {
        let (select, params) = count_where(name, date, *extent);
        let rows = session.rows(&select, &params).await?;
        let row = rows.first().ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                format!("The target did not answer how many rows {name} has"),
            )
        })?;
        counts.push(row.count(0)?);
    }
    Ok(Some(counts))
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

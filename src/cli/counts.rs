//! `sync counts`: the row counts of source and target side by side, a line a table, as the work log has them.

use chrono::NaiveDate;
use clap::Args;
use serde_json::json;

use super::embedded::Embedded;
use super::voice::Voice;
use super::{Context, json, result};
use crate::checkpoint::{Reader, View, WindowState};
#[cfg(feature = "emulator")]
use crate::config::Mode;
use crate::config::{Config, TableConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::mssql::{Guard, Session, catalog, predicate, unproven};
use crate::predicate::{Bounds, Extent, Where, midnight};
use crate::report::text::{counted, markdown, thousands};
use crate::row::Value;
use crate::table::{Column, TableName};
use crate::window::{Kind, Window};

/// Arguments of `sync counts`.
#[derive(Debug, Args)]
pub(super) struct CountsArgs {
    /// Count whole tables instead of the windows that are loaded
    #[arg(long)]
    all: bool,
    /// A line a window instead of a line a table
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
    source: u64,
    /// `None` where the target has no such table.
    target: Option<u64>,
}

/// What one line counts of a table: nothing where nothing is loaded.
#[derive(Debug)]
struct Line<'a> {
    table: &'a TableConfig,
    window: Option<Window>,
    extents: Vec<Extent>,
}

pub(super) async fn run(context: &Context, args: CountsArgs) -> Result<ExitCode> {
    let mut config = context.load()?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let counts = counts(context, &config, &args).await;
    embedded.stop().await;
    let counts = counts?;
    result(&if args.json {
        json(&as_json(&counts))
    } else {
        text(&counts)
    })?;
    Ok(exit_of(&counts))
}

async fn counts(context: &Context, config: &Config, args: &CountsArgs) -> Result<Vec<Count>> {
    if args.all {
        let whole = config.tables.iter().map(|table| Line {
            table,
            window: None,
            extents: vec![Extent::All],
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
    let tables = config.tables.iter();
    let lines = loaded(&context.voice, tables, view.as_ref(), args.windows)?;
    count(config, &lines).await
}

/// What `sync counts` prints of the windows that `view` knows, for a configuration whose servers are up and of its
/// tables of one mode; nothing where it has none.
#[cfg(feature = "emulator")]
pub(super) async fn of_loaded(
    voice: &Voice,
    config: &Config,
    view: &View<'_>,
    mode: Mode,
) -> Result<(String, ExitCode)> {
    let tables = config.tables.iter().filter(|table| table.mode == mode);
    let lines = loaded(voice, tables, Some(view), false)?;
    if lines.is_empty() {
        return Ok((String::new(), ExitCode::Done));
    }
    let counts = count(config, &lines).await?;
    Ok((text(&counts), exit_of(&counts)))
}

/// A line for each table's complete windows, or for each of them, as the checkpoint file knows them. What is left out
/// is said.
fn loaded<'a>(
    voice: &Voice,
    tables: impl Iterator<Item = &'a TableConfig>,
    view: Option<&View<'_>>,
    by_window: bool,
) -> Result<Vec<Line<'a>>> {
    let mut lines = Vec::new();
    for table in tables {
        let windows = view.map_or_else(|| Ok(vec![]), |view| view.windows(table.name.as_str()))?;
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
        let complete = complete.into_iter().map(|record| record.window);
        if by_window {
            lines.extend(complete.map(|window| Line {
                table,
                window: Some(window),
                extents: vec![Extent::of_window(window)],
            }));
        } else {
            lines.push(Line {
                table,
                window: None,
                extents: joined(complete),
            });
        }
    }
    Ok(lines)
}

/// Windows whose dates touch as one extent, so that each is counted by one query.
fn joined(windows: impl Iterator<Item = Window>) -> Vec<Extent> {
    let (dated, other): (Vec<Window>, Vec<Window>) = windows.partition(|window| window.kind() == Kind::Dates);
    let mut days: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    // The store has windows by date.
    for window in dated {
        match days.last_mut() {
            Some(last) if window.start() <= last.1 => last.1 = last.1.max(window.end()),
            _ => days.push((window.start(), window.end())),
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

/// Counts each line at both ends.
async fn count(config: &Config, lines: &[Line<'_>]) -> Result<Vec<Count>> {
    let timeouts = config.run.timeouts;
    let guard = &config.source.guard;
    let mut source = Session::open(&config.source.endpoint, Some(guard), &timeouts).await?;
    let mut target = Session::open(&config.target.endpoint, None, &timeouts).await?;
    let mut counts = Vec::new();
    for line in lines {
        let name = config.source_table(line.table);
        let there = count_one(&mut source, Some(guard), &name, line).await?;
        let here = count_one(&mut target, None, &config.target_table(line.table), line).await?;
        let source = there.ok_or_else(|| {
            Error::new(
                ErrorKind::Preflight,
                format!("The source has no table {name} that this login may see; check its name and schema, or grant SELECT on it"),
            )
        })?;
        counts.push(Count {
            table: line.table.name.to_string(),
            window: line.window,
            source,
            target: here,
        });
    }
    Ok(counts)
}

/// The rows of a line; `None` where there is no such table.
async fn count_one(
    session: &mut Session,
    guard: Option<&Guard>,
    name: &TableName,
    line: &Line<'_>,
) -> Result<Option<u64>> {
    if line.extents.is_empty() {
        // Nothing of it is loaded, and so nothing is asked.
        return Ok(Some(0));
    }
    let Some(schema) = catalog::describe(session, name).await? else {
        return Ok(None);
    };
    let whole = line.extents.iter().all(|extent| *extent == Extent::All);
    let date = match &line.table.date_column {
        Some(date) if !whole => {
            let position = schema.position(date.as_str()).ok_or_else(|| {
                let text = format!("Table {name} has no column {date}; set date_column to the one it has");
                Error::new(ErrorKind::Preflight, text)
            })?;
            Some(&schema.columns[position])
        }
        _ => None,
    };
    let mut count = 0;
    for extent in &line.extents {
        count += count_where(session, guard, name, date, *extent).await?;
    }
    Ok(Some(count))
}

/// The rows of an extent. At the source the proof stands in front of the count, and it takes one processor.
async fn count_where(
    session: &mut Session,
    guard: Option<&Guard>,
    name: &TableName,
    date: Option<&Column>,
    extent: Extent,
) -> Result<u64> {
    let (proof, names) = guard.map(|guard| predicate(guard, 1)).unwrap_or_default();
    let (condition, option) = match guard {
        Some(_) => (format!("IF {proof} "), " OPTION (MAXDOP 1)"),
        None => (String::new(), ""),
    };
    let mut clause = Where::after_params(names.iter().map(|name| Value::Text(name)).collect());
    clause.extent(date, extent);
    let (filter, params) = clause.finish();
    let sql = format!(
        "{condition}SELECT COUNT_BIG(*) FROM {}{filter}{option}",
        name.quoted()
    );
    let rows = session.rows(&sql, &params).await?;
    let row = rows.first().ok_or_else(unproven)?;
    Ok(row.integer(0)?.cast_unsigned())
}

fn exit_of(counts: &[Count]) -> ExitCode {
    if counts.iter().all(Count::is_equal) {
        ExitCode::Done
    } else {
        ExitCode::Mismatch
    }
}

impl Count {
    /// A table that is not there holds as many rows as an empty one.
    fn is_equal(&self) -> bool {
        self.target.unwrap_or(0) == self.source
    }

    fn name(&self) -> String {
        match self.window {
            Some(window) => format!("{} {window}", self.table),
            None => self.table.clone(),
        }
    }

    fn status(&self) -> &'static str {
        match (self.is_equal(), self.source) {
            (true, 0) => "empty",
            (true, _) => "equal",
            (false, _) => "different",
        }
    }

    fn mark(&self) -> String {
        match (self.is_equal(), self.source) {
            (true, 0) => "○".to_owned(),
            (true, _) => "✓".to_owned(),
            (false, source) => format!("✗ source: {}", thousands(source)),
        }
    }
}

fn as_json(counts: &[Count]) -> serde_json::Value {
    let tables: Vec<_> = counts
        .iter()
        .map(|count| {
            let mut line = json!({
                "name": count.table,
                "source": count.source,
                "target": count.target,
                "status": count.status(),
            });
            if let Some(window) = count.window {
                line["window"] = json!(window.to_string());
            }
            line
        })
        .collect();
    json!({
        "tables": tables,
        "total": {
            "source": counts.iter().map(|count| count.source).sum::<u64>(),
            "target": counts.iter().filter_map(|count| count.target).sum::<u64>(),
        },
        "equal": counts.iter().all(Count::is_equal),
    })
}

/// The counts as a Markdown table whose columns line up; the target's rows are what is counted in it.
fn text(counts: &[Count]) -> String {
    let total = counts.iter().filter_map(|count| count.target).sum();
    let mut lines = vec![["Table".to_owned(), "Row Count".to_owned(), "Status".to_owned()]];
    for count in counts {
        lines.push([count.name(), thousands(count.target.unwrap_or(0)), count.mark()]);
    }
    lines.push([
        "**TOTAL**".to_owned(),
        format!("**{}**", thousands(total)),
        String::new(),
    ]);
    markdown(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &str, source: u64, target: Option<u64>) -> Count {
        Count {
            table: name.to_owned(),
            window: None,
            source,
            target,
        }
    }

    #[test]
    fn the_table_of_the_work_log() {
        let counts = [
            ("APP_4_SALES", 44_579),
            ("APP_4_SALESITEM", 227_418),
            ("APP_4_PAYMENT", 44_125),
            ("APP_4_VOIDSALESITEM", 2_912),
            ("APP_4_SALESCREDITNOTE", 0),
            ("APP_4_SALESCREDITNOTEITEM", 0),
            ("APP_4_SALESDEBITNOTE", 0),
            ("APP_4_SALESDEBITNOTEITEM", 0),
            ("APP_4_EPAYMENTLOG", 0),
            ("APP_4_VOUCHER", 73_670),
        ]
        .map(|(name, rows)| counted(name, rows, Some(rows)));
        insta::assert_snapshot!(text(&counts), @r"
        | Table                     | Row Count   | Status |
        | ------------------------- | ----------- | ------ |
        | APP_4_SALES               | 44,579      | ✓      |
        | APP_4_SALESITEM           | 227,418     | ✓      |
        | APP_4_PAYMENT             | 44,125      | ✓      |
        | APP_4_VOIDSALESITEM       | 2,912       | ✓      |
        | APP_4_SALESCREDITNOTE     | 0           | ○      |
        | APP_4_SALESCREDITNOTEITEM | 0           | ○      |
        | APP_4_SALESDEBITNOTE      | 0           | ○      |
        | APP_4_SALESDEBITNOTEITEM  | 0           | ○      |
        | APP_4_EPAYMENTLOG         | 0           | ○      |
        | APP_4_VOUCHER             | 73,670      | ✓      |
        | **TOTAL**                 | **392,704** |        |
        ");
        assert_eq!(exit_of(&counts), ExitCode::Done);
    }

    #[test]
    fn a_difference_is_marked_and_ends_with_3() {
        let counts = [
            counted("A", 10, Some(9)),
            counted("B", 0, None),
            counted("C", 1000, None),
        ];
        insta::assert_snapshot!(text(&counts), @r"
        | Table     | Row Count | Status          |
        | --------- | --------- | --------------- |
        | A         | 9         | ✗ source: 10    |
        | B         | 0         | ○               |
        | C         | 0         | ✗ source: 1,000 |
        | **TOTAL** | **9**     |                 |
        ");
        assert_eq!(exit_of(&counts), ExitCode::Mismatch);
        let json = as_json(&counts);
        assert_eq!(json["equal"], false);
        assert_eq!(json["tables"][0]["status"], "different");
        assert_eq!(json["tables"][1]["status"], "empty");
        assert_eq!(json["tables"][2]["target"], serde_json::Value::Null);
        assert_eq!(json["total"], json!({"source": 1010, "target": 9}));
    }

    #[test]
    fn a_line_a_window() {
        let month = |month| {
            let day = |month| NaiveDate::from_ymd_opt(2025, month, 1).unwrap();
            Some(Window::new(day(month), day(month + 1)).unwrap())
        };
        let counts = [month(10), month(11), Some(Window::UNDATED)].map(|window| Count {
            window,
            ..counted("A", 5, Some(5))
        });
        insta::assert_snapshot!(text(&counts), @r"
        | Table     | Row Count | Status |
        | --------- | --------- | ------ |
        | A 2025-10 | 5         | ✓      |
        | A 2025-11 | 5         | ✓      |
        | A undated | 5         | ✓      |
        | **TOTAL** | **15**    |        |
        ");
        assert_eq!(as_json(&counts)["tables"][2]["window"], "undated");
    }

    #[test]
    fn windows_that_touch_are_one() {
        let day = |d| NaiveDate::from_ymd_opt(2025, 10, d).unwrap();
        let windows = [(1, 3), (3, 5), (7, 8)].map(|(a, b)| Window::new(day(a), day(b)).unwrap());
        let dates = |a, b| {
            Extent::Dates(Bounds {
                start: midnight(day(a)),
                end: midnight(day(b)),
            })
        };
        assert_eq!(
            joined(windows.into_iter().chain([Window::UNDATED])),
            [dates(1, 5), dates(7, 8), Extent::Undated]
        );
    }
}

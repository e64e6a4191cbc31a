//! `sync counts`: the row counts of source and target side by side, a line a table, as the work log has them.

use chrono::NaiveDate;
use clap::Args;
use serde_json::json;

use super::embedded::Embedded;
use super::voice::Voice;
use super::{Context, json, result};
use crate::checkpoint::{Reader, View, WindowState};
use crate::config::{Config, TableConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::mssql::{Guard, Session, Timeouts, catalog, predicate};
use crate::predicate::{Bounds, Where, midnight};
use crate::report::text::{counted, markdown, thousands};
use crate::row::Value;
use crate::table::{Column, TableName};

/// Arguments of `sync counts`.
#[derive(Debug, Args)]
pub(super) struct CountsArgs {
    /// Count whole tables instead of the windows that are loaded
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The counts of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    name: String,
    source: u64,
    /// `None` where the target has no such table.
    target: Option<u64>,
}

/// What of a table is counted.
enum Extent {
    Whole,
    /// These dates, each range from its first day to before its last.
    Days(Vec<(NaiveDate, NaiveDate)>),
}

pub(super) async fn run(context: &Context, args: CountsArgs) -> Result<ExitCode> {
    let mut config = context.load()?;
    let extents = if args.all {
        config.tables.iter().map(|_| Extent::Whole).collect()
    } else {
        let path = context.state_of(&config.path);
        let reader = Reader::open(&path)?;
        if reader.is_none() {
            let path = path.display();
            context.voice.say(&format!(
                "note: there is no state file {path}: nothing is loaded yet; --all counts whole tables"
            ));
        }
        let view = reader.as_ref().map(Reader::view).transpose()?;
        loaded(&context.voice, &config, view.as_ref())?
    };
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let counts = count(&config, &extents).await;
    embedded.stop().await;
    let counts = counts?;
    result(&if args.json {
        json(&as_json(&counts))
    } else {
        text(&counts)
    })?;
    Ok(exit_of(&counts))
}

/// What `sync counts` prints of the windows that `view` knows, for a configuration whose servers are up.
#[cfg(feature = "emulator")]
pub(super) async fn of_loaded(voice: &Voice, config: &Config, view: &View<'_>) -> Result<(String, ExitCode)> {
    let counts = count(config, &loaded(voice, config, Some(view))?).await?;
    Ok((text(&counts), exit_of(&counts)))
}

/// The days of each table's complete windows, as the checkpoint file knows them, in the configuration's order.
/// What is left out is said.
fn loaded(voice: &Voice, config: &Config, view: Option<&View<'_>>) -> Result<Vec<Extent>> {
    let mut extents = Vec::new();
    for table in &config.tables {
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
        let days = complete
            .iter()
            .map(|record| (record.window.start(), record.window.end()))
            .collect();
        extents.push(Extent::Days(joined(days)));
    }
    Ok(extents)
}

/// Ranges that touch as one, so that each is counted by one query.
fn joined(mut days: Vec<(NaiveDate, NaiveDate)>) -> Vec<(NaiveDate, NaiveDate)> {
    days.sort();
    let mut ranges: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for (start, end) in days {
        match ranges.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => ranges.push((start, end)),
        }
    }
    ranges
}

/// Counts each table in its extent.
async fn count(config: &Config, extents: &[Extent]) -> Result<Vec<Count>> {
    let timeouts = Timeouts::default();
    let guard = &config.source.guard;
    let mut source = Session::open(&config.source.endpoint, Some(guard), &timeouts).await?;
    let mut target = Session::open(&config.target.endpoint, None, &timeouts).await?;
    let mut counts = Vec::new();
    for (table, extent) in config.tables.iter().zip(extents) {
        let there = count_one(
            &mut source,
            Some(guard),
            &config.source_table(table),
            table,
            extent,
        )
        .await?;
        let here = count_one(&mut target, None, &config.target_table(table), table, extent).await?;
        let name = config.source_table(table);
        let source = there.ok_or_else(|| {
            Error::new(
                ErrorKind::Preflight,
                format!("The source has no table {name} that this login may see; check its name and schema, or grant SELECT on it"),
            )
        })?;
        counts.push(Count {
            name: table.name.to_string(),
            source,
            target: here,
        });
    }
    Ok(counts)
}

/// The rows of a table, or of some of its days; `None` where there is no such table.
async fn count_one(
    session: &mut Session,
    guard: Option<&Guard>,
    name: &TableName,
    table: &TableConfig,
    extent: &Extent,
) -> Result<Option<u64>> {
    if matches!(extent, Extent::Days(ranges) if ranges.is_empty()) {
        // Nothing of it is loaded, and so nothing is asked.
        return Ok(Some(0));
    }
    let Some(schema) = catalog::describe(session, name).await? else {
        return Ok(None);
    };
    let (Extent::Days(ranges), Some(date)) = (extent, &table.date_column) else {
        return count_where(session, guard, name, None).await.map(Some);
    };
    let position = schema.position(date.as_str()).ok_or_else(|| {
        let text = format!("Table {name} has no column {date}; set date_column to the one it has");
        Error::new(ErrorKind::Preflight, text)
    })?;
    let mut count = 0;
    for (start, end) in ranges {
        let bounds = Bounds {
            start: midnight(*start),
            end: midnight(*end),
        };
        count += count_where(session, guard, name, Some((&schema.columns[position], bounds))).await?;
    }
    Ok(Some(count))
}

/// The rows of a table, or of those dates of it. At the source the proof stands in front of the count.
async fn count_where(
    session: &mut Session,
    guard: Option<&Guard>,
    name: &TableName,
    dates: Option<(&Column, Bounds)>,
) -> Result<u64> {
    let (proof, names) = guard.map(|guard| predicate(guard, 1)).unwrap_or_default();
    let condition = if guard.is_some() {
        format!("IF {proof} ")
    } else {
        String::new()
    };
    let mut params = names.iter().map(|name| Value::Text(name)).collect();
    let mut filter = String::new();
    if let Some((column, bounds)) = dates {
        let mut clause = Where::after_params(params);
        clause.dates(column, bounds);
        (filter, params) = clause.finish();
    }
    let sql = format!("{condition}SELECT COUNT_BIG(*) FROM {}{filter}", name.quoted());
    let rows = session.rows(&sql, &params).await?;
    let row = rows.first().ok_or_else(|| {
        let text = "The source no longer proves to be the server that may be read; see who is primary, then run again";
        Error::new(ErrorKind::WrongServer, text)
    })?;
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
            json!({
                "name": count.name,
                "source": count.source,
                "target": count.target,
                "status": count.status(),
            })
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
        lines.push([
            count.name.clone(),
            thousands(count.target.unwrap_or(0)),
            count.mark(),
        ]);
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
            name: name.to_owned(),
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
    fn ranges_that_touch_are_one() {
        let day = |d| NaiveDate::from_ymd_opt(2025, 10, d).unwrap();
        let ranges = joined(vec![(day(3), day(5)), (day(1), day(3)), (day(7), day(8))]);
        assert_eq!(ranges, [(day(1), day(5)), (day(7), day(8))]);
    }
}

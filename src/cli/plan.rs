//! `sync plan` shows the work of a run, the parts it leaves out, and the reasons. It writes nothing.

use clap::Args;
use indicatif::HumanBytes;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::{ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, duration, rows, wrapped};
use crate::checkpoint::{LoadRate, Reader, Tombstone};
use crate::cli::arguments::Dates;
use crate::cli::context::{Context, json, result};
use crate::cli::screen::Screen;
use crate::cli::shared::{ForgettingView, being_forgotten, no_dates, table};
use crate::model::table::Identifier;
use crate::model::window::{DateRange, Window, spans};
use crate::preflight::kept::OtherSource;
use crate::progress::Event;
use crate::run;
use crate::run::{Found, Preview, RefreshWay, TablePreview, Undated, WindowPreview, Work};

/// Of each kind of work, this many spans of a table's windows are named; the rest is counted.
const NAMED_MAX: usize = 6;

/// Arguments of `sync plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    dates: Dates,
    /// Only these tables of the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: PlanArgs) -> Result<ExitCode> {
    let asked = Asked {
        range: args.dates.range(&context.clock)?,
        tables: args.tables,
        other: OtherSource::Refused,
        json: args.json,
    };
    show(context, asked).await
}

/// The run that a plan is of.
pub(super) struct Asked {
    /// The dates; `None` for reference tables alone.
    pub(super) range: Option<DateRange>,
    /// Only these tables.
    pub(super) tables: Option<Vec<Identifier>>,
    /// Whether another source than the one that was loaded is accepted.
    pub(super) other: OtherSource,
    /// Whether the plan is printed as JSON.
    pub(super) json: bool,
}

/// Prints the plan of a run. Writes nothing.
pub(super) async fn show(context: &Context, asked: Asked) -> Result<ExitCode> {
    let mut config = context.load()?;
    let tables = asked.tables.as_deref();
    let range = match asked.range {
        Some(range) => range,
        None => no_dates(context, &config, tables)?,
    };
    let chosen: Vec<_> = config.chosen(tables)?.into_iter().cloned().collect();
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let looked = async {
        let reader = Reader::open(&context.state_of(&config.path))?;
        let preview = run::preview(&config, &chosen, range, reader.as_ref(), asked.other).await?;
        // The tables and months that a run goes on to forget.
        let (forgetting, rate) = match &reader {
            Some(reader) => {
                let view = reader.view()?;
                (view.tombstones()?, view.load_rate()?)
            }
            None => (Vec::new(), None),
        };
        Ok((preview, forgetting, rate))
    };
    let looked = looked.await;
    embedded.stop().await;
    let (Preview { ends, tables }, forgetting, rate) = looked?;
    let progress = context.voice.progress();
    for text in &ends {
        progress.event(Event::Note(text));
    }
    let estimate = Estimate::of(&tables, rate);
    result(&if asked.json {
        json(&View::of(&tables, &forgetting, &estimate))
    } else {
        text(&context.screen, &tables, &forgetting, &estimate)
    })?;
    Ok(exit_of(&tables))
}

/// About how much a run reads, and how long that takes.
struct Estimate {
    /// `None` if a table's rows are not known.
    rows: Option<u64>,
    bytes: Option<u64>,
    /// How fast this machine last loaded, if it is known.
    rate: Option<LoadRate>,
}

impl Estimate {
    fn of(previews: &[TablePreview], rate: Option<LoadRate>) -> Estimate {
        let found = || previews.iter().filter_map(|preview| preview.found.as_ref().ok());
        Estimate {
            rows: found().map(|found| found.rows_to_read).sum(),
            bytes: found().map(|found| found.bytes_to_read).sum(),
            rate: rate.filter(|rate| rate.rows > 0),
        }
    }

    /// About the time that the rows take.
    fn time(&self) -> Option<std::time::Duration> {
        let (rows, rate) = (self.rows?, self.rate?);
        let millis = u128::from(rows) * u128::from(rate.elapsed_ms) / u128::from(rate.rows);
        Some(std::time::Duration::from_millis(
            u64::try_from(millis).unwrap_or(u64::MAX),
        ))
    }

    fn text(&self) -> String {
        let (Some(count), Some(bytes)) = (self.rows, self.bytes) else {
            return String::new();
        };
        if count == 0 {
            return String::new();
        }
        let amount = format!("At most about {} ({})", rows(count), HumanBytes(bytes));
        match (self.time(), self.rate) {
            (Some(time), Some(rate)) => format!(
                "{amount}, which take about {} at the rate of the run that ended on {} ({}/s).",
                duration(time),
                rate.at.format("%Y-%m-%d"),
                rows(per_second(rate))
            ),
            _ => format!("{amount}."),
        }
    }
}

fn per_second(rate: LoadRate) -> u64 {
    rate.rows.saturating_mul(1000) / rate.elapsed_ms.max(1)
}

/// The highest exit code: of a table that is missing or unfit and of one whose plan changed, the first.
fn exit_of(previews: &[TablePreview]) -> ExitCode {
    let errors = previews.iter().filter_map(|preview| preview.found.as_ref().err());
    errors
        .map(|error| error.kind().exit_code())
        .max()
        .unwrap_or(ExitCode::Done)
}

fn text(screen: &Screen, previews: &[TablePreview], forgetting: &[Tombstone], estimate: &Estimate) -> String {
    let mut lines = Vec::new();
    for preview in previews {
        let head = format!("{} ({}) into {}", preview.name, preview.mode, preview.target);
        match &preview.found {
            Ok(found) => lines.extend(of_table(&head, &preview.name, found)),
            Err(error) => {
                lines.push(head);
                lines.push(format!("  cannot be worked on: {}", error.chain()));
            }
        }
    }
    if !forgetting.is_empty() {
        lines.push(String::new());
    }
    let forgetting = forgetting.iter().map(being_forgotten);
    lines.extend(forgetting.map(|line| line.trim_end().to_owned()));
    lines.push(String::new());
    lines.extend(ending(previews, estimate));
    lines.iter().map(|line| folded(screen, line)).collect()
}

/// A line with its line break, as more lines if it is wider than the terminal.
fn folded(screen: &Screen, line: &str) -> String {
    let indent = match line.starts_with("  ") {
        true => "    ",
        false => "  ",
    };
    match screen.width {
        Some(columns) => wrapped(line, columns, indent),
        None => format!("{line}\n"),
    }
}

/// The sum of all tables, and what does the work.
fn ending(previews: &[TablePreview], estimate: &Estimate) -> Vec<String> {
    let found = || previews.iter().filter_map(|preview| preview.found.as_ref().ok());
    let works = |is: fn(Work) -> bool| {
        let windows = found().flat_map(|found| &found.windows);
        windows.filter(|window| is(window.work)).count() as u64
    };
    let compare = works(|work| work == Work::Compare);
    let load = works(Work::reads) - compare;
    let tables = counted(previews.len() as u64, "table");
    let refused = match previews.len() - found().count() {
        0 => String::new(),
        count => format!(", {} cannot be worked on", counted(count as u64, "table")),
    };
    let amount = match (load, compare) {
        (0, 0) => format!("Nothing to load, of {tables}{refused}."),
        (load, 0) => format!("{} to load, of {tables}{refused}.", counted(load, "window")),
        (0, compare) => format!(
            "{} to compare and nothing to load, of {tables}{refused}.",
            counted(compare, "reference table")
        ),
        (load, compare) => format!(
            "{} to load and {} to compare, of {tables}{refused}.",
            counted(load, "window"),
            counted(compare, "reference table")
        ),
    };
    let mut lines = vec![amount];
    let about = estimate.text();
    lines.extend((!about.is_empty()).then_some(about));
    lines.push(match load + compare {
        0 => "Nothing was written.".to_owned(),
        _ => "Nothing was written; `sync run` with the same arguments does it.".to_owned(),
    });
    lines
}

fn of_table(head: &str, name: &str, found: &Found) -> Vec<String> {
    let is_idle = found.windows.iter().all(|window| !window.work.reads());
    let mut lines = Vec::new();
    if is_idle {
        let windows = windows(&found.windows).into_iter();
        let windows: Vec<String> = windows.map(|line| line.replacen(": ", " ", 1)).collect();
        lines.push(format!("{head}: {}", windows.join("; ")));
    } else {
        let there = if found.target_exists {
            "there already"
        } else {
            "to be made"
        };
        lines.push(format!("{head}: {there}"));
        let about = found.rows_estimated.map_or_else(
            || "this login cannot see the number of rows at the source".to_owned(),
            |count| format!("about {} at the source", rows(count)),
        );
        let order = match found.key.as_slice() {
            [] => "without a key: all of it is one chunk".to_owned(),
            key => format!(
                "read in the order {} ({})",
                key.join(", "),
                found.access_path.as_str()
            ),
        };
        lines.push(format!("  {about}, {order}"));
        let undated = match found.undated {
            Undated::Impossible | Undated::Counted(0) => None,
            Undated::Counted(count) => Some(format!("{} without a date: window `undated`", rows(count))),
            Undated::NotCounted => Some(
                "rows may have no date (window `undated`); no index begins with it, so they are not counted here"
                    .to_owned(),
            ),
        };
        let refreshed = found.way.as_ref().map(|way| refreshed(way, found.target_exists));
        let more = undated
            .into_iter()
            .chain(refreshed)
            .chain(windows(&found.windows));
        lines.extend(more.map(|line| format!("  {line}")));
    }
    // The block begins with the table's name, and an operator reads each note once.
    let begins = format!("Table {name}: ");
    for note in &found.notes {
        let note = format!("  {}", note.strip_prefix(&begins).unwrap_or(note));
        if !lines.contains(&note) {
            lines.push(note);
        }
    }
    lines
}

/// The way that a reference table is refreshed.
fn refreshed(way: &RefreshWay, target_exists: bool) -> String {
    match way {
        RefreshWay::Swap { goes_on: true } => {
            "an interrupted load of the shadow table is resumed and swapped in".to_owned()
        }
        RefreshWay::Swap { goes_on: false } if target_exists => {
            "compared with the target; if they differ, loaded beside it and swapped in".to_owned()
        }
        RefreshWay::Swap { goes_on: false } => {
            "loaded whole into a shadow table, which then takes its place".to_owned()
        }
        RefreshWay::InPlace(obstacles) => format!(
            "compared with the target; chunks that differ are loaded in place, as a copy would not have {}",
            obstacles.join(", ")
        ),
    }
}

/// The windows, a line for each kind of work.
fn windows(windows: &[WindowPreview]) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, is) in [
        ("complete", (|work| work == Work::Nothing) as fn(Work) -> bool),
        ("to be resumed", |work| work == Work::GoOn),
        ("to be repaired", |work| matches!(work, Work::PutRight(_))),
        ("to be loaded", |work| work == Work::Load),
        ("still to come", |work| work == Work::ToCome),
    ] {
        let of: Vec<&WindowPreview> = windows.iter().filter(|window| is(window.work)).collect();
        if of.is_empty() {
            continue;
        }
        let dates: Vec<Window> = of.iter().map(|window| window.window).collect();
        let repaired = of.iter().filter_map(|window| match window.work {
            Work::PutRight(chunks) => Some(format!("{} ({})", window.window, counted(chunks, "chunk"))),
            _ => None,
        });
        let repaired: Vec<String> = repaired.collect();
        let mut names = match repaired.is_empty() {
            true => spans(&dates),
            false => repaired,
        };
        let more = names.len().saturating_sub(NAMED_MAX);
        names.truncate(NAMED_MAX);
        names.extend((more > 0).then(|| format!("{more} more")));
        let verified: u64 = of.iter().map(|window| window.rows).sum();
        let verified = match verified {
            0 => String::new(),
            count => format!(", {} verified", rows(count)),
        };
        lines.push(format!("{title}: {}{verified}", names.join(", ")));
    }
    lines
}

/// The previews as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    exit_code: u8,
    forgetting: Vec<ForgettingView<'a>>,
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
}

/// All tables together. Estimates are of the most that a run reads.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    bytes_to_read: Option<u64>,
    /// By the last run of this machine that loaded much; `None` without one.
    rows_per_second: Option<u64>,
    rows_to_read: Option<u64>,
    seconds_to_read: Option<u64>,
    windows_to_load: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum TableView<'a> {
    Found(FoundView<'a>),
    Refused(RefusedView<'a>),
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FoundView<'a> {
    access_path: &'static str,
    bytes_to_read: Option<u64>,
    goes_on: Option<bool>,
    in_place_because: Option<&'a [String]>,
    key: &'a [String],
    mode: String,
    name: &'a str,
    notes: &'a [String],
    /// Verified rows of the windows below.
    rows: u64,
    rows_estimated: Option<u64>,
    rows_to_read: Option<u64>,
    /// `complete` if there is nothing to read, else `to do`.
    state: &'static str,
    swap: Option<bool>,
    target: String,
    target_exists: bool,
    undated_possible: bool,
    undated_rows: Option<u64>,
    windows: Vec<WindowView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowView {
    rows: u64,
    window: String,
    work: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RefusedView<'a> {
    /// Whether the table or its configuration changed since it was loaded.
    changed: bool,
    error: String,
    mode: String,
    name: &'a str,
    /// `refused`.
    state: &'static str,
    target: String,
}

impl View<'_> {
    fn of<'a>(previews: &'a [TablePreview], forgetting: &'a [Tombstone], estimate: &Estimate) -> View<'a> {
        let tables = previews.iter().map(|preview| match &preview.found {
            Ok(found) => TableView::Found(FoundView::of(preview, found)),
            Err(error) => TableView::Refused(RefusedView {
                changed: error.kind() == ErrorKind::Plan,
                error: error.chain(),
                mode: preview.mode.to_string(),
                name: &preview.name,
                state: "refused",
                target: preview.target.to_string(),
            }),
        });
        let found = previews.iter().filter_map(|preview| preview.found.as_ref().ok());
        let windows = found.flat_map(|found| &found.windows);
        let to_load = windows.filter(|window| window.work.reads() && window.work != Work::Compare);
        View {
            exit_code: exit_of(previews) as u8,
            forgetting: forgetting.iter().map(ForgettingView::of).collect(),
            tables: tables.collect(),
            totals: TotalsView {
                bytes_to_read: estimate.bytes,
                rows_per_second: estimate.rate.map(per_second),
                rows_to_read: estimate.rows,
                seconds_to_read: estimate.time().map(|time| time.as_secs()),
                windows_to_load: to_load.count() as u64,
            },
        }
    }
}

impl<'a> FoundView<'a> {
    fn of(preview: &'a TablePreview, found: &'a Found) -> FoundView<'a> {
        let (swap, goes_on, obstacles) = match &found.way {
            None => (None, None, None),
            Some(RefreshWay::Swap { goes_on }) => (Some(true), Some(*goes_on), None),
            Some(RefreshWay::InPlace(obstacles)) => (Some(false), None, Some(obstacles.as_slice())),
        };
        let windows = found.windows.iter().map(|window| WindowView {
            rows: window.rows,
            window: window.window.to_string(),
            work: window.work.as_str(),
        });
        FoundView {
            access_path: found.access_path.as_str(),
            bytes_to_read: found.bytes_to_read,
            goes_on,
            in_place_because: obstacles,
            key: &found.key,
            mode: preview.mode.to_string(),
            name: &preview.name,
            notes: &found.notes,
            rows: found.windows.iter().map(|window| window.rows).sum(),
            rows_estimated: found.rows_estimated,
            rows_to_read: found.rows_to_read,
            state: match found.windows.iter().any(|window| window.work.reads()) {
                true => "to do",
                false => "complete",
            },
            swap,
            target: preview.target.to_string(),
            target_exists: found.target_exists,
            undated_possible: found.undated != Undated::Impossible,
            undated_rows: match found.undated {
                Undated::Counted(count) => Some(count),
                Undated::Impossible | Undated::NotCounted => None,
            },
            windows: windows.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Error;
    use crate::config::Mode;
    use crate::model::plan::AccessPath;
    use crate::model::table::TableName;
    use crate::model::window::Window;

    fn preview(name: &str, mode: Mode, found: Result<Found>) -> TablePreview {
        let id = |name: &str| Identifier::new(name).unwrap();
        TablePreview {
            name: name.to_owned(),
            mode,
            target: TableName {
                schema: id("dbo"),
                name: id(&format!("t_{name}")),
            },
            found,
        }
    }

    fn month(text: &str) -> Window {
        let first: chrono::NaiveDate = format!("{text}-01").parse().unwrap();
        Window::new(first, first + chrono::Months::new(1)).unwrap()
    }

    fn found(windows: Vec<WindowPreview>) -> Found {
        Found {
            target_exists: true,
            key: vec!["ID".to_owned(), "NO".to_owned()],
            access_path: AccessPath::Key,
            rows_estimated: Some(7000),
            rows_to_read: Some(6000),
            bytes_to_read: Some(600_000),
            undated: Undated::Counted(2),
            notes: vec!["noted".to_owned()],
            windows,
            way: None,
        }
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Plan, "The key was changed")
    }

    const RATE: Option<LoadRate> = Some(LoadRate {
        at: chrono::DateTime::UNIX_EPOCH,
        rows: 20_000,
        elapsed_ms: 10_000,
    });

    #[test]
    fn a_plan_as_json() {
        let windows = vec![WindowPreview {
            window: month("2025-10"),
            work: Work::PutRight(1),
            rows: 5,
        }];
        let found = Found {
            way: Some(RefreshWay::InPlace(vec!["2 triggers".to_owned()])),
            ..found(windows)
        };
        let previews = [
            preview("ITEM", Mode::Full, Ok(found)),
            preview("SALES", Mode::Monthly, Err(refused())),
        ];
        let tombstone = Tombstone {
            table: "SALES".to_owned(),
            targets: Vec::new(),
            month: Some("2025-10-01".parse().unwrap()),
        };
        let estimate = Estimate::of(&previews, RATE);
        insta::assert_snapshot!(json(&View::of(&previews, &[tombstone], &estimate)), @r#"
        {
          "schema_version": 1,
          "exit_code": 6,
          "forgetting": [
            {
              "month": "2025-10-01",
              "table": "SALES"
            }
          ],
          "tables": [
            {
              "access_path": "key",
              "bytes_to_read": 600000,
              "goes_on": null,
              "in_place_because": [
                "2 triggers"
              ],
              "key": [
                "ID",
                "NO"
              ],
              "mode": "full",
              "name": "ITEM",
              "notes": [
                "noted"
              ],
              "rows": 5,
              "rows_estimated": 7000,
              "rows_to_read": 6000,
              "state": "to do",
              "swap": false,
              "target": "dbo.t_ITEM",
              "target_exists": true,
              "undated_possible": true,
              "undated_rows": 2,
              "windows": [
                {
                  "rows": 5,
                  "window": "2025-10",
                  "work": "put right"
                }
              ]
            },
            {
              "changed": true,
              "error": "The key was changed",
              "mode": "monthly",
              "name": "SALES",
              "state": "refused",
              "target": "dbo.t_SALES"
            }
          ],
          "totals": {
            "bytes_to_read": 600000,
            "rows_per_second": 2000,
            "rows_to_read": 6000,
            "seconds_to_read": 3,
            "windows_to_load": 1
          }
        }
        "#);
    }

    #[test]
    fn a_plan_as_text() {
        let at = |window, work, rows| WindowPreview { window, work, rows };
        let complete = vec![
            at(month("2025-09"), Work::Nothing, 10),
            at(month("2025-10"), Work::Nothing, 20),
        ];
        let idle = Found {
            notes: Vec::new(),
            rows_to_read: Some(0),
            bytes_to_read: Some(0),
            ..found(complete.clone())
        };
        let mut windows = complete;
        windows.push(at(month("2025-11"), Work::GoOn, 5));
        windows.push(at(month("2025-12"), Work::Load, 0));
        windows.push(at(month("2026-01"), Work::Load, 0));
        windows.push(at(month("2026-02"), Work::ToCome, 0));
        let missing = Found {
            target_exists: false,
            way: Some(RefreshWay::Swap { goes_on: false }),
            undated: Undated::Impossible,
            ..found(vec![at(Window::All, Work::Load, 0)])
        };
        let previews = [
            preview("DONE", Mode::Monthly, Ok(idle)),
            preview("SALES", Mode::Monthly, Ok(found(windows))),
            preview("ITEM", Mode::Full, Ok(missing)),
            preview("VOID", Mode::Monthly, Err(refused())),
        ];
        let told = |previews: &[TablePreview], rate, screen| {
            text(&screen, previews, &[], &Estimate::of(previews, rate))
        };
        insta::assert_snapshot!(told(&previews, RATE, Screen::none()), @r"
        DONE (monthly) into dbo.t_DONE: complete 2025-09 to 2025-10 (2 months), 30 rows verified
        SALES (monthly) into dbo.t_SALES: there already
          about 7,000 rows at the source, read in the order ID, NO (key)
          2 rows without a date: window `undated`
          complete: 2025-09 to 2025-10 (2 months), 30 rows verified
          to be resumed: 2025-11, 5 rows verified
          to be loaded: 2025-12 to 2026-01 (2 months)
          still to come: 2026-02
          noted
        ITEM (full) into dbo.t_ITEM: to be made
          about 7,000 rows at the source, read in the order ID, NO (key)
          loaded whole into a shadow table, which then takes its place
          to be loaded: all
          noted
        VOID (monthly) into dbo.t_VOID
          cannot be worked on: The key was changed

        4 windows to load, of 4 tables, 1 table cannot be worked on.
        At most about 12,000 rows (1.14 MiB), which take about 6.0 s at the rate of the run that ended on 1970-01-01 (2,000 rows/s).
        Nothing was written; `sync run` with the same arguments does it.
        ");
        insta::assert_snapshot!(told(&previews[..1], RATE, Screen::none()), @r"
        DONE (monthly) into dbo.t_DONE: complete 2025-09 to 2025-10 (2 months), 30 rows verified

        Nothing to load, of 1 table.
        Nothing was written.
        ");
        let narrow = told(&previews, None, Screen::wide(60));
        assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
        assert!(!narrow.contains("at the rate"), "{narrow}");
    }

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("plan");
    }
}

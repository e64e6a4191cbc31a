//! `sync plan` shows the work of a run, the parts it leaves out, and the reasons. It writes nothing.

use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::{ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, rows};
use crate::checkpoint::{Reader, Tombstone};
use crate::cli::arguments::Dates;
use crate::cli::context::{Context, json, result};
use crate::cli::shared::{ForgettingView, being_forgotten, no_dates, table};
use crate::model::table::Identifier;
use crate::progress::Event;
use crate::run;
use crate::run::{Found, Preview, RefreshWay, TablePreview, Undated, WindowPreview, Work};

/// Of each kind of work, this many windows of a table are named; the rest is counted.
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

impl PlanArgs {
    /// The plan of a run with these arguments.
    pub(super) fn of_run(dates: Dates, tables: Option<Vec<Identifier>>, json: bool) -> PlanArgs {
        PlanArgs { dates, tables, json }
    }
}

pub(super) async fn run(context: &Context, args: PlanArgs) -> Result<ExitCode> {
    let asked = args.dates.range(&context.clock)?;
    let mut config = context.load()?;
    let range = match asked {
        Some(range) => range,
        None => no_dates(context, &config, args.tables.as_deref())?,
    };
    let chosen: Vec<_> = config
        .chosen(args.tables.as_deref())?
        .into_iter()
        .cloned()
        .collect();
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let looked = async {
        let reader = Reader::open(&context.state_of(&config.path))?;
        let previews = run::preview(&config, &chosen, range, reader.as_ref()).await?;
        // The tables and months that a run goes on to forget.
        let forgetting = match &reader {
            Some(reader) => reader.view()?.tombstones()?,
            None => Vec::new(),
        };
        Ok((previews, forgetting))
    };
    let looked = looked.await;
    embedded.stop().await;
    let (Preview { ends, tables }, forgetting) = looked?;
    let progress = context.voice.progress();
    for text in &ends {
        progress.event(Event::Note(text));
    }
    result(&if args.json {
        json(&View::of(&tables, &forgetting))
    } else {
        text(&tables, &forgetting)
    })?;
    Ok(exit_of(&tables))
}

/// The highest exit code: of a table that is missing or unfit and of one whose plan changed, the first.
fn exit_of(previews: &[TablePreview]) -> ExitCode {
    let errors = previews.iter().filter_map(|preview| preview.found.as_ref().err());
    errors
        .map(|error| error.kind().exit_code())
        .max()
        .unwrap_or(ExitCode::Done)
}

fn text(previews: &[TablePreview], forgetting: &[Tombstone]) -> String {
    let mut text = String::new();
    for preview in previews {
        text.push_str(&format!(
            "{} ({}) into {}",
            preview.name, preview.mode, preview.target
        ));
        match &preview.found {
            Ok(found) => text.push_str(&of_table(&preview.name, found)),
            Err(error) => text.push_str(&format!("\n  cannot be worked on: {}\n", error.chain())),
        }
    }
    if !forgetting.is_empty() {
        text.push('\n');
    }
    for tombstone in forgetting {
        text.push_str(&being_forgotten(tombstone));
    }
    let refused = previews.iter().filter(|preview| preview.found.is_err()).count() as u64;
    let windows = || {
        let found = previews.iter().filter_map(|preview| preview.found.as_ref().ok());
        found.flat_map(|found| &found.windows)
    };
    let compare = windows().filter(|window| window.work == Work::Compare).count() as u64;
    let load = windows()
        .filter(|window| !matches!(window.work, Work::Nothing | Work::ToCome | Work::Compare))
        .count() as u64;
    let refused = match refused {
        0 => String::new(),
        count => format!(", {} cannot be worked on", counted(count, "table")),
    };
    text.push_str(&format!(
        "\n{} to load and {} to compare, of {}{refused}. Nothing was written; `sync run` with the same arguments does \
         it.\n",
        counted(load, "window"),
        counted(compare, "reference table"),
        counted(previews.len() as u64, "table")
    ));
    text
}

fn of_table(name: &str, found: &Found) -> String {
    let there = if found.target_exists {
        "there already"
    } else {
        "to be made"
    };
    let mut lines = vec![there.to_owned()];
    let about = found.rows_estimated.map_or_else(
        || "this login cannot see the number of rows at the source".to_owned(),
        |count| format!("about {} at the source", rows(count)),
    );
    let order = match found.key.as_str() {
        "" => "without a key: all of it is one chunk".to_owned(),
        key => format!("read in the order {key} ({})", found.access_path.as_str()),
    };
    lines.push(format!("{about}, {order}"));
    match found.undated {
        Undated::Impossible | Undated::Counted(0) => {}
        Undated::Counted(count) => lines.push(format!("{} without a date: window `undated`", rows(count))),
        Undated::NotCounted => lines.push(
            "rows may have no date (window `undated`); no index begins with it, so they are not counted here"
                .to_owned(),
        ),
    }
    match &found.way {
        Some(RefreshWay::Swap { goes_on: false }) => {
            lines
                .push("compared with the target; if they differ, loaded beside it and swapped in".to_owned());
        }
        Some(RefreshWay::Swap { goes_on: true }) => {
            lines.push("an interrupted load of the shadow table is resumed and swapped in".to_owned());
        }
        Some(RefreshWay::InPlace(obstacles)) => lines.push(format!(
            "compared with the target; chunks that differ are loaded in place, as a copy would not have {}",
            obstacles.join(", ")
        )),
        None => {}
    }
    lines.extend(windows(&found.windows));
    // The block begins with the table's name, and an operator reads each note once.
    let begins = format!("Table {name}: ");
    for note in &found.notes {
        let note = note.strip_prefix(&begins).unwrap_or(note);
        if lines.iter().all(|line| line != note) {
            lines.push(note.to_owned());
        }
    }
    format!(": {}\n", lines.join("\n  "))
}

/// The windows, a line for each kind of work.
fn windows(windows: &[WindowPreview]) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, is) in [
        ("complete", (|work| work == Work::Nothing) as fn(Work) -> bool),
        ("to be continued", |work| work == Work::GoOn),
        ("to be repaired", |work| matches!(work, Work::PutRight(_))),
        ("to be loaded", |work| work == Work::Load),
        ("still to come", |work| work == Work::ToCome),
    ] {
        let of: Vec<&WindowPreview> = windows.iter().filter(|window| is(window.work)).collect();
        if of.is_empty() {
            continue;
        }
        let mut names: Vec<String> = of.iter().take(NAMED_MAX).map(|window| named(window)).collect();
        if of.len() > NAMED_MAX {
            names.push(format!("{} more", of.len() - NAMED_MAX));
        }
        let verified: u64 = of.iter().map(|window| window.rows).sum();
        let verified = match verified {
            0 => String::new(),
            count => format!(" ({} verified)", rows(count)),
        };
        lines.push(format!("{title}: {}{verified}", names.join(", ")));
    }
    lines
}

fn named(window: &WindowPreview) -> String {
    match window.work {
        Work::PutRight(chunks) => format!("{} ({})", window.window, counted(chunks, "chunk")),
        _ => window.window.to_string(),
    }
}

/// The previews as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    forgetting: Vec<ForgettingView<'a>>,
    tables: Vec<TableView<'a>>,
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
    goes_on: Option<bool>,
    in_place_because: Option<&'a [String]>,
    key: &'a str,
    mode: String,
    name: &'a str,
    notes: &'a [String],
    rows_estimated: Option<u64>,
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
    target: String,
}

impl View<'_> {
    fn of<'a>(previews: &'a [TablePreview], forgetting: &'a [Tombstone]) -> View<'a> {
        let tables = previews.iter().map(|preview| match &preview.found {
            Ok(found) => TableView::Found(FoundView::of(preview, found)),
            Err(error) => TableView::Refused(RefusedView {
                changed: error.kind() == ErrorKind::Plan,
                error: error.chain(),
                mode: preview.mode.to_string(),
                name: &preview.name,
                target: preview.target.to_string(),
            }),
        });
        View {
            forgetting: forgetting.iter().map(ForgettingView::of).collect(),
            tables: tables.collect(),
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
            goes_on,
            in_place_because: obstacles,
            key: &found.key,
            mode: preview.mode.to_string(),
            name: &preview.name,
            notes: &found.notes,
            rows_estimated: found.rows_estimated,
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

    #[test]
    fn a_plan_as_json() {
        let found = Found {
            target_exists: true,
            key: "[ID]".to_owned(),
            access_path: AccessPath::Key,
            rows_estimated: Some(7),
            undated: Undated::Counted(2),
            notes: vec!["noted".to_owned()],
            windows: vec![WindowPreview {
                window: Window::new("2025-10-01".parse().unwrap(), "2025-11-01".parse().unwrap()).unwrap(),
                work: Work::PutRight(1),
                rows: 5,
            }],
            way: Some(RefreshWay::InPlace(vec!["2 triggers".to_owned()])),
        };
        let refused = Error::new(ErrorKind::Plan, "The key was changed");
        let previews = [
            preview("ITEM", Mode::Full, Ok(found)),
            preview("SALES", Mode::Monthly, Err(refused)),
        ];
        let tombstone = Tombstone {
            table: "SALES".to_owned(),
            targets: Vec::new(),
            month: Some("2025-10-01".parse().unwrap()),
        };
        insta::assert_snapshot!(json(&View::of(&previews, &[tombstone])), @r#"
        {
          "schema_version": 1,
          "forgetting": [
            {
              "month": "2025-10-01",
              "table": "SALES"
            }
          ],
          "tables": [
            {
              "access_path": "key",
              "goes_on": null,
              "in_place_because": [
                "2 triggers"
              ],
              "key": "[ID]",
              "mode": "full",
              "name": "ITEM",
              "notes": [
                "noted"
              ],
              "rows_estimated": 7,
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
              "target": "dbo.t_SALES"
            }
          ]
        }
        "#);
    }

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("plan");
    }
}

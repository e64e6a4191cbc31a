//! `sync plan`: what a run would do, and what it would leave out and why. Nothing is written anywhere.

use chrono::NaiveDate;
use clap::Args;
use serde_json::json;

use super::embedded::Embedded;
use crate::base::error::{ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, rows};
use crate::cli::context::{Context, json, result};
use crate::cli::shared::{day, no_dates, table};
use crate::model::table::Identifier;
use crate::model::window::DateRange;
use crate::run;
use crate::run::{Found, RefreshWay, TablePreview, Undated, WindowPreview, Work};

/// Windows that are named of a table, of each kind, before they are only counted.
const NAMED_MAX: usize = 6;

/// Arguments of `sync plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// First day of the run; not needed where all tables are reference tables
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day, requires = "end_date")]
    start_date: Option<NaiveDate>,
    /// Last day of the run, included
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day, requires = "start_date")]
    end_date: Option<NaiveDate>,
    /// Only these tables, of those in the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: PlanArgs) -> Result<ExitCode> {
    let asked = match (args.start_date, args.end_date) {
        (Some(first), Some(last)) => Some(DateRange::inclusive(first, last)?),
        _ => None,
    };
    let mut config = context.load()?;
    let range = match asked {
        Some(range) => range,
        None => no_dates(context, &config, args.tables.as_deref())?,
    };
    let tables: Vec<_> = config
        .chosen(args.tables.as_deref())?
        .into_iter()
        .cloned()
        .collect();
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let looked = run::preview(&config, &tables, range).await;
    embedded.stop().await;
    let previews = looked?;
    result(&if args.json {
        json(&as_json(&previews))
    } else {
        text(&previews)
    })?;
    Ok(exit_of(&previews))
}

/// A table that must be forgotten or put back before one that lacks something.
fn exit_of(previews: &[TablePreview]) -> ExitCode {
    let errors = previews.iter().filter_map(|preview| preview.found.as_ref().err());
    errors
        .map(|error| error.kind().exit_code())
        .max()
        .unwrap_or(ExitCode::Done)
}

fn text(previews: &[TablePreview]) -> String {
    let mut text = String::new();
    for preview in previews {
        text.push_str(&format!(
            "{} ({}) into {}",
            preview.name, preview.mode, preview.target
        ));
        match &preview.found {
            Ok(found) => text.push_str(&of_table(found)),
            Err(error) => text.push_str(&format!("\n  cannot be worked on: {}\n", error.chain())),
        }
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

fn of_table(found: &Found) -> String {
    let there = if found.target_exists {
        "there already"
    } else {
        "to be made"
    };
    let mut lines = vec![there.to_owned()];
    let about = found.rows_estimated.map_or_else(
        || "rows at the source are not known to this login".to_owned(),
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
            lines.push("compared with what is in place; where it differs, loaded beside it and swapped in".to_owned());
        }
        Some(RefreshWay::Swap { goes_on: true }) => {
            lines.push("a load beside the target was cut short, is gone on with and swapped in".to_owned());
        }
        Some(RefreshWay::InPlace(obstacles)) => lines.push(format!(
            "compared with what is in place; chunks that differ are loaded in place, as a copy would not have {}",
            obstacles.join(", ")
        )),
        None => {}
    }
    lines.extend(windows(&found.windows));
    lines.extend(found.notes.iter().cloned());
    format!(": {}\n", lines.join("\n  "))
}

/// The windows by what is done with them.
fn windows(windows: &[WindowPreview]) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, is) in [
        ("complete", (|work| work == Work::Nothing) as fn(Work) -> bool),
        ("to go on with", |work| work == Work::GoOn),
        ("to be put right", |work| matches!(work, Work::PutRight(_))),
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

fn as_json(previews: &[TablePreview]) -> serde_json::Value {
    let tables: Vec<_> = previews
        .iter()
        .map(|preview| {
            let mut table = json!({
                "name": preview.name,
                "mode": preview.mode.to_string(),
                "target": preview.target.to_string(),
            });
            match &preview.found {
                Err(error) => {
                    table["error"] = json!(error.chain());
                    table["changed"] = json!(error.kind() == ErrorKind::Plan);
                }
                Ok(found) => {
                    let (swap, goes_on, obstacles) = match &found.way {
                        None => (None, None, None),
                        Some(RefreshWay::Swap { goes_on }) => (Some(true), Some(*goes_on), None),
                        Some(RefreshWay::InPlace(obstacles)) => (Some(false), None, Some(obstacles)),
                    };
                    let windows: Vec<_> = found
                        .windows
                        .iter()
                        .map(|window| {
                            json!({
                                "window": window.window.to_string(),
                                "work": window.work.as_str(),
                                "rows": window.rows,
                            })
                        })
                        .collect();
                    let more = json!({
                        "target_exists": found.target_exists,
                        "key": found.key,
                        "access_path": found.access_path.as_str(),
                        "rows_estimated": found.rows_estimated,
                        "undated_possible": found.undated != Undated::Impossible,
                        "undated_rows": match found.undated {
                            Undated::Counted(count) => Some(count),
                            Undated::Impossible | Undated::NotCounted => None,
                        },
                        "swap": swap,
                        "goes_on": goes_on,
                        "in_place_because": obstacles,
                        "notes": found.notes,
                        "windows": windows,
                    });
                    if let (Some(table), serde_json::Value::Object(more)) = (table.as_object_mut(), more) {
                        table.extend(more);
                    }
                }
            }
            table
        })
        .collect();
    json!({ "tables": tables })
}

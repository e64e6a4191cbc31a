//! `sync rebuild` recreates the state file from the target's receipts.

use clap::Args;
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, rows};
use crate::cli::context::{Context, json, result};
use crate::pipeline::rebuild::{Rebuilt, RebuiltTable, RebuiltWindow, rebuild};

/// Arguments of `sync rebuild`.
#[derive(Debug, Args)]
pub(super) struct RebuildArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: RebuildArgs) -> Result<ExitCode> {
    let mut config = context.begin()?;
    let path = context.state_of(&config.path);
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let rebuilt = rebuild(&config, &path, &context.clock).await;
    embedded.stop().await;
    let rebuilt = rebuilt?;
    for table in &rebuilt.left_out {
        context.voice.say(&format!(
            "note: the target has receipts of {table}, which {} does not name; they are left out",
            config.path.display()
        ));
    }
    for table in &rebuilt.untold {
        context.voice.say(&format!(
            "warning: the target has receipts of {table}, but [sync].[plan] has lost the row that tells by which key they were \
             made, and no state file here does; they are left out: put the row back from a backup and rebuild again, or \
             `sync forget` the table, which is then loaded anew"
        ));
    }
    if let Some(aside) = &rebuilt.aside {
        context
            .voice
            .say(&format!("note: the old file is kept as {}", aside.display()));
    }
    let path = path.display().to_string();
    result(&if args.json {
        json(&View::of(&path, &rebuilt))
    } else {
        format!("{}\n", text(&path, &rebuilt))
    })?;
    Ok(ExitCode::Done)
}

fn text(path: &str, rebuilt: &Rebuilt) -> String {
    let totals = TotalsView::of(rebuilt.windows());
    if totals.chunks == 0 {
        return format!("Rebuilt {path}: the target has no receipts, so nothing counts as loaded.");
    }
    format!(
        "Rebuilt {path} from the target's receipts: {}, {}, {}, {}. The next run compares them with the rows. What \
         comparisons found before is not known any more: `sync reconcile` finds it again.",
        counted(rebuilt.tables.len() as u64, "table"),
        counted(totals.windows, "window"),
        counted(totals.chunks, "chunk"),
        rows(totals.rows)
    )
}

/// The new state file as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    /// The new path of the old state file; `null` if there was none.
    aside: Option<String>,
    /// Target tables with receipts that the configuration does not name.
    left_out: &'a [String],
    /// The state file.
    state_file: &'a str,
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
    /// Target tables of the configuration whose receipts are left out, as nothing tells by which plan they were made.
    untold: &'a [String],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    /// `monthly` or `full`.
    mode: String,
    /// Its name in the configuration.
    name: &'a str,
    /// The rows that receipts prove.
    rows: u64,
    windows: Vec<WindowView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowView {
    /// Its chunks that have a receipt.
    chunks: u64,
    /// Their rows.
    rows: u64,
    /// `complete`, or `planned` if a run has something left to do there.
    state: &'static str,
    /// Its name.
    window: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    chunks: u64,
    rows: u64,
    windows: u64,
}

impl View<'_> {
    fn of<'a>(path: &'a str, rebuilt: &'a Rebuilt) -> View<'a> {
        View {
            aside: rebuilt.aside.as_ref().map(|aside| aside.display().to_string()),
            left_out: &rebuilt.left_out,
            state_file: path,
            tables: rebuilt.tables.iter().map(TableView::of).collect(),
            totals: TotalsView::of(rebuilt.windows()),
            untold: &rebuilt.untold,
        }
    }
}

impl TableView<'_> {
    fn of(table: &RebuiltTable) -> TableView<'_> {
        TableView {
            mode: table.mode.to_string(),
            name: &table.name,
            rows: TotalsView::of(table.windows.iter()).rows,
            windows: table.windows.iter().map(WindowView::of).collect(),
        }
    }
}

impl WindowView {
    fn of(window: &RebuiltWindow) -> WindowView {
        WindowView {
            chunks: window.chunks,
            rows: window.rows,
            state: if window.complete { "complete" } else { "planned" },
            window: window.window.to_string(),
        }
    }
}

impl TotalsView {
    fn of<'a>(windows: impl Iterator<Item = &'a RebuiltWindow>) -> TotalsView {
        let mut totals = TotalsView {
            chunks: 0,
            rows: 0,
            windows: 0,
        };
        for window in windows {
            totals.chunks += window.chunks;
            totals.rows += window.rows;
            totals.windows += 1;
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("rebuild");
    }
}

//! `sync run` loads a range of dates and prints the outcome as a table.

use std::sync::Arc;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use super::embedded::Embedded;
use crate::base::error::{Error, Result};
use crate::base::exit_code::ExitCode;
use crate::base::stop::StopSignal;
use crate::base::text::{counted, rows, thousands};
use crate::checkpoint::Store;
use crate::cli::arguments::Dates;
use crate::cli::context::{Context, result};
use crate::cli::profile;
use crate::cli::shared::{heeding, identity, no_dates, open_store, table};
use crate::config::Config;
use crate::model::table::Identifier;
use crate::model::window::DateRange;
use crate::preflight::context::RunOptions;
use crate::progress::{RunSummary, TableSummary};
use crate::run;

/// Arguments of `sync run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    dates: Dates,
    /// Only these tables of the configuration
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    /// Parallel windows of a table, instead of the configuration's max_workers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    max_workers: Option<u8>,
    /// Most rows of a chunk, instead of the configuration's chunk_rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    chunk_rows: Option<u32>,
    /// Load reference tables again even if their rows are unchanged at the source
    #[arg(long)]
    force: bool,
    /// Delete rows of these tables that the source no longer has, however many
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    allow_deletes: Vec<Identifier>,
    /// Load although the source is another database than before; it must have the same data
    #[arg(long)]
    accept_source: bool,
    /// Count the rows of every window at the target, even if the table has as many as expected
    #[arg(long)]
    recount: bool,
    /// Print at the end how often each kind of statement ran at each server, its time and its bytes
    #[arg(long)]
    profile: bool,
}

pub(super) async fn run(context: &Context, args: RunArgs) -> Result<ExitCode> {
    // An invalid range is refused before the configuration is read.
    let asked = args.dates.range(&context.clock)?;
    let today = context.clock.now().date_naive();
    let dates = match asked {
        Some(range) => range,
        None => DateRange::inclusive(today, today)?,
    };
    let ready = context.load().and_then(|config| {
        config.knows("--allow-deletes", &args.allow_deletes)?;
        match asked {
            Some(range) => Ok((config, range)),
            None => no_dates(context, &config, args.tables.as_deref()).map(|range| (config, range)),
        }
    });
    let (mut config, range) = ready.inspect_err(|error| refused(context, dates, error))?;
    let options = RunOptions {
        range,
        tables: args.tables,
        max_workers: args.max_workers.map(usize::from),
        chunk_rows: args.chunk_rows,
        force: args.force,
        allow_deletes: args.allow_deletes,
        accept_source: args.accept_source,
        recount: args.recount,
    };
    let profile = profile::start(args.profile, context, &mut config);
    let store = open_store(context, &config)?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let ended = load(context, &config, store, options).await;
    embedded.stop().await;
    profile::tell(context, profile.as_deref());
    let summary = ended?;
    result(&text(&summary))?;
    Ok(summary.exit)
}

/// Records a run that was refused before it began, if there is a state file to record it in: `sync status` then tells why
/// nothing was loaded. Nobody who starts a run at night reads what it printed.
fn refused(context: &Context, dates: DateRange, error: &Error) {
    let path = context.state_of(&context.config);
    if !path.is_file() {
        return;
    }
    // The run's own error is the one to tell.
    if let Ok(store) = Store::create_or_open(&path) {
        let _ = run::record_refused(&store, &context.clock, dates, &identity(), error);
    }
}

/// Runs the backfill until it ends or a signal stops it.
pub(super) async fn load(
    context: &Context,
    config: &Config,
    store: Arc<Store>,
    options: RunOptions,
) -> Result<RunSummary> {
    let stop = StopSignal::new();
    let running = run::run(
        config,
        store,
        Arc::clone(&context.clock),
        options,
        identity(),
        context.voice.progress(),
        stop.clone(),
    );
    heeding(context, &stop, running).await
}

/// Whether everything was loaded before the run.
pub(super) fn nothing_to_do(summary: &RunSummary) -> bool {
    summary.exit == ExitCode::Done && summary.tables.iter().all(|table| table.already_complete)
}

/// The outcome of a run, for stdout.
pub(super) fn text(summary: &RunSummary) -> String {
    let total: u64 = summary.tables.iter().map(|table| table.rows_total).sum();
    let tables = counted(summary.tables.len() as u64, "table");
    if nothing_to_do(summary) {
        let compared: u64 = summary.tables.iter().map(|table| table.rows_compared).sum();
        let read = match compared {
            0 => "No row was read from the source.".to_owned(),
            count => format!(
                "{} of reference tables were read from the source and are those in place.",
                rows(count)
            ),
        };
        return format!(
            "Everything is already loaded and verified: {} in {tables}. {read}\n",
            rows(total)
        );
    }
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header([
        "Table",
        "Loaded now",
        "Verified",
        "Windows",
        "State",
    ]);
    for column in [1, 2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in &summary.tables {
        let windows = line.windows_done + line.windows_failed + line.windows_open;
        table.add_row([
            line.name.clone(),
            thousands(line.rows_loaded),
            thousands(line.rows_total),
            format!("{} of {windows}", line.windows_done),
            state(line),
        ]);
    }
    let loaded: u64 = summary.tables.iter().map(|table| table.rows_loaded).sum();
    let ending = match summary.exit {
        ExitCode::Done => format!("Done: {} loaded now, {} verified in {tables}.", rows(loaded), rows(total)),
        ExitCode::Mismatch if summary.tables.iter().all(|table| table.mismatched == 0) => {
            "Held: a load would have deleted more rows from the target than `leaving_rows_max_percent` permits; the tables and windows are named above."
                .to_owned()
        }
        ExitCode::Mismatch => {
            "Mismatch: rows that were read back differ from the source's; they were not committed. Run again; \
             `sync status` names the windows."
                .to_owned()
        }
        ExitCode::Incomplete => {
            format!("Incomplete: {} loaded now. Run the same command again to go on.", rows(loaded))
        }
        ExitCode::Internal | ExitCode::Usage | ExitCode::Busy | ExitCode::State | ExitCode::Preflight => {
            "Some tables could not be loaded; the reasons are above.".to_owned()
        }
    };
    format!("{table}\n\n{ending}\n")
}

fn state(table: &TableSummary) -> String {
    if let Some(error) = &table.error {
        return error.clone();
    }
    let mut parts = Vec::new();
    if table.mismatched > 0 {
        parts.push(format!(
            "{} mismatched",
            counted(table.mismatched as u64, "chunk")
        ));
    }
    if table.held > 0 {
        parts.push(format!("{} held", counted(table.held as u64, "window")));
    }
    if table.rows_ahead > 0 {
        parts.push(format!("{} beyond the source's clock", rows(table.rows_ahead)));
    }
    if table.rows_unfollowed > 0 {
        parts.push(format!("{} not followed", rows(table.rows_unfollowed)));
    }
    if table.windows_failed > 0 {
        parts.push(format!(
            "{} failed",
            counted(table.windows_failed as u64, "window")
        ));
    }
    if table.windows_open > 0 {
        parts.push(format!("{} open", counted(table.windows_open as u64, "window")));
    }
    if parts.is_empty() && !table.is_looked_at {
        return "not looked at".to_owned();
    }
    match (parts.is_empty(), table.already_complete) {
        (true, true) if table.rows_compared > 0 => "compared, unchanged".to_owned(),
        (true, true) => "was verified before".to_owned(),
        (true, false) if table.is_swapped && table.rows_loaded == 0 && table.rows_total > 0 => {
            "swapped in".to_owned()
        }
        (true, false) => "verified".to_owned(),
        (false, _) => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> TableSummary {
        TableSummary {
            name: name.to_owned(),
            is_looked_at: true,
            windows_done: 2,
            rows_total: 1000,
            ..TableSummary::default()
        }
    }

    #[test]
    fn a_run_that_loaded_says_what() {
        let loaded = TableSummary {
            rows_loaded: 1000,
            ..line("A")
        };
        let before = TableSummary {
            already_complete: true,
            ..line("LONGER_NAME")
        };
        let summary = RunSummary {
            tables: vec![loaded, before],
            exit: ExitCode::Done,
        };
        insta::assert_snapshot!(text(&summary), @r"
        | Table       | Loaded now | Verified | Windows | State               |
        |-------------|------------|----------|---------|---------------------|
        | A           |      1,000 |    1,000 |  2 of 2 | verified            |
        | LONGER_NAME |          0 |    1,000 |  2 of 2 | was verified before |

        Done: 1,000 rows loaded now, 2,000 rows verified in 2 tables.
        ");
    }

    #[test]
    fn a_run_that_did_not_finish_says_so() {
        let table = TableSummary {
            windows_done: 0,
            windows_failed: 1,
            windows_open: 1,
            mismatched: 2,
            ..line("A")
        };
        let text = text(&RunSummary {
            tables: vec![table],
            exit: ExitCode::Incomplete,
        });
        assert!(text.contains("0 of 2"), "{text}");
        assert!(
            text.contains("2 chunks mismatched, 1 window failed, 1 window open"),
            "{text}"
        );
        assert!(text.ends_with("Run the same command again to go on.\n"), "{text}");
    }

    #[test]
    fn a_table_that_the_run_did_not_come_to_is_not_verified() {
        let waited = TableSummary {
            name: "A".to_owned(),
            ..TableSummary::default()
        };
        let text = text(&RunSummary {
            tables: vec![waited],
            exit: ExitCode::Incomplete,
        });
        assert!(
            text.contains("| A     |          0 |        0 |  0 of 0 | not looked at |"),
            "{text}"
        );
    }

    #[test]
    fn a_run_with_nothing_to_do_is_one_line() {
        let table = TableSummary {
            already_complete: true,
            ..line("A")
        };
        let summary = RunSummary {
            tables: vec![table],
            exit: ExitCode::Done,
        };
        assert_eq!(
            text(&summary),
            "Everything is already loaded and verified: 1,000 rows in 1 table. No row was read from the source.\n"
        );
    }
}

//! `sync run` loads a range of dates and prints the outcome as a table, or as JSON.

mod outcome;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::checkpoint::Store;
use crate::cli::arguments::Dates;
use crate::cli::context::{Context, json, result};
use crate::cli::profile;
use crate::cli::serve::Beside;
use crate::cli::shared::{identity, no_dates, open_store, table, write_metrics};
use crate::cli::steered::Steered;
use crate::cli::{account, notices, plan};
use crate::config::Config;
use crate::model::table::Identifier;
use crate::preflight::context::RunOptions;
use crate::preflight::kept::OtherSource;
use crate::progress::RunSummary;
use crate::run;

#[cfg(feature = "emulator")]
pub(super) use outcome::nothing_to_do;
pub(super) use outcome::text;
use view::RunView;

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
    /// Read the source at once, outside of its hours, too
    #[arg(long)]
    ignore_hours: bool,
    /// Print at the end how often each kind of statement ran at each server, its time and its bytes
    #[arg(long)]
    profile: bool,
    /// Serve a page for the browser while the run is going, at ADDR or the configuration's address
    #[arg(long, value_name = "ADDR", num_args = 0..=1, conflicts_with = "dry_run")]
    serve: Option<Option<SocketAddr>>,
    /// Show the work of the run and write nothing, as `sync plan` does
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: RunArgs) -> Result<ExitCode> {
    if args.dry_run {
        context.load()?.knows("--allow-deletes", &args.allow_deletes)?;
        let asked = plan::Asked {
            range: args.dates.range(&context.clock)?,
            tables: args.tables,
            other: match args.accept_source {
                true => OtherSource::Accepted,
                false => OtherSource::Refused,
            },
            json: args.json,
        };
        return plan::show(context, asked).await;
    }
    // An invalid range is refused before the configuration is read.
    let asked = args.dates.range(&context.clock)?;
    let mut config = context.begin()?;
    notices::begin(context, &config, "run");
    config.knows("--allow-deletes", &args.allow_deletes)?;
    let range = match asked {
        Some(range) => range,
        None => no_dates(context, &config, args.tables.as_deref())?,
    };
    let options = RunOptions {
        range,
        tables: args.tables,
        max_workers: args.max_workers.map(usize::from),
        chunk_rows: args.chunk_rows,
        force: args.force,
        allow_deletes: args.allow_deletes,
        accept_source: args.accept_source,
        recount: args.recount,
        ignore_hours: args.ignore_hours,
    };
    let profile = profile::start(args.profile, context, &mut config);
    let store = open_store(context, &config)?;
    let page = Beside::begin(context, &config, args.serve).await?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let ended = load(context, &config, Arc::clone(&store), options).await;
    page.end().await;
    embedded.stop().await;
    write_metrics(context, &config, store).await;
    profile::tell(context, profile.as_deref());
    let summary = ended?;
    context.notices.outcome(&outcome::ending(&summary));
    result(&if args.json {
        json(&RunView::of(&config, context.voice.run_id(), &summary))
    } else {
        text(
            &summary,
            &account::told(&summary.accounts, &context.screen),
            &context.screen,
        )
    })?;
    Ok(summary.exit)
}

/// Runs the backfill until it ends or is stopped.
pub(super) async fn load(
    context: &Context,
    config: &Config,
    store: Arc<Store>,
    options: RunOptions,
) -> Result<RunSummary> {
    let steered = Steered::new(context, "run", true);
    let running = run::run(
        config,
        Arc::clone(&store),
        Arc::clone(&context.clock),
        options,
        identity(context),
        Arc::clone(&steered.progress),
        steered.reins.clone(),
    );
    steered.until_it_ends(store, running).await
}

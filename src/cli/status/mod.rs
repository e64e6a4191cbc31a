//! `sync status` shows the state of every table and window from the state file, and the reads of a run that is going as that
//! run tells them, if it does.
//!
//! It asks no server. It therefore answers during a run, after a killed run, and when no server is reachable.

mod grid;
mod pace;
mod pace_view;
#[cfg(test)]
mod tests;
mod text;
mod tone;
mod view;
mod watch;
mod windows;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::cli::context::{Context, json, result};
use crate::cli::shared::table;
use crate::config::FILE_DEFAULT;
use crate::model::table::Identifier;
use crate::status::{Status, look};
use view::View;

/// Arguments of `sync status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Only these tables
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = table)]
    tables: Option<Vec<Identifier>>,
    /// List all windows, with their chunks, rows and errors
    #[arg(long, conflicts_with_all = ["failed", "watch", "json"])]
    windows: bool,
    /// List only what is failed, mismatched, stale or refused, with whole errors and the command for each
    #[arg(long, conflicts_with_all = ["watch", "json"])]
    failed: bool,
    /// List what the governor of the source's reads has come to, and its last decisions
    #[arg(long, conflicts_with_all = ["windows", "failed", "watch", "json"])]
    governor: bool,
    /// Draw the status again every 2 seconds, or every SECONDS, with the rate of the run; Ctrl-C ends it
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = clap::value_parser!(u32).range(1..=3600), conflicts_with = "json")]
    watch: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: StatusArgs) -> Result<ExitCode> {
    let path = context.state_of(&context.config);
    tell_missing(context, &path);
    let facts = async || facts(context, &path, args.tables.as_deref()).await;
    if let Some(seconds) = args.watch {
        return watch::watch(context, Duration::from_secs(seconds.into()), facts).await;
    }
    let status = facts().await?;
    if !status.is_kept {
        context.voice.say(&format!(
            "note: there is no state file {}: no run has been here, or it was lost; a run or `sync rebuild` makes it \
             from what the target proves",
            path.display()
        ));
    }
    let screen = &context.screen;
    result(&match () {
        () if args.json => json(&View::of(&status)),
        () if args.windows => windows::windows(&status, screen),
        () if args.governor => pace::governor(&status, screen),
        () if args.failed => windows::failed(&status, screen),
        () => text::text(&status, screen),
    })?;
    Ok(ExitCode::Done)
}

/// Tells that the configuration is missing, where that matters: somebody named it, or the state file is missing as well and the
/// directory may be the wrong one.
fn tell_missing(context: &Context, state: &Path) {
    // What cannot be looked at is not known to be missing.
    let is_there = |path: &Path| path.try_exists().unwrap_or(true);
    let config = &context.config;
    if is_there(config) {
        return;
    }
    let is_named = config != Path::new(FILE_DEFAULT);
    match (is_there(state), context.load()) {
        (true, Err(error)) if is_named => context.voice.say(&format!(
            "warning: {}; this is what the state file {} has",
            error.chain(),
            state.display()
        )),
        (false, Err(error)) if is_named => context.voice.say(&format!("warning: {}", error.chain())),
        (false, _) => context.voice.say(&format!(
            "note: there is no configuration file {}: change to the directory of yours, name it with --config FILE, or \
             write one with `sync init`",
            std::path::absolute(config).unwrap_or_else(|_| config.clone()).display()
        )),
        (true, _) => {}
    }
}

/// The facts of the tables that are asked for; all tables without a list.
async fn facts(context: &Context, path: &Path, tables: Option<&[Identifier]>) -> Result<Status> {
    // A configuration that cannot be read keeps nobody from what the state file has.
    let config = context.load().ok();
    let mut status = look(path, config.as_ref(), &context.clock).await?;
    let Some(tables) = tables else {
        return Ok(status);
    };
    for name in tables {
        if !status.tables.iter().any(|table| name.same_as(&table.name)) {
            let text = format!(
                "--tables names {name}, which neither {} nor the state file {} has; `sync status` lists the tables",
                context.config.display(),
                path.display()
            );
            return Err(Error::new(ErrorKind::Usage, text));
        }
    }
    status
        .tables
        .retain(|table| tables.iter().any(|name| name.same_as(&table.name)));
    Ok(status)
}

//! `sync pause`, `sync resume`, `sync stop` and `sync tune`: requests to the run that has the state file.
//!
//! They speak to its socket alone: they open no connection to a server, and they write nothing.

mod text;
mod unheard;
mod view;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::checkpoint::holder;
use crate::cli::context::{Context, json, result};
use crate::control::{Ask, Done, ask};
use crate::model::pace::Tuning;
use view::View;

/// The time for an answer. A run answers in a moment, and one that is just beginning in a second.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The pause between two looks at whether the run has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Arguments of `sync pause`.
#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `sync resume`.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `sync stop`.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// Wait until it has ended
    #[arg(long)]
    wait: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `sync tune`.
#[derive(Debug, Args)]
pub(super) struct TuneArgs {
    /// Parallel windows of a table
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    max_workers: Option<u8>,
    /// Most rows a second that are read of the source; 0 for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=1 << 40))]
    rows_per_second: Option<u64>,
    /// Most rows of a chunk
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    chunk_rows: Option<u32>,
    /// Read the source outside of its hours, too
    #[arg(long)]
    ignore_hours: bool,
    /// Read the source in its hours only again
    #[arg(long, conflicts_with = "ignore_hours")]
    heed_hours: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl TuneArgs {
    fn tuning(&self) -> Tuning {
        Tuning {
            max_workers: self.max_workers.map(usize::from),
            rows_per_second: self.rows_per_second,
            chunk_rows: self.chunk_rows.map(|rows| rows as usize),
            ignore_hours: match (self.ignore_hours, self.heed_hours) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
        }
    }
}

pub(super) async fn pause(context: &Context, args: PauseArgs) -> Result<ExitCode> {
    let done = asked(context, Ask::Pause).await?;
    tell(context, Ask::Pause, &done, args.json)
}

pub(super) async fn resume(context: &Context, args: ResumeArgs) -> Result<ExitCode> {
    let done = asked(context, Ask::Resume).await?;
    tell(context, Ask::Resume, &done, args.json)
}

pub(super) async fn stop(context: &Context, args: StopArgs) -> Result<ExitCode> {
    let done = asked(context, Ask::Stop).await?;
    if args.wait {
        ended(context, &context.state_of(&context.config)).await?;
    }
    tell(context, Ask::Stop, &done, args.json)?;
    if args.wait && !args.json {
        result("It has ended; `sync status` tells how.\n")?;
    }
    Ok(ExitCode::Done)
}

pub(super) async fn tune(context: &Context, args: TuneArgs) -> Result<ExitCode> {
    let tuning = args.tuning();
    if tuning == Tuning::default() {
        let text = "Nothing is to be changed; name a setting, as in `sync tune --max-workers 1`, and see `sync tune --help`";
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let ask = Ask::Tune(tuning);
    let done = asked(context, ask).await?;
    tell(context, ask, &done, args.json)
}

/// Asks the run that has the state file.
async fn asked(context: &Context, what: Ask) -> Result<Done> {
    let path = context.state_of(&context.config);
    let answer = ask(&path, what, &context.clock, ANSWER_TIME).await;
    answer.map_err(|why| unheard::error(&path, why))
}

fn tell(context: &Context, ask: Ask, done: &Done, is_json: bool) -> Result<ExitCode> {
    result(&match is_json {
        true => json(&View::of(ask, done)),
        false => context.screen.prose(&text::text(ask, done)),
    })?;
    Ok(ExitCode::Done)
}

/// Waits until nobody has the state file open for writing.
async fn ended(context: &Context, path: &Path) -> Result<()> {
    while holder(path)?.is_some() {
        context.clock.sleep(LOOK_PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_are_kept() {
        for command in ["pause", "resume", "stop", "tune"] {
            crate::cli::schema::assert_kept::<View<'_>>(command);
        }
    }
}

//! `sync runs` lists the last runs, and what each asked of the source, from the state file alone.

mod view;

use clap::Args;

use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::checkpoint::Reader;
use crate::cli::context::{Context, json, result};
use crate::status::runs;
use view::View;

pub(super) use view::RunView;

/// Arguments of `sync runs`.
#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    /// So many of the last runs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    last: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, args: RunsArgs) -> Result<ExitCode> {
    let path = context.state_of(&context.config);
    let runs = match Reader::open(&path)? {
        Some(reader) => runs(&reader, args.last as usize)?,
        None => {
            context.voice.say(&format!(
                "note: there is no state file {}: no run has been here, or it was lost",
                path.display()
            ));
            Vec::new()
        }
    };
    result(&match args.json {
        true => json(&View::of(&runs)),
        false => view::text(&runs, &context.screen),
    })?;
    Ok(ExitCode::Done)
}

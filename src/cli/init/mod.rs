//! `sync init` writes the files to start from, for two real servers; with `--from-source`, with the tables that the
//! source has.
//!
//! It never overwrites a file: an existing file belongs to its user. Each file is its owner's alone, as it is to hold
//! passwords, and a kill leaves a whole file or none.

mod files;
mod from_source;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::cli::context::Context;
use files::{ENV_EXAMPLE, TEMPLATE, write};
use from_source::SourceArgs;

/// Arguments of `sync init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Directory of the files; created if it does not exist
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Read the source's catalog, and write its tables with their date columns, keys and sizes; with a configuration that
    /// exists, print them
    #[arg(long)]
    from_source: bool,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(context: &Context, args: InitArgs) -> Result<ExitCode> {
    // Files of the current directory are shown without a leading `./`.
    let path: PathBuf = match &args.dir {
        Some(directory) => directory.components().as_path().join(&context.config),
        None => context.config.clone(),
    };
    let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
    if args.from_source {
        return from_source::run(context, &path, &args.source).await;
    }
    write(context, &path, TEMPLATE, ENV_EXAMPLE, "")?;
    Ok(ExitCode::Done)
}

//! `sync init` writes the files to start from, for two real servers; with `--from-source`, with the tables that the
//! source has.
//!
//! It never overwrites a file: an existing file belongs to its user. Each file is its owner's alone, as it is to hold
//! passwords, and a kill leaves a whole file or none.

mod from_source;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::private;
use crate::cli::context::{Context, result};
use crate::config::FILE_DEFAULT;
use from_source::SourceArgs;

const TEMPLATE: &str = include_str!("sync.toml");
const ENV_EXAMPLE: &str = include_str!("env.example");

/// The name of the example of variables, beside the configuration.
const ENV_EXAMPLE_NAME: &str = ".env.example";

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

/// Writes the configuration and the example of its variables, and says what comes next.
fn write(context: &Context, path: &Path, config: &str, env: &str, about: &str) -> Result<()> {
    let mut text = String::new();
    let example = path.with_file_name(ENV_EXAMPLE_NAME);
    for (path, content, about) in [(path, config, about), (&example, env, "")] {
        if write_new(path, content)? {
            text.push_str(&format!("Wrote {}{about}\n", path.display()));
        } else {
            context
                .voice
                .say(&format!("note: {} exists and is left unchanged", path.display()));
        }
    }
    text.push_str(&next(path));
    result(&text)
}

/// The next steps, for stdout.
fn next(config: &Path) -> String {
    let flag = if config == Path::new(FILE_DEFAULT) {
        String::new()
    } else {
        format!(" --config {}", typed(config))
    };
    format!(
        "Next:\n  \
         1. Edit {}: servers, databases, users, and the tables to copy.\n  \
         2. Copy {} to .env beside it, and put the two passwords in; keep it out of git.\n  \
         3. sync doctor{flag}\n     \
         checks all of it, and says what is wrong and how to correct it\n  \
         4. sync plan{flag} --from 2025-10-01 --to 2025-11-30\n     \
         says what a run would do; writes nothing\n  \
         5. sync run{flag} --from 2025-10-01 --to 2025-11-30\n     \
         copies these days; run it again after an interruption\n",
        config.display(),
        config.with_file_name(ENV_EXAMPLE_NAME).display()
    )
}

/// A path as a shell takes it.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text
    }
}

/// Writes a file unless it exists; returns whether it was written.
fn write_new(path: &Path, content: &str) -> Result<bool> {
    let failed = |error: std::io::Error| {
        let text = format!(
            "Cannot write {}; name a place that can be written by --dir or --config",
            path.display()
        );
        Error::new(ErrorKind::Usage, text).with_source(error)
    };
    private::directory(&path.with_file_name(""))
        .and_then(|()| private::write_new(path, content.as_bytes()))
        .map_err(failed)
}

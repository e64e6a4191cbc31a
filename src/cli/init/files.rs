//! The files of `sync init`, and the steps that follow.

use std::path::Path;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::{private, program};
use crate::cli::context::{Context, result};
use crate::config::FILE_DEFAULT;

/// The configuration.
pub(super) const TEMPLATE: &str = include_str!("sync.toml");
/// The example of its variables.
pub(super) const ENV_EXAMPLE: &str = include_str!("env.example");

/// The name of the example of variables, beside the configuration.
pub(super) const ENV_EXAMPLE_NAME: &str = ".env.example";

/// Writes the configuration and the example of its variables, and says what comes next.
pub(super) fn write(context: &Context, path: &Path, config: &str, env: &str, about: &str) -> Result<()> {
    let mut text = String::new();
    let example = path.with_file_name(ENV_EXAMPLE_NAME);
    for (path, content, about) in [(path, config, about), (&example, env, "")] {
        if write_new(path, &program::named_for_all(content))? {
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
        format!(" --config {}", program::argument(&config.display().to_string()))
    };
    let name = program::name();
    format!(
        "Next:\n  \
         1. Edit {}: servers, databases, users, and the tables to copy.\n  \
         2. Copy {} to .env beside it, and put the two passwords in; keep it out of git.\n  \
         3. {name} doctor{flag}\n     \
         checks all of it, and says what is wrong and how to correct it\n  \
         4. {name} plan{flag} --from 2025-10-01 --to 2025-11-30\n     \
         says what a run would do; writes nothing\n  \
         5. {name} run{flag} --from 2025-10-01 --to 2025-11-30\n     \
         copies these days; run it again after an interruption\n",
        config.display(),
        config.with_file_name(ENV_EXAMPLE_NAME).display()
    )
}

/// Writes a file unless it exists; returns whether it was written.
pub(super) fn write_new(path: &Path, content: &str) -> Result<bool> {
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

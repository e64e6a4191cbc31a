//! The inputs of every command, and the output of its result.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::clock::SharedClock;
use crate::base::disk::full;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::program;
use crate::cli::noticed::Notices;
use crate::cli::screen::Screen;
use crate::cli::voice::Voice;
use crate::config::{Config, FILE_DEFAULT};

/// The default of `--state`, relative to the configuration's directory.
const STATE_DEFAULT: &str = "state/checkpoints.redb";

/// The global options and services of a command.
pub(super) struct Context {
    pub(super) config: PathBuf,
    pub(super) state: Option<PathBuf>,
    /// The screen of stdout, where the result goes.
    pub(super) screen: Screen,
    pub(super) voice: Voice,
    pub(super) notices: Notices,
    pub(super) clock: SharedClock,
}

impl Context {
    /// The configuration, with variables from the environment.
    pub(super) fn load(&self) -> Result<Config> {
        Config::load(&self.config, &|name| std::env::var(name).ok())
    }

    /// The configuration of a command that works at a server or on the state. It writes log files from now on, if it has any.
    pub(super) fn begin(&self) -> Result<Config> {
        let config = self.load()?;
        if let Some(settings) = &config.log {
            self.voice.keep(settings);
        }
        Ok(config)
    }

    /// The checkpoint file that belongs to the configuration file at `config`.
    pub(super) fn state_of(&self, config: &Path) -> PathBuf {
        self.state
            .clone()
            // Joined by components, so that Windows shows its own separator.
            .unwrap_or_else(|| {
                config
                    .with_file_name("")
                    .components()
                    .chain(Path::new(STATE_DEFAULT).components())
                    .collect()
            })
    }
}

/// Has the commands that texts give lead to these files.
pub(super) fn works_on(config: &Path, state: Option<&Path>) {
    let config = config.strip_prefix(".").unwrap_or(config);
    program::works_on((config != Path::new(FILE_DEFAULT)).then_some(config), state);
}

/// Writes a command's result to stdout, with the program's own name in it.
pub(super) fn result(text: &str) -> Result<()> {
    verbatim(&program::named(text))
}

/// Writes a script or a page to stdout as it stands. A closed pipe, as after `head`, is no error.
pub(super) fn verbatim(text: &str) -> Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let (kind, text) = match full(Path::new("The result on stdout"), &error) {
                Some(full) => (ErrorKind::Usage, full),
                None => (
                    ErrorKind::Internal,
                    "Cannot write the result to stdout".to_owned(),
                ),
            };
            Err(Error::new(kind, text).with_source(error))
        }
        _ => Ok(()),
    }
}

/// The version of the vocabulary of results. It rises when a field goes or changes its meaning, not when one is added.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// The field that has it.
#[cfg(test)]
pub(super) const VERSION_FIELD: &str = "schema_version";

/// A result, after the version of its vocabulary.
#[derive(Serialize)]
struct Versioned<'a, V> {
    schema_version: u32,
    #[serde(flatten)]
    view: &'a V,
}

/// A view as indented JSON with a final newline: the version of the vocabulary, then its fields in their declared order.
pub(super) fn json(view: &impl Serialize) -> String {
    let versioned = Versioned {
        schema_version: SCHEMA_VERSION,
        view,
    };
    let text =
        serde_json::to_string_pretty(&versioned).expect("a view of plain fields can be written as JSON");
    format!("{}\n", program::named_json(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;

    #[test]
    fn state_is_beside_the_configuration_unless_it_is_named() {
        let context = |state: Option<&str>| Context {
            config: PathBuf::new(),
            state: state.map(PathBuf::from),
            screen: Screen::none(),
            voice: Voice::new(false, 0, Screen::none(), SystemClock::shared()),
            notices: Notices::default(),
            clock: SystemClock::shared(),
        };
        let of = |state, config: &str| context(state).state_of(Path::new(config));
        assert_eq!(of(None, "sync.toml"), Path::new("state/checkpoints.redb"));
        assert_eq!(
            of(None, "/etc/a/sync.toml"),
            Path::new("/etc/a/state/checkpoints.redb")
        );
        assert_eq!(of(Some("x.redb"), "/etc/a/sync.toml"), Path::new("x.redb"));
    }
}

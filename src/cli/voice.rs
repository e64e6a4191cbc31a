//! Output on stderr while a command works: bars on a terminal, lines elsewhere, JSON on request.

use std::io::IsTerminal;
use std::sync::Arc;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::base::clock::SharedClock;
use crate::base::error::Error;
use crate::base::program;
use crate::cli::screen::{Screen, Tone};
use crate::progress::Progress;
use crate::report::{Bars, Log, Plain};

/// Only this crate's log events are written: the driver's events hold rows and server texts.
const TARGET: &str = "mssql_sync";

/// Writes stderr in one of the forms of `--log`.
pub(super) struct Voice {
    json: bool,
    verbose: bool,
    /// The screen of stderr.
    screen: Screen,
    clock: SharedClock,
}

impl Voice {
    /// Sets up the log of the process.
    pub(super) fn new(json: bool, verbosity: u8, screen: Screen, clock: SharedClock) -> Self {
        let level = match (json, verbosity) {
            (_, 2..) => Level::TRACE,
            (_, 1) => Level::DEBUG,
            (true, 0) => Level::INFO,
            // Progress carries all that a person must know; the log carries unforeseen errors.
            (false, 0) => Level::ERROR,
        };
        let registry = tracing_subscriber::registry().with(Targets::new().with_target(TARGET, level));
        // An existing log, as in tests, stays.
        let _ = if json {
            registry
                .with(fmt::layer().json().with_writer(std::io::stderr))
                .try_init()
        } else {
            registry
                .with(
                    fmt::layer()
                        .with_target(false)
                        .with_ansi(false)
                        .with_writer(std::io::stderr),
                )
                .try_init()
        };
        Voice {
            json,
            verbose: verbosity > 0,
            screen,
            clock,
        }
    }

    /// Returns the renderer of a run's events.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        let clock = SharedClock::clone(&self.clock);
        if self.json {
            Arc::new(Log)
        } else if std::io::stderr().is_terminal() && !self.verbose {
            Arc::new(Bars::stderr(clock))
        } else {
            Arc::new(Plain::new(clock, std::io::stderr()))
        }
    }

    /// Whether stderr is JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line that is no part of the result.
    pub(super) fn say(&self, text: &str) {
        let text = program::named(text);
        if self.json {
            tracing::info!("{text}");
        } else {
            eprintln!("{text}");
        }
    }

    /// Writes the error that ended the command.
    pub(super) fn error(&self, error: &Error) {
        let chain = error.chain();
        let text = program::named(&chain);
        if self.json {
            tracing::error!(
                error = &*text,
                exit_code = error.kind().exit_code() as u8,
                "failed"
            );
        } else {
            eprintln!("{} {}", self.screen.paint("error:", Tone::Bad), text);
        }
    }
}

//! Output on stderr while a command works: bars on a terminal, lines elsewhere, JSON on request.
//!
//! A line of text has its time unless a person reads it on a terminal; a JSON object has its time and `run_id`.

use std::io::Write;
use std::sync::Arc;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::base::clock::SharedClock;
use crate::base::error::Error;
use crate::base::program;
use crate::base::text::{stamp, wrapped};
use crate::cli::screen::{Screen, Tone};
use crate::progress::Progress;
use crate::report::{Bars, Log, Plain, PlainOptions};

/// Only this crate's log events are written: the driver's events hold rows and server texts.
const TARGET: &str = "mssql_sync";

/// How the line of an error begins.
const ERROR: &str = "error:";

/// Writes stderr in one of the forms of `--log`.
pub(super) struct Voice {
    json: bool,
    verbose: bool,
    run_id: u128,
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
        let run_id = clock.random();
        let registry = tracing_subscriber::registry().with(Targets::new().with_target(TARGET, level));
        // An existing log, as in tests, stays.
        let _ = if json {
            let head = format!("{{\"run_id\":\"{run_id:032x}\",");
            let objects = fmt::layer().json();
            registry
                .with(objects.with_writer(move || Objects { head: head.clone() }))
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
            run_id,
            screen,
            clock,
        }
    }

    /// Returns the renderer of a run's events.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        let clock = SharedClock::clone(&self.clock);
        if self.json {
            Arc::new(Log)
        } else if self.is_terminal() && !self.verbose {
            Arc::new(Bars::stderr(clock))
        } else {
            let options = PlainOptions {
                stamped: !self.is_terminal(),
                verbose: self.verbose,
            };
            Arc::new(Plain::new(clock, options, std::io::stderr()))
        }
    }

    /// Whether stderr is JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// The id of this command, which a run has in its receipts.
    pub(super) fn run_id(&self) -> u128 {
        self.run_id
    }

    /// Writes lines that are no part of the result.
    pub(super) fn say(&self, text: &str) {
        let text = program::named(text);
        if self.json {
            tracing::info!("{text}");
            return;
        }
        for line in text.lines() {
            self.line(line);
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
            let text = format!("error: {}", text);
            self.line(self.screen.prose(&text).trim_end());
        }
    }

    fn is_terminal(&self) -> bool {
        self.screen.width.is_some()
    }

    /// The screen of stderr.
    #[cfg(feature = "emulator")]
    pub(super) fn screen(&self) -> &Screen {
        &self.screen
    }

    fn line(&self, line: &str) {
        let stamp = match self.is_terminal() || line.is_empty() {
            true => String::new(),
            false => stamp(self.clock.now()),
        };
        let folded = match self.screen.width {
            Some(columns) => wrapped(line, columns, "  "),
            None => format!("{line}\n"),
        };
        let line = match folded.strip_prefix(ERROR) {
            Some(rest) => format!("{}{rest}", self.screen.paint(ERROR, Tone::Bad)),
            None => folded,
        };
        // A closed stderr, or a full disk under it, must not end a working command.
        let _ = write!(std::io::stderr(), "{stamp}{line}");
    }
}

/// Writes JSON objects to stderr, each with a first field more. The log writes an object at once.
struct Objects {
    /// The opening brace and the field.
    head: String,
}

impl Write for Objects {
    fn write(&mut self, object: &[u8]) -> std::io::Result<usize> {
        let mut line = Vec::with_capacity(self.head.len() + object.len());
        match object.strip_prefix(b"{") {
            Some(rest) => {
                line.extend_from_slice(self.head.as_bytes());
                line.extend_from_slice(rest);
            }
            None => line.extend_from_slice(object),
        }
        std::io::stderr().write_all(&line).map(|()| object.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

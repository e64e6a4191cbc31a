//! Output while a command works: on stderr as bars, lines or JSON objects, and in log files as records.
//!
//! A line of text has its time unless a person reads it on a terminal; a JSON object has its time and `run_id`.

mod records;
mod stderr;

use std::sync::Arc;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::base::clock::SharedClock;
use crate::base::error::Error;
use crate::base::program;
use crate::cli::screen::Screen;
use crate::config::LogFiles;
use crate::progress::{Fanout, Progress};
use crate::report::{Bars, Files, Log, Plain, PlainOptions};
use records::{Object, Records, TARGET};
use stderr::Stderr;

/// The modules whose records stderr has as lines or bars already, where it is text.
const SAID: [&str; 2] = ["mssql_sync::cli::voice", "mssql_sync::report::log"];

/// Writes stderr in one of the forms of `--log`, and the log files.
pub(super) struct Voice {
    verbose: bool,
    run_id: u128,
    stderr: Arc<Stderr>,
    records: Records,
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
        let filter = Targets::new().with_target(TARGET, level);
        let of_stderr = if json {
            let to = move || Object::new(run_id, std::io::stderr());
            fmt::layer().json().with_writer(to).with_filter(filter).boxed()
        } else {
            let filter = filter.with_targets(SAID.map(|module| (module, LevelFilter::OFF)));
            let lines = fmt::layer().with_target(false).with_ansi(false);
            lines.with_writer(std::io::stderr).with_filter(filter).boxed()
        };
        let (records, mut layers) = Records::new(run_id, level.max(Level::DEBUG), &clock);
        layers.push(of_stderr);
        // An existing log, as in tests, stays.
        let _ = tracing_subscriber::registry().with(layers).try_init();
        Voice {
            verbose: verbosity > 0,
            run_id,
            stderr: Arc::new(Stderr::new(json, run_id, screen, clock)),
            records,
        }
    }

    /// Writes what is told from now on to log files, too.
    pub(super) fn keep(&self, settings: &LogFiles) {
        let stderr = Arc::clone(&self.stderr);
        let clock = SharedClock::clone(&stderr.clock);
        let files = Files::new(settings.clone(), clock, move |text| stderr.warn_of_records(text));
        self.records.keep(settings.format, files);
    }

    /// Returns the renderer of a run's events.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        let clock = SharedClock::clone(&self.stderr.clock);
        if self.is_json() {
            return Arc::new(Log);
        }
        let renderer: Arc<dyn Progress> = if self.stderr.is_terminal() && !self.verbose {
            Arc::new(Bars::stderr(clock))
        } else {
            let options = PlainOptions {
                stamped: !self.stderr.is_terminal(),
                verbose: self.verbose,
            };
            Arc::new(Plain::new(clock, options, std::io::stderr()))
        };
        self.stderr.render_by(&renderer);
        match self.records.are_kept() {
            true => Arc::new(Fanout::new([renderer, Arc::new(Log)])),
            false => renderer,
        }
    }

    /// Whether stderr is JSON.
    pub(super) fn is_json(&self) -> bool {
        self.stderr.json
    }

    /// The id of this command, which a run has in its receipts.
    pub(super) fn run_id(&self) -> u128 {
        self.run_id
    }

    /// Writes lines that are no part of the result.
    pub(super) fn say(&self, text: &str) {
        let text = program::named(text);
        tracing::info!("{text}");
        if !self.is_json() {
            for line in text.lines() {
                self.stderr.line(line);
            }
        }
    }

    /// What warns of something beside the work, from any thread.
    pub(super) fn warner(&self) -> impl Fn(&str) + Send + Sync + use<> {
        let stderr = Arc::clone(&self.stderr);
        move |text| {
            tracing::warn!("{text}");
            if !stderr.json {
                stderr.warn(text);
            }
        }
    }

    /// Writes the error that ended the command.
    pub(super) fn error(&self, error: &Error) {
        let chain = error.chain();
        let text = program::named(&chain);
        tracing::error!(
            error = &*text,
            exit_code = error.kind().exit_code() as u8,
            "failed"
        );
        if !self.is_json() {
            self.stderr.error(&text);
        }
    }

    /// The screen of stderr.
    #[cfg(feature = "emulator")]
    pub(super) fn screen(&self) -> &Screen {
        &self.stderr.screen
    }
}

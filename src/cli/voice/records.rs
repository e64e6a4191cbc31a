//! The records of a command in log files. They are there only once the configuration is read, and cost nothing before.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use chrono::SecondsFormat;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::base::clock::SharedClock;
use crate::config::LogFormat;
use crate::report::Files;

/// Only this crate's log events are written: the driver's events hold rows and server texts.
pub(super) const TARGET: &str = "mssql_sync";

/// A layer of the log.
type OneLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The log files, from when they are known.
pub(super) struct Records {
    files: Arc<OnceLock<Files>>,
    level: Level,
    text: reload::Handle<Targets, Registry>,
    json: reload::Handle<Targets, Registry>,
}

impl Records {
    /// No files yet, and the layers that will write to them: one for each form.
    pub(super) fn new(run_id: u128, level: Level, clock: &SharedClock) -> (Records, Vec<OneLayer>) {
        let files = Arc::new(OnceLock::new());
        // Neither has a record before it is told which ones.
        let (of_text, text) = reload::Layer::new(Targets::new());
        let (of_json, json) = reload::Layer::new(Targets::new());
        let stamp = |run_id| Stamp {
            clock: SharedClock::clone(clock),
            run_id,
        };
        let (to_text, to_json) = (ToFiles(Arc::clone(&files)), ToFiles(Arc::clone(&files)));
        let layers = vec![
            fmt::layer()
                .with_target(false)
                .with_ansi(false)
                .with_timer(stamp(Some(run_id)))
                .with_writer(move || to_text.clone())
                .with_filter(of_text)
                .boxed(),
            fmt::layer()
                .json()
                .with_timer(stamp(None))
                .with_writer(move || Object::new(run_id, to_json.clone()))
                .with_filter(of_json)
                .boxed(),
        ];
        let records = Records {
            files,
            level,
            text,
            json,
        };
        (records, layers)
    }

    /// Writes records to files from now on. The first files of a command stay.
    pub(super) fn keep(&self, format: LogFormat, files: Files) {
        if self.files.set(files).is_err() {
            return;
        }
        let handle = match format {
            LogFormat::Text => &self.text,
            LogFormat::Json => &self.json,
        };
        // The layer is gone where another log was set up before, as in tests.
        let _ = handle.reload(Targets::new().with_target(TARGET, self.level));
    }

    pub(super) fn are_kept(&self) -> bool {
        self.files.get().is_some()
    }
}

/// The time of a record by the program's clock. Lines of text also have the beginning of the run's id, as sessions do.
struct Stamp {
    clock: SharedClock,
    run_id: Option<u128>,
}

impl FormatTime for Stamp {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        let now = self.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true);
        match self.run_id {
            Some(run_id) => write!(to, "{now} {:08x}", run_id >> 96),
            None => write!(to, "{now}"),
        }
    }
}

/// Hands lines to the files. The log writes a line at once.
#[derive(Clone)]
struct ToFiles(Arc<OnceLock<Files>>);

impl Write for ToFiles {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(files) = self.0.get() {
            files.line(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes JSON objects, each with the run's id as a first field more. The log writes an object at once.
pub(super) struct Object<W> {
    run_id: u128,
    to: W,
}

impl<W> Object<W> {
    pub(super) fn new(run_id: u128, to: W) -> Self {
        Object { run_id, to }
    }
}

impl<W: Write> Write for Object<W> {
    fn write(&mut self, object: &[u8]) -> io::Result<usize> {
        let mut line = Vec::with_capacity(object.len() + 48);
        match object.strip_prefix(b"{") {
            Some(rest) => {
                write!(line, "{{\"run_id\":\"{:032x}\",", self.run_id)?;
                line.extend_from_slice(rest);
            }
            None => line.extend_from_slice(object),
        }
        self.to.write_all(&line).map(|()| object.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

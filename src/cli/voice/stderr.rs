//! What is written to stderr beside the log: lines of text, and warnings between the bars of a run.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chrono::SecondsFormat;
use serde_json::json;

use super::records::TARGET;
use crate::base::clock::SharedClock;
use crate::base::program;
use crate::base::text::{stamp, wrapped};
use crate::cli::screen::{Screen, Tone};
use crate::progress::{Event, Progress};

/// How the line of an error begins.
const ERROR: &str = "error:";

/// stderr, as it is.
pub(super) struct Stderr {
    pub(super) json: bool,
    run_id: u128,
    pub(super) screen: Screen,
    pub(super) clock: SharedClock,
    /// What draws a run there.
    renderer: Mutex<Option<Weak<dyn Progress>>>,
}

impl Stderr {
    pub(super) fn new(json: bool, run_id: u128, screen: Screen, clock: SharedClock) -> Stderr {
        Stderr {
            json,
            run_id,
            screen,
            clock,
            renderer: Mutex::default(),
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.screen.width.is_some()
    }

    /// Has warnings go through what draws a run, for as long as that is there.
    pub(super) fn render_by(&self, renderer: &Arc<dyn Progress>) {
        let mut by = self.renderer.lock().unwrap_or_else(PoisonError::into_inner);
        *by = Some(Arc::downgrade(renderer));
    }

    /// A warning as text.
    pub(super) fn warn(&self, text: &str) {
        let by = self.renderer.lock().unwrap_or_else(PoisonError::into_inner);
        let renderer = by.as_ref().and_then(Weak::upgrade);
        drop(by);
        match renderer {
            Some(renderer) => renderer.event(Event::Warning(text)),
            None => self.line(&program::named(&format!("warning: {text}"))),
        }
    }

    /// A warning of the log itself, which is in the middle of a record and takes no other one.
    pub(super) fn warn_of_records(&self, text: &str) {
        if !self.json {
            return self.warn(text);
        }
        let object = json!({
            "run_id": format!("{:032x}", self.run_id),
            "timestamp": self.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true),
            "level": "WARN",
            "fields": { "message": program::named(text) },
            "target": TARGET,
        });
        let _ = writeln!(std::io::stderr(), "{object}");
    }

    /// The error that ended a command.
    pub(super) fn error(&self, text: &str) {
        self.line(self.screen.prose(&format!("{ERROR} {text}")).trim_end());
    }

    pub(super) fn line(&self, line: &str) {
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

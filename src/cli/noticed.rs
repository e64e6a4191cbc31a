//! The notices of a command that has begun.

use std::sync::{Arc, OnceLock};

use crate::base::exit_code::ExitCode;
use crate::cli::signals::interrupted;
use crate::notify::Notifier;
use crate::progress::{Fanout, Progress};

/// The notices of a command, from when it has begun; none if nobody is notified.
#[derive(Default)]
pub(super) struct Notices(OnceLock<Notifier>);

impl Notices {
    /// Notifies from now on, by what `start` makes.
    pub(super) fn begin(&self, start: impl FnOnce() -> Notifier) {
        self.0.get_or_init(start);
    }

    /// What a run tells its events to: `shown`, and the notices.
    pub(super) fn beside(&self, shown: Arc<dyn Progress>) -> Arc<dyn Progress> {
        match self.0.get() {
            Some(notifier) => Arc::new(Fanout::new([shown, notifier.progress()])),
            None => shown,
        }
    }

    /// Keeps what the command came to, as its result says it.
    pub(super) fn outcome(&self, message: &str) {
        if let Some(notifier) = self.0.get() {
            notifier.outcome(message);
        }
    }

    /// Sends the last notice. A person who does not want to wait for it interrupts it.
    pub(super) async fn end(&self, exit: ExitCode, error: Option<&str>) {
        let Some(notifier) = self.0.get() else {
            return;
        };
        tokio::select! {
            () = notifier.end(exit, error) => {}
            _ = interrupted() => notifier.give_up(),
        }
    }
}

//! The wish to stop, heard by everything that a run does.

use tokio::sync::watch;

use crate::base::error::{Error, ErrorKind};

/// What ends a piece of work that the wish to stop found unfinished.
pub fn stopped() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "The run was asked to stop; run the same command again to go on",
    )
}

/// Shared by whoever may ask a run to stop and all who must hear it. Once said, it stays said.
#[derive(Debug, Clone)]
pub struct StopSignal {
    sender: watch::Sender<bool>,
}

impl Default for StopSignal {
    fn default() -> Self {
        StopSignal {
            sender: watch::Sender::new(false),
        }
    }
}

impl StopSignal {
    /// A signal that nobody has given.
    pub fn new() -> Self {
        StopSignal::default()
    }

    /// Asks to stop: chunks in flight are committed or rolled back, and nothing new is begun.
    pub fn stop(&self) {
        self.sender.send_replace(true);
    }

    /// Whether it was asked.
    pub fn is_stopped(&self) -> bool {
        *self.sender.borrow()
    }

    /// Ends when it is asked.
    pub async fn stopped(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender is in `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}

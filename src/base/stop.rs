//! The request to stop, which every part of a run observes.

use tokio::sync::watch;

use crate::base::error::{Error, ErrorKind};

/// What is said, and kept of a run, where the request to stop left work unfinished. State files hold it, so it stays as it is.
pub const STOPPED: &str = "The run was asked to stop; run the same command again to resume";

/// The error for work that the request to stop left unfinished.
pub fn stopped() -> Error {
    Error::new(ErrorKind::Stopped, STOPPED)
}

/// The request to stop, shared between the code that makes it and the code that observes it. It is never withdrawn.
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
    /// A signal without a request.
    pub fn new() -> Self {
        StopSignal::default()
    }

    /// Requests the stop: the run commits or rolls back the chunks in flight, and begins nothing new.
    pub fn stop(&self) {
        self.sender.send_replace(true);
    }

    /// Whether the stop was requested.
    pub fn is_stopped(&self) -> bool {
        *self.sender.borrow()
    }

    /// Waits for the request.
    pub async fn stopped(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender is in `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}

//! The signals between the two sides of a connection besides packets: an attention, and the end.
//!
//! They are flags only. The session checks one of them, `cancel`, whatever the reason to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The flags of one connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// The flag that the session checks. It says that the request is cancelled or the client gone.
    pub(crate) cancel: Arc<AtomicBool>,
    /// An attention is on its way to the session's thread.
    attention: AtomicBool,
    gone: AtomicBool,
}

impl Link {
    /// The client asked to cancel the running request.
    pub(crate) fn attend(&self) {
        self.attention.store(true, Ordering::SeqCst);
        self.cancel.store(true, Ordering::SeqCst);
    }

    /// The client is gone.
    pub(crate) fn part(&self) {
        self.gone.store(true, Ordering::SeqCst);
        self.cancel.store(true, Ordering::SeqCst);
    }

    /// The attention was answered.
    pub(crate) fn attended(&self) {
        self.attention.store(false, Ordering::SeqCst);
        self.cancel.store(false, Ordering::SeqCst);
        if self.is_gone() {
            self.cancel.store(true, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    pub(crate) fn has_attention(&self) -> bool {
        self.attention.load(Ordering::SeqCst)
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }
}
